"""How everything ends, and what the exit status of the supervisor says of it."""

import contextlib
import os
import signal
import threading

from postwain_harness import PostwainTestCase, kill_and_wait, main, process_state
from resources import wait_until

EX_UNAVAILABLE, EX_TEMPFAIL = 69, 75


class End(PostwainTestCase):
    def end_while_stopping(self, name, number):
        """The signal ends that process after it was told to stop; the supervisor's exit status."""
        self.mta = self.start()
        pid = self.mta.pids()[name]
        os.kill(pid, signal.SIGSTOP)
        self.mta.process.send_signal(signal.SIGTERM)
        wait_until(lambda: self.mta.has_event("draining"), 20, self.mta.tail)
        os.kill(pid, number)
        with contextlib.suppress(ProcessLookupError):  # what SIGKILL has ended may be gone already
            os.kill(pid, signal.SIGCONT)
        return self.mta.wait_exit()

    def test_a_process_that_crashes_while_everything_is_stopped(self):
        for name in ("smtp-client[0]", "qmgr"):
            with self.subTest(name):
                self.assertEqual(70, self.end_while_stopping(name, signal.SIGABRT), self.mta.tail())
                self.mta.may_crash = True
                [said] = self.mta.events("crashed_at_end")
                self.assertEqual((name, "error"), (said["process"], said["level"]))
                self.assertEqual("70", self.mta.events("stopped")[-1]["exit"])

    def test_one_that_somebody_kills_has_not_crashed(self):
        self.assertEqual(0, self.end_while_stopping("smtp-client[0]", signal.SIGKILL))
        self.assertFalse(self.mta.has_event("crashed_at_end"))

    def test_a_crash_before_that_is_over_when_it_is_started_again(self):
        self.mta = self.start()
        self.mta.may_crash = True
        [pid] = self.mta.pids_of("smtp-client")
        kill_and_wait(pid, signal.SIGSEGV)
        wait_until(lambda: self.mta.pids_of("smtp-client") not in ([], [pid]), 20, self.mta.tail)
        self.mta.stop()


class StopWithoutTheQueueManager(PostwainTestCase):
    """`postwain stop` reaches the supervisor also where the way through qmgr is closed."""

    def stop_ends_all(self):
        pids = [self.mta.process.pid] + self.mta.children()
        done = self.mta.cli("stop", timeout=120)
        self.assertEqual((0, "postwain has stopped\n"), (done.returncode, done.stdout), done.stderr)
        self.assertEqual(0, self.mta.wait_exit(5), self.mta.tail())
        self.assertEqual({"Z"}, {process_state(pid) for pid in pids})
        for words in (("stop",), ("status",)):
            done = self.mta.cli(*words)
            self.assertEqual(EX_UNAVAILABLE, done.returncode, done.stderr)
            self.assertIn("postwain is not running", done.stderr)

    def test_one_whose_database_is_away(self):
        self.mta = self.prepare({"queue": {"store": "postgresql:///queue?host=/nonexistent"}})
        self.mta.launch()
        wait_until(lambda: self.mta.has_event("cannot_start"), 30, self.mta.tail)
        done = self.mta.cli("status")
        self.assertEqual(EX_TEMPFAIL, done.returncode, done.stderr)
        self.assertIn("its queue manager is not there", done.stderr)
        self.stop_ends_all()

    def test_one_that_is_refused_its_spool(self):
        self.mta = self.prepare()
        os.makedirs(self.mta.folder / "spool/queue.db")
        self.mta.launch()
        wait_until(lambda: self.mta.has_event("does_not_start"), 60, self.mta.tail)
        self.stop_ends_all()

    def test_one_that_does_not_answer(self):
        self.mta = self.start()
        pid = self.mta.pids()["qmgr"]
        os.kill(pid, signal.SIGSTOP)

        def go_on():
            wait_until(lambda: self.mta.has_event("draining"), 60, self.mta.tail)
            os.kill(pid, signal.SIGCONT)
        other = threading.Thread(target=go_on)
        other.start()
        self.addCleanup(other.join)
        self.stop_ends_all()


if __name__ == "__main__":
    main()
