"""Debian's OpenDKIM signs and verifies."""

import unittest

import dkim

from filtered_mail import FilteredMail, field
from mail_content import message
from postwain_harness import main
from real_filters import OpenDkim, name_server, namespaces_permitted, rsa_key
from resources import Folder

BODY = b"one\r\n.\r\n..two\r\n\xe4\xf6\r\n \r\n\r\n"


@unittest.skipUnless(namespaces_permitted(), "mount namespaces are not permitted")
class Signing(FilteredMail):
    @classmethod
    def setUpClass(cls):
        folder = Folder()
        cls.addClassCleanup(folder.remove)
        cls.key, text = rsa_key(folder, "key")
        cls.zone = {"s._domainkey.ours.example": {"TXT": text},
                    "_dmarc.ours.example": {"TXT": "v=DMARC1; p=reject"}}
        cls.dns = name_server(cls.zone)
        cls.addClassCleanup(cls.dns.stop)

    def verified(self, content):
        return dkim.verify(content, dnsfunc=lambda name, timeout=5: self.zone[
            name.decode().rstrip(".")]["TXT"].encode())

    def test_opendkim_signs_what_users_submit(self):
        one = self.closing(OpenDkim(dns=self.dns, key=self.key))
        self.ask({"name": "opendkim", "socket": one.address})
        for number, body in enumerate((BODY, b"", b"x" * 70 + b"\r\n" * 3, b"y\r\n" * 60_000)):
            with self.subTest(number):
                to = f"u{number}@far.example"
                self.submit(message(body=body, sender="ann@ours.example"), to=(to,))
                signed = self.arrived(to)
                self.assertEqual(1, len(field(signed, "DKIM-Signature")), one.log())
                self.assertTrue(signed.startswith(b"DKIM-Signature:"))
                self.assertTrue(self.verified(signed))
        self.no_failure()

    def test_opendkim_verifies_what_the_world_sends(self):
        one = self.closing(OpenDkim(dns=self.dns, key=self.key))
        self.ask({"name": "opendkim", "socket": one.address})
        with open(self.key, "rb") as file:
            key = file.read()
        content = message(body=BODY, sender="ann@ours.example")
        good = dkim.sign(content, b"s", b"ours.example", key) + content
        for to, sent, verdict in (("good@here.example", good, "dkim=pass"),
                                  ("bad@here.example", good + b"more\r\n", "dkim=fail")):
            self.send(sent, sender="ann@ours.example", to=(to,))
            arrived = self.arrived(to)
            [result] = field(arrived, "Authentication-Results")
            self.assertIn("mx.postwain.test", result)
            self.assertIn(verdict, result)
            self.assertTrue(arrived.endswith(sent))
        self.no_failure()


if __name__ == "__main__":
    main()
