"""DMARC aggregate reports (RFC 9990): what strangers brought on one day in the name of a domain reaches on the
next day those to whom the domain wants it told, and nobody whom it may not name."""

import glob
import gzip
import json
import os
import re
import subprocess
import time
from email import message_from_bytes, policy as email_policy
from xml.etree import ElementTree

from postwain_harness import PostwainTestCase, kill_and_wait, main
from dkim_programs import Key
from dns_server import DnsServer
from mail_content import message
from resources import Folder, wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

import dkim

GOOD = "127.0.0.66"
OTHER = "127.0.0.67"
READER = "anna@our.test"
DAY = 86400
SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "dmarc_report.xsd")
SPACE = {"d": "urn:ietf:params:xml:ns:dmarc-2.0"}
FAR = "v=DMARC1; p=reject; sp=none; rua=mailto:own@far.test!1m,mailto:r@collector.test,mailto:r@victim.test"


class DmarcReports(PostwainTestCase):
    @classmethod
    def setUpClass(cls):
        cls.keys = Folder()
        cls.key = Key(cls.keys, "rsa")

    @classmethod
    def tearDownClass(cls):
        cls.keys.remove()

    def setUp(self):
        self.sink = self.closing(SmtpSink())
        self.collector = self.closing(SmtpSink())
        self.dns = self.closing(DnsServer({
            "far.test": {"TXT": [f"v=spf1 ip4:{GOOD} -all"], "A": [GOOD]},
            "_dmarc.far.test": {"TXT": [FAR]},
            "s1._domainkey.far.test": {"TXT": [self.key.record]},
            "far.test._report._dmarc.collector.test": {"TXT": ["v=DMARC1; rua=mailto:moved@collector.test"]},
            "none.test": {"TXT": ["v=spf1 -all"], "A": [GOOD]},
            "_dmarc.none.test": {"TXT": ["v=DMARC1; p=none; rua=mailto:own@none.test"]},
            "quiet.test": {"A": [GOOD]}, "_dmarc.quiet.test": {"TXT": ["v=DMARC1; p=reject"]},
            "ours.test": {"TXT": [f"v=spf1 ip4:{GOOD} -all"], "A": [GOOD]},
            "_dmarc.ours.test": {"TXT": ["v=DMARC1; p=none; rua=mailto:dmarc@ours.test"]}}))
        self.mta = self.prepare({
            "domain": [{"name": "our.test"}], "dns": {"servers": [f"127.0.0.1:{self.dns.port}"]},
            "access": {"trusted_networks": ["127.0.0.9/32"]},
            "authentication": {"name": "mx.postwain.test", "dmarc": "hold"},
            "queue": {"retry": ["1h"], "jitter": 0},
            "dmarc_reports": {"organization": "Ours & Co.", "contact": "post@ours.test",
                              "from": "dmarc@ours.test", "spread": "0s"},
            "route": [{"match": "our.test", "deliver": self.sink.target},
                      {"match": "*", "deliver": self.collector.target}]})

    def folder(self, name=""):
        return os.path.join(str(self.mta.folder / "spool-dmarc-reports"), name)

    def tally(self):
        try:
            with open(self.folder("tally.jsonl"), encoding="ascii") as file:
                return [json.loads(line) for line in file]
        except FileNotFoundError:
            return []

    def counted(self, domain=None):
        return sum(line["count"] for line in self.tally() if domain in (None, line["domain"]))

    def letters(self):
        return glob.glob(self.folder("*.letter"))

    def let_days_pass(self, days=1):
        """While it is stopped: what lies in its folder grows older."""
        lines = self.tally()
        with open(self.folder("tally.jsonl"), "w", encoding="ascii") as file:
            for line in lines:
                file.write(json.dumps({**line, "day": line["day"] - days}) + "\n")
        for path in self.letters():
            with open(path, encoding="ascii") as file:
                letter = json.load(file)
            with open(path, "w", encoding="ascii") as file:
                json.dump({**letter, "made": letter["made"] - days * DAY * 1000}, file)

    def mail(self, sender="bob@far.test", author=None, source=GOOD, signed=False, fields=b""):
        content = fields + message(sender=author or sender, to=READER, body="hello\r\n")
        if signed:
            content = dkim.sign(content, b"s1", b"far.test", self.key.pem) + content
        with SmtpClient(self.mta.port, source=source, hello="host.far.test") as client:
            reply = client.mail(sender, [READER], content)
        self.assertIn(reply[0], (250, 550), reply)

    def schema_holds(self, xml):
        path = self.mta.folder / "report.xml"
        with open(path, "wb") as file:
            file.write(xml)
        checked = subprocess.run(["xmllint", "--noout", "--nonet", "--schema", SCHEMA, str(path)],
                                 capture_output=True, text=True)
        self.assertEqual(0, checked.returncode, checked.stderr)

    def received(self, address):
        """(the mail, its attachment, the report as a tree) as a program of the receiver sees them."""
        [delivered] = self.collector.wait_delivered(address)
        self.assertEqual("dmarc@ours.test", delivered.sender)
        mail = message_from_bytes(delivered.content, policy=email_policy.default)
        text, part = mail.iter_parts()
        self.assertEqual(("text/plain", "application/gzip"), (text.get_content_type(), part.get_content_type()))
        xml = gzip.decompress(part.get_payload(decode=True))
        self.schema_holds(xml)
        return mail, part, ElementTree.fromstring(xml)

    def text(self, element, path):
        return element.findtext("/".join("d:" + name for name in path.split("/")), namespaces=SPACE)

    def rows(self, report):
        """{(source, disposition, dkim, spf, reason, header_from, envelope_from, dkim results, spf result): count}"""
        out = {}
        for record in report.findall("d:record", SPACE):
            evaluated = [self.text(record, f"row/policy_evaluated/{name}")
                         for name in ("disposition", "dkim", "spf", "reason/type")]
            signatures = tuple((self.text(one, "domain"), self.text(one, "result"))
                               for one in record.findall("d:auth_results/d:dkim", SPACE))
            key = (self.text(record, "row/source_ip"), *evaluated, self.text(record, "identifiers/header_from"),
                   self.text(record, "identifiers/envelope_from"), signatures,
                   self.text(record, "auth_results/spf/result"))
            self.assertNotIn(key, out)
            out[key] = int(self.text(record, "row/count"))
        return out

    def test_a_day_and_its_reports(self):
        self.mta.start()
        for _ in range(3):
            self.mail(signed=True)
        self.mail(source=OTHER)                                    # forged, held
        self.mail(source=OTHER, author="bob@sub.far.test")         # the subdomain's policy is none
        self.mail(sender="x@none.test", source=OTHER)
        self.mail(sender="x@quiet.test", source=OTHER)             # asks for no reports
        self.mail(source="127.0.0.9")                              # no stranger
        self.mta.stop()
        self.assertEqual({"far.test", "none.test"}, {line["domain"] for line in self.tally()})
        self.assertEqual(6, self.counted())
        day = int(time.time() // DAY) - 1
        self.let_days_pass()
        self.mta.start()

        mail, part, report = self.received("own@far.test")
        name = time.strftime("%Y-%m-%d", time.gmtime(day * DAY))
        identifier = f"dmarc.{name}.far.test@mx.postwain.test"
        self.assertEqual("dmarc@ours.test", mail["From"])
        self.assertEqual("auto-generated", mail["Auto-Submitted"])
        self.assertEqual(f"Report Domain: far.test Submitter: ours.test Report-ID: <{identifier}>", mail["Subject"])
        self.assertEqual(f"<{identifier}>", mail["Message-ID"])
        self.assertEqual(identifier, self.text(report, "report_metadata/report_id"))
        self.assertEqual(f"ours.test!far.test!{day * DAY}!{day * DAY + DAY - 1}.xml.gz", part.get_filename())
        self.assertEqual(("Ours & Co.", "post@ours.test", str(day * DAY), str(day * DAY + DAY - 1)),
                         tuple(self.text(report, f"report_metadata/{name}")
                               for name in ("org_name", "email", "date_range/begin", "date_range/end")))
        self.assertEqual(("far.test", "reject", "none", "none", "r", "r", "n"),
                         tuple(self.text(report, f"policy_published/{name}")
                               for name in ("domain", "p", "sp", "np", "adkim", "aspf", "testing")))
        self.assertEqual({
            (GOOD, "pass", "pass", "pass", None, "far.test", "far.test", (("far.test", "pass"),), "pass"): 3,
            (OTHER, "quarantine", "fail", "fail", "local_policy", "far.test", "far.test", (), "fail"): 1,
            (OTHER, "none", "fail", "fail", None, "sub.far.test", "far.test", (), "fail"): 1}, self.rows(report))

        # The collector has said that it wants reports of far.test, and where. The victim has not.
        self.assertEqual(self.rows(report), self.rows(self.received("moved@collector.test")[2]))
        self.assertEqual({(OTHER, "none", "fail", "fail", None, "none.test", "none.test", (), "fail"): 1},
                         self.rows(self.received("own@none.test")[2]))
        wait_until(lambda: not self.letters(), 20, "an empty drawer")
        wait_until(lambda: len(self.mta.events("dmarc_report_sent")) == 3, 20, "three events")
        self.assertIn(16, self.dns.asked("far.test._report._dmarc.victim.test"))
        self.assertEqual([], self.collector.delivered("r@victim.test"))
        self.assertEqual([], self.collector.delivered("r@collector.test"))
        self.mta.stop()
        self.assertEqual([], self.tally())

    def test_killed_under_way_it_counts_on(self):
        self.mta.start()
        [pid] = self.mta.pids_of("reporter")
        kill_and_wait(pid)
        self.mail(source=OTHER)
        wait_until(lambda: len([line for line in self.mta.events("peer_connected")
                                if line.get("name") == "reporter"]) == 2, 60, "another reporter")
        self.mail(source=OTHER)
        self.mta.stop()
        self.assertEqual(2, self.counted("far.test"))

    def test_killed_with_reports_on_their_way_it_sends_the_same_again(self):
        self.mta.start()
        self.mail(source=OTHER)
        self.mta.stop()
        self.let_days_pass()
        # Nobody takes anything yet: what is made stays in the queue, and is made once.
        self.collector.script["final"] = ["451 4.3.0 later"] * 2
        self.mta.start()
        wait_until(lambda: self.letters() or self.mta.events("dmarc_report_sent"), 20, "a report")
        for pid in self.mta.pids_of("reporter"):
            kill_and_wait(pid)
        wait_until(lambda: not self.letters() and self.mta.events("dmarc_report_sent"), 60, "all of them sent")
        self.mta.cli("queue", "retry", "--all")
        ids = {name: [message_from_bytes(one.content)["Message-ID"] for one in
                      wait_until(lambda n=name: self.collector.delivered(n), 60, f"a report to {name}")]
               for name in ("own@far.test", "moved@collector.test")}
        for name, found in ids.items():
            self.assertEqual(1, len(set(found)), name)

    def test_a_reload_loses_no_count_and_may_end_the_reports(self):
        self.mta.start()
        self.mail(source=OTHER)
        self.assertEqual(0, self.mta.cli("reload").returncode)
        wait_until(lambda: len(self.mta.pids_of("filter")) == 1, 30, "one filter process")
        self.mail(source=OTHER)
        self.mta.stop()
        self.assertEqual(2, self.counted("far.test"))
        self.mta.reconfigure({"dmarc_reports": None})
        self.mta.start()
        self.assertEqual([], self.mta.pids_of("reporter"))
        self.mail(source=OTHER)
        self.mta.stop()
        self.assertEqual(2, self.counted("far.test"))

    def test_what_the_dns_does_not_say_is_asked_again(self):
        self.mta.start()
        self.mail(source=OTHER)
        self.mta.stop()
        self.let_days_pass()
        self.dns.zone["far.test._report._dmarc.collector.test"] = {"rcode": "SERVFAIL"}
        self.mta.start()
        wait_until(lambda: self.dns.asked("far.test._report._dmarc.collector.test"), 20, "a question")
        time.sleep(3)
        self.assertEqual([], self.collector.delivered("own@far.test"))
        self.mta.stop()
        self.assertEqual(1, self.counted("far.test"))
        # After two days those get it of whom it is known.
        self.let_days_pass(2)
        self.mta.start()
        self.received("own@far.test")
        self.assertEqual([], self.collector.delivered("moved@collector.test"))

    def test_an_address_gets_no_more_than_it_takes(self):
        self.dns.zone["_dmarc.far.test"] = {"TXT": ["v=DMARC1; p=none; rua=mailto:small@far.test!1k,mailto:big@far.test!10m"]}
        self.mta.start()
        self.mail(source=OTHER)
        self.mta.stop()
        self.let_days_pass()
        self.mta.start()
        self.received("big@far.test")
        event = wait_until(lambda: self.mta.events("dmarc_report_given_up"), 20, "the end of it")[0]
        self.assertIn("mailto:small@far.test", event["to"])
        self.assertIn("1024", event["reason"])
        self.assertEqual([], self.collector.delivered("small@far.test"))

    def test_a_report_larger_than_a_frame(self):
        self.mta.start()
        self.mail(source=OTHER)
        self.mta.stop()
        row = next(line for line in self.tally() if "row" in line)
        with open(self.folder("tally.jsonl"), "a", encoding="ascii") as file:
            for number in range(6000):
                selector = os.urandom(60).hex()
                changed = {**row["row"], "source": f"10.0.{number // 250}.{number % 250}",
                           "signatures": [["x.test", selector, "fail", "no key"]]}
                file.write(json.dumps({**row, "row": changed, "count": number + 1}) + "\n")
        self.let_days_pass()
        self.dns.zone["_dmarc.far.test"] = {"TXT": ["v=DMARC1; p=reject; rua=mailto:own@far.test"]}
        self.mta.start()
        mail, _, report = self.received("own@far.test")
        self.assertGreater(len(mail.as_bytes()), 400_000)
        self.assertEqual(6001, len(report.findall("d:record", SPACE)))
        self.assertEqual(6000 * 6001 // 2 + 1, sum(int(self.text(record, "row/count"))
                                                   for record in report.findall("d:record", SPACE)))

    def test_hostile_texts_stay_texts(self):
        self.mta.start()
        hostile = (b"DKIM-Signature: v=1; a=rsa-sha256; d=<x>&amp.test; s=]]>&#0;<!--; h=From; bh=AA==; b=AA==\r\n"
                   b"DKIM-Signature: v=1; a=rsa-sha256; d=\xff\xfe.test; s=\xf0\x9f\x98\x80; h=From; bh=AA==; b=AA==\r\n")
        self.mail(sender="\"</header_from>\"@far.test", author="bob@far.test", source=OTHER, fields=hostile)
        self.mta.stop()
        self.assertEqual(1, self.counted("far.test"))
        self.let_days_pass()
        self.mta.start()
        _, _, report = self.received("own@far.test")
        [record] = report.findall("d:record", SPACE)
        self.assertEqual("far.test", self.text(record, "identifiers/header_from"))

    def test_our_own_reports_are_not_reported(self):
        self.mta.start()
        self.mail(sender="dmarc@ours.test")
        self.mail(sender="someone@ours.test")
        self.mail(sender="dmarc@ours.test", author="bob@far.test", source=OTHER)
        self.mta.stop()
        self.assertEqual({"ours.test": 1, "far.test": 1},
                         {domain: self.counted(domain) for domain in ("ours.test", "far.test")})

    def test_watching_changes_nothing_and_says_so(self):
        self.mta.reconfigure({"authentication": {"mode": "watch", "dmarc": "refuse"}})
        self.mta.start()
        self.mail(source=OTHER)
        self.mta.stop()
        self.let_days_pass()
        self.mta.start()
        _, _, report = self.received("own@far.test")
        self.assertEqual({(OTHER, "none", "fail", "fail", "local_policy", "far.test", "far.test", (), "fail"): 1},
                         self.rows(report))

    def test_what_is_refused_for_another_reason_is_told(self):
        self.dns.zone["_dmarc.our.test"] = {"TXT": ["v=DMARC1; p=none; rua=mailto:own@our.test"]}
        self.mta.reconfigure({"authentication": {"own_domains": "refuse", "spf": "refuse"}})
        self.mta.start()
        self.mail(sender="bob@quiet.test", author="boss@our.test")
        self.mail(sender="bob@none.test")
        self.mail(sender="bob@far.test", author="bob@none.test")
        self.mta.stop()
        told = {(line["domain"], line["row"]["done"], line["row"]["excuse"]): line["count"]
                for line in self.tally() if "row" in line}
        self.assertEqual({("our.test", "reject", "local_policy"): 1, ("none.test", "reject", "local_policy"): 1,
                          ("none.test", "none", ""): 1}, told)

    def test_beside_tls_reports(self):
        self.mta.reconfigure({"tls_reports": {"from": "tls@ours.test", "spread": "0s"}})
        self.mta.start()
        self.assertEqual(1, len(self.mta.pids_of("reporter")))
        self.mail(source=OTHER)
        self.mta.stop()
        self.let_days_pass()
        self.mta.start()
        self.received("own@far.test")
        self.assertTrue(os.path.isdir(self.mta.folder / "spool-reports"))

    def test_check(self):
        result = self.mta.cli("check")
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertIn("no [[dkim_key]] signs mail of ours.test", result.stdout + result.stderr)
        for changes, complaint in (({"authentication": {"dmarc": "off"}}, "needs [authentication]"),
                                   ({"authentication": None}, "needs [authentication]"),
                                   ({"dmarc_reports": {"from": None}}, "from is missing"),
                                   ({"tls_reports": {"from": "a@ours.test", "folder": "x"},
                                     "dmarc_reports": {"folder": "x"}}, "same folder")):
            with self.subTest(complaint):
                self.mta = self.prepare({"authentication": {"dmarc": "note"},
                                         "dmarc_reports": {"from": "dmarc@ours.test"}})
                self.mta.reconfigure(changes)
                result = self.mta.cli("check")
                self.assertEqual(78, result.returncode)
                self.assertIn(complaint, result.stdout + result.stderr)


if __name__ == "__main__":
    main()
