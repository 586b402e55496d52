#!/bin/bash
# Runs every fuzz target for a while:   tools/fuzz.sh [SECONDS]
# or so often each:                     tools/fuzz.sh runs=10000000
# or only the named ones:               tools/fuzz.sh runs=10000000 config addresses
set -euo pipefail
cd "$(dirname "$0")/.."
bound="-max_total_time=${1:-60}"
case ${1:-} in runs=*) bound="-runs=${1#runs=}" ;; esac
shopt -s nullglob
targets=(build/fuzz/bin/fuzz_*)
[ $# -gt 1 ] && targets=("${@:2}") && targets=("${targets[@]/#/build/fuzz/bin/fuzz_}")
if [ ${#targets[@]} -eq 0 ]; then
  echo "there are no fuzz targets (tests/fuzz) in this tree" >&2
  exit 1
fi
for target in "${targets[@]}"; do
  name=$(basename "$target")
  corpus=tests/fuzz/corpus/${name#fuzz_}
  dictionary=smtp.dict
  [ -f "tests/fuzz/dictionaries/${name#fuzz_}.dict" ] && dictionary=${name#fuzz_}.dict
  mkdir -p "build/fuzz/corpus/$name" "$corpus"
  echo "== $name $bound"
  "$target" "$bound" -dict=tests/fuzz/dictionaries/"$dictionary" -print_final_stats=1 "build/fuzz/corpus/$name" "$corpus"
done
