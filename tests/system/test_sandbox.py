"""What the processes cannot do: by user, rights, seccomp and Landlock, with the proof from inside."""

import glob
import json
import os
import subprocess
import unittest

from postwain_harness import BIN, PostwainTestCase, main
from mail_content import message
from resources import reserve_port, wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

KINDS = ["qmgr", "smtpd", "smtp-client", "lmtp-client", "metrics", "pickup", "tokens", "reporter"]
CONFINED = [kind for kind in KINDS if kind != "tokens"]  # all but who runs programs
ROOT = os.geteuid() == 0
EX_CONFIG = 78


def facts(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)


class SelfTest(PostwainTestCase):
    def examined(self, changes=None, prefix=()):
        mta = self.prepare(changes)
        os.chmod(str(mta.folder / ""), 0o755)
        if prefix:
            os.chmod(str(mta.folder / ""), 0o777)
        words = [*prefix, os.path.join(BIN, "postwain"), "selftest", "--json", "--config", mta.config_path]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
        attempts = json.loads(done.stdout)["attempts"]
        self.assertEqual([], [a for a in attempts if a["succeeded"] and not a["allowed"]])
        self.assertEqual(0, done.returncode, done.stderr)
        return {(a["attempt"], a["process"]): a for a in attempts}

    def check_all(self, attempts, own_users):
        self.assertEqual(set(KINDS), {process for _, process in attempts})
        able = {key for key, attempt in attempts.items() if attempt["succeeded"]}
        # What is their work they can do: the sandbox is not just a wall around everything.
        for key in [("queue", "qmgr"), ("network", "smtpd"), ("connect", "smtp-client"),
                    ("connect", "lmtp-client"), ("connect", "reporter"), ("program", "tokens")]:
            self.assertIn(key, able)
        for attempt in ["users", "write", "program", "exec", "code", "listen", "memory", "secrets"]:
            for process in CONFINED:
                self.assertNotIn((attempt, process), able)
        for process in CONFINED[1:] + (["tokens"] if own_users else []):
            self.assertNotIn(("queue", process), able)
        self.assertNotIn(("network", "qmgr"), able)
        self.assertNotIn(("connect", "smtpd"), able)

    @unittest.skipUnless(ROOT, "only root changes users")
    def test_started_as_root(self):
        for mode in ["on", "strict"]:
            with self.subTest(mode):
                self.check_all(self.examined({"sandbox": {"mode": mode}}), True)

    def test_as_an_ordinary_user(self):
        prefix = ["setpriv", "--reuid=4242", "--regid=4242", "--clear-groups"] if ROOT else []
        if prefix and subprocess.run([*prefix, os.path.join(BIN, "postwain"), "version"],
                                     capture_output=True, check=False).returncode != 0:
            self.skipTest("the binaries lie below a folder that is closed to others")
        self.check_all(self.examined(prefix=prefix), False)

    def test_nothing_to_prove_when_off(self):
        mta = self.prepare({"sandbox": {"mode": "off"}})
        done = mta.cli("selftest")
        self.assertEqual(EX_CONFIG, done.returncode)
        self.assertIn("mode is off", done.stderr)

    def test_table_for_people(self):
        mta = self.prepare()
        done = mta.cli("selftest")
        self.assertEqual(0, done.returncode, done.stderr)
        rows = done.stdout.splitlines()
        self.assertEqual(KINDS, rows[0].split("…")[1].split())
        row = next(row for row in rows if row.startswith("run a program"))
        self.assertEqual(["yes" if kind == "tokens" else "no" for kind in KINDS], row.split()[3:])


class Running(PostwainTestCase):
    def begin(self, changes=None):
        self.sink = self.closing(SmtpSink())
        return self.start({
            "route": [{"match": "token.test", "deliver": self.sink.target, "auth": "u:command:/bin/echo secret"},
                      {"match": "*", "deliver": self.sink.target}],
            "tls_reports": {"from": "reports@ours.test"},
            "metrics": {"address": f"127.0.0.1:{reserve_port()}"}, **(changes or {})})

    def send(self, mta):
        with SmtpClient(mta.port) as client:
            code, text = client.mail("a@sender.test", ["x@a.test"], message())
            self.assertEqual(250, code, text)
        self.sink.wait_delivered("x@a.test")

    def by_kind(self, mta):
        wait_until(lambda: len(mta.children()) == len(KINDS), 20, lambda: mta.tail())
        wait_until(lambda: len(mta.events("confined")) >= len(KINDS), 20, lambda: mta.tail())
        return {kind: mta.pids_of(kind)[0] for kind in KINDS}

    def test_what_the_kernel_says(self):
        mta = self.begin()
        self.send(mta)
        pids = self.by_kind(mta)
        for kind, pid in pids.items():
            with self.subTest(kind):
                seen = facts(pid)
                self.assertEqual("1", seen["NoNewPrivs"])
                self.assertEqual("2", seen["Seccomp"])
                self.assertEqual("", seen["Groups"].strip())
                if ROOT:
                    self.assertNotIn("0", seen["Uid"].split() + seen["Gid"].split())
                    # At most the right to pass closed folders (this folder is one), and no way to more.
                    self.assertLessEqual(int(seen["CapBnd"], 16) | int(seen["CapEff"], 16), 1 << 2)
        if ROOT:
            users = [facts(pid)["Uid"].split()[0] for pid in pids.values()]
            self.assertEqual(len(KINDS), len(set(users)), users)
        for event in mta.events("confined"):
            self.assertEqual("strict", event["seccomp"])

    @unittest.skipUnless(ROOT, "only root changes users")
    def test_the_supervisor_keeps_little(self):
        mta = self.begin()
        seen = facts(mta.process.pid)
        self.assertEqual("2", seen["Seccomp"])
        for right, name in [(21, "CAP_SYS_ADMIN"), (16, "CAP_SYS_MODULE"), (19, "CAP_SYS_PTRACE"),
                            (13, "CAP_NET_RAW"), (12, "CAP_NET_ADMIN"), (17, "CAP_SYS_RAWIO")]:
            for kind in ["CapEff", "CapPrm", "CapBnd"]:
                self.assertFalse(int(seen[kind], 16) >> right & 1, f"{name} in {kind}")

    def test_no_descriptor_leads_elsewhere(self):
        mta = self.begin()
        self.send(mta)
        for kind, pid in self.by_kind(mta).items():
            if kind == "qmgr":
                continue
            for link in glob.glob(f"/proc/{pid}/fd/*"):
                target = os.readlink(link)
                self.assertNotIn(str(mta.folder / "spool") + "/", target, kind)

    @unittest.skipUnless(ROOT, "only root changes users")
    def test_one_user_for_all_network_processes(self):
        mta = self.begin({"users": {"network": "nobody"}})
        self.send(mta)
        pids = self.by_kind(mta)
        users = {kind: facts(pid)["Uid"].split()[0] for kind, pid in pids.items()}
        self.assertEqual(1, len({users[kind] for kind in KINDS[1:]}))
        self.assertNotEqual(users["qmgr"], users["smtpd"])

    def test_off_is_said_loudly(self):
        mta = self.start({"sandbox": {"mode": "off"}})
        self.assertTrue(mta.has_event("not_confined"))
        for pid in mta.children():
            self.assertEqual("0", facts(pid)["Seccomp"])

    def test_mode_changes_only_with_a_restart(self):
        mta = self.start()
        mta.reconfigure({"sandbox": {"mode": "on"}})
        done = mta.cli("reload")
        self.assertEqual(EX_CONFIG, done.returncode, done.stderr)
        self.assertIn("[sandbox]", done.stderr + done.stdout)


if __name__ == "__main__":
    main()
