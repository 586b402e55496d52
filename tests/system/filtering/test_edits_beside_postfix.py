"""One filter of two mail servers: what Postfix makes of its edits is what Postwain makes of them.

The filter is a program on Sendmail's libmilter that does what the fields X-Edit of a message say. The
same message goes through Postfix with one instance and through Postwain with another. Compared are
what arrives at the sink, with our own trace field as a mark, and what the filter was told.
"""

import re
import smtplib
import unittest

from postwain_harness import PostwainTestCase, main
from edit_milter import EditMilter
from peers import Postfix, namespaces_permitted
from real_filters import name_server
from resources import wait_until
from smtp_sink import SmtpSink

SENDER, TO = "alice@far.example", ["bob@there.example", "carol@there.example"]
BODY = b"one\r\n\r\n.two\r\n\xe4\xf6\r\n"
HEADER = (b"From: <alice@far.example>\r\nTo: <bob@there.example>\r\nSubject: edits\r\nX-Two: first\r\n"
          b"X-TWO: second\r\nX-Twofold: other\r\nx-two:third\r\nX-Fold: a\r\n\tb\r\n  c\r\n"
          b"Received: from a by b; Sat, 21 Nov 2026 12:00:00 +0000\r\n"
          b"Message-ID: <1@far.example>\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\nX-Wide:   spaces  \r\n"
          b"X-Empty:\r\n")


class FilteringPostfix(Postfix):
    def __init__(self, sink, milter, dns):
        self.milter, self.dns = milter, dns
        super().__init__("", "", sink)

    def prepare(self):
        super().prepare()
        own = {"smtpd_tls_security_level": "none", "smtpd_tls_cert_file": "", "smtpd_tls_key_file": "",
               "smtpd_sasl_auth_enable": "no", "mynetworks": "127.0.0.0/8",
               "smtpd_relay_restrictions": "permit_mynetworks,reject",
               "smtpd_milters": f"inet:{self.milter.address}"}
        with open(self.folder / "etc/postfix/main.cf", encoding="utf-8") as file:
            kept = [line for line in file if line.partition("=")[0].strip() not in own]
        self.etc("postfix/main.cf", "".join(kept) + "".join(f"{key} = {value}\n" for key, value in own.items()))
        self.etc("resolv.conf", f"nameserver {self.dns.host}\n")
        self.etc("hosts", "127.0.0.1 localhost\n")

    def command(self):
        return super().command().partition("\n")[2]  # without Dovecot, nobody logs in

    def is_up(self):
        try:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=5) as client:
                return client.noop()[0] == 250
        except (OSError, smtplib.SMTPException):
            return False


class Side:
    """A mail server with its filter and its sink."""

    def __init__(self, port, milter, sink, mark):
        self.port, self.milter, self.sink, self.mark = port, milter, sink, mark

    def send(self, content, to, options=(), rcpt_options=()):
        """The last reply as (code, text)."""
        self.before = len(self.milter.told())
        self.arrived_before = len(self.sink.messages)
        try:
            with smtplib.SMTP("127.0.0.1", self.port, "client.example", 30, ("127.0.0.2", 0)) as client:
                client.ehlo()
                client.sendmail(SENDER, to, content, options, rcpt_options)
        except smtplib.SMTPResponseException as refused:
            return refused.smtp_code, refused.smtp_error
        return 250, b""

    def told(self):
        """Keywords of parameters in capitals, as we write them; Postfix passes on what the client wrote."""
        return [re.sub(r" \w+=", lambda word: word[0].upper(), line) if line[:5] in ("mail ", "rcpt ") else line
                for line in self.milter.told()[self.before:]]

    def arrived(self, expected):
        """(sender, recipients, content) of what arrives until this many recipients are served."""
        count = lambda: sum(len(one.recipients) for one in self.sink.messages[self.arrived_before:])
        wait_until(lambda: count() >= expected, 30, lambda: f"{expected} recipients, got {count()}")
        found = self.sink.messages[self.arrived_before:]
        contents = {self.mark.sub(b"[trace]\r\n", one.content) for one in found}
        assert len(contents) == 1, contents
        parameters = sorted({word for one in found for words in one.rcpt_parameters for word in words
                             if word.startswith("NOTIFY")})
        return ({one.sender for one in found}, sorted(r for one in found for r in one.recipients), parameters,
                contents.pop())


@unittest.skipUnless(namespaces_permitted(), "mount namespaces are not permitted")
class Edits(PostwainTestCase):
    leading_space = False
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.milters, cls.sinks = [], []
        for _ in range(2):
            cls.milters.append(EditMilter(cls.leading_space))
            cls.sinks.append(SmtpSink())
            cls.addClassCleanup(cls.milters[-1].stop)
            cls.addClassCleanup(cls.sinks[-1].stop)
        dns = name_server({})
        cls.addClassCleanup(dns.stop)
        cls.postfix = FilteringPostfix(cls.sinks[0], cls.milters[0], dns)
        cls.addClassCleanup(cls.postfix.stop)

    def setUp(self):
        self.mta = self.start({
            "access": {"trusted_networks": ["127.0.0.0/8"]},
            "filter": [{"name": "edits", "socket": self.milters[1].address,
                        "may": ["headers", "body", "recipients", "sender", "refuse", "defer", "discard", "hold"]}],
            "route": [{"match": "*", "deliver": self.sinks[1].target}]})
        trace = lambda name: re.compile(
            rb"Received: from client.example.*?by " + name + rb"[^\r]*(\r\n[ \t][^\r]*)*\r\n", re.DOTALL)
        self.sides = [Side(self.postfix.port, self.milters[0], self.sinks[0], trace(b"peer.test")),
                      Side(self.mta.port, self.milters[1], self.sinks[1], trace(b"mx.postwain.test"))]

    def same(self, *edits, recipients=2, header=HEADER, body=BODY, **more):
        with self.subTest("; ".join(edits)[:100]):
            content = b"".join(b"X-Edit: " + one.encode() + b"\r\n" for one in edits) + header + b"\r\n" + body
            replies = [side.send(content, TO, **more) for side in self.sides]
            self.assertEqual([250, 250], [code for code, _ in replies], replies)
            postfix, postwain = [side.arrived(recipients) for side in self.sides]
            self.assertEqual(postfix, postwain)
            self.assertEqual(*[side.told() for side in self.sides])
            return postwain

    def test_header_fields(self):
        self.same("add X-New value")
        self.same("add X-New  two%0A%09folded%0A%20again%0Athird", "add X-Empty ")
        for index in (0, 1, 2, 3, 100):
            self.same(f"insert {index} X-At {index}")
        self.same("insert 0 X-A a", "insert 0 X-B b", "insert 1 X-C c", "insert 2 X-D d")
        self.same("insert 1 Received from%20x")
        for index in (0, 1, 2, 3, 4):
            self.same(f"change {index} x-two changed")
            self.same(f"delete {index} X-Two")
        self.same("change 1 X-Absent made", "change 2 X-Absent again", "change 1 X-Absent third")
        self.same("change 1 Subject ")
        self.same("delete 1 Received")
        self.same("change 1 Received changed")
        self.same("delete 1 X-Two", "delete 1 X-Two", "change 1 X-Two last")
        self.same("delete 3 X-Two", "delete 2 X-Two", "delete 1 X-Two", "add X-Two new")
        self.same("change 1 X-Fold x%0Ay%0A%20z", "change 1 X-Wide %20%20wide")
        self.same("insert 3 X-Two between", "change 2 X-Two which", "delete 1 From", "insert 0 From <new@far.example>")

    def test_bodies(self):
        self.same("body short%0A")
        self.same("body a%0D%0A.b%0D%0A%0D%0A", "body c%0A")
        self.same("body no%20line%20end")
        self.same("body ")
        self.same("body " + "long%0A" * 100, "add X-After 1", body=BODY * 3000)
        self.same("add X-Kept 1", body=BODY * 8000)

    def test_envelopes(self):
        self.same("addrcpt <dora@there.example>", recipients=3)
        self.same("addrcpt dora@there.example", recipients=3)
        self.same("delrcpt <bob@there.example>", recipients=1)
        self.same("delrcpt bob@there.example", "addrcpt <bob@there.example>", "delrcpt <nobody@there.example>")
        self.same("from <other@far.example>")
        self.same("from <>")
        self.same("addrcpt <eva@there.example> NOTIFY=NEVER", recipients=3)

    def test_what_a_filter_is_told(self):
        """Parameters as they came, and folds, spaces and every octet of the body."""
        self.same(options=["BODY=8BITMIME", "RET=HDRS", "ENVID=a+2Bb"],
                  rcpt_options=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;x+3Dy@there.example"])
        self.same(header=b"From: a@far.example\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\n"
                  b"Message-ID: <2@x.example>\r\nX-A:\tb\r\nX-B:c \r\nX-C:\r\n d\r\nX-D:  e\r\n f\r\n",
                  body=b"\r\n\r\n..\r\n\r\n")
        self.same("progress", "progress", "add X-After progress", body=b"")

    def test_verdicts(self):
        for edits, code in ((["reject"], 550), (["tempfail"], 451), (["add X-A b", "reply 554 5.7.9 go away"], 554),
                            (["reply 450 4.7.9 later"], 450), (["quarantine why", "reject"], 550)):
            with self.subTest(edits):
                content = b"".join(b"X-Edit: " + one.encode() + b"\r\n" for one in edits) + HEADER + b"\r\n" + BODY
                postfix, postwain = [side.send(content, TO) for side in self.sides]
                self.assertEqual(postfix[0], postwain[0])
                self.assertEqual(code, postwain[0])
                if edits[-1].startswith("reply"):
                    self.assertEqual(postfix, postwain)
        self.assertEqual([], self.mta.queue())
        self.same("add X-Before 1", "accept", "add X-Behind 2")

    def test_where_we_differ(self):
        """Postfix delivers twice to who is added again, and hands on lone CRs and lines of white space."""
        side = self.sides[1]
        for edit, recipients, expected in (
                ("addrcpt <bob@there.example>", 2, b"X-Empty:\r\n\r\n"),
                ("add X-Odd a%0Ab%0A%0Ac%0A", 2, b"X-Empty:\r\nX-Odd: a\r\n\tb\r\n\tc\r\n\r\n"),
                ("add X-Odd a%0Db%0D%0Ac", 2, b"X-Empty:\r\nX-Odd: a\r\n\tb\r\n\tc\r\n\r\n")):
            side.send(b"X-Edit: " + edit.encode() + b"\r\n" + HEADER + b"\r\n" + BODY, TO)
            _, to, _, content = side.arrived(recipients)
            self.assertEqual(TO, to)
            content = content.replace(b"X-Odd:a", b"X-Odd: a")  # a space of its own is the filter's matter
            self.assertTrue(content.endswith(expected + BODY), content)


class EditsWithSpaces(Edits):
    """The same by a filter that negotiates the white space in front of values."""

    leading_space = True


if __name__ == "__main__":
    main()
