"""A PostgreSQL for a second Postwain, which has its queue there: beside it, on the same disk, with
every commit synced. (The server is the one that the tests start.)"""

import pathlib
import sys
import time

_TESTS = pathlib.Path(__file__).resolve().parent.parent / "tests"
sys.path += [str(_TESTS / "postgres_server"), str(_TESTS / "system/harness")]

from postgres_server import PostgresServer, programs  # noqa: E402

import process_tree  # noqa: E402

# So late a session that has nothing to do tells what it has counted.
COUNTED_S = 11


class Database:
    def __init__(self, priority):
        if programs() is None:
            sys.exit("compare.py --database: PostgreSQL is neither installed nor unpacked below build/peers")
        self.server = PostgresServer(fsync=True)
        process_tree.set_priority(self.server.process.pid, priority)
        self.before = None

    def of_postwain(self):
        return f"""
[queue]
store = "{self.server.address}"
"""

    def begin(self):
        """What comes from here on is reported: making the database and its tables is not a message's."""
        self.before = self._counts()

    def _counts(self):
        """The messages are the rows that were put into `fresh`."""
        time.sleep(COUNTED_S)
        messages = self.server.sql("SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'fresh'")
        of_log = self.server.sql("SELECT wal_bytes, wal_records, wal_sync FROM pg_stat_wal")
        commits = self.server.sql("SELECT xact_commit FROM pg_stat_database WHERE datname = 'queue'")
        return [int(number) for number in [messages, *of_log.split("|"), commits]]

    def report(self):
        """What PostgreSQL counts itself."""
        messages, octets, records, syncs, commits = (
            now - before for now, before in zip(self._counts(), self.before))
        messages = max(messages, 1)
        return (f"PostgreSQL, for each of {messages} messages: {octets / messages:.0f} octets of WAL "
                f"in {records / messages:.1f} records, {commits / messages:.3f} commits, "
                f"{syncs / messages:.3f} syncs")

    def stop(self):
        self.server.stop()
