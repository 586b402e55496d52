"""A cluster for tests: nodes as folders with configurations, spools and ports of their own
(cluster_node.py), which have their queue in one PostgreSQL (database_pair.py), each by ways of its
own (database_proxy.py); the load on them (cluster_source.py), its far end (cluster_sink.py), and
the judgement (cluster_verdict.py).

The database itself is asked who owns what and what is queued. What the program says about that is
compared with it.
"""

import json
import os
import struct
import time

import postwain_harness  # noqa: F401 (the paths of the other helpers)
from cluster_node import Node, Program
from cluster_verdict import Lapse, Verdict
from database_pair import DatabasePair
from database_proxy import DatabaseProxy
from load_ledger import read_lines
from resources import Folder, wait_until

BAGS = 64
TAKE_OVER_MAX = 60  # seconds: no measure of quality, but an end of waiting
DRAIN_MAX = 150
TERM_MIN = 4  # seconds: a beat has to stand still for longer before a term is ended
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def queue_id_text(number):
    """As `postwain queue` writes the id of a row."""
    text = ""
    for _ in range(13):
        number, digit = divmod(number, 32)
        text = _DIGITS[digit] + text
    return text


def bag_of(number):
    """The bag of a queue id, as common/mail/queue_id.h computes it."""
    mask = (1 << 64) - 1
    value = number * 0x9E3779B97F4A7C15 & mask
    value ^= value >> 29
    return (value * 0xBF58476D1CE4E5B9 & mask) >> 58


class Cluster:
    """names: of the nodes; they are not started. standby: the database has one, which confirms
    every commit. node: more that every node is made with."""

    def __init__(self, names=("a", "b"), standby=False, label="", **node):
        self.folder = Folder()
        self.label = label
        self.of_nodes = node
        self.database = DatabasePair(moved=self._moved)
        self.with_standby = standby
        self.nodes = {}
        self.sink_lines = self.folder / "sink.ledger"
        self.source_lines = []  # files, one for each load
        self.sink = Program("cluster_sink.py", "--ledger", self.sink_lines)
        self.ports = [int(word) for word in self.sink.process.stdout.readline().split()]
        if standby:
            self.database.add_standby()
        for name in names:
            self.add(name)

    def _moved(self, place, folder):
        for node in self.nodes.values():
            if place < len(node.ways):
                node.ways[place].server_folder = folder

    def add(self, name, key=None, **more):
        """Another node, by the same name in the cluster where the key differs from it. more: what
        it is made with."""
        servers = (self.database.primary, self.database.standby)
        if self.database.primary_place == 1:
            servers = servers[::-1]
        ways = [DatabaseProxy(server.folder) for server in servers if server is not None]
        smtp, lmtp = self.ports
        node = Node(name, ways, {
            "route": [{"match": "store.test", "deliver": f"lmtp:127.0.0.1:{lmtp}"},
                      {"match": "*", "deliver": f"smtp:127.0.0.1:{smtp}"}]},
            label=self.label, **self.of_nodes, **more)
        self.nodes[key or name] = node
        return node

    def start(self):
        """All of them, with about as many bags each: they take them over from one that was there
        before. Bags that a node gives away to balance come one in five seconds."""
        first = self.add("first")
        first.start()
        for name, node in self.nodes.items():
            if name != "first":
                node.start()
        names = sorted(set(self.nodes) - {"first"})
        wait_until(lambda: all(self.state_of(name) == "live" for name in names), 30,
                   lambda: f"all nodes are live: {self.rows()}")
        began = time.time()
        first.stop()
        wait_until(lambda: sum(self.owners().get(name, 0) for name in names) == BAGS, 30,
                   lambda: f"the bags of a node that has stopped: {self.owners()}\n{first.tail()}")
        self.handed_over_in = time.time() - began
        return self

    # What the database says.

    def rows(self):
        """{name: (number, state, term, stay)}."""
        states = ("gone", "live", "draining")
        found = {}
        name = "translate(convert_from(name, 'UTF8'), E'|\\n\\r', '   ')"
        for line in self.database.sql(f"SELECT {name}, id, state, term, stay FROM node").splitlines():
            name, number, state, term, stay = line.split("|")
            found[name] = (int(number), states[int(state)], int(term), stay == "1")
        return found

    def state_of(self, name):
        return self.rows().get(name, (0, "none"))[1]

    def owners(self):
        """{name of a node: how many bags it has}; "" where there is none."""
        lines = self.database.sql(
            "SELECT coalesce(convert_from(node.name, 'UTF8'), ''), count(*) FROM bag "
            "LEFT JOIN node ON node.id = bag.node GROUP BY 1").splitlines()
        return {name: int(count) for name, count in (line.split("|") for line in lines)}

    def queued(self):
        """[(bag, id)] of all messages in the queue."""
        lines = self.database.sql("SELECT bag, id FROM fresh WHERE bag >= 0 UNION "
                                  "SELECT bag, id FROM message WHERE bag >= 0").splitlines()
        return [tuple(int(word) for word in line.split("|")) for line in lines]

    def wait_empty(self, timeout=DRAIN_MAX, note=None):
        """note: told every 20 s what is still there."""
        began = told = time.monotonic()
        while (left := self._count()) != "0":
            if time.monotonic() - began > timeout:
                raise AssertionError(f"{left} messages are still queued: {self.queue_in_words()}")
            if note and time.monotonic() - told > 20:
                told = time.monotonic()
                note(f"{left} messages are still queued: {self.queue_in_words()}")
            time.sleep(0.3)

    def _count(self):
        try:
            return self.database.sql("SELECT (SELECT count(*) FROM fresh WHERE bag >= 0) + "
                                     "(SELECT count(*) FROM message WHERE bag >= 0)")
        except AssertionError as error:  # a server that just recovers
            return str(error)

    def queue_in_words(self):
        lines = self.database.sql(
            "SELECT r.bag, coalesce(convert_from(n.name, 'UTF8'), '-'), r.message_id, "
            "convert_from(r.address, 'UTF8'), r.attempts, r.in_doubt, r.state, "
            "r.next_attempt_at - floor(extract(epoch FROM now()) * 1000) FROM recipient r "
            "LEFT JOIN bag b ON b.id = r.bag LEFT JOIN node n ON n.id = b.node WHERE r.bag >= 0 "
            "LIMIT 10").splitlines()
        fresh = self.database.sql("SELECT f.bag, b.node, f.id FROM fresh f LEFT JOIN bag b "
                                  "ON b.id = f.bag WHERE f.bag >= 0 LIMIT 10").splitlines()
        return f"recipients {lines}, fresh {fresh}, owners {self.owners()}, nodes {self.rows()}"

    def tables(self):
        """What it says of the nodes, for a person who looks for a fault."""
        return "\n".join(f"{table}:\n" + self.database.sql(f"SELECT * FROM {table} ORDER BY 1, 2")
                         for table in ("node", "lane", "bag")) + "\n" + self.names_in_words()

    def names_in_words(self):
        """The attempts that are named: (bag, queue id, index of the recipient) for each."""
        found = []
        for line in self.database.sql("SELECT node, term, n, encode(named, 'hex') FROM attempt "
                                      "WHERE named <> ''").splitlines():
            node, term, number, octets = line.split("|")
            names = [(bag_of(one), queue_id_text(one), index)
                     for one, index in struct.iter_unpack(">QI", bytes.fromhex(octets))]
            found.append(f"node {node} term {term} batch {number}: {names}")
        return "named attempts:\n" + "\n".join(found)

    # What the nodes say.

    def status(self, name):
        """`postwain cluster status --json` of a node."""
        done = self.nodes[name].cli("cluster", "status", "--json")
        if done.returncode != 0:
            raise AssertionError(f"cluster status: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def is_live(self, name):
        """Whether it works, as it says itself and as the database says."""
        try:
            return self.status(name)["standing"] == "live" and self.state_of(name) == "live"
        except AssertionError:
            return False

    def wait_live(self, *names, timeout=60):
        for name in names:
            wait_until(lambda name=name: self.is_live(name), timeout,
                       lambda name=name: f"{name} works: {self.rows()}\n{self.nodes[name].tail()}")

    def wait_bags(self, name, least=1, timeout=40):
        wait_until(lambda: self.owners().get(name, 0) >= least, timeout,
                   lambda: f"{name} has {least} bags: {self.owners()}\n{self.nodes[name].tail()}")

    def traces(self, queue_ids):
        """What each node knows of these messages, in words."""
        return "\n".join(f"{name}: {node.cli('trace', one).stdout}" for one in queue_ids
                         for name, node in self.nodes.items() if node.runs)

    def is_marked(self, queue_id, address):
        """Whether a history says that it was unknown at some time whether he has his copy."""
        for node in self.nodes.values():
            if not node.runs:
                continue
            done = node.cli("trace", queue_id, "--json")
            for line in done.stdout.splitlines():
                for recipient in json.loads(line)["recipients"]:
                    if recipient["address"] == address and any(
                            event.get("in_doubt") for event in recipient["events"]):
                        return True
        return False

    def fences(self, since=0.0):
        """[(name, when it was told)] of nodes whose term another one has ended, by its log."""
        return self._told("node_fenced", since)

    def lapses(self):
        """Of each node that has lost its term or its bags to another one."""
        return [self._lapse(name, ended)
                for name, ended in self.fences() + self._told("bags_adopted") if name in self.nodes]

    def _told(self, event, since=0.0):
        return sorted({(pairs["node"], at) for node in self.nodes.values()
                       for at, pairs in node.timed_events(event) if at >= since})

    def _lapse(self, name, ended):
        """That it was told may have taken so long that the node had its next term by then. No term
        is ended within seconds of its beginning."""
        node = self.nodes[name]
        begun = min((at for at, _ in node.timed_events("database_opened") if at > ended - TERM_MIN),
                    default=float("inf"))
        woken = next((to for since, to in node.standstills
                      if to is not None and since < ended < to), None)
        return Lapse(name, ended, begun, woken)

    # Load and judgement.

    def load(self, names=None, **options):
        """A program that sends to these nodes, or to all, until its stop(). options: its own."""
        path = self.folder / f"source-{len(self.source_lines)}.ledger"
        ports = ",".join(str(self.nodes[name].port) for name in names or sorted(
            name for name in self.nodes if name != "first"))
        words = [f"--{name}={value}" for name, value in options.items()]
        program = Program("cluster_source.py", "--ledger", path, "--ports", ports,
                          "--prefix", f"l{len(self.source_lines)}x", *words)
        self.source_lines.append(path)
        return program

    def forget(self):
        """What was judged is not looked at again."""
        for path in self.source_lines:
            if os.path.exists(path):
                os.truncate(path, 0)
        os.truncate(self.sink_lines, 0)
        for node in self.nodes.values():
            if os.path.exists(node.log_path):
                os.truncate(node.log_path, 0)

    def verdict(self):
        source = (words for path in self.source_lines for words in read_lines(path))
        return Verdict(source, read_lines(self.sink_lines),
                       {queue_id_text(number) for _, number in self.queued()}, self.lapses(),
                       self.is_marked)

    def taken_over(self, names, since):
        """Seconds from `since` until mail that one of these nodes had promised by then left through
        another node; None when none has."""
        before = {words[1] for path in self.source_lines for words in read_lines(path)
                  if words[0] == "reply" and words[3] == "250" and float(words[2]) <= since}
        at = [float(words[3]) for words in read_lines(self.sink_lines)
              if words[0] == "delivered" and words[1] in before and words[7] in names
              and words[4] not in names]
        return min((one - since for one in at if one > since), default=None)

    def heal(self):
        """Everything runs and is connected again."""
        for node in self.nodes.values():
            node.heal()
            node.resume()

    def stop(self):
        """For clean-up; complains only when all has ended."""
        self.heal()
        faults = []
        ends = [node.close for node in self.nodes.values()]
        for end in ends + [self.sink.stop, self.database.stop]:
            try:
                end()
            except (AssertionError, OSError) as error:
                faults.append(str(error))
        self.folder.remove()
        if faults:
            raise AssertionError("\n".join(faults))
