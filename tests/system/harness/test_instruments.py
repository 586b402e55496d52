"""The measuring instruments themselves: servers, ledger and reports must see what is wrong."""

import os
import random
import smtplib
import socket
import struct
import subprocess
import sys
import tomllib
import unittest

from postwain_harness import SOURCE, main
from dns_server import TYPES, DnsServer
from ledger import Ledger, Verdict, digest
from lmtp_store import LmtpStore
from mail_content import Dsn, message, without_received
from mail_session import EXTENSIONS, HANG_UP
from resources import Folder, make_certificate, wait_until
from smtp_raw import SmtpClient, stuffed
from smtp_sink import SmtpSink, server_tls
from toml_text import merged, toml_text


class FolderTestCase(unittest.TestCase):
    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.remove)


class Store(FolderTestCase):
    def store(self, script=None):
        store = LmtpStore(("127.0.0.1", 0), self.folder / "mail", script)
        self.addCleanup(store.stop)
        return store

    def deliver(self, store, recipients, content=b"Subject: x\r\n\r\n.dot\r\n"):
        """(RCPT codes, final codes until the connection ends)."""
        client = SmtpClient(store.server.port, verb="LHLO")
        self.addCleanup(client.close)
        client.command("MAIL FROM:<a@sender.test>")
        codes = [client.command(f"RCPT TO:<{to}>")[0] for to in recipients]
        client.command("DATA")
        client.send(stuffed(content) + b".\r\n")
        finals = []
        try:
            for _ in range(codes.count(250)):
                finals.append(client.reply()[0])
        except EOFError:
            pass
        return codes, finals

    def test_behaviours(self):
        store = self.store({"users": {
            "full@x.test": "over-quota", "none@x.test": "unknown", "no@x.test": "refuse",
            "busy@x.test": {"rcpt": "450 4.2.1 busy"}, "late@x.test": {"delay": 0.2}}})
        codes, finals = self.deliver(store, ["good@x.test", "full@x.test", "none@x.test",
                                             "no@x.test", "busy@x.test", "late@x.test"])
        self.assertEqual([250, 250, 550, 250, 450, 250], codes)
        self.assertEqual([250, 452, 554, 250], finals)
        self.assertEqual([b"Subject: x\r\n\r\n.dot\r\n"], store.maildirs.messages("good@x.test"))
        self.assertEqual([], store.maildirs.messages("full@x.test"))
        self.assertEqual(1, len(store.maildirs.messages("late@x.test")))

    def test_hang_up_after_replies(self):
        store = self.store({"hang_up_after_replies": 2})
        users = ["a@x.test", "b@x.test", "c@x.test"]
        self.assertEqual(([250] * 3, [250] * 2), self.deliver(store, users))
        self.assertEqual([1, 1, 0], [len(store.maildirs.messages(user)) for user in users])

    def test_script_file_is_read_again(self):
        path = self.folder.file("script.json", '{"default": "unknown"}')
        store = self.store(path)
        self.assertEqual([550], self.deliver(store, ["a@x.test"])[0])
        self.folder.file("script.json", "{}")
        self.assertEqual([250], self.deliver(store, ["a@x.test"])[0])

    def test_names_cannot_leave_the_root(self):
        store = self.store()
        self.deliver(store, ['"../../evil/"@x.test'])
        self.assertEqual(["mail"], os.listdir(self.folder.path))

    def test_program(self):
        process = subprocess.Popen(
            [sys.executable, os.path.join(SOURCE, "tests", "store", "lmtp_store.py"), "--listen",
             "unix:" + self.folder / "lmtp", "--root", self.folder / "mail"],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.assertIn("ready", process.stdout.readline())
        with smtplib.LMTP(self.folder / "lmtp") as client:
            client.sendmail("a@sender.test", ["b@x.test"], b"Subject: y\r\n\r\n.\r\nz\r\n")
        self.assertIn("stored for b@x.test", process.stdout.readline())
        process.terminate()
        self.assertEqual(0, process.wait(10))


class Sink(FolderTestCase):
    def test_stuffing_and_violations(self):
        for wire, content, faults in (
                (b".\r\n", b"", 0), (b"..\r\n.\r\n", b".\r\n", 0),
                (b"a\r\n...b\r\n.\r\n", b"a\r\n..b\r\n", 0),
                (b"a\r\n.b\r\n.\r\n", b"a\r\n.b\r\n", 1), (b"a\nb\r\n.\r\n", b"a\nb\r\n", 1),
                (b"a\r\n\n.\n\r\n.\r\n", b"a\r\n\n.\n\r\n", 1)):
            sink = SmtpSink()
            self.addCleanup(sink.stop)
            with self.subTest(wire), SmtpClient(sink.port) as client:
                client.envelope("a@b.test", ["c@d.test"])
                client.command("DATA")
                client.send(wire)
                self.assertEqual(250, client.reply()[0])
                self.assertEqual(content, sink.messages[0].content)
                self.assertEqual(faults, len(sink.violations))

    def test_script(self):
        sink = SmtpSink(script={"rcpt": {"x@y.test": ["450 4.2.1 no"]}, "final": [HANG_UP]})
        self.addCleanup(sink.stop)
        client = SmtpClient(sink.port)
        client.command("MAIL FROM:<a@b.test>")
        self.assertEqual([450, 250], [client.command("RCPT TO:<x@y.test>")[0] for _ in range(2)])
        with self.assertRaises(EOFError):
            client.data(b"x\r\n")
        client.close()
        self.assertEqual([], sink.delivered("x@y.test"))
        with SmtpClient(sink.port) as client:
            self.assertEqual(250, client.mail("a@b.test", ["x@y.test"], b"x\r\n")[0])
        self.assertEqual(1, len(sink.delivered("x@y.test")))

    def test_tls_and_bdat(self):
        sink = SmtpSink(tls=server_tls(*make_certificate(self.folder)),
                        extensions=EXTENSIONS + ("CHUNKING",))
        self.addCleanup(sink.stop)
        with SmtpClient(sink.port) as client:
            client.starttls()
            client.say_hello()
            client.envelope("a@b.test", ["c@d.test"])
            client.send(b"BDAT 3\r\n.\r\nBDAT 2 LAST\r\nxy")
            self.assertEqual([250, 250], [code for code, _ in client.replies(2)])
        self.assertEqual(b".\r\nxy", sink.messages[0].content)
        self.assertTrue(sink.messages[0].tls.startswith("TLS"))


class Dns(unittest.TestCase):
    ZONE = {"a.test": {"MX": [[10, "b.test"]], "A": ["127.0.0.7"]}, "c.test": {"CNAME": "a.test"},
            "e.test": {"rcode": "SERVFAIL"}, "s.test": {"silent": True},
            "t.test": {"A": ["127.0.0.8"], "truncate": True}}

    def setUp(self):
        self.server = DnsServer(self.ZONE)
        self.addCleanup(self.server.stop)

    def query(self, name, kind):
        labels = b"".join(bytes([len(x)]) + x.encode() for x in name.split("."))
        return struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + \
            struct.pack("!HH", TYPES[kind], 1)

    def ask(self, name, kind):
        """(rcode, truncated, answers) by UDP."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.5)
            sock.sendto(self.query(name, kind), ("127.0.0.1", self.server.port))
            reply = sock.recv(4096)
        number, flags, _, answers, _, _ = struct.unpack("!6H", reply[:12])
        self.assertEqual(7, number)
        return flags & 15, bool(flags & 0x200), answers

    def test_answers(self):
        self.assertEqual((0, False, 1), self.ask("a.test", "MX"))
        self.assertEqual((0, False, 1), self.ask("A.Test", "A"))
        self.assertEqual((0, False, 0), self.ask("a.test", "AAAA"))
        self.assertEqual((0, False, 2), self.ask("c.test", "MX"))
        self.assertEqual((3, False, 0), self.ask("none.test", "MX"))
        self.assertEqual((2, False, 0), self.ask("e.test", "MX"))
        self.assertEqual((0, True, 0), self.ask("t.test", "A"))
        with self.assertRaises(TimeoutError):
            self.ask("s.test", "A")

    def test_tcp(self):
        with socket.create_connection(("127.0.0.1", self.server.port), 5) as sock:
            query = self.query("t.test", "A")
            sock.sendall(struct.pack("!H", len(query)) + query)
            reply = sock.recv(4096)
        self.assertIn(socket.inet_aton("127.0.0.8"), reply)


class Judge(FolderTestCase):
    """Negative controls: the ledger's verdict must notice each kind of wrong."""

    def verdict(self, deliveries, code=250, bounced=(), kills=()):
        source, sink = Ledger(self.folder / "a"), Ledger(self.folder / "b")
        self.addCleanup(source.close)
        self.addCleanup(sink.close)
        source.append(what="offered", key="k", to=["x", "y"], hash=digest(b"content"))
        source.append(what="reply", key="k", code=code, text="")
        for to, content in deliveries:
            sink.append(what="delivered", key="k", to=to, hash=digest(content))
        at = sink.entries[0]["at"] if sink.entries else 0
        return Verdict(source, sink, set(bounced), [(at + d, "qmgr", at + d) for d in kills], 1.0)

    def test_all_is_well(self):
        good = self.verdict([("x", b"content")], bounced=[("k", "y")])
        self.assertEqual((2, [], [], [], [], 0, []), (
            good.promised, good.lost, good.both, good.phantoms, good.damaged, good.duplicates,
            good.unexcused))

    def test_each_wrong_is_seen(self):
        good = [("x", b"content"), ("y", b"content")]
        self.assertEqual([("k", "y")], self.verdict(good[:1]).lost)
        self.assertEqual([("k", "x")], self.verdict(good, bounced=[("k", "x")]).both)
        self.assertEqual(2, len(self.verdict(good, code=550).phantoms))
        self.assertEqual(1, len(self.verdict(good + [("z", b"content")]).phantoms))
        self.assertEqual([("k", "y")], self.verdict([good[0], ("y", b"other")]).damaged)
        self.assertEqual(1, len(self.verdict(good + good[:1]).unexcused))
        self.assertEqual(0, len(self.verdict(good + good[:1], kills=[0.5]).unexcused))
        self.assertEqual(1, len(self.verdict(good + good[:1], kills=[5]).unexcused))
        self.assertEqual(1, self.verdict(good + good[:1], kills=[0.5]).duplicates)


class SmallHelpers(unittest.TestCase):
    def test_toml(self):
        values = {"a": 1, "b": "x\"\\ü", "c": ["1", "2"], "d": {"e": True, "f": {"g": 0.5}},
                  "h": [{"i": 1}, {"i": 2, "j": {"k": "l"}}], "m": []}
        self.assertEqual(values, tomllib.loads(toml_text(values)))
        self.assertEqual({"a": {"b": 1, "c": 3}},
                         merged({"a": {"b": 1, "c": 2}, "x": 1}, {"a": {"c": 3}, "x": None}))

    def test_received(self):
        self.assertEqual(b"Subject: x\r\n", without_received(
            b"Received: from a\r\n\tby b;\r\n today\r\nSubject: x\r\n"))
        for content in (message(), b"received: from a\r\n"):
            with self.assertRaises(AssertionError):
                without_received(content)

    def test_dsn_refuses_what_is_none(self):
        with self.assertRaises(AssertionError):
            Dsn(message())

    def test_stuffed(self):
        source = random.Random(1)
        for _ in range(200):
            content = bytes(source.choice(b".\rab") for _ in range(12)).replace(b"\r", b"\r\n")
            content += b"\r\n"
            lines = [b"." + x if x.startswith(b".") else x for x in content.split(b"\r\n")]
            self.assertEqual(b"\r\n".join(lines), stuffed(content))

    def test_wait_until(self):
        self.assertEqual(3, wait_until(lambda: 3, 1, "three"))
        with self.assertRaisesRegex(AssertionError, "never"):
            wait_until(lambda: False, 0.05, "never")


if __name__ == "__main__":
    main()
