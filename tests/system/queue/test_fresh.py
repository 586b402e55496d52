"""More mail for one next hop than memory takes, as messages that are one value in the store: nothing is
lost and nobody gets a copy, whatever an operator does with it meanwhile, and over a kill."""

import contextlib
import json
import os
import signal
import sqlite3

from postwain_harness import PostwainTestCase, main
from mail_content import message
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

MESSAGES, RECIPIENTS = 260, 50  # bulk has places for 10,000 recipients of a destination


class Fresh(PostwainTestCase):
    def begin(self):
        self.sink = self.closing(SmtpSink())
        self.mta = self.start({"route": [{"match": "a.test", "deliver": self.sink.target}],
                               "limits": {"recipients": 100}, "bounces": {"double_bounces": False}})
        self.assertEqual(0, self.mta.cli("queue", "suspend", "a.test").returncode)

    def submit(self, number=MESSAGES):
        wanted = set()
        with SmtpClient(self.mta.port) as client:
            for m in range(number):
                to = [f"m{m}r{r}@a.test" for r in range(RECIPIENTS)]
                wanted.update(to)
                self.assertEqual(250, client.mail(f"s{m % 3}@sender.test", to, message())[0])
        return wanted

    def stats(self):
        return json.loads(self.mta.cli("queue", "stats", "--json").stdout)

    def packed(self):
        """How many messages are one value, in a copy of the database."""
        target = self.mta.folder / "backup"
        self.assertEqual(0, self.mta.cli("queue", "backup", target).returncode)
        return self.count(os.path.join(target, "queue.db"), "fresh")

    @staticmethod
    def count(path, table):
        with contextlib.closing(sqlite3.connect(path)) as db:
            return db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]

    def got(self):
        return [recipient for one in self.sink.messages for recipient in one.recipients]

    def wait_all(self, wanted):
        wait_until(lambda: len(self.got()) >= len(wanted), 60, lambda: f"{len(self.got())} of {len(wanted)}")
        self.mta.wait_queue_empty()
        self.assertEqual(sorted(wanted), sorted(self.got()))

    def test_operators_meanwhile(self):
        self.begin()
        wanted = self.submit()
        self.assertEqual(MESSAGES, self.stats()["messages"])
        self.assertEqual(MESSAGES, self.packed())
        # Of every third message all recipients, of one more a single one.
        self.assertEqual(0, self.mta.cli("queue", "hold", "--sender", "s1@sender.test").returncode)
        self.assertEqual(0, self.mta.cli("queue", "hold", "--recipient", "m258r7@a.test").returncode)
        self.assertEqual(0, self.mta.cli("queue", "cancel", "--recipient", "m3r3@a.test").returncode)
        wanted.remove("m3r3@a.test")
        self.assertEqual(len(wanted), self.stats()["recipients"])
        self.assertGreater(self.stats()["states"]["held"], RECIPIENTS * (MESSAGES // 3))
        self.assertEqual(0, self.mta.cli("reload").returncode)
        self.assertEqual(0, self.mta.cli("queue", "release", "--all").returncode)
        self.assertEqual(0, self.stats()["states"]["held"])
        self.assertEqual(0, self.mta.cli("queue", "resume", "a.test").returncode)
        self.wait_all(wanted)

    def test_overflow_and_kill(self):
        self.begin()
        wanted = self.submit()
        qmgr = next(p["pid"] for p in self.mta.status()["processes"] if p["name"] == "qmgr")
        os.kill(qmgr, signal.SIGKILL)
        wait_until(lambda: self.mta.cli("status").returncode == 0, 20, "a new qmgr")
        wait_until(lambda: self.stats()["counted"] and self.stats()["recipients"] == len(wanted), 60, self.stats)
        wait_until(lambda: self.stats()["states"]["queued"] == len(wanted), 60, self.stats)
        self.assertEqual(0, self.mta.cli("queue", "resume", "a.test").returncode)
        self.wait_all(wanted)

    def test_an_orderly_stop_leaves_rows(self):
        self.begin()
        wanted = self.submit(30)
        self.mta.stop()
        path = self.mta.folder / "spool/queue.db"
        self.assertEqual(0, self.count(path, "fresh"))
        self.assertEqual(len(wanted), self.count(path, "recipient"))
        self.mta.start()
        self.assertEqual(0, self.mta.cli("queue", "resume", "a.test").returncode)
        self.wait_all(wanted)


if __name__ == "__main__":
    main()
