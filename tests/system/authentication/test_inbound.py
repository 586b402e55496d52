"""SPF, DKIM and DMARC of mail that strangers bring, and the field that says what was found."""

import re

from postwain_harness import PostwainTestCase, kill_and_wait, main
from dkim_programs import DOMAIN, SELECTOR, Key, MailDkim
from dns_server import DnsServer
from edit_milter import EditMilter
from mail_content import message
from milter_server import MilterServer, packet
from resources import Folder, wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

import dkim

GOOD = "127.0.0.66"
OTHER = "127.0.0.67"
US = "mx.postwain.test"
READER = "anna@our.test"


class Inbound(PostwainTestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Folder()
        cls.key = Key(cls.folder, "rsa")

    @classmethod
    def tearDownClass(cls):
        cls.folder.remove()

    def zone(self, policy="reject", **more):
        return {"far.test": {"TXT": [f"v=spf1 ip4:{GOOD} -all"], "A": [GOOD]},
                "_dmarc.far.test": {"TXT": [f"v=DMARC1; p={policy}"]},
                "s1._domainkey.far.test": {"TXT": [self.key.record]}, **more}

    def begin(self, zone=None, filters=(), **settings):
        self.sink = self.closing(SmtpSink())
        self.dns = self.closing(DnsServer(self.zone() if zone is None else zone))
        self.mta = self.start({
            "domain": [{"name": "our.test"}], "dns": {"servers": [f"127.0.0.1:{self.dns.port}"]},
            "access": {"trusted_networks": ["127.0.0.9/32"]}, "filter": list(filters),
            "authentication": {"name": US, **settings},
            "route": [{"match": "*", "deliver": self.sink.target}]})
        return self.mta

    def mail(self, content, source=GOOD, sender="bob@far.test", hello="host.far.test"):
        with SmtpClient(self.mta.port, source=source, hello=hello) as client:
            return client.mail(sender, [READER], content)

    def letter(self, body="hello\r\n", sender="bob@far.test", fields=b""):
        return fields + message(sender=sender, to=READER, body=body)

    def signed(self, content):
        return dkim.sign(content, b"s1", b"far.test", self.key.pem) + content

    def arrived(self, count=1):
        wait_until(lambda: len(self.sink.delivered(READER)) >= count, 30, self.mta.tail)
        return self.sink.delivered(READER)[-1].content

    def results(self, content):
        """Our field, unfolded; there is one of ours, and it stands on top."""
        header = content.split(b"\r\n\r\n", 1)[0].decode()
        fields = re.split(r"\r\n(?![ \t])", header)
        ours = [field for field in fields if field.lower().startswith("authentication-results:") and US in field]
        self.assertEqual(1, len(ours), header)
        self.assertEqual(ours[0], fields[0])
        self.assertTrue(all(len(line) <= 998 for line in ours[0].split("\r\n")))
        return re.sub(r"\r\n[ \t]+", " ", ours[0])

    def has(self, said, *parts):
        for part in parts:
            self.assertIn(part, said)

    def test_mail_of_its_domain_passes_and_is_marked(self):
        self.begin(dmarc="refuse", spf="refuse")
        self.assertEqual(250, self.mail(self.signed(self.letter()))[0])
        said = self.results(self.arrived())
        self.has(said, f"Authentication-Results: {US}; spf=pass", "smtp.mailfrom=bob@far.test", "dkim=pass",
                 "header.d=far.test", "header.s=s1", "header.a=rsa-sha256", "dmarc=pass", "header.from=far.test",
                 "policy.dmarc=reject")
        event = wait_until(lambda: self.mta.events("authenticated"), 20, self.mta.tail)[0]
        self.assertEqual("spf=pass (far.test) spf_helo=none (host.far.test) dkim=pass (far.test) dmarc=pass (far.test)",
                         event["results"])
        self.mta.wait_queue_empty()
        trace = self.mta.cli("trace", event["id"]).stdout
        self.has(trace, "authentication", "dmarc=pass (far.test)")

    def test_a_signature_carries_mail_that_comes_by_others(self):
        self.begin(dmarc="refuse", spf="refuse")
        for place, body in enumerate(("", "no end", "blanks \t \r\n\r\n\r\n", "long " * 150 + "\r\n",
                                      b"8-bit \xc3\xa4\r\n", b"line\r\n" * 200_000)):
            with self.subTest(body[:10]):
                reply = self.mail(self.signed(self.letter(body)), source=OTHER)
                self.assertEqual(250, reply[0], reply)
                said = self.results(self.arrived(place + 1))
                self.has(said, "spf=fail", "dkim=pass", "dmarc=pass")

    def test_a_stranger_who_claims_a_domain_is_treated_as_it_asks(self):
        cases = (("refuse", "reject", 550), ("hold", "reject", "held"), ("note", "reject", "marked"),
                 ("refuse", "quarantine", "held"), ("refuse", "none", "marked"))
        for setting, policy, end in cases:
            with self.subTest((setting, policy)):
                self.begin(self.zone(policy), dmarc=setting)
                reply = self.mail(self.letter(), source=OTHER)
                if end == 550:
                    self.assertEqual(550, reply[0])
                    self.has(reply[1], "5.7.1", "far.test", "reject")
                    self.assertEqual([], self.mta.queue())
                    continue
                self.assertEqual(250, reply[0])
                if end == "held":
                    held = wait_until(self.mta.queue, 20, self.mta.tail)[0]
                    self.assertEqual("held", held["state"])
                    self.assertIn("DMARC of far.test fails", held["recipients"][0]["last_reply"])
                    continue
                self.has(self.results(self.arrived()), "dmarc=fail", "action=note", f"policy.dmarc={policy}")

    def test_a_changed_message_has_no_good_signature(self):
        self.begin(dmarc="refuse", spf="off")
        signed = self.signed(self.letter("one\r\n"))
        self.assertEqual(550, self.mail(signed.replace(b"one\r\n", b"two\r\n"))[0])
        self.assertEqual(550, self.mail(signed.replace(b"Subject: test", b"Subject: best"))[0])
        self.assertEqual(250, self.mail(signed)[0])
        self.assertNotIn("spf=", self.results(self.arrived()))

    def test_a_broken_signature_counts_even_if_spf_passes(self):
        self.begin(dkim="refuse")
        signed = self.signed(self.letter("one\r\n"))
        reply = self.mail(signed.replace(b"one\r\n", b"two\r\n"))
        self.assertEqual(550, reply[0])
        self.has(reply[1], "5.7.20", "far.test")
        self.assertEqual(250, self.mail(signed)[0])
        self.has(self.results(self.arrived()), "dkim=pass", "dmarc=pass")

    def test_spf_alone(self):
        self.begin(spf="refuse", dkim="off", dmarc="off")
        reply = self.mail(self.letter(), source=OTHER)
        self.assertEqual(550, reply[0])
        self.has(reply[1], "5.7.23", OTHER, "far.test")
        self.assertEqual(250, self.mail(self.letter(), sender="", hello="far.test")[0])
        self.has(self.results(self.arrived()), "spf=pass", "smtp.helo=far.test")

    def test_spf_of_the_hello(self):
        bad = {"bad.far.test": {"TXT": ["v=spf1 -all"]}}
        self.begin(self.zone(**bad), dkim="off", dmarc="off")
        self.assertEqual(250, self.mail(self.letter(), hello="bad.far.test")[0])
        said = self.results(self.arrived())
        self.has(said, "spf=pass", "smtp.mailfrom=bob@far.test", "spf=fail", "smtp.helo=bad.far.test")
        self.assertLess(said.index("smtp.mailfrom"), said.index("smtp.helo"))
        event = wait_until(lambda: self.mta.events("authenticated"), 20, self.mta.tail)[0]
        self.assertEqual("spf=pass (far.test) spf_helo=fail (bad.far.test)", event["results"])
        self.assertEqual(250, self.mail(self.letter(), hello="[127.0.0.1]")[0])
        self.assertNotIn("smtp.helo", self.results(self.arrived(2)))
        self.begin(self.zone(**bad), spf_helo="refuse", dkim="off", dmarc="off")
        reply = self.mail(self.letter(), hello="bad.far.test")
        self.assertEqual(550, reply[0])
        self.has(reply[1], "5.7.23", "may not call itself bad.far.test")
        self.assertEqual(250, self.mail(self.letter())[0])

    def test_a_milter_is_told_of_the_results(self):
        milter = self.closing(EditMilter())
        self.begin(filters=[{"name": "edit", "socket": milter.address}])
        with SmtpClient(self.mta.port, source=GOOD, hello="host.far.test") as client:
            chain = b"ARC-Seal: i=1; a=rsa-sha256; cv=none; d=x.test; s=y; b=AA==\r\n"
            self.assertEqual(250, client.mail("bob@far.test", [READER], self.signed(self.letter(fields=chain)))[0])
            first = self.results(self.arrived())
            self.assertEqual(250, client.mail("bob@far.test", [READER], self.letter())[0])
            second = self.results(self.arrived(2))
        told = [re.sub(r"[ \t]+", " ", line) for line in milter.told() if re.match(r"end \d|{", line)]
        ends = [place for place, line in enumerate(told) if line.startswith("end")]
        self.assertEqual(2, len(ends), told)
        name = "Authentication-Results: "
        self.assertEqual(["{spf_result} pass", "{dkim_result} pass", "{dmarc_result} pass", "{arc_result} fail",
                          "{auth_authres} " + first.removeprefix(name)], told[ends[0] + 1:ends[1]])
        # What was found of the one before is not said of the next one.
        self.assertEqual(["{spf_result} pass", "{dkim_result} none", "{dmarc_result} pass",
                          "{auth_authres} " + second.removeprefix(name)], told[ends[1] + 1:])
        with SmtpClient(self.mta.port, source="127.0.0.9") as client:  # nobody looks at its mail
            self.assertEqual(250, client.mail("bob@far.test", [READER], self.letter())[0])
        self.assertRegex(milter.told()[-1], r"^end \d")

    def test_lists_are_not_punished_by_p_reject_alone(self):
        self.begin(dmarc="refuse")
        by_list = self.letter(fields=b"List-Id: <talk.lists.test>\r\n")
        self.assertEqual(250, self.mail(by_list, source=OTHER, sender="talk-bounces@lists.test")[0])
        held = wait_until(self.mta.queue, 20, self.mta.tail)[0]
        self.assertEqual("held", held["state"])

    def test_a_forwarder_whom_the_operator_trusts(self):
        sealer = self.closing(MailDkim(self.key))
        letter = self.letter()
        found = lambda dmarc: sealer.seal(letter, f"none; dmarc={dmarc} header.from=far.test", "none") + letter
        forwarded, forged = found("pass"), found("fail")
        changed = forwarded.replace(b"hello", b"hallo")
        zone = self.zone(**{f"rsa.{SELECTOR}._domainkey.{DOMAIN}": {"TXT": [self.key.record]}})
        for trusted, content, code in (([DOMAIN], forwarded, 250), ([DOMAIN], changed, 550),
                                       ([DOMAIN], forged, 550), ([], forwarded, 550)):
            with self.subTest((trusted, code)):
                self.begin(zone, dmarc="refuse", arc={"trusted": trusted})
                self.assertEqual(code, self.mail(content, source=OTHER, sender=f"fwd@{DOMAIN}")[0])
                if code == 250:
                    self.has(self.results(self.arrived()), "arc=pass (1 set, last sealed by a.example)", "dmarc=fail",
                             "trusted_forwarder")

    def test_forged_results_go_and_those_of_others_stay(self):
        self.begin()
        forged = (f"Authentication-Results: {US}; spf=pass smtp.mailfrom=boss@bank.test\r\n"
                  f"AUTHENTICATION-RESULTS : (a comment) {US.upper()} 1;\r\n\tdkim=pass header.d=bank.test\r\n"
                  f"Authentication-Results: \"{US}\"; dmarc=pass\r\n"
                  "Authentication-Results: other.test; spf=fail\r\n").encode()
        self.assertEqual(250, self.mail(self.letter(fields=forged))[0])
        content = self.arrived()
        self.results(content)
        self.assertNotIn(b"bank.test", content)
        self.assertIn(b"Authentication-Results: other.test; spf=fail\r\n", content)
        many = f"Authentication-Results: {US}; spf=pass\r\n".encode() * 21
        reply = self.mail(self.letter(fields=many))
        self.assertEqual(550, reply[0])
        self.assertIn("Too many Authentication-Results", reply[1])

    def test_hostile_values_add_nothing_to_the_field(self):
        self.begin()
        hostile = (b"DKIM-Signature: v=1; a=rsa-sha256; d=x.test\r\n\t; s=\"; dmarc=pass (; h=From; bh=AA==;"
                   b" b=AA==; i=a;dmarc=pass@x.test\r\n")
        self.assertEqual(250, self.mail(self.letter(fields=hostile), sender="\"a; dmarc=pass (\"@far.test")[0])
        said = self.results(self.arrived())
        outside_quotes = re.sub(r'"(\\.|[^"\\])*"', "", said)
        self.assertEqual(["spf", "spf", "dkim", "dmarc"], re.findall(r"; (\w+)=", outside_quotes), said)

    def test_clients_that_may_relay_are_not_looked_at(self):
        self.begin(spf="refuse", dmarc="refuse")
        self.assertEqual(250, self.mail(self.letter(), source="127.0.0.9")[0])
        self.assertNotIn(b"Authentication-Results", self.arrived())

    def test_a_silent_dns_is_no_reason_to_refuse(self):
        zone = self.zone(**{"far.test": {"silent": True}, "_dmarc.far.test": {"silent": True}})
        self.begin(zone, spf="refuse", dmarc="refuse", time="1s")
        self.assertEqual(250, self.mail(self.signed(self.letter()), source=OTHER)[0])
        self.has(self.results(self.arrived()), "spf=temperror", "dkim=pass", "dmarc=temperror")

    def test_without_the_process_mail_waits_with_its_sender(self):
        self.begin(zone=self.zone(**{"far.test": {"silent": True}}))
        with SmtpClient(self.mta.port, source=GOOD, hello="host.far.test") as client:
            client.send(b"MAIL FROM:<bob@far.test>\r\nRCPT TO:<" + READER.encode() + b">\r\nDATA\r\n")
            self.assertEqual([250, 250, 354], [client.reply()[0] for _ in range(3)])
            client.send(self.letter() + b".\r\n")
            for pid in self.mta.pids_of("filter"):
                kill_and_wait(pid)
            reply = client.reply()
            self.assertEqual(451, reply[0], reply)
        self.dns.zone.update({"far.test": {"TXT": ["v=spf1 -all"]}})
        wait_until(self.takes_mail, 30, self.mta.tail)
        self.assertEqual(250, self.mail(self.letter())[0])
        self.results(self.arrived())

    def takes_mail(self):
        with SmtpClient(self.mta.port, source=GOOD, hello="host.far.test") as client:
            return client.command("MAIL FROM:<bob@far.test>")[0] == 250

    def test_watched_it_changes_nothing(self):
        self.begin(dmarc="refuse", spf="refuse", mode="watch")
        content = self.letter(fields=f"Authentication-Results: {US}; spf=pass\r\n".encode())
        self.assertEqual(250, self.mail(content, source=OTHER)[0])
        self.assertTrue(self.arrived().endswith(content))
        event = wait_until(lambda: self.mta.events("authenticated"), 20, self.mta.tail)[0]
        self.assertIn("dmarc=fail", event["results"])

    def test_own_domains_are_not_for_strangers(self):
        zone = self.zone(**{"our.test": {"TXT": [f"v=spf1 ip4:{GOOD} -all"]},
                            "s1._domainkey.our.test": {"TXT": [self.key.record]}})
        self.begin(zone, own_domains="refuse")
        ours = self.letter(sender="boss@our.test")
        reply = self.mail(ours, sender="boss@our.test", source=OTHER)
        self.assertEqual(550, reply[0], reply)
        self.assertIn("5.7.1 our.test is a domain of this system", reply[1])
        refused = wait_until(lambda: self.mta.cli("trace", READER).stdout, 20, self.mta.tail)
        self.has(refused, "filter authentication at end of message: refuse 550 5.7.1", "our.test is a domain of")
        event = wait_until(lambda: self.mta.events("authenticated"), 20, self.mta.tail)[0]
        self.assertIn("own=fail (our.test)", event["results"])
        # A sender of his own is no excuse, and a domain below is ours, too.
        self.assertEqual(550, self.mail(ours)[0])
        self.assertEqual(550, self.mail(self.letter(sender="boss@sub.our.test"))[0])
        self.assertEqual(550, self.mail(ours.replace(b"From: ", b"From: x@far.test, "))[0])
        self.assertEqual([], self.sink.delivered(READER))
        # By SPF, by a signature, and by whom we know.
        self.assertEqual(250, self.mail(ours, sender="boss@our.test")[0])
        signed = dkim.sign(ours, b"s1", b"our.test", self.key.pem) + ours
        self.assertEqual(250, self.mail(signed, sender="list@far.test", source=OTHER)[0])
        self.assertEqual(250, self.mail(ours, source="127.0.0.9")[0])
        self.assertEqual(250, self.mail(self.letter())[0])
        self.arrived(4)
        # What a list sends back is held, not refused.
        listed = b"List-Id: <l.far.test>\r\n" + ours
        self.assertEqual(250, self.mail(listed, sender="l-owner@far.test")[0])
        held = wait_until(lambda: self.mta.queue("--state", "held"), 20, self.mta.tail)
        self.assertIn("nothing shows that it is of our.test", str(held))
        told = self.mta.cli("explain", READER, "--no-dns").stdout
        self.assertIn("own_domains = refuse", told)

    def test_own_domains_wait_for_the_dns_and_are_watched(self):
        zone = self.zone(**{"our.test": {"silent": True}})
        self.begin(zone, own_domains="refuse", time="1s")
        ours = self.letter(sender="boss@our.test")
        reply = self.mail(ours, sender="boss@our.test")
        self.assertEqual(451, reply[0], reply)
        self.mta.reconfigure({"authentication": {"name": US, "own_domains": "refuse", "mode": "watch", "time": "1s"}})
        self.mta.cli("reload")
        wait_until(lambda: self.mail(ours)[0] == 250, 20, self.mta.tail)
        self.assertNotIn(b"Authentication-Results", self.arrived())

    def test_filters_see_what_was_found(self):
        milter = self.closing(MilterServer(lambda command, data: packet("c")))
        self.begin(filters=[{"name": "one", "socket": milter.address, "on": ["world"]}])
        forged = f"Authentication-Results: {US}; spf=none\r\n".encode()
        self.assertEqual(250, self.mail(self.signed(self.letter(fields=forged)))[0])
        self.arrived()
        shown = [field for field in milter.data_of("L") if field.startswith(b"Authentication-Results\0")]
        self.assertEqual(1, len(shown))
        self.assertIn(b"dkim=pass", shown[0])
        self.assertIn(b"hello", b"".join(milter.data_of("B")))


if __name__ == "__main__":
    main()
