"""How everything ends, and what the exit status of the supervisor says of it."""

import contextlib
import os
import signal

from postwain_harness import PostwainTestCase, kill_and_wait, main
from resources import wait_until


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


if __name__ == "__main__":
    main()
