"""The queue in a PostgreSQL that is reached over the network ([queue] store names a host): db-link
speaks TLS with it and judges it, and qmgr finds it behind a Unix socket. Nothing is lost while it
is away, and nobody else gets in."""

import os
import signal
import socket
import stat
import subprocess
import unittest

from certificates import Authority
from postwain_harness import PostwainTestCase, kill_and_wait, main
from mail_content import message
import postgres_server
from postgres_server import PostgresServer
from resources import Folder, reserve_port, wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

ROOT = os.geteuid() == 0
EX_CONFIG = 78


@unittest.skipIf(postgres_server.programs() is None,
                 "PostgreSQL is neither installed nor unpacked below build/peers")
class DatabaseOverTheNetwork(PostwainTestCase):
    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.remove)
        self.authority = Authority(self.folder)
        self.sink = self.closing(SmtpSink())

    def database(self, name="localhost", **more):
        pair = self.authority.issue(name) if name else None
        return self.closing(PostgresServer(port=reserve_port(), tls=pair, **more))

    def changes(self, address, **queue):
        # postgres_server believes everybody, so TLS alone is what is tried here.
        return {"queue": {"store": address, "node": "one", "store_ca": self.authority.trust,
                          **queue},
                "route": [{"match": "*", "deliver": self.sink.target}]}

    def submit(self, mta, to, content=None):
        """(code, text) of the first refusal, or of the end."""
        client = SmtpClient(mta.port)
        try:
            for command in ("MAIL FROM:<alice@sender.test>", f"RCPT TO:<{to}>"):
                answer = client.command(command)
                if answer[0] != 250:
                    return answer
            return client.data(content or message())
        finally:
            client.close()

    def goes_through(self, mta, to, content=None):
        self.assertEqual(250, self.submit(mta, to, content)[0])
        return self.sink.wait_delivered(to)[0]

    def taken_again(self, mta, to):
        def taken():
            try:
                return self.submit(mta, to)[0] == 250
            except (OSError, EOFError, AssertionError):
                return False
        wait_until(taken, 40, lambda: "mail is taken again\n" + mta.tail())
        self.sink.wait_delivered(to)

    def reasons(self, mta, since=0):
        return [event["reason"] for event in mta.events("database_unreachable", since)]

    def refused(self, mta, words):
        """Launched, it reaches no database, and both processes say why."""
        mta.launch()
        wait_until(lambda: any(words in reason for reason in self.reasons(mta)), 30,
                   lambda: words + "\n" + mta.tail())
        wait_until(lambda: mta.has_event("cannot_start"), 30, lambda: mta.tail())
        self.assertIn(words, mta.events("cannot_start")[0]["reason"])
        self.assertFalse(mta.has_event("database_opened"))
        # What is between is nobody's address.
        for reason in [one["reason"] for one in mta.events("cannot_start")]:
            self.assertNotIn("/db/", reason)
            self.assertRegex(reason, r"the database at localhost:\d+ cannot be reached: ")

    def test_mail_goes_through_within_tls(self):
        database = self.database()
        mta = self.start(self.changes(database.network_address))
        large = message(body="A line of text that is one of many.\r\n" * 6000)
        for i in range(20):
            self.assertEqual(250, self.submit(mta, f"small{i}@example.test")[0])
        self.assertTrue(self.goes_through(mta, "large@example.test", large).content.endswith(large))
        for i in range(20):
            self.sink.wait_delivered(f"small{i}@example.test")
        mta.wait_queue_empty()
        sessions = database.sql("SELECT ssl, version FROM pg_stat_ssl JOIN pg_stat_activity "
                                "USING (pid) WHERE usename = 'postwain'").splitlines()
        self.assertEqual({"t|TLSv1.3"}, set(sessions))
        self.assertEqual(f"database queue at localhost:{database.port} as postwain",
                         mta.status()["queue"]["store"])
        self.assertIn("at localhost", mta.events("database_opened")[0]["server"])
        reached = mta.events("database_reached")
        self.assertEqual([(f"localhost:{database.port}", "TLSv1.3")],
                         [(one["host"], one["tls"]) for one in reached])
        self.assertTrue(reached[0]["process"].startswith("db-link"))
        # db-link ends behind qmgr, which has written all of it.
        mta.stop()
        self.assertEqual([], self.reasons(mta))
        self.assertEqual("0", database.sql("SELECT count(*) FROM recipient WHERE bag >= 0"))

    def test_qmgr_logs_in_with_its_password_though_tls_ends_elsewhere(self):
        # The server offers SCRAM-SHA-256-PLUS, which libpq refuses at a Unix socket.
        database = self.database()
        database.sql("ALTER ROLE postwain PASSWORD 'hush-one'")
        database.access("hostssl all all 127.0.0.1/32 scram-sha-256")
        secret = self.folder.file("database.secret", "hush-one\n")
        mta = self.start(self.changes(database.network_address, store_password=f"file:{secret}"))
        self.goes_through(mta, "one@example.test")
        mta.stop()
        self.assertNotIn("hush", "\n".join(mta.log))

    def test_a_certificate_of_our_own_is_a_login(self):
        database = self.database(client_trust=self.authority.trust)
        with open(os.path.join(database.data, "pg_ident.conf"), "w", encoding="utf-8") as file:
            file.write("ours leaf postwain\n")
        database.access("hostssl all all 127.0.0.1/32 cert map=ours")
        mta = self.prepare(self.changes(database.network_address))
        mta.launch()
        wait_until(lambda: mta.has_event("cannot_start"), 30, lambda: mta.tail())
        self.assertIn("certificate", mta.events("cannot_start")[0]["reason"])
        mta.kill_all()
        chain, key = self.authority.issue("mx.postwain.test")
        mta.reconfigure({"queue": {"store_certificate": chain, "store_key": key}})
        mta.start()
        self.goes_through(mta, "one@example.test")
        mta.stop()

    def test_a_certificate_of_another_name_is_refused(self):
        database = self.database("elsewhere.test")
        mta = self.prepare(self.changes(database.network_address))
        self.refused(mta, "hostname mismatch")

    def test_a_certificate_of_another_authority_is_refused(self):
        database = self.database()
        mta = self.prepare(self.changes(database.network_address, store_ca=None))
        self.refused(mta, "unable to get local issuer certificate")

    def test_a_server_without_tls_is_refused_unless_tls_is_off(self):
        database = self.database(None)
        mta = self.prepare(self.changes(database.network_address))
        self.refused(mta, "it offers no TLS")
        mta.kill_all()
        mta.reconfigure({"queue": {"store_tls": "off"}})
        check = mta.cli("check")
        self.assertIn('store_tls = "off": mail and the login', check.stdout + check.stderr)
        mta.start()
        self.goes_through(mta, "clear@example.test")
        mta.stop()
        # An address of this machine itself needs no word for it.
        mta.reconfigure({"queue": {"store_tls": None, "store_ca": None,
                                   "store": f"postgresql://127.0.0.1:{database.port}/queue"}})
        mta.start()
        self.goes_through(mta, "near@example.test")
        mta.stop()

    def test_failures_are_told_once_a_second_at_most(self):
        mta = self.prepare(self.changes(f"postgresql://localhost:{reserve_port()}/queue"))
        self.refused(mta, "connection refused")
        wait_until(lambda: len(mta.events("cannot_start")) >= 3, 40, lambda: mta.tail())
        times = [line[:19] for line in mta.log if " database_unreachable " in line]
        self.assertLessEqual(max(times.count(one) for one in times), 2)

    def test_a_server_that_is_killed_comes_back_and_nothing_is_lost(self):
        database = self.database()
        mta = self.start(self.changes(database.network_address))
        self.goes_through(mta, "before@example.test")
        qmgr = mta.pids_of("qmgr")
        for number in (signal.SIGQUIT, signal.SIGINT):
            seen = len(mta.log)
            database.kill(number)
            code, text = self.submit(mta, "lost@example.test")
            self.assertEqual((451, "4.3.0"), (code, text.split()[0]))
            wait_until(lambda: mta.has_event("store_away", seen), 20, lambda: mta.tail())
            wait_until(lambda: self.reasons(mta, seen), 20, lambda: mta.tail())
            done = mta.cli("queue", "list")
            self.assertEqual(75, done.returncode)
            self.assertIn(f"the database at localhost:{database.port} cannot be reached", done.stderr)
            self.assertNotIn("/db/", done.stderr + "\n".join(mta.log[seen:]))
            database.start()
            self.taken_again(mta, f"after{int(number)}@example.test")
            wait_until(lambda: mta.has_event("store_recovered", seen), 20, lambda: mta.tail())
        self.assertEqual(qmgr, mta.pids_of("qmgr"))
        self.assertEqual([], self.sink.delivered("lost@example.test"))
        mta.stop()

    def test_db_link_may_be_killed(self):
        database = self.database()
        mta = self.start(self.changes(database.network_address))
        qmgr = mta.pids_of("qmgr")
        for round_number in range(2):
            kill_and_wait(mta.pids_of("db-link")[0])
            self.taken_again(mta, f"again{round_number}@example.test")
        self.assertEqual(qmgr, mta.pids_of("qmgr"))
        mta.wait_queue_empty()
        mta.stop()

    def test_the_first_host_may_be_dead_or_a_standby(self):
        first, second = self.database(), self.database()
        first.become_standby()
        both = f"postgresql://localhost:{first.port},localhost:{second.port}/queue"
        mta = self.start(self.changes(both))
        self.goes_through(mta, "one@example.test")
        self.assertEqual("1", second.sql("SELECT count(*) FROM node"))
        # A standby is a server, so its host is reached; it is only not what was looked for.
        self.assertEqual([], self.reasons(mta))
        mta.stop()
        first.kill()
        mta.start()
        self.goes_through(mta, "two@example.test")
        self.assertTrue(any("connection refused" in reason for reason in self.reasons(mta)))
        mta.stop()

    def test_a_reload_renews_the_way_and_only_where_it_is_another_one(self):
        database = self.database()
        mta = self.start(self.changes(database.network_address))
        link = mta.pids_of("db-link")
        self.assertEqual(0, mta.cli("reload").returncode)
        self.goes_through(mta, "same@example.test")
        self.assertEqual(link, mta.pids_of("db-link"))
        other = Authority(self.closing_folder())
        both = ""
        for authority in (other, self.authority):
            with open(authority.trust, encoding="ascii") as file:
                both += file.read()
        mta.reconfigure({"queue": {"store_ca": self.folder.file("both.pem", both)}})
        self.assertEqual(0, mta.cli("reload").returncode)
        wait_until(lambda: mta.pids_of("db-link") not in ([], link), 20, "another db-link")
        self.taken_again(mta, "renewed@example.test")
        mta.stop()

    def closing_folder(self):
        folder = Folder()
        self.addCleanup(folder.remove)
        return folder

    def test_nobody_but_qmgr_gets_in(self):
        database = self.database()
        mta = self.start(self.changes(database.network_address))
        folder = mta.folder / "run/db"
        path = f"{folder}/0/.s.PGSQL.{database.port}"
        for one in (folder, f"{folder}/0"):
            self.assertEqual(0o710 if ROOT else 0o700, stat.S_IMODE(os.stat(one).st_mode))
        if ROOT:
            # Not even root, to whom no folder is closed; whoever else is kept out by the folder.
            with socket.socket(socket.AF_UNIX) as one:
                one.settimeout(20)
                one.connect(path)
                self.assertEqual(b"", one.recv(10))
            wait_until(lambda: mta.has_event("peer_refused"), 20, lambda: mta.tail())
            nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
            looked = subprocess.run([*nobody, "ls", folder], capture_output=True, check=False)
            self.assertNotEqual(0, looked.returncode)
        self.goes_through(mta, "one@example.test")
        mta.stop()

    def test_the_certificates_reach_db_link_only_and_mistakes_are_told_before(self):
        chain, key = self.authority.issue("mx.postwain.test")
        other_key = self.authority.issue("other.test")[1]
        mta = self.prepare(self.changes("postgresql://db1.test/queue", store_certificate=chain,
                                        store_key=other_key))
        check = mta.cli("check")
        self.assertEqual(EX_CONFIG, check.returncode)
        self.assertIn("key does not belong to the certificate", check.stderr)
        mta.reconfigure({"queue": {"store_key": key}})
        self.assertEqual(0, mta.cli("check").returncode)

    def test_the_queue_of_sqlite_moves_over_the_network(self):
        database = self.database()
        self.sink.stop()
        mta = self.start({"route": [{"match": "*", "deliver": self.sink.target}],
                          "queue": {"retry": ["1h"]}})
        self.assertEqual(250, self.submit(mta, "here@example.test")[0])
        wait_until(lambda: [r["state"] for r in mta.unsettled().values()] == ["deferred"], 30,
                   "deferred")
        mta.stop()
        mta.reconfigure(self.changes(database.network_address))
        done = mta.cli("queue", "move", "--from", "sqlite")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("1 messages with 1 recipients moved from queue.db to database queue at "
                      "localhost", done.stdout)
        mta.start()
        self.assertEqual({"here@example.test"}, set(mta.unsettled()))
        mta.stop()
        mta.reconfigure({"queue": {"store": None, "store_ca": None, "node": None}})
        refused = mta.cli("queue", "move", "--from", database.network_address)
        self.assertEqual(64, refused.returncode)
        self.assertIn("--from names a host of the network", refused.stderr)


if __name__ == "__main__":
    main()
