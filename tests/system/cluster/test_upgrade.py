"""Nodes of two versions beside each other: one after the other is stopped as the former version and
started as this one, under load, and one of them goes back.

POSTWAIN_FORMER names the folder with the programs of the former version (make cluster-upgrade).
"""

import os
import time
import unittest

from postwain_harness import BIN, main
import postgres_server
from cluster_harness import BAGS, TAKE_OVER_MAX, Cluster, queue_id_text
from resources import wait_until

FORMER = os.environ.get("POSTWAIN_FORMER", "")
LIFE = 3  # seconds under load between two steps
SEEN_MAX = 10  # seconds until what one node was told holds at the other one


@unittest.skipIf(postgres_server.programs() is None,
                 "PostgreSQL is neither installed nor unpacked below build/peers")
@unittest.skipUnless(FORMER, "POSTWAIN_FORMER names no programs of a former version")
class RollingUpgrade(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.cluster = Cluster(("a", "b"), label=self.id(), binaries=FORMER)
        self.addCleanup(self.cluster.stop)
        self.cluster.start()
        self.a, self.b = (self.cluster.nodes[name] for name in "ab")
        self.load = self.cluster.load(rate=60, connections=6)
        self.addCleanup(self.load.stop)
        self.killed = set()  # nodes that were ended by force
        time.sleep(LIFE)

    def schema(self):
        return int(self.cluster.database.sql("SELECT version FROM schema_info"))

    def become(self, node, binaries):
        """As a package does: stop, other programs, start."""
        began = time.time()
        node.stop()
        node.binaries = binaries
        node.start()
        self.works("a", "b")
        self.assertEqual([], self.cluster.fences(began), "a node was fenced that had stopped")
        time.sleep(LIFE)

    def works(self, *names):
        self.cluster.wait_live(*names)
        for name in names:
            self.cluster.wait_bags(name)

    def judge(self):
        self.load.stop()
        self.cluster.wait_empty()
        verdict = self.cluster.verdict()
        print(f"\n    {verdict}", flush=True)
        self.assertEqual([], verdict.faults(), self.cluster.traces(verdict.suspects()))
        self.assertGreater(verdict.messages, 100, "the load was no load")
        if not self.killed:
            self.assertEqual(0, verdict.second_copies())

    def told(self, at, of):
        return next(node for node in self.cluster.status(at)["nodes"] if node["name"] == of)

    def operate(self, node, *words):
        done = node.cli(*words)
        self.assertEqual(0, done.returncode, f"{words}: {done.stdout}{done.stderr}")
        return done.stdout

    # The stories.

    def test_one_after_the_other_and_one_back(self):
        before = self.schema()
        self.become(self.a, BIN)
        after = self.schema()
        self.assertGreaterEqual(after, before)
        self.become(self.b, BIN)
        # A node goes back while the schema allows it, and says so where it does not.
        self.b.stop()
        self.b.binaries = FORMER
        oldest = int(self.cluster.database.sql("SELECT oldest_compatible FROM schema_info"))
        if oldest <= before:
            self.b.start()
            self.works("a", "b")
            time.sleep(LIFE)
            self.become(self.b, BIN)
        else:
            self.b.launch()
            wait_until(lambda: self.b.has_event("cannot_start"), 30, self.b.tail)
            self.assertIn("too old", self.b.events("cannot_start")[-1]["reason"])
            self.b.kill_all()
            self.b.binaries = BIN
            self.b.start()
            self.works("a", "b")
        self.assertEqual(after, self.schema())
        self.judge()

    def test_each_version_takes_over_from_the_other(self):
        self.become(self.b, BIN)
        for dead, heir in ((self.a, "b"), (self.b, "a")):
            began = time.time()
            self.killed.add(dead.name)
            dead.kill_all()
            wait_until(lambda heir=heir: self.cluster.owners().get(heir) == BAGS, TAKE_OVER_MAX,
                       lambda heir=heir: f"{heir} has all bags: {self.cluster.owners()}\n"
                                         f"{self.cluster.nodes[heir].tail()}")
            self.assertEqual([dead.name], [name for name, _ in self.cluster.fences(began)])
            dead.start()
            self.works("a", "b")
            time.sleep(LIFE)
        # A killed qmgr is started by its own supervisor, and finds what its former life had lent.
        for node in (self.a, self.b):
            self.killed.add(node.name)
            node.may_crash = True
            node.kill_qmgr()
            self.works("a", "b")
        self.judge()

    def test_a_node_that_stood_still_finds_the_others_newer(self):
        self.a.pause()
        time.sleep(1)
        self.b.stop()
        self.b.binaries = BIN
        self.b.start()
        wait_until(lambda: self.cluster.owners().get("b") == BAGS, TAKE_OVER_MAX,
                   lambda: f"b has all bags: {self.cluster.owners()}\n{self.b.tail()}")
        self.a.resume()
        self.works("a", "b")
        self.killed.add("a")
        self.judge()

    def test_commands_work_or_refuse_in_words(self):
        self.become(self.a, BIN)
        self.load.stop()
        self.cluster.sink.tell("hold")
        self.addCleanup(self.cluster.sink.tell, "release")
        more = self.cluster.load(rate=60, connections=6, seed="waiting")
        time.sleep(LIFE)
        more.stop()
        for node, other in ((self.a, self.b), (self.b, self.a)):
            self.each_command(node, other)
        self.cluster.sink.tell("release")
        self.judge()

    def each_command(self, node, other):
        me, you = node.name, other.name
        for name in "ab":
            wait_until(lambda name=name: self.told(me, name)["term"]
                       == self.cluster.rows()[name][2], SEEN_MAX, f"{me} tells of {name}")
        self.operate(node, "cluster", "status")
        waits = {bag: number for bag, number in self.cluster.queued()}
        owners = self.bags_of(you)
        theirs = next((queue_id_text(number) for bag, number in waits.items() if bag in owners), None)
        self.assertIsNotNone(theirs, "nothing waits at the other node")
        self.assertIn(theirs, self.operate(node, "queue", "list"))
        for words in (("queue", "show", theirs), ("explain", theirs), ("trace", theirs),
                      ("queue", "retry", "--id", theirs), ("queue", "hold", "--id", theirs),
                      ("queue", "release", "--id", theirs)):
            done = node.cli(*words)
            self.assertTrue(done.stdout + done.stderr, f"{words} says nothing")
        reason = f"a trial of {me}"
        self.operate(node, "queue", "suspend", "relay.test", "--reason", reason)
        self.wait_told(other, reason, True)
        # The version of November 2026 goes on with what another node ends within half a second.
        time.sleep(1)
        self.operate(other, "queue", "resume", "relay.test")
        self.wait_told(node, reason, False)
        self.operate(node, "cluster", "drain", you)
        wait_until(lambda: self.cluster.owners().get(me) == BAGS, 60,
                   lambda: f"{you} is drained: {self.cluster.queue_in_words()}\n"
                           f"{self.cluster.tables()}\n{self.destinations(other)}\n{other.tail()}")
        self.operate(node, "cluster", "join", you)
        self.works("a", "b")

    def destinations(self, node):
        return self.operate(node, "queue", "destinations")

    def wait_told(self, node, reason, there):
        wait_until(lambda: (reason in self.destinations(node)) == there, SEEN_MAX,
                   lambda: f"{node.name} {'knows' if there else 'forgets'} {reason}: "
                           f"{self.destinations(node)}")

    def bags_of(self, name):
        number = self.cluster.rows()[name][0]
        return {int(line) for line in self.cluster.database.sql(
            f"SELECT id FROM bag WHERE node = {number}").splitlines()}

    def test_the_tables_are_changed_while_somebody_reads_them(self):
        """A report that runs for long holds locks that a change of tables has to wait for. The
        nodes that live must not be kept from their beats by that waiting."""
        reader = self.cluster.database.primary.session(
            "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM node; "
            "SELECT count(*) FROM bag; SELECT count(*) FROM attempt")
        self.addCleanup(reader.end)
        began = time.time()
        self.a.stop()
        self.a.binaries = BIN
        self.a.launch()
        time.sleep(8)
        self.assertEqual("live", self.cluster.status("b")["standing"])
        self.assertEqual([], self.cluster.fences(began))
        reader.end()
        wait_until(lambda: self.a.runs and self.cluster.is_live("a"), 60, self.a.tail)
        self.works("a", "b")
        self.judge()


if __name__ == "__main__":
    main()
