"""The queue in a PostgreSQL ([queue] store): mail goes through it, waits in it, and outlives the
ends of qmgr, of Postwain and of the database. What cannot be is told in words."""

import json
import os
import signal
import threading
import time
import unittest

from postwain_harness import PostwainTestCase, kill_and_wait, main
from mail_content import message
import postgres_server
from postgres_server import PostgresServer
from resources import Folder, wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink


def sized(octets):
    return message(body="A line of text that is one of many.\r\n" * (octets // 37))


@unittest.skipIf(postgres_server.programs() is None,
                 "PostgreSQL is neither installed nor unpacked below build/peers")
class QueueInDatabase(PostwainTestCase):
    def setUp(self):
        self.database = self.closing(PostgresServer())
        self.sink = self.closing(SmtpSink())

    def changes(self, **queue):
        return {"queue": {"store": self.database.address, "node": "one", **queue},
                "route": [{"match": "*", "deliver": self.sink.target}]}

    def submit(self, mta, to, content=None, sender="alice@sender.test"):
        client = SmtpClient(mta.port)
        try:
            return client.mail(sender, [to], content or message())
        finally:
            client.close()

    def is_refused(self, mta):
        """True once MAIL gets 451 4.3.0."""
        try:
            client = SmtpClient(mta.port)
        except (OSError, EOFError, AssertionError):
            return False
        try:
            code, text = client.command("MAIL FROM:<alice@sender.test>")
            return code == 451 and text.startswith("4.3.0")
        finally:
            client.close()

    def rows(self, table):
        return int(self.database.sql(f"SELECT count(*) FROM {table} WHERE bag >= 0"))

    def test_mail_goes_through_and_none_stays(self):
        mta = self.start(self.changes())
        large = sized(200_000)
        for i in range(20):
            self.assertEqual(250, self.submit(mta, f"small{i}@example.test")[0])
        self.assertEqual(250, self.submit(mta, "large@example.test", large)[0])
        for i in range(20):
            self.sink.wait_delivered(f"small{i}@example.test")
        got = self.sink.wait_delivered("large@example.test")[0]
        self.assertTrue(got.content.endswith(large))
        mta.wait_queue_empty()
        self.assertEqual([0, 0, 0], [self.rows(table) for table in ("fresh", "message", "recipient")])
        self.assertFalse(os.path.exists(mta.folder / "spool/queue.db"))
        store = mta.status()["queue"]["store"]
        self.assertEqual(f"database queue at {self.database.folder} as postwain", store)
        mta.stop()

    def test_what_waits_outlives_postwain_and_the_database(self):
        self.sink.stop()
        mta = self.start(self.changes(retry=["1h"]))
        to = [f"r{i}@d{i % 5}.test" for i in range(30)]
        for one in to:
            self.assertEqual(250, self.submit(mta, one, sized(100_000 if one[1] == "7" else 2000))[0])
        wait_until(lambda: "deferred" in [r["state"] for r in mta.unsettled().values()], 30,
                   "some are deferred")
        self.assertEqual(set(to), set(mta.unsettled()))
        mta.stop()
        self.database.kill(signal.SIGQUIT)
        self.database.start()
        mta.start()
        self.assertEqual(set(to), set(mta.unsettled()))
        kill_and_wait(mta.pids_of("qmgr")[0])
        wait_until(lambda: self.listed(mta) == set(to), 30, "the queue, after qmgr was killed")
        self.sink = self.closing(SmtpSink())
        mta.reconfigure({"route": [{"match": "*", "deliver": self.sink.target}]})
        self.assertEqual(0, mta.cli("reload").returncode)
        self.assertEqual(0, mta.cli("queue", "retry", "--all").returncode)
        for one in to:
            self.sink.wait_delivered(one)
        mta.wait_queue_empty()
        self.assertEqual(0, self.rows("recipient"))
        mta.stop()

    def listed(self, mta):
        try:
            return set(mta.unsettled())
        except AssertionError:
            return set()

    def test_a_database_that_is_away_refuses_for_now_and_all_goes_on_by_itself(self):
        mta = self.start(self.changes())
        self.assertEqual(250, self.submit(mta, "before@example.test")[0])
        self.sink.wait_delivered("before@example.test")
        qmgr = mta.pids_of("qmgr")
        self.database.kill(signal.SIGQUIT)
        # The first finds out; who comes behind it is told at MAIL.
        code, text = self.submit_or_refusal(mta, "lost@example.test")
        self.assertEqual((451, "4.3.0"), (code, text.split()[0]))
        wait_until(lambda: self.is_refused(mta), 10, "a refusal of MAIL")
        status = mta.status()
        self.assertFalse(status["accepting"])
        self.assertFalse(status["delivering"])
        self.assertIn("cannot be reached", status["standstill"])
        self.assertTrue(mta.has_event("store_away"))
        # One rule for all commands: the same may work later.
        for words in (("list",), ("show", "0000000000001"), ("hold", "--all"), ("retry", "--all"),
                      ("stats",), ("export", mta.folder / "copy", "--all")):
            with self.subTest(words):
                done = mta.cli("queue", *words)
                self.assertEqual(75, done.returncode, done.stdout + done.stderr)
        self.database.start()
        wait_until(lambda: self.submit_or_refusal(mta, "after@example.test")[0] == 250, 30,
                   "mail is taken again")
        self.sink.wait_delivered("after@example.test")
        mta.wait_queue_empty()
        self.assertTrue(mta.has_event("store_recovered"))
        self.assertEqual(qmgr, mta.pids_of("qmgr"))
        self.assertEqual([], self.sink.delivered("lost@example.test"))
        mta.stop()

    def submit_or_refusal(self, mta, to):
        client = SmtpClient(mta.port)
        try:
            answer = client.command("MAIL FROM:<alice@sender.test>")
            if answer[0] != 250:
                return answer
            client.command(f"RCPT TO:<{to}>")
            return client.data(message())
        finally:
            client.close()

    def test_nothing_acknowledged_is_lost_when_the_database_is_killed_under_load(self):
        mta = self.start(self.changes())
        promised = []
        for round_number in range(3):
            stop_at = time.monotonic() + 1.5
            number = 0
            while time.monotonic() < stop_at:
                to = f"k{round_number}x{number}@example.test"
                number += 1
                try:
                    if self.submit_or_refusal(mta, to)[0] == 250:
                        promised.append(to)
                except (OSError, EOFError):
                    pass
                if number == 40:
                    self.database.kill(signal.SIGQUIT)
            self.database.start()
            wait_until(lambda: not self.is_refused(mta), 30, "mail is taken again")
        self.assertGreater(len(promised), 60)
        for to in promised:
            self.sink.wait_delivered(to, timeout=60)
        mta.wait_queue_empty(60)
        copies = {to: len(self.sink.delivered(to)) for to in promised}
        # A second copy only where the end of the attempt could not be written down; none here, for
        # what has happened is kept until the database is back.
        self.assertEqual({1}, set(copies.values()))
        mta.stop()

    def test_two_spools_do_not_work_with_one_queue(self):
        first = self.start(self.changes())
        second = self.prepare(self.changes())
        second.launch()
        wait_until(lambda: second.has_event("cannot_start"), 30, lambda: second.tail())
        reason = second.events("cannot_start")[0]["reason"]
        self.assertIn("belongs to another machine, or to another spool", reason)
        self.assertIn("a name of its own", reason)
        self.assertIn("postwain queue take-over", reason)
        second.kill_all()
        # Whoever works is not thrown out, and works on.
        done = second.cli("queue", "take-over")
        self.assertEqual(75, done.returncode, done.stdout)
        self.assertIn("works at this moment", done.stderr)
        self.assertEqual([], first.events("store_broken"))
        self.assertEqual(250, self.submit(first, "still@example.test")[0])
        self.sink.wait_delivered("still@example.test")
        # The first machine is lost, and what it had is the second's by an operator's word.
        first.kill_all()
        done = second.cli("queue", "take-over")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("belongs to", done.stdout)
        second.start()
        self.assertEqual(250, self.submit(second, "second@example.test")[0])
        self.sink.wait_delivered("second@example.test")
        second.stop()

    def test_a_spool_may_be_moved(self):
        mta = self.start(self.changes())
        mta.stop()
        os.rename(mta.folder / "spool", mta.folder / "elsewhere")
        mta.reconfigure({"spool_dir": mta.folder / "elsewhere"})
        mta.start()
        self.assertEqual(250, self.submit(mta, "moved@example.test")[0])
        self.sink.wait_delivered("moved@example.test")
        mta.stop()

    def test_a_move_that_has_not_ended_keeps_postwain_from_starting(self):
        """What had been delivered in between would be delivered again."""
        mta = self.start()
        mta.stop()
        mta.reconfigure(self.changes())
        move = f"from queue.db to database queue at {self.database.folder} as postwain"
        path = mta.folder / "spool/moving"
        with open(path, "w", encoding="utf-8") as file:
            file.write(move + "\n")
        os.chmod(path, 0o666)
        seen = len(mta.log)
        mta.launch()
        wait_until(lambda: mta.has_event("cannot_start", seen), 30, mta.tail)
        self.assertIn("is being moved", mta.events("cannot_start", seen)[0]["reason"])
        mta.kill_all()
        self.assertEqual(0, mta.cli("queue", "move", "--from", "sqlite").returncode)
        self.assertFalse(os.path.exists(path))
        mta.start()
        mta.stop()

    def test_a_move_from_where_no_queue_is_says_so(self):
        mta = self.start()
        mta.stop()
        done = mta.cli("queue", "move", "--from", self.database.address)
        self.assertNotEqual(0, done.returncode)
        self.assertIn("there is no queue of Postwain in this database", done.stderr)
        self.assertEqual("0", self.database.sql("SELECT count(*) FROM pg_tables WHERE "
                                                "schemaname = 'public'"))
        done = mta.cli("queue", "move", "--from", "postgresql://db.example/queue")
        self.assertIn("--from names a host of the network", done.stderr)
        done = mta.cli("queue", "move", "--from", "sqlite")
        self.assertIn("the queue is there already", done.stderr)
        self.assertNotIn("was, or moved", done.stderr)

    def test_a_silent_database_refuses_within_seconds(self):
        """Not only one that is gone: all of its processes stand still."""
        mta = self.start(self.changes())
        self.assertEqual(250, self.submit(mta, "before@example.test")[0])
        self.sink.wait_delivered("before@example.test")
        client = SmtpClient(mta.port)
        self.addCleanup(client.close)
        client.envelope("alice@sender.test", ["meanwhile@example.test"])
        self.database.pause()
        answers = []
        sender = threading.Thread(target=lambda: answers.append(client.data(message())))
        sender.start()
        wait_until(lambda: self.is_refused(mta), 10, "a refusal of MAIL, while one message waits")
        self.assertFalse(answers)
        self.database.resume()
        sender.join(60)
        self.assertEqual(250, answers[0][0])
        self.sink.wait_delivered("meanwhile@example.test")
        wait_until(lambda: not self.is_refused(mta), 20, "mail is taken again")
        mta.wait_queue_empty()
        mta.stop()

    def test_a_stop_does_not_wait_out_a_silent_database(self):
        """Not even with a commit of which nobody knows whether it was done. What had been
        acknowledged before is there at the next start."""
        self.sink.stop()
        mta = self.start(self.changes(retry=["1h"]))
        self.assertEqual(250, self.submit(mta, "before@later.test")[0])
        client = SmtpClient(mta.port)
        client.envelope("alice@sender.test", ["meanwhile@later.test"])
        self.database.pause()
        self.assertEqual(354, client.command("DATA")[0])
        client.send(message() + b"\r\n.\r\n")
        client.close()
        wait_until(lambda: self.is_refused(mta), 10, "a refusal of MAIL")
        mta.process.send_signal(signal.SIGTERM)
        # The patience with a silent server alone would be 40 seconds.
        mta.wait_exit(25)
        self.database.resume()
        mta.start()
        wait_until(lambda: "before@later.test" in mta.cli("queue", "list").stdout, 20,
                   "what was acknowledged")
        mta.stop()

    def test_mail_that_waits_in_sqlite_is_not_left_behind(self):
        self.sink.stop()
        mta = self.start({"route": [{"match": "*", "deliver": self.sink.target}],
                          "queue": {"retry": ["1h"]}})
        self.assertEqual(250, self.submit(mta, "here@example.test")[0])
        wait_until(lambda: [r["state"] for r in mta.unsettled().values()] == ["deferred"], 30,
                   "deferred")
        mta.stop()
        mta.reconfigure(self.changes())
        seen = len(mta.log)
        mta.launch()
        wait_until(lambda: mta.has_event("cannot_start", seen), 30, lambda: mta.tail())
        self.assertIn("still holds mail", mta.events("cannot_start", seen)[0]["reason"])
        mta.kill_all()
        # What the words say.
        done = mta.cli("queue", "move", "--from", "sqlite")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual("1 messages with 1 recipients moved from queue.db to "
                         f"database queue at {self.database.folder} as postwain\n", done.stdout)
        mta.start()
        self.assertEqual({"here@example.test"}, set(mta.unsettled()))
        # Nobody moves the queue of a Postwain that works.
        again = mta.cli("queue", "move", "--from", "sqlite")
        self.assertEqual((0, "there is nothing to move: no mail is in queue.db\n"),
                         (again.returncode, again.stdout), again.stderr)
        mta.reconfigure({"queue": {"store": None, "node": None}})
        busy = mta.cli("queue", "move", "--from", self.database.address)
        self.assertEqual(75, busy.returncode)
        self.assertIn("another qmgr works with this spool", busy.stderr)
        mta.stop()
        # And back.
        done = mta.cli("queue", "move", "--from", self.database.address, "--json")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(1, json.loads(done.stdout)["messages"])
        mta.start()
        self.assertEqual({"here@example.test"}, set(mta.unsettled()))
        self.assertEqual(0, self.rows("recipient"))
        mta.stop()
        again = mta.cli("queue", "move", "--from", self.database.address, "--json")
        self.assertEqual((0, 0), (again.returncode, json.loads(again.stdout)["messages"]))

    def test_a_new_machine_takes_the_place_of_a_lost_one_before_it_was_ever_started(self):
        lost = self.start(self.changes())
        lost.kill_all()
        mta = self.prepare(self.changes())
        done = mta.cli("queue", "take-over")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertTrue(os.path.isdir(mta.folder / "spool"))
        # What is logged meanwhile is a process's, by its name and number.
        self.assertNotRegex(done.stderr, r"postwain\[0\]")
        self.assertRegex(done.stderr, r" qmgr\[[1-9]\d*\] ")
        mta.start()
        mta.stop()

    def test_a_move_without_a_spool_says_what_is_missing(self):
        mta = self.prepare(self.changes())
        done = mta.cli("queue", "move", "--from", "sqlite")
        self.assertEqual(66, done.returncode)
        self.assertIn("(spool_dir) is not there: Postwain has never been started", done.stderr)

    def test_the_password_comes_from_a_file_and_may_change(self):
        self.database.sql("ALTER ROLE postwain PASSWORD 'hush-one'")
        with open(os.path.join(self.database.data, "pg_hba.conf"), "w", encoding="utf-8") as file:
            file.write("local all postgres trust\nlocal all all scram-sha-256\n")
        self.database.sql("SELECT pg_reload_conf()")
        secrets = self.closing_folder()
        secret = secrets.file("database.secret", "wrong\n")
        mta = self.prepare(self.changes(store_password=f"file:{secret}"))
        mta.launch()
        wait_until(lambda: mta.has_event("cannot_start"), 30, lambda: mta.tail())
        self.assertIn("password authentication failed", mta.events("cannot_start")[0]["reason"])
        mta.kill_all()
        secrets.file("database.secret", "hush-one\n")
        mta.start()
        self.assertEqual(250, self.submit(mta, "one@example.test")[0])
        self.database.sql("ALTER ROLE postwain PASSWORD 'hush-two'")
        secrets.file("database.secret", "hush-two\n")
        self.assertEqual(0, mta.cli("reload").returncode)
        self.database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                          "WHERE usename = 'postwain'")
        wait_until(lambda: self.submit_or_refusal(mta, "two@example.test")[0] == 250, 30,
                   "mail is taken with the new password")
        self.sink.wait_delivered("two@example.test")
        self.assertNotIn("hush", "\n".join(mta.log))
        mta.stop()

    def closing_folder(self):
        folder = Folder()
        self.addCleanup(folder.remove)
        return folder

    def test_what_belongs_to_sqlite_alone_says_so(self):
        mta = self.start(self.changes())
        done = mta.cli("queue", "backup", mta.folder / "copy")
        self.assertNotEqual(0, done.returncode)
        self.assertIn("PostgreSQL", done.stderr)
        mta.stop()
        done = mta.cli("queue", "recover", mta.folder / "recovered")
        self.assertNotEqual(0, done.returncode)
        self.assertIn("names a database", done.stderr)

    def test_a_reload_may_change_the_name_of_a_machine_whose_queue_is_in_sqlite(self):
        mta = self.start()
        mta.reconfigure({"hostname": "mx2.postwain.test", "queue": {"lifetime": "4d"}})
        self.assertEqual(0, mta.cli("reload").returncode)
        mta.stop()

    def test_a_reload_does_not_change_the_store(self):
        mta = self.start(self.changes())
        mta.reconfigure({"queue": {"store": None, "node": None}})
        done = mta.cli("reload")
        self.assertIn("[queue] store changes only with a restart", done.stdout + done.stderr)
        self.assertEqual(250, self.submit(mta, "same@example.test")[0])
        self.sink.wait_delivered("same@example.test")
        mta.stop()


if __name__ == "__main__":
    main()
