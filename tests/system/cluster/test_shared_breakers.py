"""Three nodes that share a queue share the breakers of destinations, too: what one of them finds
out of reach the others leave alone, one of them makes one attempt while a breaker is half open, and
when that succeeds the mail of all leaves.
"""

import threading
import time
import unittest

from postwain_harness import main
import postgres_server
from cluster_harness import Cluster
from cluster_stories import LONG
from mail_content import message
from mail_session import Delay
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

NAMES = ("a", "b", "c")
HOLD = 6  # seconds: of the retry schedule, which bounds it
HEARD = 3  # seconds until all nodes have heard something: a beat takes half of one
TRIAL = 3  # seconds that an attempt takes
DOWN = "421 4.3.2 not in service"


class DownSink(SmtpSink):
    """A next hop that is down: each session ends behind EHLO, after a time."""

    def __init__(self):
        self.down = True
        self.takes = 0.0
        self.tries = []  # [when it began, when it was answered, by which node]
        self.mine = threading.Lock()
        super().__init__()

    def reply(self, stage, session, argument):
        if stage != "hello" or not self.down:
            return super().reply(stage, session, argument)
        began = time.time()
        with self.mine:
            self.tries.append((began, began + self.takes, argument.split()[1].split(".")[0]))
        return Delay(self.takes, DOWN)

    def since(self, moment):
        with self.mine:
            return sorted(one for one in self.tries if one[0] >= moment)


@unittest.skipIf(postgres_server.programs() is None,
                 "PostgreSQL is neither installed nor unpacked below build/peers")
class SharedBreakers(unittest.TestCase):
    def setUp(self):
        self.sink = DownSink()
        self.addCleanup(self.sink.stop)
        self.cluster = Cluster(NAMES, label="SharedBreakers")
        self.addCleanup(self.cluster.stop)
        for node in self.cluster.nodes.values():
            node.reconfigure({"queue": {"retry": [f"{HOLD}s"]},
                              "route": [{"match": "*", "deliver": self.sink.target}]})
        self.cluster.start()
        for name in NAMES:
            self.cluster.wait_bags(name)
        self.sent = 0

    def send(self, name, count):
        with SmtpClient(self.cluster.nodes[name].port) as client:
            for _ in range(count):
                self.sent += 1
                answer = client.mail("alice@sender.test", [f"to{self.sent}@down.test"], message())
                self.assertEqual(250, answer[0], answer)

    def told(self, name, state, since):
        """When a node has said that a breaker is in this state; None: it has not."""
        return next((at for at, pairs in self.cluster.nodes[name].timed_events("breaker")
                     if pairs["state"] == state and at >= since), None)

    def wait_told(self, names, state, since, timeout):
        return wait_until(
            lambda: [at for at in (self.told(name, state, since) for name in names) if at]
            if all(self.told(name, state, since) for name in names) else None, timeout,
            lambda: f"{names} know that it is {state}\n"
                    + "\n".join(self.cluster.nodes[name].tail() for name in names))

    def open_breaker(self):
        """Node a finds that the next hop is down, and all others hear of it."""
        began = time.time()
        self.send("a", 6)
        opened = self.wait_told("a", "open", began, 15)[0]
        self.sink.takes = TRIAL
        heard = self.wait_told("bc", "open", began, HEARD)
        print(f"\n    the others know after {max(heard) - opened:.2f} s", flush=True)
        return opened, max(heard)

    def test_one_node_tries_while_all_wait_and_then_all_deliver(self):
        opened, heard = self.open_breaker()
        for name in "bc":
            self.send(name, 3)
        time.sleep(max(0.0, opened + HOLD - 1 - time.time()))
        self.assertEqual([], self.sink.since(heard), "the others tried a next hop that is down")
        for name in "bc":
            self.is_shown_by(name)
        time.sleep(1 + 2 * (HOLD + TRIAL))
        tries = self.sink.since(heard)
        print(f"\n    tries: {[(round(b - opened, 1), node) for b, _, node in tries]}", flush=True)
        self.assertGreaterEqual(len(tries), 2)
        self.assertLessEqual(len(tries), 4)
        for before, after in zip(tries, tries[1:]):
            self.assertGreaterEqual(after[0], before[1] + HOLD / 2, "two trials at a time")
        self.sink.down = False
        back = time.time()
        self.cluster.wait_empty(60)
        self.wait_told(NAMES, "closed", back, HEARD)
        first = {}
        for one in self.sink.messages:
            first.setdefault(one.hello.split(".")[0], one.ended_at - back)
        print(f"\n    first mail of each node: {first}", flush=True)
        self.assertEqual(self.sent, len(self.sink.messages))
        self.assertEqual(set(NAMES), set(first))
        self.assertLess(max(first.values()) - min(first.values()), HEARD)

    def is_shown_by(self, name):
        done = self.cluster.nodes[name].cli("queue", "destinations")
        line = next((one for one in done.stdout.splitlines() if str(self.sink.port) in one), "")
        self.assertIn("down", line, done.stdout)

    @LONG
    def test_the_trial_of_a_node_that_dies_is_made_by_another(self):
        _, heard = self.open_breaker()
        self.sink.takes = 120
        for name in "bc":
            self.send(name, 1)
        tries = wait_until(lambda: self.sink.since(heard), 2 * HOLD, "a trial")
        dying = tries[0][2]
        time.sleep(HEARD)
        self.assertEqual(1, len(self.sink.since(heard)))
        killed = time.time()
        self.cluster.nodes[dying].kill_all()
        others = wait_until(lambda: self.sink.since(killed), 30,
                            lambda: "another trial\n" + "\n".join(
                                self.cluster.nodes[name].tail() for name in NAMES))
        print(f"\n    tried again {others[0][0] - killed:.1f} s after the death", flush=True)
        self.assertNotEqual(dying, others[0][2])
        time.sleep(HEARD)
        self.assertEqual(1, len(self.sink.since(killed)))


if __name__ == "__main__":
    main()
