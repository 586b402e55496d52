#!/bin/bash
# What can be said of our sources without running them: floors, prose, format, clang-tidy, and whether each
# header can be included by itself. The checks are in .clang-format and .clang-tidy.
#     tools/lint.sh            what differs from the commit $LINT_BASE, and new files. Without that
#                              variable: what the commits of the last day before HEAD have changed
#     tools/lint.sh --all      every file
# clang-tidy takes ten seconds a file. With $LINT_SECONDS it begins with what was committed last, and
# after so many seconds begins with no other file and says how many it has not looked at.
set -euo pipefail
cd "$(dirname "$0")/.."
SECONDS_FROM=$(date +%s)

last_day() {
  local before
  before=$(($(git log -1 --format=%ct) - 86400))
  git rev-list -1 --before="$before" HEAD | grep . || git hash-object -t tree /dev/null
}
own() { grep -E '\.(cc|h)$' | grep -v '^build/' | while read -r f; do [ -f "$f" ] && echo "$f"; done; }
if [ "${1:-}" = --all ]; then
  mapfile -t files < <(git ls-files | own)
else
  base=${LINT_BASE:-$(last_day)}
  mapfile -t files < <({ git diff --name-only "$base"
                         git ls-files --others --exclude-standard; } | sort -u | own)
fi
python3 tests/lint/check_floors.py
python3 tests/lint/check_prose.py
python3 tests/lint/check_folders.py
[ ${#files[@]} -eq 0 ] && { echo "lint: nothing has changed"; exit 0; }

echo "lint: ${#files[@]} files"
clang-format --dry-run -Werror "${files[@]}"

# How each file is compiled by itself. GCC's precompiled header means nothing to clang, nor do some of
# its warnings; so the commands are read without them.
cmake --preset dev >/dev/null
commands=$(mktemp -d)
trap 'rm -rf "$commands"' EXIT
sed -e 's/ -Winvalid-pch//; s/ -include [^ ]*cmake_pch[^ ]*//; s/ -Wno-restrict//; s/ -Wno-maybe-uninitialized//
  s/ -Wno-stringop-[a-z]*//g; s/[^" ]*ccache //' \
  build/dev/compile_commands.json >"$commands/compile_commands.json"

headers=() sources=()
for f in "${files[@]}"; do
  case $f in
    tests/fuzz/*.cc | tests/catch3/*) ;;  # compiled by `make fuzz` alone; by Catch2 3 alone
    *.cc) sources+=("$f") ;;
    *.h) headers+=("$f") ;;
  esac
done
if [ ${#headers[@]} -gt 0 ]; then
  includes=$(pkg-config --cflags libuv libcares libcurl libmicrohttpd libidn2 sqlite3 libseccomp re2)
  # shellcheck disable=SC2086
  printf '%s\n' "${headers[@]}" | xargs -P "$(nproc)" -I{} \
    clang++ -std=c++20 -fsyntax-only -Wall -Wextra -Werror -Wno-pragma-once-outside-header \
    -Wno-unused-const-variable -I. -DPOSTWAIN_VERSION='"0"' $includes -x c++ {}
fi
[ ${#sources[@]} -eq 0 ] && exit 0
newest_first() {
  { git status --porcelain | cut -c4-; git log --format= --name-only; } | awk '
    NR == FNR { wanted[$0] = 1; next }
    $0 in wanted { print; delete wanted[$0] }
    END { for (f in wanted) print f }' <(printf '%s\n' "${sources[@]}") -
}
export commands DEADLINE=$((SECONDS_FROM + ${LINT_SECONDS:-86400}))
newest_first | xargs -P "$(nproc)" -n 1 bash -c '
  if [ "$(date +%s)" -ge "$DEADLINE" ]; then echo "$1" >>"$commands/not_looked_at"; exit; fi
  clang-tidy -p "$commands" --quiet "$1" 2>"$commands/$$.err" || { cat "$commands/$$.err" >&2; exit 1; }' tidy
[ ! -e "$commands/not_looked_at" ] ||
  echo "lint: clang-tidy has not looked at $(wc -l <"$commands/not_looked_at") of ${#sources[@]} files"
