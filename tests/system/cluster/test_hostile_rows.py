"""Rows that no node of ours would write (hostile_rows.py), while two nodes work and when they start:
no process ends, memory stays where it was, mail of both arrives once, commands answer and print
nothing but text, and what nodes tell each other goes on being told.

In every test run all rows at once; set by set where POSTWAIN_CLUSTER_LONG is set.
"""

import os
import re
import time

from postwain_harness import main
from cluster_stories import LONG, ClusterStories, is_taken
from hostile_rows import CLEAN, HostileRows
from load_ledger import read_lines
from resources import wait_until

MEMORY_MAX = 100 * 1024  # KiB that a process may grow by
LINES_MAX = 20_000  # of a node's log: some for each row, not for each beat
SEEN = 2.5  # seconds in which each node has read all there is
PROCESSES = ("qmgr", "smtpd", "smtp-client", "lmtp-client")
NO_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
NO_BYTES = re.compile("[\x00-\x08\x0b-\x1f]")  # within JSON, which programs read
SUSPENDED = "domain:probe.test"


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


class RowsOfNobody(ClusterStories):
    def setUp(self):
        super().setUp()
        self.both = [self.cluster.nodes[name] for name in "ab"]
        rows = self.cluster.rows()
        self.rows = HostileRows([rows[name][0] for name in "ab"], [rows[name][2] for name in "ab"])
        self.sent = 0
        self.addCleanup(self.clean)

    def clean(self):
        for statement in CLEAN:
            self.cluster.database.sql(statement)

    def write(self, statements):
        """As a script: they are longer than a command line may be."""
        path = self.cluster.folder / "rows.sql"
        with open(path, "w", encoding="ascii") as file:
            file.write("\\set ON_ERROR_STOP on\n" + ";\n".join(statements) + ";\n")
        os.chmod(self.cluster.folder.path, 0o755)
        os.chmod(path, 0o644)
        self.cluster.database.sql(f"\\i {path}")

    def processes(self):
        return {(node.name, kind): node.pid_of(kind) for node in self.both for kind in PROCESSES}

    # What has to hold.

    def mail_arrives_once(self):
        wanted = []
        for node in self.both:
            self.sent += 1
            wanted.append(f"{self.id().rsplit('.', 1)[1]}-{self.sent}@relay.test")
            wait_until(lambda node=node: (is_taken(node, wanted[-1]) or (0,))[0] == 250, 30,
                       lambda node=node: f"{node.name} takes mail\n{node.tail()}")
        wait_until(lambda: set(wanted) <= set(self.delivered()), 30,
                   lambda: f"all is delivered: {set(wanted) - set(self.delivered())}")
        for one in wanted:
            self.assertEqual(1, self.delivered().count(one), one)
        return wanted

    def delivered(self):
        return [words[2] for words in read_lines(self.cluster.sink_lines) if words[0] == "delivered"]

    def commands_answer(self):
        for node in self.both:
            for words in (("status",), ("queue", "list"), ("queue", "stats"), ("cluster", "status"),
                          ("queue", "destinations"), ("cluster", "status", "--json")):
                done = node.cli(*words)
                self.assertEqual(0, done.returncode, f"{words}: {done.stdout}{done.stderr}")
                no_text = NO_BYTES if "--json" in words else NO_TEXT
                self.assertIsNone(no_text.search(done.stdout + done.stderr), words)

    def nodes_hear_of_each_other(self, addresses):
        a, b = self.both
        self.assertEqual(0, a.cli("queue", "suspend", SUSPENDED).returncode)
        wait_until(lambda: SUSPENDED in b.cli("queue", "destinations").stdout, 20,
                   "a suspension is told")
        self.assertEqual(0, b.cli("queue", "resume", SUSPENDED).returncode)
        wait_until(lambda: SUSPENDED not in a.cli("queue", "destinations").stdout, 20,
                   "its end is told")
        for address, other in zip(addresses, (b, a)):
            wait_until(lambda address=address, other=other: "delivered" in
                       other.cli("trace", address).stdout, 20, f"what became of mail to {address}")
        self.cluster.sink.tell("hold")
        for node, other in ((a, b), (b, a)):
            wait_until(lambda node=node, other=other: self.is_cancelled(node, other), 20,
                       f"{other.name} cancels mail of {node.name}")
        self.release()

    @staticmethod
    def is_cancelled(node, other):
        """The first one may leave before the sink holds what comes."""
        taken = is_taken(node, "later@relay.test")
        return other.cli("queue", "cancel", taken[1].split()[-1]).returncode == 0

    def log_is_text(self, sizes):
        for node in self.both:
            with open(node.log_path, encoding="utf-8", errors="surrogateescape") as file:
                file.seek(sizes[node])
                lines = file.read().splitlines()
            for line in lines:
                self.assertIsNone(NO_TEXT.search(line), line)
            self.assertLess(len(lines), LINES_MAX, lines[len(lines) // 2:][:1])

    def all_is_well(self, statements):
        sizes = {node: os.path.getsize(node.log_path) for node in self.both}
        pids = self.processes()
        memory = {whose: resident_kib(pid) for whose, pid in pids.items()}
        self.write(statements)
        time.sleep(SEEN)
        self.commands_answer()
        self.nodes_hear_of_each_other(self.mail_arrives_once())
        self.assertEqual(pids, self.processes())
        for whose, pid in pids.items():
            self.assertLess(resident_kib(pid), memory[whose] + MEMORY_MAX, whose)
        self.log_is_text(sizes)

    # The stories.

    def test_all_at_once_and_both_start_anew(self):
        sets = self.rows.sets()
        everything = [one for statements in sets.values() for one in statements]
        self.all_is_well(everything)
        for node in self.both:
            node.stop()
        self.write(everything)
        for node in self.both:
            node.start()
        self.cluster.wait_live("a", "b")
        self.commands_answer()
        self.nodes_hear_of_each_other(self.mail_arrives_once())

    @LONG
    def test_set_by_set(self):
        for name, statements in self.rows.sets().items():
            with self.subTest(name):
                self.all_is_well(statements)
            self.clean()

    @LONG
    def test_a_start_with_each_set(self):
        for name, statements in self.rows.sets().items():
            with self.subTest(name):
                self.write(statements)
                for node in self.both:
                    node.stop()
                    node.start()
                self.cluster.wait_live("a", "b")
                self.mail_arrives_once()
            self.clean()


if __name__ == "__main__":
    main()
