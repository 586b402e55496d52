#!/bin/bash
# Configures a preset of CMakePresets.json below build/, and builds it or some of its targets:
#     tools/build.sh release
#     tools/build.sh release bench_tools
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
shift
mkdir -p build
log=build/configure-$preset.log
cmake --preset "$preset" >"$log" 2>&1 || { cat "$log"; exit 1; }
exec cmake --build --preset "$preset" ${1:+--target "$@"}
