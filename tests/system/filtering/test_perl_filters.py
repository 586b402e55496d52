"""Debian's SpamAssassin behind its milter, and a filter on the Perl library PMilter."""

import unittest

from filtered_mail import FilteredMail, field
from mail_content import message
from postwain_harness import main
from real_filters import PerlMilter, SpamAssassin, namespaces_permitted

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"
EVERYTHING = ["headers", "body", "recipients", "refuse", "defer"]


@unittest.skipUnless(namespaces_permitted(), "mount namespaces are not permitted")
class RealPerlFilters(FilteredMail):
    def test_spamassassin_marks_and_refuses(self):
        """It sets fields, and a body of its own for spam unless it refuses that."""
        one = self.closing(SpamAssassin(more="-r 15"))
        self.ask({"name": "spamassassin", "socket": one.address, "may": EVERYTHING})
        self.send(message(to="bob@here.example"))
        arrived = self.arrived()
        [status] = field(arrived, "X-Spam-Status")
        self.assertTrue(status.startswith("No, score="), one.log())
        self.assertTrue(arrived.endswith(b"\r\n\r\nhello\r\n"))
        code, text = self.refusal(message(body=GTUBE))
        self.assertEqual((550, "5.7.1 Blocked by SpamAssassin"), (code, text), one.log())
        self.no_failure()

    def test_spamassassin_wraps_spam(self):
        one = self.closing(SpamAssassin())
        self.ask({"name": "spamassassin", "socket": one.address, "may": EVERYTHING})
        self.send(message(subject="offer", body=GTUBE))
        arrived = self.arrived()
        self.assertEqual(["YES"], field(arrived, "X-Spam-Flag"))
        self.assertTrue(field(arrived, "Content-Type")[0].startswith("multipart/mixed"), arrived)
        self.assertIn(b"\r\nSubject: offer\r\n", arrived)
        self.no_failure()

    def test_a_perl_filter(self):
        one = self.closing(PerlMilter())
        self.ask({"name": "perl", "socket": one.address, "may": EVERYTHING})
        self.send(message(subject="change body recipient"))
        arrived = self.arrived()
        self.assertEqual(["changed"], field(arrived, "Subject"))
        self.assertTrue(arrived.endswith(b"\r\n\r\nreplaced\r\n"))
        [seen] = field(arrived, "X-Perl")
        self.assertRegex(seen, r"^\S+ <alice@far\.example> 7 id$")
        self.assertEqual(arrived, self.arrived("eva@here.example"))
        self.assertEqual(550, self.refusal(message(subject="spam"))[0])
        self.assertEqual((550, "5.1.1 nobody of that name"), self.refusal(message(), to=["nobody@here.example"]))
        self.no_failure()


if __name__ == "__main__":
    main()
