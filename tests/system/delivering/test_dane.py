"""DANE for SMTP (RFC 7672) with real handshakes, internationalized domains, and MX that is ourselves.

The DNS server plays a validating resolver: it says of names below secure.test that they are proven.
"""

import ssl

from postwain_harness import PostwainTestCase, main
from certificates import anchored_certificate, certificate_digest, public_key_digest
from dns_server import DnsServer
from mail_content import Dsn, message
from resources import make_certificate, reserve_port, wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink, server_tls
from tls_tally import SETTINGS, results

TLS, CLEAR, ANCHORED, SECOND = "127.0.0.11", "127.0.0.12", "127.0.0.13", "127.0.0.14"
NOBODY = "00" * 32


class Dane(PostwainTestCase):
    def setUp(self):
        self.port = reserve_port()
        self.mta = self.prepare()
        pair = make_certificate(self.mta.folder)
        chain, key, anchor = anchored_certificate(self.mta.folder, "anchored.secure.test")
        anchored = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        anchored.load_cert_chain(chain, key)
        self.sinks = {
            TLS: self.closing(SmtpSink((TLS, self.port), tls=server_tls(*pair))),
            CLEAR: self.closing(SmtpSink((CLEAR, self.port))),
            ANCHORED: self.closing(SmtpSink((ANCHORED, self.port), tls=anchored)),
            SECOND: self.closing(SmtpSink((SECOND, self.port), tls=server_tls(*pair)))}
        good = f"3 1 1 {public_key_digest(pair[0])}"
        by_anchor = f"2 0 1 {certificate_digest(anchor)}"
        self.zone = {}
        self.host("good", TLS, good)
        self.host("several", TLS, ["3 1 1 " + NOBODY, good])
        self.host("wrong", TLS, "3 1 1 " + NOBODY)
        self.host("clear", CLEAR, good)
        self.host("unusable", TLS, "1 1 1 " + NOBODY)
        self.host("unusableclear", CLEAR, "1 1 1 " + NOBODY)
        self.host("none", CLEAR, None)
        self.host("anchored", ANCHORED, by_anchor)
        self.host("misnamed", ANCHORED, by_anchor)
        self.host("lost", TLS, {"rcode": "SERVFAIL"})
        self.host("second", SECOND, good)
        self.host("xn--bcher-kva", TLS, good)
        self.zone["lostfirst.secure.test"] = {
            "MX": [[10, "lost.secure.test"], [20, "second.secure.test"]]}
        # Not proven: whatever stands there counts for nothing.
        self.zone["open.test"] = {"MX": [[10, "wrong.secure.test"]]}
        self.zone["openhost.secure.test"] = {"MX": [[10, "host.open.test"]]}
        self.zone["host.open.test"] = {"A": [CLEAR]}
        self.zone[f"_{self.port}._tcp.host.open.test"] = {"TLSA": good}

    def host(self, name, address, tlsa):
        """NAME.secure.test with itself as MX."""
        name += ".secure.test"
        self.zone[name] = {"MX": [[10, name]], "A": [address]}
        if tlsa is not None:
            self.zone[f"_{self.port}._tcp.{name}"] = tlsa if isinstance(tlsa, dict) else {"TLSA": tlsa}

    def begin(self, trust_ad=True, **config):
        self.dns = self.closing(DnsServer(self.zone, secure=["secure.test"]))
        self.mta.reconfigure({
            "dns": {"servers": [f"127.0.0.1:{self.dns.port}"], "trust_ad": trust_ad},
            "queue": {"retry": ["1h"]},
            "delivery": {"smtp_port": self.port, "allow_private_mx": True}, **config})
        self.mta.start()

    def submit(self, *recipients, content=None, options=""):
        with SmtpClient(self.mta.port) as client:
            client.command("EHLO client.test")
            for line in [f"MAIL FROM:<alice@sender.test>{options}",
                         *(f"RCPT TO:<{to}>" for to in recipients)]:
                self.assertEqual(250, client.command(line)[0], line)
            self.assertEqual(250, client.data(content or message())[0])

    def outcomes(self, names):
        """{name: (address, TLS version) where delivered, or the reason it waits}"""
        self.submit(*(f"u@{name}" for name in names))

        def found():
            known = {}
            waiting = self.mta.unsettled()
            for name in names:
                to = f"u@{name}"
                for address, sink in self.sinks.items():
                    for transaction in sink.delivered(to):
                        known[name] = (address, bool(transaction.tls))
                if to in waiting and waiting[to]["attempts"]:
                    known[name] = waiting[to]["last_reply"]
            return known if len(known) == len(names) else None

        return wait_until(found, 30, lambda: f"outcomes: {self.mta.queue()}")

    def test_what_is_counted_of_it(self):
        self.begin(**SETTINGS, route=[{"match": "demanded.secure.test", "deliver": "mx", "tls": "dane"}])
        self.dns.zone |= {"demanded.secure.test": {"MX": [[10, "none.secure.test"]]}}
        names = ["good", "wrong", "clear", "unusable", "unusableclear", "none", "lost", "demanded"]
        self.outcomes([f"{name}.secure.test" for name in names])
        self.mta.stop()
        self.assertEqual({("good", "tlsa", "success"), ("wrong", "tlsa", "certificate-not-trusted"),
                          ("clear", "tlsa", "starttls-not-supported"), ("unusable", "tlsa", "tlsa-invalid"),
                          ("unusableclear", "tlsa", "starttls-not-supported"),
                          ("none", "no-policy-found", "starttls-not-supported"),
                          ("lost", "tlsa", "dnssec-invalid"), ("demanded", "no-policy-found", "dane-required")},
                         {(name.partition(".")[0], *rest) for name, *rest in results(self.mta)})

    def test_what_the_records_say(self):
        self.begin()
        names = ("good", "several", "wrong", "clear", "unusable", "unusableclear", "none",
                 "anchored", "misnamed", "lost", "lostfirst", "openhost")
        outcomes = self.outcomes([f"{name}.secure.test" for name in names] + ["open.test"])
        of = lambda name: outcomes[f"{name}.secure.test"]
        self.assertEqual((TLS, True), of("good"))
        self.assertEqual((TLS, True), of("several"))
        self.assertRegex(of("wrong"), "^4.7.5 .*TLSA")
        self.assertRegex(of("clear"), "^4.7.4 .*STARTTLS")
        self.assertEqual((TLS, True), of("unusable"))
        self.assertRegex(of("unusableclear"), "^4.7.4 .*STARTTLS")
        self.assertEqual((CLEAR, False), of("none"))
        self.assertEqual((ANCHORED, True), of("anchored"))
        self.assertRegex(of("misnamed"), "^4.7.5 ")
        self.assertRegex(of("lost"), "^4.7.5 DANE: .*lost.secure.test cannot be looked up")
        self.assertEqual((SECOND, True), of("lostfirst"))
        self.assertEqual((CLEAR, False), of("openhost"))
        self.assertEqual((TLS, True), outcomes["open.test"])
        self.assertTrue(any("(dane)" in line and "to=u@good.secure.test" in line
                            for line in self.mta.log), self.mta.tail())

    def test_the_bit_counts_only_where_it_is_believed(self):
        self.begin(trust_ad=False)
        outcomes = self.outcomes(["wrong.secure.test", "clear.secure.test"])
        self.assertEqual({"wrong.secure.test": (TLS, True), "clear.secure.test": (CLEAR, False)},
                         outcomes)
        self.assertEqual([], self.dns.asked(f"_{self.port}._tcp.wrong.secure.test"))

    def test_demanded_by_the_route(self):
        self.begin(route=[{"match": "*", "deliver": "mx", "tls": "dane"}])
        outcomes = self.outcomes(["good.secure.test", "none.secure.test", "open.test",
                                  "unusable.secure.test"])
        self.assertEqual((TLS, True), outcomes.pop("good.secure.test"))
        for name, reason in outcomes.items():
            self.assertRegex(reason, "^4.7.5 DANE: ", name)

    def test_waived_by_the_author(self):
        """TLS-Required: No (RFC 8689 5): better unprotected than not at all."""
        self.begin()
        self.submit("u@clear.secure.test", content=b"TLS-Required: No\r\n" + message())
        self.sinks[CLEAR].wait_delivered("u@clear.secure.test")

    def test_internationalized_domain(self):
        self.begin()
        to = "u@b\u00fccher.secure.test"
        self.submit(to, options=" SMTPUTF8")
        transaction = self.sinks[TLS].wait_delivered(to)[0]
        self.assertTrue(transaction.tls)


class Ourselves(PostwainTestCase):
    def test_an_mx_at_our_own_address(self):
        mta = self.prepare()
        bounces = self.closing(SmtpSink())
        better = self.closing(SmtpSink(("127.0.0.11", mta.port)))
        dns = self.closing(DnsServer({
            "alias.host.test": {"A": ["127.0.0.1"]}, "better.host.test": {"A": ["127.0.0.11"]},
            "loop.test": {"MX": [[10, "alias.host.test"]]}, "self.test": {"A": ["127.0.0.1"]},
            "backup.test": {"MX": [[20, "alias.host.test"], [10, "better.host.test"]]}}))
        mta.reconfigure({"dns": {"servers": [f"127.0.0.1:{dns.port}"]},
                         "route": [{"match": "sender.test", "deliver": bounces.target}],
                         "delivery": {"smtp_port": mta.port, "allow_private_mx": True}})
        mta.start()
        with SmtpClient(mta.port) as client:
            self.assertEqual(250, client.mail("alice@sender.test", [
                "u@loop.test", "u@self.test", "u@backup.test", "u@[127.0.0.1]"], message())[0])
        better.wait_delivered("u@backup.test")
        wait_until(lambda: len(bounces.messages) >= 1, 20, "a bounce")
        failed = {group["Final-Recipient"].split(";")[1].strip(): group["Status"]
                  for transaction in bounces.messages
                  for group in Dsn(transaction.content).per_recipient}
        self.assertEqual({f"u@{name}": "5.4.6" for name in ("loop.test", "self.test",
                                                            "[127.0.0.1]")}, failed)
        mta.wait_queue_empty()


if __name__ == "__main__":
    main()
