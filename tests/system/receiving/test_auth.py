"""Accounts of a users file: who logs in may relay, and is named in Received; others get nowhere."""

import os
import re
import subprocess
import time

from postwain_harness import BIN, Postwain, PostwainTestCase, main
from auth_client import b64, login, plain, scram, unb64
from mail_content import message
from resources import make_certificate, reserve_port, wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

STRANGER = "127.0.0.2"
CRYPT = subprocess.run(["openssl", "passwd", "-6", "-salt", "salt", "crypt secret"], check=True,
                       capture_output=True, text=True).stdout.strip()


def session(port, tls=True, source=STRANGER):
    client = SmtpClient(port, source=source)
    if tls:
        client.starttls()
        client.say_hello()
    return client


class UsersFile(PostwainTestCase):
    @classmethod
    def setUpClass(cls):
        cls.outside = SmtpSink()
        cls.mta = Postwain({"access": {"trusted_networks": []},
                            "route": [{"match": "*", "deliver": cls.outside.target}]},
                           label=cls.__qualname__)
        for end in (cls.outside.stop, cls.mta.close):
            cls.addClassCleanup(end)
        certificate, key = make_certificate(cls.mta.folder)
        cls.submission, cls.open = reserve_port(), reserve_port()
        users = cls.mta.folder.file("users", f"# ours\nann:{{PLAIN}}ann secret\n"
                                    f"bob@x.test:{{PLAIN}}bob secret\n")
        cls.mta.reconfigure({
            "tls": {"certificate": certificate, "key": key},
            "auth": {"users_file": users, "failure_delay": "300ms", "lockout": "6/day"},
            "listener": [
                {"address": f"127.0.0.1:{cls.mta.port}", "auth": True},
                {"address": f"127.0.0.1:{cls.submission}", "protocol": "submission", "auth": True},
                {"address": f"127.0.0.1:{cls.open}", "tls": "off", "auth": True,
                 "auth_without_tls": True}]})
        cls.mta.start()

    def client(self, port=None, **more):
        client = session(port or self.mta.port, **more)
        self.addCleanup(client.close)
        return client

    def test_only_inside_tls(self):
        client = self.client(tls=False)
        self.assertFalse([e for e in client.extensions if e.startswith("AUTH")])
        self.assertEqual(538, client.command("AUTH PLAIN " + plain("ann", "ann secret"))[0])
        client = self.client()
        self.assertIn("AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN", client.extensions)
        client = self.client(port=self.open, tls=False)
        self.assertIn("AUTH SCRAM-SHA-256 PLAIN LOGIN", client.extensions)
        login(client, "ann", "ann secret")

    def test_a_login_opens_the_way(self):
        client = self.client(port=self.submission)
        self.assertEqual(530, client.command("MAIL FROM:<ann@x.test>")[0])
        login(client, "ann", "ann secret")
        self.assertEqual(503, client.command("AUTH PLAIN " + plain("ann", "ann secret"))[0])
        code, text = client.mail("ann@x.test", ["far@away.test"], message("submitted"))
        self.assertEqual(250, code, text)
        sent = self.outside.wait_delivered("far@away.test")[0]
        self.assertRegex(sent.content[:300].decode(), r"with ESMTPSA \(TLS")
        line = wait_until(lambda: [e for e in self.mta.events("accepted")
                                   if e["id"] == text.split()[-1]], 10, "the log's line")
        self.assertEqual("ann", line[0]["account"])

    def test_a_login_is_forgotten_with_the_session(self):
        client = self.client()
        login(client, "ann", "ann secret")
        client.envelope("ann@x.test", ["far@away.test"])
        other = self.client()
        self.assertEqual(250, other.command("MAIL FROM:<ann@x.test>")[0])
        self.assertEqual(550, other.command("RCPT TO:<far@away.test>")[0])

    def test_login_and_cancel(self):
        client = self.client()
        self.assertEqual((334, b64("Username:")), client.command("AUTH LOGIN"))
        self.assertEqual((334, b64("Password:")), client.command(b64("bob@x.test")))
        self.assertEqual(501, client.command("*")[0])
        client.command("AUTH LOGIN " + b64("bob@x.test"))
        self.assertEqual(235, client.command(b64("bob secret"))[0])

    def test_scram(self):
        self.assertEqual(235, scram(self.client(), "ann", "ann secret"))
        client = self.client()
        end_point = self.certificate_hash(client)
        self.assertEqual(235, scram(client, "ann", "ann secret", end_point,
                                    "tls-server-end-point"))
        self.assertEqual(250, client.command("MAIL FROM:<ann@x.test>")[0])
        self.assertEqual(250, client.command("RCPT TO:<far@away.test>")[0])

    @staticmethod
    def certificate_hash(client):
        import hashlib
        return hashlib.sha256(client.sock.getpeercert(binary_form=True)).digest()

    def guess(self, source, *users):
        for user in users:
            self.assertEqual(535, scram(self.client(source=source), user, "wrong"), source)

    def plain_code(self, source, user, password):
        code, text = self.client(source=source).command("AUTH PLAIN " + plain(user, password))
        return code, text.split()[0]

    def test_s19_failures_wait_and_lock_an_address_out_then_its_network(self):
        began = time.monotonic()
        for user, password in (("ann", "wrong"), ("nobody", "ann secret")):
            client = self.client(source="127.1.2.3")
            self.assertEqual((535, "5.7.8 Authentication credentials invalid"),
                             client.command("AUTH PLAIN " + plain(user, password)))
            self.assertEqual(535, scram(client, user, password))
            self.assertEqual(535, scram(client, user, "ann secret", b"wrong",
                                        "tls-server-end-point"))
        self.assertGreater(time.monotonic() - began, 6 * 0.3)
        self.assertEqual((454, "4.7.0"), self.plain_code("127.1.2.3", "ann", "ann secret"))
        # His neighbours do not suffer.
        for source in ("127.1.2.4", "127.1.2.8"):
            login(self.client(source=source), "ann", "ann secret")
        # At an address that others have locked, who is known there goes on; of all others, and of
        # wrong passwords, nothing is told.
        self.guess("127.1.2.4", *[f"y{number}" for number in range(6)])
        login(self.client(source="127.1.2.4"), "ann", "ann secret")
        self.assertEqual(235, scram(self.client(source="127.1.2.4"), "ann", "ann secret"))
        self.assertEqual((454, "4.7.0"), self.plain_code("127.1.2.4", "ann", "wrong"))
        self.assertEqual((454, "4.7.0"), self.plain_code("127.1.2.4", "bob@x.test", "bob secret"))
        self.assertEqual(454, scram(self.client(source="127.1.2.4"), "bob@x.test", "bob secret"))
        # When four addresses have failed as often, the network is locked, but for known addresses.
        for source in ("127.1.2.5", "127.1.2.6"):
            self.guess(source, *[f"{source}-{number}" for number in range(6)])
        self.assertEqual((454, "4.7.0"), self.plain_code("127.1.2.7", "ann", "ann secret"))
        login(self.client(source="127.1.2.8"), "bob@x.test", "bob secret")
        login(self.client(source="127.1.3.4"), "ann", "ann secret")

    def test_swaks(self):
        for mechanism in ("PLAIN", "LOGIN"):
            run = subprocess.run(
                ["swaks", "--server", "127.0.0.1", "--port", str(self.submission), "--tls",
                 "--local-interface", STRANGER, "--auth", mechanism, "--auth-user", "ann",
                 "--auth-password", "ann secret", "--from", "ann@x.test",
                 "--to", f"{mechanism}@away.test"], capture_output=True, text=True, check=False)
            self.assertEqual(0, run.returncode, run.stdout)


class Hashes(PostwainTestCase):
    def test_crypt_hashes(self):
        mta = self.prepare({"access": {"trusted_networks": []}})
        users = mta.folder.file("users", f"eve:{{SHA512-CRYPT}}{CRYPT}\nann:{{PLAIN}}x\n")
        mta.reconfigure({"auth": {"users_file": users, "failure_delay": "0s"},
                         "listener": [{"address": f"127.0.0.1:{mta.port}", "auth": True,
                                       "auth_without_tls": True}]})
        mta.start()
        client = session(mta.port, tls=False)
        self.addCleanup(client.close)
        self.assertIn("AUTH PLAIN LOGIN", client.extensions)
        self.assertEqual(535, client.command("AUTH PLAIN " + plain("eve", "crypt"))[0])
        login(client, "eve", "crypt secret")
        client.quit()
        # A new users file counts after a reload.
        mta.folder.file("users", "eve:{PLAIN}changed\n")
        old = set(mta.pids_of("smtpd"))
        self.assertEqual(0, mta.cli("reload").returncode)
        wait_until(lambda: not old & set(mta.children()), 20, "the old smtpd ends")
        client = session(mta.port, tls=False)
        self.addCleanup(client.close)
        login(client, "eve", "changed")

    def test_check_names_the_line_and_shows_no_secret(self):
        mta = self.prepare()
        users = mta.folder.file("users", "ann:{PLAIN}x\nbob:topsecret\neve:{MD5}topsecret\n")
        mta.reconfigure({"auth": {"users_file": users}})
        check = mta.cli("check")
        self.assertEqual(78, check.returncode)
        self.assertRegex(check.stderr, re.escape(users) + r":2:5: ")
        self.assertRegex(check.stderr, re.escape(users) + r":3:5: unknown scheme 'MD5'")
        self.assertNotIn("topsecret", check.stderr)


class Authors(PostwainTestCase):
    """[auth] author: as whom an account writes, beside as whom it sends."""

    def begin(self, author, senders="own", protocol="submission"):
        self.outside = self.closing(SmtpSink())
        self.mta = self.prepare({"access": {"trusted_networks": []}, "domain": [{"name": "our.test"}],
                                 "route": [{"match": "*", "deliver": self.outside.target}]})
        users = self.mta.folder.file("users", "ann@our.test:{PLAIN}x\n")
        self.mta.reconfigure({"auth": {"users_file": users, "senders": senders, "author": author},
                              "listener": [{"address": f"127.0.0.1:{self.mta.port}", "auth": True,
                                            "protocol": protocol, "auth_without_tls": True}]})

    def write(self, fields):
        client = session(self.mta.port, tls=False)
        self.addCleanup(client.close)
        login(client, "ann@our.test", "x")
        return client.mail("ann@our.test", ["x@far.test"], fields.encode() + b"Subject: s\r\n\r\nhello\r\n")

    def test_refused_at_the_end_of_the_header_section(self):
        self.begin("refuse")
        self.mta.start()
        for fields, want in (
                ("From: Ann <ann@our.test>\r\n", 250), ("From: boss@our.test\r\n", 550),
                ("From: ann@our.test, boss@our.test\r\n", 550), ("", 550),
                ("From: ann@our.test\r\nSender: boss@our.test\r\n", 550),
                ("From: boss@our.test\r\nSender: ann@our.test\r\n", 550), ("From: ann@our.test (\r\n", 550)):
            with self.subTest(fields=fields):
                code, text = self.write(fields)
                self.assertEqual(want, code, text)
        self.assertEqual((550, "5.7.1 ann@our.test may not write as <boss@our.test>"),
                         self.write("From: boss@our.test\r\n" + "X: " + "y" * 900 + "\r\n"))
        self.mta.wait_queue_empty()
        self.assertEqual(1, len(self.outside.messages))
        told = self.mta.cli("explain", "x@far.test", "--account", "ann@our.test", "--submission", "--no-dns",
                            "--from", "ann@our.test").stdout
        self.assertIn("one as which ann@our.test may send, or the mail is refused", told)

    def test_a_second_from_behind_a_line_that_is_no_field(self):
        """Some readers go on there: by SMTP it is refused; a submission server puts an empty line in front of it."""
        fields = "From: ann@our.test\r\nno field\r\nFrom: boss@our.test\r\n"
        self.begin("refuse", protocol="smtp")
        self.mta.start()
        self.assertEqual((550, "5.7.1 no empty line ends the header section"), self.write(fields))
        self.assertEqual(250, self.write("From: ann@our.test\r\n")[0])
        self.mta.stop()
        self.begin("refuse")
        self.mta.start()
        self.assertEqual(250, self.write(fields)[0])
        wait_until(lambda: self.outside.messages, 20, self.mta.tail)
        self.assertNotIn(b"boss", self.outside.messages[0].content.split(b"\r\n\r\n", 1)[0])

    def test_held_with_the_reason(self):
        self.begin("hold")
        self.mta.start()
        self.assertEqual(250, self.write("From: boss@our.test\r\n")[0])
        held = wait_until(lambda: self.mta.queue("--state", "held"), 20, self.mta.tail)
        self.assertIn("author: ann@our.test may not write as <boss@our.test>", str(held))
        self.assertEqual([], self.outside.messages)

    def test_it_needs_senders(self):
        self.begin("refuse", senders="any")
        check = self.mta.cli("check")
        self.assertEqual(78, check.returncode)
        self.assertIn("author needs senders", check.stderr)


class WhoHasAnAccount(PostwainTestCase):
    """S9, S19: no process, before or after a restart, tells who has an account."""

    KEYS = ("W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
            "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=")

    def begin(self, **auth):
        self.mta = self.prepare({"access": {"trusted_networks": []}, "workers": {"smtpd": 2}})
        users = self.mta.folder.file("users", f"ann:{{SCRAM-SHA-256}}5000,{self.KEYS}\n")
        self.mta.reconfigure({"auth": {"users_file": users, "failure_delay": "10ms", **auth},
                              "listener": [{"address": f"127.0.0.1:{self.mta.port}", "auth": True,
                                            "auth_without_tls": True}]})
        self.mta.start()

    def first_answer(self, name, end="*"):
        """Salt and iterations as they are asked for."""
        with SmtpClient(self.mta.port, source=STRANGER) as client:
            code, text = client.command("AUTH SCRAM-SHA-256 " + b64(f"n,,n={name},r=abc"))
            if code != 334:
                return code
            if end:
                self.assertEqual(501, client.command(end)[0])
            return unb64(text).decode().split(",", 1)[1]

    def test_the_same_questions_from_every_process_and_after_a_restart(self):
        self.begin()
        names = ("ann", "nobody", "else")
        asked = {name: {self.first_answer(name) for _ in range(12)} for name in names}
        self.assertEqual([1, 1, 1], [len(asked[name]) for name in names], asked)
        self.assertTrue(all(one.endswith("i=5000") for name in names for one in asked[name]), asked)
        secret = os.path.join(self.mta.folder / "spool", "login_secret")
        self.assertEqual(0o600, os.stat(secret).st_mode & 0o777)
        self.mta.stop()
        self.mta.start()
        for name in names:
            self.assertEqual(asked[name], {self.first_answer(name)})

    def test_an_exchange_that_is_given_up_leaves_a_trace_and_counts(self):
        self.begin(lockout="8/day")
        for name, end in (("ann", "*"), ("nobody", "*"), ("else", "no base64!"), ("ann", None)):
            self.first_answer(name, end)
        failed = wait_until(lambda: len(self.mta.events("login_failed")) == 4
                            and self.mta.events("login_failed"), 10, self.mta.tail)
        # Two processes write them, so their order is not that of the sessions.
        self.assertCountEqual(["ann", "nobody", "else", "ann"], [e["account"] for e in failed])
        self.assertEqual({"given up by the client"}, {e["reason"] for e in failed})
        for _ in range(20):
            if self.first_answer("ann") == 454:
                return
        self.fail("never locked out")


if __name__ == "__main__":
    main()
