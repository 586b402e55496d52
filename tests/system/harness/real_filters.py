"""Debian's programs that judge mail, unpacked into one folder and run as peers.py runs mail servers:
each with the configuration of its package, to which a test adds lines.

Domains of tests end in .example: libunbound knows that there is no .test. The test plays their name
server, at port 53 of a loopback address of its own.
"""

import os
import random
import subprocess
import unittest

from dns_server import DnsServer
from peers import Peer, namespaces_permitted
from postwain_harness import SOURCE
from resources import listening, reserve_port, wait_until

FILTERS = "filters"  # the folder below PEERS
__all__ = ["namespaces_permitted"]


def name_server(zone):
    """A DnsServer where the C library looks for one: at port 53."""
    for _ in range(100):
        host = "127.%d.%d.%d" % (random.randint(64, 127), random.randint(1, 254), random.randint(1, 254))
        try:
            return DnsServer(zone, host=host, port=53)
        except OSError as error:
            last = error
    raise last


class RealFilter(Peer):
    """dns: a name_server() for it. **options: what the subclass's prepare() wants."""

    packages = (FILTERS,)
    program = ""  # what is started; a release of Debian that has no such package skips the test

    def __init__(self, dns=None, **options):
        if not any(os.path.exists(root + self.program) for root in (os.path.join(_peers(), FILTERS), "")):
            raise unittest.SkipTest(f"no package here has {self.program}")
        self.dns = dns
        self.options = options
        super().__init__()

    @property
    def address(self):
        """For [[filter]] socket."""
        return f"127.0.0.1:{self.port}"

    def _run(self):
        if self.dns:
            self.etc("resolv.conf", f"nameserver {self.dns.host}\noptions timeout:2 attempts:1\n")
        self.etc("hosts", "127.0.0.1 localhost peer.test\n")
        self.etc("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
        super()._run()

    def packaged(self, name, more, without=()):
        """The package's own file of /etc, less the lines about these keys, with more lines behind it."""
        for root in (os.path.join(_peers(), FILTERS, "etc"), "/etc"):
            if os.path.exists(os.path.join(root, name)):
                with open(os.path.join(root, name), encoding="utf-8") as file:
                    kept = [line for line in file if not line.split() or line.split()[0] not in without]
                return self.etc(name, "".join(kept) + "\n" + more)
        raise AssertionError(f"no package has /etc/{name}")

    def owned(self, user, *folders):
        """Shell that makes folders for a user."""
        return "\n".join(f"mkdir -p {folder}; chown {user}: {folder}" for folder in folders)


def _peers():
    return os.environ.get("POSTWAIN_PEERS", "build/peers")


def rsa_key(folder, name):
    """(path of a new private key, value of its TXT record)"""
    path = folder / name
    run = lambda *words: subprocess.run(["openssl", *words], check=True, capture_output=True).stdout
    run("genrsa", "-traditional", "-out", path, "2048")
    public = run("rsa", "-in", path, "-pubout").decode()
    os.chmod(path, 0o644)
    return path, "v=DKIM1; k=rsa; p=" + "".join(public.splitlines()[1:-1])


class OpenDkim(RealFilter):
    """key: path; it signs for ours.example with selector "s"."""

    program = "/usr/sbin/opendkim"
    users = {"opendkim": 61960}

    def prepare(self):
        with open(self.options["key"], "rb") as file:
            key = self.etc("dkim.key", file.read(), 0o644)
        self.packaged("opendkim.conf", f"""
Domain ours.example
Selector s
KeyFile {key.replace(self.folder.path + "/etc", "/etc")}
RequireSafeKeys no
Mode sv
Socket inet:{self.port}@127.0.0.1
Nameservers {self.dns.host}
AuthservID mx.postwain.test
""", without=("TrustAnchorFile",))  # no zone of ours is signed

    def command(self):
        return self.owned("opendkim", "/run/opendkim") + "\nexec opendkim -f"


class Rspamd(RealFilter):
    """Its proxy worker speaks milter and judges by itself, its normal worker is asked by HTTP; nothing of it leaves
    the machine."""

    program = "/usr/bin/rspamd"
    users = {"_rspamd": 61961}

    def prepare(self):
        self.etc("rspamd/local.d/worker-proxy.inc", f"""
bind_socket = "127.0.0.1:{self.port}";
upstream "local" {{ self_scan = yes; }}
""")
        self.http_port = reserve_port()
        self.etc("rspamd/local.d/worker-normal.inc", f'bind_socket = "127.0.0.1:{self.http_port}"; count = 1;')
        self.etc("rspamd/local.d/worker-controller.inc", "enabled = false; count = 0;")
        self.etc("rspamd/local.d/logging.inc", 'type = "console"; level = "notice";')
        # The whole list of top level domains, made into one expression, takes most of ten seconds.
        self.etc("rspamd/tld", "com\nexample\n")
        self.etc("rspamd/local.d/options.inc", f'''
dns {{ nameserver = ["{self.dns.host}"]; }}
url_tld = "/etc/rspamd/tld";
enable_test_patterns = true;
''')

    def command(self):
        return "\n".join([self.owned("_rspamd", "/run/rspamd", "/var/lib/rspamd", "/var/log/rspamd"),
                          "exec setpriv --reuid _rspamd --regid _rspamd --clear-groups"
                          " /usr/bin/rspamd -c /etc/rspamd/rspamd.conf -f"])


class ClamAv(RealFilter):
    """clamd with one signature of the test's own, and clamav-milter in front of it.

    The packages make both files of configuration when they are installed; these say the same.
    """

    program = "/usr/sbin/clamav-milter"
    users = {"clamav": 61962}
    SIGNATURE = b"this octet string stands for a virus"

    def prepare(self):
        self.etc("clamd.db/own.ndb", f"Own.Test.Virus:0:*:{self.SIGNATURE.hex()}\n")
        self.etc("clamav/clamd.conf", """
LocalSocket /run/clamav/clamd.ctl
FixStaleSocket true
LocalSocketMode 666
User clamav
DatabaseDirectory /etc/clamd.db
ScanMail true
Foreground true
""")
        self.etc("clamav/clamav-milter.conf", f"""
MilterSocket inet:{self.port}@127.0.0.1
User clamav
ClamdSocket {self.options.get("clamd", "unix:/run/clamav/clamd.ctl")}
OnClean Accept
OnInfected {self.options.get("on_infected", "Quarantine")}
OnFail Defer
AddHeader Replace
LogInfected Off
MaxFileSize 25M
SupportMultipleRecipients false
Foreground true
{self.options.get("more", "")}
""")

    def command(self):
        return "\n".join([self.owned("clamav", "/run/clamav"), "clamd &",
                          "while [ ! -S /run/clamav/clamd.ctl ]; do sleep 0.1; done",
                          "exec clamav-milter"])


class OpenDmarc(RealFilter):
    program = "/usr/sbin/opendmarc"
    users = {"opendmarc": 61963}

    def prepare(self):
        self.packaged("opendmarc.conf", f"""
Socket inet:{self.port}@127.0.0.1
AuthservID mx.postwain.test
TrustedAuthservIDs mx.postwain.test
{self.options.get("more", "")}
""")

    def command(self):
        return self.owned("opendmarc", "/run/opendmarc") + "\nexec opendmarc -f"


class PySpf(RealFilter):
    """It is told that strangers of tests, at 127.0.0.2, are strangers."""

    program = "/usr/bin/pyspf-milter"
    users = {"pyspf-milter": 61964}

    def prepare(self):
        self.packaged("pyspf-milter/pyspf-milter.conf",
                      f"Socket = inet:{self.port}@127.0.0.1\nskip_addresses = 127.0.0.1/32\n",
                      without=("Socket", "skip_addresses"))

    def command(self):
        return (self.owned("pyspf-milter", "/run/pyspf-milter") +
                "\nexec pyspf-milter /etc/pyspf-milter/pyspf-milter.conf")


class DkimPy(RealFilter):
    program = "/usr/bin/dkimpy-milter"
    users = {"dkimpy-milter": 61965}

    def prepare(self):
        with open(self.options["key"], "rb") as file:
            self.etc("dkim.key", file.read(), 0o644)
        self.packaged("dkimpy-milter/dkimpy-milter.conf", f"""
Domain ours.example
Selector s
KeyFile /etc/dkim.key
Socket inet:{self.port}@127.0.0.1
AuthservID mx.postwain.test
""")

    def command(self):
        return (self.owned("dkimpy-milter", "/run/dkimpy-milter") +
                "\nexec dkimpy-milter /etc/dkimpy-milter/dkimpy-milter.conf -P /run/dkimpy-milter/pid")


class SpamAssassin(RealFilter):
    """spamd with the rules of its package, without the network, and spamass-milter in front of it."""

    program = "/usr/sbin/spamass-milter"
    users = {"spamass-milter": 61966, "debian-spamd": 61967}

    def command(self):
        return "\n".join([
            self.owned("spamass-milter", "/run/spamass"), self.owned("debian-spamd", "/var/lib/spamassassin"),
            "spamd -L -s stderr -x -u debian-spamd --socketpath=/run/spamd.sock --min-children=1 &",
            "while [ ! -S /run/spamd.sock ]; do sleep 0.1; done", "chmod 666 /run/spamd.sock",
            "exec setpriv --reuid spamass-milter --regid spamass-milter --clear-groups spamass-milter"
            f" -p inet:{self.port}@127.0.0.1 -u spamass-milter {self.options.get('more', '')}"
            " -- -U /run/spamd.sock"])


class PerlMilter(RealFilter):
    """A filter of the test's own on Sendmail::PMilter."""

    program = "/usr/share/perl5/Sendmail/PMilter.pm"

    def prepare(self):
        with open(os.path.join(SOURCE, "tests/milters/perl_milter.pl"), encoding="utf-8") as file:
            self.etc("perl_milter.pl", file.read())

    def command(self):
        return f"exec perl /etc/perl_milter.pl inet:{self.port}@127.0.0.1"
