"""Rates hold over two nodes that share a queue: a next hop counts the messages and the connections
that both bring it, while one of them is killed; and what an account sends to either node counts.
"""

import json
import time
import unittest

from auth_client import login
from cluster_harness import Cluster
from cluster_node import Node, Program
from database_proxy import DatabaseProxy
from mail_content import message
from postwain_harness import main
import postgres_server
from resources import make_certificate
from smtp_raw import SmtpClient

RATE = 5  # messages in a second
CONNECTION_RATE = 2  # connections in a second
ACCOUNT_LIMIT = 20  # messages a day
LOOKED_AT = 12  # seconds
SETTLED = 10  # seconds after which the others have what a killed node had
WAITING = LOOKED_AT * RATE * 3  # messages that each node has of the first; enough to the end


class RatesCluster(Cluster):
    def add(self, name, key=None):
        of_messages, of_connections = self.ports_of_rates
        routes = [{"match": "rate.test", "deliver": f"smtp:127.0.0.1:{of_messages}",
                   "rate": f"{RATE}/s"},
                  {"match": "connections.test", "deliver": f"smtp:127.0.0.1:{of_connections}",
                   "connection_rate": f"{CONNECTION_RATE}/s"}]
        node = Node(name, [DatabaseProxy(self.database.primary.folder)], {"route": routes},
                    label=self.label)
        certificate, key_file = make_certificate(node.folder)
        users = node.folder.file("users", "ann:{PLAIN}secret\n")
        node.reconfigure({
            "tls": {"certificate": certificate, "key": key_file},
            "auth": {"users_file": users, "message_rate": f"{ACCOUNT_LIMIT}/day",
                     "over_rate": "refuse"},
            "listener": [{"address": f"127.0.0.1:{node.port}", "auth": True}]})
        self.nodes[key or name] = node
        return node


@unittest.skipIf(postgres_server.programs() is None,
                 "PostgreSQL is neither installed nor unpacked below build/peers")
class SharedRates(unittest.TestCase):
    def setUp(self):
        self.cluster = RatesCluster((), label="SharedRates")
        self.addCleanup(self.cluster.stop)
        self.counter = Program("connection_sink.py", "0", "0!")
        self.addCleanup(self.counter.stop)
        self.cluster.ports_of_rates = [int(one) for one
                                       in self.counter.process.stdout.readline().split()]
        for name in "ab":
            self.cluster.add(name).start()
        self.cluster.wait_live("a", "b")
        for name in "ab":
            self.cluster.wait_bags(name)
        time.sleep(2)  # each has read that the other one is there

    def seen(self):
        """What the next hop counted of messages at the first door, and of connections at the
        second: [{node: [times]}, [times]]."""
        self.counter.tell("?")
        messages, connections = json.loads(self.counter.process.stdout.readline())
        return messages["delivered"], connections["opened"]

    def send(self, name, domain, count):
        with SmtpClient(self.cluster.nodes[name].port, timeout=20) as client:
            for _ in range(count):
                for line in ("MAIL FROM:<alice@sender.test>", f"RCPT TO:<to@{domain}>"):
                    self.assertEqual(250, client.command(line)[0])
                self.assertEqual(250, client.data(message())[0])

    def judge(self, what, times, rate, since, until):
        """Not more than the rate; and it is not a promise of speed that half of it is there."""
        count = len([at for at in times if since <= at < until])
        print(f"\n    {what}: {count} in {until - since:.1f} s at {rate}/s", flush=True)
        # Steps may be used up to a second late, and on their way for some of another.
        self.assertLessEqual(count, rate * (until - since + 1.5) + 1, what)
        self.assertGreaterEqual(count, rate * (until - since) / 2, what)

    def judge_both(self, what, since):
        until = time.time()
        messages, connections = self.seen()
        self.judge(f"messages, {what}", sum(messages.values(), []), RATE, since, until)
        self.judge(f"connections, {what}", connections, CONNECTION_RATE, since, until)
        return messages

    def test_a_destination_gets_no_more_from_two_nodes_than_from_one(self):
        for name in "ab":
            self.send(name, "rate.test", WAITING)
            self.send(name, "connections.test", WAITING)
        since = time.time()
        time.sleep(LOOKED_AT)
        messages = self.judge_both("of two nodes", since)
        for name in "ab":
            self.assertGreaterEqual(len(messages.get(name, [])), RATE, f"{name} got steps, too")
        self.cluster.nodes["a"].kill_all()
        time.sleep(SETTLED)
        since = time.time()
        time.sleep(LOOKED_AT)
        self.judge_both("of the one that is left", since)

    def test_an_account_counts_on_both_nodes(self):
        codes = [self.submit("ab"[i % 2]) for i in range(2 * ACCOUNT_LIMIT)]
        print(f"\n    accepted: {codes.count(250)}", flush=True)
        self.assertEqual({250, 450}, set(codes))
        # As much more as was under way when a node had not yet heard of the other's.
        self.assertLessEqual(codes.count(250), ACCOUNT_LIMIT + 2)
        self.assertGreaterEqual(codes.count(250), ACCOUNT_LIMIT - 2)

    def submit(self, name):
        with SmtpClient(self.cluster.nodes[name].port, source="127.0.0.2", timeout=20) as client:
            client.starttls()
            client.say_hello()
            login(client, "ann", "secret")
            return client.mail("ann@x.test", ["to@store.test"], message())[0]


if __name__ == "__main__":
    main()
