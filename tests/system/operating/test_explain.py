"""`postwain explain` says what the running server does, and which line decides; [[expect]] checks it."""

import json

from postwain_harness import PostwainTestCase, main
from dns_server import DnsServer
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

CONFIG = {
    "access": {"trusted_networks": ["127.0.0.2/32"]},
    "domain": [{"name": "our.test", "recipients": ["anna"]}],
    "rule": [{"sender": ["later.test"], "action": "defer", "text": "another day"}],
    "queue": {"retry": ["3m", "7h"]},
}
QUESTIONS = [  # client, sender, recipient
    ("127.0.0.1", "a@else.test", "anna@our.test"), ("127.0.0.1", "a@else.test", "bert@our.test"),
    ("127.0.0.1", "a@else.test", "x@far.test"), ("127.0.0.2", "a@else.test", "x@far.test"),
    ("127.0.0.1", "a@later.test", "anna@our.test"), ("127.0.0.1", "", "postmaster"),
    ("127.0.0.2", "a@else.test", "bert@our.test")]


def origin_of(steps, part):
    return next(step["origin"] for step in steps if part in step["what"])


class Explain(PostwainTestCase):
    def begin(self, **more):
        self.sink = self.closing(SmtpSink())
        self.dns = self.closing(DnsServer({
            "far.test": {"MX": [[20, "two.host.test"], [10, "one.host.test"]]},
            "one.host.test": {"A": ["192.0.2.1"]}, "two.host.test": {"A": ["192.0.2.2"]},
            "null.test": {"MX": [[0, "."]]}}))
        self.mta = self.prepare()
        self.mta.reconfigure({"dns": {"servers": [f"127.0.0.1:{self.dns.port}"]}, "route": [
            {"match": "our.test", "deliver": self.sink.target, "rate": "100/min",
             "sources": ["127.0.0.1"]},
            {"match": "few.test", "deliver": self.sink.target, "connections": 2, "in_flight": 5,
             "connection_rate": "30/min", "route_connections": 9}], **CONFIG, **more})

    def explain(self, *words):
        result = self.mta.cli("explain", *words, "--json")
        self.assertEqual(0, result.returncode, result.stderr)
        return json.loads(result.stdout)

    def line_of(self, text):
        with open(self.mta.config_path, encoding="utf-8") as file:
            return next(n for n, line in enumerate(file, 1) if text in line)

    def test_it_names_the_filters_that_are_asked(self):
        def filters(*words):
            steps = self.explain("anna@our.test", "--no-dns", *words)["steps"]
            return [step["what"] for step in steps if step["step"] == "filter"]

        self.begin(filter=[
            {"name": "spam", "socket": "127.0.0.1:11332"},
            {"name": "virus", "socket": "unix:/run/virus", "on": ["world", "submission"], "on_failure": "accept"},
            {"name": "signer", "socket": "signer.test:8891", "on": ["submission"], "mode": "watch"}])
        self.assertEqual(["spam at 127.0.0.1:11332 judges; without an answer the mail is put off",
                          "virus at unix:/run/virus judges; without an answer the mail goes on"], filters())
        self.assertEqual(["virus at unix:/run/virus judges; without an answer the mail goes on",
                          "signer at signer.test:8891 watches; without an answer the mail goes on"],
                         filters("--submission", "--client", "127.0.0.2"))
        refused = self.explain("bert@our.test", "--no-dns")["steps"]
        self.assertNotIn("filter", [step["step"] for step in refused])

    def test_it_says_what_the_server_does(self):
        self.begin()
        self.mta.start()
        for client, sender, recipient in QUESTIONS:
            with self.subTest(client=client, sender=sender, recipient=recipient):
                told = self.explain(recipient, "--client", client, "--from", sender or "<>",
                                    "--no-dns")
                with SmtpClient(self.mta.port, source=client) as session:
                    session.command("EHLO client.example")
                    code, text = session.command(f"MAIL FROM:<{sender}>")
                    if code == 250:
                        code, text = session.command(f"RCPT TO:<{recipient}>")
                self.assertEqual(told["reply"], f"{code} {text}")
                self.assertEqual(told["decision"], {2: "accept", 4: "defer", 5: "refuse"}[code // 100])

    def test_which_line_decides(self):
        self.begin()
        told = self.explain("bert@our.test")
        steps = {step["step"]: step for step in told["steps"]}
        self.assertIn(f":{self.line_of('[[domain]]')}:", steps["RCPT"]["origin"])
        self.assertIn(f":{self.line_of('[[route]]')}:", steps["route"]["origin"])
        told = self.explain("x@far.test", "--client", "127.0.0.2")
        self.assertIn(f":{self.line_of('trusted_networks')}:", told["steps"][0]["origin"])
        told = self.explain("anna@our.test", "--from", "a@later.test")
        self.assertIn(f":{self.line_of('[[rule]]')}:", told["steps"][1]["origin"])

    def test_each_bound_has_its_line(self):
        self.begin(limits={"connections_per_ip": 7, "client_messages": "9/min"})
        steps = self.explain("anna@our.test")["steps"]

        for part, text in [("7 connections of one address", "connections_per_ip"), ("9 per 1m messages", "client_messages"),
                           ("100 per 1m", "rate ="), ("again after 3m, 7h", "retry =")]:
            self.assertIn(f":{self.line_of(text)}:", origin_of(steps, part), part)
        for part in ("messages of at most 50.0 MiB", "attempts at once", "returned after 5d", "warned after 4h"):
            self.assertEqual("default", origin_of(steps, part), part)
        steps = self.explain("x@far.test", "--client", "127.0.0.2", "--from", "<>")["steps"]
        self.assertFalse([s for s in steps if "9 per 1m messages" in s["what"]])  # not for trusted clients
        self.assertEqual("default", origin_of(steps, "given up after 2d"))
        self.assertTrue(all(step["origin"] for step in steps if step["step"] not in ("sender",)))

    def test_next_hops_and_bounds(self):
        self.begin()
        told = self.explain("x@far.test", "--client", "127.0.0.2")
        self.assertEqual([("one.host.test", "192.0.2.1:25"), ("two.host.test", "192.0.2.2:25")],
                         [(hop["host"], hop["address"]) for hop in told["next_hops"]])
        self.assertEqual("mx:far.test", told["route"]["destination"])
        self.assertEqual(["3m", "7h"], told["schedule"]["retry"])
        told = self.explain("x@null.test")
        self.assertEqual([], told["next_hops"])
        self.assertIn("accepts no mail", told["next_hop_refusal"])
        told = self.explain("anna@our.test")
        self.assertEqual(["127.0.0.1"], told["route"]["sources"])
        self.assertEqual("100/1m", told["route"]["rate"])
        text = self.mta.cli("explain", "anna@our.test").stdout
        for part in ("is accepted", "route", "127.0.0.1", "100 per 1m", "again after 3m, 7h"):
            self.assertIn(part, text)
        few = ("x@few.test", "--client", "127.0.0.2")
        route = self.explain(*few)["route"]
        self.assertEqual([2, 5, 9, "30/1m"], [route[key] for key in (
            "connections", "in_flight", "route_connections", "connection_rate")])
        text = self.mta.cli("explain", *few).stdout
        for part in ("2 connections to one destination", "5 messages on their way over one connection",
                     "9 connections of the route", "30 per 1m new connections"):
            self.assertIn(part, text)

    def test_operate_stumble_8_a_local_name_is_completed_as_sendmail_does(self):
        self.begin(addresses={"origin": "far.test"})
        self.assertEqual(self.explain("x@far.test")["route"], self.explain("x")["route"])
        self.assertIn("x@far.test", self.mta.cli("explain", "x").stdout)

    def test_bad_words(self):
        self.begin()
        for words in (["@b.test"], ["a@b.test", "--client", "x"], ["a@b.test", "--from", "@x"], []):
            self.assertEqual(64, self.mta.cli("explain", *words).returncode, words)
        self.mta.reconfigure({"hostnmae": "x"})
        self.assertEqual(78, self.mta.cli("explain", "a@b.test").returncode)

    def test_expectations(self):
        good = [{"recipient": "anna@our.test", "decision": "accept"},
                {"recipient": "x@far.test", "decision": "refuse"},
                {"recipient": "x@far.test", "client": "127.0.0.2", "decision": "accept",
                 "route": "mx:far.test"},
                {"recipient": "anna@our.test", "from": "a@later.test", "decision": "defer"}]
        self.begin(expect=good)
        result = self.mta.cli("check")
        self.assertEqual(0, result.returncode, result.stderr)
        self.mta.reconfigure({"expect": good + [
            {"recipient": "bert@our.test", "decision": "accept"},
            {"recipient": "x@far.test", "client": "127.0.0.2", "decision": "accept",
             "route": "mx:other.test"}]})
        result = self.mta.cli("check")
        self.assertEqual(78, result.returncode)
        self.assertRegex(result.stderr, r":\d+:1: expected: accept bert@our.test; but .*user unknown"
                                        r".*, as .*:\d+:\d+ says")
        self.assertRegex(result.stderr, "goes to mx:other.test; but it goes to mx:far.test")
        self.mta.reconfigure({"expect": [{"recipient": "x", "decision": "perhaps"}]})
        result = self.mta.cli("check")
        self.assertIn("'x' is not an address", result.stderr)
        self.assertIn("decision must be one of accept, refuse, defer", result.stderr)

    def test_expected_filters(self):
        filters = [{"name": "world", "socket": "127.0.0.1:9", "on": ["world"]},
                   {"name": "both", "socket": "127.0.0.1:9", "on": ["world", "submission"]}]
        good = [{"recipient": "anna@our.test", "decision": "accept", "filters": ["world", "both"]},
                {"recipient": "anna@our.test", "decision": "accept", "submission": True, "account": "a",
                 "filters": ["both"]},
                {"recipient": "x@far.test", "decision": "refuse", "filters": []}]
        self.begin(expect=good, filter=filters)
        result = self.mta.cli("check")
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertEqual(["world", "both"], self.explain("anna@our.test")["filters"])
        self.mta.reconfigure({"expect": [{"recipient": "anna@our.test", "decision": "accept", "filters": ["both"]},
                                         {"recipient": "anna@our.test", "decision": "accept", "filters": []}]})
        result = self.mta.cli("check")
        self.assertEqual(78, result.returncode)
        self.assertIn("anna@our.test is judged by both; but it is judged by world, both", result.stderr)
        self.assertIn("anna@our.test is judged by no filter; but it is judged by world, both", result.stderr)
        self.mta.reconfigure({"expect": [{"recipient": "anna@our.test", "decision": "accept", "filters": ["wrold"]}]})
        self.assertIn("filters: 'wrold' is the name of no [[filter]]", self.mta.cli("check").stderr)


if __name__ == "__main__":
    main()
