#!/usr/bin/env python3
"""Where the time goes: one load through Postwain (or Postfix) under perf, and the costliest functions.

Samples the whole machine by its clock, so it also works in virtual machines without counters. The
shares are of all processors, the load tools and idle time included.
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


def report(data, sort, limit, extra=()):
    shown = subprocess.run(
        ["perf", "report", "-i", data, "--stdio", "--no-children", "-g", "none", "--sort", sort, *extra],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in shown.stdout.splitlines() if line.strip() and not line.startswith("#")]
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
    arguments.syncs = False
    load = next(load for load in compare.LOADS if load.key == arguments.load)
    with tempfile.TemporaryDirectory(prefix="postwain-profile.", dir=arguments.dir) as folder:
        pathlib.Path(folder).chmod(0o755)
        data = arguments.data or f"{folder}/perf.data"
        sinks = {lmtp: compare.Sink(arguments.bin, lmtp) for lmtp in (False, True)}
        ports = (sinks[False].port, sinks[True].port)
        server = (
            mta.Postfix(folder, *ports)
            if arguments.server == "postfix"
            else mta.Postwain(folder, *ports, arguments.bin)
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
                ["perf", "record", "-q", "-a", "-g", "-F", "1999", "-e", "cpu-clock", "-o", data]
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
        print("by process\n" + report(data, "comm", 15))
        print("\nby process and library\n" + report(data, "comm,dso", 25))
        print("\nby function\n" + report(data, "comm,symbol", arguments.lines))
        print("\nown functions\n" + report(data, "comm,symbol", 25, ("--dsos", ",".join(
            ["smtpd", "qmgr", "smtp-client", "lmtp-client", "postwain"]))))


if __name__ == "__main__":
    sys.exit(main())
