"""Parts that are away: a session gets 4xx, nothing is lost, and all goes on when they are back."""

import glob
import json
import os
import signal
import subprocess
import time
import unittest

from postwain_harness import PostwainTestCase, kill_and_wait, main
from mail_content import message
from mail_session import Delay
from programs import Programs
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

MIB = 1 << 20


class MissingProcess(PostwainTestCase):
    """The programs stand in a folder of their own, from which one can be taken away."""

    def begin(self):
        self.programs = self.closing(Programs())
        self.sink = self.closing(SmtpSink())
        self.mta = self.start({"route": [{"match": "*", "deliver": self.sink.target}]},
                              binaries=self.programs.path)

    def take_away(self, kind):
        pid = self.mta.pids_of(kind)[0]
        self.programs.take_away(kind)
        kill_and_wait(pid)

    def bring_back(self, kind):
        self.programs.bring_back(kind)

    def submit(self, to, client=None):
        client = client or SmtpClient(self.mta.port)
        self.addCleanup(client.close)
        return client.mail("alice@sender.test", [to], message())

    def taken_again(self, to):
        """True once a message is accepted."""
        try:
            return self.submit(to)[0] == 250
        except (OSError, EOFError, AssertionError):
            return False

    def test_without_qmgr(self):
        self.begin()
        before, between = SmtpClient(self.mta.port), SmtpClient(self.mta.port)
        self.addCleanup(before.close)
        self.addCleanup(between.close)
        between.envelope("alice@sender.test", ["between@example.test"])
        self.take_away("qmgr")
        code, text = wait_until(lambda: self.refusal(before), 10, "a refusal of MAIL")
        self.assertEqual((451, "4.3.0"), (code, text.split()[0]))
        code, text = between.data(message())
        self.assertEqual((451, "4.3.0"), (code, text.split()[0]))
        self.assertIsNone(self.mta.process.poll())

        self.bring_back("qmgr")
        wait_until(lambda: self.taken_again("after@example.test"), 60, "acceptance")
        self.sink.wait_delivered("after@example.test")
        self.mta.wait_queue_empty()
        self.assertEqual([], self.sink.delivered("between@example.test"))
        self.mta.stop()

    def refusal(self, client):
        """MAIL's answer when it is a refusal."""
        answer = client.command("MAIL FROM:<alice@sender.test>")
        if answer[0] == 250:
            client.command("RSET")
            return None
        return answer

    def test_without_smtp_client(self):
        """Mail is taken and waits."""
        self.begin()
        self.take_away("smtp-client")
        self.assertEqual(250, self.submit("bob@example.test")[0])
        self.assertEqual(1, len(self.mta.queue()))
        self.bring_back("smtp-client")
        self.sink.wait_delivered("bob@example.test", 60)
        self.mta.wait_queue_empty()
        self.assertEqual(1, len(self.sink.messages))


class StoppedProcess(PostwainTestCase):
    def test_qmgr_pauses_for_some_seconds(self):
        """A message past its data waits for its reply and is stored once."""
        sink = self.closing(SmtpSink())
        mta = self.start({"route": [{"match": "*", "deliver": sink.target}]})
        qmgr = mta.pids_of("qmgr")[0]
        client = SmtpClient(mta.port)
        self.addCleanup(client.close)
        client.envelope("alice@sender.test", ["bob@example.test"])
        client.command("DATA")
        os.kill(qmgr, signal.SIGSTOP)
        try:
            client.send(message() + b".\r\n")
            time.sleep(2)
        finally:
            os.kill(qmgr, signal.SIGCONT)
        code, _ = client.reply()
        self.assertIn(code, (250, 451))
        mta.wait_queue_empty()
        if code == 250:
            sink.wait_delivered("bob@example.test")
        self.assertLessEqual(len(sink.messages), 1)
        mta.stop()


@unittest.skipUnless(os.geteuid() == 0, "needs a file system of its own: root only")
class DiskFull(PostwainTestCase):
    def begin(self, script=None, size="400m"):
        self.sink = self.closing(SmtpSink(script=script))
        self.mta = self.prepare({"limits": {"message_size": "1MiB"},
                                 "route": [{"match": "*", "deliver": self.sink.target}]})
        self.spool = self.mta.folder / "spool"
        os.mkdir(self.spool)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs",
                                  self.spool], capture_output=True, check=False)
        if mounted.returncode != 0:
            self.skipTest(f"mount is not permitted: {mounted.stderr!r}")
        # Clean-ups run in reverse order, so close() must come before umount: register it again.
        self.addCleanup(subprocess.run, ["umount", "-l", self.spool], check=False)
        self.addCleanup(self.mta.kill_all)
        self.mta.start()

    def fill(self):
        """No byte is left."""
        descriptor = os.open(self.spool + "/filler", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        try:
            for block in (MIB, 4096, 1):
                try:
                    while True:
                        os.write(descriptor, bytes(block))
                except OSError:
                    pass
        finally:
            os.close(descriptor)

    def test_outcomes_of_running_attempts_are_recorded(self):
        """The disk fills up while the peer takes its time; what it then says is recorded all the same."""
        self.begin({"final": Delay(3, "250 2.0.0 taken late")})
        wait_until(lambda: os.path.exists(self.spool + "/ballast"), 20, "the ballast")
        with SmtpClient(self.mta.port) as client:
            for name in ("one", "two", "three"):
                self.assertEqual(250, client.mail("a@s.test", [f"{name}@example.test"], message())[0])
        wait_until(lambda: len(self.sink.commands("DATA")) == 3, 20, "attempts under way")
        self.fill()
        self.mta.wait_queue_empty(60)
        self.assertEqual([1, 1, 1], [len(self.sink.delivered(f"{name}@example.test"))
                                     for name in ("one", "two", "three")])
        os.unlink(self.spool + "/filler")
        wait_until(lambda: os.path.exists(self.spool + "/ballast"), 30, "the ballast once more")

    def queue_up(self, count):
        for number in range(count):
            with SmtpClient(self.mta.port) as client:
                self.assertEqual(250, client.mail("a@s.test", [f"u{number}@example.test"],
                                                  message())[0])

    def test_kind_2_full_disk_and_kill_9(self):
        """With not one byte free, and killed again and again, what was acknowledged leaves."""
        self.begin({"mail": lambda *_: None if self.taking else "451 4.3.2 not yet"})
        self.taking = False
        self.mta.reconfigure({"queue": {"retry": ["1s"], "jitter": 0}})
        self.mta.stop()
        self.mta.start()
        count = 50
        self.queue_up(count)
        self.fill()
        self.taking = True
        for _ in range(3):
            self.mta.kill_all()
            self.fill()
            self.mta.start()
        self.mta.wait_queue_empty(90)
        for number in range(count):
            self.assertLessEqual(1, len(self.sink.delivered(f"u{number}@example.test")))
        self.assertEqual(0, os.statvfs(self.spool).f_bavail)

    def test_kind_2_a_queue_that_filled_its_disk(self):
        """Nothing but our own mail is on it: all of that leaves, and then there is room again."""
        for size in ("96m", "200m"):
            with self.subTest(size=size):
                self.begin(size=size)
                self.assertEqual(0, self.mta.cli("queue", "suspend", "example.test").returncode)
                count = self.fill_with_mail()
                self.assertGreater(count, 500)
                self.assertEqual(0, self.mta.cli("queue", "resume", "example.test").returncode)
                self.mta.wait_queue_empty(90)
                for number in range(count):
                    self.assertEqual(1, len(self.sink.delivered(f"u{number}@example.test")))
                wait_until(lambda: self.refusal() is None, 60, "acceptance, since the queue is gone")
                self.sink.wait_delivered("probe@example.test")
                self.mta.wait_queue_empty()
                wait_until(lambda: os.path.getsize(self.spool + "/queue.db") < 8 * MIB, 60,
                           "a short file")
                self.assertFalse(self.mta.has_event("child_exit"), self.mta.tail())
                self.mta.stop()

    def fill_with_mail(self):
        """As fast as one client can, until it is refused; how many were taken."""
        content = message("large", b"0123456789abcdef\r\n" * 3_300)
        with SmtpClient(self.mta.port) as client:
            for number in range(5_000):
                for line in ("MAIL FROM:<a@s.test>", f"RCPT TO:<u{number}@example.test>"):
                    code, text = client.command(line)
                    if code == 452:
                        return number
                    self.assertEqual(250, code, text)
                code, text = client.data(content)
                if code == 452:
                    return number
                self.assertEqual(250, code, text)
        self.fail("the disk does not get full")

    def test_kind_2_what_stands_still_says_so(self):
        """No room for any outcome: the log and status say why, and what to do."""
        self.begin({"mail": lambda *_: None if self.taking else "451 4.3.2 not yet"})
        self.taking = False
        self.queue_up(3)
        self.mta.stop()  # orderly: the log of the database is gone, and its blocks with it
        self.taking = True
        self.fill()
        for name in ("ballast", "ballast.part"):
            if os.path.exists(self.spool + "/" + name):
                os.unlink(self.spool + "/" + name)
                self.fill()
        self.mta.start()
        event = wait_until(lambda: [line for line in self.mta.log if "deliveries_stopped" in line],
                           30, "the reason in the log")
        self.assertIn("free some space", event[0])
        status = json.loads(self.mta.cli("status", "--json").stdout)
        self.assertFalse(status["delivering"])
        self.assertIn("free some space", status["standstill"])
        self.assertIn("free some space", self.mta.cli("status").stdout)
        os.unlink(self.spool + "/filler")
        wait_until(lambda: self.mta.has_event("deliveries_resumed"), 60, "deliveries again")
        self.assertEqual(0, self.mta.cli("queue", "retry", "--all").returncode)
        self.mta.wait_queue_empty(60)

    def test_started_on_a_full_disk(self):
        """It runs, refuses mail, does not restart again and again, and takes mail when there is room."""
        self.begin()
        self.mta.kill_all()
        for name in ("ballast", "ballast.part"):
            if os.path.exists(self.spool + "/" + name):
                os.unlink(self.spool + "/" + name)
        self.fill()
        seen = len(self.mta.log)
        self.mta.start()
        code, text = wait_until(self.refusal, 30, "a refusal while the disk is full")
        self.assertIn((code, text.split()[0]), ((452, "4.3.1"), (451, "4.3.0")))
        time.sleep(5)  # longer than two looks at disk and clock
        for word in ("clock_jumped", "child_exit", "cannot_start"):
            self.assertFalse(self.mta.has_event(word, seen), self.mta.tail())
        os.unlink(self.spool + "/filler")
        wait_until(lambda: self.refusal() is None, 60, "acceptance after the disk is free again")

    def test_full_and_free_again(self):
        self.begin()
        with SmtpClient(self.mta.port) as client:
            self.assertEqual(250, client.mail("a@s.test", ["one@example.test"], message())[0])
        self.sink.wait_delivered("one@example.test")
        self.fill()
        code, text = wait_until(self.refusal, 30, "a refusal while the disk is full")
        self.assertIn((code, text.split()[0]), ((452, "4.3.1"), (451, "4.3.0")))
        self.assertEqual(0, self.mta.cli("queue", "list", "--json").returncode)

        os.unlink(self.spool + "/filler")
        wait_until(lambda: self.refusal() is None, 60, "acceptance after the disk is free again")
        with SmtpClient(self.mta.port) as client:
            self.assertEqual(250, client.mail("a@s.test", ["two@example.test"], message())[0])
        self.sink.wait_delivered("two@example.test")
        self.mta.wait_queue_empty()
        self.assertEqual([1, 1], [len(self.sink.delivered(f"{n}@example.test"))
                                  for n in ("one", "two")])

    def test_full_in_the_middle_of_a_large_message(self):
        """Refused with the reason at its end, nothing of it is left, and the session goes on."""
        self.begin()
        half = message("large", b"0123456789abcdef\r\n" * 25000)
        with SmtpClient(self.mta.port) as client:
            for line in ("MAIL FROM:<a@s.test>", "RCPT TO:<large@example.test>", "DATA"):
                self.assertLess(client.command(line)[0], 400)
            client.send(half)
            wait_until(lambda: any(size > 0 for size in self.nameless_files()), 20,
                       "the beginning in its file")
            self.fill()
            client.send(b"0123456789abcdef\r\n" * 25000 + b".\r\n")
            code, text = client.reply()
            self.assertEqual((452, "4.3.1"), (code, text.split()[0]))
            wait_until(lambda: not self.nameless_files(), 20, "the end of the file")
            self.assertTrue(self.mta.has_event("content_not_written"), self.mta.tail())
            os.unlink(self.spool + "/filler")
            wait_until(lambda: self.refusal() is None, 60, "acceptance")
            self.assertEqual(250, client.mail("a@s.test", ["large@example.test"], half)[0])
        arrived, = self.sink.wait_delivered("large@example.test")
        self.assertIn(b"0123456789abcdef\r\n" * 25000, arrived.content)
        self.mta.wait_queue_empty()
        self.assertEqual([], glob.glob(self.spool + "/content/*"))

    def nameless_files(self):
        """Sizes of the files in the content folder that are under way and have no name yet."""
        sizes = {}
        for pid in self.mta.children():
            for fd in glob.glob(f"/proc/{pid}/fd/*"):
                try:
                    target = os.readlink(fd)
                    if target.startswith(self.spool + "/content/") and target.endswith(" (deleted)"):
                        status = os.stat(fd)
                        sizes[status.st_ino] = status.st_size
                except OSError:
                    pass  # closed meanwhile
        return list(sizes.values())

    def refusal(self):
        """The 4xx to a whole message, None when it was accepted; anything else is an error."""
        try:
            with SmtpClient(self.mta.port) as client:
                for line in ("MAIL FROM:<a@s.test>", "RCPT TO:<probe@example.test>", "DATA"):
                    answer = client.command(line)
                    if 400 <= answer[0] < 500:
                        return answer
                client.send(message() + b".\r\n")
                answer = client.reply()
        except (OSError, EOFError):
            return None
        self.assertTrue(answer[0] == 250 or 400 <= answer[0] < 500, answer)
        return None if answer[0] == 250 else answer


if __name__ == "__main__":
    main()
