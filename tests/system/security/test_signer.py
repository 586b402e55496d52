"""The process that has the keys for signing: what it signs, whom it answers, and how it is replaced."""

import array
import hashlib
import os
import signal
import socket
import struct
import subprocess
import threading

from certificates import openssl
from ipc_peer import Peer, frame, text, u8, u16, u32, u64
from postwain_harness import BIN, PostwainTestCase, main
from resources import wait_until
from toml_text import toml_text

SMTP_CLIENT = 1  # ipc::Role
EX_CONFIG = 78


def new_key(folder, selector, *words, **more):
    """A row of [[dkim_key]] and its new file."""
    path = folder / f"{selector}.key"
    openssl("genpkey", *(words or ("-algorithm", "ed25519")), "-out", path)
    return {"domain": "ours.test", "selector": selector, "key": path, **more}


def rsa(bits):
    return "-algorithm", "rsa", "-pkeyopt", f"rsa_keygen_bits:{bits}"


class User(Peer):
    """The other end of a link."""

    def __init__(self, end):
        self.socket = end
        self.socket.settimeout(20)
        self.rest = b""

    def ask(self, number, *parts):
        self.send(frame("sign_request", u64(number) + u32(len(parts)) +
                        b"".join(u32(key) + text(digest) for key, digest in parts)))

    def signatures(self, number):
        payload = self.wait("sign_reply")
        assert struct.unpack("<Q", payload[:8])[0] == number, payload
        out, at = [], 12
        for _ in range(struct.unpack("<I", payload[8:12])[0]):
            size = struct.unpack("<I", payload[at:at + 4])[0]
            out.append(payload[at + 4:at + 4 + size])
            at += 4 + size
        assert payload[at:] == text(""), payload
        return out


class Alone(PostwainTestCase):
    """The program, with a qmgr that the test plays."""

    def begin(self):
        instance = self.prepare()  # a folder, and a configuration
        self.folder = instance.folder
        run = self.folder / "run"
        os.makedirs(run)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(listener.close)
        listener.settimeout(20)
        listener.bind(os.path.join(run, "qmgr.sock"))
        listener.listen()
        self.keys = [new_key(self.folder, "r1", *rsa(2048)), new_key(self.folder, "e1", subdomains=False),
                     new_key(self.folder, "next", signs=False)]
        self.folder.file("signer.toml", toml_text({**instance.config, "dkim_key": self.keys}))
        self.process = subprocess.Popen([os.path.join(BIN, "signer"), "--config", self.folder / "signer.toml"],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.lines = []
        reader = threading.Thread(target=lambda: self.lines.extend(self.process.stderr), daemon=True)
        reader.start()
        self.addCleanup(self.end, reader)
        self.connection, _ = listener.accept()
        self.addCleanup(self.connection.close)
        qmgr = Peer.__new__(Peer)
        qmgr.socket, qmgr.rest = self.connection, b""
        hello = qmgr.wait("hello")
        qmgr.send(frame("welcome", hello[:2] + u16(1)))
        return qmgr

    def end(self, reader):
        self.process.terminate()
        self.assertEqual(0, self.process.wait(20))
        reader.join(20)
        self.process.stderr.close()
        self.assertEqual([], [line for line in self.lines if b"not_confined" in line or b"bug:" in line])

    def link(self):
        ours, its = socket.socketpair()
        self.addCleanup(ours.close)
        with its:
            info = os.fstat(its.fileno())
            told = frame("peer_link", text("smtp-client[0]") + u8(SMTP_CLIENT) + u64(info.st_dev) + u64(info.st_ino))
            self.connection.sendmsg([told], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [its.fileno()]))])
        return User(ours)

    def verify(self, selector, octets, signature, *options):
        key, data, sign = (self.folder / f"{selector}.key", self.folder / "data", self.folder / "signature")
        for path, content in [(data, octets), (sign, signature)]:
            with open(path, "wb") as file:
                file.write(content)
        done = subprocess.run(["openssl", "pkeyutl", "-verify", "-inkey", key, "-in", data, "-sigfile", sign, *options],
                              capture_output=True, text=True, check=False)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)

    def test_what_it_signs_verifies_elsewhere(self):
        self.begin()
        user = self.link()
        wanted = b"".join(text("ours.test") + text(name) + u8(algorithm) + u8(subdomains)
                          for name, algorithm, subdomains in [("r1", 0, 1), ("e1", 1, 0)])
        self.assertEqual(u32(2) + wanted, user.wait("signer_keys"))
        digest = hashlib.sha256(b"a text").digest()
        user.ask(7, (0, digest), (1, digest))
        by_rsa, by_ed25519 = user.signatures(7)
        self.verify("r1", digest, by_rsa, "-pkeyopt", "digest:sha256", "-pkeyopt", "rsa_padding_mode:pkcs1")
        self.verify("e1", digest, by_ed25519, "-rawin")
        user.ask(8, (0, digest))
        self.assertEqual([by_rsa], user.signatures(8))  # kept

    def test_counts_for_qmgr(self):
        qmgr = self.begin()
        user = self.link()
        digest = hashlib.sha256(b"a text").digest()
        user.ask(1, (0, digest), (1, digest), (0, digest))
        user.signatures(1)
        made_rsa, made_ed25519, cached, failed, microseconds = struct.unpack("<IIIIQ", qmgr.wait("signer_report"))
        self.assertEqual((1, 1, 1, 0), (made_rsa, made_ed25519, cached, failed))
        self.assertGreater(microseconds, 0)

    def test_malformed_frames_end_their_link_alone(self):
        qmgr = self.begin()
        good = self.link()
        good.wait("signer_keys")
        digest = bytes(32)
        wrong = [frame("sign_request", u64(1) + u32(1) + u32(2) + text(digest)),  # the third key is not in use
                 frame("sign_request", u64(1) + u32(1) + u32(0) + text(digest[1:])),
                 frame("sign_request", u64(1) + u32(0)),
                 frame("sign_request", u64(1) + u32(17) + 17 * (u32(0) + text(digest))),
                 frame("sign_request", u64(1) + u32(2**32 - 1)),
                 frame("sign_request", b""),
                 frame("sign_reply", u64(1) + u32(0) + text("x")),
                 frame("config_update", u64(1) + text("x")),
                 frame("hello", u16(16) + u8(1) + u32(1) + text("smtp-client[0]")),
                 b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b"\0" * 64]
        for octets in wrong:
            with self.subTest(octets[:40]):
                bad = self.link()
                bad.wait("signer_keys")
                bad.send(octets)
                with self.assertRaises((EOFError, ConnectionResetError)):
                    bad.read()
        good.ask(1, (1, digest))
        self.assertEqual(1, len(good.signatures(1)))
        # A link that brings no socket is none, and the next one is.
        qmgr.send(frame("peer_link", text("smtp-client[1]") + u8(SMTP_CLIENT) + u64(1) + u64(1)))
        self.link().wait("signer_keys")

    def test_at_its_end_it_waits_for_its_links(self):
        self.begin()
        user = self.link()
        user.wait("signer_keys")
        self.process.send_signal(signal.SIGTERM)
        user.ask(1, (0, bytes(32)))
        self.assertEqual(1, len(user.signatures(1)))
        late = self.link()
        with self.assertRaises((EOFError, ConnectionResetError)):
            late.read()
        self.assertIsNone(self.process.poll())
        user.close()
        self.assertEqual(0, self.process.wait(20))


class Running(PostwainTestCase):
    def begin(self, *words, **more):
        mta = self.prepare()
        mta.reconfigure({"dkim_key": [new_key(mta.folder, "s1", *words, **more)], "workers": {"smtp_client": 2}})
        return mta.start()

    def links(self, mta, state="up", since=0):
        return [event for event in mta.events("signer_link", since) if event["state"] == state]

    def wait_links(self, mta, since=0, keys="1"):
        wait_until(lambda: {event["process"] for event in self.links(mta, since=since) if event["keys"] == keys} ==
                   {"smtp-client[0]", "smtp-client[1]"}, 30, mta.tail)

    def test_it_runs_where_a_key_signs_and_is_confined(self):
        mta = self.begin(*rsa(2048))
        self.wait_links(mta)
        pid, = mta.pids_of("signer")
        self.assertEqual({"connected": True}, mta.status()["signer"])
        confined, = [event for event in mta.events("confined") if event["process"] == "signer"]
        self.assertEqual("strict", confined["seccomp"])
        for name in os.listdir(f"/proc/{pid}/fd"):
            target = os.readlink(f"/proc/{pid}/fd/{name}")
            self.assertNotIn(str(mta.folder / ""), target)
        with open(f"/proc/{pid}/net/dev", encoding="ascii") as _:
            pass  # the network is there, so that it is no namespace that keeps it away
        # The file is not looked at again.
        os.unlink(mta.folder / "s1.key")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: mta.pids_of("signer") not in ([], [pid]), 30, mta.tail)

    def test_no_key_that_signs_means_no_process(self):
        mta = self.begin(signs=False)
        self.assertEqual([], mta.pids_of("signer"))
        self.assertNotIn("signer", mta.status())
        self.assertEqual([], mta.events("signer_link"))

    def test_after_a_kill_the_links_come_again(self):
        mta = self.begin()
        self.wait_links(mta)
        pid, = mta.pids_of("signer")
        for _ in range(3):
            seen = len(mta.log)
            os.kill(pid, signal.SIGKILL)
            self.wait_links(mta, seen)
            self.assertEqual({"smtp-client[0]", "smtp-client[1]"},
                             {event["process"] for event in self.links(mta, "down", seen)})
            wait_until(lambda: mta.pids_of("signer") not in ([], [pid]), 20, mta.tail)
            pid, = mta.pids_of("signer")
        # A delivery client, or qmgr, that is killed comes back to the same signer.
        for kind in ["smtp-client", "qmgr"]:
            seen = len(mta.log)
            os.kill(mta.pids_of(kind)[0], signal.SIGKILL)
            wait_until(lambda: self.links(mta, since=seen), 30, mta.tail)
            wait_until(lambda: mta.status().get("signer") == {"connected": True}, 20, mta.tail)
            self.assertEqual([pid], mta.pids_of("signer"))

    def test_a_reload_brings_other_keys_and_the_former_process_ends(self):
        mta = self.begin()
        self.wait_links(mta)
        former, = mta.pids_of("signer")
        seen = len(mta.log)
        keys = [*mta.config["dkim_key"], new_key(mta.folder, "s2", *rsa(2048))]
        mta.reconfigure({"dkim_key": keys})
        self.assertEqual(0, mta.cli("reload").returncode)
        self.wait_links(mta, seen, "2")
        wait_until(lambda: not os.path.exists(f"/proc/{former}"), 50, mta.tail)
        self.assertEqual(1, len(mta.pids_of("signer")))
        # Without keys it goes, and with them it comes again.
        mta.reconfigure({"dkim_key": None})
        self.assertEqual(0, mta.cli("reload").returncode)
        wait_until(lambda: mta.pids_of("signer") == [], 50, mta.tail)
        self.assertNotIn("signer", mta.status())
        seen = len(mta.log)
        mta.reconfigure({"dkim_key": keys[:1]})
        self.assertEqual(0, mta.cli("reload").returncode)
        self.wait_links(mta, seen)

    def test_a_key_that_cannot_sign_is_refused(self):
        mta = self.begin()
        pid = mta.pids_of("signer")
        good = mta.config["dkim_key"]
        with open(mta.folder / "none.key", "w", encoding="ascii") as file:
            file.write("no key\n")
        wrong = [({"domain": "ours.test", "selector": "none", "key": mta.folder / "none.key"}, "private key"),
                 (new_key(mta.folder, "short", *rsa(1024)), "RSA with 1024 bits"),
                 (new_key(mta.folder, "long", *rsa(4104)), "RSA with 4104 bits"),
                 (new_key(mta.folder, "curve", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
                  "neither RSA nor Ed25519")]
        for key, says in wrong:
            with self.subTest(says):
                mta.reconfigure({"dkim_key": [*good, key]})
                done = mta.cli("check")
                self.assertEqual(EX_CONFIG, done.returncode)
                self.assertIn(says, done.stderr)
                self.assertIn(str(key["key"]), done.stderr)
                done = mta.cli("reload")
                self.assertEqual(EX_CONFIG, done.returncode)
                self.assertIn(says, done.stderr + done.stdout)
        self.assertEqual(pid, mta.pids_of("signer"))
        mta.stop()
        mta.launch()
        self.assertEqual(EX_CONFIG, mta.wait_exit())
        # One that was in use before, and only verifies, may be short.
        mta.reconfigure({"dkim_key": [*good, {**wrong[1][0], "signs": False}]})
        self.assertEqual(0, mta.cli("check").returncode)
        os.chmod(good[0]["key"], 0o644)
        self.assertIn("every user of this machine can read this secret", mta.cli("check").stderr)


if __name__ == "__main__":
    main()
