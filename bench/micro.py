#!/usr/bin/env python3
"""Micro-benchmarks: time and instructions of the parts that every message passes.

Times are of this machine at this moment; instructions repeat, also on a noisy one and in a virtual
machine without counters: they are counted by valgrind (cachegrind without caches) as the difference
of two runs with different numbers of iterations. --compare FILE reads a table made before and ends
with 1 when a part takes over 5 % more instructions.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

MORE = 0.05  # instructions
FEW, MANY = 2, 12  # iterations of the two runs


def names_and_times(binary):
    """{name: (nanoseconds, items)} of one iteration."""
    shown = subprocess.run([binary, "--benchmark_format=json", "--benchmark_min_time=0.3"],
                           capture_output=True, text=True, check=True).stdout
    found = {}
    for one in json.loads(shown)["benchmarks"]:
        if one.get("error_occurred"):
            sys.exit(f"{one['name']}: {one['error_message']}")
        items = max(1, round(one["items_per_second"] * one["cpu_time"] / 1e9))
        found[one["name"]] = (one["cpu_time"], items)
    return found


def instructions(binary, name, iterations):
    with tempfile.NamedTemporaryFile() as out:
        done = subprocess.run(
            ["valgrind", "--tool=cachegrind", "--cache-sim=no", f"--cachegrind-out-file={out.name}", binary,
             f"--benchmark_filter=^{name}(/iterations:[0-9]+)?$"],
            env={**os.environ, "POSTWAIN_MICRO_ITERATIONS": str(iterations)},
            capture_output=True, text=True, check=True)
    return int(re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)[1].replace(",", ""))


def read_table(path):
    """{name: instructions} of a table printed before."""
    rows = re.findall(r"^\| (\w+) \|[^|]*\| (\d+) \|", pathlib.Path(path).read_text(), re.MULTILINE)
    return {name: int(count) for name, count in rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="the program pw-micro")
    parser.add_argument("--compare", help="a table made before")
    arguments = parser.parse_args()
    before = read_table(arguments.compare) if arguments.compare else {}
    worse = []
    print("| part | ns each | instructions each |" + (" before |" if before else ""))
    print("|---|---|---|" + ("---|" if before else ""))
    for name, (nanoseconds, items) in names_and_times(arguments.bin).items():
        counts = [instructions(arguments.bin, name, n) for n in (FEW, MANY)]
        each = round((counts[1] - counts[0]) / (MANY - FEW) / items)
        print(f"| {name} | {nanoseconds / items:.0f} | {each} |" + (f" {before.get(name, '-')} |" if before else ""),
              flush=True)
        if name in before and each > before[name] * (1 + MORE):
            worse.append(f"{name}: {each} instructions instead of {before[name]}")
    for line in worse:
        print(line, file=sys.stderr)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
