"""`postwain cluster …`: what a machine alone says of it, what operators of several are told, and
what `cluster check` finds in a real PostgreSQL."""

import json
import os
import pty
import re
import subprocess
import sys
import unittest

import yaml

from postwain_harness import SOURCE, PostwainTestCase, main
from certificates import Authority
import postgres_server
from postgres_server import PostgresServer
from resources import Folder, reserve_port, wait_until

sys.path.insert(1, os.path.join(SOURCE, "tests", "system", "security"))
from test_hostile_qmgr import QUEUE_USER, ROOT, FalseQmgr  # noqa: E402

EX_USAGE, EX_UNAVAILABLE, EX_TEMPFAIL, EX_CONFIG = 64, 69, 75, 78
NODE_COMMANDS = [["drain", "mx1"], ["join", "mx1"], ["leave", "mx1"], ["fence", "mx1", "--yes"]]
NODE = {"number": 1, "name": "mx2", "self": False, "state": "gone", "stay": False, "term": 3, "beat_age_ms": 61000,
        "bags": 0, "weight": 4, "load": "normal", "version": "1.2", "config": "equal"}
CLUSTER = {"node": "mx1", "number": 0, "term": 7, "standing": "live", "word_age_ms": 300, "worth": "local",
           "worth_words": "a 250 means ONE MACHINE", "one_machine": True, "server": "PostgreSQL 15.18 at db1",
           "orphans": 0, "fences": 1, "adoptions": 22, "gives": 3, "places_claimed": 9,
           "limits_reached": 0, "nodes": [NODE]}


class OneMachine(PostwainTestCase):
    def test_every_command_says_so(self):
        mta = self.start()
        for words in [["status"], *NODE_COMMANDS, ["check"]]:
            with self.subTest(words=words):
                done = mta.cli("cluster", *words)
                self.assertEqual(EX_USAGE, done.returncode, done.stderr)
                self.assertIn("this queue belongs to one machine", done.stderr)
                self.assertEqual("", done.stdout)
        self.assertIn("recipients, in files of this machine\n", mta.cli("status").stdout)
        self.assertNotIn("cluster", mta.status())
        self.assertEqual([], mta.events("cluster_command"))
        mta.stop()
        for words in [["status"], ["drain", "mx1"], ["check"]]:
            done = mta.cli("cluster", *words)
            self.assertEqual(EX_USAGE, done.returncode, done.stderr)
            self.assertIn("this queue belongs to one machine", done.stderr)

    def test_a_command_names_one_node(self):
        mta = self.prepare()
        for words in [[], ["drain"], ["leave"], ["fence", "--yes"], ["drain", "a", "b"], ["dance"]]:
            self.assertEqual(EX_USAGE, mta.cli("cluster", *words).returncode, words)

    def test_a_database_whose_postwain_is_stopped(self):
        mta = self.prepare({"queue": {"store": "postgresql:///queue?host=/nonexistent"}})
        self.assertEqual(EX_UNAVAILABLE, mta.cli("cluster", "status").returncode)
        done = mta.cli("cluster", "check")
        self.assertEqual(EX_TEMPFAIL, done.returncode, done.stderr)
        self.assertIn("database queue at /nonexistent", done.stderr)
        mta.reconfigure({"queue": {"store": "postgresql:nonsense"}})
        self.assertEqual(EX_CONFIG, mta.cli("cluster", "check").returncode)


class WhatIsAsked(PostwainTestCase):
    """A qmgr that says what the test wants, and tells what it was asked."""

    def setUp(self):
        self.mta = self.prepare()
        os.chmod(self.mta.folder / "", 0o755)
        os.makedirs(self.mta.folder / "run", exist_ok=True)
        os.mkfifo(self.mta.folder / "asked")
        self.asked = os.open(self.mta.folder / "asked", os.O_RDWR)
        self.addCleanup(os.close, self.asked)

        def answers(request):
            os.write(self.asked, json.dumps(request).encode() + b"\n")
            return [CLUSTER if request["command"] == "cluster status" else {"ok": True, "node": request["node"]}]
        false = FalseQmgr(str(self.mta.folder / "run/qmgr.sock"), answers, QUEUE_USER if ROOT else None)
        self.addCleanup(false.close)

    def requests(self):
        os.set_blocking(self.asked, False)
        try:
            return [json.loads(line) for line in os.read(self.asked, 65536).splitlines()]
        except BlockingIOError:
            return []

    def test_status_in_words_and_as_json(self):
        self.assertEqual(CLUSTER, json.loads(self.mta.cli("cluster", "status", "--json").stdout))
        shown = self.mta.cli("cluster", "status").stdout
        self.assertIn("this node: mx1 (number 0), live in term 7; its word is 0.3 s old\n", shown)
        self.assertIn("\na 250 means ONE MACHINE\n", shown)
        self.assertRegex(shown, r"(?m)^ +mx2 +1 +gone, keeps out +0 +3 +61\.0 s +normal +4 +1\.2 +equal$")

    def test_what_changes_a_node_is_asked_with_its_name(self):
        for words in NODE_COMMANDS:
            done = self.mta.cli("cluster", *words)
            self.assertEqual(0, done.returncode, done.stderr)
            self.assertTrue(done.stdout.startswith("mx1 "), done.stdout)
            self.assertEqual([{"command": f"cluster {words[0]}", "node": "mx1"}], self.requests())
        done = self.mta.cli("cluster", "drain", "mx2", "--json")
        self.assertEqual({"ok": True, "node": "mx2"}, json.loads(done.stdout))

    def test_a_fence_is_confirmed_by_the_name(self):
        done = self.mta.cli("cluster", "fence", "mx2")
        self.assertEqual(EX_USAGE, done.returncode)
        self.assertIn("--yes", done.stderr)
        for typed, code in ((b"yes\n", EX_USAGE), (b"\n", EX_USAGE), (b"mx22\n", EX_USAGE), (b"mx2\n", 0)):
            self.assertEqual([], self.requests())
            found, said = self.typed("cluster", "fence", "mx2", text=typed)
            self.assertEqual(code, found, (typed, said))
        self.assertEqual([{"command": "cluster fence", "node": "mx2"}], self.requests())

    def typed(self, *words, text):
        """(exit code, standard error), where a person at a terminal types that."""
        ours, theirs = pty.openpty()
        try:
            process = subprocess.Popen([os.path.join(self.mta.binaries, "postwain"), *words, "--config",
                                        self.mta.config_path], stdin=theirs, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE)
            os.write(ours, text)
            said = process.communicate(timeout=60)[1]
            self.assertIn(b"Type mx2 to go on", said)
            return process.returncode, said
        finally:
            os.close(ours)
            os.close(theirs)


@unittest.skipIf(postgres_server.programs() is None,
                 "PostgreSQL is neither installed nor unpacked below build/peers")
class Check(PostwainTestCase):
    def check(self, mta, code=0):
        """{what: level} of what is not as it should be, and the whole answer."""
        done = mta.cli("cluster", "check", "--json")
        self.assertEqual(code, done.returncode, done.stdout + done.stderr)
        answer = json.loads(done.stdout)
        self.assertEqual(code == 0, answer["ok"])
        return {one["what"]: one["level"] for one in answer["findings"] if one["level"] != "ok"
                and one["what"] not in ("clocksource", "round_trip")}, answer

    def test_before_the_first_start_and_beside_a_postwain_that_runs(self):
        database = self.closing(PostgresServer(fsync=True))
        database.sql("GRANT pg_read_all_stats TO postwain")
        mta = self.prepare({"queue": {"store": database.address, "node": "mx1"}})
        self.assertFalse(os.path.exists(mta.folder / "spool"))
        worse, answer = self.check(mta)
        self.assertEqual({"synchronous_commit": "warning"}, worse)
        self.assertEqual(("local", True), (answer["worth"], answer["one_machine"]))
        self.assertEqual(f"database queue at {database.folder} as postwain", answer["database"])
        self.assertEqual("mx1", answer["node"])
        self.assertGreater(answer["round_trip_ms"], 0)
        self.assertLess(abs(answer["clock_difference_ms"]), 2000)
        self.assertEqual("0", database.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"))
        shown = mta.cli("cluster", "check").stdout
        self.assertIn("a 250 means ONE MACHINE", shown)
        self.assertTrue(shown.endswith("the database is fit for the queue\n"), shown)
        # Its own name is no other one's.
        mta.start()
        self.assertEqual({"synchronous_commit": "warning"}, self.check(mta)[0])
        other = self.prepare({"queue": {"store": database.address, "node": "mx1"}})
        self.assertEqual("error", self.check(other, 1)[0].get("node"))
        other.reconfigure({"queue": {"node": "mx2"}})
        self.assertNotIn("node", self.check(other)[0])
        mta.stop()

    def test_what_is_wrong_is_told(self):
        database = self.closing(PostgresServer())
        database.sql("ALTER SYSTEM SET full_page_writes = off")
        database.sql("ALTER SYSTEM SET autovacuum = off")
        database.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        database.sql("SELECT pg_reload_conf()")
        wait_until(lambda: database.sql("SHOW autovacuum") == "off", 20, "the new settings")
        mta = self.prepare({"queue": {"store": database.address, "node": "mx1"}})
        worse, answer = self.check(mta, 1)
        self.assertEqual({"fsync": "error", "full_page_writes": "error", "autovacuum": "error",
                          "standbys": "warning", "synchronous_commit": "warning"}, worse)
        self.assertEqual("nothing", answer["worth"])
        done = mta.cli("cluster", "check")
        self.assertEqual(1, done.returncode)
        self.assertTrue(done.stdout.endswith("3 things are to be put right\n"), done.stdout)
        self.assertRegex(done.stdout, r"(?m)^error   fsync: fsync is off")

    def test_what_a_250_is_worth_by_who_gets_the_log(self):
        database = self.closing(PostgresServer(fsync=True))
        mta = self.prepare({"queue": {"store": database.address, "node": "mx1"}})

        def worth_becomes(word):
            wait_until(lambda: self.check(mta)[1]["worth"] == word, 20, lambda: f"{word}: {self.check(mta)}")
        receiver = database.log_receiver()
        try:
            wait_until(lambda: database.sql("SELECT count(*) FROM pg_stat_replication") == "1", 20, "it is connected")
            worth_becomes("local")  # nobody waits for it
            database.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
            database.sql("SELECT pg_reload_conf()")
            worth_becomes("remote")  # though what it is stays hidden
            database.sql("GRANT pg_read_all_stats TO postwain")
            wait_until(lambda: self.check(mta)[0] == {}, 20, "nothing is to be said any more")
        finally:
            receiver.terminate()
            receiver.wait(20)
        worth_becomes("waiting")

    def test_a_role_without_rights_and_tables_of_another_time(self):
        database = self.closing(PostgresServer(fsync=True))
        database.sql("ALTER DATABASE queue OWNER TO postgres", "postgres")
        mta = self.prepare({"queue": {"store": database.address, "node": "mx1"}})
        self.assertEqual("error", self.check(mta, 1)[0].get("role"))
        database.sql("ALTER DATABASE queue OWNER TO postwain", "postgres")
        self.assertNotIn("role", self.check(mta)[0])
        mta.start()
        mta.stop()
        version = int(database.sql("SELECT version FROM schema_info"))
        database.sql(f"UPDATE schema_info SET version = {version - 1}")
        self.assertEqual("warning", self.check(mta)[0].get("schema"))
        database.sql("UPDATE schema_info SET version = 1000, oldest_compatible = 1000")
        self.assertEqual("error", self.check(mta, 1)[0].get("schema"))

    def test_over_the_network_through_db_link(self):
        folder = Folder()
        self.addCleanup(folder.remove)
        authority = Authority(folder)
        database = self.closing(PostgresServer(port=reserve_port(), tls=authority.issue("localhost"), fsync=True))
        database.sql("ALTER ROLE postwain PASSWORD 'hush-one'")
        database.access("hostssl all all 127.0.0.1/32 scram-sha-256")
        secret = folder.file("database.secret", "wrong\n")
        mta = self.prepare({"queue": {"store": database.network_address, "node": "mx1", "store_ca": authority.trust,
                                      "store_password": f"file:{secret}"}})
        done = mta.cli("cluster", "check")
        self.assertEqual(EX_TEMPFAIL, done.returncode, done.stderr)
        self.assertIn("password authentication failed", done.stderr)
        folder.file("database.secret", "hush-one\n")
        worse, answer = self.check(mta)
        self.assertEqual({"standbys": "warning", "synchronous_commit": "warning"}, worse)
        self.assertRegex(answer["server"], r"^PostgreSQL \d+\.\d+ at localhost:\d+$")
        self.assertNotIn("\\x0a", json.dumps(answer))
        mta.start()
        self.assertEqual(worse, self.check(mta)[0])
        self.assertNotIn("hush", "\n".join(mta.log))
        mta.stop()
        mta.reconfigure({"queue": {"store_ca": None}})
        done = mta.cli("cluster", "check")
        self.assertEqual(EX_TEMPFAIL, done.returncode, done.stderr)
        self.assertIn("certificate", done.stderr)


class Manual(unittest.TestCase):
    """What postwain-cluster(7) has to be copied is what it should be."""

    def page(self):
        with open(os.path.join(SOURCE, "man", "postwain-cluster.7"), encoding="utf-8") as file:
            return file.read()

    def test_the_example_for_patroni(self):
        blocks = re.findall(r"\.Bd -literal -offset indent\n(.*?)\.Ed", self.page(), re.DOTALL)
        patroni = yaml.safe_load(next(block for block in blocks if block.startswith("scope:")))
        shared = patroni["bootstrap"]["dcs"]
        self.assertIs(True, shared["synchronous_mode"])
        self.assertIs(True, shared["synchronous_mode_strict"])
        self.assertGreaterEqual(shared["ttl"], shared["loop_wait"] + 2 * shared["retry_timeout"])
        for name in ("synchronous_commit", "fsync", "full_page_writes"):
            self.assertEqual("on", shared["postgresql"]["parameters"][name])
        self.assertEqual({"superuser", "replication", "rewind"}, set(patroni["postgresql"]["authentication"]))
        self.assertEqual(3, len(patroni["etcd3"]["hosts"]))

    def test_its_words_for_what_250_is_worth_are_the_programs(self):
        with open(os.path.join(SOURCE, "qmgr", "cluster", "durability.cc"), encoding="utf-8") as file:
            table = file.read().split("kWorths = {{")[1].split("}};")[0]
        section = self.page().split(".Ss What 250 is worth")[1].split(".El")[0]
        self.assertEqual(set(re.findall(r'\{"(\w+)",', table)), set(re.findall(r"^\.It Ql (\w+)", section, re.MULTILINE)))


if __name__ == "__main__":
    main()
