#!/bin/bash
# The life of the package in a Debian root of its own: installed, started, mail queued, upgraded with the mail in
# the queue, removed, purged. Root only; the root's programs see a network of their own with nothing but loopback.
# systemd does not run there: what it would do, the unit file says, and systemd-analyze checks.
set -euo pipefail
cd "$(dirname "$0")/../.."
deb=$(ls -t build/deb/postwain_*_amd64.deb | head -n 1)
work=$(mktemp -d)
root=$work/root
pid=

end() {
  [ -n "$pid" ] && kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
  umount -q "$root/proc" "$root/dev" "$work/net" 2>/dev/null || true
  rm -rf "$work"
}
trap end EXIT

say() { printf '%s\n' "-- $*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
# In the test's network namespace, which has loopback only.
alone() { nsenter --net="$work/net" chroot "$root" env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
messages() { alone postwain queue list --json | wc -l; }

start() {
  alone postwain run --config /etc/postwain/postwain.toml 2>"$work/log" &
  pid=$!
  for _ in $(seq 300); do
    grep -q ' ready ' "$work/log" && return
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  cat "$work/log"; fail "postwain did not become ready"
}
stop() {
  alone postwain stop
  wait "$pid"
  pid=
}

say "a root of its own"
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
mmdebstrap --quiet --variant=apt --include=init-system-helpers,adduser "$release" "$root"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
touch "$work/net"
unshare --net="$work/net" ip link set lo up

say "install"
cp "$deb" "$root/tmp/new.deb"
inside apt-get update -q >/dev/null
inside apt-get install -y -q --no-install-recommends /tmp/new.deb >"$work/apt" 2>&1 || { cat "$work/apt"; fail install; }
for user in postwain postwain-smtpd postwain-smtp postwain-lmtp postwain-metrics postwain-pickup postwain-tokens postwain-reporter postwain-filter postwain-signer postwain-dblink; do inside id "$user" >/dev/null || fail "no user $user"; done
for program in qmgr smtpd smtp-client lmtp-client metrics pickup tokens reporter filter signer db-link; do inside test -x "/usr/lib/postwain/$program" || fail "no $program"; done
for name in /usr/sbin/sendmail /usr/lib/sendmail /usr/bin/mailq; do inside test -x "$name" || fail "no $name"; done
inside postwain check --config /etc/postwain/postwain.toml || fail "the shipped configuration has mistakes"

say "start, and mail that must wait"
start
printf 'Subject: kept\n\nbody\n' | alone sendmail -f root@localhost.example someone@unreachable.example
[ "$(messages)" = 1 ] || fail "the message is not in the queue"
ps -o user= --ppid "$pid" >/dev/null
for process in qmgr smtpd smtp-client; do
  uid=$(ps -eo uid=,comm= | awk -v c="$process" '$2 == c { print $1; exit }')
  [ -n "$uid" ] && [ "$uid" != 0 ] || fail "$process runs as ${uid:-nobody known}"
done

say "upgrade with mail in the queue"
mkdir "$work/repack"
dpkg-deb -R "$deb" "$work/repack"
sed -i 's/^Version: .*/&+next1/' "$work/repack/DEBIAN/control"
dpkg-deb --root-owner-group -b "$work/repack" "$root/tmp/next.deb" >/dev/null
echo '# a change of the administrator' >>"$root/etc/postwain/postwain.toml"
stop
inside dpkg -i /tmp/next.deb >"$work/apt" 2>&1 || { cat "$work/apt"; fail upgrade; }
grep -q 'a change of the administrator' "$root/etc/postwain/postwain.toml" || fail "the upgrade lost a change"
start
[ "$(messages)" = 1 ] || fail "the upgrade lost the queue"
stop

say "remove keeps configuration and queue"
inside dpkg -r postwain >/dev/null 2>&1 || fail remove
[ -e "$root/etc/postwain/postwain.toml" ] || fail "remove took the configuration"
[ -e "$root/var/lib/postwain/queue.db" ] || fail "remove took the queue"
[ ! -e "$root/usr/sbin/postwain" ] || fail "remove left the program"

say "purge leaves nothing"
inside dpkg -P postwain >/dev/null 2>&1 || fail purge
for path in /etc/postwain /var/lib/postwain /var/lib/postwain-drop /run/postwain /usr/lib/postwain; do
  [ ! -e "$root$path" ] || fail "purge left $path"
done
echo "6 passed, 0 failed"
