"""A qmgr that was taken over answers what it likes (S13), and somebody else stands at its socket or
owns its folders (S21)."""

import json
import os
import socket
import stat
import subprocess
import threading
import unittest

from ipc_peer import VERSION, Peer, frame, text, u8, u16
from postwain_harness import BIN, PostwainTestCase, main

ROOT = os.geteuid() == 0
EX_CANTCREAT, EX_TEMPFAIL, EX_PROTOCOL = 73, 75, 76
QUEUE_USER = 60901
WRONG = [7, "x", [], [7], {"error": 7, "diagnostics": 7}, {"error": ["x"], "diagnostics": [{}]}, None,
         {"matched": [], "changed": "x"}, {"processes": [7, {"pid": "x"}, {"pid": 2 ** 70}]},
         {"id": 7, "recipients": 7}, {"id": "0", "recipients": [7, {"address": 7}], "continued": 1},
         {"looked_at": -1}, {"waiting_for": {}}, {"dropped": {}}, {"not_shown": []}, {"folder": 7}]


class FalseQmgr:
    """Stands at the socket, as the given user where we are root, and gives these answers."""

    def __init__(self, path, answers, uid=None):
        self.answers = answers
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(path)
        os.chmod(path, 0o666)
        # The kernel remembers who called listen().
        ready, told = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            if uid is not None:
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)
            self.sock.listen(20)
            os.write(told, b"x")
            while True:
                connection, _ = self.sock.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()
        self.sock.close()
        os.read(ready, 1)
        os.close(ready)
        os.close(told)

    def serve(self, connection):
        peer = Peer.__new__(Peer)
        peer.socket, peer.rest = connection, b""
        try:
            while True:
                kind, payload = peer.read()
                if kind == "hello":
                    peer.send(frame("welcome", u16(VERSION) + u16(5)))
                if kind == "control_request":
                    asked = json.loads(payload[12:])
                    for answer in self.answers(asked):
                        peer.send(frame("control_reply", payload[:8] + bytes(2) + text(json.dumps(answer))))
                    peer.send(frame("control_reply", payload[:8] + u8(1) + u8(0) + text("")))
        except (EOFError, OSError):
            pass

    def close(self):
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)


class HostileQmgr(PostwainTestCase):
    def stand_there(self, answers, uid=QUEUE_USER):
        self.mta = self.prepare()
        os.chmod(self.mta.folder / "", 0o755)
        os.makedirs(self.mta.folder / "run", exist_ok=True)
        false = FalseQmgr(str(self.mta.folder / "run/qmgr.sock"), answers, uid if ROOT else None)
        self.addCleanup(false.close)

    def test_s13_no_answer_ends_a_command_with_an_exception(self):
        self.stand_there(lambda asked: WRONG)
        for words in [["status"], ["status", "--json"], ["queue", "list"], ["queue", "list", "--json"],
                      ["queue", "show", "0000000000001"], ["queue", "stats"], ["queue", "destinations"],
                      ["queue", "retry", "--all"], ["queue", "suspend", "x.test"], ["trace", "x@y.test"],
                      ["reload"], ["watch", "--count", "3"], ["cluster", "status"], ["cluster", "drain", "a"],
                      ["queue", "backup", self.mta.folder / "copy"], ["queue", "export", "--all", self.mta.folder / "out"]]:
            with self.subTest(words=words):
                done = self.mta.cli(*words)
                self.assertIn(done.returncode, range(0, 79), done.stderr)
                self.assertNotIn("terminate", done.stderr)

    @unittest.skipUnless(ROOT, "only root can lose something here")
    def test_s13_export_writes_nothing_elsewhere(self):
        target = None

        def answers(asked):
            evil = "../" + target + "/hook"
            if asked["command"] == "queue content":
                return [{"data": "aGVsbG8="}]
            return [{"id": evil, "size": 5, "sender": "a@b", "recipients": [{"address": "a@b", "state": "queued"}]}]
        target = "target"
        self.stand_there(answers)
        os.mkdir(self.mta.folder / target, 0o700)
        done = self.mta.cli("queue", "export", "--all", self.mta.folder / "out")
        self.assertEqual(EX_PROTOCOL, done.returncode, done.stderr)
        self.assertEqual([], os.listdir(self.mta.folder / target))
        self.assertEqual([], os.listdir(self.mta.folder / "out"))
        self.assertEqual(QUEUE_USER, os.stat(self.mta.folder / "out").st_uid)

    @unittest.skipUnless(ROOT, "only root can lose something here")
    def test_s13_backup_copies_nothing_that_only_root_may_read(self):
        self.stand_there(lambda asked: [{"ok": True, "folder": self.mta.folder / "secret",
                                         "messages": 1, "recipients": 1}])
        secret = self.mta.folder / "secret"
        os.mkdir(secret, 0o700)
        os.mkdir(os.path.join(secret, "content"))
        with open(os.path.join(secret, "queue.db"), "w", encoding="utf-8") as file:
            file.write("root's own")
        done = self.mta.cli("queue", "backup", self.mta.folder / "copy")
        self.assertNotEqual(0, done.returncode)
        self.assertFalse(os.path.exists(self.mta.folder / "copy"))
        self.assertFalse(os.path.exists(self.mta.folder / "copy.partial"))

    @unittest.skipUnless(ROOT, "only root becomes other users")
    def test_s21_a_stranger_at_the_socket_is_told_nothing(self):
        heard = []
        self.stand_there(lambda asked: heard.append(asked) or [], uid=4343)
        for words in [["status"], ["queue", "list"]]:
            done = self.mta.cli(*words)
            self.assertEqual(EX_TEMPFAIL, done.returncode)
            self.assertIn("somebody else listens", done.stderr)
        done = self.mta.sendmail("x@y.test", content=b"Subject: s\n\nsecret\n")
        self.assertIn(done.returncode, [EX_CANTCREAT, EX_TEMPFAIL])
        self.assertIn(b"somebody else listens", done.stderr)

    def run_in(self, change):
        mta = self.prepare()
        change(mta)
        done = subprocess.run([os.path.join(BIN, "postwain"), "run", "--config", mta.config_path],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(EX_CANTCREAT, done.returncode, done.stderr)
        return done.stderr

    @unittest.skipUnless(ROOT, "only root gives folders away")
    def test_s21_folders_of_somebody_else(self):
        for name in ["run", "spool"]:
            def foreign(mta, name=name):
                os.mkdir(mta.folder / name)
                os.chown(mta.folder / name, 4343, 4343)
            self.assertIn("belongs to the user with number 4343", self.run_in(foreign))

    def test_s21_folders_that_others_may_write_to(self):
        for name in ["run", "spool"]:
            def opened(mta, name=name):
                os.mkdir(mta.folder / name)
                os.chmod(mta.folder / name, 0o777)
            self.assertIn("chmod go-w", self.run_in(opened))

        def parent(mta):
            os.chmod(mta.folder / "", 0o777)
        self.assertIn("chmod go-w", self.run_in(parent))

    def test_s21_the_mode_of_a_listener(self):
        path = None
        mta = self.prepare()
        path = mta.folder / "in.sock"
        mta.reconfigure({"listener": [{"address": f"unix:{path}", "mode": "0660"}]})
        mta.start()
        self.assertEqual(0o660, stat.S_IMODE(os.stat(path).st_mode))
        mta.reconfigure({"listener": [{"address": f"unix:{path}", "mode": "0999"}]})
        self.assertIn("mode must be like", mta.cli("check").stderr)
        mta.reconfigure({"listener": [{"address": "127.0.0.1:2525", "mode": "0660"}]})
        self.assertIn("mode is for a listener at unix", mta.cli("check").stderr)


if __name__ == "__main__":
    main()
