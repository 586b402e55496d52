"""Debian's ClamAV, whose milter puts viruses into quarantine from the start, or refuses them."""

import base64
import unittest

from filtered_mail import FilteredMail, field
from mail_content import message
from postwain_harness import main
from real_filters import ClamAv, namespaces_permitted
from resources import wait_until

ATTACHED = (b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nlook\r\n--b\r\n"
            b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n--b--\r\n")


@unittest.skipUnless(namespaces_permitted(), "mount namespaces are not permitted")
class RealClamAv(FilteredMail):
    def begin(self, **options):
        self.clamav = self.closing(ClamAv(**options))
        self.ask({"name": "clamav", "socket": self.clamav.address})

    def infected(self):
        part = base64.encodebytes(b"\0" * 50_000 + ClamAv.SIGNATURE).replace(b"\n", b"\r\n")
        return message().partition(b"\r\n\r\n")[0] + b"\r\n" + ATTACHED % part

    def test_a_virus_is_held_and_a_clean_message_says_so(self):
        self.begin()
        self.send(message())
        [status] = field(self.arrived(), "X-Virus-Status")
        self.assertEqual("Clean", status)
        self.send(self.infected(), to=("eva@here.example",))
        [held] = wait_until(self.mta.queue, 20, "the held message")
        self.assertEqual("held", held["recipients"][0]["state"])
        self.assertIn("clamav", held["recipients"][0]["last_reply"])
        self.assertEqual([], self.sink.delivered("eva@here.example"))
        self.no_failure()

    def test_a_virus_is_refused_with_its_name(self):
        self.begin(on_infected="Reject", more="RejectMsg Infected by %v")
        self.assertEqual((550, "5.7.1 Infected by Own.Test.Virus.UNOFFICIAL"), self.refusal(self.infected()))
        self.assertEqual([], self.mta.queue())
        self.no_failure()

    def test_a_scanner_that_is_away_defers(self):
        """What its own OnFail says: for us it is no failure of the filter."""
        self.begin(clamd="unix:/run/nobody")
        self.assertEqual(451, self.refusal(message())[0])
        self.no_failure()


if __name__ == "__main__":
    main()
