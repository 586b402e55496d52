"""The faults that chaos.py does to a cluster.

Each is a generator: it does something, and yields for how many seconds it does nothing. So several
go on at once in one thread (a process that a thread has started ends with that thread).
"""

import signal
import time
from collections import Counter

from database_proxy import BOTH, TO_CLIENT, TO_SERVER

# How often each fault comes in one deck of cards. `two` kills two nodes.
DECK = {"qmgr": 14, "node": 26, "two": 6, "pause": 12, "database": 10, "failover": 20, "split": 3,
        "cut": 12, "stop": 4, "slow": 8, "waiting": 6, "backend": 6}
OF_DATABASE = {"database", "failover", "split", "waiting", "backend"}
START_MAX = 90


class Faults:
    def __init__(self, cluster, chance, note):
        self.cluster = cluster
        self.chance = chance
        self.note = note
        self.engaged = set()  # nodes that a fault has in hand
        self.counts = Counter()
        self.kills = []  # (at, names) of nodes that were given time to be taken over
        self.standstills = 0
        self.revived = 0

    def begin(self, kind):
        """None where too few nodes are free for it."""
        of_nodes = 2 if kind == "two" else 0 if kind in OF_DATABASE - {"split"} else 1
        names = self.free(of_nodes)
        if names is None:
            return None
        self.engaged.update(names)
        self.note(f"{kind} {' '.join(names)}")
        return self._counted(kind, names)

    def free(self, number):
        """One node always stays."""
        names = sorted(set(self.cluster.nodes) - self.engaged - {"first"})
        if number == 0:
            return []
        return self.chance.sample(names, number) if len(names) > number else None

    def _counted(self, kind, names):
        yield from getattr(self, kind)(*names)
        self.counts[kind] += 1
        self.engaged.difference_update(names)

    def ended(self):
        """Nodes that ended by themselves: one that finds no database for long gives up."""
        return [name for name in sorted(set(self.cluster.nodes) - self.engaged - {"first"})
                if not self.cluster.nodes[name].runs]

    def revive(self, name):
        """As the machine's service manager does it."""
        self.engaged.add(name)
        self.note(f"{name} has ended by itself and is started again")
        self.revived += 1
        yield 1
        yield from self._started(name)
        self.engaged.discard(name)

    # Of nodes.

    def qmgr(self, name):
        self.cluster.nodes[name].kill_qmgr()
        yield 2

    def node(self, *names):
        at = time.time()
        for name in names:
            self.cluster.nodes[name].kill_all()
        down = self.chance.choice((self.chance.uniform(0, 4), self.chance.uniform(10, 15)))
        yield down
        if down > 9:
            self.kills.append((at, set(names)))
        for name in names:
            yield from self._started(name)

    two = node

    def pause(self, name):
        self.cluster.nodes[name].pause()
        self.standstills += 1
        yield self.chance.uniform(6, 20)
        self.cluster.nodes[name].resume()
        yield 2

    def cut(self, name):
        how = self.chance.choice(({"silent": False}, {"ways": BOTH}, {"ways": (TO_SERVER,)},
                                  {"ways": (TO_CLIENT,)}))
        self.cluster.nodes[name].cut(**how)
        yield self.chance.choice((self.chance.uniform(2, 8), self.chance.uniform(8, 25),
                                  self.chance.uniform(25, 60)))
        self.cluster.nodes[name].heal()
        yield 2

    def slow(self, name):
        self.cluster.nodes[name].slow(delay=self.chance.uniform(0.01, 0.06), loss=0.05)
        yield self.chance.uniform(5, 20)
        self.cluster.nodes[name].slow(delay=0)
        yield 1

    def stop(self, name):
        node = self.cluster.nodes[name]
        node.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + START_MAX
        while node.runs and time.monotonic() < deadline:
            yield 0.1
        if node.runs:
            raise AssertionError(f"{name} does not stop\n{node.tail()}")
        yield self.chance.uniform(0, 3)
        yield from self._started(name)

    def _started(self, name):
        """Again and again: a node that finds no database gives up."""
        node, deadline = self.cluster.nodes[name], time.monotonic() + START_MAX
        while True:
            seen = len(node.log)
            node.launch()
            while node.runs and not node.has_event("ready", seen):
                if time.monotonic() > deadline:
                    raise AssertionError(f"{name} does not start\n{node.tail()}")
                yield 0.1
            if node.runs:
                return
            yield 0.5

    # Of the database.

    def database(self):
        self.cluster.database.kill(self.chance.choice((signal.SIGKILL, signal.SIGQUIT)))
        yield self.chance.uniform(0.3, 8)
        self.cluster.database.start()
        yield 2

    def waiting(self):
        """Commits that wait for the standby are cut off: the server says COMMIT of what only it
        has, with a warning, or ends the session."""
        pair = self.cluster.database
        call = self.chance.choice(("pg_cancel_backend", "pg_terminate_backend"))
        pair.standby.pause()
        for _ in range(self.chance.randrange(5, 30)):
            yield 0.1
            pair.sql(f"SELECT count({call}(pid)) FROM pg_stat_activity WHERE "
                     "application_name LIKE 'postwain/%' AND wait_event = 'SyncRep'")
        pair.standby.resume()
        yield 2

    def backend(self):
        """A process of the server is killed: it ends all sessions, and recovers."""
        self.cluster.database.primary.kill_backend("application_name LIKE 'postwain/%'")
        yield 3

    def failover(self):
        """The primary is gone for good; the next one is told to be it, and gets a standby again."""
        self.cluster.database.lose_primary()
        yield self.chance.uniform(0, 3)
        self.cluster.database.promote(strict=self.chance.random() < 0.5)
        yield self.chance.uniform(0, 2)
        self.cluster.database.end_old_primary()
        self.cluster.database.add_standby()
        yield 1

    def split(self, alone):
        """The primary lives on, alone with one node; the others have the next one."""
        pair = self.cluster.database
        for name, node in self.cluster.nodes.items():
            if name != "first":
                node.ways[pair.standby_place if name == alone else pair.primary_place].cut()
        pair.promote()
        yield self.chance.uniform(0.5, 12)
        pair.end_old_primary()
        for node in self.cluster.nodes.values():
            node.heal()
        pair.add_standby()
        yield 2
