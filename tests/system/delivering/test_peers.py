"""The real Postfix, Exim and OpenSMTPD as smart hosts with TLS and AUTH, and Cyrus as a store."""

import os
import sys
import unittest

from postwain_harness import PostwainTestCase, main
from mail_content import Dsn, message, without_received
from peers import Cyrus, Exim, OpenSmtpd, Postfix, namespaces_permitted
from resources import make_certificate, wait_until
from sasl_server import PASSWORD, USER
from smtp_raw import SmtpClient, queue_id
from smtp_sink import SmtpSink

sys.path.append(os.path.join(os.path.dirname(__file__), "..", "..", "..", "bench"))
from distance import DelayProxy  # pylint: disable=wrong-import-position


@unittest.skipUnless(namespaces_permitted(), "mount namespaces are not permitted")
class SmartHosts(PostwainTestCase):
    def setUp(self):
        self.mta = self.prepare()
        self.secret = self.mta.folder.file("secret", PASSWORD + "\n")
        self.sink = self.closing(SmtpSink())
        self.pair = make_certificate(self.mta.folder)

    def through(self, kind, *mechanisms, login=True):
        peer = self.closing(kind(*self.pair, self.sink))
        for number, mechanism in enumerate((None, *mechanisms)):
            with self.subTest(peer=kind.__name__, mechanism=mechanism):
                route = {"match": "*", "deliver": peer.target}
                if login:
                    route |= {"tls": "encrypt", "auth": f"{USER}:file:{self.secret}"}
                if mechanism:
                    route["auth_mechanisms"] = mechanism
                self.mta.reconfigure({"route": [route]})
                self.mta.start()
                to = [f"u{number}.{n}@far.test" for n in range(3)]
                contents = [message(), message(body=b"x" * 900 + b"\r\n.\r\n..dots\r\n" * 200),
                            message(body=b"y\r\n" * 60000)]
                with SmtpClient(self.mta.port) as client:
                    for one, content in zip(to, contents):
                        code, text = client.mail("alice@ours.test", [one], content)
                        self.assertEqual(250, code, text)
                for one, content in zip(to, contents):
                    wait_until(lambda to=one: self.sink.delivered(to), 30, lambda to=one:
                               f"{to} through {kind.__name__}\n{peer.log()}\n{self.mta.queue()}")
                    arrived = without_received(self.sink.delivered(one)[0].content)
                    self.assertIn(content.partition(b"\r\n\r\n")[2], arrived)
                self.mta.wait_queue_empty()
                delivered = [e for e in self.mta.events("delivered") if e["to"] in to]
                self.assertEqual([login] * 3, [e.get("tls", "").startswith("TLS") for e in delivered])
                self.mta.stop()

    def test_postfix(self):
        self.through(Postfix, "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256")

    def test_exim(self):
        self.through(Exim, "PLAIN", "CRAM-MD5")

    def test_opensmtpd(self):
        self.through(OpenSmtpd, login=False)

    def test_whole_messages_in_flight_over_a_long_wire(self):
        """By BDAT behind each other, with RSET between: the real ones take each exactly once."""
        for kind in (Postfix, Exim):
            with self.subTest(peer=kind.__name__):
                peer = self.closing(kind(*self.pair, self.sink))
                proxy = DelayProxy(peer.port, 0.02, 1)
                self.mta.reconfigure({"route": [{
                    "match": "*", "deliver": f"smtp:127.0.0.1:{proxy.port}", "connections": 1,
                    "tls": "may", "auth": f"{USER}:file:{self.secret}"}]})
                self.mta.start()
                to = [f"{kind.__name__}{n}@far.test" for n in range(60)]
                with SmtpClient(self.mta.port) as client:
                    for one in to:
                        self.assertEqual(250, client.mail("alice@ours.test", [one], message())[0])
                self.mta.wait_queue_empty(60)
                for one in to:
                    self.assertEqual(1, len(self.sink.wait_delivered(one, 60)), one)
                self.assertEqual([], self.mta.events("deferred"))
                self.mta.stop()

    def test_postfix_is_told_of_the_client(self):
        """XFORWARD as Postfix documents it, believed by Postfix and understood by it."""
        peer = self.closing(Postfix(*self.pair, self.sink))
        told = {"match": "*", "deliver": peer.target, "tls": "encrypt", "auth": f"{USER}:file:{self.secret}",
                "xforward": True}
        self.mta.reconfigure({"access": {"trusted_networks": ["127.0.0.0/8"]}, "route": [told]})
        self.mta.start()
        with SmtpClient(self.mta.port, source="127.0.0.9", hello="laptop.far.test") as client:
            code, text = client.mail("alice@ours.test", ["one@far.test"], message())
            self.assertEqual(250, code, text)
        self.assertEqual(0, self.mta.sendmail("two@far.test", content=message()).returncode)
        for name in ("one", "two"):
            wait_until(lambda n=name: self.sink.delivered(f"{n}@far.test"), 30, peer.log)
        lines = wait_until(lambda: (found := [line for line in peer.log().splitlines() if " client=" in line])[1:]
                           and found, 20, peer.log)
        [one] = [line for line in lines if queue_id(text) in line]
        self.assertIn(f"orig_queue_id={queue_id(text)}", one)
        self.assertIn("orig_client=unknown[127.0.0.9]", one)
        [two] = [line for line in lines if line is not one]
        self.assertNotIn("127.0.0.9", two)
        self.assertNotIn(queue_id(text), two)

    def test_a_wrong_password_is_told(self):
        peer = self.closing(Postfix(*self.pair, self.sink))
        with open(self.secret, "w", encoding="utf-8") as file:
            file.write("wrong\n")
        self.mta.reconfigure({"route": [{"match": "*", "deliver": peer.target,
                                         "tls": "may", "auth": f"{USER}:file:{self.secret}"}]})
        self.mta.start()
        with SmtpClient(self.mta.port) as client:
            client.mail("alice@ours.test", ["bob@far.test"], message())
        wait_until(lambda: (self.mta.unsettled().get("bob@far.test", {}).get("last_reply") or "")
                   .startswith("535"), 30, lambda: f"535 in {self.mta.queue()}\n{peer.log()}")


@unittest.skipUnless(namespaces_permitted(), "mount namespaces are not permitted")
class CyrusStore(PostwainTestCase):
    def begin(self, **cyrus):
        self.cyrus = self.closing(Cyrus(**cyrus))
        self.bounces = self.closing(SmtpSink())
        self.mta = self.start({"route": [{"match": "store.test", "deliver": self.cyrus.target},
                                         {"match": "*", "deliver": self.bounces.target}]})

    def submit(self, recipients, content=None):
        with SmtpClient(self.mta.port) as client:
            code, text = client.mail("alice@ours.test", recipients, content or message())
            self.assertEqual(250, code, text)

    def test_every_recipient_has_his_own_reply(self):
        self.begin()
        users = [f"user{n}@store.test" for n in range(5)]
        self.submit(users)
        self.mta.wait_queue_empty()
        self.assertEqual([1] * 5, [len(box) for box in self.cyrus.mailboxes()])
        self.assertIn(b"hello", self.cyrus.mailboxes()[0][0])

    def test_a_mailbox_that_does_not_exist(self):
        self.begin(creates=False)
        self.submit(["nobody@store.test"])
        [bounce] = self.bounces.wait_for(1)
        self.assertEqual("5.1.1", Dsn(bounce.content).per_recipient[0]["Status"])
        self.assertEqual([], self.cyrus.mailboxes())


if __name__ == "__main__":
    main()
