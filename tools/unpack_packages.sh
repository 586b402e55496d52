#!/bin/bash
# Unpacks the packages of a section of packages.debian below a folder, together with whatever apt would
# have to install for them on this machine, without installing any of it: for programs whose packages
# conflict with each other, or bring a service that nobody wants to run. Each package gets a folder of
# its own; with a third word all of them share the one of that name.
#     tools/unpack_packages.sh peer build/peers
#     tools/unpack_packages.sh filter build/peers filters
set -euo pipefail
cd "$(dirname "$0")/.."
section=$1
target=$(realpath -m "$2")
together=${3:-}

# Into the folder $1: the packages named after it, and all that they need and this machine lacks.
download() {
  apt-get install -y -q --no-install-recommends --reinstall --download-only \
    -o Dir::Cache::archives="$1" -o Debug::NoLocking=1 -o APT::Sandbox::User=root "${@:2}"
}

# Into the folder $1 of the target, unless they are there: the packages named after it.
unpack() {
  local name=$1 packages=("${@:2}")
  [ "$(cat "$target/$name/.complete" 2>/dev/null)" = "${packages[*]}" ] && return
  echo "unpacking: ${packages[*]}"
  local archives=$target/$name.deb
  rm -rf "${target:?}/$name" "$archives"
  mkdir -p "$archives/partial" "$target/$name"
  # The lists may be empty or old, as in install_packages.sh.
  { download "$archives" "${packages[@]}" ||
      { apt-get update -q && download "$archives" "${packages[@]}"; }; } \
    >"$target/$name.log" 2>&1 || { cat "$target/$name.log" >&2; exit 1; }
  # /lib and the like are links to below /usr on the machine, but not in older packages.
  mkdir -p "$target/$name/usr/lib" "$target/$name/usr/bin" "$target/$name/usr/sbin"
  for place in lib bin sbin; do ln -s "usr/$place" "$target/$name/$place"; done
  for package in "$archives"/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$target/$name"
  done
  rm -rf "$archives" "$target/$name.log"
  echo "${packages[*]}" >"$target/$name/.complete"
}

mkdir -p "$target"
mapfile -t names < <(tools/packages_of.sh "$section")
if [ -n "$together" ]; then
  unpack "$together" "${names[@]}"
else
  for name in "${names[@]}"; do unpack "$name" "$name"; done
fi
