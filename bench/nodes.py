#!/usr/bin/env python3
"""Several nodes of Postwain on one PostgreSQL: what each further one adds.

Each node, with all its processes, is held to a part of a processor by a cgroup of its own (version 1 or 2,
whichever this machine has); PostgreSQL, the clients and the sink are not. Every node gets the same load
at the same time; one node, then two, then three, each time with a database of its own. Needs root.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from compare import SOURCE_PATIENCE_S, Load, machine, set_up
from database import Database
import mta
import process_tree

LOAD = Load("L1", "20 kept sessions, 4 KiB", ["--sessions", "20"])
PERIOD_US = 20_000  # short, so that a node that has had its part does not stand still for long
SETTLED_S = 120  # for nodes that share the bags out


class Cell:
    """A cgroup whose processes have a part of one processor, and that before whoever else wants it: what is outside
    has its own priorities, and all of a cgroup has one."""

    ROOTS = (("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us"), ("/sys/fs/cgroup", "cpu.max"))

    def __init__(self, name, part):
        for root, file in self.ROOTS:
            folder = pathlib.Path(root) / f"postwain-bench-{os.getpid()}-{name}"
            if file == "cpu.max":
                self._write(pathlib.Path(root) / "cgroup.subtree_control", "+cpu")
            elif not (pathlib.Path(root) / file).exists() and not (pathlib.Path(root) / "cpu.shares").exists():
                continue
            folder.mkdir()
            if (folder / file).exists():
                self.folder, self.version = folder, 2 if file == "cpu.max" else 1
                break
            folder.rmdir()
        else:
            sys.exit("nodes.py: no cgroup of this machine bounds the processor")
        quota = int(part * PERIOD_US)
        if self.version == 1:
            self._write(self.folder / "cpu.cfs_period_us", str(PERIOD_US))
            self._write(self.folder / "cpu.cfs_quota_us", str(quota))
            self._write(self.folder / "cpu.shares", "262144")
        else:
            self._write(self.folder / "cpu.max", f"{quota} {PERIOD_US}")
            self._write(self.folder / "cpu.weight", "10000")

    @staticmethod
    def _write(path, text):
        path.write_text(text + "\n")

    def take(self, pids):
        for pid in pids:
            self._write(self.folder / "cgroup.procs", str(pid))

    def close(self):
        deadline = time.monotonic() + 10
        while True:
            try:
                return self.folder.rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


class Node(mta.Postwain):
    """name: also its name among the nodes."""

    def __init__(self, folder, name, around, binaries, database, extra="", routes=""):
        store = database.of_postwain() + f'node = "{name}"\n'
        super().__init__(folder, around, binaries, extra + store, name=name, routes=routes)


def bags(database):
    """How many each node has, by its number."""
    text = database.server.sql("SELECT node, count(*) FROM bag WHERE node IS NOT NULL GROUP BY node")
    return {int(node): int(count) for node, count in (line.split("|") for line in text.splitlines())}


def wait_until_shared(database, nodes):
    deadline = time.monotonic() + SETTLED_S
    while True:
        have = bags(database)
        if len(have) == nodes and max(have.values()) - min(have.values()) <= 1:
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"the bags were not shared out: {have}")
        time.sleep(0.2)


def offer_load(nodes, sink, arguments):
    """Messages a second at the sink, all nodes together, and what the sources tell."""
    before = sink.counts()["recipients"]
    sources = []
    for node in nodes:
        source = subprocess.Popen(
            [arguments.bin / "pw-source", *LOAD.options, "--seconds", str(arguments.seconds),
             "--patience", str(SOURCE_PATIENCE_S), "--to", LOAD.domain(), f"127.0.0.1:{node.port}"],
            stdout=subprocess.PIPE, text=True, start_new_session=True)
        process_tree.set_priority(source.pid, arguments.priority)
        sources.append(source)
    told = [json.loads(source.communicate()[0]) for source in sources]
    accepted = sum(one["accepted"] for one in told)
    complete = sink.wait_for(before + accepted)
    counts = sink.counts()
    began = min(one["started_ns"] for one in told)
    return {"rate": (counts["recipients"] - before) / ((counts["last_ns"] - began) / 1e9),
            "accepted": accepted, "complete": complete,
            "p50_ms": statistics.median(one["p50_ms"] for one in told)}


def measure(count, around, sink, folder, arguments):
    database, nodes, cells = Database(arguments.priority), [], []
    where = tempfile.mkdtemp(prefix=f"of-{count}.", dir=folder)
    os.chmod(where, 0o755)
    try:
        for i in range(count):
            nodes.append(Node(where, f"n{i}", around, arguments.bin, database))
            nodes[-1].start()
            process_tree.set_priority(nodes[-1].root_pid(), arguments.priority)
        wait_until_shared(database, count)
        for node in nodes:
            cells.append(Cell(f"{count}-{node.name}", arguments.cores))
            cells[-1].take(process_tree.tree(node.root_pid()))
        runs = [offer_load(nodes, sink, arguments) for _ in range(arguments.runs + 1)][1:]
        return runs, cells[0].version
    finally:
        for node in nodes:
            node.stop()
        for cell in cells:
            cell.close()
        database.stop()


def parse_arguments():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path,
                        default=os.environ.get("POSTWAIN_BIN", here.parent / "build/release/bin"))
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--cores", type=float, default=0.3, help="of a processor, for each node")
    parser.add_argument("--runs", type=int, default=3, help="behind one that is not counted")
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--priority", type=int, default=0)
    parser.add_argument("--dir", default="/var/tmp")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    arguments.bin = pathlib.Path(arguments.bin)
    folder = tempfile.mkdtemp(prefix="postwain-nodes.", dir=arguments.dir)
    os.chmod(folder, 0o755)
    sinks, rates, version = {}, [], 0
    try:
        around = set_up(folder, arguments.bin, sinks, arguments.priority)
        print("| nodes | delivered/s | of one | each run | p50 ms | accepted and delivered |\n|---|---|---|---|---|---|")
        for count in range(1, arguments.nodes + 1):
            runs, version = measure(count, around, sinks["smtp"], folder, arguments)
            rates.append(statistics.median(run["rate"] for run in runs))
            print(f"| {count} | {rates[-1]:.0f} | {rates[-1] / rates[0]:.2f} "
                  f"| {', '.join('%.0f' % run['rate'] for run in runs)} "
                  f"| {statistics.median(run['p50_ms'] for run in runs):.1f} "
                  f"| {'all' if all(run['complete'] for run in runs) else 'NOT ALL'} |", flush=True)
        print(f"\n{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}; {machine()}; each node held to "
              f"{arguments.cores} of a processor by a cgroup (version {version}); "
              f"{arguments.runs} runs of {arguments.seconds} s")
    finally:
        for sink in sinks.values():
            sink.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
