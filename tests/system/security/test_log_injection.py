"""What a stranger says can neither begin a line of the log nor leave its field."""

import json

from postwain_harness import PostwainTestCase, main
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

# What stands in the local part of the sender, as octets on the wire.
HOSTILE = [
    b'"a\\" accepted id=FAKE"',
    b'"a b=c"',
    b'"=\\"\\\\"',
    b'"{\\"event\\":\\"accepted\\"}"',
    "x\u202eevil".encode(),
    "x\u2028y".encode(),
    "x\u0085y".encode(),
    "x\u009b31my".encode(),
    b"'||id||'",
    b"a`id`",
    b"%s%n%00",
]
# What the command parser refuses; it must not come near the log.
REFUSED = [b"a\x1b[2J", b"a\x07", b"a\x00b", b'"a\rb"', b'"a\nb"', b"a\xff\xfe", b"\xed\xa0\x80"]


class LogInjection(PostwainTestCase):
    log_format = "text"

    def setUp(self):
        self.store = self.closing(SmtpSink(lmtp=True))
        self.mta = self.prepare({
            "access": {"trusted_networks": []}, "domain": [{"name": "ours.test"}],
            "limits": {"errors": 1000}, "log": {"format": self.log_format},
            "route": [{"match": "*", "deliver": self.store.target}]})
        self.begin()
        self.client = SmtpClient(self.mta.port)
        self.addCleanup(self.client.close)

    def begin(self):
        self.mta.start()

    def refuse(self, local):
        """A refused RCPT, which the log tells of with the sender."""
        self.client.send(b"MAIL FROM:<" + local + b"@evil.test> SMTPUTF8\r\n")
        code, text = self.client.reply()
        if code == 250:
            self.assertEqual(550, self.client.command("RCPT TO:<x@elsewhere.test>")[0])
            self.client.command("RSET")
        return code, text

    def test_table(self):
        accepted = []
        for local in HOSTILE:
            with self.subTest(local=local):
                code, text = self.refuse(local)
                if code == 250:
                    accepted.append(local)
                else:
                    self.assertIn(code, (501, 550), text)
        # The quoted forms and printable UTF-8 are addresses.
        self.assertGreaterEqual(len(accepted), 6)
        for local in REFUSED:
            with self.subTest(local=local):
                code, _ = self.refuse(local)
                self.assertIn(code, (500, 501, 550))
        self.client.send(b"RSET\r\n")
        wait_until(lambda: len(self.refusals()) >= len(accepted), 10, "all refusals in the log")
        found = self.refusals()
        self.assertEqual(len(accepted), len(found))
        for local, one in zip(accepted, found):
            with self.subTest(local=local):
                self.check(local, one)
        for line in self.mta.log:
            self.assertTrue(all(c.isprintable() for c in line.rstrip("\n")), repr(line))
        self.assertFalse(self.mta.has_event("accepted"))

    def refusals(self):
        return [e for e in self.mta.events("refused") if e.get("to") == "x@elsewhere.test"]

    def check(self, local, event):
        self.assertEqual("x@elsewhere.test", event["to"])
        self.assertEqual("client.test", event["name"])
        self.assertNotIn("event", event)
        self.assertTrue(event["reply"].startswith("550 5.7.1"), event)


class JsonLogInjection(LogInjection):
    log_format = "json"

    def begin(self):
        self.mta.launch()
        wait_until(lambda: any(o["event"] == "ready" for o in self.objects()), 20, "ready")

    def objects(self):
        return [json.loads(line) for line in self.mta.log if line.startswith("{")]

    def refusals(self):
        return [o for o in self.objects()
                if o["event"] == "refused" and o.get("to") == "x@elsewhere.test"]

    def check(self, local, event):
        super().check(local, {k: v for k, v in event.items() if k != "event"})
        if local.isascii():
            # A backslash of the client is doubled, so that \\xHH is always ours.
            shown = local.decode().replace("\\", "\\\\")
            self.assertEqual(shown + "@evil.test", event["from"])


if __name__ == "__main__":
    main()
