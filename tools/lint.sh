#!/bin/bash
# Format and clang-tidy over our own sources; the checks are in .clang-format and .clang-tidy.
#     tools/lint.sh            files that differ from the commit before, and new ones
#     tools/lint.sh --all      every file
set -euo pipefail
cd "$(dirname "$0")/.."
build=build/release

own() { grep -E '\.(cc|h)$' | grep -v '^build/' | while read -r f; do [ -f "$f" ] && echo "$f"; done; }
if [ "${1:-}" = --all ]; then
  mapfile -t files < <(git ls-files | own)
else
  mapfile -t files < <( { git diff --name-only HEAD~1 2>/dev/null || git ls-files
                          git ls-files --others --exclude-standard; } | sort -u | own)
fi
python3 tests/lint/check_floors.py
[ ${#files[@]} -eq 0 ] && { echo "lint: nothing has changed"; exit 0; }

clang-format --dry-run -Werror "${files[@]}"
[ -f $build/compile_commands.json ] || cmake --preset release >/dev/null
# GCC's precompiled header means nothing to clang, nor do some of its warnings; the tidy run reads the
# commands without them.
tidy=$(mktemp -d)
trap 'rm -rf "$tidy"' EXIT
sed -e 's/ -Winvalid-pch//; s/ -include [^ ]*cmake_pch[^ ]*//; s/ -Wno-restrict//; s/ -Wno-maybe-uninitialized//
  s/ -Wno-stringop-[a-z]*//g; s/ccache //' \
  $build/compile_commands.json >"$tidy/compile_commands.json"
sources=()
for f in "${files[@]}"; do [[ $f == *.cc ]] && sources+=("$f"); done
[ ${#sources[@]} -eq 0 ] && exit 0
printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -n 4 clang-tidy -p "$tidy" --quiet
