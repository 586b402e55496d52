#!/usr/bin/env python3
"""What a slow filter costs in memory: 1,000 sessions that each bring 50 MiB through a milter which
reads at a given rate. The sum of all processes' PSS is looked at each second, while all sessions are
under way. Nothing is waited for: the bodies would be 50 GiB on the disk, and the memory shows long
before. Ends with 1 where the sum went beyond the bound.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import mta
import process_tree
from compare import Sink


def established(port):
    """Connections that are open at a local port."""
    count = 0
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        count += fields[3] == "01" and int(fields[1].split(":")[1], 16) == port
    return count


def by_process(root):
    names = {}
    for pid in process_tree.tree(root):
        try:
            rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            name = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue
        pss = re.search(r"^Pss: +(\d+) kB", rollup, re.MULTILINE)
        names[name] = names.get(name, 0) + (int(pss[1]) / 1024 if pss else 0)
    return names


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of the binaries")
    parser.add_argument("--folder", type=pathlib.Path, help="where the queue lies; default: a temporary one")
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--mib", type=int, default=50, help="of each message")
    parser.add_argument("--rate", type=int, default=50_000, help="octets a second that each filter connection takes")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--bound", type=int, default=256, metavar="MIB")
    arguments = parser.parse_args()

    folder = pathlib.Path(tempfile.mkdtemp(prefix="filter-memory-", dir=arguments.folder))
    folder.chmod(0o755)
    port = mta.free_port()
    milter = subprocess.Popen(
        [arguments.bin / "pw-milter", "--terse", "--rate", str(arguments.rate), f"127.0.0.1:{port}"])
    sink = Sink(arguments.bin)
    certificate, key = mta.make_certificate(folder)
    around = mta.Surroundings(smtp=sink.port, lmtp=sink.port, tls=sink.port, certificate=certificate, key=key)
    extra = f"""
[[filter]]
name = "slow"
speak = "milter"
socket = "127.0.0.1:{port}"
timeout = {{ reply = "10m", message = "60m" }}
"""
    server = mta.Postwain(folder, around, arguments.bin, extra)
    source = None
    try:
        server.start()
        idle = process_tree.pss_mib(server.process.pid)
        source = subprocess.Popen(
            [arguments.bin / "pw-source", "--sessions", str(arguments.sessions), "--size", str(arguments.mib << 20),
             "--seconds", str(arguments.seconds + 600), f"127.0.0.1:{server.port}"],
            stdout=subprocess.DEVNULL)
        most, at_most = 0, {}
        for second in range(arguments.seconds):
            time.sleep(1)
            names = by_process(server.process.pid)
            if sum(names.values()) > most:
                most, at_most = sum(names.values()), names
            if second % 10 == 9:
                print(f"{second + 1:4} s: {sum(names.values()):6.1f} MiB, {established(server.port)} sessions, "
                      f"{established(port)} connections of the filter", flush=True)
        print(f"idle {idle:.1f} MiB, at most {most:.1f} MiB: " +
              ", ".join(f"{name} {mib:.1f}" for name, mib in sorted(at_most.items(), key=lambda item: -item[1])))
        return 1 if most > arguments.bound else 0
    finally:
        if source:
            source.kill()
            source.wait()
        server.stop()
        milter.terminate()
        milter.wait()
        sink.process.terminate()
        sink.process.wait()
        subprocess.run(["rm", "-rf", folder], check=True)


if __name__ == "__main__":
    sys.exit(main())
