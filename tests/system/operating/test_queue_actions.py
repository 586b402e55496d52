"""What operators do with queued mail: hold and release, whom an action hits, running attempts."""

import json
import os
import pty
import subprocess
import threading

from postwain_harness import BIN, PostwainTestCase, main
from mail_content import message
from resources import reserve_port, wait_until
from smtp_raw import SmtpClient, queue_id
from smtp_sink import SmtpSink

MANY = 2500


class Actions(PostwainTestCase):
    def queue_up(self, *recipients, **config):
        """Postwain with one message that its next hop, not there yet, did not get."""
        self.port = reserve_port()
        self.mta = self.start({"queue": {"retry": ["1h"]}, "route": [
            {"match": "*", "deliver": f"smtp:127.0.0.1:{self.port}"}], **config})
        identity = self.submit(*recipients)
        wait_until(lambda: any(r["attempts"] for r in self.mta.unsettled().values()), 20, "tried")
        return identity

    def submit(self, *recipients):
        with SmtpClient(self.mta.port) as client:
            code, text = client.mail("alice@sender.test", recipients, message())
            self.assertEqual(250, code, text)
            return queue_id(text)

    def act(self, *words):
        result = self.mta.cli("queue", *words, "--json")
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        return json.loads(result.stdout)

    def states(self):
        return {address: r["state"] for address, r in self.mta.unsettled().items()}

    def test_hold_and_release(self):
        identity = self.queue_up("x@a.test", "y@b.test")
        self.assertEqual({"matched": 1, "changed": 1, "recipients": 2, "recipients_changed": 2},
                         self.act("hold", identity))
        self.assertEqual({"x@a.test": "held", "y@b.test": "held"}, self.states())
        sink = self.closing(SmtpSink(("127.0.0.1", self.port)))
        self.assertEqual(0, self.act("retry", "--all")["changed"])  # a hold is not ended by it
        self.assertEqual(0, self.act("hold", "--all")["changed"])
        self.assertEqual(1, self.act("release", "--recipient", "y@b.test")["recipients_changed"])
        sink.wait_delivered("y@b.test")
        self.assertEqual([], sink.delivered("x@a.test"))
        self.mta.stop()
        self.mta.start()
        self.assertEqual({"x@a.test": "held"}, self.states())
        self.assertEqual(1, self.act("release", identity)["recipients_changed"])
        sink.wait_delivered("x@a.test")
        self.mta.wait_queue_empty()

    def test_an_action_hits_the_recipients_its_filter_names(self):
        self.queue_up("x@a.test", "y@b.test", "z@b.test")
        shown = self.mta.queue("--domain", "b.test")
        self.assertEqual([["y@b.test", "z@b.test"]],
                         [[r["address"] for r in m["recipients"]] for m in shown])
        self.assertEqual({"matched": 1, "changed": 0, "recipients": 2, "recipients_changed": 0,
                          "dry_run": True}, self.act("cancel", "--domain", "b.test", "--dry-run"))
        self.assertEqual(3, len(self.states()))
        self.assertEqual(1, self.act("cancel", "--recipient", "z@b.test")["recipients_changed"])
        self.assertEqual({"x@a.test", "y@b.test"}, set(self.states()))
        text = self.mta.cli("queue", "hold", "--domain", "b.test").stdout
        self.assertEqual("1 message matched (1 recipient), 1 changed (1)\n", text)
        self.assertEqual({"x@a.test": "deferred", "y@b.test": "held"}, self.states())
        self.assertEqual(["y@b.test"], [r["address"] for m in self.mta.queue("--state", "held")
                                        for r in m["recipients"]])

    def test_a_message_with_very_many_recipients(self):
        """List, show and actions reach every one; the list is still one line a message."""
        addresses = [f"u{n}@a.test" for n in range(MANY)]
        identity = self.queue_up(*addresses, limits={"recipients": MANY})
        listed = self.mta.queue()
        self.assertEqual([identity], [m["id"] for m in listed])
        self.assertEqual(addresses, [r["address"] for r in listed[0]["recipients"]])
        shown = json.loads(self.mta.cli("queue", "show", identity, "--json").stdout)
        self.assertEqual(list(range(MANY)), [r["index"] for r in shown["recipients"]])
        self.assertEqual(MANY, self.mta.cli("queue", "list").stdout.count("@a.test  "))
        self.assertEqual({"matched": 1, "changed": 1, "recipients": MANY,
                          "recipients_changed": MANY}, self.act("hold", "--all"))
        self.assertEqual({"held"}, set(self.states().values()))
        last = self.act("cancel", "--recipient", addresses[-1])
        self.assertEqual(1, last["recipients_changed"])
        self.assertEqual(MANY - 1, self.act("cancel", "--id", identity)["recipients_changed"])
        self.mta.wait_queue_empty()

    def test_an_action_waits_for_the_attempt_that_runs(self):
        """What is deferred then is acted on; what is delivered then is not."""
        ended = threading.Event()

        def final(_session, _argument):
            ended.wait(30)
            return "450 4.2.0 later" if deferring else None

        for deferring in (True, False):
            with self.subTest(deferring=deferring):
                ended.clear()
                sink = self.closing(SmtpSink(script={"final": final}))
                self.mta = self.start({"queue": {"retry": ["1h"]}, "route": [
                    {"match": "*", "deliver": sink.target}]})
                identity = self.submit("x@a.test")
                wait_until(lambda: self.states() == {"x@a.test": "active"}, 20, "an attempt")
                results = {}

                def act(action, identity=identity, results=results):
                    done = self.mta.cli("queue", action, identity, "--json")
                    results[action] = (done.returncode, json.loads(done.stdout or "{}"))

                threads = [threading.Thread(target=act, args=(action,)) for action in ("hold", "cancel")]
                for thread in threads[:1 if deferring else 2]:
                    thread.start()
                self.assertEqual([1], [len(self.mta.queue("--state", "active"))])
                ended.set()
                for thread in threads[:1 if deferring else 2]:
                    thread.join(30)
                if deferring:
                    self.assertEqual(1, results["hold"][1]["recipients_changed"])
                    self.assertEqual({"x@a.test": "held"}, self.states())
                else:
                    # One that comes after the delivery hears that there is no such message any more.
                    self.assertEqual([0, 0], [r.get("changed", 0) for _, r in results.values()])
                    self.assertEqual(set(), {code for code, _ in results.values()} - {0, 66})
                    self.mta.wait_queue_empty()
                self.mta.stop()


class Filters(PostwainTestCase):
    def test_by_everything_a_row_has(self):
        sink = self.closing(SmtpSink(script={"rcpt": {"full@a.test": "452 4.2.2 mailbox full",
                                                      "grey@b.test": "451 4.7.1 greylisted"}}))
        mta = self.start({"route": [{"match": "*", "deliver": sink.target}], "queue": {"retry": ["1h"], "jitter": 0}})
        with SmtpClient(mta.port) as client:
            for to, content in [("full@a.test", message()), ("grey@b.test", message("large", (b"x" * 70 + b"\r\n") * 900))]:
                self.assertEqual(250, client.mail("anna@sender.test", [to], content)[0])
        wait_until(lambda: all(r["attempts"] == 1 for r in mta.unsettled().values()), 20, "attempts")

        def found(*words):
            return sorted(r["address"] for m in mta.queue(*words) for r in m["recipients"])
        both = ["full@a.test", "grey@b.test"]
        for words, expected in [
                (["--reply", "MAILBOX FULL"], both[:1]), (["--reply", "4.7.1"], both[1:]), (["--larger", "20KiB"], both[1:]),
                (["--smaller", "20KiB"], both[:1]), (["--client", "127.0.0.1"], both), (["--client", "127.0.0.2"], []),
                (["--class", "interactive"], both), (["--class", "bounce"], []), (["--attempts", "1"], both),
                (["--attempts", "2"], []), (["--younger", "1h"], both), (["--older", "1h"], []),
                (["--account", "nobody"], []), (["--reply", "4.2.2", "--larger", "20KiB"], [])]:
            self.assertEqual(expected, found(*words), words)
        route = mta.queue()[0]["route"]
        self.assertEqual(both, found("--route", route))
        for words in [["--larger", "big"], ["--younger", "soon"], ["--class", "fast"], ["--attempts", "x"]]:
            self.assertEqual(64, mta.cli("queue", "list", *words).returncode, words)
        self.assertEqual(0, mta.cli("queue", "hold", "--reply", "mailbox full").returncode)
        self.assertEqual("held", mta.unsettled()["full@a.test"]["state"])
        self.assertEqual("deferred", mta.unsettled()["grey@b.test"]["state"])

    def test_colours_only_on_a_terminal(self):
        mta = self.start({"route": [{"match": "*", "deliver": f"smtp:127.0.0.1:{reserve_port()}"}],
                          "queue": {"retry": ["1h"]}})
        with SmtpClient(mta.port) as client:
            self.assertEqual(250, client.mail("anna@sender.test", ["x@a.test"], message())[0])
        self.assertEqual(0, mta.cli("queue", "hold", "--all").returncode)
        self.assertNotIn("\033", mta.cli("queue", "list").stdout)

        def on_a_terminal(**environment):
            ours, theirs = pty.openpty()
            process = subprocess.Popen([os.path.join(BIN, "postwain"), "queue", "list", "--config", mta.config_path],
                                       stdout=theirs, stderr=theirs, env={**os.environ, **environment})
            os.close(theirs)
            seen = b""
            try:
                while part := os.read(ours, 65536):
                    seen += part
            except OSError:
                pass  # the other end is closed
            os.close(ours)
            self.assertEqual(0, process.wait(30))
            return seen
        self.assertIn(b"\033[31mheld\033[0m", on_a_terminal())
        self.assertNotIn(b"\033", on_a_terminal(NO_COLOR="1"))


if __name__ == "__main__":
    main()
