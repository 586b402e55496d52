"""The whole server with a qmgr that dies, or whose disk fails, at one named moment.

Each moment has a server of its own, started, loaded and judged on its own thread.  What got 250
arrives or bounces; a second copy only where qmgr ended between the peer's reply and its record.
The failpoints of the store alone are walked in tests/unit/failpoints.
"""

import contextlib
import os
import signal
import threading
import unittest

from postwain_harness import PostwainTestCase, main
from ledger import Ledger, Verdict, digest
from mail_content import Dsn, message
from programs import Programs
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

QMGR = os.path.join(os.environ.get("POSTWAIN_TEST_BIN", "build/release/tests"), "qmgr_failpoints")
AT_ONCE = 4
# (failpoint, action, the how many-th time)
CASES = [(point, "kill", 2) for point in (
    "content-create", "content-append", "content-sync", "content-link", "content-sync-folder",
    "accept-insert", "accept-commit", "accept-answer", "lease-send", "outcome-write",
    "bounce-insert", "outcome-commit", "outcome-answer", "content-remove")]
CASES += [("history-commit", action, 1) for action in ("kill", "eio", "enospc")]
CASES += [(point, action, 2) for point in ("accept-commit", "outcome-commit", "content-sync")
          for action in ("eio", "enospc")]
MESSAGES = 12
LARGE_EVERY = 3


class Failpoints(PostwainTestCase):
    def test_every_moment(self):
        self.assertTrue(os.access(QMGR, os.X_OK), QMGR)
        self.programs = self.closing(Programs({"qmgr": QMGR}))
        waiting = list(CASES)
        wrong = []
        lock = threading.Lock()

        def work():
            while True:
                with lock:
                    if not waiting:
                        return
                    case = waiting.pop(0)
                try:
                    self.one(*case)
                except Exception as error:  # pylint: disable=broad-except
                    with lock:
                        wrong.append(f"{case}: {error}")

        threads = [threading.Thread(target=work) for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], wrong)

    def one(self, point, action, nth):
        mta = self.prepare(binaries=self.programs.path)
        mta.label = f"{self.id()} {point}"
        os.mkdir(mta.folder / "spool")
        mta.folder.file("spool/failpoint", f"{point}:{action}:{nth}:{mta.folder / 'spool'}/armed")
        os.chmod(mta.folder / "spool/failpoint", 0o644)
        offered, arrived = Ledger(mta.folder / "offered"), Ledger(mta.folder / "arrived")
        sink = SmtpSink(script={"rcpt": {"refused@far.test": "550 5.1.1 no"}}, ledger=arrived)
        bounces = SmtpSink()
        try:
            mta.reconfigure({"route": [{"match": "far.test", "deliver": sink.target},
                                       {"match": "sender.test", "deliver": bounces.target}]})
            mta.start()
            self.load(mta, offered)
            wait_until(lambda: mta.cli("status").returncode == 0, 40, "an answer of qmgr")
            wait_until(lambda: self.is_empty(mta), 60, "an empty queue")
            restarted = action != "enospc" and point not in ("content-sync", "history-commit")
            if action == "kill" or restarted:
                wanted = "signal 9" if action == "kill" else "exit 75"
                wait_until(lambda: any(wanted in line and "process=qmgr" in line
                                       for line in list(mta.log)), 10, f"end of qmgr by {wanted}")
                wait_until(lambda: mta.cli("status").returncode == 0, 40, "an answer of qmgr")
            mta.stop()
            self.judge(offered, arrived, bounces)
        finally:
            sink.stop()
            bounces.stop()
            offered.close()
            arrived.close()
            mta.close()

    @staticmethod
    def is_empty(mta):
        """The process may end at its point while it is asked."""
        done = mta.cli("queue", "list", "--json")
        return done.returncode == 0 and not done.stdout.strip()

    def load(self, mta, ledger):
        """Sends each message until it gets 250, as a client does that keeps its own queue."""
        for number in range(MESSAGES):
            recipients = [f"user{number}@far.test"] + ["refused@far.test"] * (number % 4 == 1)
            body = b"0123456789abcdef\r\n" * (5000 if number % LARGE_EVERY == 2 else 5)
            for attempt in range(30):
                key = f"m{number}-{attempt}"
                content = b"X-Key: " + key.encode() + b"\r\n" + message("load", body)
                ledger.append(what="offered", key=key, to=recipients, hash=digest(content))
                if self.send(mta, ledger, key, recipients, content) == 250:
                    break
                threading.Event().wait(0.3)
            else:
                raise AssertionError(f"message {number} was never taken")

    def send(self, mta, ledger, key, recipients, content):
        try:
            with SmtpClient(mta.port) as client:
                code, text = client.mail("alice@sender.test", recipients, content)
        except (OSError, EOFError, AssertionError):
            return 0
        ledger.append(what="reply", key=key, code=code, text=text)
        return code

    def judge(self, offered, arrived, bounces):
        bounced = set()
        for transaction in bounces.messages:
            report = Dsn(transaction.content)
            key = str(report.returned).split("X-Key: ", 1)[1].split("\n", 1)[0].strip()
            for group in report.per_recipient:
                bounced.add((key, group["Final-Recipient"].split(";")[1].strip()))
        verdict = Verdict(offered, arrived, bounced, [], 0)
        self.assertGreaterEqual(verdict.promised, MESSAGES)
        self.assertEqual([], verdict.lost)
        self.assertEqual([], verdict.both)
        self.assertEqual([], verdict.damaged)
        # One end of qmgr: at most what was under way then.
        self.assertLessEqual(verdict.duplicates, 3)


class Reported(PostwainTestCase):
    def test_what_was_reported_is_not_sent_again(self):
        """Five times all processes die between the report of a delivery and its commit."""
        programs = self.closing(Programs({"qmgr": QMGR}))
        sink = self.closing(SmtpSink())
        mta = self.prepare(binaries=programs.path)
        armed = mta.folder / "spool" + "/armed"
        os.mkdir(mta.folder / "spool")
        mta.folder.file("spool/failpoint", f"outcome-commit:kill:1:{armed}")
        os.chmod(mta.folder / "spool/failpoint", 0o644)
        mta.reconfigure({"route": [{"match": "*", "deliver": sink.target}]})
        for number in range(5):
            if os.path.exists(armed):
                os.unlink(armed)
            mta.start()
            to = f"u{number}@far.test"
            os.kill(mta.process.pid, signal.SIGSTOP)  # nobody starts qmgr again, to hear it late
            with SmtpClient(mta.port) as client:
                self.assertEqual(250, client.mail("alice@sender.test", [to], message())[0])
            sink.wait_delivered(to)
            wait_until(lambda: not living(mta, "qmgr"), 20, "the end of qmgr")
            mta.kill_all()
            mta.start()  # the point is not armed again: its file is there
            mta.wait_queue_empty()
            mta.kill_all()
            self.assertEqual(1, len(sink.delivered(to)))


def living(mta, kind):
    """Whether a process of this kind runs below the supervisor; one that was not waited for does not."""
    for pid in mta.children():
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                name, state = file.read().rsplit(")", 1)
            if name.split("(", 1)[1] == kind and state.split()[0] != "Z":
                return True
    return False


if __name__ == "__main__":
    main()
