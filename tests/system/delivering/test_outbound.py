"""The SMTP client against good, old and bad servers: TLS, HELO, reuse, recipients' outcomes."""

import socket
import threading

from postwain_harness import PostwainTestCase, main
from dns_server import DnsServer
from mail_content import Dsn, message, without_received
from mail_session import EXTENSIONS, HANG, HANG_UP, Raw
from resources import make_certificate, reserve_port, wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink, server_tls

USERS = [f"user{n}@example.test" for n in range(4)]


class Outbound(PostwainTestCase):
    def begin(self, script=None, tls=False, route=None, more=None, **server):
        self.bounces = self.closing(SmtpSink())
        self.mta = self.prepare()
        if tls:
            server["tls"] = server_tls(*make_certificate(self.mta.folder))
        self.sink = self.closing(SmtpSink(script=script, **server))
        self.mta.reconfigure({"route": [
            {"match": "example.test", "deliver": self.sink.target, **(route or {})},
            {"match": "sender.test", "deliver": self.bounces.target}], **(more or {})})
        self.mta.start()

    def submit(self, recipients, content=None):
        with SmtpClient(self.mta.port) as client:
            answer = client.mail("alice@sender.test", recipients, content or message())
            self.assertEqual(250, answer[0], answer)

    def finish(self):
        self.mta.wait_queue_empty()
        self.assertEqual([], self.sink.violations)
        self.mta.stop()

    def counts(self):
        return [len(self.sink.delivered(to)) for to in USERS]

    def told(self):
        """{address: status} of all bounces; an address told twice is an error."""
        groups = [g for m in self.bounces.messages for g in Dsn(m.content).per_recipient]
        told = {g["Final-Recipient"].split(";")[1].strip(): g["Status"] for g in groups}
        self.assertEqual(len(groups), len(told))
        return told


class Tls(Outbound):
    def delivered_tls(self, **begin):
        self.begin(**begin)
        self.submit(USERS[:1])
        self.finish()
        self.assertEqual(1, self.counts()[0])
        return self.sink.delivered(USERS[0])[0].tls

    def deferred(self, **begin):
        """The mail waits; nothing was sent in clear."""
        self.begin(**begin)
        self.submit(USERS[:1])
        wait_until(lambda: self.mta.unsettled().get(USERS[0], {}).get("attempts", 0) >= 2, 20,
                   lambda: f"two attempts: {self.mta.queue()}")
        self.assertEqual([], self.sink.messages)
        self.assertEqual([], [c for c in self.sink.commands("MAIL")])

    def test_used_when_offered(self):
        self.assertRegex(self.delivered_tls(tls=True), r"^TLSv1\.[23]$")

    def test_not_used_when_not_offered(self):
        self.assertEqual("", self.delivered_tls())

    def test_off(self):
        self.assertEqual("", self.delivered_tls(tls=True, route={"tls": "off"}))
        self.assertEqual([], self.sink.commands("STARTTLS"))

    def test_starttls_refused(self):
        self.assertEqual("", self.delivered_tls(
            tls=True, script={"starttls": "454 4.7.0 TLS not available"}))

    def test_handshake_fails(self):
        for name, raw in {
            "hangs up": Raw(b"220 2.0.0 go\r\n", close=True),
            "speaks nonsense": Raw(b"220 2.0.0 go\r\nthis is no TLS record\r\n"),
            "injects a reply": Raw(b"220 2.0.0 go\r\n250 2.0.0 injected\r\n", close=True),
        }.items():
            with self.subTest(name):
                self.assertEqual("", self.delivered_tls(tls=True, script={"starttls": raw}))

    def test_encrypt_never_in_clear(self):
        self.deferred(route={"tls": "encrypt"})

    def test_encrypt_with_a_failing_handshake(self):
        self.deferred(tls=True, route={"tls": "encrypt"},
                      script={"starttls": Raw(b"220 2.0.0 go\r\n", close=True)})

    def test_encrypt_takes_any_certificate(self):
        self.assertTrue(self.delivered_tls(tls=True, route={"tls": "encrypt"}))

    def test_verify_refuses_an_unknown_certificate(self):
        self.deferred(tls=True, route={"tls": "verify"})


class Dialogue(Outbound):
    def test_helo_when_ehlo_is_refused(self):
        for reply in ("500 what is EHLO", "502 5.5.1 not here", "550 no"):
            with self.subTest(reply):
                self.begin({"hello": lambda _, line, reply=reply:
                            reply if line.startswith("EHLO") else None})
                self.submit(USERS[:1])
                self.finish()
                self.assertEqual("HELO", self.sink.delivered(USERS[0])[0].protocol)
                self.assertEqual([], self.sink.delivered(USERS[0])[0].mail_parameters)

    def test_helo_when_ehlo_breaks_the_connection(self):
        self.begin({"hello": lambda _, line: HANG_UP if line.startswith("EHLO") else None})
        self.submit(USERS[:1])
        wait_until(lambda: self.sink.connections >= 2, 20, "another attempt")

    def test_extensions_are_used_only_when_offered(self):
        content = message("8-bit", b"gr\xc3\xbc\xc3\x9fe\r\n")
        self.begin(extensions=["8BITMIME", "SIZE 100000"])
        with SmtpClient(self.mta.port) as client:
            client.command("MAIL FROM:<alice@sender.test> BODY=8BITMIME RET=HDRS ENVID=abc")
            client.command(f"RCPT TO:<{USERS[0]}> NOTIFY=FAILURE ORCPT=rfc822;{USERS[0]}")
            self.assertEqual(250, client.data(content)[0])
        self.finish()
        arrived = self.sink.delivered(USERS[0])[0]
        words = [word.split("=")[0].upper() for word in arrived.mail_parameters]
        self.assertLessEqual(set(words), {"BODY", "SIZE"})
        self.assertIn("BODY", words)
        self.assertEqual([[]], arrived.rcpt_parameters)
        self.assertEqual(content, without_received(arrived.content))

    def test_dsn_parameters_pass_on(self):
        self.begin()
        with SmtpClient(self.mta.port) as client:
            client.command("MAIL FROM:<alice@sender.test> RET=HDRS ENVID=a+2Bb")
            client.command(f"RCPT TO:<{USERS[0]}> NOTIFY=FAILURE,DELAY ORCPT=rfc822;u+40x.test")
            self.assertEqual(250, client.data(message())[0])
        self.finish()
        arrived = self.sink.delivered(USERS[0])[0]
        self.assertIn("RET=HDRS", arrived.mail_parameters)
        self.assertIn("ENVID=a+2Bb", arrived.mail_parameters)
        parameters = dict(word.split("=", 1) for word in arrived.rcpt_parameters[0])
        self.assertEqual({"FAILURE", "DELAY"}, set(parameters["NOTIFY"].split(",")))
        self.assertIn(parameters["ORCPT"], ("rfc822;u+40x.test", "rfc822;u@x.test"))

    def test_the_other_family_does_not_wait_for_the_first(self):
        """An IPv6 address that never answers: IPv4 is tried a moment later, not after 30 s."""
        deaf = socket.socket(socket.AF_INET6)
        self.addCleanup(deaf.close)
        self.begin()
        deaf.bind(("::1", self.sink.port))
        deaf.listen(0)
        for _ in range(3):  # fills the backlog: from then on nobody is answered
            filler = socket.socket(socket.AF_INET6)
            self.addCleanup(filler.close)
            filler.setblocking(False)
            filler.connect_ex(("::1", self.sink.port))
        dns = self.closing(DnsServer({"both.test": {"MX": [[10, "mx.both.test"], [20, "mx2.both.test"]]},
                                      "mx.both.test": {"AAAA": ["::1"], "A": ["127.0.0.1"]},
                                      "mx2.both.test": {"A": ["127.0.0.9"]}}))
        self.mta.reconfigure({"dns": {"servers": [f"127.0.0.1:{dns.port}"]}, "delivery": {
            "smtp_port": self.sink.port, "allow_private_mx": True}})
        self.assertEqual(0, self.mta.cli("reload").returncode)
        self.submit(["u@both.test"])
        self.sink.wait_delivered("u@both.test", 15)
        self.mta.stop()

    def test_more_recipients_than_the_peer_takes_at_once(self):
        """452 4.5.3 and LIMITS: all get it within one attempt, in several transactions."""
        users = [f"u{n}@example.test" for n in range(10)]

        def three_at_once(session, _):
            taken[session] = taken.get(session, 0) + 1
            return "452 4.5.3 too many" if (taken[session] - 1) % 4 == 3 else None

        for script, extensions in (({"rcpt": three_at_once}, EXTENSIONS),
                                   ({}, [*EXTENSIONS, "LIMITS RCPTMAX=3 RCPTDOMAINMAX=1"])):
            for size in (10, 300_000):
                with self.subTest(extensions=extensions, size=size):
                    taken = {}
                    self.begin(script, extensions=extensions)
                    content = message("many", b"x" * 70 + b"\r\n" + b"y\r\n" * (size // 3))
                    with SmtpClient(self.mta.port) as client:
                        self.assertEqual(250, client.mail("a@sender.test", users, content)[0])
                    self.finish()
                    arrived = sorted(r for m in self.sink.messages for r in m.recipients)
                    self.assertEqual(sorted(users), arrived)
                    self.assertGreater(len(self.sink.messages), 2)
                    self.assertEqual({content}, {without_received(m.content)
                                                 for m in self.sink.messages})
                    self.assertFalse(self.mta.has_event("deferred"))
                    self.mta.stop()

    def test_connections_are_used_again(self):
        self.begin()
        with SmtpClient(self.mta.port) as client:
            for number in range(40):
                client.mail("alice@sender.test", USERS[:1], message(f"number {number}"))
        self.finish()
        self.assertEqual(40, self.counts()[0])
        self.assertLess(self.sink.connections, 30)

    def test_many_at_once(self):
        """Four sessions at a time, 200 messages, each arrives once with its own content."""
        self.begin()
        def send(first):
            with SmtpClient(self.mta.port) as client:
                for number in range(first, 200, 4):
                    client.mail("alice@sender.test", [f"u{number}@example.test"],
                                message(f"number {number}"))
        threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.finish()
        self.assertEqual(200, len(self.sink.messages))
        for number in range(200):
            arrived = self.sink.delivered(f"u{number}@example.test")
            self.assertEqual(1, len(arrived))
            self.assertIn(f"Subject: number {number}\r\n".encode(), arrived[0].content)


class Outcomes(Outbound):
    def test_each_recipient_by_its_reply(self):
        self.begin({"rcpt": {USERS[0]: "550 5.1.1 no such user",
                             USERS[1]: ["450 4.2.1 busy", "450 4.2.1 busy"],
                             USERS[2]: ["552 5.5.3 too many recipients"]}})
        self.submit(USERS)
        self.finish()
        self.assertEqual([0, 1, 1, 1], self.counts())
        self.assertEqual({USERS[0]: "5.1.1"}, self.told())

    def test_verdicts_about_the_message(self):
        for stage, verdict in (("mail", "550 5.7.1 not you"), ("data", "554 5.5.0 no"),
                               ("final", "554 5.6.0 no")):
            with self.subTest(stage):
                self.begin({stage: verdict})
                self.submit(USERS[:2])
                self.finish()
                self.assertEqual(verdict.split()[1], self.told()[USERS[0]])
                self.assertEqual(set(USERS[:2]), set(self.told()))

    def test_trouble_at_each_stage_defers(self):
        """Temporary replies, silence, noise and lost connections: tried again, delivered once."""
        troubles = {"4xx": "451 4.3.0 later", "421": "421 4.3.2 closing", "hang": HANG,
                    "hang-up": HANG_UP, "noise": Raw(b"\xff\x00 no reply\r\n", close=True),
                    "cut": Raw(b"25", close=True)}
        sinks = {f"{stage}.{name}.test": self.closing(SmtpSink(script={stage: [trouble]}))
                 for stage in ("connect", "hello", "mail", "rcpt", "data", "final")
                 for name, trouble in troubles.items()}
        bounces = self.closing(SmtpSink())
        mta = self.start({
            "delivery": {"timeouts": {"greeting": "1s", "command": "1s", "data": "1s",
                                      "final": "1s"}},
            "route": [{"match": domain, "deliver": sink.target} for domain, sink in sinks.items()]
            + [{"match": "sender.test", "deliver": bounces.target}]})
        with SmtpClient(mta.port) as client:
            for domain in sinks:
                client.mail("alice@sender.test", [f"user@{domain}"], message())
        mta.wait_queue_empty()
        for domain, sink in sinks.items():
            with self.subTest(domain):
                self.assertEqual(1, len(sink.delivered(f"user@{domain}")))
                self.assertEqual([], sink.violations)
        self.assertEqual([], bounces.messages)
        mta.stop()

    def test_5xx_greeting_defers(self):
        self.begin({"connect": ["554 5.3.2 not today"]})
        self.submit(USERS[:1])
        self.finish()
        self.assertEqual([1, {}], [self.counts()[0], self.told()])

    def test_long_and_odd_replies_in_the_bounce(self):
        """A reply full of control bytes and lines leaves one proper report."""
        reply = "\n".join(["550 5.7.1 refused: \x1b[2J \x07 ünï"] + ["550 5.7.1 line %d" % n
                                                                      for n in range(40)])
        self.begin({"rcpt": reply})
        self.submit(USERS[:1])
        self.finish()
        self.assertEqual({USERS[0]: "5.7.1"}, self.told())
        content = self.bounces.messages[0].content
        self.assertNotIn(b"\x1b", content)
        self.assertNotIn(b"\x07", content)

    def test_nobody_listens(self):
        bounces = self.closing(SmtpSink())
        mta = self.start({"queue": {"retry": ["1h"]}, "route": [
            {"match": "example.test", "deliver": f"smtp:127.0.0.1:{reserve_port()}"},
            {"match": "sender.test", "deliver": bounces.target}]})
        with SmtpClient(mta.port) as client:
            client.mail("alice@sender.test", USERS[:1], message())
        wait_until(lambda: mta.unsettled()[USERS[0]]["attempts"] == 1, 10, "one attempt")
        self.assertIn("refused", mta.unsettled()[USERS[0]]["last_reply"])
        self.assertEqual(["4.4.1"], [event["status"] for event in mta.events("deferred")])

    def test_smtputf8_needs_a_peer_that_knows_it(self):
        self.begin(extensions=[e for e in EXTENSIONS if e != "SMTPUTF8"])
        with SmtpClient(self.mta.port) as client:
            self.assertIn("SMTPUTF8", client.extensions)
            client.command("MAIL FROM:<alice@sender.test> SMTPUTF8")
            self.assertEqual(250, client.command("RCPT TO:<grün@example.test>")[0])
            self.assertEqual(250, client.data(message())[0])
        self.bounces.wait_for(1)
        self.finish()
        self.assertEqual([], self.sink.messages)


if __name__ == "__main__":
    main()
