"""Programs that sign and verify DKIM, ours and others', behind one form: sign(message, forms) gives the
field, verify(message) says whether the first signature is right. Some know ARC: seal() and chain()."""

import base64
import glob
import os
import re
import subprocess
import unittest

import dkim

from edit_milter import TEST_BIN
from postwain_harness import SOURCE
from real_filters import FILTERS

DOMAIN, SELECTOR = "a.example", "sel"
PEERS = os.path.abspath(os.environ.get("POSTWAIN_PEERS", "build/peers"))
ROOT = os.path.join(PEERS, FILTERS, "usr")


def run(*words, **more):
    return subprocess.run(words, check=True, capture_output=True, **more).stdout


class Key:
    """kind: "rsa" or "ed25519". record: the TXT record of its public key."""

    def __init__(self, folder, kind):
        self.kind = kind
        self.path = folder / (kind + ".pem")
        options = ["-pkeyopt", "rsa_keygen_bits:2048"] if kind == "rsa" else []
        run("openssl", "genpkey", "-algorithm", kind, *options, "-out", self.path)
        with open(self.path, "rb") as file:
            self.pem = file.read()
        public = run("openssl", "pkey", "-in", self.path, "-pubout", "-outform", "DER")
        if kind == "ed25519":  # as raw octets (RFC 8463 4)
            public = public[-32:]
        self.record = f"v=DKIM1; k={kind}; p=" + base64.b64encode(public).decode()

    @property
    def seed(self):
        """As dkimpy wants a key of Ed25519."""
        der = run("openssl", "pkey", "-in", self.path, "-outform", "DER")
        return base64.b64encode(der[-32:])


class _Server:
    """A program that answers on its standard output what it is asked on its standard input."""

    def __init__(self, words, **more):
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **more)

    def ask(self, line, octets=b""):
        self.process.stdin.write(line.encode() + b"\n" + octets)
        self.process.stdin.flush()

    def line(self):
        text = self.process.stdout.readline()
        if not text.endswith(b"\n"):
            raise AssertionError("the program ended")
        return text[:-1].decode("utf-8", "replace")

    def octets(self):
        size = int(self.line())
        return self.process.stdout.read(size)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


class Ours(_Server):
    """Our engine, which signs relaxed/relaxed only. piece: the body comes in pieces of so many octets."""

    piece = 7

    def __init__(self, keys):
        super().__init__([os.path.join(TEST_BIN, "dkim_tool")])
        for key in keys:
            self.ask(f"private {key.kind} {len(key.pem)}", key.pem)
            self.publish(f"{key.kind}.{SELECTOR}", key.record)

    def publish(self, selector, record):
        self.ask(f"key {selector}._domainkey.{DOMAIN} {len(record)}", record.encode())

    def public(self, kind):
        self.ask(f"public {kind}")
        return self.line()

    def sign(self, message, *kinds):
        """All fields; the selector of each key is KIND.SELECTOR."""
        keys = " ".join(f"{kind}={kind}.{SELECTOR},{DOMAIN}" for kind in kinds)
        self.ask(f"sign {len(message)} {self.piece} {keys}", message)
        return self.octets()

    def verdicts(self, message):
        """Each as "RESULT d= s= reason"."""
        self.ask(f"verify {len(message)} {self.piece}", message)
        return list(iter(self.line, ""))

    def seal(self, message, kind):
        """The three fields of an ARC set."""
        self.ask(f"arc-seal {len(message)} {self.piece} {kind}={kind}.{SELECTOR},{DOMAIN}", message)
        return self.octets()

    def chain(self, message):
        """"RESULT SETS reason"."""
        self.ask(f"arc-verify {len(message)} {self.piece}", message)
        return self.line()

    def verify(self, message):
        return any(line.startswith("pass ") for line in self.verdicts(message)[:1])


class DkimPy:
    """dkimpy, which knows both kinds of key."""

    def __init__(self, key):
        self.key = key

    def sign(self, message, forms, length=False):
        """length: with l=."""
        rsa = self.key.kind == "rsa"
        return dkim.sign(message, f"{self.key.kind}.{SELECTOR}".encode(), DOMAIN.encode(),
                         self.key.pem if rsa else self.key.seed,
                         canonicalize=tuple(form.encode() for form in forms.split("/")),
                         signature_algorithm=self.key.kind.encode() + b"-sha256", length=length)

    def verify(self, message, index=0):
        try:
            return dkim.DKIM(message).verify(idx=index, dnsfunc=self._text)
        except dkim.DKIMException:
            return False


    def chain(self, message):
        """"pass", "fail" or "none"; it has no word for a chain that was sealed as broken."""
        verdict, _, _ = dkim.arc_verify(message, dnsfunc=self._text)
        return (verdict or b"fail").decode()

    def _text(self, name, timeout=5):
        return self.key.record.encode()


class MailDkim(_Server):
    """Perl's Mail::DKIM, which knows RSA."""

    def __init__(self, key):
        if not os.path.exists(os.path.join(ROOT, "share/perl5/Mail/DKIM.pm")):
            raise unittest.SkipTest("no package here has Mail::DKIM")
        self.key = key
        places = glob.glob(os.path.join(ROOT, "lib/*-linux-gnu/perl5/*")) + [os.path.join(ROOT, "share/perl5")]
        super().__init__(["perl", os.path.join(SOURCE, "tests/authentication/mail_dkim.pl")],
                         env={**os.environ, "PERL5LIB": ":".join(places)})

    def sign(self, message, forms):
        self.ask(f"sign {len(message)} {forms} {self.key.path} {DOMAIN} {self.key.kind}.{SELECTOR}", message)
        return self.octets()

    def verify(self, message):
        self.ask(f"verify {len(message)} {self.key.record.replace(' ', '_')}", message)
        return self.line().split()[:1] == ["pass"]

    def seal(self, message, found, chain=None):
        """chain: "none", "pass" or "fail"; found: that, and what else was found, as results have it. The three
        fields, and the results that it wants above the others."""
        results = b"Authentication-Results: mx.example; arc=%b\r\n" % found.encode()
        size = len(results + message)
        selector = f"{self.key.kind}.{SELECTOR}"
        self.ask(f"arc-seal {size} {chain or found} {self.key.path} {DOMAIN} {selector}", results + message)
        return self.octets() + results

    def chain(self, message):
        """"pass", "fail" or "none"."""
        self.ask(f"arc-verify {len(message)} {self.key.record.replace(' ', '_')}", message)
        return self.line()


class OpenDkimAlone:
    """OpenDKIM in its test mode, in which it reads messages from files: no socket, no milter."""

    def __init__(self, folder, key):
        self.program = os.path.join(ROOT, "sbin/opendkim")
        if not os.path.exists(self.program):
            raise unittest.SkipTest("no package here has opendkim")
        self.folder, self.key = folder, key
        places = [os.path.join(ROOT, "lib")] + glob.glob(os.path.join(ROOT, "lib/*-linux-gnu"))
        self.environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(places)}
        name = f"{key.kind}.{SELECTOR}"
        self.records = folder.file("records", f"{name}._domainkey.{DOMAIN} {key.record}\n")

    def _run(self, configuration, message):
        path = self.folder.file("opendkim.conf", configuration + "RequireSafeKeys no\n")
        done = subprocess.run([self.program, "-x", path, "-v", "-v", "-t", self.folder.file("message", message)],
                              capture_output=True, env=self.environment, check=False)
        return done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")

    def sign(self, message, forms):
        out, trouble = self._run(f"Mode s\nDomain {DOMAIN}\nSelector {self.key.kind}.{SELECTOR}\n"
                                 f"KeyFile {self.key.path}\nCanonicalization {forms}\n", message)
        found = re.search(r"hname='DKIM-Signature' hvalue='([^']*)'", out)
        if not found:
            raise AssertionError(out + trouble)
        return b"DKIM-Signature: " + found.group(1).lstrip(" ").replace("\n", "\r\n").encode() + b"\r\n"

    def verify(self, message):
        out, trouble = self._run(f"Mode v\nTestPublicKeys {self.records}\n", message)
        return "succeeded" in out + trouble
