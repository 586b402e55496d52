"""The process that asks filters: there is one where the configuration has a filter, and no other time."""

from postwain_harness import PostwainTestCase, kill_and_wait, main
from resources import wait_until

# Asked about nothing: it is the process that counts here.
FILTER = {"name": "none", "socket": "127.0.0.1:9", "on": []}


class FilterProcess(PostwainTestCase):
    def reload(self, filters):
        self.mta.reconfigure({"filter": filters})
        done = self.mta.cli("reload")
        self.assertEqual(0, done.returncode, done.stderr)

    def test_none_without_a_filter(self):
        self.mta = self.start()
        self.assertEqual([], self.mta.pids_of("filter"))

    def test_a_reload_starts_it_and_ends_it(self):
        self.mta = self.start()
        self.reload([FILTER])
        wait_until(lambda: len(self.mta.pids_of("filter")) == 1, 20, self.mta.tail)
        [first] = self.mta.pids_of("filter")
        self.reload([FILTER, {**FILTER, "name": "another", "socket": "unix:/nonexistent/milter"}])
        wait_until(lambda: len(self.mta.pids_of("filter")) == 1 and first not in self.mta.pids_of("filter"), 20,
                   self.mta.tail)
        self.reload([])
        wait_until(lambda: not self.mta.pids_of("filter"), 20, self.mta.tail)

    def moments(self, *words):
        """When the log has lines with all these words."""
        return [line.split()[0] for line in self.mta.log if set(words) <= set(line.split())]

    def test_the_old_one_goes_when_the_new_one_can_work(self):
        self.mta = self.start({"filter": [FILTER]})
        for count in (2, 3):
            self.reload([FILTER])
            wait_until(lambda: len(self.moments("child_exit", "process=filter")) == count - 1, 20, self.mta.tail)
            wait_until(lambda: len(self.moments("peer_connected", "name=filter")) == count, 20, self.mta.tail)
            self.assertLessEqual(self.moments("peer_connected", "name=filter")[-1],
                                 self.moments("child_exit", "process=filter")[-1])
        self.mta.stop()

    def test_status_names_it_and_another_takes_its_place(self):
        self.mta = self.start({"filter": [FILTER]})
        self.assertIn("filter", self.mta.cli("status").stdout)
        [pid] = self.mta.pids_of("filter")
        kill_and_wait(pid)
        wait_until(lambda: self.mta.pids_of("filter") not in ([], [pid]), 20, self.mta.tail)
        self.mta.stop()


if __name__ == "__main__":
    main()
