"""No disguise gets mail relayed from outside the trusted networks.

The stranger is a client from 127.0.0.2; only 127.0.0.1 is trusted.  Everything that does not go to
our own domains goes to `outside`, which therefore must never see a connection.
"""

import os
import signal
import socket
import struct

from postwain_harness import Postwain, PostwainTestCase, main
from mail_content import message
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

STRANGER = "127.0.0.2"
SENDERS = ["alice@sender.test", "", "postmaster@ours.test", "bob@ours.test", "bob@localhost",
           "alice@[127.0.0.1]", "alice@[127.0.0.2]", "alice@mx.postwain.test"]
# Paths as they stand between "RCPT TO:" and the end of the line. None of them names one of us.
FOREIGN = [
    "<victim@outside.test>", "<VICTIM@OUTSIDE.TEST>", "<victim@sub.outside.test>",
    "<victim@ours.test.outside.test>", "<victim@oursXtest>", "<victim@xours.test>",
    "<victim@ours.test.>", "<victim@.ours.test>", "<victim@ours..test>", "<victim@sub.ours.test>",
    "<@ours.test:victim@outside.test>", "<@ours.test,@any.test:victim@outside.test>",
    "<@mx.postwain.test:victim@outside.test>", "<@[127.0.0.1]:victim@outside.test>",
    '<"bob@ours.test"@outside.test>', '<"bob@any.test\\""@outside.test>',
    '<"victim@outside.test">', '<"victim\\@outside.test">',
    "<victim@outside.test@ours.test>", "<victim@outside.test@any.test>",
    "<victim@ours.test@outside.test>", "<victim@[127.0.0.1]>", "<victim@[127.0.0.2]>",
    "<victim@[192.0.2.1]>", "<victim@[IPv6:::1]>", "<victim@[IPv6:::ffff:127.0.0.1]>",
    "<victim@[IPv6:2001:db8::1]>", "<victim@127.0.0.1>", "<victim@192.0.2.1>",
    "<outside.test!victim>", "<victim%outside.test>", "<victim>", "<@ours.test:victim>",
    "<victim@>",
    "<@>",
    "<victim@localhost>", "<victim@mx.postwain.test>", "<victim@ours.test%outside.test>",
    "<victim@outside.test,ours.test>", "<victim@outside.test> <bob@ours.test>",
    "<victim@outside.test\t@ours.test>", "<victim@outside.test @ours.test>",
    "<victim@outside.test\0@ours.test>",
    "<<bob@ours.test>victim@outside.test>",
    "victim@outside.test", " <victim@outside.test>",
    "<victim@outside.test> ORCPT=rfc822;bob@ours.test",
    "<victim@xn--ours-test>", "<victim@öurs.test>", "<victim@ours.test\xad>", "<victim@оurs.test>",
    "<victim@ours。test.outside.test>", "<victim@outside.test;ours.test>",
    "<victim@[ours.test]>", "<victim@#2130706433>", "<victim@0x7f000001>",
]
# Local parts that other mailers once unfolded. The domain is ours, so they are addresses of ours:
# unknown where we know our users, and delivered to our own store where everybody is accepted.
UNFOLDED = [
    "victim%outside.test", "outside.test!victim", "victim%outside.test%any.test",
    '"victim@outside.test"', '"victim%outside.test"', '"outside.test!victim"',
    "@outside.test:victim", "victim%[192.0.2.1]", "any.test!outside.test!victim",
    '"victim@outside.test> "', "victim%outside.test%", "%outside.test", "!victim",
]


class OpenRelay(PostwainTestCase):
    @classmethod
    def setUpClass(cls):
        cls.ours, cls.outside = SmtpSink(lmtp=True), SmtpSink()
        cls.mta = Postwain({
            "access": {"trusted_networks": ["127.0.0.1/32"]},
            "limits": {"errors": 1000},
            "domain": [{"name": "ours.test", "recipients": ["bob"]},
                       {"name": "any.test", "recipients": "any"}],
            "route": [{"match": ["ours.test", "any.test"], "deliver": cls.ours.target},
                      {"match": "*", "deliver": cls.outside.target}]}, label=cls.__qualname__)
        for end in (cls.ours.stop, cls.outside.stop, cls.mta.close):
            cls.addClassCleanup(end)
        cls.mta.start()

    def setUp(self):
        self.mta.wait_queue_empty()
        self.ours.messages.clear()

    def tearDown(self):
        self.assertEqual(0, self.outside.connections)
        self.assertEqual([], [r for r in self.mta.unsettled() if "outside" in r.split("@")[-1]])

    def stranger(self):
        client = SmtpClient(self.mta.port, source=STRANGER)
        self.addCleanup(client.close)
        return client

    def test_foreign_recipients(self):
        for sender in SENDERS:
            client = self.stranger()
            self.assertEqual(250, client.command(f"MAIL FROM:<{sender}>")[0], sender)
            for path in FOREIGN:
                with self.subTest(sender=sender, path=path):
                    code, text = client.command(f"RCPT TO:{path}")
                    self.assertTrue(500 <= code < 600, f"{code} {text}")
            code, text = client.command("DATA")
            self.assertTrue(500 <= code < 600, f"DATA: {code} {text}")
            client.quit()

    def test_look_alikes_with_smtputf8(self):
        """Letters that look like ours, full-width dots, invisible characters, decomposed forms."""
        client = self.stranger()
        self.assertEqual(250, client.command("MAIL FROM:<a@sender.test> SMTPUTF8")[0])
        for domain in ("öurs.test", "оurs.test", "xn--urs-snc.test", "ou\u0308rs.test"):
            with self.subTest(domain):
                code, text = client.command(f"RCPT TO:<bob@{domain}>")
                self.assertTrue(500 <= code < 600, f"{code} {text}")

    def test_other_spellings_of_our_own_name(self):
        """What IDNA maps to our domain is our domain (receive 2), and goes where its mail goes."""
        client = self.stranger()
        self.assertEqual(250, client.command("MAIL FROM:<a@sender.test> SMTPUTF8")[0])
        for domain in ("ours。test", "ours.test\u00ad", "ours.t\u200best", "ｏｕｒｓ.test",
                       "ours.test\u3002"):
            with self.subTest(domain):
                self.assertEqual(250, client.command(f"RCPT TO:<bob@{domain}>")[0])
        for domain in ("else。test", "ｅｌｓｅ.test", "else.test\u00ad"):
            with self.subTest(domain):
                self.assertEqual(550, client.command(f"RCPT TO:<bob@{domain}>")[0])

    def test_plain_refusal_says_so(self):
        client = self.stranger()
        client.command("MAIL FROM:<alice@sender.test>")
        code, text = client.command("RCPT TO:<victim@outside.test>")
        self.assertEqual((550, "5.7.1"), (code, text.split()[0]))

    def test_unfolded_local_parts_of_known_users(self):
        client = self.stranger()
        client.command("MAIL FROM:<alice@sender.test>")
        for local in UNFOLDED:
            with self.subTest(local):
                code, text = client.command(f"RCPT TO:<{local}@ours.test>")
                self.assertTrue(500 <= code < 600, f"{code} {text}")

    def test_unfolded_local_parts_stay_ours(self):
        accepted = []
        for local in UNFOLDED:
            client = self.stranger()
            client.command("MAIL FROM:<alice@sender.test>")
            code, text = client.command(f"RCPT TO:<{local}@any.test>")
            with self.subTest(local):
                self.assertTrue(code == 250 or 500 <= code < 600, f"{code} {text}")
            if code == 250:
                self.assertEqual(250, client.data(message())[0])
                accepted.append(local)
            client.quit()
        self.mta.wait_queue_empty()
        self.assertEqual(len(accepted), len(self.ours.messages))
        for transaction in self.ours.messages:
            for recipient in transaction.recipients:
                self.assertTrue(recipient.endswith("@any.test"), recipient)

    def test_source_route_to_us_is_not_a_way_out(self):
        """RFC 5321 3.3: the route is ignored or refused; the mailbox behind it decides."""
        client = self.stranger()
        client.command("MAIL FROM:<alice@sender.test>")
        code, _ = client.command("RCPT TO:<@outside.test,@relay.test:bob@ours.test>")
        self.assertTrue(code == 250 or 500 <= code < 600)
        if code == 250:
            self.assertEqual(250, client.data(message())[0])
            self.ours.wait_delivered("bob@ours.test")
            self.mta.wait_queue_empty()

    def test_refused_stays_refused_in_a_pipeline(self):
        """A refused RCPT followed by DATA and content in one flight; nothing may be accepted."""
        client = self.stranger()
        client.send(b"MAIL FROM:<a@sender.test>\r\nRCPT TO:<victim@outside.test>\r\nDATA\r\n")
        self.assertEqual(250, client.reply()[0])
        self.assertEqual(550, client.reply()[0])
        self.assertGreaterEqual(client.reply()[0], 500)

    def test_refused_beside_accepted(self):
        """The accepted recipient gets its mail, the foreign one does not."""
        client = self.stranger()
        client.command("MAIL FROM:<alice@sender.test>")
        self.assertEqual(550, client.command("RCPT TO:<victim@outside.test>")[0])
        self.assertEqual(250, client.command("RCPT TO:<bob@ours.test>")[0])
        self.assertEqual(550, client.command("RCPT TO:<other@outside.test>")[0])
        self.assertEqual(250, client.data(message())[0])
        arrived = self.ours.wait_delivered("bob@ours.test")
        self.assertEqual(["bob@ours.test"], arrived[-1].recipients)
        self.mta.wait_queue_empty()

    def test_hello_and_sender_prove_nothing(self):
        """Neither the EHLO name nor AUTH= nor XCLIENT nor PROXY makes a stranger trusted."""
        for attempt in ("EHLO localhost", "EHLO mx.postwain.test", "EHLO [127.0.0.1]",
                        "XCLIENT ADDR=127.0.0.1", "XFORWARD ADDR=127.0.0.1",
                        "PROXY TCP4 127.0.0.1 127.0.0.1 1 25"):
            client = self.stranger()
            client.command(attempt)
            client.command("MAIL FROM:<bob@ours.test> AUTH=<>")
            client.command("MAIL FROM:<bob@ours.test>")
            with self.subTest(attempt):
                self.assertGreaterEqual(client.command("RCPT TO:<victim@outside.test>")[0], 500)


class Trusted(PostwainTestCase):
    def test_the_same_recipient_from_inside_is_relayed(self):
        """The control: the sink can be reached, so its silence above means something."""
        outside = self.closing(SmtpSink())
        mta = self.start({"route": [{"match": "*", "deliver": outside.target}]})
        with SmtpClient(mta.port) as client:
            self.assertEqual(250, client.mail("a@b.test", ["victim@outside.test"], message())[0])
        outside.wait_delivered("victim@outside.test")


class Gone(PostwainTestCase):
    def test_low_a_client_that_is_gone_before_it_was_asked_for_is_nobody(self):
        """Its address is not known any more, and must not be taken for a trusted one."""
        mta = self.start({"log": {"level": "debug"}})
        pids = mta.pids_of("smtpd")
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            for _ in range(20):
                gone = socket.create_connection(("127.0.0.1", mta.port), 20, (STRANGER, 0))
                gone.sendall(b"EHLO x\r\nMAIL FROM:<a@b.test>\r\n")
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                gone.close()
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        with SmtpClient(mta.port, source=STRANGER) as client:
            client.command("MAIL FROM:<a@b.test>")
            self.assertGreaterEqual(client.command("RCPT TO:<victim@outside.test>")[0], 500)
        wait_until(lambda: [e for e in mta.events("connect") if e["client"] == STRANGER], 20,
                   mta.tail)
        self.assertEqual(set(), {e["client"] for e in mta.events("connect")} - {STRANGER, "127.0.0.1"})
        self.assertEqual(sorted(pids), sorted(mta.pids_of("smtpd")))


if __name__ == "__main__":
    main()
