"""Rows that no node of ours would write, for every table that nodes read of each other and for the
mail itself, as SQL: what a broken node, a hand at psql, or a damaged disk may leave in the database.

Each set is made anew with the same seed. Columns with conditions of their own keep them.
"""

import random
import time

from cluster_harness import bag_of

LAST, FIRST = 2**63 - 1, -2**63
NUMBERS = (0, 1, -1, LAST, FIRST, 2**31, 2**53 + 1, LAST // 1000, 10**12, 253402300800000)
WORDS = ("a\nb", "\x1b[31mred\x07", "\"'\\;--", "\u202e\u2066", "x" * 250, "\r\n250 ok", "%s%n",
         "\x7f\x01", "{}{0}", "-", "*", ".", "mx:", "smtp:", "lmtp:127.0.0.1:1", "mx:relay.test")
EPOCH = 1577836800000  # of queue ids, 2020-01-01
MANY, FEW = 600, 120  # rows


class HostileRows:
    """nodes: the numbers of the nodes that read them; terms: those that they are in."""

    def __init__(self, nodes, terms, seed=1):
        self.chance = random.Random(seed)
        self.nodes, self.terms = nodes, terms
        self.now = int(time.time() * 1000)
        self.ids = [(self.now - EPOCH) << 22 | self.chance.randrange(900) << 12 | i
                    for i in range(MANY)]

    def sets(self):
        """{name: statements}."""
        return {
            "requests": [self.requests()], "answers": [self.answers()], "claims": [self.claims()],
            "paces": [self.paces()], "history": [self.history()], "breakers": [self.breakers()],
            "MX sets": [self.mx_sets()], "suspensions": [self.suspensions()],
            "STS policies": [self.sts_policies()], "recipient checks": [self.recipient_checks()],
            "clock": self.clock(), "nodes": [self.other_nodes()],
            "own words": [self.own_words()], "attempts": [self.attempts()],
            "compact messages": [self.compact()],
            "messages": [self.messages(), self.recipients(), self.contents(), self.chunks()],
        }

    # --- values -------------------------------------------------------------------------------

    def octets(self, count):
        return self._hex(self.chance.randbytes(count))

    def text(self, most=1000, unique="", without_zero=False):
        """Something that is no name, or nearly one."""
        word = self.chance.choice(WORDS).encode()
        value = self.chance.choice((
            word, self.chance.randbytes(self.chance.choice((1, 5, 40, 200))),
            b"\xff\xfe\xc3\x28" * self.chance.choice((1, 10, 60)),
            self.chance.choice((b"mx:", b"smtp:", b"lmtp:", b"domain:")) + word))
        value = value[:most - len(unique)] + unique.encode()
        return self._hex(value.replace(b"\0", b".") if without_zero else value)

    @staticmethod
    def _hex(value):
        return f"'\\x{value.hex()}'::bytea"

    def number(self, *more):
        return self.chance.choice(NUMBERS + more)

    def node(self, *more):
        return self.chance.choice((*self.nodes, *more))

    def changed(self):
        """Marks by which nodes find what is new."""
        return self.chance.choice((0, self.now, LAST))

    @staticmethod
    def insert(into, count, row):
        rows = ",".join("(" + ",".join(str(value) for value in row(i)) + ")" for i in range(count))
        return f"INSERT INTO {into} VALUES {rows} ON CONFLICT DO NOTHING"

    # --- what nodes tell each other -----------------------------------------------------------

    def requests(self):
        sizes = (0, 8, 16, 100, 65536)
        return self.insert(
            "request (to_node, n, from_node, kind, at, until, data)", FEW, lambda i: (
                self.node(), self.number() if i < 20 else self.chance.randrange(FIRST, LAST),
                self.node(30, 31), self.chance.choice((-32768, 32767, *range(-2, 12))),
                self.number(self.now), self.chance.choice((self.now + 60000, LAST)),
                self.text() if i % 3 else self.octets(self.chance.choice(sizes))))

    def answers(self):
        return self.insert(
            "answer (to_node, n, no, at, code, data)", FEW, lambda i: (
                self.node(), self.number() if i < 20 else self.chance.randrange(FIRST, LAST),
                self.chance.randrange(16), self.number(self.now), self.chance.randrange(256),
                self.octets(self.chance.choice((0, 1, 8, 100, 65536)))))

    def claims(self):
        places = (0, 1, 2**31 - 1)
        return self.insert("claim (key, node, places, kept_free)", MANY, lambda i: (
            self.text(unique=str(i)), self.node(-1, 30), self.chance.choice(places),
            self.chance.choice(places)))

    def paces(self):
        return self.insert("pace (key, next)", MANY,
                           lambda i: (self.text(unique=str(i)), self.number()))

    def history(self):
        sizes = (1, 100, 1000, 262144)
        return self.insert("history_block (node, number, at, name, filter, data)", FEW, lambda i: (
            self.node(30, -1), self.chance.choice((LAST - i, 10**6 + i, 2**40 + i)),
            self.number(self.now), self.text(255),
            self._hex(b"\xff" * self.chance.choice((1, 64, 65536))) if i % 2 else self.octets(64),
            self.octets(sizes[i % 4 if i < 16 else i % 3])))

    def breakers(self):
        key = self._hex
        certain = ",".join(
            f"({key(name)}, 1000000, {LAST}, {LAST}, 'x', {LAST - 1}, 31, {LAST})"
            for name in (b"mx:relay2.test", b"smtp:127.0.0.1:99"))
        columns = ("destination (key, opens, opened_at, hold_until, reason, changed, trial_node, "
                   "trial_term)")
        return self.insert(columns, MANY, lambda i: (
            self.text(unique=str(i) if i > 60 else ""), self.chance.choice((0, 1, LAST)),
            self.number(), self.number(), self.text(), self.changed(),
            self.chance.choice(("NULL", 31, *self.nodes)),
            self.chance.choice(("NULL", LAST, -5)))).replace(" ON CONF", f", {certain} ON CONF")

    def mx_sets(self):
        return self.insert("mx_set (destination, hosts, seen_at, changed)", MANY, lambda i: (
            self.text(unique=str(i)), self.text() if i % 2 else self.octets(4096), self.number(),
            self.changed()))

    def suspensions(self):
        """None of a destination of the load's."""
        return self.insert(
            "suspension (destination, since, until, author, reason, changed)", FEW, lambda i: (
                self.text(unique=f"{i}.suspended"), self.number(), self.number(), self.text(256),
                self.text(1000), self.changed()))

    def sts_policies(self):
        return self.insert(
            "sts_policy (domain, id, mode, hosts, max_age, fetched_at, changed)", FEW, lambda i: (
                self.text(unique=str(i)), self.text(32), i % 3,
                self.octets(65536) if i < 8 else self.text(),
                self.chance.choice((0, LAST, 10**9)), self.number(), self.changed()))

    def recipient_checks(self):
        return self.insert(
            "recipient_check (address, good, code, enhanced, text, at, changed)", MANY, lambda i: (
                self.text(unique=str(i)), i % 2, self.chance.choice((0, 250, 550, 999)),
                self.text(), self.text(), self.number(), self.changed()))

    def clock(self):
        gaps = f"({FIRST}, {LAST}), ({LAST}, {LAST}), (0, 1), ({self.now}, {LAST})"
        return [f"UPDATE clock SET last_seen = {LAST}",
                f"INSERT INTO clock_gap VALUES {gaps} ON CONFLICT DO NOTHING"]

    # --- who the nodes are --------------------------------------------------------------------

    def other_nodes(self):
        """They never beat, and own nothing."""
        return self.insert(
            "node (id, name, machine, term, state, beat, weight, load, version, config, stay, seen, "
            "wants)", 11, lambda i: (
                20 + i, self._hex(f"{WORDS[i]}{i}".encode()), self.text(200),
                self.chance.choice((1, LAST)), i % 3, self.number(), 256, i % 4, self.text(64),
                self.text(64), i % 2, self.number(), self.octets(65536)))

    def own_words(self):
        return (f"UPDATE node SET wants = {self.octets(65536)}, seen = {LAST}, weight = 256, "
                f"config = {self.text(64)}, version = {self.text(64)}, load = 3")

    def attempts(self):
        sizes = (0, 1, 11, 12, 24, 12000)
        return self.insert("attempt (node, term, n, named)", FEW, lambda i: (
            self.node(30, -7), self.chance.choice((*self.terms, LAST, -1)), LAST - i,
            self.octets(self.chance.choice(sizes))))

    # --- mail ---------------------------------------------------------------------------------

    def compact(self):
        return self.insert("fresh", FEW, lambda i: (
            bag_of(self.ids[i]) if i % 4 else self.chance.randrange(64),
            self.ids[i] if i > 10 else self.chance.choice((1, LAST - i, 2**40 + i)),
            self.chance.choice((1, 2, 1000)),
            self.octets(4194304) if i == 0 else self.chance.choice(
                ("''", self.octets(200), self.text(), self._hex(b"\x01" * 50)))))

    def whose(self, i):
        number = self.ids[MANY // 2 + i % FEW]
        return bag_of(number), number

    def messages(self):
        def row(i):
            size, in_file = self.chance.choice((0, 100, LAST, 10**7)), i % 2
            flags = [self.chance.randrange(2) for _ in range(3)]
            words = [self.text(900, without_zero=True) for _ in range(6)]
            return (*self.whose(i), words[0], i % 3, *flags, i % 3, words[1], i % 3, i % 2, size,
                    self.number(), *words[2:], i % 3, i % 3, in_file,
                    min(size, 1048576) * in_file if i % 4 == 1 else 0)
        return self.insert("message", FEW, row)

    def recipients(self):
        """Also of messages that are not there."""
        def row(i):
            words = [self.text(900, without_zero=True) for _ in range(3)]
            return (*self.whose(i), self.chance.choice((0, i, 2**31 - 1)), words[0], i % 16, words[1],
                    i % 2, words[2], self.chance.choice((0, 5, 2**31 - 1)), self.number(self.now),
                    i % 2, i % 2, self.number(), i % 12, self.chance.randrange(1000), self.text(),
                    self.text(), self.text(), self.chance.choice((0, 1, 2**31 - 1)))
        return self.insert("recipient", 2 * FEW, row)

    def contents(self):
        return self.insert("content", FEW // 2, lambda i: (
            *self.whose(i), self.octets(self.chance.choice((0, 10, 10000)))))

    def chunks(self):
        return self.insert("chunk", FEW // 2, lambda i: (
            *self.whose(i), self.chance.choice((0, 1, 5, 2**31 - 1)),
            self.octets(self.chance.choice((1, 8000)))))


# In this order; the rows of bag and node -1 are ours, for the server's statistics.
CLEAN = ("DELETE FROM request", "DELETE FROM answer", "DELETE FROM claim", "DELETE FROM pace",
         "DELETE FROM history_block WHERE node <> -1 OR number > 2000", "DELETE FROM destination",
         "DELETE FROM mx_set", "DELETE FROM suspension", "DELETE FROM sts_policy",
         "DELETE FROM recipient_check", "DELETE FROM clock_gap",
         "UPDATE clock SET last_seen = floor(extract(epoch FROM now()) * 1000)",
         "DELETE FROM node WHERE id BETWEEN 20 AND 30",
         f"DELETE FROM attempt WHERE n > {LAST - 1000000}",
         *(f"DELETE FROM {table} WHERE bag >= 0"
           for table in ("fresh", "fresh_left", "recipient", "message", "content", "chunk")))
