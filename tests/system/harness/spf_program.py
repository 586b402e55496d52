"""The program spf_suite (tests/authentication): our SPF evaluator over zones that a test makes up."""

import collections
import os
import subprocess

TEST_BIN = os.environ.get("POSTWAIN_TEST_BIN", "build/ci/tests")
PEERS = os.environ.get("POSTWAIN_PEERS", "build/peers")
SUITE = os.path.join(PEERS, "filters/usr/share/doc/python3-spf/rfc7208-tests.yml.gz")
PYTHON_PACKAGES = os.path.join(PEERS, "filters/usr/lib/python3/dist-packages")

Finding = collections.namedtuple("Finding", "result mechanism reason explanation questions rounds")


def field(value):
    octets = value if isinstance(value, bytes) else str(value).encode("utf-8")
    return "".join(chr(octet) if chr(octet).isalnum() and octet < 128 else f"%{octet:02X}" for octet in octets)


class SpfProgram:
    def __init__(self):
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", os.path.join(TEST_BIN, "spf_suite")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="latin-1")

    def say(self, word, *fields):
        self.process.stdin.write("\t".join([word, *map(field, fields)]) + "\n")

    def zone(self, records, timeouts=()):
        """records: (name, type, value) or (name, "MX", host, preference)"""
        self.say("zone")
        for name, kind, *rest in records:
            # A type is a word of the program's own, and goes as it is.
            self.process.stdin.write("\t".join(["record", field(name), kind, *map(field, rest)]) + "\n")
        for name in timeouts:
            self.say("timeout", name)

    def check(self, client, helo, sender):
        self.say("check", client, helo, sender)
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"spf_suite ended at {client} {helo} {sender}")
        finding = Finding(*line.rstrip("\n").split("\t"))
        return finding._replace(questions=int(finding.questions), rounds=int(finding.rounds))

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)
