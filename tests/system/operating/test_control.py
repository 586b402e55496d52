"""The operator's commands: status, queue list, show, retry and cancel, stop, reload."""

import json
import re
import socket
import threading
import time

from postwain_harness import PostwainTestCase, main
from mail_content import message, without_received
from resources import reserve_port, wait_until
from smtp_raw import SmtpClient, queue_id
from smtp_sink import SmtpSink

TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")


class Control(PostwainTestCase):
    def setUp(self):
        self.port = reserve_port()
        self.mta = self.start({"queue": {"retry": ["1h"]}, "route": [
            {"match": ["a.test", "b.test"], "deliver": f"smtp:127.0.0.1:{self.port}"}]})

    def submit(self, *recipients, sender="alice@sender.test"):
        with SmtpClient(self.mta.port) as client:
            code, text = client.mail(sender, recipients, message())
            self.assertEqual(250, code, text)
            return queue_id(text)

    def wait_tried(self, count):
        wait_until(lambda: sum(r["attempts"] >= 1 for m in self.mta.queue()
                               for r in m["recipients"]) == count, 20,
                   lambda: f"{count} tried recipients: {self.mta.queue()}")

    def good(self, *words):
        result = self.mta.cli(*words)
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        return result.stdout

    def test_status(self):
        status = self.mta.status()
        self.assertEqual("running", status["state"])
        self.assertTrue(status["version"])
        kinds = {entry["name"].split("[")[0] for entry in status["processes"]}
        self.assertLessEqual({"qmgr", "smtpd", "smtp-client", "lmtp-client"}, kinds)
        self.assertLessEqual(set(self.mta.children()),
                             {entry["pid"] for entry in status["processes"]})
        self.assertEqual({"messages": 0, "recipients": 0},
                         {k: status["queue"][k] for k in ("messages", "recipients")})
        self.submit("x@a.test", "y@a.test")
        wait_until(lambda: self.mta.status()["queue"]["recipients"] == 2, 5, "two recipients")
        self.assertEqual(1, self.mta.status()["queue"]["messages"])
        self.assertIn("running", self.good("status"))

    def test_queue_list(self):
        first = self.submit("x@a.test", "y@b.test")
        self.submit("z@b.test", sender="")
        self.wait_tried(3)
        queue = {entry["id"]: entry for entry in self.mta.queue()}
        self.assertEqual(2, len(queue))
        entry = queue[first]
        self.assertEqual("alice@sender.test", entry["sender"])
        self.assertGreater(entry["size"], len(message()) - 40)
        self.assertRegex(entry["received_at"], TIME)
        self.assertEqual(["x@a.test", "y@b.test"], [r["address"] for r in entry["recipients"]])
        for key in ("state", "route", "class"):
            self.assertIn(key, entry)
        for recipient in entry["recipients"]:
            self.assertEqual("deferred", recipient["state"])
            self.assertEqual(1, recipient["attempts"])
            self.assertRegex(recipient["next_attempt_at"], TIME)
            self.assertTrue(recipient["last_reply"])
            self.assertIn("last_host", recipient)
        text = self.good("queue", "list")
        self.assertIn(first, text)
        self.assertIn("x@a.test", text)

    def test_filters(self):
        first = self.submit("x@a.test")
        second = self.submit("y@b.test", sender="bert@other.test")
        self.wait_tried(2)
        for words, wanted in {
            ("--id", first): {first},
            ("--domain", "b.test"): {second},
            ("--sender", "bert@other.test"): {second},
            ("--recipient", "x@a.test"): {first},
            ("--state", "deferred"): {first, second},
            ("--all",): {first, second},
            ("--older", "1h"): set(),
            ("--domain", "none.test"): set(),
        }.items():
            with self.subTest(words):
                self.assertEqual(wanted, {m["id"] for m in self.mta.queue(*words)})

    def test_show(self):
        identity = self.submit("x@a.test")
        self.wait_tried(1)
        shown = json.loads(self.good("queue", "show", "--id", identity, "--json"))
        self.assertIn(identity, json.dumps(shown))
        self.assertIn("x@a.test", json.dumps(shown))
        self.assertIn("x@a.test", self.good("queue", "show", "--id", identity))

    def test_retry(self):
        self.submit("x@a.test")
        self.submit("y@b.test")
        self.wait_tried(2)
        sink = self.closing(SmtpSink(("127.0.0.1", self.port)))
        self.assertEqual([], sink.messages)
        self.good("queue", "retry", "--domain", "a.test")
        sink.wait_delivered("x@a.test")
        wait_until(lambda: len(self.mta.queue()) == 1, 10, "one message left")
        self.assertEqual([], sink.delivered("y@b.test"))
        self.good("queue", "retry", "--all")
        sink.wait_delivered("y@b.test")
        self.mta.wait_queue_empty()

    def test_cancel(self):
        """The message goes without a bounce and never arrives."""
        gone = self.submit("x@a.test")
        self.submit("y@b.test")
        self.wait_tried(2)
        self.good("queue", "cancel", "--id", gone)
        self.assertEqual({"y@b.test"}, set(self.mta.unsettled()))
        sink = self.closing(SmtpSink(("127.0.0.1", self.port)))
        self.good("queue", "retry", "--all")
        sink.wait_delivered("y@b.test")
        self.mta.wait_queue_empty()
        self.assertEqual(1, len(sink.messages))

    def test_actions_demand_a_filter(self):
        """`queue cancel` alone must not empty the queue."""
        self.submit("x@a.test")
        self.assertNotEqual(0, self.mta.cli("queue", "cancel").returncode)
        self.assertEqual(1, len(self.mta.queue()))

    def test_unknown_id(self):
        result = self.mta.cli("queue", "show", "--id", "0000000000000", "--json")
        self.assertTrue(result.returncode != 0 or not result.stdout.strip()
                        or "0000000000000" not in result.stdout)

    def test_stop_command(self):
        self.submit("x@a.test")
        self.good("stop")
        self.mta.wait_stopped()
        self.assertNotEqual(0, self.mta.cli("status").returncode)
        self.mta.start()
        self.assertEqual({"x@a.test"}, set(self.mta.unsettled()))

    def test_commands_without_a_server(self):
        self.mta.stop()
        for words in (("status",), ("stop",), ("reload",), ("queue", "list"), ("queue", "stats"),
                      ("queue", "hold", "--all"), ("queue", "show", "0000000000001"),
                      ("queue", "destinations"), ("queue", "suspend", "a.test"),
                      ("queue", "backup", self.mta.folder / "copy"),
                      ("trace", "x@a.test"), ("watch",)):
            with self.subTest(words):
                result = self.mta.cli(*words)
                self.assertEqual(69, result.returncode, result.stderr)
                self.assertIn("postwain is not running", result.stderr)

    def test_usage_errors(self):
        for words in (("frobnicate",), ("queue", "frobnicate"), ("queue", "list", "--nonsense")):
            with self.subTest(words):
                self.assertEqual(64, self.mta.cli(*words).returncode)


class Reload(PostwainTestCase):
    def setUp(self):
        self.old, self.new = self.closing(SmtpSink()), self.closing(SmtpSink())
        self.mta = self.start({"route": [{"match": "*", "deliver": self.old.target}]})

    def submit(self, to):
        with SmtpClient(self.mta.port) as client:
            self.assertEqual(250, client.mail("alice@sender.test", [to], message())[0])

    def test_new_routes_and_new_limits(self):
        self.submit("before@example.test")
        self.old.wait_delivered("before@example.test")
        session = SmtpClient(self.mta.port)
        self.addCleanup(session.close)
        supervisor = self.mta.process.pid
        self.mta.reconfigure({"limits": {"message_size": 54321},
                              "route": [{"match": "*", "deliver": self.new.target}]})
        result = self.mta.cli("reload")
        self.assertEqual(0, result.returncode, result.stderr)
        wait_until(lambda: self.announced_size() == "SIZE 54321", 15, "the new limit")
        self.submit("after@example.test")
        self.new.wait_delivered("after@example.test")
        self.assertEqual([], self.old.delivered("after@example.test"))
        self.assertEqual(supervisor, self.mta.process.pid)
        self.assertIsNone(self.mta.process.poll())
        self.mta.stop()

    def test_bad_config_keeps_the_old_one(self):
        self.mta.reconfigure({"hostnmae": "x"})
        result = self.mta.cli("reload")
        self.assertEqual(78, result.returncode)
        self.assertRegex(result.stderr + result.stdout,
                         re.escape(self.mta.config_path) + r":\d+:\d+: ")
        self.submit("still@example.test")
        self.old.wait_delivered("still@example.test")

    def test_reload_under_load_loses_nothing(self):
        accepted = []
        for number in range(60):
            if number % 15 == 7:
                self.assertEqual(0, self.mta.cli("reload").returncode)
            try:
                self.submit(f"u{number}@example.test")
                accepted.append(f"u{number}@example.test")
            except (OSError, EOFError, AssertionError):
                time.sleep(0.05)
        self.mta.wait_queue_empty()
        self.assertGreaterEqual(len(accepted), 50)
        for to in accepted:
            self.assertEqual(1, len(self.old.delivered(to)), to)

    def announced_size(self):
        try:
            with SmtpClient(self.mta.port) as client:
                return next(line for line in client.extensions if line.startswith("SIZE"))
        except (OSError, EOFError):
            return ""


class Start(PostwainTestCase):
    """After a kill of everything a process of before may hold an address for a moment."""

    def occupied(self, seconds):
        mta = self.prepare()
        other = socket.create_server(("127.0.0.1", mta.port))
        self.addCleanup(other.close)
        timer = threading.Timer(seconds, other.close)
        self.addCleanup(timer.cancel)
        timer.start()
        return mta

    def test_an_address_that_is_free_soon_is_waited_for(self):
        mta = self.occupied(0.5)
        mta.start()
        with SmtpClient(mta.port) as client:
            self.assertEqual(250, client.command("NOOP")[0])

    def test_an_address_that_others_use_is_an_error(self):
        mta = self.occupied(60)
        mta.launch()
        self.assertEqual(69, mta.wait_exit())
        self.assertIn(f"cannot listen on 127.0.0.1:{mta.port}: Address already in use", mta.tail())


class GracefulStop(PostwainTestCase):
    def test_session_past_data_gets_its_reply(self):
        """SIGTERM in the middle of content: the client learns its fate, and 250 is kept."""
        sink = self.closing(SmtpSink())
        mta = self.start({"route": [{"match": "*", "deliver": sink.target}]})
        client = SmtpClient(mta.port)
        self.addCleanup(client.close)
        idle = SmtpClient(mta.port)
        self.addCleanup(idle.close)
        content = message("cut in two")
        client.envelope("alice@sender.test", ["bob@example.test"])
        self.assertEqual(354, client.command("DATA")[0])
        client.send(content[:40])
        mta.process.terminate()
        self.assertEqual(421, idle.reply()[0])
        client.send(content[40:] + b".\r\n")
        code, text = client.reply()
        mta.wait_stopped()
        mta.start()
        if code == 250:
            sink.wait_delivered("bob@example.test")
            mta.wait_queue_empty()
            self.assertEqual(1, len(sink.messages))
            self.assertEqual(content, without_received(sink.messages[0].content))
        else:
            self.assertTrue(400 <= code < 500, f"{code} {text}")


if __name__ == "__main__":
    main()
