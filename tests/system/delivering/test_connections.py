"""`connections` means TCP connections: of all delivery clients together, whatever they do."""

import os
import signal
import threading
import time

from postwain_harness import PostwainTestCase, main
from dns_server import DnsServer
from mail_content import message
from mail_session import HANG_UP, Delay
from resources import reserve_port, wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

WORKERS = {"workers": {"smtp_client": 2}}


class Connections(PostwainTestCase):
    def start_to(self, sink, changes=None, **route):
        settings = {"queue": {"retry": ["1s"]}, "limits": {"connections_per_ip": 100}, **WORKERS,
                    "route": [{"match": "*", "deliver": sink.target, **route}], **(changes or {})}
        self.mta = self.start(settings)

    def submit(self, recipients):
        """A message for each."""
        with SmtpClient(self.mta.port) as client:
            for one in recipients:
                self.assertEqual(250, client.mail("alice@sender.test", [one], message())[0])

    def each_once(self, sink, recipients):
        for one in recipients:
            self.assertEqual(1, len(sink.wait_delivered(one, 60)), one)
        self.assertEqual([], sink.violations)

    def clients(self):
        return [p["pid"] for p in self.mta.status()["processes"]
                if p["name"].startswith("smtp-client")]

    def test_kind_16_never_more_than_configured(self):
        """With two workers, for messages of many moments, and while idle connections exist."""
        for most in (1, 2):
            with self.subTest(connections=most):
                sink = self.closing(SmtpSink(script={"final": Delay(0.02)}))
                self.start_to(sink, connections=most)
                self.assertEqual(2, len(self.clients()))
                to = [f"u{n}@{n % 7}.test" for n in range(60)]
                self.submit(to[:40])
                sink.wait_for(30, 60)
                for n in range(40, 60):
                    self.submit(to[n:n + 1])
                    time.sleep(0.02)
                self.each_once(sink, to)
                self.assertEqual(most, sink.server.open_at_once)
                # What is kept is used again: not a connection for each message.
                self.assertLess(sink.connections, 10)
                self.mta.stop()

    def test_kind_16_domains_of_one_provider(self):
        """They share their hosts, so all of them share the connections, and each has its turn."""
        domains = [f"d{n}.test" for n in range(6)]
        zone = {"mx.host.test": {"A": ["127.0.0.11"]},
                **{one: {"MX": [[10, "mx.host.test"]]} for one in domains}}
        dns = self.closing(DnsServer(zone))
        port = reserve_port()
        sink = self.closing(SmtpSink(("127.0.0.11", port), script={"final": Delay(0.01)}))
        self.mta = self.start({
            "dns": {"servers": [f"127.0.0.1:{dns.port}"]}, "limits": {"connections_per_ip": 100},
            "delivery": {"smtp_port": port, "allow_private_mx": True}, **WORKERS,
            "route": [{"match": "*", "deliver": "mx", "connections": 1}]})
        to = [f"u{n}@{domain}" for n in range(5) for domain in domains]
        self.submit(to)
        self.each_once(sink, to)
        self.assertEqual(1, sink.server.open_at_once)

    def test_kind_16_each_source_address_by_itself(self):
        sink = self.closing(SmtpSink(script={"final": Delay(0.05)}))
        sources = ["127.0.0.21", "127.0.0.22"]
        self.start_to(sink, connections=1, sources=sources)
        to = [f"u{n}@a.test" for n in range(30)]
        self.submit(to)
        self.each_once(sink, to)
        self.assertEqual(2, sink.server.open_at_once)
        self.assertEqual(set(sources), {peer[0] for peer in sink.server.peers})

    def test_kind_16_the_death_of_a_process_frees_its_connections(self):
        """And of qmgr: the next one hears of what is open before it gives anything."""
        sink = self.closing(SmtpSink(script={"final": Delay(0.05)}))
        self.start_to(sink, connections=1)
        to = [f"u{n}@a.test" for n in range(90)]
        self.submit(to)
        sink.wait_for(10, 60)
        for pid in self.clients():
            os.kill(pid, signal.SIGKILL)
        sink.wait_for(30, 60)
        qmgr = [p["pid"] for p in self.mta.status()["processes"] if p["name"] == "qmgr"]
        os.kill(qmgr[0], signal.SIGKILL)
        for one in to:
            self.assertTrue(sink.wait_delivered(one, 60), one)
        self.assertEqual(1, sink.server.open_at_once)

    def test_kind_16_a_rate_of_new_connections(self):
        sink = self.closing(SmtpSink(script={"mail": _SecondIsRefused()}))
        self.start_to(sink, connection_rate="4/s")
        begun = []

        def connect(_session, _argument):
            begun.append(time.monotonic())

        sink.script["connect"] = connect
        to = [f"u{n}@a.test" for n in range(12)]
        self.submit(to)
        self.each_once(sink, to)
        self.assertGreater(len(begun), 8)
        # Not more than five begin within any second (four, and the edge).
        for first, sixth in zip(begun, begun[5:]):
            self.assertGreater(sixth - first, 0.9)

    def test_D10_one_message_a_connection(self):
        """The server ends each session at the second MAIL: nothing is put off, nothing comes
        twice, and there is never one connection too many."""
        for answer in ("421 4.7.0 one message a connection", HANG_UP):
            for most in (1, 2):
                with self.subTest(answer=answer, connections=most):
                    sink = self.closing(SmtpSink(script={"mail": _SecondIsRefused(answer)}))
                    self.start_to(sink, connections=most)
                    to = [f"u{n}@a.test" for n in range(60)]
                    self.submit(to)
                    self.each_once(sink, to)
                    self.assertEqual([], self.mta.events("deferred"))
                    self.assertLessEqual(sink.server.open_at_once, most)
                    self.mta.stop()

    def test_kind_16_the_next_host_gets_its_turn(self):
        """What the first host puts off goes to the second one, and still over one connection."""
        def rcpt(session, _address):
            local = sink.server.local_address(session)
            return "451 4.7.1 not now" if local == "127.0.0.31" else None

        port = reserve_port()
        sink = self.closing(SmtpSink(("0.0.0.0", port), script={"rcpt": rcpt}))
        self.start_to(sink, {"queue": {"retry": ["1h"]}}, connections=1,
                      deliver=f"smtp:127.0.0.31:{port},127.0.0.32:{port}")
        to = [f"u{n}@a.test" for n in range(20)]
        self.submit(to)
        self.each_once(sink, to)
        self.assertEqual(1, sink.server.open_at_once)

    def test_kind_16_the_old_key_keeps_working_with_a_word_from_check(self):
        sink = self.closing(SmtpSink(script={"final": Delay(0.02)}))
        self.start_to(sink, concurrency=1)
        to = [f"u{n}@a.test" for n in range(20)]
        self.submit(to)
        self.each_once(sink, to)
        self.assertEqual(1, sink.server.open_at_once)
        said = self.mta.cli("check")
        self.assertEqual(0, said.returncode, said.stderr)
        self.assertIn("write connections = 1", said.stdout + said.stderr)


class _SecondIsRefused:
    """MAIL is taken once in a session."""

    def __init__(self, answer="421 4.7.0 one message a connection"):
        self.answer = answer
        self.seen = set()
        self.lock = threading.Lock()

    def __call__(self, session, _argument):
        with self.lock:
            if session in self.seen:
                return self.answer
            self.seen.add(session)
        return None


if __name__ == "__main__":
    main()
