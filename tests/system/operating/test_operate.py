"""What operators, their programs and their machines do to a mail server; by the names of the reports."""

import os
import signal
import subprocess
import unittest

from postwain_harness import BIN, PostwainTestCase, main
from certificates import Authority
from mail_content import message
from resources import reserve_port, wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

MESSAGE = b"Subject: once\n\nx\n"


class Loops(PostwainTestCase):
    """operate 1: nothing may loop."""

    def accepted(self, mta):
        return sum(1 for _ in mta.events("accepted"))

    def bounded(self, *servers):
        """All queues become empty, and stay so."""
        for mta in servers:
            mta.wait_queue_empty()
        for mta in servers:
            mta.wait_queue_empty()

    def test_a_route_that_leads_back(self):
        mta = self.prepare()
        mta.reconfigure({"route": [{"match": "*", "deliver": f"smtp:[127.0.0.1]:{mta.port}"}]})
        check = mta.cli("check")
        self.assertEqual(0, check.returncode, check.stderr)
        self.assertIn("leads to our own listener", check.stderr)
        mta.start()
        self.assertEqual(0, mta.sendmail("someone@elsewhere.example", content=MESSAGE).returncode)
        wait_until(lambda: mta.has_event("dropped"), 60, "the end of the report")
        self.bounded(mta)
        # The message five times, the report of its end five times.
        self.assertLessEqual(self.accepted(mta), 12)

    def test_double_bounces_end_as_well(self):
        mta = self.prepare()
        mta.reconfigure({"bounces": {"double_bounces": True},
                         "route": [{"match": "*", "deliver": f"smtp:[127.0.0.1]:{mta.port}"}]})
        mta.start()
        self.assertEqual(0, mta.sendmail("someone@elsewhere.example", content=MESSAGE).returncode)
        wait_until(lambda: mta.has_event("dropped"), 60, "the end of the double bounce")
        self.bounded(mta)
        self.assertLessEqual(self.accepted(mta), 18)

    def test_two_relays_that_point_at_each_other(self):
        port = reserve_port()
        one = self.start({"hostname": "one.test",
                          "route": [{"match": "*", "deliver": f"smtp:[127.0.0.1]:{port}"}]})
        two = self.start({"hostname": "two.test", "listener": [{"address": f"127.0.0.1:{port}"}],
                          "route": [{"match": "*", "deliver": f"smtp:[127.0.0.1]:{one.port}"}]})
        self.assertEqual(0, one.sendmail("someone@elsewhere.example", content=MESSAGE).returncode)
        wait_until(lambda: one.has_event("dropped") or two.has_event("dropped"), 60,
                   "the end of the report")
        self.bounded(one, two)
        self.assertLessEqual(self.accepted(one) + self.accepted(two), 25)


class Descriptors(PostwainTestCase):
    def test_closed_standard_streams(self):
        """operate 7: who is started without them does its work, and does it once."""
        sink = self.closing(SmtpSink())
        mta = self.start({"route": [{"match": "*", "deliver": sink.target}]})
        program = os.path.join(mta.binaries, "postwain")
        for closing in (">&-", "2>&-", ">&- 2>&-"):
            done = subprocess.run(
                ["/bin/sh", "-c", f'exec "$0" sendmail --config "$1" bob@example.test {closing}',
                 program, mta.config_path], input=MESSAGE, timeout=60, check=False)
            self.assertEqual(0, done.returncode, closing)
        for closing in (">&-", "<&- >&- 2>&-"):
            done = subprocess.run(["/bin/sh", "-c", f'exec "$0" status --config "$1" {closing}',
                                   program, mta.config_path], timeout=60, check=False)
            self.assertEqual(0, done.returncode, closing)
        mta.wait_queue_empty()
        self.assertEqual(3, len(sink.messages))


class HalfTyped(PostwainTestCase):
    """operate 2: no bytes in the configuration end what runs."""

    TEXTS = (b"[\n", b"[[\n", b"[[[1]]]\n", b"[[=\n", b"x = [}\n", b"\x00\xff\n", b"'''\n",
             b"a." * 100000 + b"a = 1\n", b"x = " + b"[" * 100000)

    def test_check_reload_and_hangup(self):
        mta = self.start()
        with open(mta.config_path, "rb") as file:
            good = file.read()
        for text in self.TEXTS:
            with self.subTest(text[:20]):
                with open(mta.config_path, "wb") as file:
                    file.write(good + b"\n" + text)
                check = mta.cli("check")
                self.assertEqual(78, check.returncode, check.stderr)
                self.assertRegex(check.stderr, r"\.toml:\d+:\d+: ")
                refused = mta.cli("reload")
                self.assertEqual(78, refused.returncode, refused.stderr)
                before = sum(1 for _ in mta.events("reload_refused"))
                os.kill(mta.process.pid, signal.SIGHUP)
                wait_until(lambda: sum(1 for _ in mta.events("reload_refused")) > before, 20,
                           "the refusal of the reload")
        with open(mta.config_path, "wb") as file:
            file.write(good)
        self.assertEqual(0, mta.cli("reload").returncode)


class LocalPrograms(PostwainTestCase):
    def begin(self, **changes):
        self.sink = self.closing(SmtpSink())
        self.mta = self.start({"route": [{"match": "*", "deliver": self.sink.target}], **changes})

    def arrived(self):
        self.mta.wait_queue_empty()
        return sorted(to for m in self.sink.messages for to in m.recipients)

    def test_what_cron_writes(self):
        """operate 9: names without a domain are completed, also in the header."""
        self.begin(addresses={"origin": "origin.test"})
        content = (b'From: root (Cron Daemon)\nTo: alice\nCc: "Bob" <bob>\n'
                   b"Subject: Cron <alice@host> job\n\nout\n")
        done = self.mta.sendmail("-FCronDaemon", "-i", "-B8BITMIME", "-oem", "alice",
                                 content=content)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(["alice@origin.test"], self.arrived())
        header = self.sink.messages[0].content
        self.assertIn(b"From: root@origin.test (Cron Daemon)\r\nTo: alice@origin.test\r\n"
                      b'Cc: "Bob" <bob@origin.test>\r\n', header)

    def test_local_names_have_aliases(self):
        """operate 10: root@localhost, root@short and root are the same root."""
        self.sink = self.closing(SmtpSink())
        self.mta = self.prepare({"route": [{"match": "*", "deliver": self.sink.target}],
                                 "addresses": {"aliases": "aliases"}})
        self.mta.folder.file("aliases", "root: admin@far.test\n")
        self.mta.start()
        for name in ("root@localhost", "root@mx", "root", "root@mx.postwain.test"):
            self.assertEqual(0, self.mta.sendmail(name, content=MESSAGE).returncode)
        self.assertEqual(["admin@far.test"] * 4, self.arrived())

    def test_one_bad_address_among_good_ones(self):
        """operate 15, 16, 20: the others get it, and the sender hears of the bad one."""
        self.begin()
        done = self.mta.sendmail(
            "-t", "-f", "me@far.test", "carol@example.test",
            content=b"To: bob@example.test; dora@example.test, bad@@example.test\n\nx\n")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(["bob@example.test", "carol@example.test", "dora@example.test",
                          "me@far.test"], self.arrived())
        [report] = [m for m in self.sink.messages if m.recipients == ["me@far.test"]]
        self.assertIn(b"'bad@@example.test' is not an address", report.content)
        alone = self.mta.sendmail("bad@@example.test", content=MESSAGE)
        self.assertEqual(65, alone.returncode)

    def test_very_many_recipients(self):
        """operate 17: more than a transaction of SMTP may have."""
        self.begin()
        content = b"To: " + b",\n ".join(b"u%d@example.test" % i for i in range(1101)) + b"\n\nx\n"
        self.assertEqual(0, self.mta.sendmail("-t", content=content).returncode)
        self.assertEqual(1101, len(self.arrived()))

    def test_sendmail_whatever_state_the_configuration_is_in(self):
        """operate 11: while somebody edits it mail is taken, and the commands work."""
        self.begin()
        with open(self.mta.config_path, "r+", encoding="utf-8") as file:
            good = file.read()
            file.write("\nx = \"\n[[\n")
        done = self.mta.sendmail("bob@example.test", content=MESSAGE)
        self.assertEqual(0, done.returncode, done.stderr)
        status = self.mta.cli("status")
        self.assertEqual(0, status.returncode, status.stderr)
        self.assertIn("warning", status.stderr)
        with open(self.mta.config_path, "w", encoding="utf-8") as file:
            file.write(good)
        self.assertEqual(["bob@example.test"], self.arrived())
        self.assertIn(b"by mx.postwain.test (Postwain", self.sink.messages[0].content)


class Discards(PostwainTestCase):
    """operate 4: mail can be thrown away on purpose, and one bad alias stops nothing."""

    def setUp(self):
        self.sink = self.closing(SmtpSink())
        self.mta = self.prepare({
            "addresses": {"aliases": "aliases"},
            "rule": [{"recipient": "spam@far.test", "action": "discard"}],
            "route": [{"match": "void.test", "deliver": "discard"},
                      {"match": "*", "deliver": self.sink.target}]})
        self.mta.folder.file("aliases", "devnull: /dev/null\nlist: \"|/usr/lib/list post\"\n"
                                        "both: /dev/null, anna@far.test\n")
        self.mta.start()

    def test_each_way(self):
        with SmtpClient(self.mta.port) as client:
            code, text = client.mail("a@else.test", [
                "x@void.test", "devnull@mx.postwain.test", "spam@far.test",
                "both@mx.postwain.test", "bert@far.test"], message())
            self.assertEqual(250, code, text)
        self.mta.wait_queue_empty()
        self.assertEqual(["anna@far.test", "bert@far.test"],
                         sorted(to for m in self.sink.messages for to in m.recipients))
        self.assertEqual({"x@void.test", "devnull@mx.postwain.test", "spam@far.test"},
                         {event["to"] for event in self.mta.events("discarded")})
        for address in ("x@void.test", "devnull@mx.postwain.test", "spam@far.test"):
            trace = wait_until(
                lambda address=address: "discarded" in self.mta.cli("trace", address).stdout, 20,
                "discarded in the history")
            self.assertTrue(trace)

    def test_a_bad_alias_costs_nobody_else(self):
        check = self.mta.cli("check")
        self.assertEqual(0, check.returncode, check.stderr)
        self.assertIn("aliases:2:1: warning: '|/usr/lib/list post'", check.stderr)
        done = self.mta.sendmail("-f", "me@far.test", "list@mx.postwain.test", "bert@far.test",
                                 content=MESSAGE)
        self.assertEqual(0, done.returncode, done.stderr)
        self.mta.wait_queue_empty()
        self.assertEqual(["bert@far.test", "me@far.test"],
                         sorted(to for m in self.sink.messages for to in m.recipients))


@unittest.skipUnless(os.geteuid() == 0, "needs a machine of another name: root only")
class Nameless(PostwainTestCase):
    """operate 31: a machine without a name in the DNS, as at boot before the network is there."""

    def begin(self):
        self.mta = self.prepare()
        self.mta.reconfigure({"hostname": None, "postmaster": None})
        hosts = self.mta.folder.file("hosts", "127.0.0.1 localhost\n")
        resolv = self.mta.folder.file("resolv.conf", "nameserver 127.0.0.1\n")  # nobody there
        script = self.mta.folder.file(
            "nameless", "#!/bin/sh\nset -e\nhostname box\n"
            f"mount --bind {hosts} /etc/hosts\n"
            f"mount --bind {resolv} /etc/resolv.conf 2>/dev/null || :\n"  # where there is one
            "[ ! -e /etc/mailname ] || mount --bind /dev/null /etc/mailname\n"
            'exec "$@"\n', 0o755)
        self.mta.wrapper = ["unshare", "--mount", "--uts", "--propagation", "private", script]
        if subprocess.run([*self.mta.wrapper, "true"], capture_output=True, check=False).returncode:
            self.skipTest("namespaces are not permitted")

    def inside(self, command, *words, name=None, **more):
        """Runs a command of ours where the machine has no name, or, by now, that name."""
        named = ["sh", "-c", f'hostname {name}; exec "$@"', "sh"] if name else []
        return subprocess.run([*self.mta.wrapper, *named, os.path.join(BIN, "postwain"), command,
                               "--config", self.mta.config_path, *words], capture_output=True,
                              check=False, timeout=60, **more)

    def test_check_and_start_warn_and_sendmail_agrees(self):
        self.begin()
        check = self.inside("check")
        self.assertEqual(0, check.returncode, check.stderr)
        self.assertIn(b"the machine's full name is not known", check.stderr)
        self.assertIn(b"set hostname, or all mail comes from localhost.localdomain", check.stderr)
        sink = self.closing(SmtpSink())
        self.mta.reconfigure({"route": [{"match": "*", "deliver": sink.target}]})
        self.mta.start()
        warnings = [event["message"] for event in self.mta.events("config")]
        self.assertTrue(any("full name is not known" in one for one in warnings), warnings)
        self.assertEqual("localhost.localdomain", self.mta.events("ready")[0]["hostname"])
        # Meanwhile the network has come, and the machine has a name: both go on with the same one,
        # until a reload or a new start.
        sent = self.inside("sendmail", "carol@far.test", name="box.example.test", input=MESSAGE)
        self.assertEqual(0, sent.returncode, sent.stderr)
        arrived = sink.wait_delivered("carol@far.test", 60)[0]
        self.assertTrue(arrived.sender.endswith("@localhost.localdomain"), arrived.sender)
        self.assertIn(b"by localhost.localdomain", arrived.content)
        self.assertNotIn(b"box.example.test", arrived.content)
        # And where it has one, nobody warns.
        self.assertNotIn(b"full name", self.inside("check", name="box.example.test").stderr)


class Starts(PostwainTestCase):
    def test_an_address_that_is_not_there_yet(self):
        """operate 5: whoever boots before his network is there starts all the same."""
        mta = self.prepare()
        mta.reconfigure({"listener": [{"address": f"127.0.0.1:{mta.port}"},
                                      {"address": f"192.0.2.77:{mta.port}"}]})
        mta.start()
        self.assertTrue(mta.has_event("address_not_here"))
        with SmtpClient(mta.port) as client:
            self.assertEqual(250, client.command("NOOP")[0])

    @unittest.skipUnless(os.geteuid() == 0, "only root gives files away")
    def test_a_spool_of_another_owner(self):
        """operate 6: restored by root, or from a machine with other numbers: it is given to our user."""
        sink = self.closing(SmtpSink())
        mta = self.prepare({"route": [{"match": "*", "deliver": sink.target}]})
        mta.start()
        self.assertEqual(0, mta.cli("queue", "suspend", "far.test").returncode)
        with SmtpClient(mta.port) as client:
            self.assertEqual(250, client.mail("a@b.test", ["c@far.test"], message("x", b"y" * 100_000))[0])
        mta.stop()
        for folder, _, names in os.walk(mta.folder / "spool"):
            for path in [folder, *(os.path.join(folder, name) for name in names)]:
                os.chown(path, 4242, 4242, follow_symlinks=False)
        mta.start()
        self.assertIn("belonged to the user with number 4242", "\n".join(mta.log))
        self.assertEqual(0, mta.cli("queue", "resume", "far.test").returncode)
        sink.wait_delivered("c@far.test")

    @unittest.skipUnless(os.geteuid() == 0, "users count for root only")
    def test_check_finds_what_run_refuses(self):
        """operate 29: users that are root or not there."""
        mta = self.prepare()
        for name in ("root", "nobody-has-this-name"):
            with self.subTest(name):
                mta.reconfigure({"users": {"queue": name}})
                checked = mta.cli("check")
                self.assertEqual(78, checked.returncode, checked.stderr)
                self.assertIn(name, checked.stdout + checked.stderr)

    def test_a_renewed_key_that_cannot_be_read(self):
        """operate 12: the old certificate goes on, and the log says why."""
        mta = self.prepare()
        certificate, key = Authority(mta.folder).issue("mx.postwain.test")
        mta.reconfigure({"tls": {"certificate": certificate, "key": key}})
        mta.start()
        self.assertIn("days left", mta.cli("status").stdout)
        wait_until(lambda: mta.has_event("certificate_ends"), 30, "a word about its end")
        os.rename(key, key + ".away")
        os.utime(certificate)
        [trouble] = wait_until(lambda: mta.events("certificate_not_usable"), 30, "the trouble")
        self.assertIn(f"{key}: No such file", trouble["error"])
        with SmtpClient(mta.port) as client:
            client.command("EHLO client.test")
            self.assertEqual(220, client.command("STARTTLS")[0])


if __name__ == "__main__":
    main()
