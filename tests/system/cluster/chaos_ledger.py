"""A record of what chaos.py has judged, a line of JSON for each round, so that a long run may be made
in parts, at any time and on any machine: a million messages need an hour or two.

    chaos_ledger.py FILE
"""

import json
import statistics
import subprocess
import sys
import time
from collections import Counter

GOAL = {"messages": 1_000_000, "kills": 50, "failovers": 20}
SUMS = ("seconds", "messages", "recipients", "kills", "failovers", "lost", "bounced", "second",
        "unmarked", "late", "at_wake")


def commit():
    """That is tested, with a mark when the tree differs from it."""
    done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True,
                          check=False)
    return done.stdout.strip() or "unknown"


def write(path, **words):
    line = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "commit": commit(), **words}
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def read(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def in_words(rounds):
    sums = Counter()
    for one in rounds:
        sums.update({key: one.get(key, 0) for key in SUMS})
    faulty = [one for one in rounds if one["faults"]]
    taken = [at for one in rounds for at in one["take_overs"]]
    seeds = sorted({one["seed"] for one in rounds})
    yield (f"{len(rounds)} rounds with {len(seeds)} seeds at {len({o['commit'] for o in rounds})} "
           f"commits, {sums['seconds'] / 60:.0f} minutes, {len(faulty)} of them faulty")
    for key, goal in GOAL.items():
        yield f"{sums[key]} {key} of {goal}"
    yield (f"lost {sums['lost']}, second copies {sums['second']}, without a mark of doubt "
           f"{sums['unmarked']}, without a term {sums['late']}, at a wake {sums['at_wake']}")
    if taken:
        yield (f"from a kill until its mail left through another node: median "
               f"{statistics.median(taken):.1f} s, longest {max(taken):.1f} s ({len(taken)} times)")
    left = GOAL["messages"] - sums["messages"]
    if sums["messages"] and left > 0:
        rate = sums["messages"] / sums["seconds"]
        yield f"{rate:.0f} messages a second, faults included: {left / rate / 60:.0f} minutes more"
    for one in faulty:
        yield f"FAULT {one['at']} seed {one['seed']} round {one['round']}: {one['faults']}"


def main():
    rounds = read(sys.argv[1])
    print(*in_words(rounds), sep="\n")
    return 1 if any(one["faults"] for one in rounds) else 0


if __name__ == "__main__":
    sys.exit(main())
