#!/bin/bash
# Runs every fuzz target for a while:   tools/fuzz.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
shopt -s nullglob
targets=(build/fuzz/bin/fuzz_*)
if [ ${#targets[@]} -eq 0 ]; then
  echo "there are no fuzz targets (tests/fuzz) in this tree" >&2
  exit 1
fi
for target in "${targets[@]}"; do
  name=$(basename "$target")
  corpus=tests/fuzz/corpus/${name#fuzz_}
  mkdir -p "build/fuzz/corpus/$name" "$corpus"
  echo "== $name, $seconds s"
  "$target" -max_total_time="$seconds" -print_final_stats=1 "build/fuzz/corpus/$name" "$corpus"
done
