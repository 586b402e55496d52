"""Large contents of a queue in a PostgreSQL: the database has them, and the files in the spool are
copies that may be missing, whichever machine delivers. And the database keeps none that nobody
needs."""

import glob
import os
import random
import threading
import time
import unittest

from postwain_harness import PostwainTestCase, kill_and_wait, main
from mail_content import message
import postgres_server
from postgres_server import PostgresServer
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink


def sized(octets, seed=1):
    """Lines of all octets that a line may have, other ones for each seed."""
    chosen = random.Random(seed)
    letters = bytes(range(33, 127))
    lines = b"".join(bytes(chosen.choices(letters, k=74)) + b"\r\n" for _ in range(2000))
    return message(body=(lines * (octets // len(lines) + 1))[:octets - 2] + b"\r\n")


def bag_of(number):
    """mail::QueueId::bag()."""
    value = (number * 0x9E3779B97F4A7C15) & (2**64 - 1)
    value ^= value >> 29
    return ((value * 0xBF58476D1CE4E5B9) & (2**64 - 1)) >> 58


@unittest.skipIf(postgres_server.programs() is None,
                 "PostgreSQL is neither installed nor unpacked below build/peers")
class SharedContents(PostwainTestCase):
    def setUp(self):
        self.database = self.closing(PostgresServer())
        self.sink = self.closing(SmtpSink())

    def changes(self, **queue):
        return {"queue": {"store": self.database.address, "node": "one", "retry": ["1h"], **queue},
                "limits": {"message_size": "64MiB"},
                "route": [{"match": "*", "deliver": self.sink.target}]}

    def submit(self, mta, to, content, sender="alice@sender.test"):
        client = SmtpClient(mta.port)
        try:
            return client.mail(sender, to if isinstance(to, list) else [to], content)
        finally:
            client.close()

    def pieces(self):
        return int(self.database.sql("SELECT count(*) FROM chunk WHERE bag >= 0"))

    def files(self, mta):
        return glob.glob(str(mta.folder / "spool/content-*/*"))

    def is_deferred(self, mta, count=1):
        states = [r["state"] for r in mta.unsettled().values()]
        return len(states) == count and set(states) == {"deferred"}

    def has_whole(self, to, content, timeout=60):
        got = self.sink.wait_delivered(to, timeout=timeout)
        self.assertEqual(1, len(got))
        self.assertTrue(got[0].content.endswith(content), f"{to}: other octets came")

    def come_back(self, mta):
        """The sink takes mail again, and all that waits is tried."""
        self.sink = self.closing(SmtpSink())
        mta.reconfigure({"route": [{"match": "*", "deliver": self.sink.target}]})

    def test_a_large_message_outlives_its_file(self):
        self.sink.stop()
        mta = self.start(self.changes())
        contents = {f"r{i}@example.test": sized(octets, i)
                    for i, octets in enumerate([5 << 20, 66_000, 300_000])}
        for to, content in contents.items():
            self.assertEqual(250, self.submit(mta, to, content)[0])
        wait_until(lambda: self.is_deferred(mta, 3), 30, "all are deferred")
        self.assertGreater(self.pieces(), (5 << 20) // 8000)
        mta.stop()
        self.assertEqual(3, len(self.files(mta)))
        for path in self.files(mta):
            os.unlink(path)
        self.come_back(mta)
        mta.start()
        self.assertEqual(0, mta.cli("queue", "retry", "--all").returncode)
        for to, content in contents.items():
            self.has_whole(to, content)
        mta.wait_queue_empty()
        self.assertEqual(0, self.pieces())
        wait_until(lambda: not self.files(mta), 10, "the files have gone")
        self.assertEqual(3, len(mta.events("content_fetched")))
        mta.stop()

    def test_a_file_of_another_size_is_not_believed(self):
        self.sink.stop()
        mta = self.start(self.changes())
        content = sized(400_000)
        self.assertEqual(250, self.submit(mta, "r@example.test", content)[0])
        wait_until(lambda: self.is_deferred(mta), 30, "it is deferred")
        [path] = self.files(mta)
        os.truncate(path, 100_000)
        self.come_back(mta)
        self.assertEqual(0, mta.cli("reload").returncode)
        self.assertEqual(0, mta.cli("queue", "retry", "--all").returncode)
        self.has_whole("r@example.test", content)
        mta.wait_queue_empty()
        mta.stop()

    def test_what_the_database_has_lost_is_held_where_the_file_has_gone_as_well(self):
        self.sink.stop()
        mta = self.start(self.changes())
        self.assertEqual(250, self.submit(mta, "r@example.test", sized(400_000))[0])
        wait_until(lambda: self.is_deferred(mta), 30, "it is deferred")
        os.unlink(self.files(mta)[0])
        self.database.sql("DELETE FROM chunk WHERE bag >= 0 AND no = 7")
        self.come_back(mta)
        self.assertEqual(0, mta.cli("reload").returncode)
        self.assertEqual(0, mta.cli("queue", "retry", "--all").returncode)
        wait_until(lambda: [r["state"] for r in mta.unsettled().values()] == ["held"], 30, "held")
        self.assertEqual([], self.sink.delivered("r@example.test"))
        self.assertEqual(0, mta.cli("queue", "cancel", "--all").returncode)
        mta.wait_queue_empty()
        self.assertEqual(0, self.pieces())
        mta.stop()

    def test_another_spool_delivers_what_this_one_took(self):
        self.sink.stop()
        first = self.start(self.changes())
        content = sized(2 << 20)
        self.assertEqual(250, self.submit(first, "r@example.test", content)[0])
        wait_until(lambda: self.is_deferred(first), 30, "it is deferred")
        second = self.prepare(self.changes())
        second.launch()
        wait_until(lambda: second.has_event("cannot_start"), 30, second.tail)
        second.kill_all()
        first.kill_all()
        self.sink = self.closing(SmtpSink())
        second.reconfigure({"route": [{"match": "*", "deliver": self.sink.target}]})
        done = second.cli("queue", "take-over")
        self.assertEqual(0, done.returncode, done.stderr)
        second.start()
        self.assertEqual(0, second.cli("queue", "retry", "--all").returncode)
        self.has_whole("r@example.test", content)
        second.wait_queue_empty()
        self.assertEqual(0, self.pieces())
        second.stop()

    def test_the_parts_of_a_message_have_its_content_each(self):
        """For a list with an owner a message goes on as two."""
        mta = self.prepare()
        mta.folder.file("aliases", "crew: one@far.test, two@far.test\nowner-crew: boss@far.test\n")
        mta.reconfigure({**self.changes(), "addresses": {"aliases": "aliases"},
                         "domain": [{"name": ["mx.postwain.test"], "recipients": ["anna"]}]})
        self.sink.stop()
        mta.start()
        content = sized(1 << 20)
        to = ["anna@mx.postwain.test", "crew@mx.postwain.test"]
        self.assertEqual(250, self.submit(mta, to, content)[0])
        wait_until(lambda: self.is_deferred(mta, 3), 30, "all are deferred")
        self.assertEqual(2 * ((len(content) - content.index(b"\r\n\r\n") - 4 + 7999) // 8000),
                         self.pieces())
        mta.stop()
        self.assertEqual(2, len(self.files(mta)))
        for path in self.files(mta):
            os.unlink(path)
        self.come_back(mta)
        mta.start()
        self.assertEqual(0, mta.cli("queue", "retry", "--all").returncode)
        for one in ("anna@mx.postwain.test", "one@far.test", "two@far.test"):
            self.has_whole(one, content)
        mta.wait_queue_empty()
        self.assertEqual(0, self.pieces())
        mta.stop()

    def test_a_queue_moves_with_its_large_contents_and_back(self):
        self.sink.stop()
        mta = self.start({"route": [{"match": "*", "deliver": self.sink.target}],
                          "queue": {"retry": ["1h"]}, "limits": {"message_size": "64MiB"}})
        content = sized(3 << 20)
        self.assertEqual(250, self.submit(mta, "r@example.test", content)[0])
        wait_until(lambda: self.is_deferred(mta), 30, "it is deferred")
        mta.stop()
        mta.reconfigure(self.changes())
        done = mta.cli("queue", "move", "--from", "sqlite")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertGreater(self.pieces(), (3 << 20) // 8000)
        for path in self.files(mta):
            os.unlink(path)
        mta.reconfigure({"queue": {"store": None, "node": None}})
        done = mta.cli("queue", "move", "--from", self.database.address)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(0, self.pieces())
        self.come_back(mta)
        mta.start()
        self.assertEqual(0, mta.cli("queue", "retry", "--all").returncode)
        self.has_whole("r@example.test", content)
        mta.wait_queue_empty()
        mta.stop()

    def send_until(self, mta, stop_at, promised, name):
        number = 0
        while time.monotonic() < stop_at:
            to = f"{name}x{number}@example.test"
            content = sized(3 << 20, number)
            number += 1
            try:
                if self.submit(mta, to, content)[0] == 250:
                    promised[to] = content
            except (OSError, EOFError, AssertionError):
                time.sleep(0.05)

    def test_ends_in_the_middle_of_an_upload_lose_nothing_and_leave_little(self):
        """Ends of qmgr and of the database while pieces are written."""
        mta = self.start(self.changes())
        promised = {}
        stop_at = time.monotonic() + 14
        senders = [threading.Thread(target=self.send_until, args=(mta, stop_at, promised, f"s{i}"))
                   for i in range(3)]
        for one in senders:
            one.start()
        for _ in range(3):
            self.wait_for_pieces(stop_at)
            kill_and_wait(mta.pids_of("qmgr")[0])
            wait_until(lambda: self.is_there(mta), 30, "qmgr is back")
            self.wait_for_pieces(stop_at)
            self.database.kill()
            self.database.start()
        for one in senders:
            one.join()
        self.assertGreater(len(promised), 5)
        for to, content in promised.items():
            self.sink.wait_delivered(to, timeout=60)
            for got in self.sink.delivered(to):
                self.assertTrue(got.content.endswith(content), f"{to}: other octets came")
        mta.wait_queue_empty(60)
        # What was under way at those moments is left, and goes after an hour.
        self.assertLess(self.pieces(), 12 * 3 * 400)
        mta.stop()

    def is_there(self, mta):
        try:
            return mta.status()["accepting"]
        except AssertionError:
            return False

    def wait_for_pieces(self, until):
        """Until one body is being written, of which nobody knows yet."""
        while time.monotonic() < until:
            try:
                if self.pieces() % 394 not in (0, 1):
                    return
            except AssertionError:
                pass

    def test_what_is_left_of_an_end_is_removed_at_the_next_start(self):
        mta = self.start(self.changes())
        mta.stop()
        now = int(time.time() * 1000) - 1577836800000
        for age, octet in ((2 * 3600, "a"), (60, "b")):
            number = (now - age * 1000) << 22
            for one in range(number, number + 5):
                self.database.sql(f"INSERT INTO chunk SELECT {bag_of(one)}, {one}, n, '{octet}' "
                                  "FROM generate_series(0, 99) n")
        self.assertEqual(1000, self.pieces())
        mta.start()
        wait_until(lambda: self.pieces() == 500, 30, lambda: f"{self.pieces()} pieces")
        self.assertEqual("500", self.database.sql("SELECT count(*) FROM chunk WHERE data = 'b'"))
        wait_until(lambda: mta.has_event("pieces_swept"), 10, "it is told")
        mta.stop()

    def test_a_database_that_goes_away_refuses_large_mail_for_now(self):
        mta = self.start(self.changes())
        client = SmtpClient(mta.port)
        self.addCleanup(client.close)
        client.envelope("alice@sender.test", ["r@example.test"])
        self.database.kill()
        code, text = client.data(sized(1 << 20))
        self.assertEqual(451, code, text)
        self.database.start()
        content = sized(1 << 20)
        wait_until(lambda: self.accepted(mta, "again@example.test", content), 30, "taken again")
        self.has_whole("again@example.test", content)
        mta.wait_queue_empty()
        mta.stop()

    def accepted(self, mta, to, content):
        client = SmtpClient(mta.port)
        try:
            if client.command("MAIL FROM:<alice@sender.test>")[0] != 250:
                return False
            client.command(f"RCPT TO:<{to}>")
            return client.data(content)[0] == 250
        finally:
            client.close()

    def test_a_large_upload_does_not_hold_up_other_mail(self):
        mta = self.start(self.changes())
        content = sized(50 << 20)
        answers = []
        sender = threading.Thread(
            target=lambda: answers.append(self.submit(mta, "large@example.test", content)))
        sender.start()
        longest = 0.0
        number = 0
        while sender.is_alive():
            began = time.monotonic()
            self.assertEqual(250, self.submit(mta, f"small{number}@example.test", message())[0])
            longest = max(longest, time.monotonic() - began)
            number += 1
        sender.join()
        self.assertEqual(250, answers[0][0])
        self.assertGreater(number, 3)
        self.assertLess(longest, 5)
        self.has_whole("large@example.test", content)
        mta.wait_queue_empty()
        self.assertEqual(0, self.pieces())
        mta.stop()


if __name__ == "__main__":
    main()
