"""Debian's filters for DKIM, SPF and DMARC, alone and behind each other."""

import unittest

import dkim

from filtered_mail import FilteredMail, field
from mail_content import message
from postwain_harness import main
from real_filters import DkimPy, OpenDkim, OpenDmarc, PySpf, name_server, namespaces_permitted, rsa_key
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
                    "_dmarc.ours.example": {"TXT": "v=DMARC1; p=reject"},
                    "soft.example": {"TXT": "v=spf1 ~all"}, "fail.example": {"TXT": "v=spf1 -all"}}
        cls.dns = name_server(cls.zone)
        cls.addClassCleanup(cls.dns.stop)

    def verified(self, content):
        return dkim.verify(content, dnsfunc=lambda name, timeout=5: self.zone[
            name.decode().rstrip(".")]["TXT"].encode())

    def signs(self, kind):
        one = self.closing(kind(dns=self.dns, key=self.key))
        self.ask({"name": "signer", "socket": one.address})
        for number, body in enumerate((BODY, b"", b"x" * 70 + b"\r\n" * 3, b"y\r\n" * 60_000)):
            with self.subTest(number):
                to = f"u{number}@far.example"
                self.submit(message(body=body, sender="ann@ours.example"), to=(to,))
                signed = self.arrived(to)
                self.assertEqual(1, len(field(signed, "DKIM-Signature")), one.log())
                self.assertTrue(signed.startswith(b"DKIM-Signature:"))
                self.assertTrue(self.verified(signed))
        self.no_failure()

    def test_opendkim_signs_what_users_submit(self):
        self.signs(OpenDkim)

    def test_dkimpy_milter_signs_what_users_submit(self):
        self.signs(DkimPy)

    def signed(self):
        with open(self.key, "rb") as file:
            key = file.read()
        content = message(body=BODY, sender="ann@ours.example")
        return dkim.sign(content, b"s", b"ours.example", key) + content

    def verifies(self, kind):
        one = self.closing(kind(dns=self.dns, key=self.key))
        self.ask({"name": "verifier", "socket": one.address})
        good = self.signed()
        for to, sent, verdict in (("good@here.example", good, "dkim=pass"),
                                  ("bad@here.example", good + b"more\r\n", "dkim=fail")):
            self.send(sent, sender="ann@ours.example", to=(to,))
            arrived = self.arrived(to)
            [result] = field(arrived, "Authentication-Results")
            self.assertIn("mx.postwain.test", result)
            self.assertIn(verdict, result)
            self.assertTrue(arrived.endswith(sent))
        self.no_failure()

    def test_opendkim_verifies_what_the_world_sends(self):
        self.verifies(OpenDkim)

    def test_dkimpy_milter_verifies_what_the_world_sends(self):
        self.verifies(DkimPy)

    def test_opendmarc_reads_what_opendkim_wrote(self):
        """The second filter sees the field that the first has put in, and judges by it."""
        first = self.closing(OpenDkim(dns=self.dns, key=self.key))
        second = self.closing(OpenDmarc(dns=self.dns))
        self.ask({"name": "opendkim", "socket": first.address}, {"name": "opendmarc", "socket": second.address})
        good = self.signed()
        self.send(good, sender="ann@ours.example")
        results = field(self.arrived(), "Authentication-Results")
        self.assertEqual(2, len(results), second.log())
        self.assertIn("dmarc=pass", results[0])
        self.assertIn("dkim=pass", results[1])
        self.send(good + b"more\r\n", sender="ann@ours.example", to=("bad@here.example",))
        self.assertIn("dmarc=fail", field(self.arrived("bad@here.example"), "Authentication-Results")[0])
        self.no_failure()

    def test_opendmarc_refuses_what_its_domain_wants_refused(self):
        first = self.closing(OpenDkim(dns=self.dns, key=self.key))
        second = self.closing(OpenDmarc(dns=self.dns, more="RejectFailures true"))
        self.ask({"name": "opendkim", "socket": first.address}, {"name": "opendmarc", "socket": second.address})
        code, text = self.refusal(message(sender="ann@ours.example"), sender="ann@ours.example")
        self.assertEqual(550, code)
        self.assertIn("5.7.1 rejected by DMARC policy for ours.example", text)
        self.no_failure()

    def test_pyspf_milter(self):
        one = self.closing(PySpf(dns=self.dns))
        self.ask({"name": "pyspf", "socket": one.address})
        self.send(message(), sender="a@soft.example", to=("soft@here.example",))
        [result] = field(self.arrived("soft@here.example"), "Authentication-Results")
        self.assertIn("spf=softfail", result)
        code, text = self.refusal(message(), sender="a@fail.example")
        self.assertEqual(550, code, one.log())
        self.assertIn("5.7.23", text)
        self.no_failure()


if __name__ == "__main__":
    main()
