#!/bin/bash
# Prints the packages of the named sections of packages.debian that this release of Debian has:
#     tools/packages_of.sh build test
set -euo pipefail
cd "$(dirname "$0")/.."
release=$(. /etc/os-release && echo "${VERSION_CODENAME:-unknown}")
for section in "$@"; do
  awk -v section="$section" -v release="$release" '
    $1 == section {
      wanted = NF == 2
      for (i = 3; i <= NF; ++i) if ($i == release) wanted = 1
      if (wanted) print $2
    }' packages.debian
done
