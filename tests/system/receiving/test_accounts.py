"""Rates of accounts and clients, certificates by name, by file change and of clients, and sessions
that go on through a reload."""

import hashlib
import os
import socket
import ssl
import subprocess

from auth_client import b64, login
from mail_content import message
from postwain_harness import Postwain, PostwainTestCase, main
from resources import make_certificate, reserve_port, wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

STRANGER = "127.0.0.2"


def fingerprint(certificate):
    with open(certificate) as file:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(file.read())).hexdigest()


def shown_certificate(port, name):
    """The fingerprint of what a client that asks for `name` gets (STARTTLS)."""
    context = ssl._create_unverified_context()
    with SmtpClient(port) as client:
        client.command("STARTTLS")
        client.sock = context.wrap_socket(client.sock, server_hostname=name)
        return hashlib.sha256(client.sock.getpeercert(binary_form=True)).hexdigest()


def session(port, source=STRANGER, certificate=None):
    client = SmtpClient(port, source=source)
    client.command("STARTTLS")
    context = ssl._create_unverified_context()
    if certificate:
        context.load_cert_chain(*certificate)
    client.sock = context.wrap_socket(client.sock)
    client.say_hello()
    return client


class Accounts(PostwainTestCase):
    @classmethod
    def setUpClass(cls):
        cls.outside = SmtpSink()
        cls.mta = Postwain({"access": {"trusted_networks": []}, "workers": {"smtpd": 2},
                            "domain": [{"name": "here.test"}],
                            "route": [{"match": "*", "deliver": cls.outside.target}]},
                           label=cls.__qualname__)
        for end in (cls.outside.stop, cls.mta.close):
            cls.addClassCleanup(end)
        folder = cls.mta.folder
        cls.pair = make_certificate(folder)
        cls.second = make_certificate(folder, "second.test")
        cls.wildcard = make_certificate(folder, "*.wild.test")
        cls.printer = make_certificate(folder, "printer")
        cls.relay = make_certificate(folder, "relay")
        cls.unknown = make_certificate(folder, "unknown")
        users = folder.file("users", "".join(f"{name}:{{PLAIN}}secret\n" for name in
                                             ("ann", "bulk", "strict", "calm")))
        cls.mta.reconfigure({
            "tls": {"certificate": cls.pair[0], "key": cls.pair[1],
                    "pair": [{"certificate": c, "key": k} for c, k in (cls.second, cls.wildcard)]},
            "access": {"trusted_certificates": [fingerprint(cls.relay[0])]},
            "auth": {"users_file": users, "message_rate": "3/day",
                     "account": [{"name": "bulk", "message_rate": "none",
                                  "recipient_rate": "5/day"},
                                 {"name": "strict", "over_rate": "refuse"}],
                     "certificate": [{"fingerprint": fingerprint(cls.printer[0]),
                                      "account": "printer"}]},
            "listener": [{"address": f"127.0.0.1:{cls.mta.port}", "auth": True}]})
        cls.mta.start()

    def client(self, certificate=None):
        client = session(self.mta.port, certificate=certificate)
        self.addCleanup(client.close)
        return client

    def send(self, account, count, recipients=("far@away.test",)):
        """Each from a session of its own, so that both smtpd get some; the replies' codes and ids."""
        replies = []
        for _ in range(count):
            client = self.client()
            login(client, account, "secret")
            replies.append(client.mail(f"{account}@x.test", list(recipients), message("rates")))
        return [code for code, _ in replies], [text.split()[-1] for _, text in replies]

    def held(self, account):
        return [r for r in self.mta.queue("--state", "held") if r["sender"].startswith(account)]

    def test_a_flood_is_held_and_can_be_released(self):
        codes, ids = self.send("ann", 6)
        self.assertEqual([250] * 6, codes)
        rows = self.held("ann")
        self.assertEqual(sorted(ids[3:]), sorted(r["id"] for r in rows), rows)
        self.assertIn("held for review: the account sends more than 3 messages in 1d",
                      self.mta.cli("queue", "list", "--state", "held").stdout)
        line, = [e for e in self.mta.events("account_over_rate") if e["account"] == "ann"]
        self.assertRegex(line["config"], r"postwain\.toml:\d+")
        for one in ids[:3]:
            wait_until(lambda: self.has_left(one), 20, one)
        self.assertFalse(any(self.has_left(one) for one in ids[3:]))
        self.assertEqual(0, self.mta.cli("queue", "release", ids[3]).returncode)
        wait_until(lambda: self.has_left(ids[3]), 20, "the released one")
        trace = wait_until(lambda: self.full_trace(ids[3]), 10, "its history")
        self.assertLess(trace.index("held for review"), trace.index("released"))

    def has_left(self, one):
        return any(one.encode() in m.content for m in self.outside.delivered("far@away.test"))

    def full_trace(self, one):
        text = self.mta.cli("trace", one).stdout
        return text if "delivered" in text else None

    def test_an_account_of_its_own_rate(self):
        codes, ids = self.send("bulk", 5)
        self.assertEqual(([250] * 5, []), (codes, self.held("bulk")))
        self.send("bulk", 1)
        self.assertEqual(1, len(self.held("bulk")))

    def test_refused_beyond_the_rate(self):
        codes, _ = self.send("strict", 5)
        self.assertEqual([250] * 3 + [450] * 2, codes)
        self.assertEqual([], self.held("strict"))

    def test_certificates_by_name(self):
        for name, pair in (("second.test", self.second), ("SECOND.test", self.second),
                           ("mx.wild.test", self.wildcard), ("a.b.wild.test", self.pair),
                           ("localhost", self.pair), ("nobody.test", self.pair)):
            with self.subTest(name):
                self.assertEqual(fingerprint(pair[0]), shown_certificate(self.mta.port, name))

    def test_external(self):
        client = self.client(self.printer)
        self.assertTrue(any(e.startswith("AUTH") and "EXTERNAL" in e for e in client.extensions))
        self.assertEqual(535, client.command("AUTH EXTERNAL " + b64("ann"))[0])
        self.assertEqual((334, ""), client.command("AUTH EXTERNAL"))
        self.assertEqual(501, client.command("*")[0])
        self.assertEqual(235, client.command("AUTH EXTERNAL =")[0])
        self.assertEqual(503, client.command("AUTH EXTERNAL =")[0])
        self.assertEqual(250, client.mail("p@x.test", ["far@away.test"], message("scan"))[0])
        for other in (None, self.unknown):
            client = self.client(other)
            self.assertFalse(any("EXTERNAL" in e for e in client.extensions))
            self.assertEqual(504, client.command("AUTH EXTERNAL =")[0])

    def test_a_certificate_that_may_relay(self):
        for certificate, code in ((self.relay, 250), (self.unknown, 550), (None, 550)):
            client = self.client(certificate)
            client.command("MAIL FROM:<>")
            self.assertEqual(code, client.command("RCPT TO:<far@away.test>")[0])

    def test_openssl_s_client(self):
        for version, good in (("-tls1_2", True), ("-tls1_3", True), ("-tls1_1", False)):
            with self.subTest(version):
                done = subprocess.run(
                    ["openssl", "s_client", "-starttls", "smtp", "-connect",
                     f"127.0.0.1:{self.mta.port}", version], input="QUIT\r\n",
                    capture_output=True, text=True, timeout=20, check=False)
                self.assertEqual(good, "Cipher is (NONE)" not in done.stdout, done.stdout)


class TwoKinds(PostwainTestCase):
    def test_rsa_beside_ecdsa(self):
        mta = Postwain({"domain": [{"name": "here.test"}]}, label=self.id())
        self.addCleanup(mta.close)
        certificate, key = make_certificate(mta.folder)
        rsa, rsa_key = mta.folder / "rsa.pem", mta.folder / "rsa.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                        "-keyout", rsa_key, "-out", rsa], check=True, capture_output=True)
        mta.reconfigure({"tls": {"certificate": certificate, "key": key,
                                 "pair": [{"certificate": rsa, "key": rsa_key}]}})
        mta.start()
        for algorithms, kind in (("RSA-PSS+SHA256", "rsaEncryption"), ("ECDSA+SHA256", "id-ecPublicKey")):
            for name in (["-servername", "localhost"], ["-noservername"]):
                with self.subTest(algorithms, name=name):
                    shown = subprocess.run(
                        ["openssl", "s_client", "-starttls", "smtp", "-sigalgs", algorithms, *name,
                         "-connect", f"127.0.0.1:{mta.port}"], input="QUIT\r\n",
                        capture_output=True, text=True, timeout=20, check=False)
                    text = subprocess.run(["openssl", "x509", "-noout", "-text"], check=True,
                                          input=shown.stdout, capture_output=True, text=True)
                    self.assertRegex(text.stdout, f"Public Key Algorithm: {kind}")


class Changes(PostwainTestCase):
    """What changes while it runs."""

    def setUp(self):
        self.mta = Postwain({"domain": [{"name": "here.test"}]}, label=self.id())
        self.addCleanup(self.mta.close)
        self.certificate, self.key = make_certificate(self.mta.folder)
        self.mta.reconfigure({"workers": {"smtpd": 1},
                              "tls": {"certificate": self.certificate, "key": self.key}})
        self.mta.start()

    def smtpds(self):
        """How many there are, with those that only finish their sessions."""
        return sum(p["name"] == "smtpd[0]" for p in self.mta.status()["processes"])

    def test_changed_files_are_picked_up_and_sessions_go_on(self):
        certificate, key = make_certificate(self.mta.folder, "renewed")
        before, after = fingerprint(self.certificate), fingerprint(certificate)
        idle = SmtpClient(self.mta.port)
        busy = SmtpClient(self.mta.port)
        busy.envelope("a@x.test", ["b@here.test"])
        os.replace(certificate, self.certificate)
        wait_until(lambda: self.mta.events("certificate_not_usable"), 20, "a half of a pair noticed")
        self.assertEqual(before, shown_certificate(self.mta.port, "localhost"))
        os.replace(key, self.key)
        wait_until(lambda: self.mta.events("certificate_changed"), 20, "the change noticed")
        wait_until(lambda: shown_certificate(self.mta.port, "localhost") == after, 20, "the new one")
        self.assertEqual(250, busy.data(message("went on"))[0])
        for client in (idle, busy):
            self.assertEqual(250, client.command("NOOP")[0])
            self.assertEqual(221, client.quit()[0])
        wait_until(lambda: self.smtpds() == 1, 20, "the old smtpd to end")

    def test_a_reload_loses_no_session(self):
        client = SmtpClient(self.mta.port)
        client.envelope("a@x.test", ["b@here.test"])
        self.assertEqual(0, self.mta.cli("reload").returncode)
        wait_until(lambda: self.smtpds() == 2, 20, "the second smtpd")
        code, text = client.data(message("across the reload"))
        self.assertEqual(250, code, text)
        self.assertEqual(250, client.mail("a@x.test", ["b@here.test"], message("one more"))[0])
        client.quit()
        wait_until(lambda: self.smtpds() == 1, 20, "the old smtpd to end")

    def test_an_end_reaches_the_retired(self):
        client = SmtpClient(self.mta.port)
        self.mta.cli("reload")
        wait_until(lambda: self.smtpds() == 2, 20, "the second smtpd")
        self.mta.process.terminate()
        self.assertEqual(421, client.reply()[0])
        self.mta.wait_stopped()


class Clients(PostwainTestCase):
    def test_rates_of_a_client_network(self):
        mta = Postwain({"access": {"trusted_networks": ["127.0.0.1"]}, "workers": {"smtpd": 1},
                        "domain": [{"name": "here.test"}],
                        "limits": {"client_messages": "3/day", "client_recipients": "4/day",
                                   "client_connections": "5/day", "client_ipv4_prefix": 24}},
                       label=self.id())
        self.addCleanup(mta.close)
        mta.start()
        for _ in range(12):  # trusted
            with SmtpClient(mta.port) as client:
                self.assertEqual(250, client.command("MAIL FROM:<>")[0])
        client = SmtpClient(mta.port, source="127.9.9.1")
        client.command("MAIL FROM:<>")
        self.assertEqual([250] * 4 + [450], [client.command(f"RCPT TO:<u{i}@here.test>")[0]
                                             for i in range(5)])
        client.command("RSET")
        with SmtpClient(mta.port, source="127.9.9.2") as other:
            replies = [other.command("MAIL FROM:<>")]
            other.command("RSET")
            replies += [other.command("MAIL FROM:<>")]
            other.command("RSET")
            replies += [other.command("MAIL FROM:<>")]
            self.assertEqual([250, 250, 450], [code for code, _ in replies])
            self.assertIn("4.7.0 Too many messages from your network", replies[-1][1])
        for _ in range(3):
            SmtpClient(mta.port, source="127.9.9.3").close()
        with socket.create_connection(("127.0.0.1", mta.port), 10, ("127.9.9.4", 0)) as sock:
            self.assertIn(b"421 4.7.0 Too many connections from your network", sock.recv(500))
        SmtpClient(mta.port, source="127.9.8.1").close()


if __name__ == "__main__":
    main()
