"""Mail that comes into being on this machine goes through the filters whose `on` names it."""

import json
import os
import signal
import threading
import time

from postwain_harness import PostwainTestCase, kill_and_wait, main
from mail_content import is_report
from milter_server import MilterServer, packet, texts
from resources import wait_until
from smtp_sink import SmtpSink

LETTER = b"Subject: local\nFrom: anna@sender.test\nTo: bob@example.test\n\nhello\n"
SENDER = "anna@sender.test"
READER = "bob@example.test"


def program_of(pid):
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


def at_end(*answers):
    """A milter that takes everything and says this at the end of the message."""
    return lambda command, data: b"".join(answers) if command == "E" else packet("c")


ADDS = at_end(packet("h", texts("X-Seen", "yes")), packet("c"))


class LocalMail(PostwainTestCase):
    def serve(self, script, on=("local",), **keys):
        self.milter = self.closing(MilterServer(script))
        self.sink = self.closing(SmtpSink())
        one = {"name": "one", "socket": self.milter.address, "on": list(on), **keys}
        return self.begin({"filter": [one]})

    def begin(self, changes):
        routes = [{"match": "*", "deliver": self.sink.target}]
        return self.start({"route": routes, **changes})

    def send(self, mta, *to, content=LETTER, sender=SENDER):
        done = mta.sendmail("-i", "-f", sender, *(to or (READER,)), content=content)
        self.assertEqual(0, done.returncode, done.stderr)

    def arrived(self, to=READER, count=1):
        wait_until(lambda: len(self.sink.delivered(to)) >= count, 30, lambda: f"{to}: {self.sink.messages}")
        found = self.sink.delivered(to)
        self.assertEqual(count, len(found))
        return found[-1]

    def queued(self, mta, condition):
        """The first message of the queue of which the condition is true."""
        def found():
            return [message for message in mta.queue() if condition(message)]
        return wait_until(found, 30, mta.tail)[0]

    def report(self, to=SENDER):
        message = self.arrived(to)
        self.assertTrue(is_report(message.content))
        return message.content

    # What filters hear, and what they change.

    def test_sendmail_is_played_as_a_session_of_this_machine(self):
        mta = self.serve(ADDS)
        self.send(mta)
        content = self.arrived().content
        self.assertEqual(1, content.count(b"X-Seen: yes\r\n"))
        self.assertLess(content.index(b"Received:"), content.index(b"X-Seen"))
        self.assertTrue(content.endswith(b"\r\n\r\nhello\r\n"))
        commands = self.milter.commands.replace("D", "")
        self.assertTrue(commands.startswith("OCHMRT"), commands)
        self.assertIn(b"localhost\x004\x00\x00127.0.0.1", self.milter.data_of("C")[0])
        self.assertEqual([b"hello\r\n"], self.milter.data_of("B"))
        names = [field.split(b"\0")[0] for field in self.milter.data_of("L")]
        self.assertNotIn(b"Received", names)  # ours
        judged = wait_until(lambda: mta.events("filtered"), 20, mta.tail)[0]
        self.assertEqual(("one", "accept", "1"), (judged["filter"], judged["verdict"], judged["edits"]))
        mta.wait_queue_empty()

    def test_what_no_filter_is_named_for_is_not_shown_to_it(self):
        mta = self.serve(at_end(packet("r")), on=("world",))
        self.send(mta)
        self.arrived()
        self.assertEqual("", self.milter.commands)
        self.assertEqual([], mta.events("judged"))

    def test_pickup_brings_mail_to_the_filters(self):
        mta = self.serve(ADDS)
        os.chmod(mta.folder / "", 0o755)
        os.chmod(mta.config_path, 0o644)
        mta.stop()
        self.send(mta)
        mta.start()
        self.assertEqual(1, self.arrived().content.count(b"X-Seen: yes\r\n"))

    def test_large_mail_and_a_large_new_body(self):
        body = b"".join(b"line %d\n" % i for i in range(100_000))
        new = b"".join(b"other %d\r\n" % i for i in range(60_000))
        pieces = [packet("b", new[at:at + 60_000]) for at in range(0, len(new), 60_000)]

        def script(command, data):
            if command != "E":
                return packet("c")
            last = self.milter.data_of("R")[-1]
            if last.startswith(b"<other"):
                return b"".join(pieces) + packet("c")
            return packet("h", texts("X-Seen", "yes")) + packet("c")
        mta = self.serve(script, may=["headers", "body"])
        self.send(mta, content=LETTER + body)
        content = self.arrived().content
        self.assertIn(b"X-Seen: yes\r\n", content)
        self.assertTrue(content.endswith(b"\r\n\r\nhello\r\n" + body.replace(b"\n", b"\r\n")))
        self.assertEqual(b"hello\r\n" + body.replace(b"\n", b"\r\n"), b"".join(self.milter.data_of("B")))
        for content in (LETTER + body, LETTER):  # from a file, and from the store, into a file
            self.send(mta, "other@example.test", content=content)
        wait_until(lambda: len(self.sink.delivered("other@example.test")) == 2, 30, mta.tail)
        for message in self.sink.delivered("other@example.test"):
            self.assertEqual(new, message.content.split(b"\r\n\r\n", 1)[1])
        mta.wait_queue_empty()
        wait_until(lambda: not os.listdir(mta.folder / "spool/content"), 20, "no file is left over")

    def test_recipients_and_sender_are_changed(self):
        mta = self.serve(at_end(packet("-", texts(f"<{READER}>")), packet("+", texts("<new@example.test>")),
                                packet("e", texts("<other@sender.test>")), packet("c")),
                         may=["recipients", "sender"])
        self.send(mta)
        self.assertEqual("other@sender.test", self.arrived("new@example.test").sender)
        self.assertEqual([], self.sink.delivered(READER))

    def test_filtered_mail_leaves_where_addresses_are_rewritten(self):
        for script in (ADDS, at_end(packet("c"))):
            self.milter = self.closing(MilterServer(script))
            self.sink = self.closing(SmtpSink())
            mta = self.prepare()
            mta.folder.file("aliases", "team: anna@example.test, carl@example.test\n")
            mta.reconfigure({
                "route": [{"match": "*", "deliver": self.sink.target}],
                "filter": [{"name": "one", "socket": self.milter.address, "on": ["local"]}],
                "addresses": {"aliases": "aliases"}})
            mta.start()
            self.send(mta, READER)
            self.send(mta, "team")
            for to in (READER, "anna@example.test", "carl@example.test"):
                self.assertEqual(script is ADDS, b"X-Seen: yes" in self.arrived(to).content)
            mta.wait_queue_empty()
            self.assertEqual([], mta.events("not_accepted"))
            judged = mta.events("filtered")
            self.assertEqual(2, len(judged))  # each message once
            for one in judged:
                shown = json.loads(mta.cli("trace", "--json", one["id"]).stdout)
                self.assertIn('"judgements"', json.dumps(shown))
            mta.stop()

    # What filters decide.

    def test_a_refusal_becomes_a_notice_to_the_sender(self):
        mta = self.serve(at_end(packet("y", texts("554 5.7.1 no such words here"))))
        self.send(mta)
        self.assertIn(b"no such words here", self.report())
        self.assertEqual([], self.sink.delivered(READER))
        mta.wait_queue_empty()

    def test_one_refused_recipient_does_not_stop_the_others(self):
        mta = self.serve(lambda command, data: packet("y", texts("550 5.1.1 nobody here"))
                         if command == "R" and data.startswith(b"<gone") else packet("c"))
        self.send(mta, "gone1@example.test", READER, "gone2@example.test")
        self.arrived()
        report = self.report()
        self.assertIn(b"gone1@example.test", report)
        self.assertIn(b"gone2@example.test", report)
        self.assertEqual([], self.sink.delivered("gone1@example.test"))

    def test_a_message_that_is_held_waits_for_the_operator(self):
        mta = self.serve(at_end(packet("q", texts("looks bad")), packet("c")))
        self.send(mta)
        held = self.queued(mta, lambda message: message["state"] == "held")
        self.assertIn("looks bad", held["recipients"][0]["last_reply"])
        mta.cli("queue", "release", held["id"])
        self.arrived()
        self.assertEqual(1, self.milter.commands.count("E"))  # it was judged once

    def test_discard_is_stored_nowhere_any_more(self):
        mta = self.serve(at_end(packet("d")), may=["discard"])
        self.send(mta)
        wait_until(lambda: mta.events("discarded"), 20, mta.tail)
        mta.wait_queue_empty()
        self.assertEqual([], self.sink.messages)

    def test_a_message_that_is_put_off_is_judged_again(self):
        said = []

        def script(command, data):
            if command != "E":
                return packet("c")
            said.append(1)
            return packet("t") if len(said) == 1 else packet("c")
        mta = self.serve(script)
        self.send(mta)
        waits = self.queued(mta, lambda message: message["state"] == "deferred")
        self.assertIn("waits for filter one", waits["recipients"][0]["last_reply"])
        self.assertEqual([], self.sink.messages)
        mta.cli("queue", "retry", waits["id"])
        self.arrived()
        self.assertEqual(2, len(said))

    # Notices of our own.

    def test_a_notice_gets_a_field_and_can_not_be_refused(self):
        adds = packet("h", texts("X-Signed", "yes"))
        for last in (packet("c"), packet("r"), packet("t"), packet("d")):
            with self.subTest(last):
                mta = self.serve(at_end(adds, last), on=("notices",))
                self.sink.script = {"rcpt": {READER: "550 5.1.1 nobody here"}}
                self.send(mta)
                report = self.report()
                if last == packet("c"):
                    self.assertEqual(1, report.count(b"X-Signed: yes\r\n"))
                self.assertEqual(1, self.milter.commands.count("E"))  # and not for the mail itself
                self.assertTrue(self.milter.data_of("M")[0].startswith(b"<>\0"))
                mta.wait_queue_empty()

    # Crashes, and filters that are down.

    def thinking(self):
        """A milter whose first verdict never comes."""
        asked = threading.Event()

        def script(command, data):
            if command != "E" or asked.is_set():
                return ADDS(command, data)
            asked.set()
            return None
        return asked, script

    def test_a_kill_while_the_verdict_is_out(self):
        for kind in ("qmgr", "filter"):
            with self.subTest(kind):
                asked, script = self.thinking()
                mta = self.serve(script)
                self.send(mta)
                self.assertTrue(asked.wait(20), mta.tail())
                waits = self.queued(mta, lambda message: True)
                self.assertEqual("filters", waits["recipients"][0]["waiting_for"])
                self.assertIn("its filters are to be asked first", waits["recipients"][0]["waiting_reason"])
                kill_and_wait(mta.pids_of(kind)[0], signal.SIGKILL)
                self.assertEqual(1, self.arrived().content.count(b"X-Seen: yes\r\n"))
                self.assertEqual(2, self.milter.commands.count("E"))
                mta.wait_queue_empty()
                self.assertEqual(1, len(self.sink.messages))

    def test_kills_under_load(self):
        """Whichever process is killed at whichever moment: nothing is lost, and nothing goes unjudged."""
        count = 40
        mta = self.serve(ADDS)

        def send():
            for number in range(count):
                # 75: qmgr went away before it could answer, and the user tries again.
                while mta.sendmail("-i", "-f", SENDER, f"r{number}@example.test", content=LETTER).returncode != 0:
                    time.sleep(0.1)
        sender = threading.Thread(target=send)
        sender.start()
        for kind in ("qmgr", "filter", "qmgr", "filter", "qmgr"):
            time.sleep(0.4)
            for pid in mta.children():
                if program_of(pid) == kind:
                    kill_and_wait(pid, signal.SIGKILL)
        sender.join()
        for number in range(count):
            self.sink.wait_delivered(f"r{number}@example.test", 60)
        wait_until(lambda: mta.cli("status").returncode == 0, 60, mta.tail)
        mta.wait_queue_empty(60)
        for message in self.sink.messages:
            self.assertEqual(1, message.content.count(b"X-Seen: yes\r\n"))

    def test_a_restart_finds_what_was_not_judged(self):
        asked, script = self.thinking()
        mta = self.serve(script)
        self.send(mta)
        self.assertTrue(asked.wait(20), mta.tail())
        mta.stop()
        self.assertEqual([], self.sink.messages)
        mta.start()
        self.assertEqual(1, self.arrived().content.count(b"X-Seen: yes\r\n"))

    def test_a_filter_that_is_down(self):
        for failure in ("accept", "defer", "refuse", "hold"):
            with self.subTest(failure):
                mta = self.serve(None, on_failure=failure)
                self.milter.stop()
                self.send(mta)
                if failure == "accept":
                    self.assertNotIn(b"X-Seen", self.arrived().content)
                elif failure == "refuse":
                    self.report()
                else:
                    state = {"defer": "deferred", "hold": "held"}[failure]
                    self.queued(mta, lambda message, state=state: message["state"] == state)
                    self.assertEqual([], self.sink.messages)

    def test_mail_goes_on_when_no_filter_is_asked_any_more(self):
        asked, script = self.thinking()
        mta = self.serve(script)
        self.send(mta)
        self.assertTrue(asked.wait(20), mta.tail())
        mta.stop()
        mta.reconfigure({"filter": None})
        mta.start()
        self.assertNotIn(b"X-Seen", self.arrived().content)
        wait_until(lambda: mta.events("unfiltered"), 20, mta.tail)

    def test_an_export_is_judged_where_it_is_imported(self):
        asked, script = self.thinking()
        mta = self.serve(script)
        self.send(mta)
        self.assertTrue(asked.wait(20), mta.tail())
        folder = str(mta.folder / "exported")
        done = mta.cli("queue", "export", folder, "--all", "--remove")
        self.assertEqual(0, done.returncode, done.stderr)
        other = self.begin({"filter": mta.config["filter"]})
        done = other.cli("queue", "import", folder)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(1, self.arrived().content.count(b"X-Seen: yes\r\n"))

    def test_an_operator_goes_before_the_filters(self):
        asked, script = self.thinking()
        mta = self.serve(script)
        self.send(mta)
        self.assertTrue(asked.wait(20), mta.tail())
        waits = self.queued(mta, lambda message: True)
        self.assertEqual(0, mta.cli("queue", "hold", waits["id"]).returncode)
        self.queued(mta, lambda message: message["state"] == "held")
        mta.stop()
        mta.start()
        time.sleep(1)
        self.assertEqual([], self.sink.messages)
        self.assertEqual(0, mta.cli("queue", "release", waits["id"]).returncode)
        self.arrived()


if __name__ == "__main__":
    main()
