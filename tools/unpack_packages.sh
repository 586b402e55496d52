#!/bin/bash
# Unpacks the packages of a section of packages.debian below a folder, each in a folder of its own,
# together with whatever apt would have to install for it on this machine, without installing any of
# it: for programs whose packages conflict with each other, or bring a service that nobody wants to run.
#     tools/unpack_packages.sh peer build/peers
set -euo pipefail
cd "$(dirname "$0")/.."
section=$1
target=$(realpath -m "$2")

# Into the folder $1: the package $2 and all that it needs and this machine lacks.
download() {
  apt-get install -y -q --no-install-recommends --reinstall --download-only \
    -o Dir::Cache::archives="$1" -o Debug::NoLocking=1 -o APT::Sandbox::User=root "$2"
}

mkdir -p "$target"
for name in $(tools/packages_of.sh "$section"); do
  [ -e "$target/$name/.complete" ] && continue
  echo "unpacking: $name"
  archives=$target/$name.deb
  rm -rf "${target:?}/$name" "$archives"
  mkdir -p "$archives/partial" "$target/$name"
  # The lists may be empty or old, as in install_packages.sh.
  { download "$archives" "$name" || { apt-get update -q && download "$archives" "$name"; }; } \
    >"$target/$name.log" 2>&1 || { cat "$target/$name.log" >&2; exit 1; }
  # /lib and the like are links to below /usr on the machine, but not in older packages.
  mkdir -p "$target/$name/usr/lib" "$target/$name/usr/bin" "$target/$name/usr/sbin"
  for place in lib bin sbin; do ln -s "usr/$place" "$target/$name/$place"; done
  for package in "$archives"/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$target/$name"
  done
  rm -rf "$archives" "$target/$name.log"
  touch "$target/$name/.complete"
done
