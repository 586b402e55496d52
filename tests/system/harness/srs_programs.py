"""Other programs that rewrite senders, unpacked beside us: Mail::SRS (Perl), pysrs and postsrsd.

Each has forward(address) and reverse(address), which give an address, or None where there is none.
"""

import os
import socket
import subprocess

from line_tool import LineProgram
from resources import Folder, listening, reserve_port, wait_until

UNPACKED = os.path.abspath(os.path.join(os.environ.get("POSTWAIN_PEERS", "build/peers"), "filters"))

_PERL = r"""
use Mail::SRS;
$| = 1;
my ($domain, $separator, @secrets) = @ARGV;
my $srs = Mail::SRS->new(Secret => \@secrets, Separator => $separator, AlwaysRewrite => 1);
while (my $line = <STDIN>) {
  chomp $line;
  my ($what, $address) = split / /, $line, 2;
  my $out = eval { $what eq 'forward' ? $srs->forward($address, $domain) : $srs->reverse($address) };
  print defined $out ? "$out\n" : "\n";
}
"""

_PYTHON = r"""
import contextlib, sys
import SRS
domain, separator, *secrets = sys.argv[1:]
srs = SRS.new(secrets[0], separator=separator, alwaysrewrite=True)
srs.set_secret(*secrets)
for line in sys.stdin:
    what, address = line.rstrip("\n").split(" ", 1)
    out = ""
    with contextlib.suppress(Exception):
        out = srs.forward(address, domain) if what == "forward" else srs.reverse(address)
    print(out, flush=True)
"""


class _Rewriter(LineProgram):
    """A program that answers lines "forward ADDRESS" and "reverse ADDRESS"; an empty line: no."""

    def forward(self, address):
        return self.ask(f"forward {address}") or None

    def reverse(self, address):
        return self.ask(f"reverse {address}") or None


class MailSrs(_Rewriter):
    needs = "usr/share/perl5/Mail/SRS.pm"

    def __init__(self, domain, separator, secrets):
        super().__init__(["/usr/bin/perl", "-e", _PERL, domain, separator, *secrets],
                         {"PERL5LIB": os.path.join(UNPACKED, "usr/share/perl5")})


class PySrs(_Rewriter):
    needs = "usr/lib/python3/dist-packages/SRS"

    def __init__(self, domain, separator, secrets):
        super().__init__(["/usr/bin/python3", "-c", _PYTHON, domain, separator, *secrets],
                         {"PYTHONPATH": os.path.join(UNPACKED, "usr/lib/python3/dist-packages")})


class PostSrsd:
    """Release 1 answers as a tcp_table of Postfix, release 2 as a socketmap."""

    needs = "usr/sbin/postsrsd"

    def __init__(self, domain, separator, secrets):
        self.folder = Folder()
        self.folder.file("secrets", "".join(secret + "\n" for secret in secrets).encode(), 0o600)
        self.program = os.path.join(UNPACKED, self.needs)
        libraries = os.path.join(UNPACKED, "usr/lib", f"{os.uname().machine}-linux-gnu")
        self.environment = {**os.environ, "LD_LIBRARY_PATH": libraries}
        usage = subprocess.run([self.program, "-h"], env=self.environment, capture_output=True,
                               text=True, timeout=20, check=False)
        self.is_old = "forward SRS lookup" in usage.stdout + usage.stderr
        start = self._old_command if self.is_old else self._new_command
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *start(domain, separator)],
                                        env=self.environment)
        wait_until(self._is_up, 20, "start of postsrsd")

    def _old_command(self, domain, separator):
        self.ports = {"forward": reserve_port(), "reverse": reserve_port()}
        return [self.program, f"-s{self.folder / 'secrets'}", f"-d{domain}", f"-a{separator}", "-l127.0.0.1",
                "-4", "-A", f"-f{self.ports['forward']}", f"-r{self.ports['reverse']}"]

    def _new_command(self, domain, separator):
        self.socket = self.folder / "socketmap"
        self.folder.file("postsrsd.conf", f"""
domains = {{ "nobody.invalid" }}
srs-domain = "{domain}"
separator = "{separator}"
secrets-file = "{self.folder / 'secrets'}"
socketmap = unix:{self.socket}
original-envelope = embedded
always-rewrite = on
unprivileged-user = ""
chroot-dir = ""
syslog = off
""".encode())
        return [self.program, "-C", self.folder / "postsrsd.conf"]

    def _is_up(self):
        assert self.process.poll() is None, "postsrsd has ended"
        if self.is_old:
            return all(listening(port) for port in self.ports.values())
        return os.path.exists(self.socket)

    def _ask(self, what, address):
        return self._ask_table(what, address) if self.is_old else self._ask_map(what, address)

    def _ask_table(self, what, address):
        with socket.create_connection(("127.0.0.1", self.ports[what]), 10) as line:
            line.sendall(f"get {address}\n".encode())
            answer = line.makefile("rb").readline().decode().strip()
        return answer[4:] if answer.startswith("200 ") else None

    def _ask_map(self, what, address):
        request = f"{what} {address}"
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(10)
            line.connect(self.socket)
            line.sendall(f"{len(request)}:{request},".encode())
            reader = line.makefile("rb")
            size = b""
            while not size.endswith(b":"):
                octet = reader.read(1)
                assert octet, "postsrsd has closed the connection"
                size += octet
            answer = reader.read(int(size[:-1])).decode()
        return answer[3:] if answer.startswith("OK ") else None

    def forward(self, address):
        return self._ask("forward", address)

    def reverse(self, address):
        return self._ask("reverse", address)

    def stop(self):
        self.process.kill()
        self.process.wait(10)
        self.folder.remove()
