"""[srs]: strangers' mail that an address of ours leads elsewhere, and what comes back of it."""

import json
import os
import re
import time
import unittest

from postwain_harness import PostwainTestCase, main
from line_tool import LineTool
from mail_content import Dsn, message
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink
from srs_programs import UNPACKED, MailSrs, PostSrsd, PySrs

DOMAIN, SECRET, OLDER = "srs.test", "the secret of this test", "the one before it"
DAY = 86400
VIRTUAL = """\
out@our.test    one@far.test
both@our.test   anna@our.test, one@far.test
crew@our.test   crew@mx.postwain.test
"""
ALIASES = "crew: two@far.test\nowner-crew: boss@our.test\n"


def secret_in_memory(pid):
    """Whether memory that the process may write to has the secret; only root may look."""
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps:
        ranges = [re.match(r"(\w+)-(\w+) rw", line) for line in maps]
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for found in filter(None, ranges):
            begin, end = (int(number, 16) for number in found.groups())
            try:
                memory.seek(begin)
                if SECRET.encode() in memory.read(end - begin):
                    return True
            except (OSError, OverflowError):
                continue  # mapped, but of nobody's pages
    return False


class Forwarding(PostwainTestCase):
    def begin(self, **srs):
        self.sink = self.closing(SmtpSink())
        self.mta = self.prepare()
        folder = self.mta.folder
        for name, text in (("virtual", VIRTUAL), ("aliases", ALIASES), ("secret", SECRET + "\n"),
                           ("older", OLDER + "\n")):
            folder.file(name, text)
        self.mta.reconfigure({
            "access": {"trusted_networks": ["127.0.0.2/32"]}, "domain": [{"name": "our.test"}],
            "addresses": {"virtual": ["virtual"], "aliases": "aliases"},
            "srs": {"domain": DOMAIN, "secrets": ["file:secret"], **srs},
            "route": [{"match": "*", "deliver": self.sink.target}]})
        self.mta.start()
        self.tool = self.closing(LineTool("srs_tool", DOMAIN, "=", SECRET))

    def made(self, sender, age=0):
        answer = self.tool.ask(f"forward {int(time.time()) - age * DAY} {sender}")
        self.assertTrue(answer.startswith("ok "), answer)
        return answer[3:]

    def send(self, *recipients, sender="s@else.test", source="127.0.0.1", content=None):
        """The queue id."""
        with SmtpClient(self.mta.port, source=source) as client:
            code, text = client.mail(sender, recipients, content or message())
        self.assertEqual(250, code, text)
        return text.rsplit(" ", 1)[1]

    def arrived(self):
        self.mta.wait_queue_empty()
        return sorted((m.sender, sorted(m.recipients)) for m in self.sink.messages)

    def forwarded(self, sender="s@else.test"):
        """The rewritten sender that the host of one@far.test sees."""
        self.sink.messages.clear()
        self.send("out@our.test", sender=sender)
        (found, recipients), = self.arrived()
        self.assertEqual(["one@far.test"], recipients)
        return found

    def rcpt(self, address, sender="", source="127.0.0.1"):
        with SmtpClient(self.mta.port, source=source) as client:
            client.command(f"MAIL FROM:<{sender}>")
            return client.command(f"RCPT TO:<{address}>")

    def test_who_is_forwarded_under_which_sender(self):
        self.begin()
        rewritten = self.made("s@else.test")
        for given, sender, want in (
                (["out@our.test"], "s@else.test", [(rewritten, ["one@far.test"])]),
                (["both@our.test"], "s@else.test", [(rewritten, ["one@far.test"]), ("s@else.test", ["anna@our.test"])]),
                (["out@our.test"], "", [("", ["one@far.test"])]),
                (["out@our.test"], "anna@our.test", [("anna@our.test", ["one@far.test"])]),
                (["anna@our.test"], "s@else.test", [("s@else.test", ["anna@our.test"])]),
                (["crew@our.test"], "s@else.test", [("owner-crew@mx.postwain.test", ["two@far.test"])])):
            with self.subTest(given=given, sender=sender):
                self.sink.messages.clear()
                self.send(*given, sender=sender)
                self.assertEqual(want, self.arrived())
        # Mail of clients that may relay is relayed, not forwarded.
        self.sink.messages.clear()
        self.send("one@far.test", source="127.0.0.2")
        self.assertEqual([("s@else.test", ["one@far.test"])], self.arrived())
        self.assertEqual([], self.sink.violations)

    def test_parts_share_their_content(self):
        self.begin()
        for size in (10, 200_000):  # in a row, and in a file
            with self.subTest(size=size):
                self.sink.messages.clear()
                content = message(body=b"line of text\r\n" * (size // 14))
                self.send("both@our.test", content=content)
                self.assertEqual([(self.made("s@else.test"), ["one@far.test"]), ("s@else.test", ["anna@our.test"])],
                                 self.arrived())
                self.assertEqual({content.split(b"\r\n\r\n", 1)[1]},
                                 {m.content.split(b"\r\n\r\n", 1)[1] for m in self.sink.messages})
        wait_until(lambda: not os.listdir(self.mta.folder / "spool/content"), 20, "no file is left over")

    def test_a_bounce_of_the_far_host_reaches_the_sender(self):
        self.begin()
        returns = self.forwarded()
        self.assertEqual(self.made("s@else.test"), returns)
        for address in (returns, returns.lower()):
            self.sink.messages.clear()
            name = self.send(address, sender="")
            self.assertEqual([("", ["s@else.test"])], self.arrived())
        trace = self.mta.cli("trace", name).stdout
        self.assertIn(f"expanded from {returns.lower()}", trace)
        explained = json.loads(self.mta.cli("explain", returns, "--from", "<>", "--no-dns", "--json").stdout)
        self.assertEqual("accept", explained["decision"])
        self.assertIn("srs", [step["step"] for step in explained["steps"]])
        self.assertEqual(["s@else.test"], [one["address"] for one in explained["stands_for"]])

    def test_our_own_bounce_goes_to_the_sender_and_not_to_ourselves(self):
        self.begin()
        self.sink.script["rcpt"] = {"one@far.test": "550 5.1.1 gone"}
        self.send("out@our.test")
        self.mta.wait_queue_empty()
        (bounce,) = [m for m in self.sink.messages if m.sender == ""]
        self.assertEqual(["s@else.test"], bounce.recipients)
        self.assertIn(b"To: s@else.test", bounce.content.replace(b"<", b"").replace(b">", b""))
        self.assertEqual("rfc822;out@our.test",
                         Dsn(bounce.content).per_recipient[0]["Original-Recipient"].replace(" ", ""))

    def test_what_is_no_return_of_ours_is_refused(self):
        self.begin()
        good = self.made("s@else.test")
        for address, sender, want in (
                (good, "", "2.1.5"), (good, "x@else.test", "5.7.1"),
                (self.made("s@else.test", age=20), "", "2.1.5"), (self.made("s@else.test", age=23), "", "5.1.1"),
                (good.replace("=s@", "=t@"), "", "5.1.1"), (good.replace("else.test", "elsf.test"), "", "5.1.1"),
                ("SRS0=x@srs.test", "", "5.1.1"), ("anna@srs.test", "", "5.1.1"), ("postmaster@srs.test", "", "2.1.5"),
                (good.replace("@srs.test", "@our.test"), "", "2.1.5"),  # one of our.test, as any other there
                (good.replace("@srs.test", "@far.test"), "", "5.7.1")):
            for source in ("127.0.0.1", "127.0.0.2"):
                if source == "127.0.0.2" and "@far.test" in address:
                    continue  # that one may relay
                with self.subTest(address=address, sender=sender, source=source):
                    self.assertIn(want, self.rcpt(address, sender, source)[1])
        self.assertIn("no longer valid", self.rcpt(self.made("s@else.test", age=23))[1])
        self.assertIn("changed on its way", self.rcpt(good.replace("=s@", "=t@"))[1])
        self.sink.messages.clear()
        self.send("postmaster@srs.test", sender="")
        self.assertEqual([("", ["postmaster@postwain.test"])], self.arrived())

    def test_any_returns(self):
        self.begin(returns="any")
        self.send(self.made("s@else.test"), sender="r@third.test")
        self.assertEqual([(self.made("r@third.test"), ["s@else.test"])], self.arrived())

    def test_of_two_forwarders_the_first_is_named(self):
        self.begin()
        first = "SRS0=AbCd=RA=far.example=alice@first.example"
        second = self.forwarded(first)
        self.assertTrue(second.startswith("SRS1="), second)
        self.sink.messages.clear()
        self.send(second, sender="")
        self.assertEqual([("", [first])], self.arrived())

    def test_a_secret_is_changed(self):
        self.begin()
        former = self.forwarded()
        self.mta.reconfigure({"srs": {"domain": DOMAIN, "secrets": ["file:older", "file:secret"]}})
        self.assertEqual(0, self.mta.cli("reload").returncode)
        wait_until(lambda: self.forwarded() != former, 20, "the new secret")
        self.assertEqual(250, self.rcpt(former)[0])
        self.assertEqual(250, self.rcpt(self.forwarded())[0])
        self.mta.reconfigure({"srs": {"domain": DOMAIN, "secrets": ["file:older"]}})
        self.assertEqual(0, self.mta.cli("reload").returncode)
        wait_until(lambda: self.rcpt(former)[0] == 550, 20, "the end of the former secret")

    def test_operators_see_it(self):
        self.begin()
        long = "a-rather-long-local-part@a-rather-long-domain.of.somebody.else.test"
        name = self.send("both@our.test")
        traces = [json.loads(line) for line in self.mta.cli("trace", name, "--json").stdout.splitlines()]
        self.assertEqual([None, "s@else.test"], [one.get("given_sender") for one in traces])
        self.assertEqual([None, True], [one.get("srs") for one in traces])
        self.assertIn("given as    s@else.test, and rewritten by SRS", self.mta.cli("trace", name).stdout)
        self.mta.wait_queue_empty()
        explain = lambda *words: self.mta.cli("explain", *words, "--no-dns").stdout
        told = explain("both@our.test", "--from", "s@else.test")
        self.assertIn(f"<s@else.test> is rewritten as <{self.made('s@else.test')}>", told)
        self.assertIn(f"bounces to <{self.made('s@else.test')}>", told)
        self.assertIn("<s@else.test> stays, because the mail does not leave", told)
        self.assertIn("its domain is ours", explain("out@our.test", "--from", "anna@our.test"))
        self.assertIn("nobody to return mail to", explain("out@our.test", "--from", "<>"))
        self.assertIn("too long when rewritten", explain("out@our.test", "--from", long))
        self.assertNotIn("srs", explain("anna@our.test", "--from", "s@else.test"))
        self.sink.messages.clear()
        self.send("out@our.test", sender=long)
        self.assertEqual([(long, ["one@far.test"])], self.arrived())
        event = wait_until(lambda: self.mta.events("sender_not_rewritten"), 20, self.mta.tail)[0]
        self.assertEqual(long, event["from"])
        self.assertNotIn("only its first line", self.mta.cli("check").stderr)
        shown = self.mta.tail() + self.mta.cli("check").stdout
        self.assertNotIn(SECRET, shown)

    def test_local_mail_is_forwarded_so_too(self):
        self.begin()
        for sender, want in (("s@else.test", self.made("s@else.test")), ("me@our.test", "me@our.test")):
            self.sink.messages.clear()
            done = self.mta.sendmail("-f", sender, "out@our.test", content=b"Subject: hi\n\nhello\n")
            self.assertEqual(0, done.returncode, done.stderr)
            self.assertEqual([(want, ["one@far.test"])], self.arrived())
        done = self.mta.sendmail("-f", "me@our.test", "SRS0=AAAA=AA=far.test=a@srs.test", content=b"\n\nhello\n")
        self.mta.wait_queue_empty()
        self.assertTrue(any(m.sender == "" and b"no sender that was rewritten here" in m.content
                            for m in self.sink.messages), done.stderr)

    def test_other_programs_take_ours_back_and_we_theirs(self):
        self.begin(secrets=["file:secret", "file:older"])
        ours = self.forwarded("Alice.B+tag@else.test")
        seen = 0
        for kind in (MailSrs, PySrs, PostSrsd):
            if not os.path.exists(os.path.join(UNPACKED, kind.needs)):
                continue
            seen += 1
            for secrets in ((SECRET,), (OLDER,)):
                program = kind(DOMAIN, "=", secrets)
                self.addCleanup(program.stop)
                if secrets == (SECRET,):
                    self.assertEqual("Alice.B+tag@else.test", program.reverse(ours))
                self.sink.messages.clear()
                self.send(program.forward("bob@third.test"), sender="")
                self.assertEqual([("", ["bob@third.test"])], self.arrived())
        if not seen:
            raise unittest.SkipTest(f"nothing is unpacked below {UNPACKED}")

    @unittest.skipIf(os.getuid() != 0, "only root looks into the memory of others")
    def test_no_other_process_has_the_secret(self):
        self.begin()
        for kind, has in (("smtpd", True), ("qmgr", True), ("smtp-client", False), ("lmtp-client", False),
                          ("pickup", False)):
            found = any(secret_in_memory(pid) for pid in self.mta.pids_of(kind))
            self.assertEqual(has, found, kind)


if __name__ == "__main__":
    main()
