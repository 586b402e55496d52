"""A PostgreSQL for a second Postwain, which has its queue there: beside it, on the same disk, with
every commit synced. (The server is the one that the tests start.)"""

import pathlib
import sys

_TESTS = pathlib.Path(__file__).resolve().parent.parent / "tests"
sys.path += [str(_TESTS / "postgres_server"), str(_TESTS / "system/harness")]

from postgres_server import PostgresServer, programs  # noqa: E402

import process_tree  # noqa: E402


class Database:
    def __init__(self, priority):
        if programs() is None:
            sys.exit("compare.py --database: PostgreSQL is neither installed nor unpacked below build/peers")
        self.server = PostgresServer(fsync=True)
        process_tree.set_priority(self.server.process.pid, priority)

    def of_postwain(self):
        return f"""
[queue]
store = "{self.server.address}"
"""

    def report(self):
        """What PostgreSQL counts itself; the messages are the rows that were put into `fresh`."""
        messages = int(self.server.sql("SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'fresh'"))
        octets, records, syncs = self.server.sql(
            "SELECT wal_bytes, wal_records, wal_sync FROM pg_stat_wal").split("|")
        commits = self.server.sql("SELECT xact_commit FROM pg_stat_database WHERE datname = 'queue'")
        messages = max(messages - 2000, 1)  # those that are none (queue-schema)
        return (f"PostgreSQL, for each of {messages} messages: {int(octets) / messages:.0f} octets of WAL "
                f"in {int(records) / messages:.1f} records, {int(commits) / messages:.3f} commits, "
                f"{int(syncs) / messages:.3f} syncs")

    def stop(self):
        self.server.stop()
