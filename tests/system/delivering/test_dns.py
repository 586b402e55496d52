"""Each kind of DNS answer leads to its outcome (RFC 5321 5.1, RFC 7505, RFC 3463 3.2).

One instance gets mail for all the domains at once; every test looks at the outcome of its own.
The mail hosts are loopback addresses that share one port; *.closed.test has nobody listening.
"""

from postwain_harness import Postwain, PostwainTestCase, main
from dns_server import TYPES, DnsServer
from mail_content import Dsn, message
from resources import reserve_port, wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

ONE, TWO, THREE, CLOSED = "127.0.0.11", "127.0.0.12", "127.0.0.13", "127.0.0.99"

ZONE = {
    "one.host.test": {"A": [ONE]},
    "two.host.test": {"A": [TWO]},
    "three.host.test": {"A": [THREE]},
    "closed.host.test": {"A": [CLOSED]},
    "alias.host.test": {"CNAME": "two.host.test"},
    "many.host.test": {"A": [CLOSED, THREE]},
    "order.test": {"MX": [[30, "three.host.test"], [10, "one.host.test"], [20, "two.host.test"]]},
    "second.test": {"MX": [[10, "closed.host.test"], [20, "two.host.test"]]},
    "addresses.test": {"MX": [[10, "many.host.test"]]},
    "equal.test": {"MX": [[10, "one.host.test"], [10, "two.host.test"]]},
    "address.test": {"A": [THREE]},
    "alias.test": {"CNAME": "order.test"},
    "mxalias.test": {"MX": [[10, "alias.host.test"]]},
    "null.test": {"MX": [[0, "."]]},
    "broken.test": {"rcode": "SERVFAIL"},
    "refused.test": {"rcode": "REFUSED"},
    "silent.test": {"silent": True},
    "nodata.test": {"TXT": ["nothing for mail"]},
    "danglingmx.test": {"MX": [[10, "nowhere.test"]]},
    "halfdangling.test": {"MX": [[10, "nowhere.test"], [20, "two.host.test"]]},
    "brokenhost.test": {"MX": [[10, "broken.test"]]},
    "truncated.test": {"MX": [[10, "one.host.test"]], "truncate": True},
    "large.test": {"MX": [[10 + n, f"{'x' * 40}{n}.closed.host.test"] for n in range(30)]
                   + [[1, "two.host.test"]]},
    "allclosed.test": {"MX": [[10, "closed.host.test"]]},
    "mixed.Case.test": {"MX": [[10, "One.Host.Test"]]},
}
DELIVERED = {  # domain: addresses that may get it
    "order.test": {ONE}, "second.test": {TWO}, "addresses.test": {THREE}, "equal.test": {ONE, TWO},
    "address.test": {THREE}, "alias.test": {ONE}, "mxalias.test": {TWO}, "truncated.test": {ONE},
    "large.test": {TWO}, "halfdangling.test": {TWO}, "MIXED.case.test": {ONE},
}
BOUNCED = {  # domain: status
    "null.test": "5.1.10", "missing.test": "5.1.2", "sub.missing.test": "5.1.2",
    "nodata.test": "5.1.2",
}
DEFERRED = {  # domain: status
    "broken.test": "4.4.3", "refused.test": "4.4.3", "silent.test": "4.4.3",
    "brokenhost.test": "4.4.3", "allclosed.test": "4.4.1",
}
EQUAL_MESSAGES = 12


def start_network(case):
    """The DNS server and the three mail hosts; they end with the test class."""
    dns = DnsServer(ZONE)
    case.addClassCleanup(dns.stop)
    port = reserve_port()
    hosts = {}
    for address in (ONE, TWO, THREE):
        hosts[address] = SmtpSink((address, port))
        case.addClassCleanup(hosts[address].stop)
    bounces = SmtpSink()
    case.addClassCleanup(bounces.stop)
    return dns, port, hosts, bounces


class Outcomes(PostwainTestCase):
    @classmethod
    def setUpClass(cls):
        cls.dns, port, cls.hosts, cls.bounces = start_network(cls)
        cls.mta = Postwain({
            "dns": {"servers": [f"127.0.0.1:{cls.dns.port}"]},
            "delivery": {"smtp_port": port, "allow_private_mx": True},
            "queue": {"retry": ["1h"]},
            "route": [{"match": "sender.test", "deliver": cls.bounces.target}]},
            label=cls.__qualname__)
        cls.addClassCleanup(cls.mta.close)
        cls.mta.start()
        with SmtpClient(cls.mta.port) as client:
            for domain in (*DELIVERED, *BOUNCED, *DEFERRED, "danglingmx.test"):
                for number in range(EQUAL_MESSAGES if domain == "equal.test" else 1):
                    client.mail("alice@sender.test", [f"user{number}@{domain}"], message())

    def test_delivered(self):
        for domain, allowed in DELIVERED.items():
            with self.subTest(domain):
                to = f"user0@{domain}"
                where = wait_until(
                    lambda: {a for a, host in self.hosts.items() if host.delivered(to)}, 30,
                    lambda: f"delivery to {to}: {self.mta.unsettled().get(to)}")
                self.assertLessEqual(where, allowed)
                self.assertEqual(1, sum(len(h.delivered(to)) for h in self.hosts.values()))

    def test_equal_preference_shares(self):
        wanted = [f"user{n}@equal.test" for n in range(EQUAL_MESSAGES)]
        wait_until(lambda: all(self.hosts[ONE].delivered(to) or self.hosts[TWO].delivered(to)
                               for to in wanted), 30, "all messages for equal.test")
        for to in wanted:
            copies = [len(host.delivered(to)) for host in self.hosts.values()]
            self.assertEqual(1, sum(copies), to)

    def test_bounced(self):
        for domain, status in BOUNCED.items():
            with self.subTest(domain):
                report = self.report_about(f"user0@{domain}")
                self.assertEqual("failed", report["Action"])
                self.assertEqual(status, report["Status"])

    def test_null_mx_says_556(self):
        self.assertIn("556", self.report_about("user0@null.test")["Diagnostic-Code"])

    def test_deferred(self):
        for domain, status in DEFERRED.items():
            with self.subTest(domain):
                to = f"user0@{domain}"
                wait_until(lambda: self.mta.unsettled().get(to, {}).get("attempts", 0) >= 1, 60,
                           lambda: f"an attempt for {to}: {self.mta.unsettled().get(to)}")
                waiting = self.mta.unsettled()[to]
                self.assertEqual("deferred", waiting["state"])
                self.assertIn("host" if domain == "allclosed.test" else domain,
                              waiting["last_reply"])
                self.assertEqual([status], [event["status"] for event in
                                            self.mta.events("deferred") if event["to"] == to])

    def test_mx_of_a_missing_host_never_falls_back_to_the_domain(self):
        """RFC 5321 5.1: an MX whose host has no address is an error, not a missing MX."""
        self.report_about("user0@danglingmx.test")
        self.assertNotIn(TYPES["A"], self.dns.asked("danglingmx.test"))

    def test_truncated_answers_are_asked_again_by_tcp(self):
        self.hosts[ONE].wait_delivered("user0@truncated.test", 30)
        self.assertIn("tcp", [how for name, _, how in self.dns.questions
                              if name == "truncated.test"])

    def report_about(self, address):
        """The per-recipient fields of the one bounce about this address."""
        def found():
            return [Dsn(m.content).of(address) for m in list(self.bounces.messages)
                    if f"; {address}".encode() in m.content or f";{address}".encode() in m.content]
        groups = wait_until(found, 30, lambda: f"bounce about {address}: {self.mta.queue()}")
        self.assertEqual(1, len(groups))
        return groups[0]


class PrivateAddresses(PostwainTestCase):
    def test_mx_to_loopback_is_refused_by_default(self):
        dns, port, hosts, bounces = start_network(type(self))
        mta = self.start({
            "dns": {"servers": [f"127.0.0.1:{dns.port}"]}, "delivery": {"smtp_port": port},
            "route": [{"match": "sender.test", "deliver": bounces.target}]})
        with SmtpClient(mta.port) as client:
            client.mail("alice@sender.test", ["user@order.test"], message())
        report = Dsn(bounces.wait_for(1)[0].content)
        self.assertEqual("5.4.6", report.of("user@order.test")["Status"])
        self.assertEqual([0, 0, 0], [host.connections for host in hosts.values()])


if __name__ == "__main__":
    main()
