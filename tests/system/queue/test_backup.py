"""queue backup while mail comes and goes, and queue recover from a damaged database."""

import json
import os
import shutil
import sqlite3
import threading
import unittest

from postwain_harness import PostwainTestCase, main
from mail_content import message
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

WAITING = 40
LARGE = b"0123456789abcdef\r\n" * 10000
PAGE = 4096


class BackupCase(PostwainTestCase):
    def begin(self):
        self.sink = self.closing(SmtpSink(script={
            "rcpt": lambda _, to: "451 4.2.0 not now" if self.deferring and "wait" in to else None}))
        self.deferring = True
        self.mta = self.start({"route": [{"match": "*", "deliver": self.sink.target}],
                               "queue": {"retry": ["1h"], "jitter": 0}})
        self.expected = {}
        for number in range(WAITING):
            content = message(f"m{number}", LARGE if number % 8 == 3 else b"small\r\n")
            self.send(f"wait{number}@far.test", content)
        wait_until(lambda: all(r["attempts"] == 1 for r in self.mta.unsettled().values())
                   and len(self.mta.unsettled()) == WAITING, 30, "an attempt for each")

    def send(self, to, content):
        with SmtpClient(self.mta.port) as client:
            code, text = client.mail("alice@sender.test", [to], content)
        self.assertEqual(250, code, text)

    @property
    def spool(self):
        return self.mta.folder / "spool"

    def restore(self, folder):
        """As an administrator does it: stopped, the spool away, the copy in its place."""
        os.rename(self.spool, self.spool + ".away")
        shutil.move(folder, self.spool)
        self.deferring = False
        self.mta.start()
        self.assertEqual(0, self.mta.cli("queue", "release", "--all").returncode)
        self.assertEqual(0, self.mta.cli("queue", "retry", "--all").returncode)


class Backup(BackupCase):
    def test_backup_under_load_and_restore(self):
        self.begin()
        stop = threading.Event()
        went = []

        def load():
            with SmtpClient(self.mta.port) as client:
                number = 0
                while not stop.is_set():
                    number += 1
                    body = LARGE if number % 10 == 0 else b"x\r\n"
                    code, _ = client.mail("bob@sender.test", [f"quick{number}@far.test"],
                                          message("load", body))
                    went.append(code)

        thread = threading.Thread(target=load)
        thread.start()
        target = self.mta.folder / "backup"
        try:
            for number in range(3):
                # Each backup begins in the midst of the load, however slow the machine is.
                wait_until(lambda: len(went) > 7 * (number + 1), 60, "the load goes on")
                result = self.mta.cli("queue", "backup", target, "--json")
                self.assertEqual(0, result.returncode, result.stderr)
                told = json.loads(result.stdout)
                self.assertGreaterEqual(told["messages"], WAITING)
                if number < 2:
                    shutil.rmtree(target)
        finally:
            stop.set()
            thread.join(30)
        self.assertEqual({250}, set(went))
        self.assertGreater(len(went), 20)
        wait_until(lambda: not os.path.exists(self.spool + "/snapshot"), 20, "end of the snapshot")
        with sqlite3.connect(f"file:{target}/queue.db?mode=ro&immutable=1", uri=True) as db:
            self.assertEqual([("ok",)], db.execute("PRAGMA integrity_check").fetchall())
        db.close()
        self.mta.kill_all()
        self.sink.messages.clear()
        self.restore(target)
        for number in range(WAITING):
            self.sink.wait_delivered(f"wait{number}@far.test")
        self.mta.wait_queue_empty()
        large, = self.sink.delivered("wait3@far.test")
        self.assertIn(LARGE, large.content)

    def test_mistakes_are_told(self):
        self.begin()
        taken = self.mta.folder / "taken"
        os.mkdir(taken)
        result = self.mta.cli("queue", "backup", taken)
        self.assertEqual(73, result.returncode)
        self.assertIn("is there already", result.stderr)
        result = self.mta.cli("queue", "backup", self.mta.folder / "no/such/place")
        self.assertEqual(74, result.returncode)
        self.assertIn("No such file", result.stderr)
        wait_until(lambda: not os.path.exists(self.spool + "/snapshot"), 20, "end of the snapshot")
        result = self.mta.cli("queue", "recover", self.mta.folder / "new")
        self.assertEqual(75, result.returncode)
        self.assertIn("stop it first", result.stderr)


class Recover(BackupCase):
    def damage(self):
        """The root of the recipients' tree is gone: SQLite refuses the table."""
        path = self.spool + "/queue.db"
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            root, = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'message'").fetchone()
        db.close()
        with open(path, "r+b") as file:
            file.seek((root - 1) * PAGE)
            kind = file.read(1)[0]
            file.seek((root - 1) * PAGE)
            file.write(os.urandom(PAGE))
        return kind

    def test_recover_and_go_on(self):
        self.begin()
        self.mta.kill_all()
        kind = self.damage()
        new = self.mta.folder / "new"
        result = self.mta.cli("queue", "recover", new, "--json")
        told = json.loads(result.stdout)
        if kind == 13:  # the only leaf: every message is lost, and every one is named
            self.assertEqual(65, result.returncode)
            self.assertEqual(WAITING, sum("the message to wait" in loss for loss in told["losses"]))
            self.assertGreater(len(os.listdir(new + "/lost")), WAITING / 2)
        else:
            self.assertEqual(WAITING, told["messages"], told)
        self.assertTrue(os.path.exists(self.spool + "/queue.db"))

    @unittest.skipUnless(os.geteuid() == 0, "only root can lose something here")
    def test_s13_recover_has_no_more_rights_than_the_spool_s_owner(self):
        """What it reads may be the work of a qmgr that was taken over."""
        self.begin()
        self.mta.kill_all()
        owner = os.stat(self.spool).st_uid
        self.assertNotEqual(0, owner)
        # A content that is a link to what only root may read, of the right size.
        victim = sorted(os.listdir(self.spool + "/content"))[0]
        path = f"{self.spool}/content/{victim}"
        secret = self.mta.folder / "secret"
        with open(secret, "wb") as file:
            file.write(b"s" * os.path.getsize(path))
        os.chmod(secret, 0o600)
        os.unlink(path)
        os.symlink(secret, path)
        new = self.mta.folder / "new"
        done = self.mta.cli("queue", "recover", new, "--json")
        self.assertEqual(65, done.returncode, done.stderr)
        told = json.loads(done.stdout)
        self.assertEqual(WAITING - 1, told["messages"])
        self.assertIn(victim, " ".join(told["losses"]))
        self.assertNotIn(victim, os.listdir(new + "/content"))
        for folder, _, names in os.walk(new):
            for name in [folder] + [os.path.join(folder, one) for one in names]:
                self.assertEqual(owner, os.lstat(name).st_uid, name)
        # The database itself is read with the owner's rights.
        os.chown(self.spool + "/queue.db", 0, 0)
        os.chmod(self.spool + "/queue.db", 0o600)
        done = self.mta.cli("queue", "recover", self.mta.folder / "other")
        self.assertEqual(74, done.returncode)
        self.assertIn("Permission denied", done.stderr)
        self.assertFalse(os.path.exists(self.mta.folder / "other"))

    @unittest.skipUnless(os.geteuid() == 0, "only root has places that the spool's owner has not")
    def test_s13_recover_says_where_it_cannot_write(self):
        self.begin()
        self.mta.kill_all()
        os.mkdir(self.mta.folder / "closed", 0o700)
        done = self.mta.cli("queue", "recover", self.mta.folder / "closed/new")
        self.assertEqual(73, done.returncode)
        self.assertIn("a folder that he can reach", done.stderr)
        self.assertEqual([], os.listdir(self.mta.folder / "closed"))
        done = self.mta.cli("queue", "recover", self.mta.folder / "closed")
        self.assertEqual(73, done.returncode)
        self.assertIn("File exists", done.stderr)

    def test_recover_a_sound_queue_and_deliver(self):
        self.begin()
        self.mta.kill_all()  # the log is beside it
        new = self.mta.folder / "new"
        result = self.mta.cli("queue", "recover", new)
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        self.assertIn(f"{WAITING} messages with {WAITING} recipients", result.stdout)
        self.restore(new)
        for number in range(WAITING):
            self.sink.wait_delivered(f"wait{number}@far.test")
        self.mta.wait_queue_empty()
        large, = self.sink.delivered("wait3@far.test")
        self.assertIn(LARGE, large.content)


if __name__ == "__main__":
    main()
