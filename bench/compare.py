#!/usr/bin/env python3
"""Postwain beside Postfix: the same loads, the same sink, the same disk, in interleaved pairs.

Both are durable: each answers 250 only after the message is synced. A pair is one run of each, one
directly after the other, the order changing from pair to pair; a ratio is taken within a pair, because
the machine drifts more between pairs than inside one. "drained" counts until the sink has the last
accepted message. Needs root (Postfix does) and the packages of section bench in packages.debian.

With --filter every server asks the same milter (pw-milter) about all mail, and one more Postwain runs
without it. With --dkim all mail is signed with RSA of 2048 bits, by Postwain itself and for Postfix by
OpenDKIM as a milter, and one more Postwain runs that does not sign. With --beside one more Postwain runs from other binaries: what a change costs; with
--database, too, it has its queue in a PostgreSQL of its own.
"""

import argparse
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from database import Database
import mta
import process_tree

SOURCE_PATIENCE_S = 30  # for the last replies
PROBE_MIB = 256  # written to learn the disk's rate
SENDER_DOMAIN = "source.example"  # of what pw-source sends
STALL_S = 20  # nothing new at the sink for so long: the run counts as incomplete


@dataclass
class Load:
    key: str
    title: str
    options: list
    recipients: int = 1
    sink: str = "smtp"  # or lmtp, tls
    mib: int = 0  # of content, where the disk is the limit

    def domain(self):
        return {"lmtp": mta.LMTP_DOMAIN, "tls": mta.TLS_DOMAIN}.get(self.sink, "sink.example")


LOADS = [
    Load("L1", "20 kept sessions, 4 KiB", ["--sessions", "20"]),
    Load("L2", "20 sessions, one message per connection", ["--sessions", "20", "--per-connection", "1"]),
    Load("L3", "one sequential session", ["--sessions", "1"]),
    Load("L4", "100 kept sessions", ["--sessions", "100"]),
    Load("L5", "1 MiB, 8 sessions", ["--sessions", "8", "--size", "1048576"], mib=1),
    Load("L5b", "20 MiB, 2 sessions", ["--sessions", "2", "--size", "20971520"], mib=20),
    Load("L6", "50 recipients, 20 sessions", ["--sessions", "20", "--recipients", "50"], recipients=50),
    Load("L7", "LMTP next hop, 20 sessions", ["--sessions", "20"], sink="lmtp"),
    Load("L7b", "LMTP next hop, 50 recipients", ["--sessions", "20", "--recipients", "50"], recipients=50, sink="lmtp"),
    Load("L8", "TLS on both sides, 20 kept sessions", ["--sessions", "20", "--tls"], sink="tls"),
    Load("L8b", "TLS on both sides, one message per resumed connection",
         ["--sessions", "20", "--per-connection", "1", "--tls"], sink="tls"),
]


class Sink:
    def __init__(self, binaries, kind="smtp", priority=0, more=(), address="127.0.0.1"):
        self.port, self.control = mta.free_port(), mta.free_port()
        options = [*(["--lmtp"] if kind == "lmtp" else []), *more]
        self.process = subprocess.Popen(
            [binaries / "pw-sink", *options, "--control", f"127.0.0.1:{self.control}", f"{address}:{self.port}"],
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        process_tree.set_priority(self.process.pid, priority)
        mta.wait_for_port(self.port)

    def counts(self):
        with socket.create_connection(("127.0.0.1", self.control), timeout=10) as connection:
            return json.loads(connection.makefile().readline())

    def wait_for(self, recipients):
        """True when so many recipients have arrived, False when nothing more comes."""
        seen, since = -1, time.monotonic()
        while True:
            now = self.counts()["recipients"]
            if now >= recipients:
                return True
            if now != seen:
                seen, since = now, time.monotonic()
            elif time.monotonic() - since > STALL_S:
                return False
            time.sleep(0.02)

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Milter:
    """One filter that has no objection, for all servers."""

    def __init__(self, folder, arguments):
        self.socket = (f"unix:{folder}/milter.sock" if arguments.filter_unix
                       else f"127.0.0.1:{mta.free_port()}")
        options = ["--terse"] if arguments.filter == "terse" else []
        self.process = subprocess.Popen(
            [arguments.bin / "pw-milter", *options, "--delay-ms", str(arguments.filter_delay),
             self.socket],
            stdout=subprocess.DEVNULL, start_new_session=True)
        process_tree.set_priority(self.process.pid, arguments.priority)

    def of_postfix(self):
        kind = "" if self.socket.startswith("unix:") else "inet:"
        return f"smtpd_milters = {kind}{self.socket}\n"

    def of_postwain(self):
        return f"""
[[filter]]
name = "pw-milter"
speak = "milter"
socket = "{self.socket}"
"""

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Signing:
    """One key for all servers, and OpenDKIM for the one that cannot sign itself."""

    def __init__(self, folder, arguments):
        self.key = pathlib.Path(folder) / "dkim.pem"
        self.port = mta.free_port()
        self.process = None
        subprocess.run(["openssl", "genpkey", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048",
                        "-out", self.key], check=True, capture_output=True)
        if arguments.only == "postwain":
            return
        root = arguments.peers / "filters/usr"
        program = shutil.which("opendkim") or root / "sbin/opendkim"
        configuration = pathlib.Path(folder) / "opendkim.conf"
        configuration.write_text(
            f"Socket inet:{self.port}@127.0.0.1\nMode s\nDomain {SENDER_DOMAIN}\nSelector bench\n"
            f"KeyFile {self.key}\nCanonicalization relaxed/relaxed\nOversignHeaders From\n"
            "SignatureAlgorithm rsa-sha256\nInternalHosts 127.0.0.1\nRequireSafeKeys no\nBackground no\n"
            "Syslog no\n")
        places = [root / "lib", *root.glob("lib/*-linux-gnu")]
        self.process = subprocess.Popen(
            [program, "-x", configuration], stdout=subprocess.DEVNULL, start_new_session=True,
            env={**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, places))})
        process_tree.set_priority(self.process.pid, arguments.priority)
        wait_until_open(self.port)

    def of_postfix(self):
        return f"smtpd_milters = inet:127.0.0.1:{self.port}\nmilter_default_action = tempfail\n"

    def of_postwain(self):
        return f"""
[[dkim_key]]
domain = "{SENDER_DOMAIN}"
selector = "bench"
key = "{self.key}"
"""

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()


def wait_until_open(port, seconds=15):
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def set_up(folder, binaries, sinks, priority=0):
    """Starts the sinks, into the dictionary, and tells what the servers must know of them."""
    certificate, key = mta.make_certificate(folder)
    with_tls = ("--certificate", certificate, "--key", key)
    for kind in ("smtp", "lmtp", "tls"):
        sinks[kind] = Sink(binaries, kind, priority, with_tls if kind == "tls" else ())
    ports = {kind: sink.port for kind, sink in sinks.items()}
    return mta.Surroundings(**ports, certificate=certificate, key=key)


def start_sync_count():
    """perf counting fsync and fdatasync of the whole machine, or None where perf cannot."""
    if shutil.which("perf") is None:
        return None
    events = "syscalls:sys_enter_fsync,syscalls:sys_enter_fdatasync"
    return subprocess.Popen(
        ["perf", "stat", "-x", ",", "-a", "-e", events, "cat"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end_sync_count(counter):
    lines = counter.communicate()[1].splitlines()  # closes the input of cat, which ends perf
    return sum(int(line.split(",")[0]) for line in lines if line.split(",")[0].isdigit())


def run_once(server, load, sinks, arguments):
    sink = sinks[load.sink]
    before = sink.counts()["recipients"]
    cpu_before = process_tree.cpu(server.root_pid())
    counter = start_sync_count() if arguments.syncs else None
    source = subprocess.Popen(
        [arguments.bin / "pw-source", *load.options, "--seconds", str(arguments.seconds)]
        + ["--patience", str(SOURCE_PATIENCE_S), "--to", load.domain()]
        + [f"127.0.0.1:{server.port}"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    process_tree.set_priority(source.pid, arguments.priority)
    time.sleep(arguments.seconds * 0.8)
    pss = process_tree.pss_mib(server.root_pid())
    sent = json.loads(source.communicate()[0])
    complete = sink.wait_for(before + sent["accepted"] * load.recipients)
    counts = sink.counts()
    used = process_tree.cpu(server.root_pid()).minus(cpu_before)
    accepted = max(1, sent["accepted"])
    arrived = (counts["recipients"] - before) / load.recipients
    result = {
        "server": server.name,
        "load": load.key,
        "accepted": sent["accepted"],
        "accepted_per_second": sent["accepted_per_second"],
        "drained_per_second": arrived / ((counts["last_ns"] - sent["started_ns"]) / 1e9),
        "complete": complete,
        "cpu_ms": used.seconds * 1000 / accepted,
        "cpu_ms_by_name": {n: s * 1000 / accepted for n, s in used.by_name.items() if s > 0},
        "source_cpu_ms": sent["cpu_seconds"] * 1000 / accepted,
        "pss_mib": pss,
        "p50_ms": sent["p50_ms"],
        "p95_ms": sent["p95_ms"],
        "p99_ms": sent["p99_ms"],
        "begun": sent["begun"],
        "replies": sent["replies"],
        "lost": sent["lost"] + sent["connect_failed"],
        "resumed": sent["resumed"] / max(1, sent["handshakes"]),
    }
    if counter is not None:
        result["syncs"] = end_sync_count(counter) / accepted
    return result


def disk_rate(folder):
    """MiB/s of one file written from its beginning to its end and then synced."""
    block = os.urandom(1 << 20)
    path = os.path.join(folder, "disk-probe")
    began = time.monotonic()
    with open(path, "wb", buffering=0) as file:
        for _ in range(PROBE_MIB):
            file.write(block)
        os.fsync(file.fileno())
    took = time.monotonic() - began
    os.unlink(path)
    return PROBE_MIB / took


def show_progress(result):
    trouble = "" if result["complete"] and result["accepted"] == result["begun"] else " INCOMPLETE"
    syncs = f" syncs {result['syncs']:.3f}" if "syncs" in result else ""
    print(
        f"{result['load']:4}{result['server']:9} drained {result['drained_per_second']:8.0f}/s accepted"
        f" {result['accepted_per_second']:8.0f}/s CPU {result['cpu_ms']:6.3f} ms p50 {result['p50_ms']:7.2f}"
        f" p99 {result['p99_ms']:7.2f} ms PSS {result['pss_mib']:4.0f} MiB{syncs}{trouble}",
        file=sys.stderr,
    )
    if trouble:
        print(f"     replies {result['replies']} lost {result['lost']}", file=sys.stderr)


def measure(servers, loads, sinks, folder, arguments):
    results = []
    for load in loads:
        for pair in range(arguments.pairs):
            order = servers if pair % 2 == 0 else servers[::-1]
            rate = disk_rate(folder) if load.mib else 0
            for server in order:
                result = run_once(server, load, sinks, arguments)
                result["pair"] = pair
                if rate:
                    result["disk_share"] = 100 * result["accepted_per_second"] * load.mib / rate
                results.append(result)
                show_progress(result)
    return results


def spread(values, digits):
    return " / ".join(f"{v:.{digits}f}" for v in (min(values), statistics.median(values), max(values)))


def table(results, loads, servers):
    lines = [
        "| load | server | drained/s | accepted/s | CPU ms per message | p50 ms | p99 ms | syncs per message | PSS MiB | incomplete runs |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for load in loads:
        for server in servers:
            rows = [r for r in results if r["load"] == load.key and r["server"] == server.name]
            column = lambda name: [r[name] for r in rows]
            syncs = spread(column("syncs"), 3) if "syncs" in rows[0] else "-"
            bad = sum(not r["complete"] or r["accepted"] != r["begun"] for r in rows)
            lines.append(
                f"| {load.key} {load.title} | {server.name} | {spread(column('drained_per_second'), 0)} "
                f"| {spread(column('accepted_per_second'), 0)} | {spread(column('cpu_ms'), 3)} "
                f"| {spread(column('p50_ms'), 2)} | {spread(column('p99_ms'), 2)} | {syncs} "
                f"| {spread(column('pss_mib'), 0)} | {bad} |"
            )
    return "\n".join(lines)


def ratio_table(results, loads, other):
    """Postwain divided by the other server, pair by pair."""
    by_key = {(r["load"], r["pair"], r["server"]): r for r in results}
    lines = [
        f"| postwain : {other} | drained/s | accepted/s | CPU per message ({other} : postwain) |",
        "|---|---|---|---|",
    ]
    for load in loads:
        pairs = sorted({r["pair"] for r in results if r["load"] == load.key})
        ours = [by_key[(load.key, pair, "postwain")] for pair in pairs]
        theirs = [by_key[(load.key, pair, other)] for pair in pairs]
        ratio = lambda name: spread([a[name] / b[name] for a, b in zip(ours, theirs)], 2)
        cpu = spread([b["cpu_ms"] / max(a["cpu_ms"], 1e-6) for a, b in zip(ours, theirs)], 2)
        lines.append(
            f"| {load.key} | {ratio('drained_per_second')} | {ratio('accepted_per_second')} | {cpu} |"
        )
    return "\n".join(lines)


def disk_table(results, loads, servers):
    """How much of what the disk can do; it was asked before each pair."""
    lines = ["Content stored, in percent of what the disk takes in sequence with one sync at the end:", "",
             "| load | server | % |", "|---|---|---|"]
    for load in loads:
        for server in servers:
            shares = [r["disk_share"] for r in results
                      if r["load"] == load.key and r["server"] == server.name]
            lines.append(f"| {load.key} | {server.name} | {spread(shares, 0)} |")
    return "\n".join(lines)


def cpu_table(results, loads, server):
    """Where a server's CPU time goes, by process name; medians."""
    lines = [f"CPU of {server.name} by process, ms per message (medians):", "", "| load | processes |", "|---|---|"]
    for load in loads:
        rows = [r for r in results if r["load"] == load.key and r["server"] == server.name]
        names = sorted({n for r in rows for n in r["cpu_ms_by_name"]})
        parts = [(n, statistics.median(r["cpu_ms_by_name"].get(n, 0) for r in rows)) for n in names]
        shown = ", ".join(f"{n} {v:.3f}" for n, v in sorted(parts, key=lambda p: -p[1]) if v >= 0.001)
        lines.append(f"| {load.key} | {shown} |")
    return "\n".join(lines)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        models = [line.split(":")[1].strip() for line in info if line.startswith("model name")]
    return f"{len(models)} x {models[0] if models else 'CPU'}, Linux {os.uname().release}"


def report(results, loads, servers, arguments):
    print(f"\n{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}; {machine()}; "
          f"{'; '.join(s.version() for s in servers)}; {arguments.pairs} pairs of {arguments.seconds} s; "
          "min / median / max; all servers sync before 250\n")
    for other in [server.name for server in servers if server.name != "postwain"]:
        if any(server.name == "postwain" for server in servers):
            print(ratio_table(results, loads, other), "\n")
    print(table(results, loads, servers), "\n")
    if large := [load for load in loads if load.mib]:
        print(disk_table(results, large, servers), "\n")
    for server in servers:
        print(cpu_table(results, loads, server), "\n")


def parse_arguments():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, help="folder of the binaries",
                        default=os.environ.get("POSTWAIN_BIN", here.parent / "build/release/bin"))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--loads", default=",".join(load.key for load in LOADS), help="comma separated")
    parser.add_argument("--only", choices=["postfix", "postwain"])
    parser.add_argument("--quick", action="store_true", help="L1 to L4, three pairs of 3 s: under 3 minutes")
    parser.add_argument("--syncs", action="store_true", help="count fsync and fdatasync with perf (slower)")
    parser.add_argument("--dir", help="where the queues are put", default="/var/tmp")
    parser.add_argument("--priority", type=int, default=0,
                        help="-1 to -20: put everything measured before other work of the machine")
    parser.add_argument("--keep", action="store_true", help="leave the servers' folders, to look at their logs")
    parser.add_argument("--extra", default="", help="lines to add to Postwain's configuration")
    parser.add_argument("--filter", choices=["all", "terse"],
                        help="a milter is asked: it answers every event, or the end of messages only")
    parser.add_argument("--filter-unix", action="store_true", help="by a Unix socket instead of TCP")
    parser.add_argument("--filter-delay", type=int, default=0, metavar="MS", help="so late it answers")
    parser.add_argument("--dkim", action="store_true", help="all mail is signed")
    parser.add_argument("--database", action="store_true",
                        help="another Postwain has its queue in a PostgreSQL on this machine")
    parser.add_argument("--peers", type=pathlib.Path, help="where OpenDKIM was unpacked, if it is not installed",
                        default=pathlib.Path(__file__).resolve().parent.parent / "build/peers")
    parser.add_argument("--beside", type=pathlib.Path, help="folder of other binaries of Postwain")
    parser.add_argument("--json", type=pathlib.Path, help="also write every single run there")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.loads, arguments.pairs, arguments.seconds = "L1,L2,L3,L4", 3, 3
    return arguments


def servers_of(arguments, folder, around, milter, databases):
    """milter: what the servers have in common, a Milter or Signing; None: nothing. databases: those of Postwain and
    of the other Postwain, if its queue is to lie in one."""
    servers = []
    if arguments.only != "postwain":
        servers.append(mta.Postfix(folder, around, milter.of_postfix() if milter else ""))
    if arguments.only != "postfix":
        extra = arguments.extra + (milter.of_postwain() if milter else "")
        servers.append(mta.Postwain(folder, around, arguments.bin, extra))
        if milter:
            name = "unsigned" if arguments.dkim else "unfiltered"
            servers.append(mta.Postwain(folder, around, arguments.bin, arguments.extra, name=name))
        if databases:
            servers.append(mta.Postwain(folder, around, arguments.bin,
                                        arguments.extra + databases[0].of_postwain(), name="database"))
        if arguments.beside:
            its = extra + (databases[1].of_postwain() if databases else "")
            servers.append(mta.Postwain(folder, around, arguments.beside, its, name="beside"))
    return servers


def main():
    arguments = parse_arguments()
    if os.geteuid() != 0 and arguments.only != "postwain":
        sys.exit("compare.py: Postfix's own instance needs root (or use --only postwain)")
    if arguments.only != "postwain" and not os.path.exists("/usr/sbin/postfix"):
        sys.exit("compare.py: install the bench section of packages.debian first (`make bench` does)")
    arguments.bin = pathlib.Path(arguments.bin)
    wanted = arguments.loads.split(",")
    loads = [load for load in LOADS if load.key in wanted]
    folder = tempfile.mkdtemp(prefix="postwain-bench.", dir=arguments.dir)
    os.chmod(folder, 0o755)
    sinks, started, milter, databases = {}, [], None, []
    try:
        around = set_up(folder, arguments.bin, sinks, arguments.priority)
        if arguments.filter:
            milter = Milter(folder, arguments)
        elif arguments.dkim:
            milter = Signing(folder, arguments)
        if arguments.database:
            databases = [Database(arguments.priority) for _ in range(2 if arguments.beside else 1)]
        servers = servers_of(arguments, folder, around, milter, databases)
        for server in servers:
            started.append(server)
            server.start()
            process_tree.set_priority(server.root_pid(), arguments.priority)
        for database in databases:
            database.begin()
        results = measure(servers, loads, sinks, folder, arguments)
        report(results, loads, servers, arguments)
        for name, database in zip(("database", "beside"), databases):
            print(f"{name}: {database.report()}")
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1))
    finally:
        for server in started:
            server.stop()
        for sink in sinks.values():
            sink.stop()
        if milter:
            milter.stop()
        for database in databases:
            database.stop()
        if arguments.keep:
            print(f"left: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
