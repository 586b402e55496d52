"""What two nodes that share a queue ask each other: an operator acts on messages of any node from any
node, and what a node hears of an attempt after another one has its messages is told to that one.
"""

import json
import time
import unittest

from postwain_harness import main
import postgres_server
from cluster_harness import BAGS, TAKE_OVER_MAX, Cluster, queue_id_text
from load_ledger import read_lines
from mail_content import message
from resources import wait_until
from smtp_raw import SmtpClient

LATE = 9  # seconds until the sink answers the end of mail to late@…
MESSAGES = 8  # for each node


def send(node, *recipients):
    with SmtpClient(node.port, timeout=10) as client:
        for line in ("MAIL FROM:<alice@sender.test>", *(f"RCPT TO:<{to}>" for to in recipients)):
            code, text = client.command(line)
            if code != 250:
                raise AssertionError(f"{line}: {code} {text}")
        code, text = client.data(message())
        if code != 250:
            raise AssertionError(f"{code} {text}")


@unittest.skipIf(postgres_server.programs() is None,
                 "PostgreSQL is neither installed nor unpacked below build/peers")
class NodesAskEachOther(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(("a", "b"), label="NodesAskEachOther")
        cls.addClassCleanup(cls.cluster.stop)
        cls.cluster.start()

    def setUp(self):
        self.cluster.wait_live("a", "b")
        for name in ("a", "b"):
            self.cluster.wait_bags(name)
        self.a, self.b = (self.cluster.nodes[name] for name in "ab")
        self.cluster.sink.tell("hold")

    def tearDown(self):
        self.cluster.sink.tell("release")
        self.a.cli("queue", "cancel", "--all")

    def act(self, node, *words, code=0):
        """What the command says it has done, as JSON."""
        done = node.cli("queue", *words, "--json")
        self.assertEqual(code, done.returncode, done.stdout + done.stderr)
        return json.loads(done.stdout) if code == 0 else done.stderr

    def states(self):
        """[(owner, state)] of all recipients."""
        lines = self.cluster.database.sql(
            "SELECT convert_from(n.name, 'UTF8'), r.state FROM recipient r JOIN bag b ON b.id = r.bag "
            "JOIN node n ON n.id = b.node WHERE r.bag >= 0").splitlines()
        return sorted(tuple(line.split("|")) for line in lines)

    def all_have_state(self, state):
        return self.states() == [("a", state)] * MESSAGES + [("b", state)] * MESSAGES

    def deferred_at_both(self):
        for node in (self.a, self.b):
            for _ in range(MESSAGES):
                send(node, "later@relay.test")
        wait_until(lambda: self.all_have_state("0"), 20, lambda: f"all deferred: {self.states()}")

    def delivered(self, address):
        return [words for words in read_lines(self.cluster.sink_lines)
                if words[0] == "delivered" and words[2] == address]

    # The stories.

    def test_an_operator_acts_from_any_node(self):
        self.deferred_at_both()
        dry = self.act(self.a, "hold", "--all", "--dry-run")
        self.assertEqual((2 * MESSAGES, 0), (dry["matched"], dry["changed"]), dry)
        began = time.time()
        held = self.act(self.a, "hold", "--all")
        print(f"\n    held in {time.time() - began:.1f} s: {held}", flush=True)
        self.assertEqual(2 * MESSAGES, held["matched"], held)
        # Attempts that ran are obeyed at their end.
        wait_until(lambda: self.all_have_state("1"), 60, lambda: f"all held: {self.states()}")
        number = self.one_of("b")
        words = self.b.cli("trace", number).stdout
        self.assertIn(", on a", words)
        self.assertIn("uid", words)
        # One message, by its id, from the node that has it not.
        one = self.act(self.a, "release", number)
        self.assertEqual((1, 1), (one["matched"], one["changed"]), one)
        wait_until(lambda: self.states().count(("b", "0")) == 1, 10,
                   lambda: f"one is released: {self.states()}")
        # What cannot be done there is told here.
        refused = self.act(self.a, "retry", "--all")
        self.assertIn("held; postwain queue release ends that",
                      [one["why"] for one in refused["not_tried"]], refused)
        gone = self.act(self.b, "cancel", "--all")
        self.assertEqual(2 * MESSAGES, gone["matched"], gone)
        self.cluster.wait_empty(20)
        self.assertIn("no message", self.act(self.a, "hold", number, code=66))

    def one_of(self, name):
        return queue_id_text(int(self.cluster.database.sql(
            "SELECT r.message_id FROM recipient r JOIN bag b ON b.id = r.bag JOIN node n "
            f"ON n.id = b.node WHERE r.bag >= 0 AND n.name = '{name}' LIMIT 1")))

    def test_a_node_that_does_not_answer_is_named(self):
        self.deferred_at_both()
        self.act(self.a, "hold", "--all")
        wait_until(lambda: self.all_have_state("1"), 60, lambda: f"all held: {self.states()}")
        self.b.pause()
        self.addCleanup(self.cluster.wait_live, "a", "b")
        self.addCleanup(self.b.resume)
        began = time.time()
        # It is given up meanwhile, and the one who has its bags then is asked: the node itself.
        done = self.act(self.a, "cancel", "--all")
        print(f"\n    done with a dead node in {time.time() - began:.1f} s: {done}", flush=True)
        self.assertEqual(2 * MESSAGES, done["changed"], done)
        self.cluster.wait_empty(20)

    def test_a_late_reply_is_told_to_whoever_has_the_message(self):
        to = "late@late.test"
        send(self.b, to)
        wait_until(lambda: self.delivered(to), 10, "the sink has it")
        began = time.time()
        # Whoever takes the message over is not to send it again before the reply has come.
        self.assertEqual(0, self.a.cli("queue", "suspend", "late.test").returncode)
        self.addCleanup(self.a.cli, "queue", "resume", "late.test")
        self.b.pause()
        self.addCleanup(self.b.resume)
        wait_until(lambda: self.cluster.owners().get("a") == BAGS, TAKE_OVER_MAX, self.a.tail)
        self.assertEqual(1, len(self.cluster.queued()))
        time.sleep(max(0.0, began + LATE + 1 - time.time()))
        number = queue_id_text(self.cluster.queued()[0][1])
        self.assertEqual(1, len(self.cluster.queued()))
        self.b.resume()
        resumed = time.time()
        wait_until(lambda: not self.cluster.queued(), 30,
                   lambda: f"{self.cluster.queue_in_words()}\n{self.b.tail()}\n{self.a.tail()}\n"
                           f"{self.cluster.traces([number])}")
        print(f"\n    its 250 was heard {time.time() - resumed:.1f} s later", flush=True)
        self.assertEqual(1, len(self.delivered(to)))
        wait_until(lambda: self.a.has_event("late_outcomes_heard"), 10, self.a.tail)
        trace = json.loads(self.a.cli("trace", number, "--json").stdout.splitlines()[0])
        events = [event["event"] for one in trace["recipients"] for event in one["events"]]
        self.assertIn("delivered", events, trace)
        adopted = self.a.events("bags_adopted")[-1]
        self.assertEqual(("b", "1"), (adopted["node"], adopted["in_doubt"]), adopted)
        self.cluster.wait_live("a", "b")


if __name__ == "__main__":
    main()
