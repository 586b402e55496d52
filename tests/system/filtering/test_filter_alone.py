"""The process filter by itself, confined as always: a test plays qmgr, smtpd and the milters."""

import array
import os
import socket
import struct
import subprocess
import threading

from postwain_harness import BIN, PostwainTestCase, main
from ipc_peer import Peer, frame, text, u8, u16, u32, u64
from milter_server import MilterServer, packet, texts
from resources import wait_until
from toml_text import toml_text

CONNECT, HELO, MAIL, RCPT, DATA, UNKNOWN, END_OF_HEADER, END_OF_MESSAGE = range(8)
VERDICTS = ["accept", "refuse", "defer", "discard", "hang_up"]
SESSION = u64(1)
LISTENER = "127.0.0.1:2525"
BODY = b"".join(b"line %d of a body\r\n" % i for i in range(100_000))  # larger than what stays in memory


class Smtpd(Peer):
    """The other end of the link."""

    def __init__(self, end):
        self.socket = end
        self.socket.settimeout(20)
        self.rest = b""
        self.number = 0
        self.new_body = b""
        self.open_octets = 0

    def greet(self):
        self.send(frame("filter_session", SESSION + text(LISTENER) + u8(0) + u8(1) + text("[192.0.2.1]") +
                        text("192.0.2.1") + u16(4000)))
        return [self.ask(CONNECT), self.ask(HELO, "client.example")]

    def tell(self, stage, words="", awaited=True, macros=()):
        self.number += 1
        named = b"".join(text(name) + text(value) for name, value in macros)
        self.send(frame("filter_event", SESSION + u32(self.number) + u8(stage) + u8(awaited) + 3 * u8(0) +
                        text(words) + u32(0) + u32(len(macros)) + named + u64(0)))

    def ask(self, stage, words=""):
        self.tell(stage, words)
        payload = self.wait("filter_answer")
        assert struct.unpack("<I", payload[8:12])[0] == self.number
        return VERDICTS[payload[12]]

    def message(self, body):
        said = [self.ask(MAIL, "<a@example.org>"), self.ask(RCPT, "<b@example.net>"), self.ask(DATA)]
        if set(said) != {"accept"}:
            return said
        self.send(frame("filter_header", SESSION + u32(0) + text("Subject: one\r\n")))
        self.tell(END_OF_HEADER, awaited=False)
        for at in range(0, len(body), 65536):
            while self.open_octets + 65536 > 262144:
                self.take(*self.read())
            self.send(frame("filter_body", SESSION + text(body[at:at + 65536])))
            self.open_octets += len(body[at:at + 65536])
        self.tell(END_OF_MESSAGE, awaited=False)
        while True:
            name, payload = self.read()
            if name == "filter_result":
                return VERDICTS[payload[12]]
            self.take(name, payload)

    def take(self, name, payload):
        if name == "filter_window":
            self.open_octets -= struct.unpack("<I", payload[8:12])[0]
        if name == "filter_body_piece":
            self.new_body += payload[12:]
            self.send(frame("filter_window", SESSION + u32(len(payload) - 12)))


class FilterAlone(PostwainTestCase):
    def begin(self, *filters):
        """The process with these filters, and the smtpd's end of a link."""
        instance = self.prepare()  # a folder, and a configuration
        run = instance.folder / "run"
        os.makedirs(run)
        listener = self.listening(run)
        config = {**instance.config, "filter": list(filters), "listener": [{"address": LISTENER}]}
        instance.folder.file("filter.toml", toml_text(config))
        process = subprocess.Popen([os.path.join(BIN, "filter"), "--config", instance.folder / "filter.toml"],
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.lines = []
        reader = threading.Thread(target=lambda: self.lines.extend(process.stderr), daemon=True)
        reader.start()
        self.addCleanup(self.end, process, reader)
        connection, _ = listener.accept()
        self.addCleanup(connection.close)
        qmgr = Peer.__new__(Peer)
        qmgr.socket, qmgr.rest = connection, b""
        hello = qmgr.wait("hello")
        qmgr.send(frame("welcome", hello[:2] + u16(1)))
        ours, its = socket.socketpair()
        with its:
            info = os.fstat(its.fileno())
            link = frame("peer_link", text("smtpd[0]") + u8(0) + u64(info.st_dev) + u64(info.st_ino))
            connection.sendmsg([link], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [its.fileno()]))])
        self.addCleanup(ours.close)
        return Smtpd(ours)

    def listening(self, run):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(listener.close)
        listener.settimeout(20)
        listener.bind(os.path.join(run, "qmgr.sock"))
        listener.listen()
        return listener

    def end(self, process, reader):
        process.terminate()
        self.assertEqual(0, process.wait(20))
        reader.join(20)
        process.stderr.close()
        missing = [line for line in self.lines if b"no_scratch_file" in line or b"not_confined" in line]
        self.assertEqual([], missing)

    def milter(self, script=None):
        return self.closing(MilterServer(script))

    def test_two_filters_and_a_large_body(self):
        def replaces(command, data):
            if command != "E":
                return packet("c")
            return (packet("h", texts("X-Seen", "yes")) +
                    b"".join(packet("b", BODY[at:at + 60_000]) for at in range(0, len(BODY), 60_000)) + packet("a"))
        first, second = self.milter(replaces), self.milter()
        rights = ["headers", "body"]
        smtpd = self.begin({"name": "first", "socket": first.address, "may": rights},
                           {"name": "second", "socket": second.address.replace("127.0.0.1", "localhost")})
        self.assertEqual(["accept", "accept"], smtpd.greet())
        self.assertEqual("accept", smtpd.message(b"hello\r\n"))
        self.assertEqual([b"hello\r\n"], first.data_of("B"))
        self.assertEqual(BODY, b"".join(second.data_of("B")))
        self.assertEqual(BODY, smtpd.new_body)
        self.assertIn(texts("X-Seen", "yes"), second.data_of("L"))
        self.assertEqual("accept", smtpd.message(BODY))
        self.assertEqual(BODY, b"".join(first.data_of("B")[1:]))

    def test_a_dead_and_a_silent_filter(self):
        silent = self.milter(lambda command, data: None if command == "R" else packet("c"))
        smtpd = self.begin({"name": "dead", "socket": "127.0.0.1:9", "on_failure": "accept"},
                           {"name": "silent", "socket": silent.address,
                            "timeout": {"connect": "1s", "reply": "500ms"}})
        smtpd.greet()
        self.assertEqual(["accept", "defer", "defer"], smtpd.message(b"hello\r\n"))
        silent.script = lambda command, data: packet("c")
        self.assertEqual("accept", smtpd.message(b"hello\r\n"))
        wait_until(lambda: any(b"filter_failed" in line and b"kind=late" in line for line in self.lines), 20, str)


if __name__ == "__main__":
    main()
