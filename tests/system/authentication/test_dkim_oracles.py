"""Our DKIM engine beside those of others: what one signs the other verifies, whatever the shape of the
message, and nobody verifies what was changed."""

import random
import unittest

import dkim

from dkim_programs import DkimPy, Key, MailDkim, OpenDkimAlone, Ours
from postwain_harness import main
from resources import Folder

FORMS = [f"{header}/{body}" for header in ("simple", "relaxed") for body in ("simple", "relaxed")]

HEADER = (b"Received: from x by y;\r\n\tMon, 30 Nov 2026 01:02:03 +0000\r\n"
          b"Subject:  one \t two\r\n\t three  \r\n \tfour \r\n"
          b"From: =?utf-8?q?=C3=84nn?= <ann@a.example>\r\nTO:bob@b.example,\r\n eve@c.example\r\n"
          b"Date: Mon, 30 Nov 2026 01:02:03 +0000\r\nMessage-ID: <1@a.example>\r\n"
          b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nX-Empty:\r\n")

BODIES = {
    "empty": b"",
    "line end": b"\r\n",
    "line ends": b"\r\n\r\n\r\n",
    "blanks": b"a  b\t\tc \t\r\n d \r\n",
    "blank lines in the middle": b"one\r\n\r\n \r\n\t\r\ntwo\r\n",
    "empty lines at the end": b"one\r\n\r\n\r\n\r\n",
    "8-bit": bytes(range(0x20, 0x7F)) + b"\r\n" + bytes(range(0x80, 0x100)) + b"\r\n",
    "long lines": b"x" * 5000 + b" " * 300 + b"\r\n" + b"y z" * 2000 + b"\r\n",
    "dots": b".\r\n..\r\n.x\r\nx.\r\n",
    "many lines": b"a line of text\r\n" * 3000,
}
BODIES["blanks before the end"] = b"one\r\n \r\n\t \r\n"
BODIES["blanks alone"] = b" \t\r\n"
# Only dkimpy takes that as RFC 6376 3.4.3 has it.
UNENDED = {"no final line end": b"one\r\ntwo"}
# OpenDKIM's test mode gives its library the fields as a milter gets them: one space before each value.
PLAIN_HEADER = HEADER.replace(b"Subject:  one", b"Subject: one").replace(b"TO:bob", b"To: bob")


class Engines(unittest.TestCase):
    def closing(self, thing):
        self.addCleanup(thing.stop)
        return thing

    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.remove)
        self.keys = {kind: Key(self.folder, kind) for kind in ("rsa", "ed25519")}
        self.ours = self.closing(Ours(self.keys.values()))


class Shapes(Engines):
    def they_verify(self, other, kind, bodies=BODIES):
        for name, body in bodies.items():
            with self.subTest(name):
                message = HEADER + b"\r\n" + body
                field = self.ours.sign(message, kind)
                self.assertTrue(all(len(line) <= 78 for line in field.split(b"\r\n")), field)
                self.assertTrue(other.verify(field + message), field)
                self.assertTrue(self.ours.verify(field + message), field)
                self.assertFalse(other.verify(field + message.replace(b"four", b"five")))
                self.assertFalse(other.verify(field + message + b"more\r\n"))

    def we_verify(self, other, bodies=BODIES, header=HEADER):
        for forms in FORMS:
            for name, body in bodies.items():
                with self.subTest(forms, body=name):
                    message = header + b"\r\n" + body
                    field = other.sign(message, forms)
                    self.assertRegex(field, b"c=%b|c=relaxed;" % forms.encode())
                    for self.ours.piece in (1, 4096):
                        self.assertEqual(["pass"], [line.split()[0] for line in
                                                    self.ours.verdicts(field + message)], field)

    def test_dkimpy_verifies_rsa(self):
        self.they_verify(DkimPy(self.keys["rsa"]), "rsa", BODIES | UNENDED)

    def test_dkimpy_verifies_ed25519(self):
        self.they_verify(DkimPy(self.keys["ed25519"]), "ed25519", BODIES | UNENDED)

    def test_mail_dkim_verifies(self):
        self.they_verify(self.closing(MailDkim(self.keys["rsa"])), "rsa")

    def test_opendkim_verifies(self):
        self.they_verify(OpenDkimAlone(self.folder, self.keys["rsa"]), "rsa")

    def test_we_verify_dkimpy(self):
        self.we_verify(DkimPy(self.keys["rsa"]), BODIES | UNENDED)

    def test_we_verify_dkimpy_with_ed25519(self):
        self.we_verify(DkimPy(self.keys["ed25519"]), BODIES | UNENDED)

    def test_we_verify_mail_dkim(self):
        self.we_verify(self.closing(MailDkim(self.keys["rsa"])))

    def test_we_verify_opendkim(self):
        self.we_verify(OpenDkimAlone(self.folder, self.keys["rsa"]), header=PLAIN_HEADER)

    def test_both_kinds_of_key_at_once(self):
        message = HEADER + b"\r\n" + BODIES["blanks"]
        fields = self.ours.sign(message, "ed25519", "rsa")
        self.assertEqual(2, fields.count(b"DKIM-Signature:"))
        self.assertEqual([f"pass a.example {kind}.sel " for kind in ("ed25519", "rsa")],
                         self.ours.verdicts(fields + message))
        self.assertTrue(DkimPy(self.keys["ed25519"]).verify(fields + message, 0))
        self.assertTrue(DkimPy(self.keys["rsa"]).verify(fields + message, 1))

    def test_a_signature_of_a_part_of_the_body(self):
        for forms in FORMS:
            for name, body in BODIES.items():
                with self.subTest(forms, body=name):
                    message = HEADER + b"\r\n" + body
                    field = DkimPy(self.keys["ed25519"]).sign(message, forms, length=True)
                    self.assertIn(b"l=", field)
                    self.assertTrue(self.ours.verify(field + message), field)
                    if body.endswith(b"text\r\n"):
                        [more] = self.ours.verdicts(field + message + b"more\r\n")
                        self.assertRegex(more, "^policy .* it signs only a part of the body$")
                        [less] = self.ours.verdicts(field + message[:-20])
                        self.assertRegex(less, "^fail .* the body is shorter than its l= says$")

    def test_our_records_are_those_of_openssl(self):
        for kind, key in self.keys.items():
            self.assertEqual(key.record, self.ours.public(kind))


class Changes(Engines):
    """What was signed and then changed, octet by octet: we and dkimpy say the same of it."""

    def changed(self, message, begin, end):
        for at in range(begin, end):
            yield at, message[:at] + bytes([message[at] ^ 1]) + message[at + 1:]

    def test_each_octet_of_a_simple_form(self):
        message = HEADER + b"\r\n" + BODIES["blanks"]
        field = DkimPy(self.keys["ed25519"]).sign(message, "simple/simple")
        whole = field + message
        self.assertTrue(self.ours.verify(whole))
        signed = {"from", "to", "subject", "date", "message-id", "mime-version", "content-type"}
        at = len(field)
        parts = [line for line in HEADER.replace(b"\r\n\t", b"\0\0\0").replace(b"\r\n ", b"\0\0\0").split(b"\r\n")]
        for part in parts:
            name = part.split(b":")[0].strip().lower().decode()
            if name in signed:
                for place, other in self.changed(whole, at, at + len(part)):
                    self.assertFalse(self.ours.verify(other), (name, place))
            at += len(part) + 2
        for place, other in self.changed(whole, len(field + HEADER) + 2, len(whole)):
            self.assertFalse(self.ours.verify(other), place)
        for place, other in self.changed(whole, len(b"DKIM-Signature:"), len(field)):
            self.assertFalse(self.ours.verify(other), (place, other[:len(field)]))

    def test_we_and_dkimpy_say_the_same_of_random_changes(self):
        dice = random.Random(6376)
        message = HEADER + b"\r\n" + BODIES["blanks"] + BODIES["empty lines at the end"]
        passed = 0
        for forms in FORMS:
            field = DkimPy(self.keys["ed25519"]).sign(message, forms)
            whole = field + message
            for _ in range(300):
                at = dice.randrange(len(field), len(whole))
                change = dice.choice([b" ", b"\t", b"\r\n", b"\r\n ", b"x", b""])
                other = whole[:at] + change + whole[at + dice.randrange(2):]
                if b"\r" in other.replace(b"\r\n", b"") or b"\n" in other.replace(b"\r\n", b""):
                    continue  # no server of ours takes that
                try:
                    dkim.rfc822_parse(other)
                except dkim.MessageFormatError:
                    continue  # a line that is no field: there our header section has ended
                ours = self.ours.verify(other)
                self.assertEqual(DkimPy(self.keys["ed25519"]).verify(other), ours, (forms, other))
                passed += ours
        self.assertGreater(passed, 50)


if __name__ == "__main__":
    main()
