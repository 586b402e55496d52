"""What operators type and what they are told (operate 3, 21 to 28, 35), by the rows of the review."""

import datetime
import glob
import json
import os
import re
import shutil
import subprocess
import unittest

from ipc_peer import AsUser, Peer, frame, text, u64
from postwain_harness import PostwainTestCase, main
from mail_content import message
from mail_session import Delay
from resources import reserve_port, wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

ROOT = os.geteuid() == 0
VIEWER = 4243
GROUP = "adm"
BUSY = "450 4.2.0 mailbox busy"
# What check_mailq of monitoring-plugins 2.3.3 looks for, word by word; see CheckMailq.
POSTFIX_LAST = re.compile(r"Kbytes in (\d+)")
SENDMAIL_TOTAL = re.compile(r"^\s+Total\sRequests:\s(\d+)$", re.IGNORECASE)


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


class Words(PostwainTestCase):
    def submit(self, *recipients):
        with SmtpClient(self.mta.port) as client:
            code, text = client.mail("alice@sender.test", recipients, message())
            self.assertEqual(250, code, text)
            return text.rsplit(" ", 1)[-1]

    def run_well(self, *words):
        result = self.mta.cli(*words)
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        return result.stdout

    def refused(self, code, *words):
        result = self.mta.cli(*words)
        self.assertEqual(code, result.returncode, result.stdout + result.stderr)
        return result.stderr

    def destinations(self):
        lines = self.run_well("queue", "destinations", "--json").splitlines()
        return {d["route"]: d for d in map(json.loads, filter(None, lines))}

    def waiting(self):
        """{address: recipient} of the queue."""
        return self.mta.unsettled()


class Suspend(Words):
    def test_operate_3_a_domain_alone_waits_on_a_smart_host(self):
        sink = self.closing(SmtpSink())
        self.mta = self.start({"queue": {"retry": ["1h"]},
                               "route": [{"match": "*", "deliver": sink.target}]})
        said = self.run_well("queue", "suspend", "example.com", "--reason", "their server moves")
        self.assertIn("domain:example.com is suspended", said)
        self.assertIn("all other mail goes on", said)
        self.submit("a@example.com", "b@elsewhere.example", "c@EXAMPLE.com.")
        sink.wait_delivered("b@elsewhere.example")
        wait_until(lambda: set(self.waiting()) == {"a@example.com", "c@EXAMPLE.com"}, 20, self.waiting)
        for shown in (self.run_well("queue", "list"), self.run_well("trace", "a@example.com"),
                      self.run_well("explain", "a@example.com", "--client", "127.0.0.1", "--no-dns"),
                      self.run_well("queue", "show", self.mta.queue()[0]["id"])):
            self.assertIn("their server moves", shown)
            self.assertIn("domain:example.com is suspended until further notice", shown)
        # Nothing else is meant, and nothing else is ended.
        self.assertIn("nothing is called", self.refused(66, "queue", "suspend", "no-such-thing"))
        self.assertIn("was not suspended", self.refused(66, "queue", "resume", "anything.example"))
        self.mta.stop()
        self.mta.start()
        self.submit("d@example.com", "e@elsewhere.example")
        sink.wait_delivered("e@elsewhere.example")
        wait_until(lambda: len(self.waiting()) == 3, 20, self.waiting)
        suspended = [d for d in self.destinations().values() if d["state"] == "suspended"]
        self.assertEqual(["domain:example.com"], [d["route"] for d in suspended])
        self.assertEqual(3, suspended[0]["queued"])
        self.assertIn("is resumed", self.run_well("queue", "resume", "example.com"))
        self.mta.wait_queue_empty()
        for to in ("a@example.com", "c@EXAMPLE.com", "d@example.com"):
            self.assertEqual(1, len(sink.delivered(to)), to)
        self.assertEqual([], [d for d in self.destinations() if d.startswith("domain:")])

    def test_operate_3_what_was_queued_before_waits_as_well(self):
        """Rows that lie in the store, fresh mail and a message with both domains."""
        port = reserve_port()
        self.mta = self.start({"queue": {"retry": ["1s"]}, "route": [
            {"match": "*", "deliver": f"smtp:127.0.0.1:{port}"}]})
        self.submit("a@example.com", "b@other.test")
        wait_until(lambda: all(r["attempts"] for r in self.waiting().values()), 20, "tried")
        self.run_well("queue", "suspend", "example.com")
        sink = self.closing(SmtpSink(("127.0.0.1", port)))
        sink.wait_delivered("b@other.test")
        wait_until(lambda: set(self.waiting()) == {"a@example.com"}, 20, self.waiting)
        self.run_well("queue", "resume", "domain:example.com")
        sink.wait_delivered("a@example.com")
        self.mta.wait_queue_empty()

    def test_operate_3_a_next_hop_by_its_name_and_what_a_host_name_means(self):
        sink = self.closing(SmtpSink())
        self.mta = self.start({"route": [{"match": "far.test", "deliver": "smtp:relay.far.test:25"},
                                         {"match": "*", "deliver": sink.target}]})
        said = self.refused(64, "queue", "suspend", "relay.far.test")
        self.assertIn("postwain queue suspend 'smtp:relay.far.test:25'", said)
        self.assertIn("match = *", self.run_well("queue", "suspend", sink.target))
        key = f"smtp:[127.0.0.1]:{sink.port}"
        self.submit("a@any.test")
        wait_until(lambda: "waiting_for" in self.waiting().get("a@any.test", {}), 10, "told")
        self.assertIn(f"postwain queue resume '{key}'",
                      self.refused(66, "queue", "resume", "any.test"))
        self.run_well("queue", "resume", sink.target)
        sink.wait_delivered("a@any.test")

    def test_operate_3_a_suspension_of_a_domain_ends_by_itself(self):
        sink = self.closing(SmtpSink())
        self.mta = self.start({"route": [{"match": "*", "deliver": sink.target}]})
        self.run_well("queue", "suspend", "a.test", "--for", "3s")
        self.submit("x@a.test")
        sink.wait_delivered("x@a.test")
        self.mta.wait_queue_empty()


class Told(Words):
    def test_operate_21_behind_a_breaker(self):
        port = reserve_port()
        self.mta = self.start({"queue": {"retry": ["1h"]}, "route": [
            {"match": "*", "deliver": f"smtp:[127.0.0.1]:{port}"}]})
        key = f"smtp:[127.0.0.1]:{port}"
        for number in range(8):
            self.submit(f"b{number}@a.test")
        wait_until(lambda: self.destinations()[key]["breaker"] == "open", 30, self.destinations)
        down = self.destinations()[key]
        self.assertEqual("down", down["state"])
        self.assertIn("refused", down["reason"])
        self.submit("late@a.test")
        late = wait_until(lambda: self.waiting().get("late@a.test"), 10, "queued")
        self.assertEqual("breaker", late["waiting_for"])
        self.assertIn("refused", late["waiting_reason"])
        self.assertEqual(down["hold_until"], late["waiting_until"])
        self.assertGreaterEqual(moment(late["next_attempt_at"]), moment(down["hold_until"]))
        for words in (("queue", "list"), ("trace", "late@a.test"),
                      ("queue", "list", "--reason", "REFUSED", "--recipient", "late@a.test"),
                      ("explain", "late@a.test", "--client", "127.0.0.1", "--no-dns")):
            self.assertRegex(self.run_well(*words), "could not be reached.*refused")
        mailq = subprocess.run([os.path.join(self.mta.binaries, "postwain"), "sendmail", "--config",
                                self.mta.config_path, "-bp"], capture_output=True, text=True,
                               check=False)
        self.assertIn("could not be reached", mailq.stdout, mailq.stderr)
        self.assertEqual([], self.mta.queue("--reason", "no such words"))
        self.assertIn("could not be reached: one message is tried at once",
                      self.run_well("queue", "retry", "--recipient", "late@a.test"))

    def test_operate_21_retry_says_why_it_cannot_act(self):
        sink = self.closing(SmtpSink())
        self.mta = self.start({"queue": {"retry": ["1h"]},
                               "route": [{"match": "*", "deliver": sink.target}]})
        self.run_well("queue", "suspend", "a.test")
        self.submit("x@a.test")
        said = self.run_well("queue", "retry", "--all")
        self.assertIn("1 message matched (1 recipient), 0 changed (0)", said)
        self.assertIn("postwain queue resume 'domain:a.test' ends that", said)
        told = json.loads(self.run_well("queue", "retry", "--all", "--json"))
        self.assertEqual(0, told["changed"])
        self.assertEqual([1], [one["recipients"] for one in told["not_tried"]])
        self.run_well("queue", "hold", "--all")
        self.assertIn("postwain queue release ends that", self.run_well("queue", "retry", "--all"))
        self.assertEqual("", self.waiting()["x@a.test"]["next_attempt_at"])

    def test_operate_21_no_next_time_has_gone_by(self):
        """Nobody may take it: more attempts are not allowed at once."""
        sink = self.closing(SmtpSink(script={"rcpt": {"slow@a.test": Delay(8)}}))
        self.mta = self.start({"route": [{"match": "*", "deliver": sink.target, "concurrency": 1}]})
        self.submit("slow@a.test")
        wait_until(lambda: any(r["state"] == "active" for r in self.waiting().values()), 10, "runs")
        before = datetime.datetime.now(datetime.timezone.utc)
        self.submit("next@b.test")
        for one in self.waiting().values():
            self.assertGreaterEqual(moment(one["next_attempt_at"]), before)
        self.assertIn("its turn at", self.run_well("queue", "list", "--recipient", "next@b.test"))

    def test_what_waits_for_a_rate_says_for_which(self):
        sink = self.closing(SmtpSink())
        self.mta = self.start({"route": [{"match": "*", "deliver": sink.target, "rate": "1/hour"}]})
        self.submit("first@a.test")
        sink.wait_delivered("first@a.test")
        self.submit("second@a.test")
        self.assertIn(", and rate of its route allows 1 in 1h", self.run_well("queue", "list"))
        [shown] = json.loads(self.run_well("queue", "show", *self.mta.queue()[0]["id"].split(),
                                           "--json"))["recipients"]
        self.assertIn("rate of its route allows 1 in 1h", shown["waiting_reason"])

    def test_operate_24_nothing_matches_is_not_an_empty_queue(self):
        self.mta = self.start({"route": [{"match": "*", "deliver": f"smtp:127.0.0.1:{reserve_port()}"}],
                               "queue": {"retry": ["1h"]}})
        self.assertEqual("Mail queue is empty\n", self.run_well("queue", "list"))
        self.assertEqual("Mail queue is empty\n", self.run_well("queue", "list", "--all"))
        identity = self.submit("x@a.test")
        said = self.run_well("queue", "list", "--domain", "nothing.example")
        self.assertEqual("No message in the queue matches\n", said)
        for action in ("list", "show", "retry", "hold", "cancel"):
            with self.subTest(action):
                self.assertIn("no message 0000000000001 in the queue",
                              self.refused(66, "queue", action, "--id", "0000000000001"))
        self.refused(66, "queue", "list", identity, "--domain", "nothing.example")
        self.assertIn(identity, self.run_well("queue", "list", "--id", identity))

    def test_operate_25_one_word_for_a_destination_that_is_well(self):
        sink = self.closing(SmtpSink())
        self.mta = self.start({"route": [{"match": "*", "deliver": sink.target}]})
        self.submit("x@a.test")
        sink.wait_delivered("x@a.test")
        key = f"smtp:[127.0.0.1]:{sink.port}"
        wait_until(lambda: self.destinations()[key]["active"] == 0, 10, self.destinations)
        self.assertEqual("ready", self.destinations()[key]["state"])
        text = self.run_well("queue", "destinations")
        self.assertIn("ready", text)
        self.assertNotIn("open", text)

    def test_operate_26_the_whole_queue_by_domain_and_age(self):
        self.mta = self.start({"route": [{"match": "*", "deliver": f"smtp:127.0.0.1:{reserve_port()}"}],
                               "queue": {"retry": ["1h"]}})
        self.submit(*[f"u{i}@many.test" for i in range(30)])
        for number in range(25):
            self.submit(f"x@d{number}.test")
        stats = json.loads(self.run_well("queue", "stats", "--json"))
        self.assertEqual({"many.test": 30}, {d["domain"]: d["recipients"] for d in stats["domains"][:1]})
        self.assertEqual(20, len(stats["domains"]))
        self.assertEqual((6, 6), (stats["other_domains"]["domains"],
                                  stats["other_domains"]["recipients"]))
        self.assertEqual((55, 55), (stats["all_domains"]["recipients"], stats["all_domains"]["5m"]))
        self.assertRegex(self.run_well("queue", "stats"), r"many\.test +30 ")

    def test_operate_28_a_stop_leaves_the_last_true_reply(self):
        sink = self.closing(SmtpSink(script={"rcpt": {"x@a.test": BUSY}}))
        self.mta = self.start({"queue": {"retry": ["1s"]},
                               "route": [{"match": "*", "deliver": sink.target}]})
        self.submit("x@a.test")
        wait_until(lambda: "busy" in self.waiting()["x@a.test"]["last_reply"], 20, self.waiting)
        sink.script["rcpt"] = Delay(60)
        wait_until(lambda: self.waiting()["x@a.test"]["state"] == "active", 30, "an attempt runs")
        self.run_well("queue", "suspend", "a.test")  # the attempt goes on, the next one waits
        self.mta.stop()
        self.mta.start()
        self.assertIn("busy", self.waiting()["x@a.test"]["last_reply"])

    def test_operate_35_what_no_route_leads_to_any_more(self):
        port = reserve_port()
        self.mta = self.start({"queue": {"retry": ["1s"]}, "route": [
            {"match": "*", "deliver": f"smtp:[127.0.0.1]:{port}"}]})
        key = f"smtp:[127.0.0.1]:{port}"
        for number in range(8):
            self.submit(f"b{number}@a.test")
        wait_until(lambda: self.destinations()[key]["breaker"] == "open", 30, self.destinations)
        sink = self.closing(SmtpSink())
        self.mta.reconfigure({"queue": {"retry": ["1s"]},
                              "route": [{"match": "*", "deliver": sink.target}]})
        self.run_well("reload")
        self.mta.wait_queue_empty()
        # The retry schedule bounds how long it holds.
        wait_until(lambda: "hold_until" not in self.destinations().get(key, {}), 20,
                   self.destinations)
        self.assertNotIn(" until ", self.run_well("queue", "destinations"))


class CheckMailq(Words):
    """operate 22: the words are those of check_mailq; the real one is asked where it is installed."""

    def test_mailq(self):
        self.mta = self.start({"route": [{"match": "*", "deliver": f"smtp:127.0.0.1:{reserve_port()}"}],
                               "queue": {"retry": ["1h"]}})
        words = ["sendmail", "--config", self.mta.config_path, "-bp"]
        program = os.path.join(self.mta.binaries, "postwain")

        def mailq():
            done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
            self.assertEqual(0, done.returncode, done.stderr)
            return done.stdout.splitlines()

        # if ($lines[0]=~/Kbytes in (\d+)/) … elsif ($lines[0]=~/Mail queue is empty/), of the last
        # line; for Sendmail any line of its own, and nothing found is an empty queue.
        self.assertEqual(["Mail queue is empty"], mailq())
        for number in range(3):
            self.submit(f"x{number}@a.test", "also@b.test")
        lines = mailq()
        self.assertEqual("3", POSTFIX_LAST.search(lines[-1]).group(1))
        self.assertEqual(["3"], [m.group(1) for m in map(SENDMAIL_TOTAL.match, lines) if m])
        self.assertRegex(lines[-1], r"^-- \d+ Kbytes in 3 Requests\.$")


@unittest.skipUnless(ROOT, "only root becomes other users")
class Viewers(Words):
    def as_viewer(self, *words, groups=()):
        os.chmod(self.mta.folder / "", 0o755)
        os.chmod(self.mta.config_path, 0o644)
        program = os.path.join(self.mta.binaries, "postwain")
        return subprocess.run(
            ["setpriv", f"--reuid={VIEWER}", f"--regid={VIEWER}",
             f"--groups={','.join(map(str, groups))}" if groups else "--clear-groups",
             program, *words, "--config", self.mta.config_path],
            capture_output=True, text=True, timeout=60, check=False)

    @unittest.skipUnless(shutil.which("setpriv"), "setpriv")
    def test_operate_23_a_group_may_look_and_nothing_more(self):
        gid = int(subprocess.run(["getent", "group", GROUP], capture_output=True, text=True,
                                 check=True).stdout.split(":")[2])
        self.mta = self.start({"queue": {"retry": ["1h"]}, "control": {"viewers": [GROUP]},
                               "route": [{"match": "*",
                                          "deliver": f"smtp:127.0.0.1:{reserve_port()}"}]})
        identity = self.submit("x@a.test")
        looks = (("status",), ("queue", "list"), ("queue", "show", identity), ("queue", "stats"),
                 ("queue", "destinations"), ("trace", "x@a.test"))
        changes = (("queue", "hold", "--all"), ("queue", "cancel", "--all"),
                   ("queue", "retry", "--all"), ("queue", "suspend", "a.test"),
                   ("queue", "resume", "a.test"), ("reload",), ("stop",),
                   ("queue", "export", self.mta.folder / "open/out", "--all"))
        os.mkdir(self.mta.folder / "open")
        os.chmod(self.mta.folder / "open", 0o777)
        for words in looks:
            with self.subTest(words):
                done = self.as_viewer(*words, groups=[gid])
                self.assertEqual(0, done.returncode, done.stderr)
                other = self.as_viewer(*words)
                self.assertEqual(77, other.returncode, other.stdout)
                self.assertIn("[control] viewers", other.stderr)
        for words in changes:
            with self.subTest(words):
                done = self.as_viewer(*words, groups=[gid])
                self.assertNotEqual(0, done.returncode, done.stdout)
        self.assertEqual("deferred", wait_until(
            lambda: [r["state"] for r in self.waiting().values() if r["state"] == "deferred"], 20,
            "still there")[0])
        self.assertIn("may only look", self.as_viewer("queue", "hold", "--all", groups=[gid]).stderr)
        self.assertEqual([], [one for one in glob.glob(self.mta.folder / "open/out/*.eml")
                              if os.path.getsize(one) > 0])
        # A reload takes the right away again.
        self.mta.reconfigure({"control": {"viewers": []}})
        self.run_well("reload")
        self.assertEqual(77, self.as_viewer("queue", "list", groups=[gid]).returncode)

    @unittest.skipUnless(ROOT, "only root has other groups than its own")
    def test_security_who_may_look_asks_a_few_questions_at_once(self):
        """Each may be a walk through the whole queue; a watch never ends."""
        gid = int(subprocess.run(["getent", "group", GROUP], capture_output=True, text=True,
                                 check=True).stdout.split(":")[2])
        self.mta = self.start({"control": {"viewers": [GROUP]}})
        groups = os.getgroups()
        os.setgroups([gid])
        try:
            with AsUser(4242):
                peer = Peer(self.mta.folder / "run/qmgr.sock", "control")
        finally:
            os.setgroups(groups)
        self.addCleanup(peer.close)
        peer.wait("welcome")
        asked = json.dumps({"command": "watch"})
        for number in range(60):
            peer.send(frame("control_request", u64(number) + text(asked)))
        peer.send(frame("control_request", u64(99) + text(json.dumps({"command": "queue hold"}))))
        refused = [peer.wait("control_reply") for _ in range(57)]
        self.assertTrue(all(b"too many questions" in reply for reply in refused), refused)
        # One by one as many as he likes.
        other = None
        os.setgroups([gid])
        try:
            with AsUser(4242):
                other = Peer(self.mta.folder / "run/qmgr.sock", "control")
        finally:
            os.setgroups(groups)
        self.addCleanup(other.close)
        for number in range(30):
            other.send(frame("control_request", u64(number) + text(json.dumps({"command": "status"}))))
            self.assertIn(b'"state"', other.wait("control_reply"))


if __name__ == "__main__":
    main()
