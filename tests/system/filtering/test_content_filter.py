"""A content filter behind the queue: Debian's amavisd-new, to which a route leads and which gives mail back.

The routes are those of etc/content-filter.toml.
"""

import json
import os
import smtplib
import tomllib
import unittest

from filtered_mail import field
from mail_content import Dsn, message
from postwain_harness import SOURCE, PostwainTestCase, main
from real_amavis import Amavis
from real_filters import namespaces_permitted
from resources import reserve_port, wait_until
from smtp_sink import SmtpSink

STRANGER, SCANNER = "127.0.0.2", "127.0.0.3"
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"
PROGRAM = (b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nlook\r\n--b\r\n"
           b"Content-Type: application/octet-stream; name=look.exe\r\n"
           b"Content-Disposition: attachment; filename=look.exe\r\n\r\nprogram\r\n--b--\r\n")


@unittest.skipUnless(namespaces_permitted(), "mount namespaces are not permitted")
class ContentFilter(PostwainTestCase):
    def begin(self, speak="smtp", **options):
        self.sink = self.closing(SmtpSink())
        self.back = reserve_port()
        self.options = options
        self.amavis = self.closing(Amavis(back=self.back, source=SCANNER, **options))
        self.mta = self.prepare()
        with open(os.path.join(SOURCE, "etc/content-filter.toml"), "rb") as file:
            routes = tomllib.load(file)["route"]
        for route in routes:
            route["deliver"] = (f"{speak}:127.0.0.1:{self.amavis.port}" if route["deliver"].endswith(":10024")
                                else self.sink.target)
        self.mta.reconfigure({
            "access": {"trusted_networks": [f"{SCANNER}/32"]},
            "listener": [{"address": f"127.0.0.1:{self.mta.port}"}, {"address": f"127.0.0.1:{self.back}"}],
            "domain": [{"name": "here.example", "recipients": "any"}], "route": routes})
        self.mta.start()

    def send(self, content, to=("bob@here.example",), **more):
        with smtplib.SMTP("127.0.0.1", self.mta.port, "client.far.example", 60, (STRANGER, 0)) as client:
            client.ehlo()
            client.sendmail("alice@far.example", list(to), content, **more)

    def test_mail_goes_through_it_once_and_keeps_its_envelope(self):
        self.begin()
        self.send(message(body=b"one\r\n..two\r\n\xe4\r\n"), to=["bob@here.example", "eva@here.example"],
                  mail_options=["BODY=8BITMIME"])
        self.send(message(body=GTUBE), to=["spam@here.example"])
        for name in ("bob", "eva"):
            [arrived] = self.sink.wait_delivered(f"{name}@here.example", 60)
            self.assertEqual("alice@far.example", arrived.sender)
            self.assertTrue(arrived.content.endswith(b"\r\n\r\none\r\n..two\r\n\xe4\r\n"), arrived.content)
            received = field(arrived.content, "Received")
            self.assertEqual(["mx.postwain.test", "localhost", "mx.postwain.test"],
                             [line.split(" by ")[1].split()[0] for line in received], received)
        [spam] = self.sink.wait_delivered("spam@here.example", 60)
        self.assertEqual(["YES"], field(spam.content, "X-Spam-Flag"), self.amavis.log())
        self.mta.wait_queue_empty()

    def test_it_is_told_of_the_client(self):
        """By XFORWARD: what amavisd-new takes for the client's address decides by which rules it judges."""
        self.begin()
        self.send(message())
        self.sink.wait_delivered("bob@here.example", 60)
        wait_until(lambda: f"[{STRANGER}]" in self.amavis.log(), 20, self.amavis.log)
        self.mta.wait_queue_empty()

    def test_what_it_refuses_goes_back_to_the_sender(self):
        for speak in ("smtp", "lmtp"):
            with self.subTest(speak):
                self.refuses(speak)

    def refuses(self, speak):
        self.begin(speak, more="$final_banned_destiny = D_REJECT;")
        self.send(message().partition(b"\r\n\r\n")[0] + b"\r\n" + PROGRAM)
        [report] = self.sink.wait_delivered("alice@far.example", 60)
        self.assertEqual("", report.sender)
        told = Dsn(report.content[report.content.index(b"From: "):]).of("bob@here.example")
        self.assertEqual("failed", told["Action"])
        self.assertIn("look.exe", told["Diagnostic-Code"])
        self.mta.wait_queue_empty()
        self.assertEqual([], self.sink.delivered("bob@here.example"))

    def test_mail_waits_while_it_is_away(self):
        self.begin()
        self.amavis.stop()
        self.send(message())
        [waiting] = wait_until(lambda: [one for one in self.mta.queue() if one["recipients"][0]["last_reply"]], 60,
                               "an attempt")
        self.assertEqual("deferred", waiting["recipients"][0]["state"])
        self.closing(Amavis(back=self.back, source=SCANNER, port=self.amavis.port, **self.options))
        self.mta.cli("queue", "retry", "--all")
        self.sink.wait_delivered("bob@here.example", 60)
        self.mta.wait_queue_empty()

    def test_explain_knows_both_ways(self):
        self.begin()
        for client, hop in ((STRANGER, self.amavis.port), (SCANNER, self.sink.port)):
            shown = self.mta.cli("explain", "bob@here.example", "--client", client, "--no-dns", "--json")
            self.assertEqual(0, shown.returncode, shown.stderr)
            self.assertRegex(json.loads(shown.stdout)["route"]["destination"], rf"^smtp:\S+:{hop}( |$)")


if __name__ == "__main__":
    main()
