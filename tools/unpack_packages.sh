#!/bin/bash
# Unpacks the packages of a section of packages.debian below a folder, each in a folder of its own, without installing
# them: for programs whose packages conflict with each other, or bring a service that nobody wants to run.
#     tools/unpack_packages.sh peer build/peers
set -euo pipefail
cd "$(dirname "$0")/.."
section=$1
target=$(realpath -m "$2")

mkdir -p "$target"
while read -r name; do
  [ -e "$target/$name/.complete" ] && continue
  echo "unpacking: $name"
  rm -rf "${target:?}/$name" "$target/$name.deb"
  mkdir -p "$target/$name.deb"
  # The lists may be empty or old, as in install_packages.sh.
  (cd "$target/$name.deb" &&
    { apt-get download -q "$name" || { apt-get update -q && apt-get download -q "$name"; }; }) >/dev/null
  mkdir "$target/$name"
  dpkg -x "$target/$name.deb"/*.deb "$target/$name"
  rm -rf "$target/$name.deb"
  touch "$target/$name/.complete"
done < <(awk -v s="$section" '$1 == s { print $2 }' packages.debian)
