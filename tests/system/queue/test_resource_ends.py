"""Kind 2, nothing may stand still: a resource at its end, and what real processes do about it.

For each resource mail leaves, or the reason is on the screen, and when there is more of it all goes
on by itself.  The bytes of the disk: test_unavailable.py.
"""

import json
import os
import pathlib
import shutil
import socket
import sqlite3
import subprocess
import time
import unittest

from postwain_harness import BIN, PostwainTestCase, kill_and_wait, main
from mail_content import message
from mail_session import Delay
from programs import Programs
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

EX_IOERR, EX_TEMPFAIL, EX_NOPERM = 74, 75, 77
LARGE = message("large", b"0123456789abcdef\r\n" * 10_000)


class ResourceCase(PostwainTestCase):
    """The next hop takes nothing until it is let."""

    taking = False

    def next_hop(self):
        self.sink = self.closing(SmtpSink(
            script={"mail": lambda *_: None if self.taking else "451 4.3.2 not yet"}))
        return {"route": [{"match": "*", "deliver": self.sink.target}]}

    def send(self, to, content=None):
        with SmtpClient(self.mta.port) as client:
            return client.mail("alice@sender.test", [to], content or message())

    def queue_up(self, count):
        for number in range(count):
            self.assertEqual(250, self.send(f"u{number}@example.test")[0])

    def all_arrived(self, count, timeout=60):
        self.mta.wait_queue_empty(timeout)
        for number in range(count):
            self.assertEqual(1, len(self.sink.delivered(f"u{number}@example.test")))

    def trouble(self):
        """What `status` says of processes."""
        return json.loads(self.mta.cli("status", "--json").stdout or "{}").get("trouble", [])


@unittest.skipUnless(os.geteuid() == 0, "needs a file system of its own: root only")
class Names(ResourceCase):
    def begin(self):
        self.mta = self.prepare({"limits": {"message_size": "1MiB"}, **self.next_hop()})
        self.spool = self.mta.folder / "spool"
        os.mkdir(self.spool)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m,nr_inodes=300,mode=0700", "tmpfs",
                           self.spool], capture_output=True, check=False).returncode != 0:
            self.skipTest("mount is not permitted")
        self.addCleanup(subprocess.run, ["umount", "-l", self.spool], check=False)
        self.addCleanup(self.mta.kill_all)
        self.mta.start()
        wait_until(lambda: os.path.exists(self.spool + "/ballast"), 20, "the ballast")

    def fill(self):
        """No file can be made any more."""
        folder = pathlib.Path(self.spool, "rubbish")
        folder.mkdir(exist_ok=True)
        try:
            for number in range(10_000):
                (folder / f"{time.time_ns()}-{number}").touch(exist_ok=False)
        except OSError:
            pass
        self.assertEqual(0, os.statvfs(self.spool).f_favail)

    def test_kind_2_names_of_files_and_restarts_of_all_kinds(self):
        """Killed and stopped again and again without a name for a file: what is queued leaves."""
        self.begin()
        self.queue_up(5)
        self.assertEqual(250, self.send("large@example.test", LARGE)[0])
        self.fill()
        self.taking = False
        for end in (self.mta.kill_all, self.mta.stop, self.mta.stop, self.mta.kill_all):
            end()
            self.fill()
            self.mta.start()
        wait_until(self.refused, 20, "a refusal of new mail")
        self.taking = True
        self.all_arrived(5)
        self.assertEqual(1, len(self.sink.delivered("large@example.test")))
        shutil.rmtree(self.spool + "/rubbish")
        wait_until(lambda: not self.refused(), 30, "new mail")

    def refused(self):
        with SmtpClient(self.mta.port) as client:
            return client.command("MAIL FROM:<a@s.test>")[0] in (451, 452)

    def test_kind_2_no_name_at_all_is_told(self):
        """Nothing can give one up: the log says what is missing, and so does `status`."""
        self.begin()
        self.queue_up(3)
        self.taking = True
        self.mta.stop()
        for name in ("ballast", "queue.db-wal"):
            pathlib.Path(self.spool, name).unlink(missing_ok=True)
        self.fill()
        seen = len(self.mta.log)
        self.mta.launch()
        event = wait_until(lambda: self.mta.events("cannot_start"), 30, "the reason")[0]
        self.assertIn("the disk has no room for another file, it has no names for files left",
                      event["reason"])
        wait_until(lambda: self.mta.has_event("does_not_start"), 60, "its end in the log")
        said = self.mta.cli("status")
        self.assertEqual(EX_TEMPFAIL, said.returncode)
        self.assertIn("qmgr does not start", said.stderr)
        shutil.rmtree(self.spool + "/rubbish")
        wait_until(lambda: self.mta.has_event("ready", seen), 60, "a start by itself")
        self.all_arrived(3)
        self.assertEqual([], self.trouble())


class Limited(ResourceCase):
    """One kind of process runs under a limit until it is lifted."""

    def begin(self, kind, limit, changes=None):
        script = (f'#!/bin/sh\n[ -e "$0.limited" ] && ulimit {limit}\nexec "$0.real" "$@"\n')
        self.programs = self.closing(Programs(scripts={kind: script}))
        self.kind = kind
        shutil.copy(os.path.join(BIN, kind), self.programs.folder / (kind + ".real"))
        self.marker = pathlib.Path(self.programs.path, kind + ".limited")
        self.marker.touch()
        self.mta = self.prepare({**self.next_hop(), **(changes or {})}, binaries=self.programs.path)

    def pids(self):
        found = []
        for pid in self.mta.children():
            try:
                if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == self.kind + ".real":
                    found.append(pid)
            except OSError:
                pass
        return found

    def lift(self):
        self.marker.unlink()
        for pid in self.pids():
            kill_and_wait(pid)


class Memory(Limited):
    def test_kind_2_too_little_for_a_start(self):
        """No thread can be made: cause and advice are in the log and in `status`, without qmgr."""
        self.begin("qmgr", "-v 60000")
        self.mta.launch()
        event = wait_until(lambda: self.mta.events("does_not_start"), 60, "the report")[0]
        self.assertEqual("qmgr", event["process"])
        self.assertIn("memory or threads ran out", event["cause"])
        self.assertIn("MemoryMax=", event["advice"])
        said = self.mta.cli("status")
        self.assertEqual(EX_TEMPFAIL, said.returncode)
        self.assertIn("postwain runs, but its queue manager is not there", said.stderr)
        self.assertIn("memory or threads ran out", said.stderr)
        self.lift()
        wait_until(lambda: self.mta.has_event("ready"), 60, "a start")
        self.assertEqual([], self.trouble())
        self.taking = True
        self.queue_up(1)
        self.all_arrived(1)

    def test_kind_2_killed_again_and_again(self):
        """As the kernel does when memory is short. It is ready each time, and yet it is told."""
        self.mta = self.start(self.next_hop())
        self.queue_up(3)
        for _ in range(3):
            pid = wait_until(lambda: self.mta.cli("status").returncode == 0 and
                             self.mta.pids_of("qmgr"), 60, "qmgr")[0]
            kill_and_wait(pid)
        event = wait_until(lambda: self.mta.events("keeps_ending"), 20, "the report")[0]
        self.assertEqual(("qmgr", "3"), (event["process"], event["times"]))
        self.assertIn("memory ran out", event["cause"])
        told = wait_until(self.trouble, 60, "the same in status")
        self.assertIn("qmgr keeps ending (3 times within 10m)", told[0])
        self.assertIn("trouble: qmgr keeps ending", self.mta.cli("status").stdout)
        self.taking = True
        self.all_arrived(3)


class Descriptors(Limited):
    def test_kind_2_qmgr_takes_no_more_connections(self):
        """Commands are told instead of waiting for ever; mail that waits for an agent says why."""
        self.begin("qmgr", "-n 17")
        self.mta.launch()
        event = wait_until(lambda: self.mta.events("cannot_accept"), 60, "the reason")[0]
        self.assertEqual(("qmgr", "17"), (event["process"], event["limit"]))
        self.assertIn("oo many open files", event["error"])
        said = self.mta.cli("status")
        self.assertEqual(EX_TEMPFAIL, said.returncode)
        self.assertIn("cannot_accept", said.stderr)
        seen = len(self.mta.log)
        self.lift()
        wait_until(lambda: self.mta.has_event("ready"), 60, "all of them")
        # smtpd lost the qmgr of before, and looks for the next one in its own time.
        wait_until(lambda: "smtpd[0]" in [event["name"] for event in
                                          self.mta.events("peer_connected", seen)], 60, "smtpd")
        self.taking = True
        self.queue_up(2)
        self.all_arrived(2)

    def test_kind_2_smtpd_takes_no_more_connections(self):
        """Who is connected is served, others wait, nothing spins, and it is told."""
        self.taking = True
        self.begin("smtpd", "-n 17")
        self.mta.start()
        waiting = [socket.create_connection(("127.0.0.1", self.mta.port)) for _ in range(12)]
        self.addCleanup(lambda: [one.close() for one in waiting])
        event = wait_until(lambda: self.mta.events("cannot_accept"), 60, "the reason")[0]
        self.assertEqual("smtpd[0]", event["process"])
        before = self.cpu_seconds()
        time.sleep(2)
        self.assertLess(self.cpu_seconds() - before, 1)
        for one in waiting:
            one.close()
        wait_until(lambda: self.mta.has_event("accepting_again"), 30, "its end")
        self.queue_up(1)
        self.all_arrived(1)

    def cpu_seconds(self):
        with open(f"/proc/{self.pids()[0]}/stat", encoding="latin-1") as file:
            words = file.read().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def test_kind_2_smtp_client_cannot_even_start(self):
        """The reason stands in the log, in `status`, and at the mail that waits."""
        self.begin("smtp-client", "-n 14")
        self.mta.launch()
        wait_until(lambda: self.mta.has_event("does_not_start"), 60, "the report")
        self.assertIn("oo many open files", "\n".join(self.mta.log))
        self.queue_up(2)
        wait_until(lambda: self.mta.has_event("deliveries_stopped"), 60, "the reason")
        self.assertIn("smtp-client[0] does not start", self.trouble()[0])
        self.assertIn("no smtp-client is connected", self.mta.cli("queue", "list").stdout)
        self.taking = True
        self.lift()
        self.all_arrived(2)

    def test_kind_2_smtp_client_opens_no_connection_it_has_no_descriptor_for(self):
        """There are descriptors for two or three: the other messages wait, and none is put off."""
        self.begin("smtp-client", "-n 16")
        self.taking = True
        sessions = []
        self.sink.script["mail"] = lambda session, *_: sessions.append(session) or Delay(0.5, None)
        self.mta.start()
        self.queue_up(8)
        self.all_arrived(8)
        self.assertEqual([], self.mta.events("deferred"))
        self.assertEqual([], self.mta.events("child_exit"))
        self.assertEqual(8, len(sessions))
        self.assertLess(len(set(map(id, sessions))), 8)

    def test_kind_2_smtp_client_has_none_left_for_content(self):
        """It is put off and tried again, never held as if the content were lost."""
        self.taking = True
        self.begin("smtp-client", "-n 16")
        self.mta.start()
        for number in range(3):
            self.assertEqual(250, self.send(f"u{number}@example.test", LARGE)[0])
        wait_until(lambda: self.mta.has_event("content_unreadable") or not self.mta.queue(), 60,
                   "the reason, or all delivered")
        self.assertEqual([], self.mta.queue("--state", "held"))
        self.lift()
        self.all_arrived(3)


class HistoryEnds(ResourceCase):
    def test_kind_2_history_that_cannot_be_written(self):
        """Mail leaves, status says why nothing is kept, and it is kept when it can be."""
        self.taking = True
        self.mta = self.prepare(self.next_hop())
        spool = pathlib.Path(self.mta.folder / "spool")
        self.mta.start()
        self.mta.stop()
        for part in spool.glob("history.db*"):
            part.unlink()
        (spool / "history.db").mkdir()  # of this user, which is root's where qmgr has one of its own
        self.mta.start()
        self.queue_up(3)
        self.all_arrived(3)
        history = wait_until(lambda: self.trouble_of_history(), 20, "the reason")
        self.assertIn("history.db", history)
        self.assertIn("history.trouble", self.mta.cli("status").stdout)
        errors = [line for line in self.mta.events("history_trouble")]
        self.assertTrue(errors and errors[0]["level"] == "error")
        (spool / "history.db").rmdir()
        number = 0

        def kept():
            nonlocal number
            number += 1
            time.sleep(0.5)
            self.send(f"more{number}@example.test")
            return not self.trouble_of_history()
        wait_until(kept, 60, "a history")
        self.assertTrue(self.mta.has_event("history_kept_again"))

    def trouble_of_history(self):
        return self.mta.status()["history"].get("trouble", "")


class OtherReaders(ResourceCase):
    def test_kind_2_no_reader_holds_the_log_of_the_database(self):
        """Another program gets no place in the file, so nothing keeps its log from being emptied."""
        self.taking = True
        self.mta = self.start(self.next_hop())
        self.queue_up(1)
        for name in ("queue.db", "history.db"):
            path = pathlib.Path(self.mta.folder / "spool", name)
            wait_until(path.exists, 20, name)
            with self.assertRaisesRegex(sqlite3.OperationalError, "locked"):
                with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0) as other:
                    other.execute("SELECT count(*) FROM message").fetchall()
        backup = subprocess.Popen(
            [os.path.join(BIN, "postwain"), "queue", "backup", str(self.mta.folder / "copy"),
             "--config", self.mta.config_path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for number in range(1, 20):
            self.assertEqual(250, self.send(f"u{number}@example.test")[0])
        self.assertEqual(0, backup.wait(60))
        self.all_arrived(20)
        wait_until(lambda: self.mta.status()["queue"]["wal_bytes"] < 8 << 20, 30, "a short log")


class Shown(ResourceCase):
    def test_open_connections_of_a_destination(self):
        """queue destinations shows them where the route bounds them, and nothing where it does not."""
        slow = {"final": Delay(20, "250 2.0.0 stored")}
        hop, other = (self.closing(SmtpSink(script=slow)) for _ in range(2))
        self.mta = self.start({"route": [
            {"match": "bounded.test", "deliver": hop.target, "connections": 2},
            {"match": "*", "deliver": other.target}]})
        self.assertEqual(250, self.send("a@bounded.test")[0])
        self.assertEqual(250, self.send("b@free.test")[0])
        wait_until(lambda: hop.messages and other.messages, 20, "both under way")

        def shown(port):
            lines = self.mta.cli("queue", "destinations", "--json").stdout.splitlines()
            return next(one for one in map(json.loads, lines) if f":{port}" in one["route"])
        self.assertEqual({"open": 1, "waiting": 0}, shown(hop.port)["connections"])
        self.assertNotIn("connections", shown(other.port))
        text = self.mta.cli("queue", "destinations").stdout.splitlines()
        self.assertIn("connections", text[0])
        for port, open_ones in ((hop.port, "1"), (other.port, "-")):
            line = next(one for one in text if f":{port} " in one)
            self.assertEqual([open_ones, "ready"], line.split()[-2:])

    def test_export_leaves_nothing_of_what_is_refused(self):
        """A content that cannot be read: no empty file, the others are there, and it is told."""
        self.mta = self.start({**self.next_hop(), "queue": {"retry": ["1h"], "jitter": 0}})
        lost = self.send("u0@example.test", LARGE)[1].rsplit(" ", 1)[1]
        kept = self.send("u1@example.test")[1].rsplit(" ", 1)[1]
        wait_until(lambda: all(r["attempts"] for r in self.mta.unsettled().values()), 20, "attempts")
        os.unlink(os.path.join(self.mta.folder / "spool", "content", lost))
        folder = pathlib.Path(self.mta.folder / "exported")
        done = self.mta.cli("queue", "export", str(folder), "--all", "--remove")
        self.assertEqual(EX_IOERR, done.returncode)
        self.assertIn(f"the content of {lost} cannot be read", done.stderr)
        self.assertEqual({kept + ".eml", kept + ".json"}, {path.name for path in folder.iterdir()})
        self.assertEqual([lost], [one["id"] for one in self.mta.queue()])

    @unittest.skipUnless(os.geteuid() == 0, "only root becomes other users")
    def test_export_by_who_may_only_look(self):
        """Refused as content is; the folder he named holds nothing."""
        mta = self.mta = self.prepare({**self.next_hop(), "control": {"viewers": ["nogroup"]}})
        mta.start()
        self.queue_up(1)
        parent = pathlib.Path(mta.folder / "his")
        parent.mkdir()
        os.chmod(parent, 0o777)
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
             os.path.join(mta.binaries, "postwain"), "queue", "export", str(parent / "out"), "--all",
             "--config", mta.config_path], capture_output=True, text=True, check=False)
        if "Permission denied" in done.stderr and not (parent / "out").exists():
            self.skipTest("the binaries lie below a folder that is closed to others")
        self.assertEqual(EX_NOPERM, done.returncode, done.stderr)
        self.assertEqual([], list((parent / "out").iterdir()))


if __name__ == "__main__":
    main()
