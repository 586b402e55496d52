#!/usr/bin/env python3
"""Where the time goes: one load through Postwain (or Postfix) under perf, and the costliest functions.

Samples the server's processes by the clock, so it also works in virtual machines without counters
and beside other work. The shares are of the server's own CPU time; the line before them tells how
much that is per message.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

import compare
import mta
import process_tree


def report(data, sort, limit, children=False, only=""):
    """Lines of perf report that contain `only`; children: with what was called from there."""
    shown = subprocess.run(
        ["perf", "report", "-i", data, "--stdio", "--children" if children else "--no-children"]
        + ["-g", "none", "--sort", sort],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [
        line
        for line in shown.stdout.splitlines()
        if line.strip() and not line.startswith("#") and only in line
    ]
    return "\n".join(re.sub(r"[\s-]+$", "", line) for line in lines[:limit])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--load", default="L1", choices=[load.key for load in compare.LOADS])
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--server", default="postwain", choices=["postwain", "postfix"])
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--dir", default="/var/tmp")
    parser.add_argument("--lines", type=int, default=45)
    parser.add_argument("--data", help="keep perf's data there")
    arguments = parser.parse_args()
    arguments.syncs, arguments.priority = False, 0
    load = next(load for load in compare.LOADS if load.key == arguments.load)
    with tempfile.TemporaryDirectory(prefix="postwain-profile.", dir=arguments.dir) as folder:
        pathlib.Path(folder).chmod(0o755)
        data = arguments.data or f"{folder}/perf.data"
        sinks = {}
        around = compare.set_up(folder, arguments.bin, sinks)
        server = (
            mta.Postfix(folder, around)
            if arguments.server == "postfix"
            else mta.Postwain(folder, around, arguments.bin)
        )
        try:
            server.start()
            worker = threading.Thread(
                target=lambda: compare.show_progress(
                    compare.run_once(server, load, sinks, arguments)
                )
            )
            worker.start()
            time.sleep(1)
            subprocess.run(
                ["perf", "record", "-q", "-g", "-F", "3999", "-e", "cpu-clock", "-o", data]
                + ["-p", ",".join(map(str, process_tree.tree(server.root_pid())))]
                + ["sleep", str(max(1, arguments.seconds - 2))],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )
            worker.join()
        finally:
            server.stop()
            for sink in sinks.values():
                sink.stop()
        print("by process and library\n" + report(data, "comm,dso", 25))
        print("\nby function\n" + report(data, "comm,symbol", arguments.lines))
        print("\nby system call\n" + report(data, "comm,symbol", 30, True, "__x64_sys_"))
        print("\nown functions with what they call\n"
              + report(data, "comm,symbol", arguments.lines, True, "postwain::"))


if __name__ == "__main__":
    sys.exit(main())
