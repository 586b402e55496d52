#!/usr/bin/env python3
"""Postwain with a huge queue of deferred mail beside Postwain with an empty one.

Two instances on the same disk, one of them on a spool that pw-fill has filled; interleaved pairs of
the same load. Besides the rates: the time from the start to the first delivery of what was due, of
`queue stats`, of the first line of filtered lists, and the memory of qmgr at the end.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import mta
import process_tree
from compare import Load, machine, run_once, set_up, spread

LOAD = Load("L1", "20 kept sessions, 4 KiB", ["--sessions", "20"])

# Everything live goes to the sink; the deferred mass waits for its own next attempt.
ROUTE = """
[[route]]
match = "due.test"
deliver = "smtp:[127.0.0.1]:{port}"
"""


class Instance(mta.Postwain):
    def __init__(self, folder, name, around, binaries):
        super().__init__(pathlib.Path(folder) / name, around, binaries, routes=ROUTE.format(port=around.smtp))
        self.name = name

    def cli(self, *words):
        return subprocess.run([self.binary, *words, "--config", self.folder / "postwain.toml"],
                              capture_output=True, text=True, check=True).stdout

    def seconds_to_first_line(self, *words):
        """(until the first line, until the end, lines) of a command's output."""
        began = time.monotonic()
        with subprocess.Popen([self.binary, *words, "--config", self.folder / "postwain.toml"],
                              stdout=subprocess.PIPE, text=True) as process:
            first = process.stdout.readline()
            at = time.monotonic() - began
            lines = sum(1 for _ in process.stdout) + bool(first)
        return at, time.monotonic() - began, lines

    def fill(self, binaries, arguments):
        """As its own first start leaves the spool: made, owned and locked down."""
        self.start()
        self.stop()
        shutil.move(self.folder / "log", self.folder / "log.first")
        spool = self.folder / "spool"
        owner = spool.stat()
        began = time.monotonic()
        subprocess.run([binaries / "pw-fill", spool, "--messages", str(arguments.messages)], check=True)
        for path in spool.glob("queue.db*"):
            os.chown(path, owner.st_uid, owner.st_gid)
        return time.monotonic() - began

    def qmgr(self):
        return next(p["pid"] for p in json.loads(self.cli("status", "--json"))["processes"] if p["name"] == "qmgr")


def seconds_to_first_delivery(instance, sink):
    before = sink.counts()["recipients"]
    began = time.monotonic()
    instance.start()
    while sink.counts()["recipients"] == before:
        if time.monotonic() - began > 60:
            raise RuntimeError("nothing due was delivered within a minute")
        time.sleep(0.005)
    return time.monotonic() - began


def measure_commands(instance, arguments):
    last = json.loads(instance.cli("queue", "list", "--json", "--domain", "d0.test").splitlines()[0])
    questions = {
        "queue stats": ("queue", "stats"),
        "queue list --all": ("queue", "list", "--all"),
        "queue list --domain d777.test": ("queue", "list", "--domain", "d777.test"),
        "queue list --state deferred": ("queue", "list", "--state", "deferred"),
        "queue list --sender sender999@fill.test": ("queue", "list", "--sender", "sender999@fill.test"),
        "queue list --recipient (of the last message)":
            ("queue", "list", "--recipient", f"user{arguments.messages - 101}@" +
             f"d{(arguments.messages - 101) * 7919 % 20000}.test"),
        "queue show (one message)": ("queue", "show", last["id"]),
    }
    return {title: instance.seconds_to_first_line(*words) for title, words in questions.items()}


def report(arguments, filled, found):
    rows = found["pairs"]
    ratio = lambda key: spread([full[key] / empty[key] for full, empty in rows], 2)
    rate = lambda key, side: spread([pair[side][key] for pair in rows], 0)
    print(f"\n{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}; {machine()}; {filled.version()}; "
          f"{arguments.messages} messages with 3 recipients each, deferred; {arguments.pairs} pairs of "
          f"{arguments.seconds} s; min / median / max\n")
    print("| new mail beside it | full queue | empty queue | ratio |\n|---|---|---|---|")
    for key in ("accepted_per_second", "drained_per_second"):
        print(f"| {key.replace('_per_second', '/s')} | {rate(key, 0)} | {rate(key, 1)} | {ratio(key)} |")
    print("\n| command | first line, s | whole, s | lines |\n|---|---|---|---|")
    for title, (first, whole, lines) in found["commands"].items():
        print(f"| {title} | {first:.3f} | {whole:.3f} | {lines} |")
    print(f"\nStart to first delivery {found['restart']:.2f} s; PSS of qmgr {found['pss']:.0f} MiB; "
          f"database {found['bytes'] / 2**20:.0f} MiB; filled in {found['fill']:.0f} s.\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = pathlib.Path(__file__).resolve().parent
    parser.add_argument("--bin", type=pathlib.Path,
                        default=os.environ.get("POSTWAIN_BIN", here.parent / "build/release/bin"))
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--dir", default="/var/tmp")
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.bin = pathlib.Path(arguments.bin)
    arguments.syncs, arguments.priority = False, 0
    folder = tempfile.mkdtemp(prefix="postwain-scale.", dir=arguments.dir)
    os.chmod(folder, 0o755)
    sinks = {}
    around = set_up(folder, arguments.bin, sinks)
    sink = sinks["smtp"]
    filled, empty = (Instance(folder, name, around, arguments.bin) for name in ("full", "empty"))
    found = {}
    try:
        found["fill"] = filled.fill(arguments.bin, arguments)
        found["bytes"] = (filled.folder / "spool/queue.db").stat().st_size
        empty.start()
        found["restart"] = seconds_to_first_delivery(filled, sink)
        sink.wait_for(300)
        found["commands"] = measure_commands(filled, arguments)
        found["pairs"] = []
        for pair in range(arguments.pairs):
            order = (filled, empty) if pair % 2 == 0 else (empty, filled)
            results = {one.name: run_once(one, LOAD, sinks, arguments) for one in order}
            found["pairs"].append((results["full"], results["empty"]))
            print({name: round(r["accepted_per_second"]) for name, r in results.items()}, file=sys.stderr)
        found["pss"] = process_tree.pss_mib(filled.qmgr())
        report(arguments, filled, found)
        if arguments.json:
            arguments.json.write_text(json.dumps(found, indent=1))
    finally:
        for one in (filled, empty):
            one.stop()
        for one in sinks.values():
            one.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
