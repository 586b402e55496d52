#!/usr/bin/env python3
"""A large mailing to many destinations, some of them in trouble: how long until all that can be
delivered is.

Every destination is a domain of its own with a next hop of its own, an address of 127/8, so that no
server has anything to look up. Of the destinations 5 % are dead: their port takes no connection and
refuses none, a client waits until its own time-out. One answers every second RCPT with 421. All the
others take everything. Postfix and Postwain run one after the other, each with nothing beside it.

A server has drained when every message to a healthy destination has arrived; what is in the queue for
the dead ones then stays there. The curve tells whether the healthy ones ever waited for the dead.
"""

import argparse
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import mta
import process_tree
from compare import Sink, machine

DOMAIN = "drain.test"
DEAD_EVERY = 20  # destination 20 k + 7 is dead
FLAKY = 1
STALL_S = 600
POSTFIX_MORE = """
qmgr_message_active_limit = 100000
qmgr_message_recipient_limit = 100000
transport_maps = texthash:{table}
minimal_backoff_time = 60s
maximal_backoff_time = 300s
queue_run_delay = 60s
"""


class DeadPort:
    """Listens and takes nothing: what comes when its backlog is full is not answered."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.bind(("0.0.0.0", 0))
        self.listener.listen(0)
        self.port = self.listener.getsockname()[1]
        self.fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
            self.fillers.append(filler)
        time.sleep(0.2)
        with socket.socket() as probe:
            probe.settimeout(1)
            try:
                probe.connect(("127.0.0.2", self.port))
            except TimeoutError:
                return
        raise RuntimeError("the dead port answers")

    def close(self):
        for one in (self.listener, *self.fillers):
            one.close()


def is_dead(number):
    return number % DEAD_EVERY == 7


def address_of(number):
    return f"127.1.{number // 250}.{number % 250 + 1}"


class Places:
    """The far ends: a sink for the healthy, one for the flaky, nobody for the dead."""

    def __init__(self, arguments):
        self.count = arguments.destinations
        self.dead = DeadPort()
        self.healthy = Sink(arguments.bin, address="0.0.0.0")
        self.flaky = Sink(arguments.bin, address="0.0.0.0",
                          more=("--rcpt-reply", "421 4.3.2 not now", "--rcpt-every", "2"))

    def port(self, number):
        if is_dead(number):
            return self.dead.port
        return self.flaky.port if number == FLAKY else self.healthy.port

    def hops(self):
        return [(f"d{n}.{DOMAIN}", f"[{address_of(n)}]:{self.port(n)}") for n in range(self.count)]

    def healthy_messages(self, messages):
        each, more = divmod(messages, self.count)
        return sum(each + (n < more) for n in range(self.count) if not is_dead(n) and n != FLAKY)

    def stop(self):
        self.healthy.stop()
        self.flaky.stop()
        self.dead.close()


def postwain(folder, around, places, arguments):
    routes = "".join(f'[[route]]\nmatch = "{domain}"\ndeliver = "smtp:{hop}"\n\n' for domain, hop in places.hops())
    retry = '[queue]\nretry = ["1m", "5m"]\n\n'
    return mta.Postwain(folder, around, arguments.bin, retry, routes=routes)


def postfix(folder, around, places, _arguments):
    table = pathlib.Path(folder) / "transport"
    table.write_text("".join(f"{domain} smtp:{hop}\n" for domain, hop in places.hops()))
    return mta.Postfix(folder, around, POSTFIX_MORE.format(table=table))


def measure(server, places, arguments):
    wanted = places.healthy_messages(arguments.messages)
    server.start()
    began = time.monotonic()
    source = subprocess.Popen(
        [arguments.bin / "pw-source", "--sessions", "50", "--messages", str(arguments.messages), "--domains",
         str(places.count), "--to", DOMAIN, "--patience", "600", f"127.0.0.1:{server.port}"],
        stdout=subprocess.PIPE, text=True, start_new_session=True)
    before, curve, accepted_at, moved_at = places.healthy.counts()["recipients"], [], None, began
    flaky_before = places.flaky.counts()["recipients"]
    while not curve or curve[-1][1] < wanted:
        time.sleep(1)
        now = time.monotonic() - began
        curve.append((now, places.healthy.counts()["recipients"] - before))
        if accepted_at is None and source.poll() is not None:
            accepted_at = now
        if len(curve) < 2 or curve[-1][1] != curve[-2][1]:
            moved_at = time.monotonic()
        if now > arguments.limit or time.monotonic() - moved_at > STALL_S:
            break
    sent = json.loads(source.communicate()[0])
    used = process_tree.cpu(server.root_pid())
    flaky = places.flaky.counts()["recipients"] - flaky_before
    rates = [b[1] - a[1] for a, b in zip(curve, curve[1:])]
    steady = [rate for (_, count), rate in zip(curve, rates) if count < wanted * 0.95]
    return {"server": server.name, "accepted": sent["accepted"], "accepted_s": accepted_at or curve[-1][0],
            "wanted": wanted, "delivered": curve[-1][1], "drained_s": curve[-1][0],
            "slowest_second": min(steady, default=0), "flaky": flaky, "cpu_ms": used.seconds * 1000 / max(1, sent["accepted"]),
            "pss_mib": process_tree.pss_mib(server.root_pid()), "curve": curve}


def report(results, arguments, versions):
    print(f"\n{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}; {machine()}; {'; '.join(versions)}; "
          f"{arguments.messages} messages of 4 KiB to {arguments.destinations} destinations, 5 % of them dead, one "
          "answers every second RCPT with 421\n")
    print("| server | all accepted, s | healthy ones delivered, s | of | slowest second before 95 % | at the flaky one "
          "| CPU ms per message | PSS MiB |\n|---|---|---|---|---|---|---|---|")
    for r in results:
        print(f"| {r['server']} | {r['accepted_s']:.0f} | {r['drained_s']:.0f} | {r['delivered']} of {r['wanted']} "
              f"| {r['slowest_second']} | {r['flaky']} | {r['cpu_ms']:.3f} | {r['pss_mib']:.0f} |")
    if len(results) == 2:
        print(f"\nPostfix : Postwain {results[1]['drained_s'] / results[0]['drained_s']:.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = pathlib.Path(__file__).resolve().parent
    parser.add_argument("--bin", type=pathlib.Path,
                        default=os.environ.get("POSTWAIN_BIN", here.parent / "build/release/bin"))
    parser.add_argument("--messages", type=int, default=500_000)
    parser.add_argument("--destinations", type=int, default=20_000)
    parser.add_argument("--only", choices=["postfix", "postwain"])
    parser.add_argument("--limit", type=int, default=3600, help="seconds for each server")
    parser.add_argument("--dir", default="/var/tmp")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.bin = pathlib.Path(arguments.bin)
    folder = tempfile.mkdtemp(prefix="postwain-drain.", dir=arguments.dir)
    os.chmod(folder, 0o755)
    places = Places(arguments)
    around = mta.Surroundings(places.healthy.port, places.healthy.port, places.healthy.port,
                              *mta.make_certificate(folder))
    results, versions = [], []
    try:
        for kind in (postwain, postfix):
            if arguments.only not in (None, kind.__name__):
                continue
            server = kind(folder, around, places, arguments)
            try:
                results.append(measure(server, places, arguments))
                versions.append(server.version())
                print({key: value for key, value in results[-1].items() if key != "curve"}, file=sys.stderr)
            finally:
                server.stop()
        report(results, arguments, versions)
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1))
    finally:
        places.stop()
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
