"""Patterns for fields, parts and bodies ([[content_rule]]), through the whole system."""

import json
import os
import signal
import smtplib

from postwain_harness import PostwainTestCase, main
from mail_content import without_received
from milter_server import MilterServer, packet, texts
from resources import wait_until
from smtp_sink import SmtpSink

PROGRAM = (b"Subject: hello\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"=x\"\r\n\r\n"
           b"--=x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n"
           b"--y\r\nContent-Disposition: attachment;\r\n\tfilename=\"a.EXE\"\r\n\r\nTVqQ\r\n--y--\r\n--=x--\r\n")


def rule(field, pattern, action, **more):
    return {"field": field, "pattern": pattern, "action": action, **more}


class ContentRules(PostwainTestCase):
    def serve(self, *rules, **more):
        self.sink = self.closing(SmtpSink())
        return self.start({"content_rule": list(rules),
                           "route": [{"match": "*", "deliver": self.sink.target}], **more})

    def send(self, mta, content=b"Subject: hello\r\n\r\nbody\r\n", to=("b@example.net",)):
        with smtplib.SMTP("127.0.0.1", mta.port, timeout=30) as client:
            client.ehlo("client.example")
            client.sendmail("a@example.org", list(to), content)

    def refused(self, mta, content=b"Subject: hello\r\n\r\nbody\r\n"):
        with self.assertRaises(smtplib.SMTPDataError) as refused:
            self.send(mta, content)
        return refused.exception.smtp_code, refused.exception.smtp_error

    def arrived(self, to="b@example.net"):
        return without_received(self.sink.wait_delivered(to, 20)[0].content)

    def test_fields_parts_and_bodies_are_refused_with_words_and_a_record(self):
        mta = self.serve(
            rule("Subject", "^buy\\s+now", "refuse", name="sale", text="No such subjects"),
            rule("part:*", 'filename="[^"]*\\.exe"', "refuse", name="programs", text="No programs"),
            rule("body", "^casino$", "defer", name="casino"))
        self.assertEqual((550, b"5.7.1 No such subjects"),
                         self.refused(mta, b"subject:\r\n Buy\r\n\tNOW!\r\n\r\nbody\r\n"))
        self.assertEqual((550, b"5.7.1 No programs"), self.refused(mta, PROGRAM))
        self.assertEqual((451, b"4.7.1 try again later"), self.refused(mta, b"\r\nfirst\r\nCasino\r\n"))
        self.assertEqual([], mta.queue())
        self.send(mta)
        self.assertEqual(b"Subject: hello\r\n\r\nbody\r\n", self.arrived())
        for word in ("sale", "programs", "casino"):
            wait_until(lambda: [line for line in mta.log if " content_rule " in line and f"rule={word}" in line],
                       20, word)

    def test_fields_and_recipients_are_changed(self):
        mta = self.serve(rule("Subject", "hello", "replace", value="changed"),
                         rule("X-Secret", ".", "remove"),
                         rule("*", "^subject:", "prepend", value="X-Seen: yes"),
                         rule("Subject", "hello", "bcc", value="copy@example.com"),
                         rule("X-Elsewhere", ".", "redirect", value="post@example.com"))
        self.send(mta, b"Subject: hello\r\nX-Secret: 1\r\nx-secret: 2\r\n\r\nbody\r\n")
        want = b"X-Seen: yes\r\nSubject: changed\r\n\r\nbody\r\n"
        self.assertEqual(want, self.arrived())
        self.assertEqual(want, self.arrived("copy@example.com"))
        self.send(mta, b"X-Elsewhere: 1\r\n\r\nbody\r\n", ("c@example.net", "d@example.net"))
        self.assertEqual(b"X-Elsewhere: 1\r\n\r\nbody\r\n", self.arrived("post@example.com"))
        mta.wait_queue_empty()
        self.assertEqual([], self.sink.delivered("c@example.net") + self.sink.delivered("d@example.net"))

    def test_held_discarded_and_watched(self):
        mta = self.serve(rule("Subject", "hold", "hold", name="odd", text="looks odd"),
                         rule("Subject", "discard", "discard"),
                         rule("Subject", ".", "refuse", mode="watch", name="looker"))
        self.send(mta, b"Subject: hold\r\n\r\n")
        held = wait_until(lambda: mta.queue(), 20, "the held message")
        self.assertEqual("held", held[0]["recipients"][0]["state"])
        self.assertIn("looks odd", held[0]["recipients"][0]["last_reply"])
        self.send(mta, b"Subject: discard\r\n\r\n", ("gone@example.net",))
        self.send(mta, b"Subject: watched\r\n\r\n", ("c@example.net",))
        self.assertEqual(b"Subject: watched\r\n\r\n", self.arrived("c@example.net"))
        self.assertEqual([], self.sink.delivered("gone@example.net"))
        said = "looker: refuse (watch)"
        judged = wait_until(lambda: [one for one in mta.events("filtered") if one.get("text") == said],
                            20, "the judgement")
        self.assertEqual("content_rules", judged[0]["filter"])

    def test_rules_see_what_filters_have_added(self):
        milter = self.closing(MilterServer(
            lambda command, data: packet("h", texts("X-Virus", "yes")) + packet("a") if command == "E"
            else packet("c")))
        mta = self.serve(rule("X-Virus", "^yes$", "refuse", text="A virus"),
                         filter=[{"name": "one", "socket": milter.address}])
        self.assertEqual((550, b"5.7.1 A virus"), self.refused(mta))

    def test_a_large_body_is_looked_at_as_far_as_the_depth(self):
        mta = self.serve(rule("body", "^needle$", "refuse", depth="2MiB"))
        lines = b"x" * 70 + b"\r\n"
        self.assertEqual(550, self.refused(mta, b"\r\n" + lines * 20_000 + b"needle\r\n")[0])
        self.send(mta, b"Subject: far\r\n\r\n" + lines * 40_000 + b"needle\r\n")
        self.assertTrue(self.arrived().endswith(b"needle\r\n"))

    def test_while_nobody_can_look_the_mail_waits_at_its_sender(self):
        mta = self.serve(rule("Subject", "casino", "refuse"))
        self.send(mta)
        with smtplib.SMTP("127.0.0.1", mta.port, timeout=60) as client:
            os.kill(mta.pids_of("filter")[0], signal.SIGKILL)
            with self.assertRaises(smtplib.SMTPResponseException) as refused:
                client.sendmail("a@example.org", ["b@example.net"], b"Subject: casino\r\n\r\n")
        # By the next process, if that was there already.
        self.assertIn(refused.exception.smtp_code, (451, 550))
        wait_until(lambda: len(mta.pids_of("filter")) == 1, 30, "a filter process again")

    def test_check_and_explain_know_the_rules(self):
        mta = self.serve(rule("body", "casino", "hold", name="luck"))
        told = mta.cli("explain", "b@example.net", "--client", "127.0.0.1", "--no-dns", "--json")
        steps = [step for step in json.loads(told.stdout)["steps"] if step["step"] == "content_rule"]
        self.assertEqual(["luck: hold where the body has 'casino'"], [step["what"] for step in steps])
        broken = self.prepare({"content_rule": [rule("Subject", "a(b", "refuse")]})
        checked = broken.cli("check")
        self.assertNotEqual(0, checked.returncode)
        self.assertIn("pattern: missing )", checked.stdout + checked.stderr)


if __name__ == "__main__":
    main()
