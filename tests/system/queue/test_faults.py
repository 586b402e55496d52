"""The fault table: damaged and foreign databases, lost content, a spool that cannot be written.

What is common to all rows: the reason stands in one log line, nothing is made anew over mail that
may still be there, and what can go on by itself does.
"""

import glob
import os
import sqlite3
import subprocess
import unittest

from postwain_harness import BIN, PostwainTestCase, kill_and_wait, main
from mail_content import message
from programs import Programs
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

EX_DATAERR, EX_CONFIG, EX_TEMPFAIL = 65, 78, 75
PAGE = 4096


class FaultCase(PostwainTestCase):
    def begin(self, script=None, changes=None):
        self.sink = self.closing(SmtpSink(script=script))
        self.mta = self.start({"route": [{"match": "*", "deliver": self.sink.target}],
                               **(changes or {})})

    def send(self, to, content=None):
        with SmtpClient(self.mta.port) as client:
            code, text = client.mail("alice@sender.test", [to], content or message())
        self.assertEqual(250, code, text)
        return text.rsplit(" ", 1)[1]

    @property
    def spool(self):
        return self.mta.folder / "spool"

    def fails_to_start(self, exit_code, *words):
        seen = len(self.mta.log)
        self.mta.launch()
        self.assertEqual(exit_code, self.mta.wait_exit(60))
        text = "\n".join(self.mta.log[seen:])
        for word in words:
            self.assertIn(word, text)
        self.assertNotIn(" ready ", text)


class Database(FaultCase):
    def queue_one_and_stop(self):
        self.begin({"rcpt": "451 4.2.0 not now"}, {"queue": {"retry": ["1h"], "jitter": 0}})
        self.send("bob@example.test")
        wait_until(lambda: self.mta.unsettled()["bob@example.test"]["attempts"] == 1, 20, "attempt")
        self.mta.stop()
        return self.spool + "/queue.db"

    def test_damaged_at_start(self):
        """Postwain ends with a clear word instead of starting again and again; the file stays."""
        path = self.queue_one_and_stop()
        size = os.path.getsize(path)
        with open(path, "r+b") as file:
            file.seek(100)
            file.write(b"\xff" * 200)  # the root of the schema
        self.fails_to_start(EX_DATAERR, "cannot_start", "malformed", "giving_up")
        self.assertEqual(size, os.path.getsize(path))

    def test_no_database_at_all(self):
        path = self.queue_one_and_stop()
        with open(path, "r+b") as file:
            file.write(b"This is a letter to aunt Mary. ")
        self.fails_to_start(EX_DATAERR, "not a database")
        with open(path, "rb") as file:
            self.assertEqual(b"This is a", file.read(9))

    def test_of_a_newer_program(self):
        path = self.queue_one_and_stop()
        with sqlite3.connect(path) as db:
            db.execute("UPDATE schema_info SET oldest_compatible = 99")
            db.execute("PRAGMA user_version = 99")
        db.close()
        self.fails_to_start(EX_DATAERR, "schema 99", "install the newer Postwain")

    def test_missing_beside_its_log(self):
        path = self.queue_one_and_stop()
        os.rename(path, path + "-wal")
        self.fails_to_start(EX_DATAERR, "-wal file is there", "not created anew")
        self.assertFalse(os.path.exists(path))

    def test_damaged_while_it_runs(self):
        """The damage is met when the rows are read: everything stops, nothing is believed any more."""
        self.begin({"rcpt": "451 4.2.0 not now"}, {"queue": {"retry": ["1h"], "jitter": 0}})
        for number in range(300):
            self.send(f"user{number}@example.test")
        wait_until(lambda: all(r["attempts"] == 1 for r in self.mta.unsettled().values()), 30,
                   "attempts")
        self.mta.kill_all()
        path = self.spool + "/queue.db"
        with sqlite3.connect(path) as db:  # puts the log into the file
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            root, = db.execute("SELECT rootpage FROM sqlite_schema WHERE name='recipient'").fetchone()
        db.close()
        with open(path, "r+b") as file:
            file.seek((root - 1) * PAGE)
            file.write(os.urandom(PAGE))
        self.mta.launch()
        self.assertEqual(EX_DATAERR, self.mta.wait_exit(60))
        self.assertIn("malformed", self.mta.tail())
        self.assertTrue(os.path.exists(path))


class Content(FaultCase):

    def lose_content(self):
        """A large message that waits, and whose file is then gone."""
        self.begin({"rcpt": ["451 4.2.0 not now"]}, {"queue": {"retry": ["2s"], "jitter": 0}})
        identity = self.send("bob@example.test", message("large", b"0123456789abcdef\r\n" * 10000))
        wait_until(lambda: self.mta.unsettled()["bob@example.test"]["attempts"] == 1, 20, "attempt")
        return identity, self.spool + "/content/" + identity

    def held(self):
        return wait_until(lambda: [r for m in self.mta.queue("--state", "held")
                                   for r in m["recipients"]], 30, "a held recipient")

    def test_missing_file_is_held_with_the_reason(self):
        identity, path = self.lose_content()
        os.unlink(path)
        one, = self.held()
        self.assertIn("missing or cannot be read", one["last_reply"])
        self.assertEqual([], self.sink.messages)
        self.assertTrue(self.mta.has_event("content_damaged"))
        self.assertTrue(self.mta.has_event("held"))
        # Other mail goes on.
        self.send("eve@example.test")
        self.sink.wait_delivered("eve@example.test")
        self.assertIn("held", self.mta.cli("trace", identity).stdout)

    def test_shortened_file_is_held_and_never_sent_short(self):
        _, path = self.lose_content()
        with open(path, "r+b") as file:
            file.truncate(70000)
        self.held()
        self.assertEqual([], self.sink.messages)

    def test_content_that_only_the_disk_has(self):
        """Read in the background, while the other connections go on."""
        _, path = self.lose_content()
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        arrived, = self.sink.wait_delivered("bob@example.test")
        self.assertIn(b"0123456789abcdef\r\n" * 10000, arrived.content)
        self.mta.wait_queue_empty()

    def test_released_when_the_file_is_back(self):
        identity, path = self.lose_content()
        os.rename(path, path + ".elsewhere")
        self.held()
        os.rename(path + ".elsewhere", path)
        self.assertEqual(0, self.mta.cli("queue", "release", identity).returncode)
        self.sink.wait_delivered("bob@example.test")
        self.mta.wait_queue_empty()


@unittest.skipUnless(os.geteuid() == 0, "needs a file system of its own: root only")
class ReadOnly(FaultCase):
    def test_spool_turns_read_only(self):
        """New mail gets 4xx; when the disk can be written again, all goes on by itself."""
        self.sink = self.closing(SmtpSink())
        self.mta = self.prepare({"route": [{"match": "*", "deliver": self.sink.target}]})
        os.mkdir(self.spool)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m,mode=0700", "tmpfs", self.spool],
                          capture_output=True, check=False).returncode != 0:
            self.skipTest("mount is not permitted")
        self.addCleanup(subprocess.run, ["umount", "-l", self.spool], check=False)
        self.addCleanup(self.mta.kill_all)
        self.mta.start()
        self.send("one@example.test")
        self.sink.wait_delivered("one@example.test")
        # The open files must go first: a file system with writers is busy. Another qmgr may be quicker.
        wait_until(self.turned_read_only, 30, "a moment without qmgr")
        wait_until(lambda: self.mta.has_event("cannot_start"), 30, "the refusal of qmgr")
        self.assertIn("Read-only file system", self.mta.tail())
        code, text = wait_until(self.answer_to_mail, 20, "an answer of smtpd")
        self.assertEqual((451, "4.3.0"), (code, text.split()[0]))
        self.assertIsNone(self.mta.process.poll())
        self.remount("rw")
        wait_until(lambda: (self.answer_to_mail() or (0,))[0] == 250, 60, "acceptance")
        self.send("two@example.test")
        self.sink.wait_delivered("two@example.test")

    def turned_read_only(self):
        for pid in self.mta.pids_of("qmgr") if self.mta.cli("status").returncode == 0 else []:
            kill_and_wait(pid)
        return self.remount("ro", check=False) == 0

    def remount(self, how, check=True):
        return subprocess.run(["mount", "-o", f"remount,{how}", self.spool], capture_output=not check,
                              check=check).returncode

    def answer_to_mail(self):
        try:
            with SmtpClient(self.mta.port) as client:
                return client.command("MAIL FROM:<a@sender.test>")
        except (OSError, EOFError, AssertionError):
            return None


class Poison(PostwainTestCase):
    def test_a_message_that_kills_its_agent_is_held_and_others_go_on(self):
        def rcpt(_, address):
            if address == "poison@far.test":
                os.kill(self.mta.pids_of("smtp-client")[0], 9)
                return "250 2.1.5 never read"
            return None

        self.sink = self.closing(SmtpSink(script={"rcpt": rcpt}))
        self.mta = self.start({"route": [{"match": "*", "deliver": self.sink.target}]})
        with SmtpClient(self.mta.port) as client:
            for name in ["poison"] + [f"user{n}" for n in range(20)]:
                self.assertEqual(250, client.mail("a@sender.test", [f"{name}@far.test"],
                                                  message())[0])
        held, = wait_until(lambda: [r for m in self.mta.queue("--state", "held")
                                    for r in m["recipients"]], 90, "the held recipient")
        self.assertEqual("poison@far.test", held["address"])
        self.assertIn("ended 4 times", held["last_reply"])
        self.assertTrue(self.mta.has_event("tried_alone"))
        for number in range(20):
            self.sink.wait_delivered(f"user{number}@far.test")
        wait_until(lambda: list(self.mta.unsettled()) == ["poison@far.test"], 20, "an empty queue")
        deaths = [e for e in self.mta.events("child_exit") if "smtp-client" in str(e)]
        self.assertEqual(4, sum("restart_in" in line and "smtp-client" in line
                                for line in self.mta.log), deaths)


FAKETIME = (glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1") or [None])[0]


@unittest.skipUnless(FAKETIME, "needs libfaketime")
class Clock(PostwainTestCase):
    """The wall clock jumps under the running programs; monotonic time goes on."""

    def begin(self, offset="+0", queue=None, script=None):
        self.sink = self.closing(SmtpSink(script=script or {"rcpt": "451 4.2.0 not now"}))
        self.mta = self.prepare({"route": [{"match": "*", "deliver": self.sink.target}],
                                 "queue": {"retry": ["2s"], "jitter": 0, "lifetime": "5d",
                                           "delay_warning": "off", **(queue or {})},
                                 # Every look at the clock reads a file of the test.
                                 "sandbox": {"mode": "off"}})
        self.set_clock(offset)
        clock = {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": self.mta.folder / "clock",
                 "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                 "FAKETIME_SKIP_CMDS": "python3"}
        self.mta.environment.update(clock)
        # The supervisor passes nothing of this on to its processes.
        words = " ".join(f"{name}={value}" for name, value in clock.items())
        self.mta.binaries = self.closing(Programs(scripts={
            name: f'#!/bin/sh\nexec env {words} {BIN}/{name} "$@"\n'
            for name in ("qmgr", "smtpd", "smtp-client", "lmtp-client", "pickup")})).path
        self.mta.start()
        os.chmod(self.mta.folder / "", 0o755)

    def set_clock(self, offset):
        path = self.mta.folder / "clock"
        with open(path + ".new", "w", encoding="ascii") as file:
            file.write(offset + "\n")
        os.chmod(path + ".new", 0o644)
        os.rename(path + ".new", path)

    def send(self, to):
        with SmtpClient(self.mta.port) as client:
            self.assertEqual(250, client.mail("alice@sender.test", [to], message())[0])

    def attempts(self):
        found = self.mta.unsettled().get("bob@example.test")
        return found["attempts"] if found else None

    def jump(self, offset, sign):
        wait_until(lambda: (self.attempts() or 0) >= 2, 30, "two attempts")
        self.set_clock(offset)
        wait_until(lambda: self.mta.has_event("clock_jumped"), 30, "notice of the jump")
        by = self.mta.events("clock_jumped")[0]["by"]
        self.assertTrue(by.startswith(sign), by)
        wait_until(lambda: self.mta.cli("status").returncode == 0, 30, "qmgr again")
        before = wait_until(self.attempts, 30, "the message")
        # It is tried again at the pace of its schedule, and is neither forgotten nor given up.
        wait_until(lambda: self.attempts() >= before + 2, 30, "further attempts")
        for word in ("expired", "bounced"):
            self.assertFalse(self.mta.has_event(word), word)
        self.sink.script["rcpt"] = None
        self.sink.wait_delivered("bob@example.test")
        self.mta.stop()

    def test_an_hour_forward(self):
        self.begin(queue={"lifetime": "30m"})
        self.send("bob@example.test")
        self.jump("+1h", "+")

    def test_an_hour_back(self):
        self.begin()
        self.send("bob@example.test")
        self.jump("-1h", "-")

    def test_thirty_days_forward(self):
        self.begin()
        self.send("bob@example.test")
        self.jump("+30d", "+")

    def test_thirty_days_back(self):
        self.begin(offset="+30d")
        self.send("bob@example.test")
        self.jump("+0", "-")

    def test_boot_in_1970(self):
        """The clock is set by the network when mail is in the queue already."""
        self.begin(offset="-20700d")
        self.send("bob@example.test")
        self.jump("+0", "+")

    def test_a_long_time_switched_off(self):
        self.begin()
        self.send("bob@example.test")
        wait_until(lambda: (self.attempts() or 0) >= 2, 30, "two attempts")
        self.mta.stop()
        self.set_clock("+30d")
        self.mta.start()
        before = wait_until(self.attempts, 30, "the message")
        wait_until(lambda: self.attempts() >= before + 1, 30, "an attempt")
        self.assertTrue(self.mta.has_event("time_unobserved"))
        self.assertFalse(self.mta.has_event("expired"))


if __name__ == "__main__":
    main()
