#!/usr/bin/env python3
"""A node dies, and a million deferred recipients lie in its bags: how long until another node has them,
and until it delivers the first of them that is due.

The queue is filled as Postwain fills it: pw-fill makes one in SQLite, and `postwain queue move` brings it into
the database. All processes of the first node are killed; the second one lives beside it and has no bags.
"""

import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from compare import machine, set_up
from database import Database
import mta
import process_tree

RECIPIENTS = 3  # of each message of pw-fill
DUE_DOMAINS = [f"d{n}.test" for n in range(777, 20000, 1000)]  # of those of pw-fill; spread over all
PATIENCE_S = 120

# Nobody else is tried: what pw-fill leaves is due in hours.
ROUTE = f"""
[[route]]
match = [{", ".join(f'"{domain}"' for domain in ["due.test", *DUE_DOMAINS])}]
deliver = "smtp:[127.0.0.1]:{{port}}"
"""


class Node(mta.Postwain):
    def __init__(self, folder, name, around, binaries, store, port):
        super().__init__(folder, around, binaries, store, name=name, routes=ROUTE.format(port=port))

    def command(self, *words):
        subprocess.run([self.binary, *words, "--config", self.folder / "postwain.toml"], check=True,
                       stdout=subprocess.DEVNULL)

    def kill(self):
        """All at once, as when the machine fails."""
        for pid in process_tree.tree(self.root_pid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.process = None


def fill(folder, around, binaries, database, messages):
    """The first node with its queue in the database, and the seconds that filling and moving took."""
    store = database.of_postwain() + 'node = "first"\n'
    node = Node(folder, "first", around, binaries, "", around.smtp)
    in_sqlite = node.text
    node.start()  # so that its spool is there, and belongs to whom it should
    node.stop()
    spool = node.folder / "spool"
    owner = spool.stat()
    began = time.monotonic()
    subprocess.run([binaries / "pw-fill", spool, "--messages", str(messages)], check=True)
    for path in spool.glob("queue.db*"):
        os.chown(path, owner.st_uid, owner.st_gid)
    filled = time.monotonic()
    node.text = in_sqlite + store
    (node.folder / "postwain.toml").write_text(node.text)
    node.command("queue", "move", "--from", "sqlite")
    return node, filled - began, time.monotonic() - filled


class Watch(threading.Thread):
    """When the sink gets its first message, and when no bag is the dead node's any more."""

    def __init__(self, sink, database, dead):
        super().__init__(daemon=True)
        self.sink, self.database, self.dead = sink, database, dead
        self.before = sink.counts()["recipients"]
        self.adopted = self.delivered = None
        self.log_at_adoption = None

    def run(self):
        deadline = time.monotonic() + PATIENCE_S
        while (self.adopted is None or self.delivered is None) and time.monotonic() < deadline:
            if self.delivered is None and self.sink.counts()["recipients"] > self.before:
                self.delivered = time.monotonic()
            if self.adopted is None and self._is_adopted():
                self.adopted = time.monotonic()
                self.log_at_adoption = lsn(self.database)
            time.sleep(0.02)

    def _is_adopted(self):
        return self.database.server.sql(f"SELECT count(*) FROM bag WHERE node = {self.dead}") == "0"


def lsn(database):
    return int(database.server.sql("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"))


def wait_for(what, condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {PATIENCE_S} s: {what}")
        time.sleep(0.05)


def measure(first, second, sink, database):
    sql = database.server.sql
    number = sql("SELECT id FROM node WHERE convert_from(name, 'UTF8') = 'first'")
    second.start()
    has = sql(f"SELECT count(*) FROM bag WHERE node = {number}")
    watch = Watch(sink, database, number)
    killed = time.monotonic()
    first.kill()
    # Now, since whoever lives would deliver them. What this and its pages cost is no part of the take-over.
    keys = ", ".join(f"'mx:{domain}'" for domain in DUE_DOMAINS)
    due = len(sql(f"UPDATE recipient SET next_attempt_at = 1000 WHERE destination IN ({keys}) RETURNING 1").split())
    sql("CHECKPOINT")
    before = lsn(database)
    watch.start()
    watch.join()
    if watch.adopted is None or watch.delivered is None:
        raise RuntimeError(f"adopted {watch.adopted}, delivered {watch.delivered}, killed {killed}")
    wait_for("everything due was delivered", lambda: sink.counts()["recipients"] >= watch.before + due)
    return {"bags": has, "due": due, "adopted": watch.adopted - killed, "delivered": watch.delivered - killed,
            "log": watch.log_at_adoption - before, "log_in_all": lsn(database) - before,
            "all_due": time.monotonic() - killed}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = pathlib.Path(__file__).resolve().parent
    parser.add_argument("--bin", type=pathlib.Path,
                        default=os.environ.get("POSTWAIN_BIN", here.parent / "build/release/bin"))
    parser.add_argument("--messages", type=int, default=334_000, help="with three recipients each")
    parser.add_argument("--priority", type=int, default=0)
    parser.add_argument("--dir", default="/var/tmp")
    arguments = parser.parse_args()
    arguments.bin = pathlib.Path(arguments.bin)
    folder = tempfile.mkdtemp(prefix="postwain-takeover.", dir=arguments.dir)
    os.chmod(folder, 0o755)
    sinks, nodes, database = {}, [], None
    try:
        around = set_up(folder, arguments.bin, sinks, arguments.priority)
        database = Database(arguments.priority)
        first, filling, moving = fill(folder, around, arguments.bin, database, arguments.messages)
        print(f"filled in {filling:.0f} s, moved in {moving:.0f} s", file=sys.stderr)
        nodes = [first, Node(folder, "second", around, arguments.bin,
                             database.of_postwain() + 'node = "second"\n', around.smtp)]
        first.start()
        wait_for("what pw-fill leaves due was delivered",
                 lambda: sinks["smtp"].counts()["recipients"] >= 300)
        rows = int(database.server.sql("SELECT count(*) FROM recipient WHERE bag >= 0"))
        found = measure(*nodes, sinks["smtp"], database)
        print(f"\n{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}; {machine()}; {first.version()}; "
              f"{rows} deferred recipients, {found['bags']} bags of the node that is killed; moved into the database "
              f"at {arguments.messages / moving:.0f} messages a second\n")
        print(f"From the kill: bags taken over after {found['adopted']:.2f} s, with {found['log'] / 1000:.0f} KB of "
              f"WAL; first delivery after {found['delivered']:.2f} s, all {found['due']} that were due "
              f"(in {len(DUE_DOMAINS)} of 20,000 domains) after {found['all_due']:.2f} s; {found['log_in_all'] / 1000:.0f} KB of WAL until then.")
    finally:
        for node in nodes:
            node.stop()
        for sink in sinks.values():
            sink.stop()
        if database:
            database.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
