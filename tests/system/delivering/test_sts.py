"""MTA-STS (RFC 8461) with a local HTTPS server: what policies ask for is done, and outlives those
who would switch it off."""

from postwain_harness import PostwainTestCase, main
from certificates import Authority
from dns_server import DnsServer
from mail_content import message
from resources import make_certificate, reserve_port, wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink, server_tls
from tls_tally import SETTINGS, results
from web_server import WebServer

GOOD, STRANGER, CLEAR = "127.0.0.21", "127.0.0.22", "127.0.0.23"


def policy(*hosts, mode="enforce", age=86400):
    lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {host}" for host in hosts), f"max_age: {age}"]
    return 200, "text/plain; charset=utf-8", ("\r\n".join(lines) + "\r\n").encode()


class Sts(PostwainTestCase):
    def setUp(self):
        self.port = reserve_port()
        self.mta = self.prepare()
        authority = Authority(self.mta.folder)
        self.mta.environment["SSL_CERT_FILE"] = authority.trust
        self.names = ["good", "other", "stranger", "clear", "testing", "none", "empty", "moved", "html",
                      "huge"]
        good = server_tls(*authority.issue(*(f"mx.{name}.test" for name in self.names)))
        stranger = server_tls(*make_certificate(self.mta.folder, "mx.stranger.test"))
        self.sinks = {GOOD: self.closing(SmtpSink((GOOD, self.port), tls=good)),
                      STRANGER: self.closing(SmtpSink((STRANGER, self.port), tls=stranger)),
                      CLEAR: self.closing(SmtpSink((CLEAR, self.port)))}
        self.web = self.closing(WebServer(*authority.issue(
            *(f"mta-sts.{name}.test" for name in self.names))))
        self.zone = {}
        for name, address in (("good", GOOD), ("other", GOOD), ("stranger", STRANGER),
                              ("clear", CLEAR), ("testing", STRANGER), ("none", CLEAR),
                              ("empty", CLEAR), ("moved", CLEAR), ("html", CLEAR), ("huge", CLEAR)):
            self.zone |= {f"{name}.test": {"MX": [[10, f"mx.{name}.test"]]},
                          f"mx.{name}.test": {"A": [address]},
                          f"_mta-sts.{name}.test": {"TXT": ["v=STSv1; id=1;"]},
                          f"mta-sts.{name}.test": {"A": ["127.0.0.1"]}}
        self.web.answers = {
            "mta-sts.good.test": policy("*.good.test"),
            "mta-sts.other.test": policy("mail.other.test"),
            "mta-sts.stranger.test": policy("mx.stranger.test"),
            "mta-sts.clear.test": policy("mx.clear.test"),
            "mta-sts.testing.test": policy("mx.testing.test", mode="testing"),
            "mta-sts.none.test": policy(mode="none"),
            "mta-sts.moved.test": (301, "text/plain", b"https://mta-sts.none.test/"),
            "mta-sts.html.test": (200, "text/html", policy("mx.html.test")[2]),
            "mta-sts.huge.test": (200, "text/plain", b"x" * 70000)}
        self.dns = self.closing(DnsServer(self.zone))
        certificate, key = make_certificate(self.mta.folder)
        self.mta.reconfigure({
            "tls": {"certificate": certificate, "key": key},
            "listener": [{"address": f"127.0.0.1:{self.mta.port}", "protocol": "smtp",
                          "tls": "optional"}],
            "dns": {"servers": [f"127.0.0.1:{self.dns.port}"]},
            "delivery": {"smtp_port": self.port, "allow_private_mx": True,
                         "mta_sts_port": self.web.port}})
        self.mta.start()

    def submit(self, to, parameters=""):
        with SmtpClient(self.mta.port) as client:
            if parameters:
                client.starttls()
                client.say_hello()
            self.assertEqual(250, client.command(f"MAIL FROM:<a@ours.test>{parameters}")[0])
            self.assertEqual(250, client.command(f"RCPT TO:<{to}>")[0])
            code, text = client.data(message())
            self.assertEqual(250, code, text)

    def waits(self, to, text):
        wait_until(lambda: text in (self.mta.unsettled().get(to, {}).get("last_reply") or ""), 20,
                   lambda: f"'{text}' in {self.mta.queue()}")
        for sink in self.sinks.values():
            self.assertEqual([], sink.delivered(to))

    def event(self, name, **fields):
        return wait_until(lambda: [e for e in self.mta.events(name) if all(
            e.get(key) == value for key, value in fields.items())], 20, f"event {name} {fields}")[0]

    def test_enforced(self):
        self.submit("u@good.test")
        [delivered] = self.sinks[GOOD].wait_delivered("u@good.test")
        self.assertRegex(delivered.tls, "^TLS")
        self.assertIn("(sts)", self.event("delivered", to="u@good.test")["tls"])
        self.submit("u@other.test")
        self.waits("u@other.test", "MTA-STS: the policy of other.test does not list mx.other.test")
        self.submit("u@stranger.test")
        self.waits("u@stranger.test", "certificate")
        self.submit("u@clear.test")
        self.waits("u@clear.test", "does not offer STARTTLS")
        self.submit("v@good.test")  # kept: nobody asks again
        self.sinks[GOOD].wait_delivered("v@good.test")
        self.assertEqual(1, self.web.asked.count("mta-sts.good.test"))

    def test_what_is_counted_of_it(self):
        """The results of RFC 8460 4.3 that policies have; two of some: the fetch, and the session."""
        self.mta.stop()
        self.mta.reconfigure(SETTINGS)
        self.mta.start()
        self.web.answers["mta-sts.empty.test"] = (200, "text/plain", b"version: STSv1\r\nmode: odd\r\n")
        self.dns.zone |= {"lying.test": {"MX": [[10, "mx.clear.test"]]},
                          "_mta-sts.lying.test": {"TXT": ["v=STSv1; id=1;"]},
                          "mta-sts.lying.test": {"A": ["127.0.0.1"]}}
        waiting = ("other", "stranger", "clear")
        for name in (*waiting, "good", "testing", "none", "moved", "empty", "lying"):
            self.submit(f"u@{name}.test")
        for name, sink in (("good", GOOD), ("testing", STRANGER), ("none", CLEAR), ("moved", CLEAR),
                           ("empty", CLEAR), ("lying", CLEAR)):
            self.sinks[sink].wait_delivered(f"u@{name}.test")
        for name in waiting:
            wait_until(lambda to=f"u@{name}.test": self.mta.unsettled().get(to, {}).get("attempts"), 20, name)
        self.mta.stop()
        failed = "starttls-not-supported"
        self.assertEqual({("good.test", "sts", "success"), ("other.test", "sts", "validation-failure"),
                          ("stranger.test", "sts", "certificate-not-trusted"), ("clear.test", "sts", failed),
                          ("testing.test", "sts", "certificate-host-mismatch"),
                          ("none.test", "no-policy-found", failed),
                          ("moved.test", "sts", "sts-policy-fetch-error"),
                          ("moved.test", "no-policy-found", failed),
                          ("empty.test", "sts", "sts-policy-invalid"),
                          ("empty.test", "no-policy-found", failed),
                          ("lying.test", "sts", "sts-webpki-invalid"),
                          ("lying.test", "no-policy-found", failed)}, results(self.mta))

    def test_certificates_out_of_date_and_of_others(self):
        authority = Authority(self.mta.folder)  # the trust file of setUp, made anew
        self.mta.stop()
        for name, address, pair in (
                ("expired", "127.0.0.24", authority.issue("mx.expired.test", days_ago=10)),
                ("misnamed", "127.0.0.25", authority.issue("mx.elsewhere.test"))):
            self.sinks[address] = self.closing(SmtpSink((address, self.port), tls=server_tls(*pair)))
            self.dns.zone |= {f"{name}.test": {"MX": [[10, f"mx.{name}.test"]]},
                              f"mx.{name}.test": {"A": [address]},
                              f"_mta-sts.{name}.test": {"TXT": ["v=STSv1; id=1;"]},
                              f"mta-sts.{name}.test": {"A": ["127.0.0.1"]}}
            self.web.answers[f"mta-sts.{name}.test"] = policy(f"mx.{name}.test")
        web = self.closing(WebServer(*authority.issue("mta-sts.expired.test", "mta-sts.misnamed.test")))
        web.answers = self.web.answers
        self.mta.reconfigure({**SETTINGS, "delivery": {"mta_sts_port": web.port}})
        self.mta.start()
        for name, why in (("expired", "expired"), ("misnamed", "ostname mismatch")):
            self.submit(f"u@{name}.test")
            self.waits(f"u@{name}.test", why)
        self.mta.stop()
        self.assertEqual({("expired.test", "sts", "certificate-expired"),
                          ("misnamed.test", "sts", "certificate-host-mismatch")}, results(self.mta))

    def test_tried_out_withdrawn_and_unusable(self):
        self.submit("u@testing.test")
        self.sinks[STRANGER].wait_delivered("u@testing.test")
        self.event("sts_testing", domain="testing.test", host="mx.testing.test")
        self.submit("u@none.test")
        self.sinks[CLEAR].wait_delivered("u@none.test")
        for name, why in (("empty", "HTTP status 404"), ("moved", "HTTP status 301"),
                          ("html", "the answer is 'text/html', not text/plain"),
                          ("huge", "the answer is too large")):
            self.submit(f"u@{name}.test")
            self.sinks[CLEAR].wait_delivered(f"u@{name}.test")
            self.event("sts_fetch_failed", domain=f"{name}.test", reason=why)

    def test_a_certificate_of_the_policy_host_that_proves_nothing(self):
        self.zone["mta-sts.lying.test"] = {"A": ["127.0.0.1"]}
        self.dns.zone |= {"lying.test": {"MX": [[10, "mx.lying.test"]]},
                          "mx.lying.test": {"A": [CLEAR]},
                          "_mta-sts.lying.test": {"TXT": ["v=STSv1; id=1;"]},
                          "mta-sts.lying.test": {"A": ["127.0.0.1"]}}
        self.web.answers["mta-sts.lying.test"] = policy("mx.elsewhere.test")
        self.submit("u@lying.test")
        self.sinks[CLEAR].wait_delivered("u@lying.test")
        self.assertIn("certificate", self.event("sts_fetch_failed", domain="lying.test")["reason"])

    def test_kept_over_a_restart_whatever_is_suppressed(self):
        self.submit("u@stranger.test")
        self.waits("u@stranger.test", "certificate")
        self.mta.stop()
        del self.dns.zone["_mta-sts.stranger.test"]
        del self.dns.zone["mta-sts.stranger.test"]
        asked = len(self.web.asked)
        self.mta.start()
        self.submit("v@stranger.test")
        self.waits("v@stranger.test", "certificate")
        self.assertEqual(asked, len(self.web.asked))

    def test_a_policy_that_is_over_at_once_is_none(self):
        self.web.answers["mta-sts.clear.test"] = policy("mx.elsewhere.test", age=0)
        before = self.mta.pids_of("smtp-client")
        for name in ("u", "v"):
            self.submit(f"{name}@clear.test")
            self.sinks[CLEAR].wait_delivered(f"{name}@clear.test")
        self.assertEqual(before, self.mta.pids_of("smtp-client"))
        self.assertEqual(1, self.web.asked.count("mta-sts.clear.test"))

    def test_a_new_id_brings_the_new_policy(self):
        self.submit("u@clear.test")
        self.waits("u@clear.test", "does not offer STARTTLS")
        self.web.answers["mta-sts.clear.test"] = policy(mode="none")
        self.dns.zone["_mta-sts.clear.test"] = {"TXT": ["v=STSv1; id=2;"]}
        self.sinks[CLEAR].wait_delivered("u@clear.test", 30)

    def test_it_vouches_for_a_host_that_require_tls_asks_of(self):
        self.sinks[GOOD].server.extensions = [*self.sinks[GOOD].server.extensions, "REQUIRETLS"]
        self.submit("u@good.test", " REQUIRETLS")
        [delivered] = self.sinks[GOOD].wait_delivered("u@good.test")
        self.assertIn("REQUIRETLS", str(delivered.mail_parameters))
        self.submit("u@none.test", " REQUIRETLS")
        self.waits("u@none.test", "neither DNSSEC nor MTA-STS proves")

    def test_without_a_trust_store_nothing_is_believed_and_mail_goes_on(self):
        self.mta.stop()
        self.mta.environment["SSL_CERT_FILE"] = "/nowhere/trust.pem"
        self.mta.start()
        self.submit("u@clear.test")
        self.sinks[CLEAR].wait_delivered("u@clear.test")
        self.assertIn("No such file", self.event("sts_fetch_failed", domain="clear.test")["reason"])

    def test_off(self):
        self.mta.stop()
        self.mta.reconfigure({"delivery": {**self.mta.config["delivery"], "mta_sts": False}})
        self.mta.start()
        self.submit("u@clear.test")
        self.sinks[CLEAR].wait_delivered("u@clear.test")
        self.assertEqual([], self.web.asked)


if __name__ == "__main__":
    main()
