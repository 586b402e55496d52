"""Starts a whole Postwain in a temporary folder, drives it by its public faces, and ends it.

It relies only on what users rely on: the configuration file, the `postwain` command, the "ready"
log line, SMTP.  Works as root (Postwain drops its privileges) and as an ordinary user.
Tests import it before the other helpers: it makes tests/store, tests/dns and
tests/postgres_server importable.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import unittest

sys.path[1:1] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", part)
                 for part in ("store", "dns", "postgres_server")]

from resources import Folder, reserve_port, wait_until  # noqa: E402
from toml_text import merged, toml_text  # noqa: E402

SOURCE = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".."))
BIN = os.environ.get("POSTWAIN_BIN", os.path.join(SOURCE, "build", "release", "bin"))
START_TIMEOUT = 30
STOP_TIMEOUT = 45
LOG_TAIL = 80
_LINE = re.compile(
    r"^\S+ (?P<process>\S+)\[(?P<pid>\d+)\] (?P<level>\w+) (?P<event>\S+)(?P<rest>.*)")
_PAIR = re.compile(r'(\w+)=("(?:\\.|[^"\\])*"|\S*)')
_started = []


class Postwain:
    """One instance. changes: laid over the default configuration (None removes a key)."""

    def __init__(self, changes=None, label="", text=None, binaries=BIN,
                 environment=None, wrapper=(), pass_fds=()):
        self.wrapper = list(wrapper)  # command that is to run the supervisor
        self.pass_fds = pass_fds
        self.folder = Folder()
        self.label = label
        self.binaries = binaries
        self.environment = {**os.environ, **(environment or {})}
        self.port = reserve_port()
        self.config = self.defaults()
        self.config_path = self.folder / "postwain.toml"
        self.reconfigure(changes or {}, text)
        self.process = None
        self.log = []  # lines of all runs
        self.may_crash = False  # a test that has a process crash says so
        self._reader = None
        _started.append(self)

    def defaults(self):
        return {
            "hostname": "mx.postwain.test",
            "postmaster": "postmaster@postwain.test",
            "spool_dir": self.folder / "spool",
            "runtime_dir": self.folder / "run",
            "listener": [{"address": f"127.0.0.1:{self.port}", "protocol": "smtp"}],
            "access": {"trusted_networks": ["127.0.0.1/32"]},
            "queue": {"retry": ["1s"], "retry_lmtp": ["1s"], "jitter": 0},
            "dns": {"servers": ["127.0.0.1:9"]},  # nobody there: a test that needs DNS says so
            "sandbox": {"mode": "strict"},  # a system call that nobody foresaw must not go unseen
        }

    def reconfigure(self, changes, text=None):
        """Lays changes over the configuration and writes the file; what runs needs a reload."""
        self.config = merged(self.config, changes)
        self.folder.file("postwain.toml", toml_text(self.config) if text is None else text)

    # Life.

    def start(self):
        """Returns when everything listens. Also after kill_all()."""
        seen = len(self.log)
        self.launch()
        wait_until(lambda: self.has_event("ready", seen) or self.process.poll() is not None,
                   START_TIMEOUT, lambda: "ready\n" + self.tail())
        if self.process.poll() is not None:
            raise AssertionError(f"run ended with {self.wait_exit()}\n{self.tail()}")
        return self

    def launch(self):
        """Starts the supervisor without waiting. It dies with the test, should that be killed."""
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *self.wrapper, os.path.join(self.binaries, "postwain"), "run",
             "--config", self.config_path],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True, env=self.environment, pass_fds=self.pass_fds)
        self._reader = threading.Thread(target=self._read, args=(self.process.stderr,), daemon=True)
        self._reader.start()

    def _read(self, stream):
        with stream:
            for line in stream:
                self.log.append(line.decode("utf-8", "backslashreplace").rstrip("\n"))

    def stop(self):
        """SIGTERM; the supervisor must end with 0."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait_stopped()

    def wait_stopped(self):
        code = self.wait_exit()
        if code != 0:
            raise AssertionError(f"stopped with {code}\n{self.tail()}")

    def wait_exit(self, timeout=STOP_TIMEOUT):
        """The supervisor's exit code; the log is complete then."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError("did not end\n" + self.tail()) from None
        self._reader.join(5)
        return code

    def kill_all(self, number=signal.SIGKILL):
        """The signal to the supervisor and every process below it, and waits for their end."""
        pids = [self.process.pid] + self.children()
        for pid in pids:
            _kill(pid, number)
        self.process.wait(STOP_TIMEOUT)
        wait_until(lambda: not any(_alive(pid) for pid in pids), 20, "end of all processes")

    def close(self):
        """For clean-up: nothing of this instance survives, and its folder is gone."""
        if self.process is not None:
            if self.process.poll() is None:
                self.kill_all()
            self._reader.join(5)
        self.folder.remove()
        for sign, what in (("Bad system call", "killed by the sandbox"), ('cause="it crashed"', "it crashed")):
            lines = [line for line in self.log if sign in line]
            if lines and not (self.may_crash and what == "it crashed"):
                raise AssertionError(f"{what}: {lines[0]}")

    # Processes.

    def children(self):
        """Pids of the processes the supervisor started, from /proc, also when nothing answers."""
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit() and _parent(int(name)) == self.process.pid:
                found.append(int(name))
        return found

    def pids(self):
        """{"smtpd[0]": 123, ...} as `status --json` says."""
        return {entry["name"]: entry["pid"] for entry in self.status()["processes"]}

    def pids_of(self, kind):
        """Pids of a kind of process: "smtpd" for smtpd[0], smtpd[1]."""
        return [pid for name, pid in self.pids().items() if name.split("[")[0] == kind]

    # Commands.

    def cli(self, *words, stdin=None, timeout=60):
        """Runs `postwain WORDS --config FILE`; the result has returncode, stdout, stderr."""
        return subprocess.run(
            [os.path.join(self.binaries, "postwain"), *words, "--config", self.config_path],
            input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True, text=True, timeout=timeout, check=False)

    def sendmail(self, *words, content):
        """`postwain sendmail` as a user's program calls it; content as bytes with LF lines."""
        return subprocess.run(
            [os.path.join(self.binaries, "postwain"), "sendmail", "--config", self.config_path,
             *words], input=content, capture_output=True, timeout=60, check=False)

    def status(self):
        return json.loads(self._good(self.cli("status", "--json")).stdout)

    def queue(self, *filters):
        """Objects of `queue list --json`."""
        output = self._good(self.cli("queue", "list", "--json", *filters)).stdout
        return [json.loads(line) for line in output.splitlines() if line.strip()]

    def unsettled(self):
        """{recipient address: its object} over the whole queue; bounces included."""
        return {r["address"]: r for message in self.queue() for r in message["recipients"]}

    def wait_queue_empty(self, timeout=30):
        wait_until(lambda: not self.queue(), timeout, lambda: f"queue empty: {self.queue()}")

    def _good(self, result):
        if result.returncode != 0:
            raise AssertionError(f"{result.args} gave {result.returncode}: "
                                 f"{result.stdout}{result.stderr}\n{self.tail()}")
        return result

    # Log.

    def events(self, event, since=0):
        """Key-value dictionaries of the lines of this event, with "process" and "level"."""
        found = []
        for line in self.log[since:]:
            match = _LINE.match(line)
            if match and match["event"] == event:
                pairs = {key: value.strip('"') for key, value in _PAIR.findall(match["rest"])}
                found.append({"process": match["process"], "level": match["level"], **pairs})
        return found

    def has_event(self, event, since=0):
        return bool(self.events(event, since))

    def tail(self):
        return "\n".join(self.log[-LOG_TAIL:])


class PostwainTestCase(unittest.TestCase):
    """Test cases that start instances; whatever they start ends with the test."""

    def start(self, changes=None, **more):
        return self.prepare(changes, **more).start()

    def prepare(self, changes=None, **more):
        instance = Postwain(changes, label=self.id(), **more)
        self.addCleanup(instance.close)
        return instance

    def closing(self, server):
        """The server, whose stop() is called at the end of the test."""
        self.addCleanup(server.stop)
        return server


def main():
    """unittest.main() that ends by printing the logs of the instances whose tests failed."""
    program = unittest.main(module="__main__", exit=False, verbosity=2)
    failed = [str(test.id()) if hasattr(test, "id") else str(test)
              for test, _ in program.result.failures + program.result.errors]
    for instance in _started:
        if instance.log and instance.label and any(instance.label in name for name in failed):
            print(f"\n--- end of the log of {instance.label}\n{instance.tail()}", file=sys.stderr)
    sys.exit(0 if program.result.wasSuccessful() and program.result.testsRun else 1)


def _kill(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _stat(pid):
    """(state, parent) of a process, None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            words = file.read().rpartition(")")[2].split()
        return words[0], int(words[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def _parent(pid):
    stat = _stat(pid)
    return stat[1] if stat else 0


def process_state(pid):
    """The letter of /proc/PID/stat; "Z" also when there is no such process."""
    stat = _stat(pid)
    return stat[0] if stat else "Z"


def _alive(pid):
    return process_state(pid) != "Z"


def kill_and_wait(pid, number=signal.SIGKILL, timeout=20):
    _kill(pid, number)
    wait_until(lambda: not _alive(pid), timeout, f"end of process {pid}")

