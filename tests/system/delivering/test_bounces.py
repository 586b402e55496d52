"""Delivery reports as their readers see them: foreign parsers, DSN parameters, sizes, languages."""

import email
import email.policy
import os
import time
import unittest

from postwain_harness import SOURCE, PostwainTestCase, main
from bounce_parsers import all_failures, by_email, by_flufl, by_perl
from mail_content import Dsn, message
from mail_session import EXTENSIONS, Delay, Raw
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

WITHOUT_DSN = [word for word in EXTENSIONS if word != "DSN"]
LONG_LINE = b"554-5.3.4 " + b"very long " * 48 + b"\r\n"


class Bounces(PostwainTestCase):
    """far.test is the far end, sender.test and postwain.test take the reports."""

    def begin(self, rcpt=None, final=None, bounces=None, queue=None, **far):
        self.far = self.closing(SmtpSink(script={"rcpt": rcpt or {}, "final": final}, **far))
        self.near = self.closing(SmtpSink())
        self.mta = self.start({
            "route": [{"match": "far.test", "deliver": self.far.target},
                      {"match": ["sender.test", "postwain.test"], "deliver": self.near.target}],
            "queue": queue or {}, "bounces": bounces or {}})

    def submit(self, *recipients, mail="MAIL FROM:<alice@sender.test>", content=None):
        """recipients: addresses, or whole RCPT arguments in brackets with parameters."""
        with SmtpClient(self.mta.port) as client:
            lines = [mail] + [f"RCPT TO:{to if to.startswith('<') else f'<{to}>'}"
                              for to in recipients]
            for line in lines:
                code, text = client.command(line)
                self.assertEqual(250, code, f"{line}: {text}")
            code, text = client.data(content or message())
            self.assertEqual(250, code, text)

    def reports(self, count):
        """The reports' contents, after the queue is empty and no more can follow."""
        self.near.wait_for(count)
        self.mta.wait_queue_empty()
        self.assertEqual(count, len(self.near.messages))
        self.assertEqual([""] * count, [m.sender for m in self.near.messages])
        return [m.content for m in self.near.messages]


@unittest.skipIf(all_failures is None, "python3-flufl.bounce is not installed")
class Parsers(Bounces):
    REPLIES = {
        "unknown@far.test": "550 5.1.1 no such user",
        "lines@far.test": "550-5.7.1 first line\n550-5.7.1 second line\n550 5.7.1 https://far.test/why",
        "garbage@far.test": Raw(b"550 5.2.2 voll \xe4\xff\x80 --=_ \\ \x1b[31m =20\r\n"),
        "words@far.test": "554 5.7.1 Empf\u00e4nger gesperrt",
        "long@far.test": Raw(LONG_LINE * 15 + b"554 5.3.4 end\r\n"),
        "bare@far.test": "550 nope",
        "empty@far.test": Raw(b"550 \r\n"),
        "noenhanced@far.test": "553 mailbox name not allowed",
    }

    def test_every_failed_recipient_is_recognised_by_all_three(self):
        self.begin(self.REPLIES)
        self.submit("good@far.test", *self.REPLIES)
        [content] = self.reports(1)
        failed = set(self.REPLIES)
        self.assertEqual((set(), failed), by_flufl(content))
        self.assertEqual(failed, set(by_perl(content)))
        groups = by_email(content)
        self.assertEqual(failed, set(groups))
        self.assertEqual("user_unknown", by_perl(content)["unknown@far.test"])
        self.assertEqual("over_quota", by_perl(content)["garbage@far.test"])
        for address, group in groups.items():
            self.assertEqual("failed", group["Action"], address)
            self.assertRegex(group["Diagnostic-Code"], r"^smtp; 55[0-9]")
            self.assertEqual("dns; [127.0.0.1]", group["Remote-MTA"])
            self.assertTrue(group["Last-Attempt-Date"])
            self.assertTrue(group["Final-Log-ID"])
        self.assertEqual("smtp; 550 5.1.1 no such user",
                         groups["unknown@far.test"]["Diagnostic-Code"])
        self.assertIn("Empf\\x{E4}nger gesperrt", groups["words@far.test"]["Diagnostic-Code"])
        self.assertIn("second line", groups["lines@far.test"]["Diagnostic-Code"])
        self.assertEqual("5.2.2", groups["garbage@far.test"]["Status"])
        self.assertEqual("5.0.0", groups["bare@far.test"]["Status"])
        report = email.message_from_bytes(content, policy=email.policy.default)
        self.assertEqual("auto-replied", report["Auto-Submitted"])
        words = list(report.iter_parts())[0].get_content()
        for sentence in ("There is no mailbox with this address.", "mailbox is full",
                         "larger than the recipient's mail system takes",
                         "Empf\u00e4nger gesperrt", "https://far.test/why"):
            self.assertIn(sentence, words)
        self.assertEqual([], self.near.violations)

    def test_utf8_address(self):
        """For a reader with an ASCII address everything is ASCII; the address is in RFC 6533's form."""
        self.begin({"j\u00f6rg@far.test": "550 5.1.1 unbekannt: j\u00f6rg",
                    "plain@far.test": "550 5.1.1 unknown"})
        self.submit("j\u00f6rg@far.test", "plain@far.test",
                    mail="MAIL FROM:<alice@sender.test> SMTPUTF8 BODY=8BITMIME")
        [content] = self.reports(1)
        self.assertTrue(content.isascii())
        self.assertEqual({"j\u00f6rg@far.test", "plain@far.test"}, set(by_email(content)))
        self.assertEqual("utf-8; j\\x{F6}rg@far.test",
                         by_email(content)["j\u00f6rg@far.test"]["Final-Recipient"])
        # flufl.bounce knows addresses of type rfc822 only.
        self.assertEqual({"plain@far.test"}, by_flufl(content)[1])
        self.assertIn("plain@far.test", by_perl(content))

    def test_utf8_reader(self):
        self.begin({"j\u00f6rg@far.test": "550 5.1.1 unknown"})
        self.submit("j\u00f6rg@far.test",
                    mail="MAIL FROM:<\u00e4nne@sender.test> SMTPUTF8 BODY=8BITMIME")
        [content] = self.reports(1)
        self.assertIn("SMTPUTF8", self.near.messages[0].mail_parameters)
        self.assertIn(b"Content-Type: message/global-delivery-status", content)
        self.assertIn("Final-Recipient: utf-8; j\u00f6rg@far.test\r\n".encode(), content)

    def test_delay(self):
        self.begin({"later@far.test": ["450 4.2.0 Greylisted, come back"] * 4},
                   queue={"delay_warning": "1s", "lifetime": "1h"})
        self.submit("later@far.test")
        [content] = self.reports(1)
        self.assertEqual(({"later@far.test"}, set()), by_flufl(content))
        group = by_email(content)["later@far.test"]
        self.assertEqual(("delayed", "4.2.0"), (group["Action"], group["Status"]))
        self.assertTrue(group["Will-Retry-Until"])
        self.assertIn(b"YOU DO NOT NEED TO SEND IT AGAIN", content)
        self.assertEqual(1, len(self.far.delivered("later@far.test")))


class OneReport(Bounces):
    """One report per message and event, also for recipients at several next hops."""

    def begin_two(self, **script):
        self.other = self.closing(SmtpSink(script=script))
        self.begin({"a@far.test": "550 5.1.1 no"})
        self.mta.reconfigure({"route": [{"match": "other.test", "deliver": self.other.target},
                                        *self.mta.config["route"]]})
        self.mta.stop()
        self.mta.start()

    def test_two_next_hops(self):
        self.begin_two(rcpt={"b@other.test": Delay(0.5, "550 5.2.2 full")})
        self.submit("a@far.test", "b@other.test", "good@far.test", "good@other.test")
        report = Dsn(self.reports(1)[0])
        self.assertEqual("5.1.1", report.of("a@far.test")["Status"])
        self.assertEqual("5.2.2", report.of("b@other.test")["Status"])

    def test_a_slow_next_hop_is_not_waited_for(self):
        self.begin_two(final=Delay(12))
        self.submit("a@far.test", "b@other.test")
        started = time.monotonic()
        self.near.wait_for(1)
        self.assertLess(time.monotonic() - started, 11)
        self.assertTrue(self.mta.queue())
        self.reports(1)

    def test_nothing_is_forgotten_at_a_stop(self):
        """What waits for the rest of its message is in the store or told of, never lost."""
        self.begin_two(final=Delay(4))
        self.submit("a@far.test", "b@other.test")
        wait_until(lambda: self.mta.has_event("failed"), 20, "event failed")
        self.mta.stop()
        self.mta.start()
        report = Dsn(self.reports(1)[0])
        self.assertEqual("failed", report.of("a@far.test")["Action"])


class Parameters(Bounces):
    def test_envid_orcpt_notify(self):
        no = "550 5.1.1 no"
        names = ["plain", "never", "success", "failure", "delay", "both"]
        self.begin({f"{name}@far.test": no for name in names})
        self.submit("<plain@far.test>", "<never@far.test> NOTIFY=NEVER",
                    "<success@far.test> NOTIFY=SUCCESS", "<delay@far.test> NOTIFY=DELAY",
                    "<failure@far.test> NOTIFY=FAILURE ORCPT=rfc822;list+2Bowner@sender.test",
                    "<both@far.test> NOTIFY=SUCCESS,FAILURE",
                    mail="MAIL FROM:<alice@sender.test> ENVID=QQ+2B314 RET=FULL")
        report = Dsn(self.reports(1)[0])
        self.assertEqual("QQ+314", report.per_message["Original-Envelope-Id"])
        self.assertEqual("dns; mx.postwain.test", report.per_message["Reporting-MTA"])
        self.assertEqual({"plain@far.test", "failure@far.test", "both@far.test"},
                         {g["Final-Recipient"].split("; ")[1] for g in report.per_recipient})
        self.assertEqual("rfc822; list+owner@sender.test",
                         report.of("failure@far.test")["Original-Recipient"])

    def test_success_relayed(self):
        """A next hop without DSN: we report. NOTIFY without SUCCESS: nobody does."""
        self.begin(extensions=WITHOUT_DSN)
        self.submit("<a@far.test> NOTIFY=SUCCESS", "<b@far.test> NOTIFY=FAILURE", "<c@far.test>")
        report = Dsn(self.reports(1)[0])
        self.assertEqual(1, len(report.per_recipient))
        fields = report.of("a@far.test")
        self.assertEqual("relayed", fields["Action"])
        self.assertTrue(fields["Status"].startswith("2."))
        self.assertEqual("text/rfc822-headers", report.returned.get_content_type())

    def test_success_passed_on(self):
        """A next hop with DSN gets the parameters and with them the duty to report."""
        self.begin()
        self.submit("<a@far.test> NOTIFY=SUCCESS ORCPT=rfc822;a@far.test",
                    mail="MAIL FROM:<alice@sender.test> ENVID=E1 RET=HDRS")
        self.far.wait_delivered("a@far.test")
        self.mta.wait_queue_empty()
        self.assertIn("NOTIFY=SUCCESS", self.far.messages[0].rcpt_parameters[0])
        self.assertEqual([], self.near.messages)

    def test_success_delivered(self):
        self.begin(lmtp=True, extensions=WITHOUT_DSN)
        self.submit("<a@far.test> NOTIFY=SUCCESS,FAILURE")
        self.assertEqual("delivered", Dsn(self.reports(1)[0]).of("a@far.test")["Action"])

    def test_how_much_is_returned(self):
        self.begin({"a@far.test": "550 5.1.1 no"}, bounces={"original_max": "300KiB"})
        small, large, huge = (message(body=b"0123456789abcd\r\n" * (1024 * n // 16))
                              for n in (4, 200, 400))
        rows = [("small", small, "", "message/rfc822"),
                ("small, HDRS", small, " RET=HDRS", "text/rfc822-headers"),
                ("in a file", large, " RET=FULL", "message/rfc822"),
                ("too large", huge, " RET=FULL", "text/rfc822-headers")]
        for number, (name, content, ret, kind) in enumerate(rows):
            with self.subTest(name):
                self.submit("a@far.test", content=content,
                            mail=f"MAIL FROM:<alice@sender.test>{ret}")
                report = self.reports(number + 1)[-1]
                self.assertEqual(kind, Dsn(report).returned.get_content_type())
                self.assertEqual(kind == "message/rfc822", content in report)

    def test_smallest_original_max(self):
        self.begin({"a@far.test": "550 5.1.1 no"}, bounces={"original_max": 0})
        self.submit("a@far.test")
        self.assertEqual("text/rfc822-headers",
                         Dsn(self.reports(1)[0]).returned.get_content_type())


class NullSender(Bounces):
    def test_double_bounce_goes_to_the_postmaster_once(self):
        self.begin({"a@far.test": "550 5.1.1 no", "alice@far.test": "550 5.1.1 no sender either"},
                   bounces={"double_bounces": True})
        self.submit("a@far.test", mail="MAIL FROM:<alice@far.test>")
        [content] = self.reports(1)
        self.assertEqual(["postmaster@postwain.test"], self.near.messages[0].recipients)
        self.assertEqual("failed", Dsn(content).of("alice@far.test")["Action"])
        self.assertIn(b"Postmaster copy", content)
        self.assertIn(b"a@far.test", content)  # the report that found no reader is attached
        self.assertIn(b"X-Postwain-Double-Bounce: mx.postwain.test\r\n", content)

    def test_a_double_bounce_that_comes_back_is_the_last(self):
        """operate 1: it bears a mark, whoever brings it."""
        self.begin({"a@far.test": "550 5.1.1 no"}, bounces={"double_bounces": True})
        self.submit("a@far.test", mail="MAIL FROM:<>",
                    content=b"X-Postwain-Double-Bounce: other.test\r\nSubject: x\r\n\r\nx\r\n")
        wait_until(lambda: self.mta.has_event("dropped"), 20, "event dropped")
        self.mta.wait_queue_empty()
        self.assertEqual([], self.near.messages)

    def test_postmaster_gone_too(self):
        self.begin({"a@far.test": "550 5.1.1 no"}, bounces={"double_bounces": True})
        self.near.script["rcpt"] = {"postmaster@postwain.test": "550 5.1.1 nobody here"}
        self.submit("a@far.test", mail="MAIL FROM:<>")
        wait_until(lambda: self.mta.has_event("dropped"), 20, "event dropped")
        self.mta.wait_queue_empty()
        self.assertEqual([], self.near.messages)

    def test_off_by_default(self):
        """operate 1: history, log and a counter keep what nobody is told."""
        self.begin({"a@far.test": "550 5.1.1 no"})
        self.submit("a@far.test", mail="MAIL FROM:<>")
        wait_until(lambda: self.mta.has_event("dropped"), 20, "event dropped")
        wait_until(lambda: "dropped" in self.mta.cli("trace", "a@far.test").stdout, 20,
                   "dropped in the history")
        self.mta.wait_queue_empty()
        time.sleep(0.3)
        self.assertEqual([], self.near.messages)


class Words(Bounces):
    OWN = ("[language]\nen\n\n[opening]\nThe post office of ${hostname}, $$0.\n\n"
           "[reason.unknown-user]\nNobody of this name at ${domain}.\n\nAsk ${postmaster}.\n")

    def test_own_words_and_a_second_language(self):
        path = self.prepare().folder.file("own.txt", self.OWN)
        self.begin({"a@far.test": "550 5.1.1 no"}, bounces={"template": [f"file:{path}", "de"]})
        self.submit("a@far.test")
        report = Dsn(self.reports(1)[0])
        self.assertIn("The post office of mx.postwain.test, $0.", report.text)
        self.assertIn("Nobody of this name at far.test.", report.text)
        self.assertIn("Es gibt kein Postfach mit dieser Adresse.", report.text)
        self.assertIn("Pr\u00fcfen Sie die Adresse auf Tippfehler.", report.text)
        preview = self.mta.cli("bounce-preview", "--text")
        self.assertEqual(0, preview.returncode, preview.stderr)
        self.assertIn("The post office of mx.postwain.test", preview.stdout)
        self.assertIn("Dies ist das Mailsystem auf mx.postwain.test.", preview.stdout)

    def test_check_names_the_place(self):
        mta = self.prepare()
        path = mta.folder.file("own.txt", self.OWN.replace("${domain}", "${domian}"))
        mta.reconfigure({"bounces": {"template": f"file:{path}"}})
        check = mta.cli("check")
        self.assertEqual(78, check.returncode)
        self.assertIn(f"{path}:8:24: unknown variable 'domian' in [reason.unknown-user]",
                      check.stderr)
        self.assertEqual(78, mta.cli("bounce-preview").returncode)

    def test_shipped_templates_as_files(self):
        """A copy of a shipped template, as an operator begins, is a good template."""
        mta = self.prepare()
        for language in ("en", "de"):
            path = os.path.join(SOURCE, "etc", "bounce", f"{language}.txt")
            mta.reconfigure({"bounces": {"template": f"file:{path}"}})
            self.assertEqual(0, mta.cli("check").returncode, mta.cli("check").stderr)

    def test_preview(self):
        mta = self.prepare()
        for option, action in ((), "failed"), (("--failed",), "failed"), \
                (("--delayed",), "delayed"), (("--success",), "relayed"):
            preview = mta.cli("bounce-preview", *option)
            self.assertEqual(0, preview.returncode, preview.stderr)
            report = Dsn(preview.stdout.replace("\n", "\r\n").encode())
            self.assertEqual(action, report.of("bob@example.org")["Action"])
        self.assertEqual(64, mta.cli("bounce-preview", "--failed", "--success").returncode)


if __name__ == "__main__":
    main()
