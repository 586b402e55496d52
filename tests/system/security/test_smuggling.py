"""SMTP smuggling: only CRLF.CRLF ends a message, whatever else looks like an end.

Eleven false ends from published research, each followed by the commands of a second message, in
the same segment and in the next one.  The next hop sees no message, or one; never the second.
"""

import re
import ssl

from postwain_harness import Postwain, PostwainTestCase, main
from mail_content import message, without_received
from mail_session import EXTENSIONS
from resources import make_certificate
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

FALSE_ENDS = [
    b"\n.\n", b"\r.\r", b"\r.\n", b"\n.\r", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n", b"\r\n.\r",
    b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\r\n.\r\r\n",
]
SMUGGLED = (b"MAIL FROM:<admin@example.test>\r\nRCPT TO:<smuggled@example.test>\r\nDATA\r\n"
            b"Subject: smuggled\r\n\r\nsmuggled\r\n.\r\n")
# What is left of the smuggled DATA is content too, so its own CRLF.CRLF is the true end.


class Smuggling(PostwainTestCase):
    @classmethod
    def setUpClass(cls):
        cls.plain = SmtpSink()
        cls.chunking = SmtpSink(extensions=EXTENSIONS + ("CHUNKING",))
        cls.store = SmtpSink(lmtp=True)
        cls.sinks = (cls.plain, cls.chunking, cls.store)
        cls.mta = Postwain({"limits": {"errors": 100}, "route": [
            {"match": "example.test", "deliver": cls.plain.target},
            {"match": "chunking.test", "deliver": cls.chunking.target},
            {"match": "store.test", "deliver": cls.store.target}]}, label=cls.__qualname__)
        cls.addClassCleanup(cls.mta.close)
        for sink in cls.sinks:
            cls.addClassCleanup(sink.stop)
        cls.mta.start()

    def setUp(self):
        for sink in self.sinks:
            sink.messages.clear()

    def arrived(self):
        self.mta.wait_queue_empty()
        for sink in self.sinks:
            self.assertEqual([], sink.violations)
            self.assertLessEqual(len(sink.messages), 1)
            for transaction in sink.messages:
                self.assertNotIn("smuggled@example.test", transaction.recipients)
                self.assertEqual("alice@sender.test", transaction.sender)
        return [transaction for sink in self.sinks for transaction in sink.messages]

    def attempt(self, false_end, parts):
        """The answers to content that arrives in these parts, up to NOOP's."""
        client = SmtpClient(self.mta.port)
        self.addCleanup(client.close)
        client.envelope("alice@sender.test", ["b@example.test", "c@chunking.test", "d@store.test"])
        self.assertEqual(354, client.command("DATA")[0])
        for part in parts:
            client.send(part)
        answer = client.reply()
        code, text = client.command("NOOP")
        self.assertEqual((250, "2.0.0"), (code, text.split()[0]),
                         f"{false_end!r}: something was obeyed as a command")
        client.quit()
        return answer

    def test_false_ends(self):
        first = b"Subject: first\r\n\r\nfirst"
        for false_end in FALSE_ENDS:
            for name, parts in {
                "one segment": [first + false_end + SMUGGLED],
                "next segment": [first + false_end, SMUGGLED],
                "dot alone": [first + false_end[:1], false_end[1:2], false_end[2:] + SMUGGLED],
            }.items():
                with self.subTest(end=false_end, how=name):
                    self.setUp()
                    code, text = self.attempt(false_end, parts)
                    content = first + false_end + SMUGGLED[:-3]
                    bare = content.replace(b"\r\n", b"")
                    if b"\r" in bare or b"\n" in bare:
                        self.assertEqual((550, "5.6.11"), (code, text.split()[0]))
                        self.assertEqual([], self.arrived())
                    else:
                        self.assertIn(code, (250, 550))
                        self.assertEqual(3 if code == 250 else 0, len(self.arrived()))

    def test_bdat_content_with_false_ends(self):
        """BDAT needs no end mark, so the content is exact; it must not become one further on."""
        for false_end in FALSE_ENDS + [b"\r\n.\r\n"]:
            with self.subTest(false_end):
                self.setUp()
                content = b"Subject: first\r\n\r\nfirst" + false_end + SMUGGLED
                with SmtpClient(self.mta.port) as client:
                    client.envelope("alice@sender.test",
                                    ["b@example.test", "c@chunking.test", "d@store.test"])
                    client.send(b"BDAT %d LAST\r\n" % len(content) + content)
                    code, text = client.reply()
                bare = content.replace(b"\r\n", b"")
                arrived = self.arrived()
                # A lone LF is the line end it was meant to be; a lone CR means nothing to anybody.
                whole_lines = re.sub(rb"(?<!\r)\n", b"\r\n", content)
                if b"\r" in bare:
                    self.assertEqual((550, "5.6.11"), (code, text.split()[0]))
                    self.assertEqual([], arrived)
                elif code == 250:
                    self.assertEqual(3, len(arrived))
                    for transaction in arrived:
                        self.assertEqual(whole_lines, without_received(transaction.content))
                else:
                    self.assertEqual(550, code)

    def test_true_end_at_every_cut(self):
        """The real end is seen wherever the network cuts it."""
        end = b"\r\n.\r\nNOOP\r\n"
        for cut in range(1, len(end)):
            with self.subTest(cut), SmtpClient(self.mta.port) as client:
                self.setUp()
                client.envelope("alice@sender.test", ["b@example.test"])
                client.command("DATA")
                client.send(message()[:-2] + end[:cut])
                client.send(end[cut:])
                self.assertEqual([250, 250], [code for code, _ in client.replies(2)])
        self.mta.wait_queue_empty()


class StarttlsInjection(PostwainTestCase):
    def test_injected_command_is_dropped(self):
        sink = self.closing(SmtpSink())
        mta = self.prepare({"route": [{"match": "*", "deliver": sink.target}]})
        certificate, key = make_certificate(mta.folder)
        mta.reconfigure({"tls": {"certificate": certificate, "key": key}, "listener": [
            {"address": f"127.0.0.1:{mta.port}", "protocol": "smtp", "tls": "optional"}]})
        mta.start()
        client = SmtpClient(mta.port)
        self.addCleanup(client.close)
        client.send(b"STARTTLS\r\nMAIL FROM:<evil@sender.test>\r\nRCPT TO:<x@example.test>\r\n")
        code, _ = client.reply()
        if code != 220:
            self.assertGreaterEqual(code, 500)
            return
        client.sock = insecure_context().wrap_socket(client.sock, server_hostname="localhost")
        client.buffer = b""
        code, text = client.command("RCPT TO:<x@example.test>")
        self.assertEqual(503, code, text)


def insecure_context():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


if __name__ == "__main__":
    main()
