"""Floods: silent and dribbling clients do not keep an honest one from its 250, and without
descriptors accepting pauses instead of spinning.

`make flood` holds 5,000 silent and 1,000 dribbling connections; here it is a few hundred.
"""

import os
import resource
import select
import socket
import time

from postwain_harness import PostwainTestCase, main
from mail_content import message
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

IDLE = int(os.environ.get("POSTWAIN_FLOOD_IDLE", "300"))
SLOW = int(os.environ.get("POSTWAIN_FLOOD_SLOW", "100"))
HONEST = 20  # messages sent while the flood stands
DRIBBLE = b"EHLO " + b"a" * 200


def ticks(pid):
    """Processor time a process has used, in clock ticks."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def greeted(sockets, timeout=60):
    """Those of the sockets on which something was said; waits until it is all of them."""
    poll = select.poll()
    waiting = {}
    for sock in sockets:
        poll.register(sock, select.POLLIN)
        waiting[sock.fileno()] = sock
    found, end = [], time.monotonic() + timeout
    while waiting and time.monotonic() < end:
        for number, _ in poll.poll(1000):
            poll.unregister(number)
            sock = waiting.pop(number)
            if sock.recv(200, socket.MSG_PEEK).startswith(b"220 "):
                found.append(sock)
    return found


class Flood(PostwainTestCase):
    def connect(self, count, first=0):
        """Connections from as many addresses of 127.0.0.0/8 as the limit per address asks for."""
        sockets = []
        for n in range(first, first + count):
            source = f"127.1.{n // 20 // 250}.{n // 20 % 250 + 1}"
            sock = socket.create_connection(("127.0.0.1", self.mta.port), 60, (source, 0))
            self.addCleanup(sock.close)
            sockets.append(sock)
        return sockets

    def begin(self, wrapper=(), **changes):
        self.sink = self.closing(SmtpSink())
        self.mta = self.prepare({"route": [{"match": "*", "deliver": self.sink.target}],
                                 "limits": {"connections": 4 * (IDLE + SLOW) + 200}, **changes},
                                wrapper=wrapper)
        self.mta.start()

    def test_an_honest_client_among_many(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        needed = IDLE + SLOW + 500
        self.assertTrue(hard == resource.RLIM_INFINITY or hard >= needed, "too few descriptors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
        self.begin()
        idle, slow = self.connect(IDLE), self.connect(SLOW, IDLE)
        self.assertEqual(IDLE + SLOW, len(greeted(idle + slow)))
        pids = self.mta.pids_of("smtpd")
        before = sum(ticks(pid) for pid in pids)
        slowest = 0.0
        for number in range(HONEST):
            for sock in slow:
                sock.sendall(DRIBBLE[number:number + 1])
            began = time.monotonic()
            with SmtpClient(self.mta.port) as client:
                code, text = client.mail("a@b.test", [f"u{number}@far.test"], message("honest"))
                self.assertEqual(250, code, text)
                client.quit()
            slowest = max(slowest, time.monotonic() - began)
        print(f"{IDLE} idle, {SLOW} slow: {HONEST} messages, slowest {slowest * 1000:.0f} ms, "
              f"smtpd used {sum(ticks(pid) for pid in pids) - before} ticks", flush=True)
        self.sink.wait_for(HONEST)
        # The flood still stands: it was among them that the mail went through.
        for sock in idle + slow:
            sock.recv(200)
            sock.setblocking(False)
            with self.assertRaises(BlockingIOError):
                sock.recv(1)
        self.assertEqual(pids, self.mta.pids_of("smtpd"))

    def test_without_descriptors_accepting_pauses(self):
        # Without that capability nobody can raise the limit again, root neither.
        drop = ["setpriv", "--bounding-set", "-sys_resource"] if os.geteuid() == 0 else []
        self.begin(wrapper=[*drop, "prlimit", "--nofile=600:600"], workers={"smtpd": 1})
        [pid] = self.mta.pids_of("smtpd")
        [told] = self.mta.events("descriptors")
        self.assertEqual(("warning", "600"), (told["level"], told["limit"]))
        sockets = self.connect(700)
        served = greeted(sockets, 3)
        self.assertGreater(len(served), 0)
        self.assertLess(len(served), 600)
        before = ticks(pid)
        # Connections wait to be accepted all this time; a loop that spins uses all of it.
        time.sleep(2)
        self.assertLess(ticks(pid) - before, os.sysconf("SC_CLK_TCK") // 2)
        for sock in served:
            sock.close()
        rest = [sock for sock in sockets if sock not in served]
        for sock in rest[:-1]:
            sock.close()
        self.assertEqual(1, len(greeted(rest[-1:], 20)))
        with SmtpClient(self.mta.port) as client:
            self.assertEqual(250, client.mail("a@b.test", ["u@far.test"], message("after"))[0])

    def test_the_descriptor_limit_is_logged(self):
        self.begin()
        wait_until(lambda: self.mta.has_event("descriptors"), 5, "the limit in the log")
        with open(f"/proc/{self.mta.process.pid}/limits", encoding="ascii") as limits:
            [line] = [line for line in limits if line.startswith("Max open files")]
        self.assertEqual(line.split()[3], self.mta.events("descriptors")[0]["limit"])

    def test_a_hundred_thousand_tiny_chunks(self):
        """Each chunk costs an answer, so their number is bounded; others are served meanwhile."""
        self.begin()
        with SmtpClient(self.mta.port) as client:
            self.assertEqual(250, client.command("MAIL FROM:<a@else.test>")[0])
            self.assertEqual(250, client.command("RCPT TO:<b@far.test>")[0])
            client.sock.setblocking(False)
            rest, heard = b"BDAT 1\r\nx" * 100_000, b""
            honest = 0
            while b"\r\n421 " not in heard:
                readable, writable, _ = select.select([client.sock], [client.sock] if rest else [], [],
                                                      30)
                self.assertTrue(readable or writable)
                if writable:
                    try:
                        rest = rest[client.sock.send(rest[:65536]):]
                    except ConnectionError:
                        rest = b""
                if readable:
                    try:
                        data = client.sock.recv(1 << 20)
                    except ConnectionError:
                        data = b""
                    if not data:
                        break
                    heard += data
                if honest < 3:
                    honest += 1
                    with SmtpClient(self.mta.port) as other:
                        self.assertEqual(250, other.mail("a@else.test", [f"h{honest}@far.test"],
                                                         message())[0])
        self.assertEqual(10_000, heard.count(b"250 2.0.0 Ok: 1 octets"))
        self.assertEqual(1, heard.count(b"552 5.3.4 "))
        for n in range(1, honest + 1):
            self.sink.wait_delivered(f"h{n}@far.test")
        self.assertEqual([], self.sink.delivered("b@far.test"))


if __name__ == "__main__":
    main()
