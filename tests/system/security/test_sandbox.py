"""What the processes cannot do: by user, rights, seccomp and Landlock, with the proof from inside."""

import glob
import json
import os
import subprocess
import sys
import unittest

from certificates import openssl
from postwain_harness import BIN, SOURCE, PostwainTestCase, main
from mail_content import message
from programs import Programs
from resources import reserve_port, wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

KINDS = ["qmgr", "smtpd", "smtp-client", "lmtp-client", "metrics", "pickup", "tokens", "reporter", "filter",
         "signer", "db-link"]
RUNNING = [kind for kind in KINDS if kind != "db-link"]  # which is there for a database only
CONFINED = [kind for kind in KINDS if kind != "tokens"]  # all but who runs programs
ROOT = os.geteuid() == 0
# S11: ways past the rules for ports, past listening, and others of their kind.
CLOSED = ["mptcp", "fastopen", "fastmsg", "fastmmsg", "fastoption", "protocols", "ulp", "unbound",
          "owner", "namespace", "clone", "ring", "faults", "bpf", "keys", "personality", "abstract"]
# What each kind of process is examined for, at least.
NEEDS = {"qmgr": {"loop", "threads", "files", "commit"},
         "smtpd": {"loop", "threads", "dns", "tls", "accepts", "lent"},
         "smtp-client": {"loop", "threads", "dns", "tls", "http", "connects"},
         "lmtp-client": {"loop", "threads", "dns", "tls", "connects"},
         "metrics": {"loop", "threads", "accepts"}, "pickup": {"loop", "threads", "files"},
         "tokens": {"loop", "threads", "program"},
         "reporter": {"loop", "threads", "dns", "tls", "http", "files", "dmarc_files"},
         "filter": {"loop", "threads", "dns"}, "signer": {"loop", "threads", "signing"},
         "db-link": {"loop", "dns", "tls", "accepts"}}
# Asked about nothing, so the process is there and no mail waits for it.
FILTER = [{"name": "none", "socket": "127.0.0.1:9", "on": []}]
EX_CONFIG = 78
SLOW_S = 400  # a self-test is about 80 processes; on a machine that is busy they take minutes


def with_key(mta):
    """A key that signs mail, so that there is a process that has it."""
    path = mta.folder / "dkim.key"
    openssl("genpkey", "-algorithm", "ed25519", "-out", path)
    mta.reconfigure({"dkim_key": [{"domain": "ours.test", "selector": "s1", "key": path}]})
    return mta


def facts(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)


class SelfTest(PostwainTestCase):
    def examined(self, changes=None, prefix=()):
        mta = with_key(self.prepare(changes))
        os.chmod(str(mta.folder / ""), 0o755)
        if prefix:
            os.chown(str(mta.folder / "dkim.key"), 4242, -1)
            os.chown(str(mta.folder / ""), 4242, -1)
        words = [*prefix, os.path.join(BIN, "postwain"), "selftest", "--json", "--config", mta.config_path]
        done = subprocess.run(words, capture_output=True, text=True, timeout=SLOW_S, check=False)
        found = json.loads(done.stdout)
        attempts = found["attempts"]
        self.assertEqual([], [a for a in attempts if a["succeeded"] and not a["allowed"]])
        self.assertEqual([], [n for n in found["needs"] if not n["works"] or n["refused"]])
        for kind in KINDS:
            self.assertEqual(NEEDS[kind], {n["need"] for n in found["needs"] if n["process"] == kind})
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertTrue(found["ok"])
        self.assertEqual([], glob.glob(str(mta.folder / "spool") + "/.selftest*"))
        return {(a["attempt"], a["process"]): a for a in attempts}

    def check_all(self, attempts, own_users):
        self.assertEqual(set(KINDS), {process for _, process in attempts})
        able = {key for key, attempt in attempts.items() if attempt["succeeded"]}
        # What is their work they can do: the sandbox is not just a wall around everything.
        for key in [("queue", "qmgr"), ("network", "smtpd"), ("network", "filter"), ("connect", "smtp-client"),
                    ("connect", "lmtp-client"), ("connect", "reporter"), ("program", "tokens")]:
            self.assertIn(key, able)
        for attempt in ["users", "write", "program", "exec", "code", "listen", "memory", "secrets",
                        *CLOSED]:
            for process in CONFINED:
                self.assertNotIn((attempt, process), able)
        for process in CONFINED[1:] + (["tokens"] if own_users else []):
            self.assertNotIn(("queue", process), able)
        for process in ["qmgr", "signer"]:
            self.assertNotIn(("network", process), able)
        self.assertNotIn(("datagrams", "signer"), able)
        self.assertNotIn(("connect", "smtpd"), able)
        # To the ports of the filters, and there is none of a mail server among them.
        self.assertNotIn(("connect", "filter"), able)
        self.assertIn(("network", "db-link"), able)
        self.assertNotIn(("connect", "db-link"), able)

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
        done = mta.cli("selftest", timeout=SLOW_S)
        self.assertEqual(0, done.returncode, done.stderr)
        rows = done.stdout.splitlines()
        self.assertEqual(KINDS, rows[0].split("…")[1].split())
        row = next(row for row in rows if row.startswith("run a program"))
        self.assertEqual(["yes" if kind == "tokens" else "no" for kind in KINDS], row.split()[3:])
        row = next(row for row in rows if row.startswith("a commit of the database"))
        self.assertEqual(["ok" if kind == "qmgr" else "-" for kind in KINDS], row.split()[5:])

    def test_a_process_that_lacks_what_it_needs(self):
        # Another process' program, which knows other exercises and fails in one of them.
        script = ('#!/bin/sh\ncase "$*" in *"--exercise list"*) printf "dns\\ta question\\n" >&4;;\n'
                  '*--exercise*) echo "the sandbox refused the system call futex" >&2; exit 1;;\n'
                  '*) exec ' + BIN + '/metrics "$@";; esac\n')
        programs = self.closing(Programs(scripts={"metrics": script}))
        mta = self.prepare(binaries=programs.path)
        done = mta.cli("selftest", "--json", timeout=SLOW_S)
        found = json.loads(done.stdout)
        bad = [need for need in found["needs"] if not need["ok"]]
        self.assertEqual([("metrics", "dns", ["futex"])],
                         [(need["process"], need["need"], need["refused"]) for need in bad])
        self.assertFalse(found["ok"])
        self.assertNotEqual(0, done.returncode)
        self.assertIn("refused what it needs", done.stderr)


class Running(PostwainTestCase):
    def begin(self, changes=None):
        self.sink = self.closing(SmtpSink())
        return with_key(self.prepare({
            "route": [{"match": "token.test", "deliver": self.sink.target, "auth": "u:command:/bin/echo secret"},
                      {"match": "*", "deliver": self.sink.target}],
            "tls_reports": {"from": "reports@ours.test"}, "filter": FILTER,
            "metrics": {"address": f"127.0.0.1:{reserve_port()}"}, **(changes or {})})).start()

    def send(self, mta):
        with SmtpClient(mta.port) as client:
            code, text = client.mail("a@sender.test", ["x@a.test"], message())
            self.assertEqual(250, code, text)
        self.sink.wait_delivered("x@a.test")

    def by_kind(self, mta):
        wait_until(lambda: len(mta.children()) == len(RUNNING), 20, lambda: mta.tail())
        wait_until(lambda: len(mta.events("confined")) >= len(RUNNING), 20, lambda: mta.tail())
        return {kind: mta.pids_of(kind)[0] for kind in RUNNING}

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
            self.assertEqual(len(RUNNING), len(set(users)), users)
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
        self.assertEqual(1, len({users[kind] for kind in RUNNING[1:]}))
        self.assertNotEqual(users["qmgr"], users["smtpd"])

    def test_nobody_holds_a_ring(self):
        # A ring does what it is asked to past seccomp and Landlock; libuv from 1.45 on makes one.
        mta = self.begin()
        self.send(mta)
        for kind, pid in {"supervisor": mta.process.pid, **self.by_kind(mta)}.items():
            for link in glob.glob(f"/proc/{pid}/fd/*"):
                self.assertNotIn("io_uring", os.readlink(link), kind)

    def test_low_processes_get_no_environment_they_do_not_need(self):
        secret = {"DB_PASSWORD": "secret", "NOTIFY_SOCKET": "/nowhere", "TZ": "UTC", "LC_ALL": "C"}
        sink = self.closing(SmtpSink())
        mta = self.prepare({"route": [
            {"match": "token.test", "deliver": sink.target, "tls": "off",
             "auth": "u:command:/usr/bin/env"}, {"match": "*", "deliver": sink.target}],
            "tls_reports": {"from": "reports@ours.test"}, "filter": FILTER,
            "metrics": {"address": f"127.0.0.1:{reserve_port()}"}}, environment=secret)
        with_key(mta).start()
        allowed = {"TZ", "TZDIR", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "OPENSSL_CONF",
                   "OPENSSL_MODULES"}
        for kind, pid in self.by_kind(mta).items():
            with open(f"/proc/{pid}/environ", encoding="latin-1") as file:
                names = {one.partition("=")[0] for one in file.read().split("\0") if one}
            self.assertIn("TZ", names, kind)
            more = {name for name in names - allowed if not name.startswith("LC_")
                    and not name.endswith("SAN_OPTIONS")}
            self.assertEqual({"PATH"} if kind == "tokens" else set(), more, kind)

    @unittest.skipUnless(ROOT, "only root gives files away")
    def test_low_a_spool_of_the_former_numbers_is_taken_over(self):
        mta = self.begin()
        self.send(mta)
        mta.stop()
        spool = str(mta.folder / "spool")
        owner = os.stat(spool).st_uid
        for folder, _, files in os.walk(spool):
            for path in [folder, *(os.path.join(folder, name) for name in files)]:
                os.chown(path, 61901, 61901)
        mta.start()
        self.send(mta)
        for folder, _, files in os.walk(spool):
            # The supervisor keeps this one for itself.
            ours = [os.path.join(folder, name) for name in files if name != "login_secret"]
            for path in [folder, *ours]:
                self.assertEqual(owner, os.stat(path).st_uid, path)

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


class NeverReady(PostwainTestCase):
    """A process that dies three times in a row before it is ready."""

    def begin(self, script, **more):
        programs = self.closing(Programs(scripts={"lmtp-client": "#!/bin/sh\n" + script}))
        return self.prepare(binaries=programs.path, **more)

    def reported(self, script):
        mta = self.begin(script)
        mta.launch()
        wait_until(lambda: mta.has_event("does_not_start"), 60, mta.tail)
        wait_until(lambda: len(mta.events("child_exit")) >= 4, 60, mta.tail)
        mta.stop()
        reports = mta.events("does_not_start")
        self.assertEqual(1, len(reports))
        self.assertEqual("lmtp-client[0]", reports[0]["process"])
        self.assertEqual("error", reports[0]["level"])
        self.assertFalse(mta.has_event("ready"))
        return mta, reports[0]

    def test_last_words_and_exit_code(self):
        mta, report = self.reported('echo "libfoo: no such thing" >&2; exit 9\n')
        self.assertEqual("exit 9", report["how"])
        self.assertEqual("libfoo: no such thing", report["said"])
        self.assertIn("libfoo: no such thing", [said["text"] for said in mta.events("said")])

    def test_a_signal_in_plain_words(self):
        mta, report = self.reported("kill -ABRT $$\n")
        mta.may_crash = True
        self.assertIn("signal 6", report["how"])
        self.assertIn("crashed", report["cause"])

    def test_a_refused_call_is_named(self):
        mta, report = self.reported(
            'echo "the sandbox refused the system call io_uring_enter" >&2\n'
            'echo "libuv: io_uring_enter(getevents): Operation not permitted" >&2; kill -ABRT $$\n')
        self.assertIn("io_uring_enter", report["cause"])
        self.assertIn("postwain selftest", report["advice"])
        refused = mta.events("call_refused")
        self.assertEqual({("lmtp-client[0]", "io_uring_enter")},
                         {(event["process"], event["call"]) for event in refused})

    def test_make_run_says_it_and_ends(self):
        programs = self.closing(Programs(
            scripts={"lmtp-client": '#!/bin/sh\necho "no luck today" >&2; exit 3\n'}))
        done = subprocess.run(
            [sys.executable, os.path.join(SOURCE, "tests/demo/run_demo.py"), "--once"],
            env={**os.environ, "POSTWAIN_BIN": programs.path}, capture_output=True, text=True,
            timeout=SLOW_S, check=False)
        self.assertEqual(1, done.returncode, done.stdout + done.stderr)
        self.assertIn("does not start", done.stderr)
        self.assertIn("no luck today", done.stderr)


if __name__ == "__main__":
    main()
