"""The PostgreSQL of a cluster: one server, and on demand a second one that follows it synchronously
and takes its place."""

import os
import signal

from postgres_server import PostgresServer
from resources import wait_until


class DatabasePair:
    """The servers stand at two places, whose addresses stay when a server is replaced. moved:
    called as moved(place, folder of its socket) whenever a place has another server."""

    def __init__(self, moved=lambda place, folder: None):
        self._moved = moved
        self._places = [PostgresServer(), None]
        self.primary_place = 0
        self.failovers = 0

    @property
    def primary(self):
        return self._places[self.primary_place]

    @property
    def standby_place(self):
        return 1 - self.primary_place

    @property
    def standby(self):
        return self._places[self.standby_place]

    def sql(self, text):
        return self.primary.sql(text)

    def add_standby(self):
        """From its return on, no commit is answered that only one of the two servers has."""
        if self.standby is not None:
            self.standby.stop()
        copy = PostgresServer(copy_of=self.primary)
        self._places[self.standby_place] = copy
        self._moved(self.standby_place, copy.folder)
        self._be_synchronous("*")
        wait_until(lambda: self.sql("SELECT count(*) FROM pg_stat_replication WHERE "
                                    "sync_state = 'sync' AND state = 'streaming'") == "1",
                   60, "the standby follows synchronously")

    def _be_synchronous(self, names):
        self.primary.sql(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'", "postgres")
        self.primary.sql("SELECT pg_reload_conf()", "postgres")

    def lose_primary(self):
        """As when its machine loses power."""
        self.primary.kill_whole()

    def promote(self, strict=True):
        """The standby takes the primary's place; whether that still runs is the caller's wish.
        strict: no commit is answered before there is a new standby."""
        self.standby.sql("SELECT pg_promote(true, 60)", "postgres")
        self.primary_place = self.standby_place
        self.failovers += 1
        if not strict:
            self._be_synchronous("")

    def end_old_primary(self):
        """Behind promote(): what is left of it, with its folder."""
        old = self.standby
        self._places[self.standby_place] = None
        if old is not None:
            old.stop()

    def kill(self, number=signal.SIGQUIT):
        """SIGQUIT: it ends at once and recovers at its next start. SIGKILL: each process does."""
        if number == signal.SIGKILL:
            self.primary.kill_whole()
        else:
            self.primary.kill(number)

    def start(self):
        self.primary.start()

    def evidence(self):
        """[(name, text)]: what the servers have logged."""
        found = []
        for place, server in enumerate(self._places):
            path = server and os.path.join(server.folder, "log")
            if path and os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as file:
                    found.append((f"postgres-{place}.log", file.read()))
        return found

    def stop(self):
        for server in self._places:
            if server is not None:
                server.stop()
