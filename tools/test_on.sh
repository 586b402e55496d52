#!/bin/bash
# What a newcomer on another release of Debian meets: a bare root below build/on/, a clone of the last
# commit in it, the two commands of the README, the package, and the package's life. Root only.
#     tools/test_on.sh trixie
# Ends with 77 where no such root can be made: without root's rights, without namespaces, or with no way
# to the packages of that release. Whatever fails within the root ends with 1. TEST_ARGS is for ctest.
# The root is made anew each time and left there, so that one can look around in it. Its mounts and its
# processes end with this script, because they have namespaces of their own.
set -euo pipefail
cd "$(dirname "$0")/.."
suite=$1
place=$PWD/build/on/$suite
root=$place/root

cannot() { echo "test-on: $*" >&2; exit 77; }
[ "$(id -u)" = 0 ] || cannot "only root can make a root of its own"
unshare --mount --pid --fork mount -t tmpfs tmpfs /mnt || cannot "this machine permits no namespaces"
[ "$(git rev-parse --is-inside-work-tree 2>&1)" = true ] || cannot "there is no commit to be tested"
say() { printf '\n-- %s: %s\n' "$suite" "$*"; }

say "a bare root"
[ -z "$(git status --porcelain)" ] || echo "note: what is not committed is not tested there"
rm -rf --one-file-system "$place"
mkdir -p "$place"
mmdebstrap --quiet --variant=apt --include=make,git,ca-certificates "$suite" "$root" ||
  cannot "no root of $suite could be made"
git clone -q --no-hardlinks . "$root/postwain"

cat >"$root/newcomer.sh" <<'NEWCOMER'
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd /postwain
say() { printf '\n-- %s: %s\n' "$SUITE" "$*"; }
say "make build's packages"
make packages
say "make run"
SECONDS=0
make run ARGS=--once
echo "from clone to the first letter, packages installed: $SECONDS s"
say "make test"
make test ARGS="$TEST_ARGS"
say "postwain selftest"
printf '%s\n' 'hostname = "newcomer.example"' 'spool_dir = "/srv/spool"' \
  'runtime_dir = "/srv/runtime"' '[[listener]]' 'address = "127.0.0.1:2525"' >/root/selftest.toml
build/ci/bin/postwain selftest --config /root/selftest.toml
say "make deb, make deb-test"
make deb deb-test
NEWCOMER

unshare --mount --pid --fork --kill-child --propagation private bash -c '
  set -e
  root=$1
  mount --bind "$root" "$root"
  mount -t proc proc "$root/proc"
  mount -t sysfs sysfs "$root/sys" 2>/dev/null || true
  mount -t tmpfs tmpfs "$root/run"
  mount --rbind /dev "$root/dev"
  exec chroot "$root" env -i SUITE="$2" TERM="${TERM:-dumb}" CI="${CI:-}" \
    TEST_ARGS="${TEST_ARGS:-}" ${http_proxy:+http_proxy="$http_proxy"} bash /newcomer.sh' \
  test_on "$root" "$suite" || { echo "test-on: failed on $suite" >&2; exit 1; }
