"""Reverse DNS, hello names and sender domains, asked of a real resolver; bounded, and never for good in doubt."""

import json
import time

from postwain_harness import PostwainTestCase, main
from dns_server import DnsServer
from mail_content import message
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

ZONE = {
    "2.0.0.127.in-addr.arpa": {"PTR": ["other.far.test", "host.far.test"]},
    "host.far.test": {"A": ["127.0.0.2"]}, "other.far.test": {"A": ["192.0.2.9"]},
    "3.0.0.127.in-addr.arpa": {"PTR": ["liar.far.test"]}, "liar.far.test": {"A": ["192.0.2.1"]},
    "4.0.0.127.in-addr.arpa": {"rcode": "SERVFAIL"},
    "5.0.0.127.in-addr.arpa": {"silent": True},
    "6.0.0.127.in-addr.arpa": {"CNAME": "6.0/25.0.0.127.in-addr.arpa"},
    "6.0/25.0.0.127.in-addr.arpa": {"PTR": ["six.far.test"]}, "six.far.test": {"A": ["127.0.0.6"]},
    "far.test": {"MX": [[10, "host.far.test"]]}, "plain.test": {"A": ["192.0.2.3"]},
    "null.test": {"MX": [[0, "."]]}, "nothing.test": {"TXT": ["x"]},
    "broken.test": {"rcode": "SERVFAIL"}, "silent.test": {"silent": True},
}


class ClientChecks(PostwainTestCase):
    def begin(self, access=None, **more):
        self.sink = self.closing(SmtpSink())
        self.dns = self.closing(DnsServer(ZONE))
        self.mta = self.start({
            "access": {"trusted_networks": ["127.0.0.1/32"], **(access or {})},
            "domain": [{"name": "our.test"}], "dns": {"servers": [f"127.0.0.1:{self.dns.port}"]},
            "route": [{"match": "*", "deliver": self.sink.target}], **more})

    def mail(self, sender="a@far.test", source="127.0.0.2", hello="host.far.test"):
        """The reply to MAIL."""
        with SmtpClient(self.mta.port, source=source, hello=hello) as client:
            return client.command(f"MAIL FROM:<{sender}>")

    def test_reverse_dns(self):
        self.begin({"reverse_dns": "require"})
        for source, want in (("127.0.0.2", (250, "2.1.0")), ("127.0.0.3", (550, "5.7.25")),
                             ("127.0.0.4", (450, "4.7.25")), ("127.0.0.6", (250, "2.1.0")),
                             ("127.0.0.7", (550, "5.7.25")), ("127.0.0.1", (250, "2.1.0"))):
            with self.subTest(source=source):
                code, text = self.mail(source=source)
                self.assertEqual(want, (code, text.split(" ")[0]))

    def test_nobody_waits_longer_than_five_seconds(self):
        self.begin({"reverse_dns": "require", "sender_domain": "exists", "hello": "resolves"})
        with SmtpClient(self.mta.port, source="127.0.0.5", hello="silent.test") as client:
            began = time.monotonic()
            code, text = client.command("MAIL FROM:<a@silent.test>")
            took = time.monotonic() - began
            self.assertEqual((450, "4.7.25"), (code, text.split(" ")[0]))
            self.assertGreater(took, 3)
            self.assertLess(took, 20)  # 5 s by our own clock; the rest is the machine's
            # Others are served meanwhile, and this one may go on.
            self.assertEqual(250, client.command("RSET")[0])
        self.assertEqual(250, self.mail(source="127.0.0.1", sender="a@silent.test")[0])

    def test_whoever_leaves_while_the_dns_is_asked(self):
        self.begin({"reverse_dns": "require"})
        for _ in range(20):
            client = SmtpClient(self.mta.port, source="127.0.0.5")
            client.send("MAIL FROM:<a@far.test>\r\n")
            client.close()
        self.assertEqual(250, self.mail()[0])
        self.mta.stop()

    def test_sender_domains(self):
        self.begin({"sender_domain": "exists"})
        for sender, want in (("a@far.test", "250 2.1.0"), ("a@plain.test", "250 2.1.0"),
                             ("", "250 2.1.0"), ("a@[127.0.0.2]", "250 2.1.0"),
                             ("a@nowhere.test", "550 5.1.8"), ("a@nothing.test", "550 5.1.8"),
                             ("a@null.test", "550 5.7.27"), ("a@broken.test", "451 4.4.3")):
            with self.subTest(sender=sender):
                code, text = self.mail(sender)
                self.assertEqual(want, f"{code} {text.split(' ')[0]}")
        # In one session, too: each MAIL is about its own sender.
        with SmtpClient(self.mta.port, source="127.0.0.2") as client:
            self.assertEqual(
                [250, 250, 550, 250], [client.command(line)[0] for line in (
                    "MAIL FROM:<a@far.test>", "RSET", "MAIL FROM:<a@nowhere.test>",
                    "MAIL FROM:<a@far.test>")])

    def test_hello(self):
        self.begin({"hello": "resolves"})
        for hello, want in (("host.far.test", 250), ("far.test", 250), ("[127.0.0.2]", 250),
                            ("[127.0.0.9]", 550), ("localhost", 504), ("nowhere.test", 550),
                            ("broken.test", 450), ("mx.postwain.test", 550)):
            with self.subTest(hello=hello):
                self.assertEqual(want, self.mail(hello=hello)[0])
        wait_until(lambda: len(self.mta.events("refused")) >= 5, 10, "log lines")
        with open(self.mta.config_path, encoding="utf-8") as file:
            line = next(n for n, text in enumerate(file, 1) if text.startswith("hello = "))
        self.assertEqual({f"{self.mta.config_path}:{line}"},
                         {event["config"].rpartition(":")[0] for event in self.mta.events("refused")})

    def test_the_name_is_on_record(self):
        self.begin({"reverse_dns": "look"})
        for source, want in (("127.0.0.2", b"(host.far.test [127.0.0.2])"),
                             ("127.0.0.3", b"([127.0.0.3])")):
            to = f"for{source}@our.test"
            with SmtpClient(self.mta.port, source=source) as client:
                self.assertEqual(250, client.mail("a@far.test", [to], message())[0])
            self.assertIn(want, self.sink.wait_delivered(to)[0].content.split(b"\r\n")[0])

    def test_rules_by_name_and_what_explain_says(self):
        self.begin(rule=[{"client_name": [".far.test"], "action": "defer", "text": "not from there"},
                         {"client_name": ["unknown"], "action": "refuse", "text": "who are you"}],
                   expect=[{"recipient": "b@our.test", "client": "192.0.2.1",
                            "client_name": "unknown", "decision": "refuse"}])
        for source, want in (("127.0.0.2", 450), ("127.0.0.3", 554), ("127.0.0.4", 250)):
            with self.subTest(source=source):
                code, text = self.mail(source=source)
                self.assertEqual(want, code)
                told = json.loads(self.mta.cli("explain", "b@our.test", "--client", source, "--from",
                                               "a@far.test", "--json").stdout)
                self.assertEqual({4: "defer", 5: "refuse", 2: "accept"}[code // 100],
                                 told["decision"])


if __name__ == "__main__":
    main()
