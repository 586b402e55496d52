#!/bin/bash
# Builds the Debian package from the tree as it is, below build/deb, and lets lintian judge it.
#     tools/make_deb.sh [VERSION]     default: the version of CMakeLists.txt, revision 1
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
upstream=$(sed -n 's/^project(postwain VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
version=${1:-$upstream-1}
source=$root/build/deb/postwain-$upstream

rm -rf "$source"
mkdir -p "$source"
git ls-files -z -co --exclude-standard | xargs -0 cp --parents --no-dereference -t "$source" 2>/dev/null || true
cp -r etc/debian "$source/debian"
cd "$source"
for suffix in service socket sysusers tmpfiles; do cp "etc/postwain.$suffix" "debian/postwain.$suffix"; done
depends=$(tools/packages_of.sh build |
  awk '!/^(g\+\+|make|openssl|ca-certificates|python3.*)$/ { printf "%s%s", sep, $1; sep = ", " }')
sed -i "s/@BUILD_DEPENDS@/$depends/" debian/control
sed 's/^$/./; s/^/ /' LICENSE | tail -n +3 | sed -i -e '/@LICENSE@/{r /dev/stdin' -e 'd}' debian/copyright
date=$(git -C "$root" log -1 --format=%cD 2>/dev/null || date -R)
cat >debian/changelog <<EOF
postwain ($version) unstable; urgency=medium

  * Built from the source tree; its history tells what changed.

 -- The Postwain authors <postwain@postwain.example.org>  $date
EOF
dpkg-buildpackage -b -us -uc -j"$(nproc)"
cd ..
lintian --fail-on error,warning --suppress-tags-from-file "$root/etc/debian/lintian-suppressed" postwain_"${version}"_*.changes
echo "package: build/deb/$(ls -t postwain_"${version}"_*.deb | head -n 1)"
