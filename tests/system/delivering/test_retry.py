"""Mail waits for a next hop that is down, on its schedule; past its lifetime it bounces once."""

import time

from postwain_harness import PostwainTestCase, main
from mail_content import Dsn, message, without_received
from resources import reserve_port, wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink


class Retry(PostwainTestCase):
    def begin(self, queue, **more):
        self.port = reserve_port()
        self.bounces = self.closing(SmtpSink())
        self.mta = self.start({"route": [
            {"match": "down.test", "deliver": f"smtp:127.0.0.1:{self.port}"},
            {"match": "store.test", "deliver": f"lmtp:127.0.0.1:{self.port}"},
            {"match": "sender.test", "deliver": self.bounces.target}],
            "queue": queue, **more})

    def submit(self, *recipients, sender="alice@sender.test", content=None):
        with SmtpClient(self.mta.port) as client:
            answer = client.mail(sender, recipients, content or message())
            self.assertEqual(250, answer[0], answer)

    def wait_attempts(self, address, count):
        wait_until(lambda: self.mta.unsettled().get(address, {}).get("attempts", 0) >= count, 30,
                   lambda: f"{count} attempts for {address}: {self.mta.queue()}")

    def test_down_then_up(self):
        self.begin({"retry": ["1s"], "retry_lmtp": ["1s"]})
        content = message("patience")
        self.submit("bob@down.test", content=content)
        self.wait_attempts("bob@down.test", 2)
        waiting = self.mta.unsettled()["bob@down.test"]
        self.assertEqual("deferred", waiting["state"])
        self.assertTrue(waiting["next_attempt_at"])
        sink = self.closing(SmtpSink(("127.0.0.1", self.port)))
        arrived = sink.wait_delivered("bob@down.test")
        self.mta.wait_queue_empty()
        self.assertEqual(content, without_received(arrived[0].content))
        self.assertEqual([1, 0], [len(sink.messages), len(self.bounces.messages)])
        self.mta.stop()

    def test_lmtp_store_down_then_up(self):
        self.begin({"retry": ["60s"], "retry_lmtp": ["1s"]})
        self.submit("carol@store.test")
        self.wait_attempts("carol@store.test", 1)
        store = self.closing(SmtpSink(("127.0.0.1", self.port), lmtp=True))
        self.assertEqual(1, len(store.wait_delivered("carol@store.test")))
        self.mta.wait_queue_empty()
        self.mta.stop()

    def test_schedule(self):
        """A recipient that is told "later" is tried again after 1, 2, 2 … seconds, not sooner."""
        times = []
        self.begin({"retry": ["1s", "2s"]})
        sink = self.closing(SmtpSink(("127.0.0.1", self.port), script={
            "rcpt": lambda *_: times.append(time.monotonic()) or
            (None if len(times) > 3 else "450 4.2.0 later")}))
        self.submit("bob@down.test")
        sink.wait_delivered("bob@down.test")
        gaps = [later - earlier for earlier, later in zip(times, times[1:])]
        self.assertEqual(3, len(gaps))
        for gap, wanted in zip(gaps, (1, 2, 2)):
            self.assertGreater(gap, wanted - 0.1, gaps)
            self.assertLess(gap, wanted + 1.5, gaps)

    def test_one_message_after_a_restart(self):
        """What waits survives an ordinary stop and start, and is delivered once."""
        self.begin({"retry": ["1s"]})
        self.submit("bob@down.test")
        self.wait_attempts("bob@down.test", 1)
        self.mta.stop()
        self.mta.start()
        sink = self.closing(SmtpSink(("127.0.0.1", self.port)))
        sink.wait_delivered("bob@down.test")
        self.mta.wait_queue_empty()
        self.assertEqual(1, len(sink.messages))

    def test_expires_with_one_bounce(self):
        self.begin({"retry": ["1s"], "lifetime": "3s", "delay_warning": "off"})
        self.submit("bob@down.test", "ben@down.test")
        started = time.monotonic()
        self.bounces.wait_for(1)
        self.assertGreater(time.monotonic() - started, 2)
        self.mta.wait_queue_empty()
        reports = [Dsn(m.content) for m in self.bounces.messages]
        told = sorted(g["Final-Recipient"].split(";")[1].strip()
                      for report in reports for g in report.per_recipient)
        self.assertEqual(["ben@down.test", "bob@down.test"], told)
        for report in reports:
            for group in report.per_recipient:
                self.assertEqual("failed", group["Action"])
                self.assertRegex(group["Status"], r"^[45]\.\d+\.\d+$")
        self.assertTrue(all(m.sender == "" for m in self.bounces.messages))
        time.sleep(1.5)  # one more tick of the schedule: nothing may follow
        self.assertEqual([], self.mta.queue())
        self.assertEqual(len(reports), len(self.bounces.messages))
        self.mta.stop()

    def test_one_delay_warning(self):
        self.begin({"retry": ["1s"], "lifetime": "1h", "delay_warning": "2s"})
        self.submit("bob@down.test")
        warning = Dsn(self.bounces.wait_for(1)[0].content)
        fields = warning.of("bob@down.test")
        self.assertEqual("delayed", fields["Action"])
        self.assertTrue(fields["Status"].startswith("4."))
        self.assertTrue(fields["Will-Retry-Until"])
        self.wait_attempts("bob@down.test", self.mta.unsettled()["bob@down.test"]["attempts"] + 3)
        sink = self.closing(SmtpSink(("127.0.0.1", self.port)))
        sink.wait_delivered("bob@down.test")
        self.mta.wait_queue_empty()
        self.assertEqual([1, 1], [len(self.bounces.messages), len(sink.messages)])

    def test_no_bounce_for_the_null_sender(self):
        self.begin({"retry": ["1s"], "lifetime": "2s", "bounce_lifetime": "2s",
                    "delay_warning": "1s"})
        self.submit("bob@down.test", sender="")
        self.mta.wait_queue_empty()
        self.assertEqual([], self.bounces.messages)
        self.mta.stop()

    def test_one_dead_next_hop_does_not_delay_another(self):
        self.begin({"retry": ["1h"]})
        for _ in range(20):
            self.submit("bob@down.test")
        self.submit("quick@sender.test")
        self.bounces.wait_delivered("quick@sender.test", 5)


class Fallback(PostwainTestCase):
    def test_second_of_two_fixed_hosts(self):
        """`smtp:a,b` goes to b when nobody listens at a, in the same attempt."""
        sink = self.closing(SmtpSink())
        mta = self.start({"queue": {"retry": ["1h"]}, "route": [
            {"match": "*", "deliver": f"smtp:127.0.0.1:{reserve_port()},127.0.0.1:{sink.port}"}]})
        with SmtpClient(mta.port) as client:
            client.mail("alice@sender.test", ["bob@example.test"], message())
        sink.wait_delivered("bob@example.test")
        mta.wait_queue_empty()


if __name__ == "__main__":
    main()
