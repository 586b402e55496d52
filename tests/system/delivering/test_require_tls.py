"""REQUIRETLS and TLS-Required (RFC 8689): what the client demanded stays with the message."""

import json

from postwain_harness import PostwainTestCase, main
from mail_content import Dsn, message
from resources import make_certificate, wait_until
from smtp_raw import SmtpClient, queue_id
from smtp_sink import SmtpSink, server_tls


class RequireTls(PostwainTestCase):
    def setUp(self):
        self.store = self.closing(SmtpSink(lmtp=True))
        self.clear = self.closing(SmtpSink())
        self.refusing = self.closing(SmtpSink(script={
            "rcpt": {"nobody@refused.test": "550 5.1.1 no"}}))
        self.mta = self.prepare({"route": [
            {"match": "store.test", "deliver": self.store.target},
            {"match": "clear.test", "deliver": self.clear.target},
            {"match": "refused.test", "deliver": self.refusing.target},
            {"match": "*", "deliver": "smtp:127.0.0.1:9"}]})
        certificate, key = make_certificate(self.mta.folder)
        self.mta.reconfigure({"tls": {"certificate": certificate, "key": key}, "listener": [
            {"address": f"127.0.0.1:{self.mta.port}", "protocol": "smtp", "tls": "optional"}]})
        self.mta.start()

    def give_up_soon(self):
        """What finds no protected way is returned within seconds, not days."""
        self.mta.reconfigure({"queue": {"lifetime": "1s", "delay_warning": "off"}})
        self.assertEqual(0, self.mta.cli("reload").returncode)

    def submit(self, parameters, to, field="", sender="alice@store.test"):
        client = SmtpClient(self.mta.port)
        self.addCleanup(client.close)
        client.starttls()
        client.say_hello()
        code, text = client.command(f"MAIL FROM:<{sender}>{parameters}")
        self.assertEqual(250, code, text)
        self.assertEqual(250, client.command(f"RCPT TO:<{to}>")[0])
        code, text = client.data(field.encode() + message("secret"))
        self.assertEqual(250, code, text)
        client.quit()
        return queue_id(text)

    def shown(self, identifier):
        return json.loads(self.mta.cli("queue", "show", identifier, "--json").stdout)

    def test_what_was_demanded_is_kept_and_shown(self):
        rows = (
            (" REQUIRETLS", "", (True, False)),
            ("", "TLS-Required: No\r\n", (False, True)),
            (" REQUIRETLS", "TLS-Required: No\r\n", (True, False)),
            ("", "TLS-Required: Maybe\r\n", (False, False)),
        )
        names = [self.submit(parameters, "x@away.test", field) for parameters, field, _ in rows]
        for restarted in (False, True):
            for name, (parameters, field, want) in zip(names, rows):
                with self.subTest(parameters=parameters, field=field, restarted=restarted):
                    shown = self.shown(name)
                    self.assertEqual(want, (shown["require_tls"], shown["tls_required_no"]))
            if not restarted:
                self.mta.stop()
                self.mta.start()

    def traced(self, name, text):
        return text in self.mta.cli("trace", name).stdout

    def test_never_in_clear_and_the_bounce_is_protected(self):
        self.give_up_soon()
        name = self.submit(" REQUIRETLS RET=FULL", "bob@clear.test")
        self.store.wait_for(1)
        self.assertEqual([], self.clear.messages)
        bounce = self.store.messages[0].content
        self.assertEqual("5.4.7", Dsn(bounce).per_recipient[0]["Status"])
        self.assertIn(b"text/rfc822-headers", bounce)
        wait_until(lambda: self.traced(name, "REQUIRETLS"), 10, "the history to tell of REQUIRETLS")

    def test_never_to_a_certificate_that_proves_nothing(self):
        """TLS and the offer alone do not show who is there (RFC 8689 4.2.1)."""
        other = self.closing(SmtpSink(tls=server_tls(*make_certificate(self.mta.folder, "peer")),
                                      extensions=["REQUIRETLS"]))
        self.mta.reconfigure({"route": [{"match": "*", "deliver": other.target}]})
        self.assertEqual(0, self.mta.cli("reload").returncode)
        self.submit("", "plain@far.test")
        other.wait_delivered("plain@far.test")
        name = self.submit(" REQUIRETLS", "bob@far.test")
        wait_until(lambda: self.mta.unsettled().get("bob@far.test", {}).get("attempts", 0) >= 1, 20,
                   lambda: f"an attempt: {self.mta.queue()}")
        self.assertIn("certificate", self.shown(name)["recipients"][0]["last_reply"].lower())
        self.assertEqual([], other.delivered("bob@far.test"))

    def test_a_bounce_asks_for_it_as_well(self):
        self.give_up_soon()
        for parameters, want in ((" REQUIRETLS", True), ("", False)):
            to = "bob@clear.test" if want else "nobody@refused.test"
            with self.subTest(parameters=parameters):
                before = {m["id"] for m in self.mta.queue("--all")}
                self.submit(parameters, to, sender="alice@away.test")
                wait_until(lambda: self.bounces(before), 20, "the bounce")
                self.assertEqual([want], [self.shown(m)["require_tls"]
                                          for m in self.bounces(before)])

    def bounces(self, before):
        return [m["id"] for m in self.mta.queue("--all")
                if m["sender"] == "" and m["id"] not in before]


if __name__ == "__main__":
    main()
