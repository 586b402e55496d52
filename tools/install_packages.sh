#!/bin/bash
# Installs the packages of the named sections of packages.debian that are missing, and nothing else:
#     tools/install_packages.sh build test
# apt-get runs only when something is missing; that needs root or sudo.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
for name in $(tools/packages_of.sh "$@"); do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$name")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "These Debian packages are missing and only root can install them:" >&2
    echo "    apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends
  -o Dpkg::Use-Pty=0 "${missing[@]}")
# The package lists of a fresh machine are empty or old: fetch them and try again.
"${install[@]}" || { "${as_root[@]}" apt-get update -q && "${install[@]}"; }
