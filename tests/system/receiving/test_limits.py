"""Every limit of the receiving side has its reply, and the server goes on after it."""

import time

from postwain_harness import Postwain, PostwainTestCase, main
from mail_content import message
from resources import wait_until
from smtp_raw import SmtpClient, stuffed
from smtp_sink import SmtpSink

SIZE = 100_000


class Limits(PostwainTestCase):
    @classmethod
    def setUpClass(cls):
        cls.sink = SmtpSink()
        cls.addClassCleanup(cls.sink.stop)
        cls.mta = Postwain({
            "limits": {"message_size": SIZE, "recipients": 5, "connections_per_ip": 4,
                       "errors": 4, "command_timeout": "2s", "data_timeout": "1s"},
            "route": [{"match": "*", "deliver": cls.sink.target}]}, label=cls.__qualname__)
        cls.addClassCleanup(cls.mta.close)
        cls.mta.start()

    def setUp(self):
        self.sink.messages.clear()
        self.clients = []
        self.wait_for_place()

    def tearDown(self):
        for client in self.clients:
            client.close()

    def wait_for_place(self):
        """The connections of the test before are gone for the server too."""
        def free():
            client = SmtpClient(self.mta.port, hello=None)
            client.close()
            return client.greeting[0] == 220
        wait_until(free, 10, "a free connection")

    def client(self, **more):
        self.clients.append(SmtpClient(self.mta.port, **more))
        return self.clients[-1]

    def expect(self, answer, code, enhanced):
        self.assertEqual((code, enhanced), (answer[0], answer[1].split()[0]), answer)

    def send_one(self, client=None, to="after@example.test"):
        """The server still works, in this session when one is given."""
        client = client or self.client()
        self.assertEqual(250, client.mail("a@sender.test", [to], message())[0])
        self.sink.wait_delivered(to)

    def test_size_is_announced(self):
        self.assertIn(f"SIZE {SIZE}", self.client().extensions)

    def test_declared_size(self):
        client = self.client()
        self.expect(client.command(f"MAIL FROM:<a@sender.test> SIZE={SIZE + 1}"), 552, "5.3.4")
        self.assertEqual(250, client.command(f"MAIL FROM:<a@sender.test> SIZE={SIZE}")[0])
        client.command("RSET")
        self.send_one(client)

    def test_size_in_data(self):
        """552 after the true end; what was too much is not obeyed as commands."""
        client = self.client()
        client.envelope("a@sender.test", ["big@example.test"])
        answer = client.data(message("big", b"NOOP\r\n" * (SIZE // 5)))
        self.expect(answer, 552, "5.3.4")
        self.send_one(client)
        self.assertEqual([], self.sink.delivered("big@example.test"))

    def test_size_in_bdat(self):
        client = self.client()
        client.envelope("a@sender.test", ["big@example.test"])
        chunk = b"x" * 76 + b"\r\n"
        client.send(b"BDAT %d\r\n" % (len(chunk) * 1000) + chunk * 1000)
        self.assertEqual(250, client.reply()[0])
        client.send(b"BDAT %d LAST\r\n" % (len(chunk) * 1000) + chunk * 1000)
        self.expect(client.reply(), 552, "5.3.4")
        client.command("RSET")
        self.send_one(client)
        self.assertEqual([], self.sink.delivered("big@example.test"))

    def test_exactly_the_size(self):
        """A message of the announced size is accepted; the Received field is ours to pay."""
        client = self.client()
        content = message("exact", b"")
        content += b"y" * (SIZE - len(content) - 2) + b"\r\n"
        self.assertEqual(SIZE, len(content))
        answer = client.mail("a@sender.test", ["exact@example.test"], content)
        self.assertEqual(250, answer[0], answer)
        self.sink.wait_delivered("exact@example.test")

    def test_recipients(self):
        client = self.client()
        client.envelope("a@sender.test", [f"r{n}@example.test" for n in range(5)])
        self.expect(client.command("RCPT TO:<r5@example.test>"), 452, "4.5.3")
        self.assertEqual(250, client.data(message())[0])
        arrived = self.sink.wait_delivered("r4@example.test")
        self.assertEqual(5, len(arrived[0].recipients))
        self.assertEqual([], self.sink.delivered("r5@example.test"))

    def test_errors(self):
        client = self.client()
        answers = []
        try:
            for _ in range(8):
                answers.append(client.command("NONSENSE")[0])
        except (EOFError, ConnectionError):
            pass
        self.assertEqual(421, answers[-1], answers)
        self.assertLessEqual(len(answers), 5)
        self.assertTrue(client.closed())

    def test_connections_of_one_address(self):
        for _ in range(4):
            self.assertEqual(220, self.client().greeting[0])
        code, text = self.client(hello=None).greeting
        self.assertEqual((421, "4."), (code, text[:2]), text)
        self.assertEqual(220, self.client(source="127.0.0.3").greeting[0])
        self.clients[0].close()
        self.wait_for_place()

    def test_command_timeout(self):
        client = self.client()
        started = time.monotonic()
        code, _ = client.reply()
        self.assertEqual(421, code)
        self.assertTrue(client.closed())
        self.assertGreater(time.monotonic() - started, 1.5)
        self.assertLess(time.monotonic() - started, 8)

    def test_command_timeout_of_a_dripping_client(self):
        """A byte now and then does not keep a command open for ever."""
        client = self.client()
        started = time.monotonic()
        try:
            while time.monotonic() - started < 15:
                client.send(b"N")
                time.sleep(0.3)
        except OSError:
            pass
        self.assertLess(time.monotonic() - started, 12)

    def test_data_timeout(self):
        client = self.client()
        client.envelope("a@sender.test", ["slow@example.test"])
        client.command("DATA")
        started = time.monotonic()
        client.send(b"Subject: never finished\r\n")
        self.assertEqual(421, client.reply()[0])
        self.assertLess(time.monotonic() - started, 8)
        self.assertEqual([], self.sink.delivered("slow@example.test"))
        self.assertEqual([], self.mta.queue())

    def test_connection_lost_before_the_end_of_data(self):
        for part in (b"Subject: cut\r\n\r\nbody", b"Subject: cut\r\n\r\nbody\r\n.",
                     b"Subject: cut\r\n\r\nbody\r\n.\r"):
            client = self.client()
            client.envelope("a@sender.test", ["cut@example.test"])
            client.command("DATA")
            client.send(part)
            client.close()
        self.send_one()
        self.assertEqual([], self.sink.delivered("cut@example.test"))

    def test_long_command_line(self):
        """RFC 5321 4.5.3.1.4: a line that is too long gets 500, and what follows is no command."""
        client = self.client()
        code, text = client.command("NOOP " + "x" * 20_000)
        self.assertEqual((500, "5.5.2"), (code, text.split()[0]))
        self.send_one(client)

    def test_line_without_end(self):
        """A megabyte without a line end is cut off."""
        client = self.client()
        try:
            for _ in range(64):
                client.send(b"x" * 65536)
            answer = client.reply()[0]
        except (EOFError, OSError):
            answer = 421
        self.assertIn(answer, (421, 500))
        self.send_one()

    def test_bdat_numbers(self):
        """No number makes the server read beyond its limit or take content for commands."""
        for number in ("-1", "+1", "x", "1 FIRST", "0x10", "18446744073709551616", "1" * 40, ""):
            with self.subTest(number):
                self.wait_for_place()
                client = self.client()
                client.envelope("a@sender.test", ["n@example.test"])
                code, _ = client.command(f"BDAT {number}")
                self.assertTrue(500 <= code < 600 or code == 421, code)
                client.close()
        self.send_one()

    def test_hop_limit(self):
        """operate 1: a message with 50 Received fields is in a loop."""
        client = self.client()
        client.envelope("a@sender.test", ["loop@example.test"])
        fields = b"Received: from a by b; Sat, 21 Nov 2026 12:00:00 +0000\r\n" * 50
        code, text = client.data(fields + message())
        self.assertEqual((554, "5.4.6"), (code, text.split()[0]))
        self.send_one(client)

    def test_content_that_does_not_end_cannot_hold_the_server(self):
        """Other sessions are served while one drips content."""
        slow = self.client()
        slow.envelope("a@sender.test", ["slow@example.test"])
        slow.command("DATA")
        slow.send(stuffed(message()))
        self.send_one(self.client())


if __name__ == "__main__":
    main()
