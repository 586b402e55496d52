"""`postwain check --dns`: what the DNS lacks for our host and our domains, and what to publish."""

import json
import os
import re
import socket
import subprocess
import threading
import time

from postwain_harness import PostwainTestCase, main
from certificates import Authority
from dns_server import DnsServer
from web_server import WebServer

HOST, DOMAIN, ADDRESS = "mx.us.test", "us.test", "192.0.2.1"
POINTER = "1.2.0.192.in-addr.arpa"
POLICY = "version: STSv1\r\nmode: enforce\r\nmx: {}\r\nmax_age: 86400\r\n"


def good_zone():
    return {HOST: {"A": [ADDRESS], "TXT": ["v=spf1 a -all"]},
            POINTER: {"PTR": [HOST]},
            DOMAIN: {"MX": [[10, HOST]], "TXT": ["something else", f"v=spf1 ip4:{ADDRESS} -all"]},
            f"_dmarc.{DOMAIN}": {"TXT": [f"v=DMARC1; p=reject; rua=mailto:d@{DOMAIN}"]},
            f"_mta-sts.{DOMAIN}": {"TXT": ["v=STSv1; id=1;"]},
            f"mta-sts.{DOMAIN}": {"A": ["127.0.0.1"]},
            f"_smtp._tls.{DOMAIN}": {"TXT": [f"v=TLSRPTv1; rua=mailto:t@{DOMAIN}"]}}


class CheckDns(PostwainTestCase):
    def setUp(self):
        self.mta = self.prepare({"hostname": HOST, "postmaster": None,
                                 "domain": [{"name": DOMAIN, "recipients": "any"}]})
        authority = Authority(self.mta.folder)
        self.mta.environment["SSL_CERT_FILE"] = authority.trust
        self.web = self.closing(WebServer(*authority.issue(f"mta-sts.{DOMAIN}")))
        self.policy_names(HOST)
        self.dns = self.closing(DnsServer(good_zone()))
        self.mta.reconfigure({"dns": {"servers": [f"127.0.0.1:{self.dns.port}"]},
                              "delivery": {"mta_sts_port": self.web.port}})

    def policy_names(self, host):
        self.web.answers[f"mta-sts.{DOMAIN}"] = (200, "text/plain", POLICY.format(host).encode())

    def check(self, *words, code=0):
        """The findings, each (level, text, line to publish or None) by (about, what)."""
        result = self.cli("check", "--dns", "--json", *words)
        self.assertEqual(code, result.returncode, result.stdout + result.stderr)
        answer = json.loads(result.stdout)
        self.assertEqual(code == 0, answer["ok"])
        found = {}
        for one in answer["dns"]:
            found.setdefault((one["about"], one["what"]), []).append(
                (one["level"], one["text"], one.get("publish")))
        return found

    def cli(self, *words):
        """With the environment of the instance, where its trust store is."""
        return subprocess.run([os.path.join(self.mta.binaries, "postwain"), *words, "--config",
                               self.mta.config_path], capture_output=True, text=True, timeout=120,
                              check=False, env=self.mta.environment)

    def changed(self, about, what, records, name=None, code=1):
        """The findings of one kind with other records at a name; None: it is not there."""
        name = name or about
        before = self.dns.zone.get(name)
        if records is None:
            self.dns.zone.pop(name, None)
        else:
            self.dns.zone[name] = records
        found = self.check(code=code)
        self.dns.zone.pop(name, None)
        if before is not None:
            self.dns.zone[name] = before
        return found[about, what]

    def test_all_is_well(self):
        found = self.check()
        self.assertEqual({"ok"}, {level for list_ in found.values() for level, _, _ in list_
                                  } - {"advice"})
        for about, what in ((HOST, "host"), (ADDRESS, "ptr"), (HOST, "spf"), (DOMAIN, "mx"),
                            (DOMAIN, "spf"), (DOMAIN, "dmarc"), (DOMAIN, "mta-sts"), (DOMAIN, "tlsrpt")):
            self.assertEqual(["ok"], [level for level, _, _ in found[about, what]], (about, what))
        self.assertEqual([("advice", f"its mail is not signed here: postwain dkim new {DOMAIN} --add", None)],
                         found[DOMAIN, "dkim"])

    def test_as_text(self):
        del self.dns.zone[POINTER]
        result = self.cli("check", "--dns")
        self.assertEqual(1, result.returncode)
        self.assertIn("the configuration is good", result.stdout)
        self.assertRegex(result.stdout, rf"(?m)^error +{ADDRESS} ptr: it has no name")
        self.assertIn(f"publish: {POINTER}. IN PTR {HOST}.", result.stdout)
        self.assertIn("1 finding in the DNS worse than advice", result.stderr)

    def test_what_is_to_be_published_mends_it(self):
        """Each line that is told is put into the zone, until nothing is told that is worse than advice."""
        self.dns.zone.clear()
        self.dns.zone[HOST] = {"A": [ADDRESS]}
        self.assertIn((DOMAIN, "spf"), self.check("--address", ADDRESS, code=1))
        for _ in range(3):
            result = json.loads(self.cli("check", "--dns", "--json").stdout)
            for line in filter(None, (one.get("publish") for one in result["dns"])):
                name, kind, data = re.fullmatch(r"(\S+)\. IN (\w+) (.*)", line).groups()
                value = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', data)) if kind == "TXT" else data.rstrip(".")
                if kind == "MX":
                    value = [10, data.split()[1]]
                self.dns.zone.setdefault(name, {})[kind] = [value]
            self.dns.zone[f"mta-sts.{DOMAIN}"] = {"A": ["127.0.0.1"]}
        self.assertTrue(result["ok"], result)
        self.assertFalse([one for one in result["dns"] if one["level"] == "error"])

    def test_our_host(self):
        self.assertEqual("error", self.changed(HOST, "host", None)[0][0])
        self.assertIn("could not be looked up", self.changed(HOST, "host", {"rcode": "SERVFAIL"})[0][1])
        pointers = (({"PTR": ["x.isp.test"]}, "error", "does not lead back"),
                    (None, "error", "no name"), ({"rcode": "SERVFAIL"}, "warning", "looked up"))
        for records, level, words in pointers:
            found = self.changed(ADDRESS, "ptr", records, POINTER)
            self.assertEqual(level, found[0][0])
            self.assertIn(words, found[0][1])
        self.dns.zone["x.isp.test"] = {"A": [ADDRESS]}
        self.assertEqual("advice", self.changed(ADDRESS, "ptr", {"PTR": ["x.isp.test"]}, POINTER, code=0)[0][0])

    def test_mail_hosts(self):
        for records, level, words in (
                ({}, "error", "no MX record"), ({"MX": [[0, "."]]}, "error", "takes no mail"),
                ({"MX": [[10, "gone.test"]]}, "error", "has no address"),
                ({"rcode": "SERVFAIL"}, "warning", "could not be looked up")):
            found = self.changed(DOMAIN, "mx", records)
            self.assertEqual(level, found[0][0], found)
            self.assertIn(words, found[0][1])
        self.dns.zone["other.test"] = {"A": ["192.0.2.77"]}
        self.policy_names("other.test")
        found = self.changed(DOMAIN, "mx", {"MX": [[10, "other.test"]], "TXT": ["v=spf1 mx:us.test -all"]})
        self.assertEqual(("advice", f"{DOMAIN}. IN MX 10 {HOST}."), found[0][::2])

    def test_spf(self):
        for texts, level, words in (
                ([], "warning", "there is no SPF record"),
                (["v=spf1 -all", "v=spf1 mx -all"], "error", "there are 2 SPF records"),
                (["v=spf1 ip4:300.1.1.1 -all"], "error", "receivers refuse the record"),
                (["v=spf1 ip4:192.0.2.9 -all"], "error", "fail (-all)"),
                (["v=spf1 ip4:192.0.2.9 ~all"], "warning", "softfail (~all)"),
                ([f"v=spf1 redirect={DOMAIN}"], "error", "permerror")):
            found = self.changed(DOMAIN, "spf", {"MX": [[10, HOST]], "TXT": texts})
            self.assertEqual(level, found[0][0], found)
            self.assertIn(words, found[0][1])
        open_to_all = self.changed(DOMAIN, "spf", {"MX": [[10, HOST]], "TXT": ["v=spf1 +all"]})
        self.assertIn("it lets strangers pass", open_to_all[1][1])
        # Our own address is let through before the look-ups that are too many for others.
        for i in range(11):
            self.dns.zone[f"i{i}.test"] = {"TXT": ["v=spf1 ip4:192.0.2.99 ?all"]}
        many = " ".join(f"include:i{i}.test" for i in range(11))
        found = self.changed(DOMAIN, "spf", {"MX": [[10, HOST]],
                                             "TXT": [f"v=spf1 ip4:{ADDRESS} {many} -all"]})
        self.assertEqual(["ok", "error"], [level for level, _, _ in found])

    def test_addresses_and_domains_that_are_named(self):
        found = self.check("--address", "192.0.2.9", "--address", "2001:db8::9", code=1)
        texts = [text for _, text, _ in found[DOMAIN, "spf"]]
        self.assertEqual(["mail from 192.0.2.9: fail (-all)", "mail from 2001:db8::9: fail (-all)"], texts)
        self.assertIn(f"ip4:192.0.2.9 ip6:2001:db8::9 ip4:{ADDRESS}", found[DOMAIN, "spf"][0][2])
        self.assertNotIn((DOMAIN, "spf"), self.check("--domain", "else.test", code=1))
        for words in (["--address", "x"], ["--domain", "a..b"], ["--within", "1h"], ["--within", "x"]):
            self.assertEqual(64, self.cli("check", "--dns", *words).returncode, words)
        self.assertEqual(64, self.cli("check", "--address", ADDRESS).returncode)

    def test_keys(self):
        made = json.loads(self.mta.cli("dkim", "new", DOMAIN, "--algorithm", "ed25519", "--json").stdout)
        self.mta.reconfigure({"dkim_key": [{"domain": DOMAIN, "selector": made["selector"],
                                            "key": made["key_file"]}]})
        found = self.check(code=1)[DOMAIN, "dkim"]
        self.assertEqual(("error", made["publish"]), found[0][::2])
        self.dns.zone[made["record_name"]] = {"TXT": [made["record"]]}
        self.assertEqual("ok", self.check()[DOMAIN, "dkim"][0][0])

    def test_where_bounces_come_back_to(self):
        """The domain of [srs] needs an MX and an SPF record, and no key: it is in no From."""
        secret = self.mta.folder.file("srs.secret", "a secret that is long enough\n")
        self.mta.reconfigure({"srs": {"domain": "srs.us.test", "secrets": [f"file:{secret}"]}})
        found = self.check(code=1)
        self.assertEqual([("error", f"srs.us.test. IN MX 10 {HOST}.")],
                         [one[::2] for one in found["srs.us.test", "mx"]])
        self.assertEqual(f'srs.us.test. IN TXT "v=spf1 ip4:{ADDRESS} ~all"', found["srs.us.test", "spf"][0][2])
        self.assertNotIn(("srs.us.test", "dkim"), found)
        self.dns.zone["srs.us.test"] = {"MX": [[10, HOST]], "TXT": [f"v=spf1 ip4:{ADDRESS} -all"]}
        self.assertEqual("ok", self.check()["srs.us.test", "mx"][0][0])

    def test_no_address_of_ours_is_known(self):
        self.dns.zone[HOST]["A"] = ["10.0.0.1"]
        self.dns.zone[DOMAIN]["TXT"] = []
        level, text, publish = self.check(code=1)[DOMAIN, "spf"][0]
        self.assertEqual(("warning", None), (level, publish))
        self.assertIn("give --address", text)

    def test_dmarc(self):
        name = f"_dmarc.{DOMAIN}"
        for texts, level, words in (
                ([], "warning", "there is no record"), (["v=DMARC1; p=none"] * 2, "error", "there are 2"),
                (["v=dmarc1; p=none"], "error", "is no record"), (["v=DMARC1"], "error", "no valid p="),
                (["v=DMARC1; p=reject; rua=mailto:d@far.test"], "ok", "reject")):
            found = self.changed(DOMAIN, "dmarc", {"TXT": texts}, name)
            self.assertEqual(level, found[0][0], found)
            self.assertIn(words, found[0][1])
        self.assertEqual(("warning", f'{DOMAIN}._report._dmarc.far.test. IN TXT "v=DMARC1"'), found[1][::2])
        self.dns.zone[f"{DOMAIN}._report._dmarc.far.test"] = {"TXT": ["v=DMARC1"]}
        self.changed(DOMAIN, "dmarc", {"TXT": texts}, name, code=0)

    def test_sts_and_reports(self):
        self.policy_names("mx.far.test")
        self.assertIn("does not name the MX host", self.check(code=1)[DOMAIN, "mta-sts"][0][1])
        self.web.answers[f"mta-sts.{DOMAIN}"] = (404, "text/plain", b"")
        self.assertIn("cannot be fetched", self.check(code=1)[DOMAIN, "mta-sts"][0][1])
        self.policy_names(HOST)
        self.assertIn("no address", self.changed(DOMAIN, "mta-sts", None, f"mta-sts.{DOMAIN}")[0][1])
        self.assertIn("no place", self.changed(DOMAIN, "tlsrpt", {"TXT": ["v=TLSRPTv1; rua=x"]},
                                               f"_smtp._tls.{DOMAIN}")[0][1])

    def test_the_offline_check_asks_nobody(self):
        self.assertEqual(0, self.cli("check").returncode)
        self.assertEqual([], self.dns.questions)
        self.mta.reconfigure({"queue": {"nonsense": 1}})
        for words in ([], ["--json"]):
            self.assertEqual(78, self.cli("check", "--dns", *words).returncode)
        self.assertEqual([], self.dns.questions)

    def test_nobody_answers(self):
        self.mta.reconfigure({"dns": {"servers": ["127.0.0.1:9"]},
                              "domain": [{"name": [f"d{i}.test" for i in range(50)]}]})
        began = time.monotonic()
        result = self.cli("check", "--dns", "--within", "3s")
        self.assertLess(time.monotonic() - began, 20)
        self.assertEqual(1, result.returncode)
        self.assertIn("could not be looked up", result.stdout)

    def test_hostile_answers(self):
        """Huge ones, garbage, aliases in circles: there is an end, soon, and no control characters."""
        hostile = (
            {"TXT": ["v=spf1 " + "include:us.test " * 200] * 20, "MX": [[10, HOST]]},
            {"TXT": ["\x1b[2J\x00\x7f" * 50, "v=spf1 exists:%{l}%{d}.\x1b.test -all"], "MX": [[1, "\x1b.test"]]},
            {"CNAME": DOMAIN},
            {"TXT": ["x" * 60000], "MX": [[i, f"m{i}.test"] for i in range(500)], "A": [ADDRESS] * 300})
        for records in hostile:
            for name in (DOMAIN, HOST, POINTER, f"_dmarc.{DOMAIN}", f"_mta-sts.{DOMAIN}"):
                self.dns.zone[name] = records
            began = time.monotonic()
            result = self.cli("check", "--dns", "--within", "20s")
            self.assertLess(time.monotonic() - began, 40)
            self.assertEqual(1, result.returncode, result.stderr)
            self.assertNotRegex(result.stdout + result.stderr, r"[^\x20-\x7e\n]")
            self.assertLess(len(result.stdout), 100_000)

    def test_a_server_that_sends_garbage(self):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(server.close)
        server.bind(("127.0.0.1", 0))

        def answer():
            while True:
                try:
                    packet, peer = server.recvfrom(4096)
                    server.sendto(packet[:2] + b"\x85\x80\0\1\xff\xff\0\0\0\0" + packet[12:] + b"\xc0\x0c" * 200,
                                  peer)
                except OSError:
                    return

        threading.Thread(target=answer, daemon=True).start()
        self.mta.reconfigure({"dns": {"servers": [f"127.0.0.1:{server.getsockname()[1]}"]}})
        result = self.cli("check", "--dns", "--within", "10s")
        self.assertEqual(1, result.returncode, result.stdout)
        self.assertIn("could not be looked up", result.stdout)


if __name__ == "__main__":
    main()
