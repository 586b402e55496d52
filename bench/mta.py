"""The mail servers under comparison, each as an own instance in a folder of its own.

Both relay everything to the same sinks without DNS or filters, and with TLS only where the client asks
for it and for the one domain that goes on under TLS, both answer 250 only after their
queue is synced to the same disk, both write their log to a file.
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import asdict, dataclass

START_S = 30
LMTP_DOMAIN = "lmtp.example"  # recipients of this domain go to the LMTP sink
TLS_DOMAIN = "tls.example"  # these to the sink that has TLS, and under TLS


@dataclass
class Surroundings:
    """What all servers find: the ports of the sinks, and a certificate."""

    smtp: int
    lmtp: int
    tls: int
    certificate: pathlib.Path
    key: pathlib.Path


def make_certificate(folder):
    """A key and a certificate of ECDSA, as most have it: (certificate, key)."""
    certificate, key = pathlib.Path(folder) / "certificate.pem", pathlib.Path(folder) / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "30", "-subj", "/CN=bench.example", "-addext", "subjectAltName=DNS:bench.example",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, seconds=15):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                if connection.recv(3) == b"220":
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"nothing greets on port {port}")


class Postfix:
    """Debian's postfix, tuned for this load; never touches /etc/postfix or /var/spool/postfix."""

    name = "postfix"

    MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = postfix.example
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
local_recipient_maps =
alias_maps =
smtpd_peername_lookup = no
biff = no
message_size_limit = 52428800
relayhost = [127.0.0.1]:{smtp}
transport_maps = inline:{{ {{ {lmtp_domain} = lmtp:inet:127.0.0.1:{lmtp} }}, {{ {tls_domain} = smtp:[127.0.0.1]:{tls} }} }}
smtpd_tls_security_level = may
smtpd_tls_chain_files = {key}, {certificate}
smtpd_tls_session_cache_timeout = 3600s
smtp_tls_security_level = none
smtp_tls_policy_maps = inline:{{ {{ [127.0.0.1]:{tls} = encrypt }} }}
smtp_tls_session_cache_database = btree:{folder}/data/smtp_scache
smtp_tls_connection_reuse = yes
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
default_process_limit = 250
default_destination_concurrency_limit = 20
initial_destination_concurrency = 20
smtp_connection_cache_destinations = [127.0.0.1]:{smtp}, [127.0.0.1]:{tls}
smtp_connection_reuse_count_limit = 0
lmtp_connection_cache_destinations = inet:127.0.0.1:{lmtp}
lmtp_connection_reuse_count_limit = 0
in_flow_delay = 0
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
"""
    # service type private unpriv chroot wakeup maxproc command: Debian's list without chroot and
    # without the local and pipe deliveries.
    MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
tlsproxy unix - - n - 0 tlsproxy
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

    def __init__(self, folder, around, more=""):
        self.folder = pathlib.Path(folder) / self.name
        self.port = free_port()
        self.values = dict(
            folder=self.folder,
            port=self.port,
            lmtp_domain=LMTP_DOMAIN,
            tls_domain=TLS_DOMAIN,
            **asdict(around),
        )
        self.more = more

    def _postfix(self, *words):
        return subprocess.run(
            ["/usr/sbin/postfix", "-c", self.folder / "etc", *words],
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self):
        for part in ("etc", "queue", "data"):
            (self.folder / part).mkdir(parents=True)
        shutil.chown(self.folder / "data", "postfix", "postfix")
        (self.folder / "etc/main.cf").write_text(self.MAIN.format(**self.values) + self.more)
        (self.folder / "etc/master.cf").write_text(self.MASTER.format(**self.values))
        started = self._postfix("start")
        try:
            wait_for_port(self.port)
        except RuntimeError as error:
            raise RuntimeError(f"postfix: {error}\n{started.stdout}{started.stderr}") from error

    def root_pid(self):
        return int((self.folder / "queue/pid/master.pid").read_text().strip())

    def stop(self):
        self._postfix("stop")

    def version(self):
        shown = subprocess.run(
            ["/usr/sbin/postconf", "-d", "-h", "mail_version"],
            capture_output=True,
            text=True,
            check=False,
        )
        return "Postfix " + shown.stdout.strip()


class Postwain:
    """The release binaries, with one route to the sink."""

    name = "postwain"

    CONFIG = """\
hostname = "postwain.example"
spool_dir = "{folder}/spool"
runtime_dir = "{folder}/run"

[[listener]]
address = "127.0.0.1:{port}"
protocol = "smtp"
[tls]
certificate = "{certificate}"
key = "{key}"

[access]
trusted_networks = ["127.0.0.0/8"]

[limits]
connections = 2000
connections_per_ip = 2000

[[route]]
match = "{lmtp_domain}"
deliver = "lmtp:127.0.0.1:{lmtp}"

[[route]]
match = "{tls_domain}"
deliver = "smtp:[127.0.0.1]:{tls}"
tls = "encrypt"

{routes}
[[route]]
match = "*"
deliver = "smtp:[127.0.0.1]:{smtp}"
{bounds}
{extra}
"""

    def __init__(self, folder, around, binaries, extra="", bounds="", routes="", name=None):
        self.name = name or self.name
        self.folder = pathlib.Path(folder) / self.name
        self.port = free_port()
        self.binary = pathlib.Path(binaries) / "postwain"
        self.process = None
        self.log = None
        self.text = self.CONFIG.format(
            folder=self.folder,
            port=self.port,
            lmtp_domain=LMTP_DOMAIN,
            tls_domain=TLS_DOMAIN,
            extra=extra,
            routes=routes,
            bounds=bounds,
            **asdict(around),
        )

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "postwain.toml"
        config.write_text(self.text)
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen(
            [self.binary, "run", "--config", config],
            stderr=self.log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # as Postfix's master does
        )
        # Not the open port: it may greet a moment before the queue manager can be reached.
        deadline = time.monotonic() + START_S
        while " ready" not in (self.folder / "log").read_text(errors="replace"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                tail = (self.folder / "log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"postwain is not ready\n{tail}")
            time.sleep(0.02)

    def root_pid(self):
        return self.process.pid

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
        self.log.close()

    def version(self):
        shown = subprocess.run(
            [self.binary, "--version"], capture_output=True, text=True, check=False
        )
        commit = subprocess.run(
            ["git", "-C", os.path.dirname(__file__), "rev-parse", "--short", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
        )
        words = (shown.stdout or shown.stderr).split("\n")[0].strip() or "Postwain"
        return f"{words}, commit {commit.stdout.strip() or 'unknown'}"
