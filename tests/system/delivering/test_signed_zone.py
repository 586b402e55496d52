"""DANE with real DNSSEC: a zone signed by ldns, served by nsd, validated by unbound."""

from postwain_harness import PostwainTestCase, main
from certificates import public_key_digest
from mail_content import message
from mail_session import EXTENSIONS
from resources import make_certificate, reserve_port, wait_until
from signed_zone import SignedZone
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink, server_tls

TLS, CLEAR, SECOND, BOGUS = "127.0.0.31", "127.0.0.32", "127.0.0.33", "127.0.0.66"


class RealDnssec(PostwainTestCase):
    def setUp(self):
        self.port = reserve_port()
        self.mta = self.prepare()
        pair = make_certificate(self.mta.folder)
        good = f"3 1 1 {public_key_digest(pair[0])}"
        wrong = "3 1 1 " + "00" * 32
        self.tls = self.closing(SmtpSink((TLS, self.port), tls=server_tls(*pair)))
        self.clear = self.closing(SmtpSink((CLEAR, self.port)))
        self.second = self.closing(SmtpSink((SECOND, self.port), tls=server_tls(*pair),
                                            extensions=[*EXTENSIONS, "REQUIRETLS"]))
        self.bogus = self.closing(SmtpSink((BOGUS, self.port)))
        at = f"_{self.port}._tcp"
        self.zone = self.closing(SignedZone({
            "signed.test": [
                "good MX 10 mx", f"mx A {TLS}", f"{at}.mx TLSA {good}",
                "wrong MX 10 mxwrong", f"mxwrong A {TLS}", f"{at}.mxwrong TLSA {wrong}",
                "stripped MX 10 mxclear", f"mxclear A {CLEAR}", f"{at}.mxclear TLSA {good}",
                "none MX 10 mxnone", f"mxnone A {CLEAR}",
                # What the alias stands for has the records (RFC 7672 2.2.2).
                "aliased MX 10 alias", "alias CNAME mx", f"{at}.alias TLSA {wrong}",
                "own MX 10 ownalias", "ownalias CNAME bare", f"bare A {TLS}",
                f"{at}.ownalias TLSA {good}",
                "two MX 10 mx", "two MX 20 second", f"second A {SECOND}", f"{at}.second TLSA {good}",
                "elsewhere MX 10 mx.plain.test."],
            "plain.test": ["@ MX 10 mx", f"mx A {CLEAR}", f"{at}.mx TLSA {wrong}"],
            "bogus.test": ["@ MX 10 mx", f"mx A {BOGUS}"],
        }, unsigned=["plain.test"], bogus=["bogus.test"]))
        certificate, key = make_certificate(self.mta.folder, "ours")
        self.mta.reconfigure({
            "tls": {"certificate": certificate, "key": key},
            "listener": [{"address": f"127.0.0.1:{self.mta.port}", "protocol": "smtp",
                          "tls": "optional"}],
            "dns": {"servers": [f"127.0.0.1:{self.zone.port}"], "trust_ad": True},
            "delivery": {"smtp_port": self.port, "allow_private_mx": True}})
        self.mta.start()

    def submit(self, *recipients, parameters=""):
        with SmtpClient(self.mta.port) as client:
            client.starttls()
            client.say_hello()
            for to in recipients:
                self.assertEqual(250, client.command(f"MAIL FROM:<a@ours.test>{parameters}")[0])
                self.assertEqual(250, client.command(f"RCPT TO:<{to}>")[0])
                code, text = client.data(message())
                self.assertEqual(250, code, text)

    def waits(self, to, text):
        wait_until(lambda: text in (self.mta.unsettled().get(to, {}).get("last_reply") or ""), 30,
                   lambda: f"'{text}' in {self.mta.queue()}")

    def test_what_is_proven_and_what_is_not(self):
        taken = {self.tls: ["u@good.signed.test", "u@aliased.signed.test", "u@own.signed.test"],
                 self.clear: ["u@none.signed.test", "u@elsewhere.signed.test", "u@plain.test"]}
        refused = {"u@wrong.signed.test": "TLS failed", "u@stripped.signed.test": "STARTTLS",
                   "u@bogus.test": "can"}
        self.submit(*[to for list_ in taken.values() for to in list_], *refused)
        for sink, recipients in taken.items():
            for to in recipients:
                [delivered] = sink.wait_delivered(to, 30)
                self.assertEqual(sink is self.tls, bool(delivered.tls))
        for to, text in refused.items():
            self.waits(to, text)
        self.assertEqual([], self.bogus.messages)

    def test_require_tls_by_dane_and_by_another_host_before_it_is_refused(self):
        self.submit("u@two.signed.test", parameters=" REQUIRETLS")
        self.second.wait_delivered("u@two.signed.test", 30)
        self.submit("u@good.signed.test", parameters=" REQUIRETLS")
        wait_until(lambda: "u@good.signed.test" not in self.mta.unsettled(), 30,
                   "the bounce: the host does not offer REQUIRETLS")
        self.assertEqual([], self.tls.messages)
        self.tls.server.extensions = [*self.tls.server.extensions, "REQUIRETLS"]
        self.submit("v@good.signed.test", parameters=" REQUIRETLS")
        self.tls.wait_delivered("v@good.signed.test", 30)


if __name__ == "__main__":
    main()
