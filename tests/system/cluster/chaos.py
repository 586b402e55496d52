#!/usr/bin/env python3
"""Nodes that share a queue, under load and under every fault that is known: kills of qmgr, of one
node and of two, standstills, databases that are killed and that fail over, ways that are cut.
Behind each round all is healed, the queue runs empty, and cluster_verdict.py judges.

    chaos.py [--rounds N] [--messages N] [--minutes N] [--ledger FILE] [--seed N] [--nodes N]
             [--rate N] [--keep FOLDER]

It goes on until there were so many rounds and so many acknowledged messages, or for so many
minutes; --ledger adds each round to a record of many such runs (chaos_ledger.py). A seed repeats the
faults and their times, though not the moments in the programs at which they strike. It ends with 1
at the first round that breaks a promise, whose logs and ledgers it leaves in a folder below --keep.
"""

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter

import chaos_ledger
from chaos_faults import DECK, OF_DATABASE, Faults
from cluster_harness import BAGS, DRAIN_MAX, Cluster

HAND = 4  # faults in a round
TOGETHER = 0.35  # how often a fault of the database comes in the midst of another one
CALM = (1.0, 4.0)  # seconds between faults
LIVE_MAX = 90


class Chaos:
    def __init__(self, options):
        self.options = options
        self.chance = random.Random(options.seed)
        self.began = time.monotonic()
        names = [chr(ord("a") + number) for number in range(options.nodes)]
        self.cluster = Cluster(names, standby=True)
        self.faults = Faults(self.cluster, self.chance, self.note)
        self.deck = []
        self.rounds = 0
        self.sums = Counter()
        self.take_overs = []
        self.suspects = []

    def note(self, text):
        print(f"{time.monotonic() - self.began:7.1f} {text}", flush=True)

    def run(self):
        self.cluster.start()
        while not self.is_enough():
            self.rounds += 1
            began, sums, counts = time.monotonic(), self.sums.copy(), self.faults.counts.copy()
            taken = len(self.take_overs)
            faults = self.round()
            self.record(time.monotonic() - began, self.sums - sums, self.faults.counts - counts,
                        self.take_overs[taken:], faults)
            if faults:
                return self.keep_evidence(faults)
        return 0

    def is_enough(self):
        if self.options.minutes:
            return time.monotonic() - self.began > 60 * self.options.minutes
        return (self.rounds >= self.options.rounds
                and self.sums["messages"] >= self.options.messages)

    def record(self, seconds, sums, counts, taken, faults):
        if self.options.ledger:
            chaos_ledger.write(self.options.ledger, seed=self.options.seed, round=self.rounds,
                               seconds=round(seconds), **sums, kills=kills(counts),
                               failovers=failovers(counts), counts=counts,
                               take_overs=[round(one, 1) for one in taken], faults=faults)

    def round(self):
        """What was wrong, in words."""
        self.faults.kills, self.faults.standstills = [], 0
        loads = [self.cluster.load(rate=self.options.rate / 2, connections=12,
                                   large=self.options.large, slow=0.01,
                                   seed=f"{self.options.seed}/{self.rounds}/{n}") for n in range(2)]
        try:
            for group in self.hand():
                self.rest()
                self.play(group)
            self.rest()
            self.play([])
            self.cluster.wait_live(*(n for n in self.cluster.nodes if n != "first"),
                                   timeout=LIVE_MAX)
        except AssertionError as error:
            return [str(error)]
        finally:
            for load in loads:
                load.process.stdin.close()
            for load in loads:
                load.stop()
        self.note("the load has ended")
        return self.judge()

    def hand(self):
        """The faults of this round, as groups of those that come together."""
        groups = []
        for _ in range(HAND):
            if not self.deck:
                self.deck = [kind for kind, number in DECK.items() for _ in range(number)]
                self.chance.shuffle(self.deck)
            kind = self.deck.pop()
            if groups and len(groups[-1]) == 1 and self.fit(groups[-1][0], kind):
                groups[-1].append(kind)
            else:
                groups.append([kind])
        return groups

    def fit(self, one, other):
        """A fault of the database may come in the midst of one of a node, and vice versa."""
        return ("split" not in (one, other) and (one in OF_DATABASE) != (other in OF_DATABASE)
                and self.chance.random() < TOGETHER)

    def play(self, group):
        active = []
        for kind in group:
            fault = self.faults.begin(kind)
            if fault is not None:
                active.append([time.monotonic() + self.chance.uniform(0, 3) * len(active), fault])
        while True:
            for name in self.faults.ended():
                active.append([time.monotonic(), self.faults.revive(name)])
            if not active:
                return
            now = time.monotonic()
            for one in [one for one in active if one[0] <= now]:
                try:
                    one[0] = now + next(one[1])
                except StopIteration:
                    active.remove(one)
            time.sleep(0.02)

    def rest(self):
        time.sleep(self.chance.uniform(*CALM))

    def judge(self):
        try:
            self.cluster.wait_empty(DRAIN_MAX, self.note)
        except AssertionError as error:
            return [str(error)]
        self.note("the queue is empty")
        verdict = self.cluster.verdict()
        taken = [self.cluster.taken_over(names, at) for at, names in self.faults.kills]
        self.take_overs += [one for one in taken if one is not None]
        times = ", ".join(f"{one:.1f} s" if one else "nothing waited" for one in taken)
        self.note(f"round {self.rounds}: {verdict}; taken over after: {times or 'none'}")
        self.sums.update(messages=verdict.messages, recipients=verdict.promised,
                         lost=len(verdict.lost), bounced=sum(verdict.bounced.values()),
                         second=verdict.second_copies(), unmarked=len(verdict.unmarked),
                         late=len(verdict.late), at_wake=len(verdict.at_wake))
        owners = self.cluster.owners()
        self.suspects = verdict.suspects()
        faults = verdict.faults(wakes_allowed=2 * self.faults.standstills)
        if sum(owners.get(name, 0) for name in self.cluster.nodes) != BAGS:
            faults.append(f"not every bag has an owner: {owners}")
        if not faults:
            self.cluster.forget()
        return faults

    def keep_evidence(self, faults):
        folder = os.path.join(self.options.keep, f"chaos-{self.options.seed}-{self.rounds}")
        os.makedirs(folder, exist_ok=True)
        for fault in faults:
            self.note(f"FAULT {fault}")
        for path in [self.cluster.sink_lines, *self.cluster.source_lines]:
            if os.path.exists(path) and os.path.getsize(path):
                shutil.copy(path, folder)
        for name, node in self.cluster.nodes.items():
            shutil.copy(node.log_path, os.path.join(folder, f"node-{name}.log"))
        texts = [("faults", "\n".join(faults) + "\n"), *self.cluster.database.evidence()]
        for name, ask in (("traces", lambda: self.cluster.traces(self.suspects)),
                          ("tables", self.cluster.tables)):
            try:
                texts.append((name, ask()))
            except (AssertionError, subprocess.TimeoutExpired) as error:
                texts.append((name, str(error)))
        for name, text in texts:
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        self.note(f"evidence in {folder}")
        return 1

    def figures(self):
        counts, sums = self.faults.counts, self.sums
        print(f"\nseed {self.options.seed}: {self.rounds} rounds in "
              f"{time.monotonic() - self.began:.0f} s; {kills(counts)} kills, "
              f"{failovers(counts)} failovers, faults {dict(counts)}, "
              f"nodes that ended by themselves {self.faults.revived}")
        print(f"acknowledged {sums['messages']} messages for {sums['recipients']} recipients, "
              f"{sums['bounced']} bounced, lost {sums['lost']}")
        print(f"second copies {sums['second']}, recipients of such without a mark of doubt "
              f"{sums['unmarked']}; copies without a term {sums['late']}, at a wake "
              f"{sums['at_wake']}")
        if self.take_overs:
            print(f"from a kill until its mail left through another node: median "
                  f"{statistics.median(self.take_overs):.1f} s, longest "
                  f"{max(self.take_overs):.1f} s ({len(self.take_overs)} times)")


def kills(counts):
    return counts["qmgr"] + counts["node"] + 2 * counts["two"]


def failovers(counts):
    return counts["failover"] + counts["split"]


def main():
    words = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    words.add_argument("--rounds", type=int, default=32)
    words.add_argument("--messages", type=int, default=1_000_000)
    words.add_argument("--minutes", type=float, help="in the place of rounds and messages")
    words.add_argument("--ledger")
    words.add_argument("--seed", type=int, default=int(time.time()))
    words.add_argument("--nodes", type=int, default=3)
    words.add_argument("--rate", type=float, default=2000, help="messages a second, at most")
    words.add_argument("--large", type=float, default=0.02, help="share of large messages")
    words.add_argument("--keep", default="/tmp")
    options = words.parse_args()
    print(f"seed {options.seed}", flush=True)
    chaos = Chaos(options)
    try:
        code = chaos.run()
    finally:
        chaos.figures()
        chaos.cluster.stop()
        if options.ledger and os.path.exists(options.ledger):
            print(*chaos_ledger.in_words(chaos_ledger.read(options.ledger)), sep="\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
