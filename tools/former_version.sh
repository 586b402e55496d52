#!/bin/bash
# Prints the folder with the programs of a former version: a folder that is given, or a commit, which
# is built below build/former for that.
set -euo pipefail
cd "$(dirname "$0")/.."
former=${1:?name a folder with the programs of a former version, or a commit}
if [ -x "$former/postwain" ]; then
  realpath "$former"
  exit
fi
commit=$(git rev-parse --verify --quiet "$former^{commit}") ||
  { echo "$former is neither a folder with programs nor a commit" >&2; exit 1; }
tree=build/former/$commit
if [ ! -x "$tree/build/release/bin/qmgr" ]; then
  rm -rf "$tree"
  mkdir -p "$tree"
  git archive "$commit" | tar -x -C "$tree"
  "$tree/tools/build.sh" release >&2
fi
realpath "$tree/build/release/bin"
