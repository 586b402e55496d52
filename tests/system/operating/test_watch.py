"""`postwain watch`: live events, chosen by filters; nobody waits for whoever looks on."""

import json
import os
import subprocess

from postwain_harness import PostwainTestCase, main
from mail_content import message
from resources import wait_until
from smtp_raw import SmtpClient, queue_id
from smtp_sink import SmtpSink


class Watch(PostwainTestCase):
    def setUp(self):
        self.sink = self.closing(SmtpSink(script={"rcpt": {
            "no@a.test": "550 5.1.1 no such user", "later@a.test": "450 4.2.0 not now"}}))
        self.mta = self.start({"queue": {"retry": ["1h"]}, "route": [
            {"match": "*", "deliver": self.sink.target}]})

    def submit(self, *recipients):
        with SmtpClient(self.mta.port) as client:
            code, text = client.mail("alice@sender.test", recipients, message())
            self.assertEqual(250, code)
            return queue_id(text)

    def watching(self, *words):
        process = subprocess.Popen(
            [os.path.join(self.mta.binaries, "postwain"), "watch", *words, "--config",
             self.mta.config_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        connected = sum("watch_begun" in line for line in self.mta.log) + 1
        wait_until(lambda: sum("watch_begun" in line for line in self.mta.log) >= connected
                   or process.poll() is not None, 10, "the watcher")
        return process

    def lines(self, process):
        out, errors = process.communicate(timeout=20)
        self.assertEqual((0, ""), (process.returncode, errors))
        return out.splitlines()

    def test_what_happens(self):
        watcher = self.watching("--json", "--count", "6", "--domain", "a.test")
        identity = self.submit("yes@a.test", "no@a.test", "later@a.test", "x@b.test")
        events = [json.loads(line) for line in self.lines(watcher)]
        self.assertEqual({identity}, {event["id"] for event in events})
        self.assertEqual(["received"] * 3, [event["event"] for event in events[:3]])
        self.assertEqual("alice@sender.test", events[0]["sender"])
        ends = {event["recipient"]: event for event in events[3:]}
        self.assertEqual({"yes@a.test": "delivered", "no@a.test": "failed",
                          "later@a.test": "deferred"},
                         {to: event["event"] for to, event in ends.items()})
        self.assertEqual("450 4.2.0 not now", ends["later@a.test"]["reply"])
        self.assertTrue(ends["later@a.test"]["next_attempt_at"])

    def test_chosen_events_as_text(self):
        watcher = self.watching("--event", "deferred,cancelled", "--count", "2")
        other = self.watching("--recipient", "yes@a.test", "--count", "1", "--event", "delivered")
        identity = self.submit("yes@a.test", "later@a.test")
        wait_until(lambda: self.mta.unsettled().get("later@a.test", {}).get("attempts"), 10, "tried")
        self.assertEqual(0, self.mta.cli("queue", "cancel", identity).returncode)
        deferred, cancelled = self.lines(watcher)
        self.assertIn(f"{identity}  deferred   later@a.test", deferred)
        self.assertIn("450 4.2.0 not now", deferred)
        self.assertIn("cancelled", cancelled)
        self.assertIn("by ", cancelled)
        self.assertIn("delivered  yes@a.test", self.lines(other)[0])

    def test_without_history(self):
        self.mta.stop()
        self.mta.reconfigure({"queue": {"retry": ["1h"], "history": "0s"}})
        self.mta.start()
        watcher = self.watching("--count", "1", "--event", "delivered")
        self.submit("yes@a.test")
        self.assertIn("delivered", self.lines(watcher)[0])

    def test_a_reader_that_stops_reading(self):
        watcher = self.watching()
        for _ in range(3):
            self.submit("yes@a.test")
        self.sink.wait_for(3)
        watcher.kill()
        self.submit("more@a.test")
        self.sink.wait_delivered("more@a.test")

    def test_bad_words(self):
        for words, code in ((("--event", "nonsense"), 64), (("--id", "?"), 65)):
            result = self.mta.cli("watch", *words)
            self.assertEqual(code, result.returncode, result.stderr)


if __name__ == "__main__":
    main()
