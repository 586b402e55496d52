"""What can happen to the database and to clocks while two nodes share a queue, each in a story of
its own: servers of which a process is killed, commits that are cut off while they wait for the
second server, a slow way, a long transaction of somebody else, a full disk, a primary that is cut
off together with one node, and a wall clock that is wrong.

The short ones are told by every test run, the others where POSTWAIN_CLUSTER_LONG is set
(make cluster-faults).
"""

import glob
import os
import time
import unittest

from postwain_harness import BIN, main
from cluster_harness import Cluster
from cluster_stories import LONG, ClusterStories, is_taken, refuses_for_now
from programs import Programs
from resources import Folder, wait_until

FAKETIME = (glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1") or [None])[0]
OF_NODES = "application_name LIKE 'postwain/%'"
WAITS = f"{OF_NODES} AND wait_event = 'SyncRep'"
DRAMA = 4  # seconds for which something is done again and again
SMALL = 48  # megabytes


class Database(ClusterStories):
    """With a second server, which confirms every commit."""

    standby = True

    def no_term_ended(self, began):
        self.assertEqual([], self.fenced(began))
        self.assertEqual(self.terms, self.terms_now())

    def events(self, name):
        return sum(len(node.events(name)) for node in (self.node, self.survivor))

    def test_commits_that_are_cut_off_while_they_wait(self):
        """The server says COMMIT, with a warning, of a commit that the second server has not; and
        it says nothing at all of one whose session it ends."""
        load = self.under_load()
        began, resolved = time.time(), self.events("commit_resolved")
        cut = {"pg_cancel_backend": 0, "pg_terminate_backend": 0}
        for call in cut:
            self.cluster.database.standby.pause()
            ends = time.monotonic() + DRAMA / 4
            while time.monotonic() < ends:
                cut[call] += int(self.cluster.database.sql(
                    f"SELECT count({call}(pid)) FROM pg_stat_activity WHERE {WAITS}"))
                time.sleep(0.05)
            self.cluster.database.standby.resume()
            time.sleep(1)
        print(f"\n    cut off {cut}, looked up {self.events('commit_resolved') - resolved}")
        self.assertTrue(all(cut.values()), cut)
        self.assertGreater(self.events("commit_resolved"), resolved)
        self.cluster.wait_live("a", "b")
        verdict = self.judge(load)
        self.no_term_ended(began)
        self.assertEqual(0, verdict.second_copies())

    def test_a_process_of_the_server_is_killed(self):
        """The server ends all sessions then, and recovers."""
        load = self.under_load()
        began = time.time()
        for kind in ("lane0", "beat"):
            wait_until(lambda kind=kind: self.cluster.database.primary.kill_backend(
                f"{OF_NODES} AND application_name LIKE '%{kind}%'"), 20, f"a session {kind}")
            self.cluster.wait_live("a", "b")
            for node in (self.node, self.survivor):
                self.wait_taken_again(node)
        verdict = self.judge(load)
        self.no_term_ended(began)
        self.assertEqual(0, verdict.second_copies())

    @LONG
    def test_a_slow_way_that_loses_some(self):
        for node in (self.node, self.survivor):
            node.slow(delay=0.05, loss=0.05)
        load = self.under_load()
        began = time.time()
        self.release()
        time.sleep(5 * DRAMA)
        self.assertEqual({"live"}, {self.cluster.status(name)["standing"] for name in "ab"})
        self.no_term_ended(began)
        self.node.kill_all()
        self.cluster.sink.tell("hold")
        killed = time.time()
        self.wait_taken_over(killed)
        self.node.start()
        self.cluster.wait_live("a", "b")
        self.judge(load)
        for node in (self.node, self.survivor):
            node.heal()

    @LONG
    def test_a_transaction_of_somebody_else_that_is_never_ended(self):
        """Nothing that is removed meanwhile can be forgotten by the server."""
        reader = self.cluster.database.primary.session(
            "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM fresh")
        self.addCleanup(reader.end)
        load = self.under_load(rate=300)
        self.release()
        time.sleep(5 * DRAMA)
        self.cluster.sink.tell("hold")
        began = time.time()
        self.node.kill_all()
        self.wait_taken_over(began)
        self.node.start()
        self.cluster.wait_live("a", "b")
        self.judge(load)

    @LONG
    def test_a_primary_that_is_cut_off_together_with_one_node(self):
        """It lives on, and its node reaches it alone. All others have the next primary."""
        pair = self.cluster.database
        load = self.under_load()
        for name, node in self.cluster.nodes.items():
            if name != "first":
                node.ways[pair.standby_place if node is self.node else pair.primary_place].cut()
        began = time.time()
        pair.promote(strict=False)
        self.wait_taken_over(began)
        wait_until(lambda: refuses_for_now(self.node), 20, self.node.tail)
        pair.end_old_primary()
        for node in (self.node, self.survivor):
            node.heal()
        pair.add_standby()
        self.cluster.wait_live("a", "b")
        self.wait_taken_again(self.node)
        self.judge(load)


@LONG
@unittest.skipIf(os.geteuid() != 0, "only root makes small file systems")
class FullDisk(ClusterStories):
    """The tables lie on a small file system, the log of the server does not."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(("a", "b"), label=cls.__name__)
        cls.addClassCleanup(cls.cluster.stop)
        cls.small = cls.cluster.database.primary.small_tablespace(SMALL)
        cls.cluster.start()

    def test_a_full_disk_refuses_for_now_and_goes_on_when_there_is_room(self):
        load = self.under_load(rate=200, large=0.2)
        began = time.time()
        with open(os.path.join(self.small, "filler"), "wb") as filler:
            try:
                while True:
                    filler.write(bytes(65536))
                    filler.flush()
            except OSError:
                pass
        for node in (self.node, self.survivor):
            wait_until(lambda node=node: 400 <= (is_taken(node) or (0,))[0] < 500, 60,
                       lambda node=node: f"it refuses: {is_taken(node)}\n{node.tail()}")
        time.sleep(2 * DRAMA)
        self.assertEqual([], self.fenced(began))
        os.unlink(os.path.join(self.small, "filler"))
        began = time.time()
        for node in (self.node, self.survivor):
            self.wait_taken_again(node)
        print(f"\n    mail is taken {time.time() - began:.1f} s after there was room")
        self.cluster.wait_live("a", "b")
        self.judge(load)


@LONG
@unittest.skipUnless(FAKETIME, "needs libfaketime")
class WrongClock(ClusterStories):
    """The wall clock of node a is not that of the others and of the database."""

    @classmethod
    def setUpClass(cls):
        cls.folder = Folder()
        cls.addClassCleanup(cls.folder.remove)
        os.chmod(cls.folder.path, 0o755)
        cls.set_clock("+0")
        clock = {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": cls.folder / "clock",
                 "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        words = " ".join(f"{name}={value}" for name, value in clock.items())
        programs = Programs(scripts={
            name: f'#!/bin/sh\nexec env {words} {BIN}/{name} "$@"\n'
            for name in ("qmgr", "smtpd", "smtp-client", "lmtp-client")})
        cls.addClassCleanup(programs.stop)
        cls.cluster = Cluster((), label=cls.__name__)
        cls.addClassCleanup(cls.cluster.stop)
        cls.cluster.add("a", binaries=programs.path)
        # Every look at the clock reads a file of the test.
        cls.cluster.nodes["a"].reconfigure({"sandbox": {"mode": "off"}})
        cls.cluster.add("b")
        # The times in the log of a are not those of the sink.
        cls.cluster.lapses = lambda: []
        cls.cluster.start()

    @classmethod
    def set_clock(cls, offset):
        path = cls.folder / "clock"
        with open(path + ".new", "w", encoding="ascii") as file:
            file.write(offset + "\n")
        os.chmod(path + ".new", 0o644)
        os.rename(path + ".new", path)

    def tell(self, offset):
        """Under load the clock is set, and some time later it is right again."""
        a = self.cluster.nodes["a"]
        load = self.under_load()
        self.release()
        began = time.time()
        self.set_clock(offset)
        time.sleep(4 * DRAMA)
        self.cluster.wait_live("a", "b")
        self.wait_taken_again(a)
        # Nobody judges a life by it.
        self.assertEqual([], self.cluster.fences(began))
        self.set_clock("+0")
        time.sleep(DRAMA)
        self.cluster.wait_live("a", "b")
        self.judge(load)
        self.assertNotIn("gone", (self.cluster.state_of("a"), self.cluster.state_of("b")))

    def test_three_seconds_fast(self):
        self.tell("+3s")

    def test_three_seconds_slow(self):
        self.tell("-3s")

    def stand_still(self, offset):
        """A node that is so far off takes and sends nothing, and says why; the other one goes on."""
        a, b = (self.cluster.nodes[name] for name in "ab")
        load = self.under_load()
        self.release()
        began = time.time()
        seen = len(a.events("clock_differs"))
        self.set_clock(offset)
        wait_until(lambda: len(a.events("clock_differs")) > seen, 30, lambda: f"it is told\n{a.tail()}")
        wait_until(lambda: (is_taken(a) or (0,))[0] in (451, 421), 30,
                   lambda: f"nothing is taken: {is_taken(a)}\n{a.tail()}")
        self.wait_taken_again(b)
        # Nobody judges a life by it.
        self.assertEqual([], self.cluster.fences(began))
        self.set_clock("+0")
        self.cluster.wait_live("a", "b")
        self.wait_taken_again(a)
        # What failed before the next beat was planned by the wrong clock (postwain-cluster(7)).
        load.stop()
        self.assertEqual(0, b.cli("queue", "retry", "--all").returncode)
        self.judge(load)
        self.assertNotIn("gone", (self.cluster.state_of("a"), self.cluster.state_of("b")))

    def test_an_hour_slow(self):
        self.stand_still("-3600s")

    def test_an_hour_fast(self):
        self.stand_still("+3600s")


if __name__ == "__main__":
    main()
