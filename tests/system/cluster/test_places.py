"""Limits of connections hold over three nodes that share a queue: a next hop counts how many are
open at a time, while nodes join, are killed, begin again, are drained and stop under load. There
are never more than the limit, also where it is smaller than the number of nodes, and the mail of
every node goes on.
"""

import json
import threading
import time
import unittest

from postwain_harness import main
import postgres_server
from cluster_harness import Cluster
from cluster_node import Node, Program
from cluster_stories import LONG
from database_proxy import DatabaseProxy
from mail_content import message
from resources import wait_until
from smtp_raw import SmtpClient

# Of each destination: its limit, seconds for a message, messages to each node in a second.
DESTINATIONS = ((1, 0.1, 1), (2, 0.3, 1), (5, 0.6, 2), (20, 1.5, 4))
SETTLED = 6  # seconds until what has happened to a node is known to all


class PlacesCluster(Cluster):
    def add(self, name, key=None):
        routes = [{"match": f"limit{limit}.test", "deliver": f"smtp:127.0.0.1:{port}",
                   "connections": limit}
                  for (limit, _, _), port in zip(DESTINATIONS, self.limited)]
        node = Node(name, [DatabaseProxy(self.database.primary.folder)], {"route": routes},
                    label=self.label)
        self.nodes[key or name] = node
        return node


class Load:
    """Sends to the nodes that run, second by second."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.taken = {name: 0 for name in cluster.nodes}
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.send, args=(name,)) for name in cluster.nodes]
        for thread in self.threads:
            thread.start()

    def send(self, name):
        node = self.cluster.nodes[name]
        while not self.ended.wait(1):
            if not node.runs:
                continue
            try:
                with SmtpClient(node.port, timeout=10) as client:
                    for limit, _, count in DESTINATIONS:
                        for _ in range(count):
                            self.one(client, name, f"to@limit{limit}.test")
            except (OSError, EOFError):
                continue

    def one(self, client, name, to):
        for line in ("MAIL FROM:<alice@sender.test>", f"RCPT TO:<{to}>"):
            if client.command(line)[0] != 250:
                client.command("RSET")
                return
        if client.data(message())[0] == 250:
            self.taken[name] += 1

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()


@unittest.skipIf(postgres_server.programs() is None,
                 "PostgreSQL is neither installed nor unpacked below build/peers")
class SharedPlaces(unittest.TestCase):
    def setUp(self):
        self.cluster = PlacesCluster((), label="SharedPlaces")
        self.addCleanup(self.cluster.stop)
        self.counter = Program("connection_sink.py", *(str(seconds) for _, seconds, _ in DESTINATIONS))
        self.addCleanup(self.counter.stop)
        self.cluster.limited = [int(one) for one in self.counter.process.stdout.readline().split()]
        for name in "abc":
            self.cluster.add(name)

    def seen(self):
        self.counter.tell("?")
        return json.loads(self.counter.process.stdout.readline())

    def look(self, what, load):
        seen = self.seen()
        print(f"\n    {what}: open {[one['open'] for one in seen]}, most "
              f"{[one['most'] for one in seen]}, delivered "
              f"{[{node: len(at) for node, at in one['delivered'].items()} for one in seen]}, "
              f"taken {load.taken}", flush=True)
        for (limit, _, _), one in zip(DESTINATIONS, seen):
            self.assertLessEqual(one["most"], limit, what)
        return seen

    def delivered_since(self, began, nodes):
        """Of every limit: whether each of these nodes has brought mail since then."""
        return all(any(at > began for at in one["delivered"].get(node, []))
                   for one in self.seen() for node in nodes)

    def wait_all_deliver(self, nodes, load, what):
        began = time.time()
        wait_until(lambda: self.delivered_since(began, nodes), 40,
                   lambda: f"{what}: all of {nodes} deliver to all: {self.seen()}\n"
                           f"{self.cluster.database.sql('SELECT * FROM claim')}")
        self.look(f"{what}, after {time.time() - began:.1f} s", load)

    @LONG
    def test_no_limit_is_exceeded_and_every_node_delivers(self):
        nodes = self.cluster.nodes
        nodes["a"].start()
        self.cluster.wait_live("a")
        load = Load(self.cluster)
        self.addCleanup(load.stop)
        self.wait_all_deliver("a", load, "alone")
        self.assertEqual("0", self.cluster.database.sql("SELECT count(*) FROM claim"))
        for name in "bc":
            nodes[name].start()
        for name in "bc":
            self.cluster.wait_bags(name)
        self.wait_all_deliver("abc", load, "three nodes")
        nodes["b"].kill_all()
        time.sleep(SETTLED)
        self.wait_all_deliver("ac", load, "one of them killed")
        nodes["a"].kill_qmgr()
        nodes["b"].start()
        self.cluster.wait_live("a", "b")
        self.cluster.wait_bags("b")
        self.wait_all_deliver("abc", load, "begun again")
        done = nodes["a"].cli("cluster", "drain", "c")
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        wait_until(lambda: self.cluster.owners().get("c", 0) == 0, 60,
                   lambda: f"drained: {self.cluster.owners()}\n{nodes['c'].tail()}")
        nodes["c"].stop()
        self.wait_all_deliver("ab", load, "one of them drained")
        load.stop()
        self.cluster.wait_empty(60)
        seen = self.look("at the end", load)
        delivered = sum(len(at) for one in seen for at in one["delivered"].values())
        self.assertGreaterEqual(delivered, sum(load.taken.values()))
        for (limit, _, _), one in zip(DESTINATIONS, seen):
            self.assertGreaterEqual(one["most"], min(limit, 5), "the limit was never near")


if __name__ == "__main__":
    main()
