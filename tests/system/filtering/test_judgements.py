"""What filters said of mail: in `trace`, in the metrics, in `status`; of refused and discarded mail too."""

import json
import os
import signal
import smtplib
import sqlite3
import urllib.request

from postwain_harness import SOURCE, PostwainTestCase, kill_and_wait, main
from milter_server import MilterServer, at_end, packet, texts
from resources import reserve_port, wait_until
from smtp_sink import SmtpSink

ALICE, BOB = "alice@example.org", "bob@example.net"
CONTENT = b"Subject: hello\r\nMessage-ID: <m1@example.org>\r\n\r\nbody\r\n"


class Judgements(PostwainTestCase):
    def serve(self, *scripts, filters=None, **changes):
        """A filter for each script, by the names f1, f2 …; filters: keys for each."""
        self.milters = [self.closing(MilterServer(script)) for script in scripts]
        self.sink = self.closing(SmtpSink())
        self.metrics_port = reserve_port()
        keys = filters or [{}] * len(scripts)
        asked = [{"name": f"f{i + 1}", "socket": milter.address, **more}
                 for i, (milter, more) in enumerate(zip(self.milters, keys))]
        self.mta = self.start({
            **({"filter": asked} if asked else {}),
            "route": [{"match": "*", "deliver": self.sink.target}],
            "metrics": {"address": f"127.0.0.1:{self.metrics_port}"}, **changes})
        return self.mta

    def send(self, to=(BOB,), content=CONTENT):
        """Whether it was accepted."""
        try:
            with smtplib.SMTP("127.0.0.1", self.mta.port, timeout=60) as client:
                client.ehlo("client.example")
                client.sendmail(ALICE, list(to), content)
            return True
        except smtplib.SMTPException:
            return False

    def trace(self, query=ALICE):
        words = query if isinstance(query, list) else [query]
        result = self.mta.cli("trace", "--json", *words)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def one_judged(self, query=ALICE):
        """The one message, or refused attempt, with what filters said of it."""
        found = wait_until(lambda: [one for one in self.trace(query) if one.get("judgements")], 20,
                           lambda: f"judgements: {self.trace(query)}\n{self.mta.tail()}")
        self.assertEqual(1, len(found), found)
        return found[0]

    def judgement(self, query=ALICE):
        judgements = self.one_judged(query)["judgements"]
        self.assertEqual(1, len(judgements), judgements)
        return judgements[0]

    def text(self, query=ALICE):
        return self.mta.cli("trace", query).stdout

    def samples(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=20) as answer:
            lines = answer.read().decode().splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[0] != "#"}

    def wait_sample(self, name, value):
        wait_until(lambda: self.samples().get(name) == value, 20,
                   lambda: f"{name} {value}: {[one for one in self.samples().items() if '_filter_' in one[0]]}")

    def filter_status(self):
        return self.mta.status()["filters"][0]

    def test_a_message_that_is_accepted_with_edits(self):
        self.serve(at_end(packet("h", texts("X-Seen", "yes")), packet("h", texts("X-More", "1")),
                          packet("+", texts("<new@example.net>")), packet("b", b"new\n"), packet("c")),
                   filters=[{"may": ["headers", "body", "recipients"]}])
        self.assertTrue(self.send())
        said = self.judgement()
        self.assertEqual(("f1", "end of message", "accept", "enforce", 4),
                         (said["filter"], said["stage"], said["verdict"], said["mode"], said["edits"]))
        self.assertEqual({"headers": 2, "body": True, "recipients": 1, "sender": False}, said["edited"])
        self.assertGreaterEqual(said["ms"], 0)
        self.assertNotIn("failure", said)
        self.assertIn("filter f1 at end of message: accept, 4 edits (2 of the header, the body, "
                      "1 of the recipients)", self.text())
        self.wait_sample('postwain_filter_verdicts_total{filter="f1",stage="end of message",verdict="accept",'
                         'mode="enforce"}', 1)
        self.wait_sample('postwain_filter_seconds_count{filter="f1",stage="end of message"}', 1)
        self.assertEqual(1, self.samples()["postwain_filter_process"])

    def test_a_message_that_is_refused_at_rcpt(self):
        self.serve(lambda command, data: packet("y", texts("550 5.1.1 nobody here")) if command == "R" else packet("c"))
        self.assertFalse(self.send())
        refused = self.one_judged(BOB)
        self.assertEqual(("RCPT", BOB, "550 5.1.1 nobody here"),
                         (refused["stage"], refused["recipient"], refused["reply"]))
        said = refused["judgements"][0]
        self.assertEqual(("f1", "RCPT", "refuse", "550 5.1.1 nobody here"),
                         (said["filter"], said["stage"], said["verdict"], said["text"]))
        self.assertIn('filter f1 at RCPT: refuse 550 5.1.1 "nobody here"', self.text(BOB))
        self.wait_sample('postwain_filter_verdicts_total{filter="f1",stage="RCPT",verdict="refuse",mode="enforce"}', 1)

    def test_a_session_that_is_refused_at_helo(self):
        self.serve(lambda command, data: packet("y", texts("554 5.7.1 not you")) if command == "H" else packet("c"))
        self.assertFalse(self.send())
        said = self.judgement(["--client", "127.0.0.1"])
        self.assertEqual(("EHLO", "refuse"), (said["stage"], said["verdict"]))

    def test_a_message_that_is_refused_at_its_end_by_the_second_filter(self):
        self.serve(at_end(packet("c")), at_end(packet("y", texts("554 5.7.1 spam"))))
        self.assertFalse(self.send(to=[BOB, "carol@example.net"]))
        for query in (BOB, "carol@example.net"):
            refused = self.one_judged(query)
            self.assertEqual(("content", "554 5.7.1 spam"), (refused["stage"], refused["reply"]))
            self.assertEqual([("f1", "accept"), ("f2", "refuse")],
                             [(one["filter"], one["verdict"]) for one in refused["judgements"]])
        self.assertEqual([], self.mta.queue())
        self.wait_sample('postwain_filter_verdicts_total{filter="f2",stage="end of message",verdict="refuse",'
                         'mode="enforce"}', 1)

    def test_a_message_that_is_held(self):
        self.serve(at_end(packet("q", texts("looks bad")), packet("c")))
        self.assertTrue(self.send())
        said = self.judgement()
        self.assertEqual(("hold", "looks bad"), (said["verdict"], said["text"]))
        self.wait_sample('postwain_filter_verdicts_total{filter="f1",stage="end of message",verdict="hold",'
                         'mode="enforce"}', 1)

    def test_a_message_that_is_discarded_is_known_though_nothing_of_it_is_kept(self):
        self.serve(at_end(packet("d")), filters=[{"may": ["discard"]}])
        self.assertTrue(self.send())
        found = self.one_judged("<m1@example.org>")
        self.assertEqual("discard", found["judgements"][0]["verdict"])
        self.assertEqual((ALICE, BOB), (found["sender"], found["recipients"][0]["address"]))
        last = found["recipients"][0]["events"][-1]
        self.assertIn("discarded by filter f1", json.dumps(last))
        self.assertEqual([], self.mta.queue())

    def test_a_message_that_a_filter_only_watches(self):
        self.serve(at_end(packet("y", texts("554 5.7.1 spam"))), filters=[{"mode": "watch"}])
        self.assertTrue(self.send())
        self.sink.wait_delivered(BOB, 20)
        said = self.judgement()
        self.assertEqual(("refuse", "watch"), (said["verdict"], said["mode"]))
        self.assertIn("only watched", self.text())

    def test_mail_of_this_machine(self):
        def script(command, data):
            if command == "R" and b"nobody" in data:
                return packet("y", texts("550 5.1.1 nobody here"))
            return packet("h", texts("X-Seen", "yes")) + packet("c") if command == "E" else packet("c")
        self.serve(script, filters=[{"on": ["local"]}])
        sent = self.mta.sendmail("-f", ALICE, BOB, content=b"Subject: one\n\nbody\n")
        self.assertEqual(0, sent.returncode, sent.stderr)
        self.sink.wait_delivered(BOB, 20)
        said = self.judgement(BOB)
        self.assertEqual(("f1", "accept", 1), (said["filter"], said["verdict"], said["edits"]))
        self.mta.sendmail("-f", ALICE, "nobody@example.net", content=b"Subject: two\n\nbody\n")
        found = wait_until(lambda: [one for one in self.trace("nobody@example.net") if one.get("judgements")], 20,
                           lambda: self.trace("nobody@example.net"))
        self.assertIn(("RCPT", "refuse"), [(one["stage"], one["verdict"]) for one in found[-1]["judgements"]])

    def test_a_filter_that_fails_and_its_breaker(self):
        self.serve(None, filters=[{"on_failure": "accept"}])
        address = self.milters[0].address
        self.assertEqual("closed", self.filter_status()["breaker"])
        self.milters[0].stop()
        self.assertTrue(self.send())
        said = self.judgement()
        self.assertEqual(("f1", "accept", "unreachable"), (said["filter"], said["verdict"], said["failure"]))
        self.assertIn("filter f1 at MAIL: failed, unreachable", self.text())
        for _ in range(6):
            self.assertTrue(self.send())
        wait_until(lambda: self.filter_status()["breaker"] == "open", 20, self.filter_status)
        self.wait_sample('postwain_filter_breaker{filter="f1"}', 1)
        wait_until(lambda: self.samples()['postwain_filter_failures_total{filter="f1",kind="unreachable"}'] >= 5, 20,
                   "its failures")
        status = self.filter_status()
        self.assertIn("breaker_since", status)
        self.assertEqual("unreachable", status["last_failure"]["kind"])
        self.assertGreaterEqual(status["failures"]["unreachable"], 5)
        self.assertRegex(self.mta.cli("status").stdout, r"filter f1: enforce, breaker open since .*failures: ")
        self.assertTrue(self.send(to=["late@example.net"]))
        self.assertEqual("breaker", self.judgement("late@example.net")["failure"])
        self.milters.append(self.closing(MilterServer(port=int(address.rpartition(":")[2]))))
        # After its pause one message tries it.
        wait_until(lambda: self.send() and self.filter_status()["breaker"] == "closed", 40, self.filter_status)
        self.wait_sample('postwain_filter_breaker{filter="f1"}', 0)

    def test_a_filter_process_that_is_gone(self):
        self.serve(at_end(packet("c")))
        self.assertTrue(self.mta.status()["filter_process"]["connected"])
        pid = self.mta.pids_of("filter")[0]
        os.kill(pid, signal.SIGSTOP)
        kill_and_wait(pid)
        wait_until(lambda: self.mta.pids_of("filter") not in ([], [pid]) and
                   self.mta.status()["filter_process"]["connected"], 30, "a new filter process")
        self.assertTrue(self.send())
        self.assertEqual("accept", self.judgement()["verdict"])

    def test_judgements_outlive_qmgr(self):
        self.serve(at_end(packet("q", texts("looks bad")), packet("c")))
        self.assertTrue(self.send())
        self.assertEqual("hold", self.judgement()["verdict"])
        kill_and_wait(self.mta.pids_of("qmgr")[0])
        wait_until(lambda: self.mta.cli("trace", ALICE).returncode == 0, 30, "qmgr again")
        self.assertEqual("hold", self.judgement()["verdict"])
        self.mta.stop()
        self.mta.start()
        self.assertEqual("hold", self.judgement()["verdict"])
        self.assertEqual(1, len(self.mta.queue()))

    def test_an_older_history_is_taken_over(self):
        with open(os.path.join(SOURCE, "tests", "unit", "qmgr", "fixtures", "history-7.sql"), encoding="utf-8") as file:
            dump = file.read()
        self.serve(at_end(packet("c")))
        self.mta.stop()
        path = self.mta.folder / "spool/history.db"
        owner = os.stat(path)
        for name in (f"{path}", f"{path}-wal", f"{path}-shm"):
            if os.path.exists(name):
                os.unlink(name)
        with sqlite3.connect(path) as database:
            database.executescript(dump + "\nPRAGMA journal_mode = WAL;")
        database.close()
        os.chown(path, owner.st_uid, owner.st_gid)
        os.chmod(path, owner.st_mode & 0o777)
        self.mta.start()
        self.assertTrue(self.send())
        self.assertEqual("accept", self.judgement()["verdict"])
        old = self.trace(["--client", "192.0.2.8"])
        self.assertEqual("550 5.1.1 unknown", old[0]["reply"])
        self.assertNotIn("judgements", old[0])

    def test_where_no_filter_is_asked_nothing_is_written_of_filters(self):
        self.serve()
        self.assertTrue(self.send())
        self.sink.wait_delivered(BOB, 20)
        wait_until(lambda: self.trace() and self.trace()[0]["recipients"][0]["state"] == "delivered", 20, self.trace)
        self.assertNotIn("judgements", self.trace()[0])
        self.assertFalse({"filters", "filter_process"} & set(self.mta.status()))
        self.assertEqual([], [name for name in self.samples() if "_filter_" in name])
        self.mta.stop()
        with sqlite3.connect(self.mta.folder / "spool/history.db") as database:
            self.assertEqual([(0,)], database.execute("SELECT count(*) FROM judgement").fetchall())
        database.close()


if __name__ == "__main__":
    main()
