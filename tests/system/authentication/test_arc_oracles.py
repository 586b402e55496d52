"""Our ARC engine beside dkimpy and Mail::DKIM: chains that one makes, or that several make in turn, the
others find whole, and what was changed on the way nobody does."""

import unittest

from dkim_programs import DkimPy, Key, MailDkim, Ours
from postwain_harness import main
from resources import Folder

HEADER = (b"Received: from x by y;\r\n\tMon, 30 Nov 2026 01:02:03 +0000\r\n"
          b"Subject:  one \t two\r\n\t three  \r\nFrom: Ann <ann@a.example>\r\nTo: bob@b.example\r\n"
          b"Date: Mon, 30 Nov 2026 01:02:03 +0000\r\nMessage-ID: <1@a.example>\r\n")
BODIES = {"empty": b"", "blanks": b"a  b\t\tc \t\r\n d \r\n\r\n \r\n", "8-bit": bytes(range(0x20, 0x100)) + b"\r\n"}


class Chains(unittest.TestCase):
    def closing(self, thing):
        self.addCleanup(thing.stop)
        return thing

    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.remove)
        self.key = Key(self.folder, "rsa")
        self.ours = self.closing(Ours([self.key]))
        self.perl = self.closing(MailDkim(self.key))
        self.python = DkimPy(self.key)

    def everybody(self, message):
        ours = self.ours.chain(message)
        verdicts = {"ours": ours.split()[0], "dkimpy": self.python.chain(message),
                    "Mail::DKIM": self.perl.chain(message)}
        return verdicts, ours

    def all_say(self, verdict, message):
        verdicts, ours = self.everybody(message)
        self.assertEqual({verdict}, set(verdicts.values()), (verdicts, ours, message))

    def test_a_message_without_a_chain(self):
        self.all_say("none", HEADER + b"\r\n")

    def test_a_chain_of_ours(self):
        for name, body in BODIES.items():
            message = HEADER + b"\r\n" + body
            for count in range(1, 4):
                with self.subTest(name, sets=count):
                    fields = self.ours.seal(message, "rsa")
                    self.assertTrue(all(len(line) <= 78 for line in fields.split(b"\r\n")), fields)
                    message = b"Received: by %d\r\n" % count + fields + message
                    self.all_say("pass", message)

    def test_a_chain_of_theirs(self):
        for name, body in BODIES.items():
            message = HEADER + b"\r\n" + body
            for count in range(1, 4):
                with self.subTest(name, sets=count):
                    message = self.perl.seal(message, "none" if count == 1 else "pass") + message
                    self.all_say("pass", message)

    def test_a_chain_of_several(self):
        message = HEADER + b"\r\n" + BODIES["blanks"]
        message = self.perl.seal(message, "none") + message
        message = self.ours.seal(message, "rsa") + message
        self.all_say("pass", message)
        message = self.perl.seal(message, "pass") + message
        message = self.ours.seal(message, "rsa") + message
        self.all_say("pass", message)

    def test_what_was_changed_on_the_way(self):
        message = HEADER + b"\r\n" + BODIES["blanks"]
        message = self.ours.seal(message, "rsa") + message
        whole = self.ours.seal(message, "rsa") + message
        for old, new in ((b"To: bob", b"To: eve"), (b"a  b", b"ab"), (b"i=1; mx.example", b"i=1; mx.example2"),
                         (b"i=2; mx.example", b"i=2; mx.example2"), (b"cv=pass", b"cv=none"),
                         (b"cv=none", b"cv=pass"), (b"ARC-Seal: i=1", b"X-Seal: i=1"),
                         (b"ARC-Message-Signature: i=1", b"ARC-Message-Signature: i=3"), (b"; t=", b"; t=1")):
            with self.subTest(old):
                self.assertIn(old, whole)
                self.all_say("fail", whole.replace(old, new, 1))

    def test_a_broken_chain_is_sealed_as_broken(self):
        message = HEADER + b"\r\n" + BODIES["blanks"]
        message = self.ours.seal(message, "rsa") + message + b"more\r\n"
        message = self.ours.seal(message, "rsa") + message
        self.assertIn(b"cv=fail;", message)
        self.all_say("fail", message)


if __name__ == "__main__":
    main()
