"""What one ordinary user of the machine can take from qmgr (S3)."""

import os
import time
import unittest

from ipc_peer import Peer, arrival, envelope, frame, id_now, submit, text, u32, u64
from postwain_harness import PostwainTestCase, main
from resources import wait_until
from smtp_raw import SmtpClient
from mail_content import message

ROOT = os.geteuid() == 0
USER = 4242


def as_user(work):
    """Runs it as an ordinary user in a process of its own, which stays until it is killed: its pid, and
    what it returned."""
    readable, writable = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(USER)
            os.setuid(USER)
            kept = work()
            os.write(writable, str(kept[0]).encode())
            time.sleep(600)
        except BaseException as error:  # pylint: disable=broad-except
            os.write(writable, repr(error).encode())
        os._exit(0)
    said = os.read(readable, 300).decode()
    os.close(readable)
    os.close(writable)
    return pid, said


@unittest.skipUnless(ROOT, "only root becomes other users")
class LocalFloods(PostwainTestCase):
    def begin(self):
        self.mta = self.start({"route": [{"match": "*", "deliver": "smtp:127.0.0.1:9"}],
                               "queue": {"retry": ["1h"]}})
        os.chmod(self.mta.folder / "", 0o755)
        self.path = str(self.mta.folder / "run/qmgr.sock")

    def attack(self, work):
        pid, said = as_user(work)

        def end():
            os.kill(pid, 9)
            os.waitpid(pid, 0)
        self.addCleanup(end)
        return said

    def test_s3_connections(self):
        self.begin()

        def connect():
            peers = []
            for _ in range(300):
                peers.append(Peer(self.path, "sendmail", greet=False))
            alive = 0
            for peer in peers:
                peer.socket.settimeout(0.05)
                try:
                    alive += peer.socket.recv(1) != b""
                except TimeoutError:
                    alive += 1
                except OSError:
                    pass
            return alive, peers
        self.assertLessEqual(int(self.attack(connect)), 50)
        self.assertEqual(0, self.mta.cli("status").returncode)
        wait_until(lambda: any("hello" in e["reason"] for e in self.mta.events("peer_refused")), 60,
                   lambda: self.mta.tail())

    def test_s3_open_transactions(self):
        self.begin()

        def open_many():
            peer = Peer(self.path, "sendmail")
            peer.wait("welcome")
            sent = 0
            try:
                for sent in range(200):
                    peer.send(frame("submit_open", u64(id_now(77, sent)) + envelope("a@b.test", ["v@x.test"]) + arrival()))
                    time.sleep(0.005)
            except OSError:
                pass
            return sent, peer
        self.assertLess(int(self.attack(open_many)), 199)
        self.assertEqual(0, self.mta.cli("status").returncode)
        with SmtpClient(self.mta.port) as client:
            self.assertEqual(250, client.mail("a@b.test", ["c@d.test"], message(body=b"y\r\n" * 60000))[0])

    def test_s3_submissions_without_end(self):
        """Nobody reads the answers: what qmgr keeps for it stays small."""
        self.begin()
        qmgr = self.mta.pids_of("qmgr")[0]

        def memory():
            with open(f"/proc/{qmgr}/status", encoding="utf-8") as status:
                return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmRSS"))
        before = memory()

        def submit():
            peer = Peer(self.path, "sendmail")
            peer.wait("welcome")
            content = b"Subject: x\r\n\r\n" + b"x" * 60000 + b"\r\n"
            until = time.time() + 5
            sent = 0
            peer.socket.settimeout(1)
            try:
                while time.time() < until:
                    peer.send(submit(id_now(78, sent % 4096), envelope("a@b.test", ["v@x.test"]), arrival(), content))
                    sent += 1
            except OSError:
                pass
            return sent, peer
        self.attack(submit)
        self.assertLess(memory() - before, 150)
        self.assertEqual(0, self.mta.cli("status").returncode)

    def test_s3_a_list_that_lies(self):
        self.begin()
        qmgr = self.mta.pids_of("qmgr")[0]

        def lie():
            peer = Peer(self.path, "sendmail")
            peer.wait("welcome")
            size = (8 << 20) - 200
            body = u64(1 << 40) + u32(0) + text(b"") + bytes(5) + text(b"")
            peer.send(frame("submit", body + u32(size - 300) + bytes(size - 100)))
            try:
                while True:
                    peer.read()
            except EOFError:
                return "closed", peer
        self.assertEqual("closed", self.attack(lie))
        with open(f"/proc/{qmgr}/status", encoding="utf-8") as status:
            peak = next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM"))
        self.assertLess(peak, 200)


if __name__ == "__main__":
    main()
