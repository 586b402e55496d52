"""The content arrives byte by byte, whichever way it came in and went out."""

import random

from postwain_harness import Postwain, PostwainTestCase, main
from mail_content import message, without_received
from mail_session import EXTENSIONS
from resources import make_certificate
from smtp_raw import SmtpClient, stuffed
from smtp_sink import SmtpSink

CASES = {
    "one dot": b".\r\n",
    "dots": b".\r\n..\r\n...\r\n",
    "dot first": b".first\r\n..second\r\n. third\r\n",
    "dot last": b"first.\r\n.\r\nlast.\r\n",
    "looks like an end": b"text\r\n.\r\nMAIL FROM:<x@y.test>\r\n.\r\n",
    "only empty lines": b"\r\n\r\n\r\n",
    "spaces at the end": b"line  \r\n\t\r\n \r\n",
    "latin-1": bytes(range(0xA0, 0x100)) + b"\r\n",
    "utf-8": "grüße, привет, 你好\r\n".encode(),
    "control characters": bytes(b for b in range(1, 32) if b not in (10, 13)) + b"\x7f\r\n",
    "longest line": b"x" * 998 + b"\r\n" + b"." * 998 + b"\r\n",
    "empty body": b"",
}


class Content(PostwainTestCase):
    """Each message goes to three next hops: SMTP with DATA, SMTP with CHUNKING, LMTP."""

    @classmethod
    def setUpClass(cls):
        cls.plain = SmtpSink()
        cls.chunking = SmtpSink(extensions=EXTENSIONS + ("CHUNKING",))
        cls.store = SmtpSink(lmtp=True)
        cls.sinks = {"plain.test": cls.plain, "chunking.test": cls.chunking,
                     "store.test": cls.store}
        cls.mta = Postwain({"route": [{"match": domain, "deliver": sink.target}
                                      for domain, sink in cls.sinks.items()]},
                           label=cls.__qualname__)
        certificate, key = make_certificate(cls.mta.folder)
        cls.mta.reconfigure({"tls": {"certificate": certificate, "key": key}, "listener": [
            {"address": f"127.0.0.1:{cls.mta.port}", "protocol": "smtp", "tls": "optional"}]})
        cls.addClassCleanup(cls.mta.close)
        for sink in cls.sinks.values():
            cls.addClassCleanup(sink.stop)
        cls.mta.start()

    def recipients(self, name):
        return [f"{name}@{domain}" for domain in self.sinks]

    def check(self, name, content, timeout=20):
        """Arrived once at each next hop, the same bytes; DATA ends every content with CRLF."""
        for domain, sink in self.sinks.items():
            arrived = sink.wait_delivered(f"{name}@{domain}", timeout)
            self.assertEqual(1, len(arrived))
            got = without_received(arrived[0].content)
            same = got == content or (not content.endswith(b"\r\n") and got == content + b"\r\n")
            self.assertTrue(same, f"{name} at {domain}: {got[:200]!r} is not {content[:200]!r}")
            self.assertEqual([], sink.violations)

    def submit(self, name, content, chunks=None, tls=False):
        with SmtpClient(self.mta.port) as client:
            if tls:
                client.starttls()
                client.say_hello()
            client.envelope("alice@sender.test", self.recipients(name))
            if chunks is None:
                answer = client.data(content)
            else:
                for number, chunk in enumerate(chunks):
                    last = " LAST" if number + 1 == len(chunks) else ""
                    client.send(b"BDAT %d%s\r\n" % (len(chunk), last.encode()) + chunk)
                    answer = client.reply()
                    self.assertEqual(250, answer[0], answer)
            self.assertEqual(250, answer[0], answer)

    def test_data(self):
        for number, (case, body) in enumerate(CASES.items()):
            with self.subTest(case):
                content = message(case, body)
                self.submit(f"data{number}", content)
                self.check(f"data{number}", content)

    def test_bdat(self):
        for number, (case, body) in enumerate(CASES.items()):
            with self.subTest(case):
                content = message(case, body)
                self.submit(f"bdat{number}", content, [content])
                self.check(f"bdat{number}", content)

    def test_bdat_in_odd_chunks(self):
        """Chunks of three bytes and an empty last one: every line end is cut somewhere."""
        content = message("odd chunks", b".\r\n..\r\nabc\r\n\r\n.\r\n")
        chunks = [content[at:at + 3] for at in range(0, len(content), 3)] + [b""]
        self.submit("odd", content, chunks)
        self.check("odd", content)

    def test_no_final_newline(self):
        content = message("no newline", b"first\r\nno newline at the end")
        self.submit("nonewline", content, [content])
        self.check("nonewline", content)

    def test_no_content_at_all(self):
        self.submit("nothing", b"")
        self.check("nothing", b"")

    def test_no_header(self):
        self.submit("noheader", b"\r\nonly a body\r\n")
        self.check("noheader", b"\r\nonly a body\r\n")

    def test_tls(self):
        content = message("inside TLS", b"8-bit \xe4 and\r\n.dots\r\n" * 5000)
        self.submit("tls", content, tls=True)
        self.check("tls", content)
        self.assertIn(b"with ESMTPS ", self.store.delivered("tls@store.test")[0].content[:400])

    def test_20_mib(self):
        content = message("large", large_body(20 << 20))
        self.submit("large", content)
        self.check("large", content, 60)

    def test_20_mib_bdat(self):
        content = message("large", large_body(20 << 20))
        self.submit("largebdat", content, [content[:7 << 20], content[7 << 20:]])
        self.check("largebdat", content, 60)

    def test_around_the_inline_limit(self):
        """Sizes near every power of two at which storage or transport may change its way."""
        for power in (12, 13, 15, 16, 17, 18):
            for size in ((1 << power) - 400, 1 << power):
                with self.subTest(size):
                    content = message(f"size {size}", large_body(size))
                    self.submit(f"size{size}", content)
                    self.check(f"size{size}", content)

    def test_100_recipients(self):
        everyone = [f"user{n}@{domain}" for n in range(50)
                    for domain in ("plain.test", "store.test")]
        content = message("to many")
        with SmtpClient(self.mta.port) as client:
            self.assertEqual(250, client.mail("alice@sender.test", everyone, content)[0])
        for address in everyone:
            arrived = self.sinks[address.split("@")[1]].wait_delivered(address)
            self.assertEqual(1, len(arrived), address)
            self.assertEqual(content, without_received(arrived[0].content))

    def test_pipelining(self):
        """Two messages in three flights: commands, content, content and QUIT."""
        first, second = message("first", b".a\r\n"), message("second", b".b\r\n")
        with SmtpClient(self.mta.port) as client:
            self.assertIn("PIPELINING", client.extensions)
            client.send(b"MAIL FROM:<alice@sender.test>\r\nRCPT TO:<p1@plain.test>\r\n"
                        b"RCPT TO:<p1@chunking.test>\r\nRCPT TO:<p1@store.test>\r\nDATA\r\n")
            self.assertEqual([250, 250, 250, 250, 354], [c for c, _ in client.replies(5)])
            client.send(stuffed(first) + b".\r\nMAIL FROM:<alice@sender.test>\r\n"
                        b"RCPT TO:<p2@plain.test>\r\nRCPT TO:<p2@chunking.test>\r\n"
                        b"RCPT TO:<p2@store.test>\r\nDATA\r\n")
            self.assertEqual([250, 250, 250, 250, 250, 354], [c for c, _ in client.replies(6)])
            client.send(stuffed(second) + b".\r\nQUIT\r\n")
            self.assertEqual([250, 221], [c for c, _ in client.replies(2)])
        self.check("p1", first)
        self.check("p2", second)

    def test_pipelined_bdat(self):
        """Everything from MAIL to QUIT in one flight (RFC 3030 4.2)."""
        content = message("one flight", b".\r\nx\r\n")
        with SmtpClient(self.mta.port) as client:
            self.assertIn("CHUNKING", client.extensions)
            client.send(b"MAIL FROM:<alice@sender.test> BODY=8BITMIME\r\n" +
                        b"".join(f"RCPT TO:<{to}>\r\n".encode() for to in self.recipients("pb")) +
                        b"BDAT 20\r\n" + content[:20] +
                        b"BDAT %d LAST\r\n" % (len(content) - 20) + content[20:] + b"QUIT\r\n")
            self.assertEqual([250] * 6 + [221], [c for c, _ in client.replies(7)])
        self.check("pb", content)

    def test_byte_by_byte(self):
        """A session that arrives one byte at a time means the same."""
        content = message("slow", b".\r\n..\r\n")
        commands = b"MAIL FROM:<alice@sender.test>\r\n" + \
            b"".join(f"RCPT TO:<{to}>\r\n".encode() for to in self.recipients("slow")) + b"DATA\r\n"
        with SmtpClient(self.mta.port) as client:
            for byte in commands:
                client.send(bytes([byte]))
            self.assertEqual([250, 250, 250, 250, 354], [c for c, _ in client.replies(5)])
            for byte in stuffed(content) + b".\r\n":
                client.send(bytes([byte]))
            self.assertEqual(250, client.reply()[0])
        self.check("slow", content)


def large_body(size):
    """About `size` bytes of lines of all lengths, some of them starting with dots, 8-bit."""
    source = random.Random(size)
    block = bytearray()
    while len(block) < min(size, 1 << 17):
        line = source.randbytes(source.randrange(0, 200)).translate(_PRINTABLE)
        block += b"." * source.randrange(0, 3) + line + b"\r\n"
    whole = bytes(block) * (size // len(block) + 1)
    return whole[:size - 2].rstrip(b"\r") + b"\r\n"


_PRINTABLE = bytes(b if b >= 32 else b + 64 for b in range(256))


if __name__ == "__main__":
    main()
