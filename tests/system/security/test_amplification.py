"""One message makes one copy and few reports, whoever asks for how many (S14, operate 8)."""

from postwain_harness import PostwainTestCase, main
from mail_content import message
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

VICTIM = "victim@elsewhere.test"


class Amplification(PostwainTestCase):
    def begin(self, changes=None):
        self.store = self.closing(SmtpSink(lmtp=True))
        self.far = self.closing(SmtpSink())
        self.mta = self.start({"access": {"trusted_networks": []}, "domain": [{"name": "own.test"}],
                               "route": [{"match": "own.test", "deliver": self.store.target},
                                         {"match": "*", "deliver": self.far.target}],
                               **(changes or {})})

    def send(self, *recipients, sender=VICTIM, content=None):
        with SmtpClient(self.mta.port) as client:
            lines = [f"MAIL FROM:<{sender}>"] + [f"RCPT TO:{to}" for to in recipients] + ["DATA"]
            client.send("".join(line + "\r\n" for line in lines))
            codes = [code for code, _ in client.replies(len(lines))]
            self.assertEqual([250] * (len(lines) - 1) + [354], codes)
            client.send((content or message()) + b".\r\n")
            self.assertEqual(250, client.reply()[0])

    def test_s14_the_same_recipient_many_times_is_one(self):
        self.begin()
        text = b"Subject: buy now\r\n" + b"X-Spam: spam\r\n" * 2000 + b"\r\nhi\r\n"
        self.send(*["<bob@own.test> NOTIFY=SUCCESS"] * 300, "<bob@OWN.test> NOTIFY=SUCCESS", content=text)
        wait_until(lambda: self.far.delivered(VICTIM), 60, "the report")
        self.mta.wait_queue_empty()
        self.assertEqual(1, len(self.store.delivered("bob@own.test")))
        self.assertEqual(1, len(self.far.delivered(VICTIM)))
        report = self.far.delivered(VICTIM)[0].content
        self.assertNotIn(b"spam", report)
        self.assertNotIn(b"buy now", report)
        self.assertIn(b"Action: delivered", report)

    def test_s14_one_report_tells_of_many(self):
        self.begin()
        self.send(*[f"<u{i}@own.test> NOTIFY=SUCCESS" for i in range(60)])
        wait_until(lambda: len(self.store.commands("RCPT")) >= 60, 60, "deliveries")
        self.mta.wait_queue_empty()
        reports = self.far.delivered(VICTIM)
        self.assertLessEqual(len(reports), 10)
        told = sum(report.content.count(b"Action: delivered") for report in reports)
        self.assertEqual(60, told)

    def test_s14_reports_to_one_reverse_path_end(self):
        self.begin()
        for i in range(35):
            self.send(f"<u{i}@own.test> NOTIFY=SUCCESS")
        self.mta.wait_queue_empty()
        wait_until(lambda: len(self.mta.events("report_left_out")) >= 5, 60, lambda: self.mta.tail())
        self.assertEqual(30, len(self.far.delivered(VICTIM)))
        self.assertEqual(35, len([1 for i in range(35) if self.store.delivered(f"u{i}@own.test")]))

    def test_s14_dsn_for_known_clients_only(self):
        self.begin({"access": {"trusted_networks": ["127.0.0.2/32"], "dsn": "known"}})
        with SmtpClient(self.mta.port) as client:
            self.assertNotIn("DSN", client.extensions)
            for words in ["RET=HDRS", "ENVID=x"]:
                self.assertEqual(555, client.command(f"MAIL FROM:<a@b.test> {words}")[0])
            self.assertEqual(250, client.command("MAIL FROM:<a@b.test>")[0])
            for words in ["NOTIFY=SUCCESS", "ORCPT=rfc822;x@y.test"]:
                self.assertEqual(555, client.command(f"RCPT TO:<bob@own.test> {words}")[0])
            self.assertEqual(250, client.command("RCPT TO:<bob@own.test>")[0])
        with SmtpClient(self.mta.port, source="127.0.0.2") as client:
            self.assertIn("DSN", client.extensions)
            self.assertEqual(250, client.command("MAIL FROM:<a@b.test> RET=HDRS ENVID=x")[0])
            self.assertEqual(250, client.command("RCPT TO:<bob@own.test> NOTIFY=SUCCESS")[0])

    def test_operate_8_sendmail_names_somebody_twice(self):
        self.begin()
        letter = b"To: bob@far.test\nCc: Bob <bob@far.test>\nSubject: a\n\nx\n"
        self.assertEqual(0, self.mta.sendmail("-t", content=letter).returncode)
        self.assertEqual(0, self.mta.sendmail("eve@far.test", "eve@FAR.test", content=b"Subject: b\n\nx\n").returncode)
        self.far.wait_delivered("bob@far.test")
        self.far.wait_delivered("eve@far.test")
        self.mta.wait_queue_empty()
        self.assertEqual(["bob@far.test", "eve@far.test"],
                         sorted(to for one in self.far.messages for to in one.recipients))

    def test_s14_lmtp_replies_for_each_rcpt(self):
        self.begin()
        port = self.mta.port
        self.mta.stop()
        self.mta.reconfigure({"listener": [{"address": f"127.0.0.1:{port}", "protocol": "lmtp"}]})
        self.mta.start()
        with SmtpClient(port, hello="x.test", verb="LHLO") as client:
            client.envelope("a@b.test", ["bob@own.test"] * 3)
            self.assertEqual(354, client.command("DATA")[0])
            client.send(message() + b".\r\n")
            self.assertEqual([250] * 3, [code for code, _ in client.replies(3)])
        self.store.wait_delivered("bob@own.test")
        self.mta.wait_queue_empty()
        self.assertEqual(1, len(self.store.delivered("bob@own.test")))


if __name__ == "__main__":
    main()
