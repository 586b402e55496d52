"""What stories on a cluster of two nodes, a and b, have in common: the load, what waits, and the
judgement at the end."""

import os
import time
import unittest

import postgres_server
from cluster_harness import BAGS, TAKE_OVER_MAX, Cluster
from mail_content import message
from resources import wait_until
from smtp_raw import SmtpClient

# What takes a minute or more, and is told by make cluster-faults alone.
LONG = unittest.skipUnless(os.environ.get("POSTWAIN_CLUSTER_LONG"),
                           "POSTWAIN_CLUSTER_LONG is not set")
LIFE = 2.5  # seconds under load before something happens


def is_taken(node, to="probe@relay.test"):
    """(code, text) of the first refusal of a message, or of its end; None without an answer."""
    try:
        with SmtpClient(node.port, timeout=10) as client:
            for line in ("MAIL FROM:<alice@sender.test>", f"RCPT TO:<{to}>"):
                answer = client.command(line)
                if answer[0] != 250:
                    return answer
            return client.data(message())
    except (OSError, EOFError):
        return None


def refuses_for_now(node):
    """Whether MAIL gets 451 4.3.0."""
    try:
        with SmtpClient(node.port, timeout=10) as client:
            code, text = client.command("MAIL FROM:<alice@sender.test>")
            return code == 451 and text.startswith("4.3.0")
    except (OSError, EOFError):
        return False


@unittest.skipIf(postgres_server.programs() is None,
                 "PostgreSQL is neither installed nor unpacked below build/peers")
class ClusterStories(unittest.TestCase):
    """Told one after the other on one cluster; each begins with two nodes that work."""

    maxDiff = None
    standby = False  # of the database

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(("a", "b"), standby=cls.standby, label=cls.__name__)
        cls.addClassCleanup(cls.cluster.stop)
        cls.cluster.start()

    def setUp(self):
        """Two nodes that work, whatever the story before has left behind."""
        self.cluster.heal()
        for name in ("a", "b"):
            if not self.cluster.nodes[name].runs:
                self.cluster.nodes[name].start()
        for name, row in self.cluster.rows().items():
            if name in "ab" and not row[3]:
                self.cluster.nodes[name].cli("cluster", "join", name)
        self.cluster.wait_live("a", "b")
        for name in ("a", "b"):
            self.cluster.wait_bags(name)
        self.fuller, self.other = sorted(("a", "b"), key=lambda name: -self.cluster.owners()[name])
        self.node, self.survivor = (self.cluster.nodes[n] for n in (self.fuller, self.other))
        self.seen = {node: len(node.log) for node in (self.node, self.survivor)}
        self.terms = self.terms_now()

    def terms_now(self):
        return {name: row[2] for name, row in self.cluster.rows().items() if name in "ab"}

    def under_load(self, **more):
        """Some of the mail waits at its nodes, until release()."""
        self.cluster.sink.tell("hold")
        load = self.cluster.load(seed=self.id(), **more)
        self.addCleanup(load.stop)
        time.sleep(LIFE)
        return load

    def release(self):
        self.cluster.sink.tell("release")

    def judge(self, load=None, wakes_allowed=0):
        self.release()
        if load:
            load.stop()
        self.cluster.wait_empty()
        verdict = self.cluster.verdict()
        print(f"\n    {verdict}", flush=True)
        suspects = self.cluster.traces(verdict.suspects())
        self.cluster.forget()
        self.assertEqual([], verdict.faults(wakes_allowed), suspects)
        for name, node in self.cluster.nodes.items():
            self.assertEqual([], node.events("history_dropped"), f"history of {name}")
        if load:
            self.assertGreater(verdict.messages, 20, "the load was no load")
        return verdict

    def wait_taken_over(self, began):
        """The node's bags, and its mail at the sink from the other one."""
        self.release()
        wait_until(lambda: self.cluster.owners().get(self.other) == BAGS, TAKE_OVER_MAX,
                   lambda: f"the other node has all bags: {self.cluster.owners()}\n"
                           f"{self.survivor.tail()}")
        bags = time.time() - began
        mail = wait_until(lambda: self.cluster.taken_over({self.fuller}, began), TAKE_OVER_MAX,
                          "mail of that node leaves through the other one")
        print(f"\n    bags taken over after {bags:.1f} s, first mail after {mail:.1f} s",
              flush=True)

    def fenced(self, since):
        return [name for name, _ in self.cluster.fences(since)]

    def wait_taken_again(self, node):
        wait_until(lambda: (is_taken(node) or (0,))[0] == 250, 30,
                   lambda: f"mail is taken again: {is_taken(node)}\n{node.tail()}")

    def operate(self, *words):
        done = self.survivor.cli("cluster", *words)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)

    def told(self, name):
        """What the other node says of this one."""
        return next(node for node in self.cluster.status(self.other)["nodes"]
                    if node["name"] == name)
