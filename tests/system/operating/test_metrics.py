"""What Prometheus is told, by a process that may do nothing else; /healthz and /readyz."""

import json
import os
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request

from certificates import openssl
from postwain_harness import SOURCE, PostwainTestCase, main
from dns_server import DnsServer
from mail_content import message
from resources import Folder, reserve_port, wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

SAMPLE = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)$')


class Metrics(PostwainTestCase):
    def begin(self, **more):
        self.port = reserve_port()
        self.sink = self.closing(SmtpSink(script={"rcpt": {"no@a.test": "550 5.1.1 no",
                                                           "later@a.test": "450 4.2.0 later"}}))
        self.store = self.closing(SmtpSink(lmtp=True))
        self.mta = self.start({
            "metrics": {"address": f"127.0.0.1:{self.port}"}, "queue": {"retry": ["1h"]},
            "route": [{"match": ["a.test", "sender.test"], "deliver": self.sink.target},
                      {"match": "store.test", "deliver": self.store.target}], **more})
        wait_until(lambda: self.get("/healthz")[0] == 200, 10, "the metrics process")

    def get(self, path, port=None):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port or self.port}{path}",
                                        timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def samples(self):
        """{"name{labels}": value}"""
        code, page = self.get("/metrics")
        self.assertEqual(200, code, page)
        found = {}
        for line in page.splitlines():
            if line.startswith("#"):
                continue
            match = SAMPLE.match(line)
            self.assertTrue(match, line)
            found[match[1] + (f"{{{match[2]}}}" if match[2] else "")] = float(match[3])
        return found

    def test_clients_are_counted(self):
        users = self.closing_file("users", "anna:{PLAIN}secret\n")
        self.begin(auth={"users_file": users, "failure_delay": "10ms"},
                   domain=[{"name": "a.test", "recipients": ["yes"]}],
                   access={"trusted_networks": ["127.0.0.9/32"]}, limits={"message_size": "10KiB"})
        self.mta.reconfigure({"listener": [{**self.mta.config["listener"][0], "auth": True,
                                            "auth_without_tls": True}]})
        self.assertEqual(0, self.mta.cli("reload").returncode)

        def offers_login():
            with SmtpClient(self.mta.port) as client:
                return "AUTH" in client.command("EHLO client.test")[1]
        wait_until(offers_login, 10, "the new receivers")
        with SmtpClient(self.mta.port) as client:
            self.assertEqual(250, client.mail("x@sender.test", ["yes@a.test"], message())[0])
            self.assertEqual(250, client.command("MAIL FROM:<x@sender.test>")[0])
            self.assertEqual(550, client.command("RCPT TO:<nobody@a.test>")[0])
            self.assertEqual(550, client.command("RCPT TO:<x@far.test>")[0])
            client.command("RSET")
            self.assertEqual(552, client.mail("x@sender.test", ["yes@a.test"], message("l", (b"x" * 70 + b"\r\n") * 9000))[0])
            self.assertEqual(535, client.command("AUTH PLAIN AGFubmEAd3Jvbmc=")[0])
            self.assertEqual(235, client.command("AUTH PLAIN AGFubmEAc2VjcmV0")[0])
            wait_until(lambda: self.samples()["postwain_sessions"] == 1, 15, "one session is open")
        want = {'postwain_refused_total{stage="rcpt"}': 2, 'postwain_refused_total{stage="content"}': 1,
                'postwain_refused_total{stage="mail"}': 0, 'postwain_logins_total{result="ok"}': 1,
                'postwain_logins_total{result="failed"}': 1, "postwain_sessions": 0}
        wait_until(lambda: all(self.samples()[name] == value for name, value in want.items()), 15,
                   lambda: {name: self.samples()[name] for name in want})
        found = self.samples()
        self.assertGreaterEqual(found["postwain_sessions_total"], 1)
        self.assertGreaterEqual(found['postwain_client_replies_total{class="2xx"}'], 10)
        self.assertGreaterEqual(found['postwain_client_replies_total{class="3xx"}'], 1)
        self.assertEqual(4, found['postwain_client_replies_total{class="5xx"}'])

    def closing_file(self, name, text):
        folder = Folder()
        self.addCleanup(folder.remove)
        os.chmod(folder / "", 0o755)
        return folder.file(name, text)

    def test_authentication_signatures_and_rewritten_senders_are_counted(self):
        key = self.closing_file("key", openssl("genpkey", "-algorithm", "ed25519").decode())
        secret = self.closing_file("secret", "a secret of this test\n")
        dns = self.closing(DnsServer({
            "far.test": {"TXT": ["v=spf1 ip4:127.0.0.9 -all"], "A": ["127.0.0.9"]},
            "_dmarc.far.test": {"TXT": ["v=DMARC1; p=reject; rua=mailto:r@far.test"]}}))
        self.begin(domain=[{"name": "a.test"}], dns={"servers": [f"127.0.0.1:{dns.port}"]},
                   access={"trusted_networks": ["127.0.0.10/32"]},
                   addresses={"virtual": [self.closing_file("virtual", "away@a.test x@else.test\n")]},
                   route=[{"match": "*", "deliver": self.closing(SmtpSink()).target}],
                   authentication={"dmarc": "refuse"}, srs={"domain": "srs.test", "secrets": [f"file:{secret}"]},
                   dkim_key=[{"domain": "a.test", "selector": "s", "key": key}],
                   dmarc_reports={"from": "dmarc@a.test", "organization": "A", "contact": "post@a.test"})
        letter = message(sender="bob@far.test", to="away@a.test")
        for source, code in (("127.0.0.9", 250), ("127.0.0.66", 550)):
            with SmtpClient(self.mta.port, source=source, hello="host.far.test") as client:
                self.assertEqual(code, client.mail("bob@far.test", ["away@a.test"], letter)[0])
        ours = message(sender="ann@a.test", to="x@else.test")
        with SmtpClient(self.mta.port, source="127.0.0.10") as client:
            self.assertEqual(250, client.mail("ann@a.test", ["x@else.test"], ours)[0])
        with SmtpClient(self.mta.port, source="127.0.0.66") as client:
            client.command("MAIL FROM:<>")
            self.assertEqual(550, client.command("RCPT TO:<SRS0=AAAA=AA=far.test=bob@srs.test>")[0])
        results, actions = "postwain_authentication_results_total", "postwain_authentication_actions_total"
        want = {results + '{method="spf",result="pass"}': 1, results + '{method="spf",result="fail"}': 1,
                results + '{method="spf_helo",result="none"}': 2, results + '{method="dkim",result="none"}': 2,
                results + '{method="dmarc",result="pass"}': 1, results + '{method="dmarc",result="fail"}': 1,
                actions + '{cause="none",action="accept"}': 1, actions + '{cause="dmarc",action="refuse"}': 1,
                actions + '{cause="spf",action="refuse"}': 0,
                'postwain_srs_rewritten_total{result="rewritten"}': 1,
                'postwain_srs_rewritten_total{result="kept"}': 0,
                'postwain_srs_returns_total{result="forged"}': 1,
                'postwain_srs_returns_total{result="accepted"}': 0,
                'postwain_signing_attempts_total{result="signed"}': 1,
                'postwain_signing_attempts_total{result="no_key"}': 0,
                'postwain_reported_results_total{topic="dmarc"}': 2,
                'postwain_reports_total{topic="dmarc",result="sent"}': 0,
                'postwain_reports_waiting{topic="dmarc"}': 0}
        wait_until(lambda: all(self.samples().get(name) == value for name, value in want.items()), 30,
                   lambda: {name: (self.samples().get(name), value) for name, value in want.items()})
        self.assertNotIn('postwain_reports_waiting{topic="tls"}', self.samples())

    def test_mail_is_counted(self):
        self.begin()
        with SmtpClient(self.mta.port) as client:
            code, _ = client.mail("alice@sender.test", ["yes@a.test", "no@a.test", "later@a.test",
                                                        "x@store.test"], message())
            self.assertEqual(250, code)
        self.sink.wait_delivered("alice@sender.test")  # the bounce
        wait_until(lambda: self.samples()["postwain_notices_total{action=\"failed\"}"] == 1, 10,
                   "the bounce is counted")
        wait_until(lambda: self.mta.status()["queue"]["recipients"] == 1, 10, "one is left")
        found = self.samples()
        for name, value in {
                "postwain_accepted_messages_total": 1, "postwain_accepted_recipients_total": 4,
                "postwain_queue_messages": 1, "postwain_queue_recipients": 1,
                'postwain_smtp_outcomes_total{outcome="delivered"}': 2,
                'postwain_smtp_outcomes_total{outcome="deferred"}': 1,
                'postwain_smtp_outcomes_total{outcome="failed"}': 1,
                'postwain_lmtp_outcomes_total{outcome="delivered"}': 1,
                'postwain_replies_total{class="2xx"}': 3, 'postwain_replies_total{class="4xx"}': 1,
                'postwain_replies_total{class="5xx"}': 1,
                'postwain_delivered_tls_total{tls="none"}': 3,
                "postwain_accept_seconds_count": 1, "postwain_attempt_seconds_count": 5,
                "postwain_queue_wait_seconds_count": 5, "postwain_accepting": 1,
                'postwain_attempt_seconds_bucket{le="+Inf"}': 5,
                'postwain_agents{pool="smtp"}': 1}.items():
            self.assertEqual(value, found[name], name)
        waiting = {labels: value for labels, value in found.items()
                   if labels.startswith("postwain_queue_waiting") and value}
        self.assertEqual([1], list(waiting.values()))
        for label in ('class="interactive"', 'state="deferred"', f'route="smtp:[127.0.0.1]:{self.sink.port}"'):
            self.assertIn(label, *waiting)
        self.assertGreaterEqual(found["postwain_commit_seconds_count"], 1)
        self.assertEqual(3, found['postwain_stage_seconds_count{stage="local"}'])
        self.assertEqual(3, found['postwain_stage_seconds_count{stage="final_reply"}'])
        self.assertEqual(0, found['postwain_stage_seconds_count{stage="tls"}'])
        for process in ("qmgr", "smtpd[0]", "metrics", "supervisor"):
            self.assertGreater(found[f'postwain_process_resident_bytes{{process="{process}"}}'], 1e6)

    def test_what_waits_is_counted_by_state_also_over_a_restart(self):
        self.begin()

        def waiting():
            sums = {}
            for name, value in self.samples().items():
                state = re.match(r'postwain_queue_waiting{.*state="(\w+)"', name)
                if state and value:
                    sums[state[1]] = sums.get(state[1], 0) + value
            return sums
        with SmtpClient(self.mta.port) as client:
            for _ in range(3):
                self.assertEqual(250, client.mail("alice@sender.test", ["later@a.test"], message())[0])
        wait_until(lambda: waiting() == {"deferred": 3}, 10, waiting)
        found = json.loads(self.mta.cli("queue", "stats", "--json").stdout)
        self.assertEqual({"queued": 0, "deferred": 3, "held": 0}, found["states"])
        self.assertTrue(found["oldest"].startswith("20"), found["oldest"])
        self.mta.cli("queue", "hold", "--all")
        self.assertEqual({"held": 3}, waiting())
        self.mta.stop()
        self.mta.start()
        wait_until(lambda: self.get("/healthz")[0] == 200, 10, "the metrics process")
        wait_until(lambda: waiting() == {"held": 3}, 10, waiting)
        wait_until(lambda: self.samples()["postwain_queue_oldest_seconds"] > 0, 10, "its age")
        self.mta.cli("queue", "release", "--all")
        wait_until(lambda: waiting() == {"deferred": 3}, 10, waiting)
        self.mta.cli("queue", "cancel", "--all")
        wait_until(lambda: waiting() == {}, 10, waiting)
        self.assertEqual(0, self.samples()["postwain_queue_oldest_seconds"])

    def test_promtool_and_the_manual_know_the_names(self):
        key = self.closing_file("key", openssl("genpkey", "-algorithm", "ed25519").decode())
        secret = self.closing_file("secret", "a secret of this test\n")
        self.begin(filter=[{"name": "one", "socket": "127.0.0.1:9"}], dns_list=[{"zone": "zen.test"}],
                   dkim_key=[{"domain": "a.test", "selector": "s", "key": key}],
                   authentication={}, srs={"domain": "srs.test", "secrets": [f"file:{secret}"]},
                   dmarc_reports={"from": "dmarc@a.test", "organization": "A", "contact": "post@a.test"},
                   tls_reports={"from": "tls@a.test", "organization": "A", "contact": "post@a.test"})
        page = self.get("/metrics")[1]
        names = set(re.findall(r"^# TYPE (\w+) ", page, re.MULTILINE))
        with open(os.path.join(SOURCE, "man", "postwain-metrics.7"), encoding="utf-8") as file:
            manual = set(re.findall(r"^\.It Li (\w+)", file.read(), re.MULTILINE))
        # Where several machines share the queue.
        with open(os.path.join(SOURCE, "qmgr", "control", "metrics", "cluster_part.cc"), encoding="utf-8") as file:
            names |= set(re.findall(r'"(postwain_cluster_\w+)"', file.read()))
        self.assertEqual(names, manual)
        with open(os.path.join(SOURCE, "etc", "grafana-postwain.json"), encoding="utf-8") as file:
            board = json.load(file)
        used = {name for panel in board["panels"] for target in panel["targets"]
                for name in re.findall(r"postwain_\w+", target["expr"])}
        self.assertGreater(len(used), 12)
        self.assertEqual(set(), {re.sub("_(bucket|sum)$", "", name) for name in used} - names)
        promtool = shutil.which("promtool")
        self.assertTrue(promtool, "package prometheus is in packages.debian")
        checked = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True,
                                 text=True, check=False)
        self.assertEqual((0, ""), (checked.returncode, checked.stdout + checked.stderr))

    def test_health(self):
        self.begin()
        self.assertEqual((200, "ok\n"), self.get("/readyz"))
        self.assertEqual(404, self.get("/")[0])
        answer = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-d", "x",
                                 f"http://127.0.0.1:{self.port}/metrics"], capture_output=True,
                                text=True, check=False)
        self.assertEqual("405", answer.stdout)
        qmgr = next(p["pid"] for p in self.mta.status()["processes"] if p["name"] == "qmgr")
        os.kill(qmgr, signal.SIGSTOP)
        try:
            self.assertEqual(503, self.get("/healthz")[0])
        finally:
            os.kill(qmgr, signal.SIGCONT)
        wait_until(lambda: self.get("/healthz")[0] == 200, 10, "healthy again")

    def test_its_death_and_a_port_that_is_taken_stop_no_mail(self):
        self.begin()
        metrics = next(p["pid"] for p in self.mta.status()["processes"] if p["name"] == "metrics")
        os.kill(metrics, signal.SIGKILL)
        wait_until(lambda: self.get("/healthz")[0] == 200, 15, "a new metrics process")
        self.mta.stop()
        taken = self.closing(SmtpSink())
        self.mta.reconfigure({"metrics": {"address": f"127.0.0.1:{taken.port}"}})
        self.mta.start()
        with SmtpClient(self.mta.port) as client:
            self.assertEqual(250, client.mail("a@sender.test", ["u@a.test"], message())[0])
        self.sink.wait_delivered("u@a.test")
        wait_until(lambda: self.mta.has_event("cannot_listen"), 10, "the reason in the log")

    def test_reload_moves_it(self):
        self.begin()
        other = reserve_port()
        self.mta.reconfigure({"metrics": {"address": f"127.0.0.1:{other}"}})
        self.assertEqual(0, self.mta.cli("reload").returncode)
        wait_until(lambda: self.get("/healthz", other)[0] == 200, 15, "the new port")
        wait_until(lambda: self.get("/healthz")[0] == 0, 15, "the old port is closed")


if __name__ == "__main__":
    main()
