"""`postwain filter check` and `postwain filter test`: the filters are tried, and nothing comes of it."""

import http.server
import json
import smtplib
import struct
import threading

from postwain_harness import PostwainTestCase, main
from dns_server import DnsServer
from milter_server import MilterServer, packet, texts
from policy_server import PolicyServer
from resources import reserve_port, wait_until
from smtp_sink import SmtpSink

MESSAGE = "Subject: hello\nX-Old: 1\n\nbody\n"


class FilterTrial(PostwainTestCase):
    def prepare_with(self, script, rules=(), **keys):
        self.milter = self.closing(MilterServer(script))
        self.sink = self.closing(SmtpSink())
        return self.prepare({
            "filter": [{"name": "one", "socket": self.milter.address, **keys}],
            **({"content_rule": list(rules)} if rules else {}),
            "route": [{"match": "*", "deliver": self.sink.target}]})

    def test_a_check_tells_what_a_filter_asks_for(self):
        mta = self.prepare_with(lambda command, data: packet("c"), may=["headers", "hold"])
        result = mta.cli("filter", "check", "--json")
        self.assertEqual(0, result.returncode, result.stderr)
        one = json.loads(result.stdout)["filters"][0]
        self.assertEqual(("one", "works"), (one["filter"], one["state"]))
        self.assertEqual(["headers", "hold"], [word for word in one["asks_for"] if word not in one["forbidden"]])
        self.assertIn("body", one["forbidden"])
        self.milter.stop()
        result = mta.cli("filter", "check")
        self.assertEqual(69, result.returncode)
        self.assertIn("FAILED, unreachable", result.stdout)

    def test_a_file_goes_through_the_chain_and_nothing_comes_of_it(self):
        answers = (packet("m", struct.pack(">I", 1) + texts("X-Old", "")) + packet("h", texts("X-New", "1"))
                   + packet("+", texts("<new@example.net>")) + packet("b", b"other\n") + packet("c"))
        mta = self.prepare_with(lambda command, data: answers if command == "E" else packet("c"),
                                [{"field": "X-New", "pattern": "1", "action": "hold", "name": "seen"}],
                                may=["headers", "body", "recipients"])
        mta.folder.file("message", MESSAGE)
        result = mta.cli("filter", "test", mta.folder / "message", "--from", "a@example.org",
                         "--to", "b@example.net")
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        for line in ("one at end of message: accept, 4 edits", "verdict: accept", "held: content_rules: seen",
                     "recipient: +<new@example.net>", "\n Subject: hello\n-X-Old: 1\n+X-New: 1\n",
                     "body:\n-body\n+other\n"):
            self.assertIn(line, result.stdout)
        self.assertEqual([b"<a@example.org>\0"], self.milter.data_of("M"))
        self.assertEqual([], self.sink.messages)

    def test_a_refusal_is_told_with_its_words(self):
        mta = self.prepare_with(lambda command, data: packet("y", texts("550 5.1.1 nobody here"))
                                if command == "R" else packet("c"))
        mta.folder.file("message", MESSAGE)
        result = mta.cli("filter", "test", mta.folder / "message", "--to", "b@example.net", "--json")
        self.assertEqual(1, result.returncode, result.stderr)
        self.assertEqual([{"stage": "RCPT", "filter": "one", "verdict": "refuse", "reply": "550 5.1.1 nobody here"}],
                         json.loads(result.stdout)["answers"])

    def test_a_message_of_the_queue_is_tested_and_stays_there(self):
        mta = self.prepare_with(lambda command, data: packet("q", texts("odd")) + packet("c")
                                if command == "E" else packet("c"))
        mta.start()
        with smtplib.SMTP("127.0.0.1", mta.port, "its.hello.example", timeout=30) as client:
            client.sendmail("a@example.org", ["b@example.net"], MESSAGE.replace("\n", "\r\n").encode())
        held = wait_until(lambda: mta.queue(), 20, "the held message")[0]
        result = mta.cli("filter", "test", held["id"])
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        self.assertIn("held: one: odd", result.stdout)
        self.assertEqual("held", mta.queue()[0]["recipients"][0]["state"])
        self.assertEqual(b"<a@example.org>\0", self.milter.data_of("M")[-1][:16])
        # As it came: from there, with that hello.
        self.assertEqual(b"its.hello.example\0", self.milter.data_of("H")[-1])
        self.assertIn(b"127.0.0.1", self.milter.data_of("C")[-1])


class PlayedRspamd:
    """A worker of Rspamd: says pong, and the same of every message; garbage where that is bytes."""

    def __init__(self, said):
        self.questions = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def version_string(self):
                return "rspamd/9.9"

            def do_GET(self):
                self.answer(200 if self.path == "/ping" else 404, b"pong\r\n")

            def do_POST(self):
                message = b""
                while size := int(self.rfile.readline(), 16):
                    message += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                outer.questions.append((dict(self.headers), message))
                self.answer(200, said if isinstance(said, bytes) else json.dumps(said).encode())

            def answer(self, status, body):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = "127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class FilterCheck(PostwainTestCase):
    """Policy services, Rspamd and DNS lists, looked at without any mail."""

    def check(self, *filters, status, **more):
        """What is found, as JSON, and for people."""
        self.mta = self.prepare({"filter": [{"name": f"f{number}", **one} for number, one in enumerate(filters)],
                                 **more})
        result = self.mta.cli("filter", "check", "--json")
        self.assertEqual(status, result.returncode, result.stdout + result.stderr)
        shown = self.mta.cli("filter", "check")
        self.assertEqual(status, shown.returncode, shown.stderr)
        return json.loads(result.stdout), shown.stdout

    def policy(self, script, **more):
        self.service = self.closing(PolicyServer(script))
        return {"speak": "policy", "socket": self.service.address, **more}

    def test_a_policy_service_that_answers(self):
        said, shown = self.check(self.policy(lambda asked: "REJECT go away", stage=["rcpt", "data"], may=["defer"]),
                                 status=0)
        [one] = said["filters"]
        self.assertEqual(("works", ["RCPT", "DATA"]), (one["state"], [answer["stage"] for answer in one["answers"]]))
        self.assertEqual({"refuse"}, {answer["not_allowed"] for answer in one["answers"]})
        self.assertIn("RCPT           refuse 554 5.7.1 go away, ", shown)
        self.assertIn("which its may does not grant: refuse", shown)
        for asked in self.service.got:
            self.assertEqual(("", "192.0.2.1", "client.invalid", "smtpd_access_policy"),
                             (asked["sender"], asked["client_address"], asked["helo_name"], asked["request"]))
        self.assertEqual(["RCPT", "DATA"] * 2, self.service.states())
        instances = [asked["instance"] for asked in self.service.got]
        self.assertEqual(2, len(set(instances)), "one for each check")

    def test_policy_services_that_cannot_be_used(self):
        for script, failure, words in ((lambda asked: "SURPRISE", "protocol", "its action is none: SURPRISE"),
                                       (lambda asked: b"220 smtp ready\r\n", "protocol", "not made of name=value"),
                                       (lambda asked: "close", "closed", "it closed the connection"),
                                       (lambda asked: None, "late", "does not answer in time")):
            with self.subTest(words):
                said, shown = self.check(self.policy(script, timeout={"reply": "300ms"}), status=69)
                self.assertEqual(("failed", failure), (said["filters"][0]["state"], said["filters"][0]["failure"]))
                self.assertRegex(shown, f"f0 at .*: FAILED at RCPT, {failure}: .*{words}")

    def test_an_answer_that_cannot_be_done(self):
        said, shown = self.check(self.policy(lambda asked: "FILTER smtp:[192.0.2.1]:25"), status=69)
        self.assertEqual("mistake", said["filters"][0]["answers"][0]["action"])
        self.assertIn("FAILED, what it answers cannot be done\n  RCPT           mistake FILTER: ", shown)

    def test_rspamd(self):
        worker = self.closing(PlayedRspamd({"action": "add header", "score": 6.5, "required_score": 15}))
        said, shown = self.check({"speak": "rspamd", "socket": worker.address}, status=0)
        [one] = said["filters"]
        self.assertEqual(("works", "pong", "rspamd/9.9", "add header", 6.5),
                         (one["state"], one["ping"], one["server"], one["action"], one["score"]))
        self.assertIn("works, rspamd/9.9, add header, score 6.5/15, ", shown)
        headers, message = worker.questions[0]
        self.assertEqual(("<>", "192.0.2.1"), (headers["From"], headers["IP"]))
        self.assertIn(b"\r\nSubject: a check\r\n", message)

    def test_rspamd_that_cannot_be_used(self):
        worker = self.closing(PlayedRspamd(b"<html>"))
        said, shown = self.check({"speak": "rspamd", "socket": worker.address},
                                 {"speak": "rspamd", "socket": f"127.0.0.1:{reserve_port()}"}, status=69)
        self.assertEqual(["protocol", "unreachable"], [one["failure"] for one in said["filters"]])
        self.assertIn("its answer is not that of Rspamd", shown)

    def test_dns_lists_are_tested_once_and_no_zone_is_told(self):
        dns = self.closing(DnsServer({"2.0.0.127.s3cret.zen.test": {"A": ["127.0.0.2"]},
                                      **{f"{one}.0.0.127.all.test": {"A": ["127.0.0.2"]} for one in (1, 2)}}))
        lists = [{"zone": "s3cret.zen.test", "label": "zen"}, {"zone": "all.test", "label": "all"}]
        said, shown = self.check(dns={"servers": [f"127.0.0.1:{dns.port}"]}, dns_list=lists, status=69)
        self.assertEqual([("zen", "works", "good"), ("all", "failed", "lists_all")],
                         [(one["list"], one["state"], one["health"]) for one in said["dns_lists"]])
        self.assertRegex(shown, "list zen: works, [0-9]+ ms\nlist all: FAILED, it lists everything, ")
        self.assertNotIn("s3cret", json.dumps(said) + shown)


if __name__ == "__main__":
    main()
