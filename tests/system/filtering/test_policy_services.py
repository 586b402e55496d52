"""Mail through the whole system with a policy service that is asked while it is received."""

import smtplib

from postwain_harness import PostwainTestCase, main
from mail_content import without_received
from policy_server import PolicyServer
from resources import wait_until
from smtp_sink import SmtpSink

EVERYWHERE = ["connect", "helo", "mail", "rcpt", "data", "end_of_message"]


def at(state, action):
    return lambda attributes: action if attributes["protocol_state"] == state else "DUNNO"


class PolicyServices(PostwainTestCase):
    def serve(self, script=None, changes=None, **keys):
        self.service = self.closing(PolicyServer(script))
        self.sink = self.closing(SmtpSink())
        keys = {"name": "one", "speak": "policy", "socket": self.service.address, "stage": "rcpt",
                "may": ["headers", "recipients", "refuse", "defer", "discard", "hold"], **keys}
        return self.start({"filter": [keys], "route": [{"match": "*", "deliver": self.sink.target}], **(changes or {})})

    def send(self, mta, content=b"Subject: hello\r\n\r\nbody\r\n", to=("b@example.net",)):
        with smtplib.SMTP("127.0.0.1", mta.port, timeout=30) as client:
            client.ehlo("client.example")
            self.client_port = client.sock.getsockname()[1]
            client.sendmail("a@example.org", list(to), content)

    def refused(self, mta, **more):
        try:
            self.send(mta, **more)
        except smtplib.SMTPRecipientsRefused as refused:
            return next(iter(refused.recipients.values()))
        except smtplib.SMTPResponseException as refused:
            return refused.smtp_code, refused.smtp_error
        self.fail("it was accepted")

    def arrived(self, to="b@example.net"):
        return without_received(self.sink.wait_delivered(to, 20)[0].content)

    def judged(self, mta):
        return wait_until(lambda: [line for line in mta.log if " filtered " in line], 20, "the log")[-1]

    def test_every_stage_and_its_attributes(self):
        mta = self.serve(stage=EVERYWHERE)
        self.send(mta)
        self.assertEqual(b"Subject: hello\r\n\r\nbody\r\n", self.arrived())
        self.assertEqual(["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "END-OF-MESSAGE"], self.service.states())
        expected = {"request": "smtpd_access_policy", "protocol_name": "ESMTP", "client_address": "127.0.0.1",
                    "client_port": str(self.client_port), "server_address": "127.0.0.1", "server_port": str(mta.port),
                    "helo_name": "client.example", "sender": "a@example.org", "recipient": "b@example.net",
                    "recipient_count": "1", "size": str(len(b"Subject: hello\r\n\r\nbody\r\n")),
                    "sasl_username": "", "encryption_protocol": "", "encryption_keysize": "0",
                    "mail_version": "Postwain"}
        end = self.service.got[-1]
        self.assertEqual(expected, {name: end[name] for name in expected})
        self.assertTrue(end["queue_id"])
        self.assertTrue(end["instance"].startswith(end["queue_id"]))
        self.send(mta)
        self.assertNotEqual(end["instance"], self.service.got[-1]["instance"])
        self.assertEqual(1, len(self.service.connections))
        for word in ("filter=one", "verdict=accept"):
            self.assertIn(word, self.judged(mta))

    def test_refusals_are_the_services_own(self):
        mta = self.serve()
        for action, expected in (("REJECT not here", (554, b"5.7.1 not here")),
                                 ("550 5.1.1 nobody", (550, b"5.1.1 nobody")),
                                 ("DEFER_IF_PERMIT 4.2.0 greylisted", (450, b"4.2.0 greylisted"))):
            with self.subTest(action):
                self.service.script = at("RCPT", action)
                self.assertEqual(expected, self.refused(mta))

    def test_ok_opens_no_relay(self):
        for answer in ("OK", "RELAY", "1", "REDIRECT b@example.net"):
            with self.subTest(answer):
                mta = self.serve(lambda attributes, answer=answer: answer, stage=EVERYWHERE,
                                 changes={"access": {"trusted_networks": []}})
                self.assertEqual((550, b"5.7.1"), (lambda code, text: (code, text[:5]))(*self.refused(mta)))
                self.assertNotIn("RCPT", self.service.states())

    def test_what_a_service_wants_changed(self):
        mta = self.serve(at("RCPT", "PREPEND X-Greylist: delayed"))
        self.send(mta)
        content = self.sink.wait_delivered("b@example.net", 20)[0].content
        self.assertTrue(content.startswith(b"X-Greylist: delayed\r\n"), content)
        self.service.script = at("RCPT", "BCC copy@example.net")
        self.send(mta)
        self.sink.wait_delivered("copy@example.net", 20)
        self.service.script = at("RCPT", "REDIRECT new@example.net")
        self.send(mta, to=("c@example.net",))
        self.sink.wait_delivered("new@example.net", 20)
        self.assertEqual([], self.sink.delivered("c@example.net"))
        self.service.script = at("RCPT", "HOLD looks odd")
        self.send(mta)
        held = wait_until(lambda: mta.queue(), 20, "the held message")
        self.assertIn("looks odd", held[0]["recipients"][0]["last_reply"])

    def test_watch_changes_nothing(self):
        mta = self.serve(at("RCPT", "REJECT"), mode="watch")
        self.send(mta)
        self.assertEqual(b"Subject: hello\r\n\r\nbody\r\n", self.arrived())
        self.assertIn("watch=true", self.judged(mta))

    def test_a_service_that_fails(self):
        for answer in ("close", "NONSENSE", b"what?\n\n", b"\n"):
            with self.subTest(answer):
                mta = self.serve(lambda attributes, answer=answer: answer)
                self.assertEqual(451, self.refused(mta)[0])
                self.service.script = None
                self.service.script = lambda attributes: "DUNNO"
                self.send(mta)
        mta = self.serve(on_failure="accept")
        self.service.stop()
        self.send(mta)
        self.arrived()


if __name__ == "__main__":
    main()
