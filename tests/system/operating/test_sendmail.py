"""sendmail(1): how local programs hand over mail."""

from postwain_harness import PostwainTestCase, main
from mail_content import without_received
from smtp_sink import SmtpSink

MAIL = b"""From: Alice <alice@sender.test>
To: Bob <bob@example.test>, carol@example.test
Cc: "Dora, D." <dora@example.test>
Bcc: hidden@example.test
Subject: local mail

first line
.
..two dots
last line
"""


class Sendmail(PostwainTestCase):
    def setUp(self):
        self.sink = self.closing(SmtpSink())
        self.mta = self.start({"route": [{"match": "*", "deliver": self.sink.target}]})

    def send(self, *words, content=MAIL):
        result = self.mta.sendmail(*words, content=content)
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)

    def arrived(self, count=1):
        """{recipient: transaction} after `count` recipients arrived and the queue is empty."""
        self.mta.wait_queue_empty()
        found = {to: m for m in self.sink.messages for to in m.recipients}
        self.assertEqual(count, sum(len(m.recipients) for m in self.sink.messages))
        return found

    def test_addresses(self):
        self.send("-i", "-f", "alice@sender.test", "x@example.test", "y@example.test")
        found = self.arrived(2)
        self.assertEqual({"x@example.test", "y@example.test"}, set(found))
        transaction = found["x@example.test"]
        self.assertEqual("alice@sender.test", transaction.sender)
        content = without_received(transaction.content)
        self.assertIn(b"first line\r\n.\r\n..two dots\r\nlast line\r\n", content)
        self.assertEqual([], self.sink.violations)

    def test_dot_ends_without_i(self):
        self.send("x@example.test")
        content = self.arrived()["x@example.test"].content
        self.assertIn(b"first line\r\n", content)
        self.assertNotIn(b"two dots", content)

    def test_recipients_from_the_header(self):
        self.send("-t", "-i", "-f", "alice@sender.test")
        found = self.arrived(4)
        self.assertEqual({"bob@example.test", "carol@example.test", "dora@example.test",
                          "hidden@example.test"}, set(found))
        for transaction in found.values():
            self.assertNotIn(b"hidden@example.test", transaction.content.split(b"\r\n\r\n")[0]
                             .replace(b"for <hidden@example.test>", b""))
            self.assertNotIn(b"\nBcc:", transaction.content)

    def test_null_sender(self):
        self.send("-i", "-f", "<>", "x@example.test")
        self.assertEqual("", self.arrived()["x@example.test"].sender)

    def test_missing_fields_are_added(self):
        """Message-ID, Date and From are added to local mail that lacks them (RFC 6409 8)."""
        self.send("-i", "-f", "alice@sender.test", "-F", "Alice A.", "x@example.test",
                  content=b"Subject: bare\n\nbody\n")
        header = self.arrived()["x@example.test"].content.split(b"\r\n\r\n")[0]
        for field in (b"\nMessage-ID: <", b"\nDate: ", b"\nFrom: "):
            self.assertIn(field.lower(), b"\n" + header.lower())

    def test_options_programs_use(self):
        for words in (("-oi",), ("-oem", "-oi"), ("-B8BITMIME", "-i"), ("-i", "--")):
            with self.subTest(words):
                self.sink.messages.clear()
                self.send(*words, "x@example.test")
                self.assertIn(b"two dots", self.arrived()["x@example.test"].content)

    def test_no_recipients(self):
        result = self.mta.sendmail("-i", content=MAIL)
        self.assertEqual(64, result.returncode)
        self.assertTrue(result.stderr)

    def test_bad_address(self):
        result = self.mta.sendmail("-i", "no spaces@exa mple.test", content=MAIL)
        self.assertNotEqual(0, result.returncode)
        self.mta.wait_queue_empty()
        self.assertEqual([], self.sink.messages)

    def test_server_down(self):
        """The user's program learns that the mail was not taken (EX_TEMPFAIL), or it is kept."""
        self.mta.stop()
        result = self.mta.sendmail("-i", "x@example.test", content=MAIL)
        if result.returncode != 0:
            self.assertEqual(75, result.returncode, result.stderr)
            self.assertTrue(result.stderr)
        self.mta.start()
        if result.returncode == 0:
            self.sink.wait_delivered("x@example.test")

    def test_smtp_on_standard_input(self):
        content = ("From: a@x.test\r\nSubject: by -bs\r\n\r\n" + "line\r\n" * 20_000).encode()
        dialog = (b"EHLO c\r\nMAIL FROM:<a@x.test> SIZE=100\r\nRCPT TO:<b@example.test>\r\nDATA\r\n"
                  + content + b".\r\nMAIL FROM:<>\r\nRCPT TO:<nonsense\r\nRSET\r\n"
                  b"MAIL FROM:<a@x.test>\r\nRCPT TO:<c@example.test>\r\nBDAT 13 LAST\r\nSubject: x\r\n\r"
                  b"\nSTARTTLS\r\nQUIT\r\n")
        done = self.mta.sendmail("-bs", content=dialog)
        self.assertEqual(0, done.returncode, done.stderr)
        codes = [int(line[:3]) for line in done.stdout.splitlines() if line[3:4] == b" "]
        self.assertEqual([220, 250, 250, 250, 354, 250, 250, 501, 250, 250, 250], codes[:11])
        self.assertIn(b"queued as", done.stdout)
        arrived = self.sink.wait_delivered("b@example.test")[0].content
        self.assertEqual(content.split(b"\r\n\r\n", 1)[1], arrived.split(b"\r\n\r\n", 1)[1])
        self.assertIn(b"\r\nMessage-ID: <", arrived)

    def test_smtp_on_standard_input_while_the_server_is_down(self):
        self.mta.stop()
        done = self.mta.sendmail("-bs", content=b"EHLO c\r\nMAIL FROM:<a@x.test>\r\n"
                                 b"RCPT TO:<b@example.test>\r\nDATA\r\nSubject: x\r\n\r\n.\r\n")
        self.assertIn(b"451 4.3.0 Queue unavailable", done.stdout)

    def test_large(self):
        body = b"".join(b"line %d of a long letter\n" % n for n in range(200_000))
        self.send("-i", "x@example.test", content=b"Subject: long\n\n" + body)
        content = self.sink.wait_delivered("x@example.test", 30)[0].content
        self.assertTrue(content.endswith(body.replace(b"\n", b"\r\n")))


if __name__ == "__main__":
    main()
