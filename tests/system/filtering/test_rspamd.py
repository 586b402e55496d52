"""Debian's Rspamd, asked as a milter with the rules of its package."""

import unittest

from filtered_mail import FilteredMail, field
from mail_content import message
from postwain_harness import main
from real_filters import Rspamd, name_server, namespaces_permitted
from resources import listening, wait_until

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"


@unittest.skipUnless(namespaces_permitted(), "mount namespaces are not permitted")
class RealRspamd(FilteredMail):
    def begin(self):
        self.rspamd = self.closing(Rspamd(dns=self.closing(name_server({}))))
        self.ask({"name": "rspamd", "socket": self.rspamd.address})

    def test_spam_is_refused_and_a_plain_message_is_not(self):
        self.begin()
        self.send(message(to="bob@here.example"))
        self.assertTrue(self.arrived().endswith(b"\r\n\r\nhello\r\n"))
        code, text = self.refusal(message(body=GTUBE))
        self.assertEqual((554, "5.7.1 Gtube pattern"), (code, text), self.rspamd.log())
        self.no_failure()

    def test_what_it_marks_and_a_subject_that_it_writes_anew(self):
        self.begin()
        self.send(message(body="Y" + GTUBE[1:]), to=("marked@here.example",))
        self.assertEqual(["Yes"], field(self.arrived("marked@here.example"), "X-Spam"))
        self.send(message("offer", "Z" + GTUBE[1:]), to=("subject@here.example",))
        self.assertEqual(["*** SPAM *** offer"], field(self.arrived("subject@here.example"), "Subject"))
        self.no_failure()

    def test_it_is_asked_by_http(self):
        self.rspamd = self.closing(Rspamd(dns=self.closing(name_server({}))))
        wait_until(lambda: listening(self.rspamd.http_port), 60, self.rspamd.log)
        self.ask({"name": "rspamd", "speak": "rspamd", "socket": f"127.0.0.1:{self.rspamd.http_port}"})
        checked = self.mta.cli("filter", "check")
        self.assertEqual(0, checked.returncode, checked.stdout + checked.stderr)
        self.assertRegex(checked.stdout, r"rspamd at .*: works, rspamd/[0-9.]+, .*, score [-0-9.]+/15, [0-9]+ ms")
        self.send(message(to="bob@here.example"))
        self.assertTrue(self.arrived().endswith(b"\r\n\r\nhello\r\n"))
        code, text = self.refusal(message(body=GTUBE))
        self.assertEqual((554, "5.7.1 Gtube pattern"), (code, text), self.rspamd.log())
        self.send(message(body="Y" + GTUBE[1:]), to=("marked@here.example",))
        self.assertEqual(["Yes"], field(self.arrived("marked@here.example"), "X-Spam"))
        self.send(message("offer", "Z" + GTUBE[1:]), to=("subject@here.example",))
        self.assertEqual(["*** SPAM *** offer"], field(self.arrived("subject@here.example"), "Subject"))
        self.no_failure()


if __name__ == "__main__":
    main()
