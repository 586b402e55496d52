"""The instruments of the cluster tests themselves: the judgement sees each kind of wrong, the ways
to the database cut what they are told to cut, and the second server has what the first one
promised."""

import os
import socket
import threading
import time
import unittest

from postwain_harness import main
import postgres_server
from cluster_harness import bag_of, queue_id_text
from cluster_node import Program
from cluster_verdict import Lapse, Verdict
from database_pair import DatabasePair
from database_proxy import AGAIN, SOCKET, TO_CLIENT, TO_SERVER, DatabaseProxy
from load_ledger import LineFile, key_and_state, read_lines, signed
from mail_content import message
from resources import Folder, wait_until
from smtp_raw import SmtpClient

ID = "0CZW3PQ5G8S1T"


class Judgement(unittest.TestCase):
    """Two recipients, x and y, of one message that was acknowledged."""

    def verdict(self, copies, code=250, **more):
        """copies: (to, at, node) of what came to the sink."""
        source = [["offered", "k", "1", "x,y"],
                  ["reply", "k", "2", str(code), ID if code == 250 else "-",
                   "x,y" if code == 250 else "-"]]
        sink = [["delivered", "k", to, str(at), node, ID, state, "a"]
                for to, at, node, state in (copy if len(copy) == 4 else (*copy, "good")
                                            for copy in copies)]
        sink += [["bounced", "k", to, "3", "a"] for to in more.pop("bounced", ())]
        return Verdict(source, sink, **more)

    def assert_only(self, words, verdict):
        faults = verdict.faults()
        self.assertEqual(1, len(faults), faults)
        self.assertIn(words, faults[0])

    BOTH = [("x", 3, "a"), ("y", 3, "a")]

    def test_all_is_well(self):
        good = self.verdict(self.BOTH)
        self.assertEqual(([], 1, 2, 0), (good.faults(), good.messages, good.promised,
                                         good.second_copies()))
        self.assertEqual([], self.verdict(self.BOTH[:1], bounced=["y"]).faults())
        self.assertEqual([], self.verdict([], waiting={ID}).faults())
        self.assertEqual([], self.verdict([], code=451).faults())
        self.assertEqual([], self.verdict(self.BOTH, code=451).faults())

    def test_a_lost_message_is_seen(self):
        self.assert_only("acknowledged recipients are lost", self.verdict(self.BOTH[:1]))
        self.assert_only("acknowledged recipients are lost",
                         self.verdict(self.BOTH[:1], waiting={"0CZW3PQ5G8S1V"}))
        self.assertEqual([("k", "y")], self.verdict(self.BOTH[:1]).lost)

    def test_a_second_copy_without_a_mark_is_seen(self):
        twice = self.BOTH + [("x", 9, "b")]
        self.assert_only("not marked in doubt", self.verdict(twice))
        self.assert_only("not marked in doubt",
                         self.verdict(twice, is_marked=lambda name, to: (name, to) == (ID, "y")))
        marked = self.verdict(twice, is_marked=lambda name, to: (name, to) == (ID, "x"))
        self.assertEqual(([], 1), (marked.faults(), marked.second_copies()))

    def test_a_copy_of_a_node_without_a_term_is_seen(self):
        lapse = Lapse("a", ended=2.5, begun=5)
        self.assert_only("from a node without a term", self.verdict(self.BOTH, lapses=[lapse]))
        for other in (Lapse("b", 2.5, 5), Lapse("a", 3.5, 5), Lapse("a", 2, 2.9)):
            self.assertEqual([], self.verdict(self.BOTH, lapses=[other]).faults())

    def test_a_copy_at_the_wake_of_a_node_is_counted_apart(self):
        lapse = Lapse("a", ended=1, begun=5, woken=2.9)
        found = self.verdict(self.BOTH, lapses=[lapse])
        self.assertEqual((0, 2), (len(found.late), len(found.at_wake)))
        self.assertEqual([], found.faults(wakes_allowed=1))
        self.assertEqual(1, len(found.faults(wakes_allowed=0)))
        self.assert_only("from a node without a term",
                         self.verdict(self.BOTH, lapses=[Lapse("a", 1, 5, woken=1.5)]))

    def test_each_other_wrong_is_seen(self):
        self.assert_only("a copy and a bounce", self.verdict(self.BOTH, bounced=["y"]))
        self.assert_only("what was not sent", self.verdict([*self.BOTH, ("z", 3, "a")]))
        self.assert_only("what was not sent", self.verdict(self.BOTH, code=550))
        self.assert_only("damaged", self.verdict([self.BOTH[0], ("y", 3, "a", "bad")]))


class Ledgers(unittest.TestCase):
    def test_lines_are_whole(self):
        folder = Folder()
        self.addCleanup(folder.remove)
        path = folder / "ledger"
        lines = LineFile(path)
        lines.line("offered", "k", 1)
        lines.close()
        with open(path, "a", encoding="utf-8") as file:
            file.write("reply k")
        self.assertEqual([["offered", "k", "1"]], list(read_lines(path)))
        self.assertEqual([], list(read_lines(folder / "none")))

    def test_content_proves_itself(self):
        content = signed("key-1", message())
        self.assertEqual(("key-1", "good"), key_and_state(content))
        self.assertEqual(("key-1", "bad"), key_and_state(content + b"x"))
        self.assertEqual(("key-2", "bad"), key_and_state(content.replace(b"key-1", b"key-2", 1)))
        self.assertEqual((None, "bad"), key_and_state(message()))

    def test_ids(self):
        self.assertEqual("0000000000010", queue_id_text(32))
        self.assertEqual("7ZZZZZZZZZZZZ", queue_id_text((1 << 63) - 1))
        self.assertEqual(64, len({bag_of(number) for number in range(1000)}))


class Load(unittest.TestCase):
    """The two programs against each other, without a mail server between them."""

    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.remove)
        self.sink = Program("cluster_sink.py", "--ledger", self.folder / "sink")
        self.addCleanup(self.sink.stop)
        self.ports = self.sink.process.stdout.readline().split()

    def test_the_sink_writes_down_who_brought_what(self):
        content = (b"Received: from c\r\n\tby a.postwain.test (Postwain) with ESMTP\r\n\tid " +
                   ID.encode() + b" for <x@relay.test>;\r\n\ttoday\r\n" + signed("k", message()))
        with SmtpClient(int(self.ports[0]), hello="b.postwain.test") as client:
            self.assertEqual(250, client.mail("s@sender.test", ["x@relay.test"], content)[0])
            self.assertEqual(550, self.rcpt(client, "refused@relay.test"))
        words = list(read_lines(self.folder / "sink"))
        self.assertEqual(1, len(words), words)
        self.assertEqual(["delivered", "k", "x@relay.test", "b", ID, "good", "a"],
                         words[0][:3] + words[0][4:])

    def test_the_sink_keeps_the_slow_ones_waiting(self):
        stages = set()
        for number in range(20):
            with SmtpClient(int(self.ports[0]), hello="b.postwain.test") as client:
                client.envelope("s@sender.test", [f"slow{number}@relay.test"])
                client.sock.settimeout(0.3)
                try:
                    client.data(message())
                    self.fail("no wait")
                except TimeoutError:
                    pass
                stages.add(f"slow{number}@relay.test" in {
                    words[2] for words in read_lines(self.folder / "sink")})
            if len(stages) == 2:
                return
        self.fail(f"one stage only: {stages}")

    def rcpt(self, client, to):
        client.command("MAIL FROM:<s@sender.test>")
        return client.command(f"RCPT TO:<{to}>")[0]

    def test_the_source_goes_on_to_who_takes_mail(self):
        """Nobody listens at the first port."""
        nobody = socket.socket()
        nobody.bind(("127.0.0.1", 0))
        source = Program("cluster_source.py", "--ledger", self.folder / "source", "--ports",
                         f"{nobody.getsockname()[1]},{self.ports[0]}", "--rate", "200",
                         "--connections", "4")
        self.addCleanup(nobody.close)
        self.addCleanup(source.stop)
        wait_until(lambda: len(self.lines("source", "reply")) >= 20, 30, "20 replies")
        source.stop()
        replies = self.lines("source", "reply")
        self.assertEqual(len(self.lines("source", "offered")), len(replies))
        self.assertEqual({"250"}, {words[3] for words in replies})
        taken = {(words[1], to) for words in replies for to in words[5].split(",")}
        delivered = self.lines("sink", "delivered")
        self.assertEqual(taken, {(words[1], words[2]) for words in delivered})
        self.assertEqual({"good"}, {words[6] for words in delivered})

    def lines(self, name, what):
        return [words for words in read_lines(self.folder / name) if words[0] == what]


class Echo:
    """A server at a Unix socket that sends back what it gets."""

    def __init__(self):
        self.folder = Folder()
        self.got = b""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.folder / SOCKET)
        self._listener.listen(8)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            while piece := client.recv(4096):
                self.got += piece
                client.sendall(piece)

    def stop(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.folder.remove()


class Ways(unittest.TestCase):
    def setUp(self):
        self.echo = Echo()
        self.addCleanup(self.echo.stop)
        self.way = DatabaseProxy(self.echo.folder.path)
        self.addCleanup(self.way.stop)

    def connect(self):
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.settimeout(20)
        client.connect(os.path.join(self.way.folder, SOCKET))
        return client

    def is_silent(self, client):
        client.settimeout(0.3)
        try:
            return client.recv(10) is None
        except TimeoutError:
            return True
        finally:
            client.settimeout(20)

    def test_bytes_pass(self):
        client = self.connect()
        client.sendall(b"one")
        self.assertEqual(b"one", client.recv(10))

    def test_what_was_sent_into_silence_comes_late(self):
        client = self.connect()
        client.sendall(b"one")
        self.assertEqual(b"one", client.recv(10))
        self.way.cut()
        client.sendall(b"two")
        late = self.connect()
        late.sendall(b"three")
        self.assertTrue(self.is_silent(client))
        self.assertEqual(b"one", self.echo.got)
        self.way.heal()
        self.assertEqual((b"two", b"three"), (client.recv(10), late.recv(10)))

    def test_one_way(self):
        client = self.connect()
        client.sendall(b"one")
        self.assertEqual(b"one", client.recv(10))
        self.way.cut(ways=(TO_CLIENT,))
        client.sendall(b"two")
        self.assertTrue(self.is_silent(client))
        wait_until(lambda: self.echo.got == b"onetwo", 10, "the server has it")
        self.way.heal()
        self.assertEqual(b"two", client.recv(10))
        self.way.cut(ways=(TO_SERVER,))
        client.sendall(b"four")
        self.assertTrue(self.is_silent(client))
        self.assertEqual(b"onetwo", self.echo.got)

    def test_slow(self):
        client = self.connect()
        self.way.slow(0.1)
        began = time.monotonic()
        client.sendall(b"one")
        self.assertEqual(b"one", client.recv(10))
        self.assertGreaterEqual(time.monotonic() - began, 0.2)
        self.way.slow(0, loss=1)
        began = time.monotonic()
        client.sendall(b"two")
        self.assertEqual(b"two", client.recv(10))
        self.assertGreaterEqual(time.monotonic() - began, 2 * AGAIN)

    def test_refusing(self):
        client = self.connect()
        client.sendall(b"one")
        self.assertEqual(b"one", client.recv(10))
        self.way.cut(silent=False)
        self.assertEqual(b"", client.recv(10))
        self.assertEqual(b"", self.connect().recv(10))
        self.way.heal()
        again = self.connect()
        again.sendall(b"two")
        self.assertEqual(b"two", again.recv(10))

    def test_the_end_of_a_side_is_passed_on(self):
        client = self.connect()
        client.sendall(b"one")
        self.assertEqual(b"one", client.recv(10))
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(b"", client.recv(10))


@unittest.skipIf(postgres_server.programs() is None,
                 "PostgreSQL is neither installed nor unpacked below build/peers")
class Pair(unittest.TestCase):
    def test_the_second_server_has_what_the_first_one_promised(self):
        moves = []
        pair = DatabasePair(moved=lambda place, folder: moves.append((place, folder)))
        self.addCleanup(pair.stop)
        pair.sql("CREATE TABLE kept (n int)")
        pair.add_standby()
        self.assertEqual([(1, pair.standby.folder)], moves)
        pair.sql("INSERT INTO kept VALUES (1)")
        pair.lose_primary()
        pair.promote(strict=False)
        pair.end_old_primary()
        self.assertEqual((1, "1"), (pair.primary_place, pair.sql("SELECT n FROM kept")))
        pair.add_standby()
        self.assertEqual((0, pair.standby.folder), moves[-1])
        pair.sql("INSERT INTO kept VALUES (2)")
        pair.lose_primary()
        pair.promote()
        self.assertEqual("3", pair.sql("SELECT sum(n) FROM kept"))
        self.assertEqual(2, pair.failovers)

    def test_a_commit_waits_for_the_second_server(self):
        pair = DatabasePair()
        self.addCleanup(pair.stop)
        pair.sql("CREATE TABLE kept (n int)")
        pair.add_standby()
        pair.standby.pause()
        sender = threading.Thread(target=pair.sql, args=("INSERT INTO kept VALUES (1)",))
        sender.start()
        sender.join(1)
        self.assertTrue(sender.is_alive())
        pair.standby.resume()
        sender.join(20)
        self.assertFalse(sender.is_alive())


if __name__ == "__main__":
    main()
