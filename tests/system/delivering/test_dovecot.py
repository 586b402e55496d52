"""A real Dovecot LMTP server: each recipient of one message ends as its own reply says."""

from postwain_harness import PostwainTestCase, main
from dovecot_server import Dovecot
from mail_content import Dsn, message
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

ANNA, FULL, NOBODY, DORA = ("anna@store.test", "full@store.test", "nobody@store.test",
                            "dora@store.test")


class RealDovecot(PostwainTestCase):
    def begin(self, check_at_rcpt, **config):
        self.dovecot = self.closing(Dovecot({ANNA: None, FULL: 10, DORA: None}, check_at_rcpt))
        self.sender = self.closing(SmtpSink())
        self.mta = self.start({"route": [
            {"match": "store.test", "deliver": f"lmtp:unix:{self.dovecot.socket}"},
            {"match": "sender.test", "deliver": self.sender.target}], **config})

    def test_asked_before_it_is_accepted(self):
        """recipients = "probe": a stranger's mail for an unknown user is refused with Dovecot's words."""
        self.begin(check_at_rcpt=True, access={"trusted_networks": []},
                   domain=[{"name": "store.test", "recipients": "probe"}])
        with SmtpClient(self.mta.port) as client:
            client.command("MAIL FROM:<alice@sender.test>")
            self.assertEqual(250, client.command(f"RCPT TO:<{ANNA}>")[0])
            code, text = client.command(f"RCPT TO:<{NOBODY}>")
            self.assertEqual(550, code)
            self.assertRegex(text, "^5.1.1 Recipient address rejected: .*User doesn't exist")
            self.assertEqual(250, client.data(message())[0])
        wait_until(lambda: self.dovecot.messages(ANNA), 20, "the delivery")
        self.mta.wait_queue_empty()
        self.assertEqual([], self.sender.messages)
        self.mta.stop()

    def test_four_recipients(self):
        self.begin(check_at_rcpt=False)
        self.send_to_four()

    def test_four_recipients_quota_at_rcpt(self):
        self.begin(check_at_rcpt=True)
        self.send_to_four()

    def send_to_four(self):
        content = message("to four", b"line\r\n.dot\r\n8-bit \xe4\r\n")
        with SmtpClient(self.mta.port) as client:
            answer = client.mail("alice@sender.test", [ANNA, FULL, NOBODY, DORA], content)
        self.assertEqual(250, answer[0], answer)

        bounce = self.sender.wait_delivered("alice@sender.test")
        wait_until(lambda: self.mta.unsettled().get(FULL, {}).get("attempts", 0) >= 2, 30,
                   lambda: f"two attempts for {FULL}: {self.mta.queue()}")
        waiting = self.mta.unsettled()
        self.assertEqual([FULL], list(waiting))
        self.assertIn("4.2.2", waiting[FULL]["last_reply"])
        self.assertEqual([1, 0, 1], [len(self.dovecot.messages(a)) for a in (ANNA, FULL, DORA)])

        self.dovecot.set_users({ANNA: None, FULL: 1 << 30, DORA: None})
        self.mta.wait_queue_empty()
        for address in (ANNA, FULL, DORA):
            stored = self.dovecot.messages(address)
            self.assertEqual(1, len(stored), address)
            self.assertIn(b"Return-Path: <alice@sender.test>\n", stored[0])
            self.assertTrue(stored[0].endswith(content.replace(b"\r\n", b"\n")))
        self.check_bounce(bounce, content)
        self.mta.stop()

    def check_bounce(self, bounces, content):
        """One report about one recipient, with what RFC 3464 demands."""
        self.assertEqual(1, len(bounces))
        self.assertEqual("", bounces[0].sender)
        report = Dsn(bounces[0].content)
        self.assertEqual("alice@sender.test", report.message["To"].addresses[0].addr_spec)
        self.assertIn("mx.postwain.test", report.per_message["Reporting-MTA"])
        self.assertTrue(report.per_message["Reporting-MTA"].startswith("dns;"))
        self.assertEqual(1, len(report.per_recipient))
        fields = report.of(NOBODY)
        self.assertEqual("failed", fields["Action"])
        self.assertEqual("5.1.1", fields["Status"])
        self.assertTrue(fields["Final-Recipient"].startswith("rfc822;"))
        self.assertTrue(fields["Diagnostic-Code"].startswith("smtp; 550"))
        self.assertIn("User doesn't exist", fields["Diagnostic-Code"])
        self.assertIn(NOBODY, report.text)
        self.assertNotIn(FULL, report.text)
        header = content.split(b"\r\n\r\n")[0]
        self.assertIn(header, bounces[0].content)

    def test_many_messages_over_few_connections(self):
        """Thirty messages arrive once each, and connections to the store are used again."""
        self.begin(check_at_rcpt=False)
        with SmtpClient(self.mta.port) as client:
            for number in range(30):
                answer = client.mail("alice@sender.test", [ANNA, DORA], message(f"number {number}"))
                self.assertEqual(250, answer[0], answer)
        self.mta.wait_queue_empty()
        for address in (ANNA, DORA):
            stored = self.dovecot.messages(address)
            self.assertEqual(30, len(stored))
            self.assertEqual(30, len({m.split(b"Subject: ")[1].split(b"\n")[0] for m in stored}))
        self.assertLess(self.dovecot.log().count("Connect from local"), 30)


if __name__ == "__main__":
    main()
