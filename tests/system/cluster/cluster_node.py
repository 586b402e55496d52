"""A node of a cluster, and the programs of the load on it."""

import os
import signal
import subprocess
import sys
import time
from datetime import datetime

from postwain_harness import Postwain, kill_and_wait, process_state

_HERE = os.path.dirname(os.path.abspath(__file__))


class Program:
    """A program of the load, which ends with its standard input."""

    def __init__(self, script, *words):
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, os.path.join(_HERE, script), *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def stop(self, timeout=70):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        self.process.stdout.close()


class Node(Postwain):
    """ways: a proxy for each place of a database. The log in memory has no lines of single
    messages; the file log_path has all of them."""

    def __init__(self, name, ways, changes, **more):
        self.name = name
        self.ways = ways
        self.standstills = []  # (began, ended) of pause() and resume()
        hosts = ",".join(way.folder for way in ways)
        super().__init__({"hostname": f"{name}.postwain.test",
                          "queue": {"store": f"postgresql:///queue?host={hosts}", "node": name,
                                    "retry": ["1s"], "retry_lmtp": ["1s"], "jitter": 0.1},
                          "limits": {"connections_per_ip": 200}, **changes}, **more)

        self.log_path = self.folder / "log"

    def _read(self, stream):
        with stream, open(self.log_path, "ab") as file:
            for line in stream:
                file.write(line)
                if b" id=" not in line:
                    self.log.append(line.decode("utf-8", "backslashreplace").rstrip("\n"))

    @property
    def runs(self):
        return self.process is not None and self.process.poll() is None

    def pid_of(self, kind):
        """Of a process of this kind below the supervisor, also when nothing answers; or None."""
        for pid in self.children():
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    program = os.path.basename(file.read().split(b"\0")[0]).decode()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if program == kind and process_state(pid) != "Z":
                return pid
        return None

    def kill_qmgr(self):
        pid = self.pid_of("qmgr")
        if pid:
            kill_and_wait(pid)

    def pause(self):
        """All of its processes stand still. What runs and cannot be stopped has ended meanwhile."""
        self.standstills.append([time.time(), None])
        self._signal_all(signal.SIGSTOP)

    def resume(self):
        if self.standstills and self.standstills[-1][1] is None:
            self.standstills[-1][1] = time.time()
            self._signal_all(signal.SIGCONT)

    def _signal_all(self, number):
        for pid in [self.process.pid, *self.children()]:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def kill_all(self, number=signal.SIGKILL):
        super().kill_all(number)
        if self.standstills and self.standstills[-1][1] is None:
            self.standstills[-1][1] = time.time()

    def cut(self, **how):
        for way in self.ways:
            way.cut(**how)

    def slow(self, **how):
        for way in self.ways:
            way.slow(**how)

    def heal(self):
        for way in self.ways:
            way.heal()

    def timed_events(self, event):
        """[(time, pairs)] of the lines of this event."""
        found = []
        for line in list(self.log):
            if f" {event}" in line:
                for pairs in Postwain.events(_OneLine(line), event):
                    found.append((_seconds(line.split(" ", 1)[0]), pairs))
        return found

    def close(self):
        try:
            super().close()
        finally:
            for way in self.ways:
                way.stop()


class _OneLine:
    def __init__(self, line):
        self.log = [line]


def _seconds(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
