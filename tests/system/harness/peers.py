"""Other mail servers of Debian, unpacked beside each other: each runs in a mount and process
namespace of its own, in which its files lie over the system's. All of it ends with its process.

Postfix and Exim take mail for one account with a login under TLS (submission as a smart host offers
it), OpenSMTPD from everybody; they hand it on to a sink. Cyrus stores by LMTP.
"""

import os
import signal
import subprocess

import dovecot_server
from resources import Folder, listening, reserve_port, wait_until
from sasl_server import PASSWORD, USER

PEERS = os.environ.get("POSTWAIN_PEERS", "build/peers")
START_TIMEOUT = 30


def namespaces_permitted():
    probe = ["unshare", "--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


_LOGINS = {"2.3": """
passdb {{
  driver = passwd-file
  args = {password}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}}
""", "2.4": """
passdb passwd-file {{
  passwd_file_path = {password}
}}
userdb static {{
  fields {{
    uid = nobody
    gid = nogroup
    home = /nonexistent
  }}
}}
"""}


class Peer:
    """packages: whose files it needs. users: name -> uid, added to the system's."""

    packages = ()
    users = {}

    def __init__(self, certificate=None, key=None, sink=None):
        self.folder = Folder()
        self.port = reserve_port()
        self.sink = sink
        self.certificate, self.key = certificate, key
        for name in ("etc", "work", "spool"):
            os.mkdir(self.folder / name)
        self._add_users()
        # Without the package netbase there is none.
        self.etc("services", "smtp 25/tcp\nlmtp 24/tcp\n")
        self.etc("protocols", "tcp 6 TCP\nudp 17 UDP\n")
        self.prepare()
        self._run()

    def prepare(self):
        """Writes what it needs below etc/."""

    def command(self):
        """Lines of shell that end with exec of the server, in the foreground."""
        raise NotImplementedError

    def is_up(self):
        return listening(self.port)

    @property
    def target(self):
        return f"smtp:127.0.0.1:{self.port}"

    def etc(self, name, content, mode=0o644):
        path = os.path.join(self.folder.path, "etc", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return self.folder.file(os.path.join("etc", name), content, mode)

    def _add_users(self):
        for name, line in (("passwd", "{0}:x:{1}:{1}::/nonexistent:/usr/sbin/nologin\n"),
                           ("group", "{0}:x:{1}:\n")):
            with open("/etc/" + name, encoding="utf-8") as file:
                kept = [l for l in file if l.split(":")[0] not in self.users]
            self.etc(name, "".join(kept) + "".join(
                line.format(user, uid) for user, uid in self.users.items()))

    def _run(self):
        roots = [os.path.abspath(os.path.join(PEERS, name)) for name in self.packages]
        below = lambda part: ":".join(r + part for r in roots if os.path.isdir(r + part))
        script = "\n".join([
            "set -e",
            f"mount -t overlay overlay -o lowerdir={below('/usr')}:/usr /usr",
            f"mount -t overlay overlay -o lowerdir={self.folder.path}/etc:{below('/etc')}:/etc /etc",
            f"mount --bind {self.folder.path}/spool /var/spool",
            "mount -t tmpfs tmpfs /run", "mount -t tmpfs tmpfs /var/lib", "mount -t proc proc /proc",
            self.command()])
        path = self.folder.file("run.sh", script)
        with open(self.folder / "log", "wb") as output:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", path],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        wait_until(lambda: self.process.poll() is not None or self.is_up(), START_TIMEOUT,
                   lambda: f"start of {type(self).__name__}\n" + self.log())
        if self.process.poll() is not None:
            raise AssertionError(f"{type(self).__name__} did not start\n" + self.log())

    def log(self):
        with open(self.folder / "log", encoding="utf-8", errors="replace") as file:
            return file.read()[-5000:]

    def stop(self):
        """A second time it does nothing."""
        if self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(20)
        self.folder.remove()


class Postfix(Peer):
    packages = ("postfix",)
    users = {"postfix": 61950, "postdrop": 61951}

    def prepare(self):
        self.etc("postfix/main.cf", f"""
compatibility_level = 3.6
queue_directory = /var/spool/postfix
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
data_directory = /var/lib/postfix
shlib_directory = /usr/lib/postfix
mail_owner = postfix
setgid_group = postdrop
myhostname = peer.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
maillog_file = /dev/stdout
alias_maps =
alias_database =
relayhost = [127.0.0.1]:{self.sink.port}
smtp_tls_security_level = none
smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = {self.certificate}
smtpd_tls_key_file = {self.key}
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {self.folder.path}/auth
local_recipient_maps =
smtpd_relay_restrictions = permit_sasl_authenticated,reject
mynetworks = 192.0.2.1/32
smtpd_authorized_xforward_hosts = 127.0.0.0/8
""")
        self.etc("postfix/master.cf", f"""
127.0.0.1:{self.port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
postlog unix-dgram n - n - 1 postlogd
""")
        # Postfix asks Dovecot about logins.
        version = dovecot_server.version()
        password = self.folder.file("passwords", f"{USER}:{{PLAIN}}{PASSWORD}\n")
        self.etc("dovecot-auth.conf", f"""{dovecot_server.FIRST_LINES[version]}
base_dir = {self.folder.path}/dovecot
log_path = /dev/stderr
protocols =
ssl = no
auth_mechanisms = plain login cram-md5 scram-sha-256
auth_username_chars =
{_LOGINS[version].format(password=password)}
service auth {{
  unix_listener {self.folder.path}/auth {{
    mode = 0666
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
""")

    def command(self):
        return "\n".join([
            "/usr/sbin/dovecot -F -c /etc/dovecot-auth.conf &",
            "mkdir -p /var/spool/postfix /var/lib/postfix",
            "chown postfix /var/lib/postfix",
            "postfix -c /etc/postfix check || true",
            "exec postfix -c /etc/postfix start-fg"])

    def is_up(self):
        return listening(self.port) and os.path.exists(self.folder / "auth")


class Exim(Peer):
    packages = ("exim4-daemon-light",)
    users = {"Debian-exim": 61952}

    def prepare(self):
        self.etc("exim.conf", f"""
primary_hostname = peer.test
exim_user = Debian-exim
exim_group = Debian-exim
never_users =
spool_directory = /var/spool/exim4
log_file_path = /var/spool/exim4/%slog
tls_advertise_hosts = *
tls_certificate = {self.certificate}
tls_privatekey = /etc/exim.key
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
chunking_advertise_hosts = *
pipelining_connect_advertise_hosts =
dsn_advertise_hosts = *
acl_smtp_rcpt = check_rcpt
acl_smtp_data = accept_all
begin acl
check_rcpt:
  accept authenticated = *
  deny message = not for you
accept_all:
  accept
begin routers
on:
  driver = manualroute
  transport = out
  route_list = * 127.0.0.1 byname
  self = send
begin transports
out:
  driver = smtp
  port = {self.sink.port}
  hosts_avoid_tls = *
  allow_localhost
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{USER}}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth2
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${{if eq{{$auth1}}{{{USER}}}{{{PASSWORD}}}fail}}
  server_set_id = $auth1
""")
        with open(self.key, "rb") as file:
            self.etc("exim.key", file.read(), 0o644)

    def command(self):
        return "\n".join([
            "mkdir -p /var/spool/exim4", "chown Debian-exim:Debian-exim /var/spool/exim4",
            f"exec /usr/sbin/exim4 -bdf -q10s -C /etc/exim.conf -oX 127.0.0.1.{self.port}"])


class OpenSmtpd(Peer):
    """In clear and without login: Debian 12's OpenSMTPD cannot sign with its key under OpenSSL 3
    ("EVP lib", "internal error" to every client), and logs nobody in without TLS."""

    packages = ("opensmtpd",)
    users = {"opensmtpd": 61953, "opensmtpq": 61954}

    def prepare(self):
        self.etc("smtpd.conf", f"""
listen on 127.0.0.1 port {self.port} hostname peer.test
action "on" relay host smtp+notls://127.0.0.1:{self.sink.port}
match from any for any action "on"
""")

    def command(self):
        return "\n".join([
            "mkdir -p /var/lib/opensmtpd/empty /run/opensmtpd", "chmod 711 /var/lib/opensmtpd/empty",
            "exec /usr/sbin/smtpd -d -f /etc/smtpd.conf"])


class Cyrus(Peer):
    packages = ("cyrus-imapd",)
    users = {"cyrus": 61955, "mail": 8}

    def __init__(self, creates=True):
        self.creates = creates  # mailboxes of whoever gets mail
        super().__init__()

    @property
    def target(self):
        return f"lmtp:unix:{self.folder.path}/spool/lmtp"

    def is_up(self):
        return os.path.exists(self.folder / "spool/lmtp")

    def prepare(self):
        self.etc("imapd.conf", f"""
configdirectory: /var/lib/cyrus
partition-default: /var/spool/cyrus
defaultpartition: default
sievedir: /var/spool/sieve
admins: cyrus
defaultdomain: store.test
unixhierarchysep: yes
altnamespace: no
lmtp_downcase_rcpt: yes
autocreate_post: {int(self.creates)}
autocreate_quota: 0
sasl_pwcheck_method: auxprop
lmtpsocket: /var/spool/lmtp
idlesocket: /run/cyrus/idle
notifysocket: /run/cyrus/notify
syslog_prefix: cyrus
duplicate_db: twoskip
""")
        self.etc("cyrus.conf", """
START {
  recover cmd="/usr/lib/cyrus/bin/ctl_cyrusdb -r"
}
SERVICES {
  lmtpunix cmd="/usr/lib/cyrus/bin/lmtpd" listen="/var/spool/lmtp" prefork=0 maxchild=20
}
EVENTS {
}
""")

    def command(self):
        return "\n".join([
            "mkdir -p /var/lib/cyrus /var/spool/cyrus /var/spool/sieve /run/cyrus/proc /run/cyrus/lock",
            "chown -R cyrus /var/lib/cyrus /var/spool/cyrus /var/spool/sieve /run/cyrus",
            "chmod 0777 /var/spool",
            "setpriv --reuid cyrus --regid mail --clear-groups /usr/lib/cyrus/bin/makedirs /etc/imapd.conf",
            "exec /usr/sbin/cyrmaster -D -C /etc/imapd.conf -M /etc/cyrus.conf"])

    def mailboxes(self):
        """Contents of the messages, a list for each mailbox that has any (its folder has no name)."""
        found = []
        for path, _, files in os.walk(self.folder / "spool/cyrus"):
            contents = []
            for name in sorted(files):
                if name.endswith(".") and name[:-1].isdigit():
                    with open(os.path.join(path, name), "rb") as file:
                        contents.append(file.read())
            if contents:
                found.append(contents)
        return found
