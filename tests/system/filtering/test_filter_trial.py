"""`postwain filter check` and `postwain filter test`: the filters are tried, and nothing comes of it."""

import json
import smtplib
import struct

from postwain_harness import PostwainTestCase, main
from milter_server import MilterServer, packet, texts
from resources import wait_until
from smtp_sink import SmtpSink

MESSAGE = "Subject: hello\nX-Old: 1\n\nbody\n"


class FilterTrial(PostwainTestCase):
    def prepare_with(self, script, rules=(), **keys):
        self.milter = self.closing(MilterServer(script))
        self.sink = self.closing(SmtpSink())
        return self.prepare({
            "filter": [{"name": "one", "socket": self.milter.address, **keys}],
            **({"content_rule": list(rules)} if rules else {}),
            "route": [{"match": "*", "deliver": self.sink.target}]})

    def test_a_check_tells_what_a_filter_asks_for(self):
        mta = self.prepare_with(lambda command, data: packet("c"), may=["headers", "hold"])
        result = mta.cli("filter", "check", "--json")
        self.assertEqual(0, result.returncode, result.stderr)
        one = json.loads(result.stdout)["filters"][0]
        self.assertEqual(("one", "works"), (one["filter"], one["state"]))
        self.assertEqual(["headers", "hold"], [word for word in one["asks_for"] if word not in one["forbidden"]])
        self.assertIn("body", one["forbidden"])
        self.milter.stop()
        result = mta.cli("filter", "check")
        self.assertEqual(69, result.returncode)
        self.assertIn("FAILED, unreachable", result.stdout)

    def test_a_file_goes_through_the_chain_and_nothing_comes_of_it(self):
        answers = (packet("m", struct.pack(">I", 1) + texts("X-Old", "")) + packet("h", texts("X-New", "1"))
                   + packet("+", texts("<new@example.net>")) + packet("b", b"other\n") + packet("c"))
        mta = self.prepare_with(lambda command, data: answers if command == "E" else packet("c"),
                                [{"field": "X-New", "pattern": "1", "action": "hold", "name": "seen"}],
                                may=["headers", "body", "recipients"])
        mta.folder.file("message", MESSAGE)
        result = mta.cli("filter", "test", mta.folder / "message", "--from", "a@example.org",
                         "--to", "b@example.net")
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        for line in ("one at end of message: accept, 4 edits", "verdict: accept", "held: content_rules: seen",
                     "recipient: +<new@example.net>", "\n Subject: hello\n-X-Old: 1\n+X-New: 1\n",
                     "body:\n-body\n+other\n"):
            self.assertIn(line, result.stdout)
        self.assertEqual([b"<a@example.org>\0"], self.milter.data_of("M"))
        self.assertEqual([], self.sink.messages)

    def test_a_refusal_is_told_with_its_words(self):
        mta = self.prepare_with(lambda command, data: packet("y", texts("550 5.1.1 nobody here"))
                                if command == "R" else packet("c"))
        mta.folder.file("message", MESSAGE)
        result = mta.cli("filter", "test", mta.folder / "message", "--to", "b@example.net", "--json")
        self.assertEqual(1, result.returncode, result.stderr)
        self.assertEqual([{"stage": "RCPT", "filter": "one", "verdict": "refuse", "reply": "550 5.1.1 nobody here"}],
                         json.loads(result.stdout)["answers"])

    def test_a_message_of_the_queue_is_tested_and_stays_there(self):
        mta = self.prepare_with(lambda command, data: packet("q", texts("odd")) + packet("c")
                                if command == "E" else packet("c"))
        mta.start()
        with smtplib.SMTP("127.0.0.1", mta.port, timeout=30) as client:
            client.sendmail("a@example.org", ["b@example.net"], MESSAGE.replace("\n", "\r\n").encode())
        held = wait_until(lambda: mta.queue(), 20, "the held message")[0]
        result = mta.cli("filter", "test", held["id"])
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        self.assertIn("held: one: odd", result.stdout)
        self.assertEqual("held", mta.queue()[0]["recipients"][0]["state"])
        self.assertEqual(b"<a@example.org>\0", self.milter.data_of("M")[-1][:16])


if __name__ == "__main__":
    main()
