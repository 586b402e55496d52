"""What operators say about destinations, hints in replies, and the simulator as a command."""

import datetime
import json
import time

from postwain_harness import PostwainTestCase, main
from dns_server import DnsServer
from mail_content import message
from mail_session import Delay
from resources import reserve_port, wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink


class Scheduling(PostwainTestCase):
    def setUp(self):
        self.sink = self.closing(SmtpSink())
        self.mta = self.start({"queue": {"retry": ["1h"]}, "route": [
            {"match": ["a.test", "b.test"], "deliver": self.sink.target, "connections": 7},
            {"match": ["slow.test"], "deliver": self.sink.target, "rate": "60/min"}]})

    def submit(self, *recipients):
        with SmtpClient(self.mta.port) as client:
            code, text = client.mail("alice@sender.test", recipients, message())
            self.assertEqual(250, code, text)

    def good(self, *words):
        result = self.mta.cli(*words)
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        return result.stdout

    def destinations(self):
        return [json.loads(line)
                for line in self.good("queue", "destinations", "--json").splitlines() if line]

    def test_suspend_outlives_a_restart(self):
        self.good("queue", "suspend", "a.test", "--for", "2h", "--reason", "new disks")
        self.submit("x@a.test")
        self.submit("y@slow.test")
        wait_until(lambda: len(self.sink.messages) == 1, 10, "the other one is delivered")
        suspended = [d for d in self.destinations() if "suspended_until" in d]
        self.assertEqual(1, len(suspended), self.destinations())
        self.assertEqual("new disks", suspended[0]["suspended_reason"])
        self.assertTrue(suspended[0]["suspended_by"])
        self.assertIn("new disks", self.good("queue", "destinations"))
        stats = json.loads(self.good("queue", "stats", "--json"))
        self.assertTrue([d for d in stats["destinations"] if "suspended_until" in d])

        self.mta.stop()
        self.mta.start()
        time.sleep(1)
        self.assertEqual(1, len(self.sink.messages))
        self.assertEqual(1, len([d for d in self.destinations() if "suspended_until" in d]))
        self.assertIn("is resumed", self.good("queue", "resume", "a.test"))
        wait_until(lambda: len(self.sink.messages) == 2, 10, "delivered after resume")
        again = self.mta.cli("queue", "resume", "a.test")
        self.assertEqual(66, again.returncode)
        self.assertIn("was not suspended", again.stderr)
        self.mta.wait_queue_empty()

    def test_a_suspension_ends_by_itself(self):
        self.good("queue", "suspend", "a.test", "--for", "2s")
        self.submit("x@a.test")
        time.sleep(0.5)
        self.assertEqual(0, len(self.sink.messages))
        wait_until(lambda: len(self.sink.messages) == 1, 15, "delivered after two seconds")

    def test_bad_words(self):
        self.assertEqual(64, self.mta.cli("queue", "suspend", "a.test", "--for", "soon").returncode)
        self.assertEqual(64, self.mta.cli("queue", "suspend").returncode)
        self.assertEqual(64, self.mta.cli("simulate", "--outage", "d1.example").returncode)
        self.assertEqual(64, self.mta.cli("simulate", "--outage", "none.test:0:1h").returncode)
        self.assertEqual(64, self.mta.cli("simulate", "--messages", "0").returncode)

    def test_simulate(self):
        words = ("simulate", "--messages", "2000", "--destinations", "4", "--domain", "slow.test",
                 "--outage", "d1.example:0:3h", "--defer-share", "0.05", "--mailing", "500")
        report = json.loads(self.good(*words, "--json"))
        self.assertEqual(2500, report["recipients"])
        self.assertEqual(2500, report["delivered"] + report["bounced"])
        self.assertEqual([], report["violations"])
        troubled = report["destinations"][0]
        self.assertEqual("mx:d1.example", troubled["destination"])
        self.assertGreater(troubled["held_ms"], 3600_000)
        self.assertEqual(report["recipients"], sum(h["arrived"] for h in report["hours"]))
        text = self.good(*words)
        self.assertIn("mx:d1.example", text)
        self.assertIn("hour", text)
        self.assertEqual(text, self.good(*words))


class Bounds(PostwainTestCase):
    """What a route bounds holds for real connections."""

    def start_with(self, sink, **route):
        self.mta = self.start({"queue": {"retry": ["1h"]},
                               "limits": {"connections_per_ip": 100},
                               "route": [{"match": "*", "deliver": sink.target, **route}]})

    def submit_each(self, count, domain="a.test"):
        """So many messages, each with one recipient."""
        with SmtpClient(self.mta.port) as client:
            for number in range(count):
                code, text = client.mail("alice@sender.test", [f"u{number}@{domain}"], message())
                self.assertEqual(250, code, text)

    def test_connections(self):
        sink = self.closing(SmtpSink(script={"mail": Delay(0.1)}))
        self.start_with(sink, connections=3)
        self.submit_each(30)
        sink.wait_for(30)
        self.assertEqual(3, sink.server.open_at_once)

    def test_rate(self):
        arrived = []

        def mail(_session, _argument):
            arrived.append(time.monotonic())

        sink = self.closing(SmtpSink(script={"mail": mail}))
        self.start_with(sink, rate="2/s")
        self.submit_each(7)
        sink.wait_for(7, 30)
        # Not faster than said: no more than three begin within any second (two, and the edge).
        for first, fourth in zip(arrived, arrived[3:]):
            self.assertGreater(fourth - first, 0.99)

    def test_sources(self):
        """Every source is used, and nothing else."""
        sources = {"127.0.0.21", "127.0.0.22"}
        sink = self.closing(SmtpSink(script={"final": Delay(0.1)}))
        self.start_with(sink, sources=sorted(sources))
        self.submit_each(20)
        sink.wait_for(20)
        self.assertEqual(sources, {peer[0] for peer in sink.server.peers})

    def test_a_source_that_is_not_ours(self):
        sink = self.closing(SmtpSink())
        self.start_with(sink, sources=["192.0.2.99"])
        self.submit_each(1)
        wait_until(lambda: self.mta.unsettled()["u0@a.test"]["attempts"] == 1, 10, "an attempt")
        said = self.mta.unsettled()["u0@a.test"]["last_reply"]
        self.assertRegex(said, "^4.3.5 connect to .* from 192.0.2.99: address not available")
        self.assertEqual([], sink.messages)

    def next_in(self, reply):
        """Seconds until the next attempt after this reply to RCPT."""
        sink = self.closing(SmtpSink(script={"rcpt": {"u0@a.test": reply}}))
        self.start_with(sink)
        self.submit_each(1)
        wait_until(lambda: self.mta.unsettled()["u0@a.test"]["attempts"] == 1, 10, "an attempt")
        one = self.mta.unsettled()["u0@a.test"]
        self.assertIn(reply[:3], one["last_reply"])
        planned = datetime.datetime.fromisoformat(one["next_attempt_at"].replace("Z", "+00:00"))
        self.mta.stop()
        return planned.timestamp() - time.time()

    def test_what_the_peer_asks_for(self):
        """A hint and greylisting come before the schedule's hour; other words do not."""
        for reply, low, high in (("450 4.7.1 please try again in 300 seconds", 280, 340),
                                 ("451 4.7.1 Greylisted, see our pages", 280, 370),
                                 ("450 4.2.0 mailbox busy", 3000, 4500)):
            with self.subTest(reply):
                seconds = self.next_in(reply)
                self.assertTrue(low < seconds < high, seconds)

    def test_an_open_breaker_outlives_a_restart(self):
        port = reserve_port()
        self.mta = self.start({"queue": {"retry": ["1h"]}, "route": [
            {"match": "*", "deliver": f"smtp:127.0.0.1:{port}"}]})
        self.submit_each(12)

        def destination():
            stats = self.mta.cli("queue", "stats", "--json")
            return json.loads(stats.stdout)["destinations"][0]

        wait_until(lambda: destination()["breaker"] == "open", 20, "an open breaker")
        held = destination()["hold_until"]
        self.mta.stop()
        sink = self.closing(SmtpSink(("127.0.0.1", port)))
        self.mta.start()
        wait_until(lambda: destination()["breaker"] == "open", 10, destination)
        self.assertEqual(held, destination()["hold_until"])
        self.submit_each(1, "b.test")
        wait_until(lambda: self.mta.status()["queue"]["messages"] == 13, 10, "the new one")
        self.assertEqual([], sink.messages)
        self.assertEqual(0, self.mta.cli("queue", "retry", "--all").returncode)
        sink.wait_for(13)
        self.mta.wait_queue_empty()
        self.assertEqual("closed", destination()["breaker"])


class MxSets(PostwainTestCase):
    def test_domains_with_the_same_hosts_are_known_as_such(self):
        zone = {"one.host.test": {"A": ["127.0.0.11"]}, "two.host.test": {"A": ["127.0.0.11"]},
                "a.test": {"MX": [[10, "two.host.test"], [20, "one.host.test"]]},
                "b.test": {"MX": [[10, "one.host.test"], [10, "two.host.test"]]}}
        dns = self.closing(DnsServer(zone))
        port = reserve_port()
        sink = self.closing(SmtpSink(("127.0.0.11", port)))
        mta = self.start({"dns": {"servers": [f"127.0.0.1:{dns.port}"]},
                          "delivery": {"smtp_port": port, "allow_private_mx": True}})

        def submit(*recipients):
            with SmtpClient(mta.port) as client:
                self.assertEqual(250, client.mail("alice@sender.test", recipients, message())[0])

        def mx_sets():
            lines = mta.cli("queue", "destinations", "--json").stdout.splitlines()
            return {d["route"]: d.get("mx_set") for d in map(json.loads, filter(None, lines))}

        submit("x@a.test", "y@b.test")
        wait_until(lambda: len(sink.messages) == 2, 10, "two deliveries")
        same = "one.host.test,two.host.test"
        wait_until(lambda: mx_sets() == {"mx:a.test": same, "mx:b.test": same}, 5, mx_sets)
        self.assertEqual(0, mta.cli("queue", "suspend", "mx:a.test").returncode)
        mta.stop()
        mta.start()
        submit("z@a.test")  # suspended: no agent tells anything
        wait_until(lambda: mx_sets().get("mx:a.test") == same, 10, mx_sets)
        self.assertEqual(2, len(sink.messages))


if __name__ == "__main__":
    main()
