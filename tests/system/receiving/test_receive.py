"""What other people's clients really send, and what an operator hears of it: reports of the receiving
side, each test named after its row in the list they were collected in ("receive 3")."""

import base64
import json
import socket
import struct
import subprocess

from postwain_harness import PostwainTestCase, main
from auth_client import login
from certificates import Authority
from resources import reserve_port, wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

STRANGER, KNOWN, XFORWARD = "127.0.0.1", "127.0.0.2", "127.0.0.4"


class Receive(PostwainTestCase):
    def setUp(self):
        self.store = self.closing(SmtpSink(lmtp=True))
        self.submission = reserve_port()
        self.implicit = reserve_port()
        self.proxied = reserve_port()
        self.mta = self.prepare()
        users = self.mta.folder.file("users", "alice:{PLAIN}secret\nbob@example.org:{PLAIN}secret\n")
        certificate, key = Authority(self.mta.folder).issue("mx.postwain.test")
        self.mta.reconfigure({
            "access": {"trusted_networks": [KNOWN], "xforward_from": [XFORWARD]},
            "auth": {"users_file": users, "senders": "own", "failure_delay": "0s"},
            "addresses": {"separator": "+"},
            "tls": {"certificate": certificate, "key": key},
            "domain": [{"name": ["example.org", "xn--bcher-kva.example"]},
                       {"name": "list.example", "recipients": ["alice", "bob"]}],
            "rule": [{"sender": "stra\u00dfe.example", "action": "refuse"}],
            "route": [{"match": "*", "deliver": self.store.target}],
            "listener": [
                {"address": f"127.0.0.1:{self.mta.port}"},
                {"address": f"127.0.0.1:{self.submission}", "protocol": "submission",
                 "auth": True, "auth_without_tls": True},
                {"address": f"127.0.0.1:{self.implicit}", "protocol": "submission",
                 "tls": "implicit", "auth": True},
                {"address": f"127.0.0.1:{self.proxied}", "proxy_protocol": True,
                 "proxy_from": ["127.0.0.1"]}]})
        self.mta.start()

    def client(self, source=STRANGER, hello="client.example", port=None, user=None):
        client = SmtpClient(port or self.mta.port, source=source, hello=hello)
        self.addCleanup(client.close)
        if user:
            login(client, user, "secret")
        return client

    def wait_for(self, event, **fields):
        def seen():
            return [e for e in self.mta.events(event)
                    if all(e.get(key) == value for key, value in fields.items())]
        wait_until(seen, 30, lambda: f"{event} {fields}\n{self.mta.tail()}")
        return seen()

    def cli(self, *words):
        result = self.mta.cli(*words)
        self.assertEqual(0, result.returncode, result.stderr)
        return result.stdout

    # The rows.

    def test_receive_2_one_domain_in_two_spellings(self):
        client = self.client()
        self.assertEqual(250, client.command("MAIL FROM:<a@sender.example> SMTPUTF8")[0])
        for name in ("xn--bcher-kva.example", "b\u00fccher.example", "B\u00dcCHER.Example",
                     "XN--BCHER-KVA.example."):
            self.assertEqual(250, client.command(f"RCPT TO:<info@{name}>")[0], name)
        self.assertEqual(550, client.command("RCPT TO:<info@b\u00fccher2.example>")[0])
        client.command("RSET")
        # A rule is not passed by writing the other form.
        for name in ("xn--strae-oqa.example", "stra\u00dfe.example", "STRA\u00dfE.example"):
            self.assertEqual(554, client.command(f"MAIL FROM:<a@{name}> SMTPUTF8")[0], name)

    def test_receive_3_refusals_are_told(self):
        client = self.client(hello=None)
        for line, code, stage in (
                ("EHLO my laptop", 501, "EHLO"), ("EHLO client.example", 250, None),
                (f"MAIL FROM:<{'a' * 300}@sender.example>", 501, "MAIL"),
                ("MAIL FROM:<a@sender.example> SIZE=99999999999", 552, "MAIL"),
                ("MAIL FROM:<j\u00f6rg@sender.example>", 550, "MAIL"),
                ("MAIL FROM:<a@sender.example> XOORG=other.example", 555, "MAIL"),
                ("MAIL FROM:<a@sender.example>", 250, None),
                ("RCPT TO:<alice@example.org >", 501, "RCPT"),
                ("RCPT TO:<alice@example.org> ORCPT=rfc822;alice+tag@example.org", 501, "RCPT"),
                ("RCPT TO:<j\u00f6rg@example.org>", 553, "RCPT"),
                ("DATA", 503, "DATA"), ("STARTTLS", 503, "STARTTLS"), ("BDAT x", 501, "BDAT")):
            got, text = client.command(line)
            self.assertEqual(code, got, (line, text))
            if line == "STARTTLS":
                self.assertIn("within", text)
            if stage:
                said = {"said": line[:200]} if line.isascii() else {}
                found = self.wait_for("refused", client=STRANGER, stage=stage,
                                      reply=f"{code} {text}", **said)
                self.assertEqual("info", found[0]["level"])
                self.assertTrue(found[0]["reason"])

    def test_receive_3_a_second_mail_has_one_from_in_the_log(self):
        """Its own: a line has no field twice, or readers would take either."""
        client = self.client()
        self.assertEqual(250, client.command("MAIL FROM:<first@sender.example>")[0])
        self.assertEqual(503, client.command("MAIL FROM:<second@sender.example>")[0])
        self.wait_for("refused", client=STRANGER, stage="MAIL")
        line, = (one for one in self.mta.log if " stage=MAIL" in one)
        self.assertEqual(["from=second@sender.example"],
                         [word for word in line.split() if word.startswith("from=")])

    def test_receive_3_and_12_errors_end_a_session_and_are_told(self):
        client = self.client()
        for _ in range(19):
            client.command("NONSENSE")
        client.send("NONSENSE\r\n")
        self.assertEqual([500, 421], [code for code, _ in client.replies(2)])
        self.wait_for("refused", reason="too many errors", client=STRANGER)

    def test_receive_3_a_line_without_end_gets_421(self):
        client = self.client()
        try:
            client.send(b"x" * (2 << 20))
        except OSError:
            pass  # it closes before all of it is taken
        self.wait_for("refused", reason="line without end")

    def test_receive_4_failed_handshakes_are_told(self):
        plain = socket.create_connection(("127.0.0.1", self.implicit), 30)
        plain.sendall(b"EHLO client.example\r\n")
        plain.recv(100)
        plain.close()
        on = f"127.0.0.1:{self.implicit}"
        self.assertIn("TLS:", self.wait_for("tls_failed", client=STRANGER, on=on)[0]["reason"])
        # A handshake where STARTTLS is meant.
        early = socket.create_connection(("127.0.0.1", self.mta.port), 30)
        early.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        self.assertIn(b"500", early.makefile("rb").read())
        early.close()
        self.wait_for("tls_failed", on=f"127.0.0.1:{self.mta.port}")
        # A client that does not trust the certificate.
        subprocess.run(["curl", "-s", "--max-time", "20", "--ssl-reqd",
                        f"smtp://127.0.0.1:{self.mta.port}", "--mail-from", "a@example.org",
                        "--mail-rcpt", "b@example.org", "-T", __file__], check=False,
                       stdout=subprocess.DEVNULL)
        wait_until(lambda: any("alert" in e["reason"] for e in self.mta.events("tls_failed")), 30,
                   self.mta.tail)

    def delivered(self, content, port=None, user=None, source=STRANGER):
        client = self.client(port=port, user=user, source=source)
        sender = f"{user}@example.org" if user else "a@sender.example"
        before = len(self.store.messages)
        client.envelope(sender, ["bob@example.org"])
        self.assertEqual(354, client.command("DATA")[0])
        client.send(content + b".\r\n")
        self.assertEqual(250, client.reply()[0])
        wait_until(lambda: len(self.store.messages) > before, 30, self.mta.tail)
        return self.store.messages[-1].content

    def test_receive_5_6_7_8_what_arrives(self):
        white = self.delivered(b"\t(authenticated as boss@example.org)\r\nFrom: boss@x\r\n\r\nx\r\n")
        self.assertIn(b"\r\n\r\n\t(authenticated as boss@example.org)\r\n", white)
        text = self.delivered(b"UPS on battery\r\nruntime 12 min\r\n", self.submission, "alice")
        header, body = text.split(b"\r\n\r\n", 1)
        self.assertEqual(b"UPS on battery\r\nruntime 12 min\r\n", body)
        self.assertIn(b"\r\nMessage-ID: <", header)
        large = b"a line of a report without any colon or empty line in it\r\n" * 20000
        self.assertTrue(self.delivered(large).endswith(b"\r\n\r\n" + large))
        mbox = self.delivered(b"From alice Mon Nov 14 23:42:00 2026\r\nSubject: x\r\n\r\ny\r\n")
        self.assertIn(b"\r\nX-Mailbox-Line: From alice Mon Nov 14 23:42:00 2026\r\nSubject: x", mbox)
        hidden = b"From: a@b\r\nBcc: hidden@example.org,\r\n\tboss@example.org\r\n\r\ntext\r\n"
        self.assertNotIn(b"hidden@", self.delivered(hidden, self.submission, "alice"))
        self.assertIn(b"hidden@", self.delivered(hidden))  # not ours to change

    def test_receive_9_xforward_never_refuses_a_value(self):
        client = self.client(XFORWARD)
        for value in ("HELO=[2001:db8::19]", "HELO=my+20laptop", "HELO=M+C3+9CLLER-PC",
                      "HELO=~^wildcard", "ADDR=nonsense", "HELO=a+0D+0Ab PORT=99999 NAME=+zz"):
            self.assertEqual(250, client.command(f"XFORWARD ADDR=198.51.100.7 {value}")[0], value)
        client.envelope("a@sender.example", ["bob@example.org"])

    def test_receive_10_hello_names(self):
        names = ["[2001:db8::19]", "[IPv6:fe80::1%eth0]", "M\u00dcLLER-PC", "my laptop",
                 "~^wildcard", "host.example:8443", "office-.local", "(none)", ""]
        known = self.client(KNOWN, hello=None)
        login_first = self.client(hello=None, port=self.submission)
        stranger = self.client(hello=None)
        for name in names:
            self.assertEqual(250, known.say_hello(name)[0], name)
            self.assertEqual(250, login_first.say_hello(name)[0], name)
            self.assertEqual(501, stranger.say_hello(name)[0], name)
        known.say_hello("my (laptop)")
        known.envelope("a@sender.example", ["bob@example.org"])
        self.assertEqual(354, known.command("DATA")[0])
        known.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        self.assertEqual(250, known.reply()[0])
        wait_until(lambda: self.store.messages, 30, self.mta.tail)
        self.assertIn(b"Received: from my??laptop? (", self.store.messages[-1].content)

    def test_receive_11_a_tagged_sender_is_the_accounts_own(self):
        client = self.client(port=self.submission, user="bob@example.org")
        for sender, code in (("bob@example.org", 250), ("bob+shop@example.org", 250),
                             ("alice+bob@example.org", 553)):
            self.assertEqual(code, client.command(f"MAIL FROM:<{sender}>")[0], sender)
            client.command("RSET")

    def test_receive_12_errors_are_forgiven(self):
        client = self.client(KNOWN)
        for number in range(30):
            client.envelope("list@sender.example", [])
            self.assertEqual(550, client.command(f"RCPT TO:<gone{number}@list.example>")[0])
            self.assertEqual(250, client.command("RCPT TO:<alice@list.example>")[0])
            self.assertEqual(354, client.command("DATA")[0])
            client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
            self.assertEqual(250, client.reply()[0])
        client.envelope("list@sender.example", [])
        for number in range(30):
            self.assertEqual(550, client.command(f"RCPT TO:<gone{number}@list.example>")[0])
        self.assertEqual(250, client.command("RCPT TO:<alice@list.example>")[0])

    def test_receive_13_a_failed_login_names_the_account(self):
        client = self.client(port=self.submission)
        for said in (b"\0alice\0p\xe4ss", b"\0alice\0", b"alice@example.org\0alice\0secret"):
            line = "AUTH PLAIN " + base64.b64encode(said).decode()
            self.assertEqual(535, client.command(line)[0])
        self.assertEqual(334, client.command("AUTH LOGIN YWxpY2U=")[0])
        self.assertEqual(535, client.command("")[0])
        self.assertEqual(501, client.command("AUTH PLAIN =nonsense")[0])
        wait_until(lambda: len(self.mta.events("login_failed")) == 5, 30, self.mta.tail)
        accounts = [e.get("account", "") for e in self.mta.events("login_failed")]
        self.assertEqual(["alice"] * 4 + [""], accounts)

    def test_receive_14_words_and_operate_32_bare_addresses(self):
        client = self.client(KNOWN)
        self.assertEqual((501, "5.5.4 Syntax: MAIL FROM:<address>"),
                         client.command("MAIL FROM:raid@sender.example"))
        client.envelope("raid@sender.example", [])
        self.assertEqual((501, "5.5.4 Syntax: RCPT TO:<address>"),
                         client.command("RCPT TO: alice@example.org"))
        self.assertEqual((501, "5.1.3 Recipient address needs a domain"),
                         client.command("RCPT TO:<root>"))
        self.mta.reconfigure({"access": {"bare_addresses": True}})
        self.cli("reload")
        stranger = self.client()
        self.assertEqual(501, stranger.command("MAIL FROM:raid@sender.example")[0])
        client = self.client(KNOWN)
        self.assertEqual(250, client.command("MAIL FROM:ups")[0])
        self.assertEqual(250, client.command("RCPT TO:bob@example.org")[0])
        self.assertEqual(354, client.command("DATA")[0])
        client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        self.assertEqual(250, client.reply()[0])
        wait_until(lambda: self.store.messages, 30, self.mta.tail)
        self.assertEqual("ups@mx.postwain.test", self.store.messages[-1].sender)

    def test_receive_16_a_lone_lf_in_bdat_is_a_line_end(self):
        client = self.client()
        client.command("MAIL FROM:<a@sender.example> BODY=8BITMIME")
        client.command("RCPT TO:<alice@example.org>")
        client.send(b"BDAT 28 LAST\r\nSubject: x\r\n\r\nline\nline\r\nx\r\n")
        self.assertEqual(250, client.reply()[0])
        wait_until(lambda: self.store.messages, 30, self.mta.tail)
        self.assertTrue(self.store.messages[-1].content.endswith(b"\r\nline\r\nline\r\nx\r\n"))

    def test_receive_17_health_checks_are_quiet(self):
        for port in (self.proxied, self.implicit, self.mta.port):
            for abrupt in (False, True):
                check = socket.create_connection(("127.0.0.1", port), 30)
                if abrupt:
                    check.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                check.close()
        bad = socket.create_connection(("127.0.0.1", self.proxied), 30)
        bad.sendall(b"EHLO x\r\n")
        bad.recv(100)
        bad.close()
        self.wait_for("refused", on=f"127.0.0.1:{self.proxied}", reason="bad PROXY header")
        self.mta.stop()
        self.assertEqual(1, len(self.mta.events("refused")), self.mta.events("refused"))
        self.assertEqual([], self.mta.events("tls_failed"))

    def test_receive_11_trace_answers_for_what_was_refused(self):
        client = self.client()
        client.command("MAIL FROM:<who@sender.example>")
        client.command("RCPT TO:<nobody@list.example>")
        for _ in range(3):
            client.command("RCPT TO:<other@far.example>")
        client.command("RCPT TO:<al ice@example.org>")

        def traced(*query):
            result = self.mta.cli("trace", *query, "--json")
            return [json.loads(line) for line in result.stdout.splitlines()] \
                if result.returncode == 0 else []
        wait_until(lambda: traced("nobody@list.example"), 30, self.mta.tail)
        found = traced("Nobody@LIST.example")[0]
        self.assertEqual(("who@sender.example", "RCPT", STRANGER),
                         (found["sender"], found["stage"], found["client_address"]))
        self.assertIn("550 5.1.1", found["reply"])
        self.assertEqual(3, traced("other@far.example")[0]["count"])
        self.assertEqual(3, len(traced("--client", STRANGER)))
        self.assertEqual(3, len(traced("who@sender.example")))
        text = self.cli("trace", "--client", STRANGER)
        self.assertIn("nobody@list.example", text)
        self.assertIn("not listed", text)


if __name__ == "__main__":
    main()
