"""What a hostile peer of qmgr's socket gets: an ordinary user of the machine, and a delivery client that was taken over."""

import json
import os
import socket
import subprocess
import time
import unittest

import ipc_peer
from ipc_peer import AsUser, Peer, arrival, envelope, frame, id_now, id_number, late_outcomes, outcome, submit, text, u64
from postwain_harness import PostwainTestCase, main
from resources import wait_until
from smtp_sink import SmtpSink

STRANGER = 12345
SMTP_CLIENT_UID = 61903
ROOT = os.geteuid() == 0
SMALL = b"Subject: x\r\n\r\nhi\r\n"


class Gate(PostwainTestCase):
    def begin(self, **changes):
        mta = self.start(changes)
        os.chmod(mta.folder / "", 0o755)
        return mta

    def peer(self, mta, role="sendmail", uid=STRANGER):
        with AsUser(uid):
            peer = Peer(mta.folder / "run/qmgr.sock", role)
        self.addCleanup(peer.close)
        peer.wait("welcome")
        return peer

    def nowhere(self):
        """A route to where nobody listens."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return {"route": [{"match": "*", "deliver": f"smtp:127.0.0.1:{probe.getsockname()[1]}"}]}

    def listed(self, mta):
        return [json.loads(line) for line in mta.cli("queue", "list", "--json").stdout.splitlines()]

    def test_S1_an_address_with_NUL_is_refused_and_qmgr_lives(self):
        mta = self.begin()
        pid = mta.pids_of("qmgr")
        peer = self.peer(mta)
        peer.send(submit(id_now(), envelope("a@b.test", [b"a\0@\0" + b"x" * 5_000_000]), arrival(), SMALL))
        self.assertEqual(553, peer.result()[0])
        for bad in [("v@x.test", 200, b""), ("v@x.test", 0, b"rfc822;a\r\nb"), ("v@x.test> NOTIFY=NEVER", 0, b"")]:
            peer.send(submit(id_now(), envelope("a@b.test", [bad]), arrival(), SMALL))
            self.assertIn(peer.result()[0], (501, 553), bad)
        self.assertEqual(pid, mta.pids_of("qmgr"))
        self.assertEqual([], self.listed(mta))
        self.assertTrue(mta.events("not_let_in"))

    def test_S2_ids_and_times_are_qmgrs(self):
        mta = self.begin(**self.nowhere())
        peer = self.peer(mta)
        for number, at_ms in [(2**63 - 1, 2**63 - 1), (1, 0), (2**63, -2**63), (id_now(), 253402300800000)]:
            peer.send(submit(number, envelope("a@b.test", ["v@x.test"]), arrival(at_ms=at_ms), SMALL))
            code, words = peer.result()
            self.assertEqual(250, code, words)
        now = time.time()
        listed = self.listed(mta)
        self.assertEqual(4, len(listed))
        for one in listed:
            made = ((id_number(one["id"]) >> 22) + ipc_peer.EPOCH_MS) / 1000
            self.assertLess(abs(made - now), 300)
        self.assertEqual(4, len({one["id"] for one in listed}))
        cancelled = mta.cli("queue", "cancel", "--all")
        self.assertEqual(0, cancelled.returncode, cancelled.stderr)
        self.assertEqual([], self.listed(mta))

    @unittest.skipUnless(ROOT, "needs other users")
    def test_S12_account_and_origin_are_the_kernels_and_content_leaves_clean(self):
        sink = self.closing(SmtpSink())
        mta = self.begin(route=[{"match": "*", "deliver": sink.target}])
        peer = self.peer(mta)
        smuggling = b"Subject: x\r\n\r\nhello\n.\nMAIL FROM:<boss@victim.test>\r\n"
        peer.send(submit(id_now(), envelope("a@b.test", ["v@x.test"]), arrival(), smuggling))
        self.assertEqual(550, peer.result()[0])
        # The same in pieces, cut within the pair that is none.
        peer.send(frame("submit_open", u64(7) + envelope("a@b.test", ["v@x.test"]) + arrival()))
        for piece in (b"Subject: x\r\n\r\nhello\r", b"x\r\n"):
            peer.send(frame("submit_chunk", u64(7) + text(piece)))
        size = len(b"Subject: x\r\n\r\nhello\rx\r\n")
        peer.send(frame("submit_end", u64(7) + ipc_peer.u32(0) + ipc_peer.u8(0) + u64(size)))
        self.assertEqual(550, peer.result()[0])
        peer.send(submit(id_now(), envelope("a@b.test", ["v@x.test"]),
                         arrival(b"ESMTPSA", b"198.51.100.7", b"boss-laptop", b"boss"), SMALL))
        code, words = peer.result()
        self.assertEqual(250, code, words)
        sink.wait_for(1)
        self.assertIn(b"(Postwain, from uid %d)" % STRANGER, sink.messages[0].content)
        self.assertNotIn(b"boss", sink.messages[0].content)
        wait_until(lambda: any(f"uid={STRANGER}" in line for line in mta.log if " queued " in line),
                   20, mta.tail)
        wait_until(lambda: "delivered" in mta.cli("trace", "v@x.test", "--json").stdout, 20, mta.tail)
        traced = json.loads(mta.cli("trace", "v@x.test", "--json").stdout.splitlines()[0])
        self.assertEqual((f"uid {STRANGER}", "local", "", STRANGER),
                         (traced["account"], traced["protocol"], traced["client_address"], traced["uid"]))

    @unittest.skipUnless(ROOT, "needs other users")
    def test_S5_late_outcomes_are_believed_for_what_was_lent(self):
        mta = self.begin(queue={"retry": ["1h"], "retry_lmtp": ["1h"]}, **self.nowhere())
        sender = self.peer(mta)
        for to in ("held@a.test", "third@c.test"):
            sender.send(submit(id_now(), envelope("boss@sender.test", [to]), arrival(), SMALL))
            self.assertEqual(250, sender.result()[0])
        wait_until(lambda: all(r["attempts"] > 0 for m in self.listed(mta) for r in m["recipients"]), 30, mta.tail)
        ids = [m["id"] for m in self.listed(mta)]
        evil = self.peer(mta, "smtp_client", mta_uid(mta, "smtp-client"))
        evil.send(late_outcomes(id_number(ids[0]), [(0, outcome(0))]))
        evil.send(late_outcomes(id_number(ids[1]), [(0, outcome(2, ipc_peer.reply(550, (5, 1, 1), b"FORGED")))]))
        evil.send(late_outcomes(id_number(ids[1]), [], [0]))
        wait_until(lambda: len(mta.events("late_outcomes")) == 3, 20, mta.tail)
        self.assertEqual(ids, [m["id"] for m in self.listed(mta)])
        self.assertTrue(all("believed=0" in line for line in mta.log if " late_outcomes " in line))
        # Nor is it kept from being tried.
        before = self.listed(mta)[1]["recipients"][0]["attempts"]
        mta.cli("queue", "retry", "--id", ids[1])
        wait_until(lambda: self.listed(mta)[1]["recipients"][0]["attempts"] > before, 30, mta.tail)

    def test_S18_a_message_under_way_is_its_writers_alone(self):
        sink = self.closing(SmtpSink())
        mta = self.begin(route=[{"match": "*", "deliver": sink.target}])
        with socket.create_connection(("127.0.0.1", mta.port), 20) as client:
            lines = client.makefile("rb")

            def say(line):
                client.sendall(line + b"\r\n")
                while True:
                    got = lines.readline()
                    if got[3:4] != b"-":
                        return got
            lines.readline()
            say(b"EHLO bank.test")
            say(b"MAIL FROM:<bank@bank.test>")
            say(b"RCPT TO:<boss@own.test>")
            began = time.time()
            say(b"DATA")
            row = b"true content " * 5 + b"\r\n"
            client.sendall(b"Subject: statement\r\n\r\n" + row * 10000)
            content = mta.folder / "spool/content"
            time.sleep(1)
            peer = self.peer(mta)
            for ms in range(int((began - 0.2) * 1000), int((began + 0.1) * 1000)):
                for worker in range(1, 12):
                    number = (ms - ipc_peer.EPOCH_MS) << 22 | worker << 12
                    peer.send(frame("submit_open", u64(number) + envelope("a@b.test", ["v@x.test"]) + arrival()))
                    peer.send(frame("submit_chunk", u64(number) + text(b"forged " * 9)))
                    peer.send(frame("submit_abort", u64(number)))
            client.sendall(row * 10000 + b".\r\n")
            self.assertTrue(lines.readline().startswith(b"250"))
        sink.wait_for(1)
        self.assertEqual(row * 20000, sink.messages[0].content.partition(b"\r\n\r\n")[2])
        self.assertNotIn(b"forged", sink.messages[0].content)
        peer.close()
        wait_until(lambda: not os.listdir(content), 20, mta.tail)

    @unittest.skipUnless(ROOT, "mounts a small disk")
    def test_S4_a_full_disk_refuses_local_users_too(self):
        mta = self.prepare(self.nowhere())
        spool = mta.folder / "spool"
        os.makedirs(spool, exist_ok=True)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m,mode=0755", "tmpfs", spool], check=False).returncode:
            self.skipTest("cannot mount")
        self.addCleanup(subprocess.run, ["umount", "-l", spool], check=False)
        mta.start()
        os.chmod(mta.folder / "", 0o755)
        peer = self.peer(mta)
        letter = b"Subject: x\r\n\r\n" + b"x" * 60000 + b"\r\n"
        code = 250
        for number in range(900):
            peer.send(submit(id_now(counter=number), envelope("a@b.test", ["v@x.test"]), arrival(), letter))
            code = peer.result()[0]
            if code != 250:
                break
        self.assertIn(code, (451, 452))
        wait_until(lambda: mta.has_event("admission"), 20, mta.tail)
        free = os.statvfs(spool)
        self.assertGreater(free.f_bavail * free.f_frsize, 1 << 20)
        # In pieces as well; and the ordinary command says so before it has read anything.
        peer.send(frame("submit_open", u64(9) + envelope("a@b.test", ["v@x.test"]) + arrival()))
        self.assertIn(peer.result()[0], (451, 452))
        self.assertEqual(75, mta.sendmail("v@x.test", content=SMALL).returncode)


def mta_uid(mta, kind):
    """Of the user its process runs as."""
    return os.stat(f"/proc/{mta.pids_of(kind)[0]}").st_uid


if __name__ == "__main__":
    main()
