"""What became of mail is told by every node that shares the queue: by those that had nothing to do
with it, and by those that are left when the node that had it is gone with all its files.
"""

import json
import shutil
import time
import unittest

from postwain_harness import main
import postgres_server
from cluster_harness import BAGS, TAKE_OVER_MAX, Cluster
from mail_content import message
from resources import wait_until
from smtp_raw import SmtpClient

TOLD_WITHIN = 15  # seconds; it should be three
STRANGER = "127.0.0.2"


@unittest.skipIf(postgres_server.programs() is None,
                 "PostgreSQL is neither installed nor unpacked below build/peers")
class Tracing(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(("a", "b", "c"), label="Tracing")
        cls.addClassCleanup(cls.cluster.stop)
        cls.cluster.start()
        cls.cluster.sink.tell("hold")

    def test_any_node_tells_of_the_mail_of_any_other(self):
        delivered = self.send("a", "alice@relay.test")
        deferred = self.send("a", "later@relay.test")
        began = time.time()
        for node in ("b", "c", "a"):
            self.wait_told(node, delivered, "delivered")
        print(f"\n    told by every node after {time.time() - began:.1f} s", flush=True)
        self.of_mail_of_a_living_node(delivered, deferred)
        self.of_what_a_node_refused()
        doubtful = self.send_until_one_is_being_sent()
        self.lose("a")
        self.of_mail_of_a_dead_node(delivered, deferred, doubtful)

    # The parts of the story.

    def of_mail_of_a_living_node(self, delivered, deferred):
        for node in ("b", "c"):
            one, = self.trace(node, delivered)
            self.assertEqual("a", one["node"])
            self.assertNotIn("owner", one)
            self.assertTrue(one["complete"])
            self.assertEqual([("received", "a"), ("routed", None), ("delivered", "a")],
                             self.told(one))
            self.assertEqual("delivered", one["recipients"][0]["state"])
            text = self.cluster.nodes[node].cli("trace", delivered).stdout
            self.assertIn("received", text)
            self.assertIn("at node a", text)
            self.wait_told(node, deferred, "deferred")
            other, = self.trace(node, deferred)
            self.assertEqual(("a", "a"), (other["node"], other["owner"]))
            self.assertEqual("deferred", other["recipients"][0]["state"])
            for query in ("alice@relay.test", "later@relay.test"):
                self.assertEqual({"a"}, {one["node"] for one in self.trace(node, query)
                                          if "id" in one})
        own, = self.trace("a", delivered)
        self.assertNotIn("node", own)
        self.assertEqual([("received", None), ("routed", None), ("delivered", None)],
                         self.told(own))

    def of_what_a_node_refused(self):
        with SmtpClient(self.cluster.nodes["a"].port, source=STRANGER, timeout=10) as client:
            self.assertEqual(250, client.command("MAIL FROM:<mallory@far.test>")[0])
            self.assertEqual(550, client.command("RCPT TO:<alice@relay.test>")[0])
        for query in (("mallory@far.test",), ("--client", STRANGER)):
            one = wait_until(lambda query=query: self.refused("c", query), TOLD_WITHIN,
                             lambda: f"a refusal: {self.cluster.nodes['a'].tail()}")
            self.assertEqual([("a", STRANGER, "RCPT")],
                             [(r["node"], r["client_address"], r["stage"]) for r in one])

    def refused(self, node, query):
        return [one for one in self.trace(node, *query) if "refused_at" in one]

    def of_mail_of_a_dead_node(self, delivered, deferred, doubtful):
        self.cluster.sink.tell("release")
        wait_until(lambda: not self.cluster.queued(), 60, self.cluster.queue_in_words)
        for node in ("b", "c"):
            self.assertEqual([("received", "a"), ("routed", None), ("delivered", "a")],
                             self.told(self.trace(node, delivered)[0]))
            for queue_id in (deferred, doubtful):
                self.wait_told(node, queue_id, "delivered")
        heirs = {}
        for node in ("b", "c"):
            told = self.told(self.trace(node, deferred)[0])
            self.assertEqual([("received", "a"), ("routed", None), ("deferred", "a")], told[:3])
            self.assertEqual("delivered", told[-1][0])
            heirs[deferred] = told[-1][1] or node
            self.assertIn(heirs[deferred], ("b", "c"))
            one, = self.trace(node, doubtful)
            self.assertEqual("a", one["node"])
            events = one["recipients"][0]["events"]
            adopted = next(event for event in events if event["event"] == "adopted")
            self.assertIn("node a", adopted["why"])
            self.assertIn(adopted["who"], ("b", "c"))
            self.assertEqual(adopted["who"], adopted.get("node", node))
            self.assertEqual(adopted["who"], events[-1].get("node", node))
            self.assertTrue(any(event.get("in_doubt") for event in events))
            times = [event["time"] for event in events]
            self.assertEqual(sorted(times), times)
            by_address = self.trace(node, "later@relay.test")
            self.assertEqual([deferred], [one["id"] for one in by_address if "id" in one])
            text = self.cluster.nodes[node].cli("trace", doubtful).stdout
            self.assertIn(f"adopted by {adopted['who']}", text)

    # What they are made of.

    def send(self, node, to, sender="alice@sender.test"):
        with SmtpClient(self.cluster.nodes[node].port, timeout=10) as client:
            for line in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{to}>"):
                self.assertEqual(250, client.command(line)[0])
            code, text = client.data(message())
            self.assertEqual(250, code)
            return text.split()[-1]

    def send_until_one_is_being_sent(self):
        """Its arrival is told already, and its attempt runs."""
        sent = []

        def one():
            sent.append(self.send("a", "slow@relay.test"))
            names = self.cluster.names_in_words()
            return next((queue_id for queue_id in sent
                         if queue_id in names and self.is_told("b", queue_id)), None)

        return wait_until(one, 60, lambda: f"an attempt that lasts: {sent}")

    def is_told(self, node, queue_id):
        """By the history, not only by the queue."""
        return any("node" in one for one in self.trace(node, queue_id))

    def lose(self, name):
        node = self.cluster.nodes[name]
        node.kill_all()
        shutil.rmtree(node.folder / "spool")
        wait_until(lambda: sum(self.cluster.owners().get(one, 0) for one in ("b", "c")) == BAGS,
                   TAKE_OVER_MAX, lambda: f"its bags: {self.cluster.owners()}")

    def trace(self, node, *query):
        done = self.cluster.nodes[node].cli("trace", *query, "--json")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def told(self, one):
        return [(event["event"], event.get("node")) for event in one["recipients"][0]["events"]]

    def wait_told(self, node, queue_id, event):
        wait_until(lambda: any(event in dict(self.told(one)) for one in self.trace(node, queue_id)),
                   TOLD_WITHIN, lambda: f"{node} tells that it was {event}: "
                                        f"{self.cluster.nodes[node].cli('trace', queue_id)}\n"
                                        f"{self.cluster.nodes[node].tail()}")


if __name__ == "__main__":
    main()
