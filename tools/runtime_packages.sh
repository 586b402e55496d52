#!/bin/bash
# Prints the Debian packages whose libraries the named programs load: their names differ from release
# to release.
#     tools/runtime_packages.sh build/release/bin/*
set -euo pipefail
for program in "$@"; do
  [ -f "$program" ] && ldd "$program" | awk '/=> \// { print $3 }'
done | sort -u | while read -r library; do
  # dpkg knows the name without the link from /lib to /usr/lib, or with it.
  dpkg-query -S "$(realpath "$library")" 2>/dev/null || dpkg-query -S "$library" 2>/dev/null ||
    dpkg-query -S "${library#/usr}" 2>/dev/null || dpkg-query -S "*/$(basename "$(realpath "$library")")"
done | sed 's/:.*//' | sort -u
