"""TLS reports (RFC 8460): what is counted on one day reaches those who ask for it on the next, by
signed mail and over the web; whoever does not ask hears nothing."""

import glob
import gzip
import json
import os
import re
import time
from email import message_from_bytes, policy as email_policy

from postwain_harness import PostwainTestCase, main
from certificates import Authority, openssl
from dns_server import DnsServer
from mail_content import message
from mail_session import HANG_UP
from resources import make_certificate, reserve_port, wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink, server_tls
from tls_tally import results, tally
from web_server import WebServer

import dkim

GOOD, STRANGER, CLEAR = "127.0.0.31", "127.0.0.32", "127.0.0.33"
POLICY = b"version: STSv1\r\nmode: enforce\r\nmx: *.%s\r\nmax_age: 86400\r\n"
DAY = 86400


class TlsReports(PostwainTestCase):
    def setUp(self):
        self.port = reserve_port()
        self.mta = self.prepare()
        authority = Authority(self.mta.folder)
        good = server_tls(*authority.issue("mx.good.test"))
        stranger = server_tls(*make_certificate(self.mta.folder, "mx.stranger.test"))
        self.sinks = [self.closing(SmtpSink((GOOD, self.port), tls=good)),
                      self.closing(SmtpSink((STRANGER, self.port), tls=stranger)),
                      self.closing(SmtpSink((CLEAR, self.port)))]
        self.collector = self.closing(SmtpSink())
        self.web = self.closing(WebServer(*authority.issue(
            "mta-sts.good.test", "mta-sts.stranger.test", "reports.clear.test")))
        zone = {"reports.clear.test": {"A": ["127.0.0.1"]}}
        web = f"https://reports.clear.test:{self.web.port}/v1?d=clear"
        for name, address, rua in (("good", GOOD, "mailto:tls%2Bgood@collector.test"),
                                   ("stranger", STRANGER, "mailto:tls@collector.test"),
                                   ("clear", CLEAR, f"{web},mailto:clear@collector.test"),
                                   ("quiet", CLEAR, None)):
            zone |= {f"{name}.test": {"MX": [[10, f"mx.{name}.test"]]},
                     f"mx.{name}.test": {"A": [address]}}
            if rua:
                zone[f"_smtp._tls.{name}.test"] = {"TXT": [f"v=TLSRPTv1; rua={rua}"]}
            if address != CLEAR:
                zone |= {f"_mta-sts.{name}.test": {"TXT": ["v=STSv1; id=1;"]},
                         f"mta-sts.{name}.test": {"A": ["127.0.0.1"]}}
                self.web.answers[f"mta-sts.{name}.test"] = (200, "text/plain", POLICY % f"{name}.test".encode())
        self.dns = self.closing(DnsServer(zone))
        key = self.mta.folder / "dkim.key"
        openssl("genrsa", "-out", key, "2048")
        os.chmod(key, 0o600)
        public = openssl("pkey", "-in", key, "-pubout").decode().splitlines()[1:-1]
        self.dkim_record = ("v=DKIM1; k=rsa; s=tlsrpt; p=" + "".join(public)).encode()
        self.mta.reconfigure({
            "dns": {"servers": [f"127.0.0.1:{self.dns.port}"]},
            "delivery": {"smtp_port": self.port, "allow_private_mx": True,
                         "mta_sts_port": self.web.port},
            "route": [{"match": "collector.test", "deliver": self.collector.target}],
            "queue": {"retry": ["1h"], "jitter": 0},
            "tls_reports": {"organization": "Ours & Co.", "contact": "tls@ours.test",
                            "from": "reports@ours.test", "dkim_selector": "sel",
                            "dkim_key": key, "spread": "0s"}})
        self.mta.environment["SSL_CERT_FILE"] = authority.trust

    def let_days_pass(self, days):
        """While it is stopped: what lies in its folder grows older."""
        lines = tally(self.mta)
        with open(self.folder("tally.jsonl"), "w", encoding="ascii") as file:
            for line in lines:
                file.write(json.dumps({**line, "day": line["day"] - days}) + "\n")
        for path in self.letters():
            with open(path, encoding="ascii") as file:
                letter = json.load(file)
            with open(path, "w", encoding="ascii") as file:
                json.dump({**letter, "made": letter["made"] - days * DAY * 1000}, file)

    def submit(self, to):
        with SmtpClient(self.mta.port) as client:
            self.assertEqual(250, client.mail("a@ours.test", [to], message())[0])

    def send_all(self):
        for name in ("good", "clear", "quiet"):
            self.submit(f"u@{name}.test")
        self.submit("u@stranger.test")
        for name, sink in (("good", 0), ("clear", 2), ("quiet", 2)):
            self.sinks[sink].wait_delivered(f"u@{name}.test")
        wait_until(lambda: "certificate" in str(self.mta.unsettled().get("u@stranger.test")), 20,
                   lambda: f"the refusal in {self.mta.queue()}")

    def folder(self, name=""):
        return os.path.join(str(self.mta.folder / "spool-reports"), name)

    def letters(self):
        return glob.glob(self.folder("*.letter"))

    def received(self, address):
        """(the mail, its report) as a program of the receiver sees them."""
        [delivered] = self.collector.wait_delivered(address)
        content = delivered.content
        mail = message_from_bytes(content, policy=email_policy.default)
        self.assertEqual("multipart/report", mail.get_content_type())
        self.assertEqual("tlsrpt", mail.get_param("report-type"))
        text, report = mail.iter_parts()
        self.assertEqual(("text/plain", "application/tlsrpt+gzip"),
                         (text.get_content_type(), report.get_content_type()))
        self.assertTrue(dkim.verify(content, tlsrpt=True, dnsfunc=lambda name, timeout=5: {
            b"sel._domainkey.ours.test.": self.dkim_record}[name]))
        return mail, report, json.loads(gzip.decompress(report.get_payload(decode=True)))

    def test_a_day_and_its_reports(self):
        self.mta.start()
        self.send_all()
        day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - DAY))
        self.mta.stop()
        self.assertEqual({"good.test", "stranger.test", "clear.test", "quiet.test"},
                         {line["domain"] for line in tally(self.mta)})
        self.let_days_pass(1)
        self.web.answers["reports.clear.test"] = (201, "text/html", b"thanks")
        self.mta.start()

        mail, part, report = self.received("tls+good@collector.test")
        self.assertEqual("reports@ours.test", mail["From"])
        self.assertEqual("good.test", mail["TLS-Report-Domain"])
        self.assertEqual("ours.test", mail["TLS-Report-Submitter"])
        self.assertRegex(mail["Subject"], r"^Report Domain: good\.test Submitter: ours\.test Report-ID: <.+>$")
        self.assertRegex(part.get_filename(), r"^ours\.test!good\.test!\d+!\d+\.json\.gz$")
        self.assertEqual(("Ours & Co.", "tls@ours.test"),
                         (report["organization-name"], report["contact-info"]))
        self.assertEqual(f"{day}T00:00:00Z", report["date-range"]["start-datetime"])
        [entry] = report["policies"]
        self.assertEqual({"policy-type": "sts", "policy-domain": "good.test", "mx-host": ["*.good.test"],
                          "policy-string": ["version: STSv1", "mode: enforce", "mx: *.good.test",
                                            "max_age: 86400"]}, entry["policy"])
        self.assertEqual({"total-successful-session-count": 1, "total-failure-session-count": 0},
                         entry["summary"])

        _, _, report = self.received("tls@collector.test")
        [entry] = report["policies"]
        [failure] = entry["failure-details"]
        self.assertEqual(("certificate-not-trusted", "mx.stranger.test", STRANGER),
                         (failure["result-type"], failure["receiving-mx-hostname"], failure["receiving-ip"]))
        self.assertIn("self-signed", failure["failure-reason-code"].replace("self signed", "self-signed"))
        self.assertEqual(failure["failed-session-count"], entry["summary"]["total-failure-session-count"])

        [(path, kind, body)] = wait_until(lambda: self.web.posted.get("reports.clear.test"), 20, "the report")
        self.assertEqual(("/v1?d=clear", "application/tlsrpt+gzip"), (path, kind))
        posted = json.loads(gzip.decompress(body))
        [entry] = posted["policies"]
        self.assertEqual({"policy-type": "no-policy-found", "policy-domain": "clear.test"}, entry["policy"])
        self.assertEqual("starttls-not-supported", entry["failure-details"][0]["result-type"])
        self.assertEqual(posted, self.received("clear@collector.test")[2])
        wait_until(lambda: not self.letters(), 20, "an empty drawer")
        wait_until(lambda: len(self.mta.events("tls_report_sent")) == 4, 20, "four events")
        # Who gets reports of quiet.test? Nobody; and reports are not reported.
        self.mta.stop()
        self.assertEqual([], [line for line in tally(self.mta) if line["domain"] in ("quiet.test", "collector.test")
                              or line["day"] == int(time.time() // DAY)])

    def test_what_is_not_taken_waits_and_survives(self):
        self.mta.start()
        self.submit("u@clear.test")
        self.sinks[2].wait_delivered("u@clear.test")
        self.mta.stop()
        self.let_days_pass(1)
        self.web.answers["reports.clear.test"] = (503, "text/plain", b"later")
        self.mta.start()
        event = wait_until(lambda: self.mta.events("tls_report_waits"), 20, "a refusal")[0]
        self.assertEqual("HTTP status 503", event["reason"])
        self.received("clear@collector.test")
        self.mta.stop()
        self.assertEqual(1, len(self.letters()))
        self.web.answers["reports.clear.test"] = (200, "text/plain", b"thanks")
        self.mta.start()
        wait_until(lambda: not self.letters(), 20, "an empty drawer")
        self.assertEqual(2, len(self.web.posted["reports.clear.test"]))

    def test_given_up_after_a_day(self):
        self.mta.start()
        self.submit("u@clear.test")
        self.sinks[2].wait_delivered("u@clear.test")
        self.mta.stop()
        self.web.answers["reports.clear.test"] = (503, "text/plain", b"never")
        self.let_days_pass(1)
        self.mta.start()
        wait_until(lambda: self.mta.events("tls_report_waits"), 20, "a refusal")
        self.mta.stop()
        self.let_days_pass(1)
        self.mta.start()
        wait_until(lambda: self.mta.events("tls_report_given_up"), 20, "the end of it")
        self.assertEqual([], self.letters())

    def test_a_reload_loses_no_count_and_may_end_the_reports(self):
        self.mta.start()
        self.submit("u@clear.test")
        self.sinks[2].wait_delivered("u@clear.test")
        self.assertEqual(0, self.mta.cli("reload").returncode)
        self.submit("v@clear.test")
        self.sinks[2].wait_delivered("v@clear.test")
        self.mta.stop()
        counts = [line["count"] for line in tally(self.mta) if line["domain"] == "clear.test"]
        self.assertEqual(2, sum(counts))
        self.mta.reconfigure({"tls_reports": None})
        self.mta.start()
        self.assertEqual([], self.mta.pids_of("reporter"))

    def test_killed_under_way_it_counts_on(self):
        self.mta.start()
        [pid] = self.mta.pids_of("reporter")
        os.kill(pid, 9)
        self.submit("u@clear.test")
        self.sinks[2].wait_delivered("u@clear.test")
        wait_until(lambda: len([line for line in self.mta.events("peer_connected")
                                if line.get("name") == "reporter"]) == 2, 60, "another reporter")
        self.mta.stop()
        self.assertEqual(["clear.test"], [line["domain"] for line in tally(self.mta)])

    def test_servers_that_refuse_or_break_starttls(self):
        self.mta.start()
        for name, answer in (("one", "454 4.7.0 not now"), ("two", HANG_UP)):
            self.dns.zone[f"{name}.test"] = {"MX": [[10, "mx.good.test"]]}
            self.sinks[0].script["starttls"] = [answer]
            self.submit(f"u@{name}.test")
            self.sinks[0].wait_delivered(f"u@{name}.test")
        self.mta.stop()
        self.assertEqual({("one.test", "no-policy-found", "starttls-not-supported"),
                          ("two.test", "no-policy-found", "validation-failure")}, results(self.mta))

    def test_check_looks_at_the_key(self):
        with open(self.mta.folder / "dkim.key", "w", encoding="ascii") as file:
            file.write("-----BEGIN NONSENSE-----\n")
        result = self.mta.cli("check")
        self.assertEqual(78, result.returncode)
        self.assertRegex(result.stdout + result.stderr, r"toml:\d+:\d+: .*dkim\.key: there is no private key in it")
        self.mta.reconfigure({"tls_reports": {"dkim_key": None, "dkim_selector": None}})
        result = self.mta.cli("check")
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertTrue(re.search("not signed", result.stdout + result.stderr))


if __name__ == "__main__":
    main()
