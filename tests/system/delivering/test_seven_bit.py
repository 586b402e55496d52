"""8-bit and binary content reaches next hops that take neither, and says the same there."""

import email
import email.policy
import os

from postwain_harness import PostwainTestCase, main
from mail_content import without_received
from mail_session import EXTENSIONS
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

TEXT = "Grüße aus Köln, 1 = 1 \r\n.Punkt am Anfang\r\n" + "ä" * 600 + "\r\n"


def mixed(binary):
    """A message of several parts, and the payloads it has to have at the end."""
    octets = os.urandom(3000) + b"\n.\n\r\r\n--almost\r\n" if binary else "ö\r\n".encode() * 100
    inner = ("From: <x@far.test>\r\nSubject: Ümlaut\r\nContent-Type: text/plain; charset=utf-8\r\n"
             "Content-Transfer-Encoding: 8bit\r\n\r\ninnen ß\r\n").encode()
    kind = b"binary" if binary else b"8bit"
    content = (b"From: <a@sender.test>\r\nTo: <b@far.test>\r\nSubject: parts\r\nMIME-Version: 1.0\r\n"
               b'Content-Type: multipart/mixed; boundary="=_b 1"\r\nContent-Transfer-Encoding: '
               + kind + b"\r\n\r\npreamble\r\n--=_b 1\r\n"
               b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
               + TEXT.encode() + b"\r\n--=_b 1\r\nContent-Type: application/octet-stream\r\n"
               b"Content-Transfer-Encoding: " + kind + b"\r\n\r\n" + octets +
               b"\r\n--=_b 1\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
               + inner + b"\r\n--=_b 1--\r\n")
    return content, [TEXT.encode(), octets, "innen ß\r\n".encode()]


class SevenBit(PostwainTestCase):
    def begin(self, lmtp=False, extensions=EXTENSIONS):
        self.sink = self.closing(SmtpSink(lmtp=lmtp, extensions=extensions))
        self.mta = self.start({"route": [{"match": "*", "deliver": self.sink.target}]})

    def send(self, content, body, chunk=None):
        with SmtpClient(self.mta.port) as client:
            self.assertIn("BINARYMIME", client.extensions)
            self.assertEqual(250, client.command(f"MAIL FROM:<a@sender.test> BODY={body}")[0])
            self.assertEqual(250, client.command("RCPT TO:<b@far.test>")[0])
            step = chunk or len(content)
            for at in range(0, len(content), step):
                part = content[at:at + step]
                last = " LAST" if at + step >= len(content) else ""
                client.send(f"BDAT {len(part)}{last}\r\n".encode() + part)
                self.assertEqual(250, client.reply()[0])

    def arrived(self):
        message = self.sink.wait_delivered("b@far.test")[0]
        content = without_received(message.content)
        return message, content, email.message_from_bytes(content, policy=email.policy.default)

    def payloads(self, parsed):
        leaves = [part for part in parsed.walk() if not part.is_multipart()]
        return [part.get_payload(decode=True).replace(b"\r\n", b"\n") for part in leaves]

    def check(self, want):
        message, content, parsed = self.arrived()
        self.assertLess(max(content), 128)
        self.assertEqual([], [word for word in message.mail_parameters if "BINARY" in word])
        self.assertEqual([text.replace(b"\r\n", b"\n") for text in want], self.payloads(parsed))
        self.assertEqual([], [str(d) for part in parsed.walk() for d in part.defects])
        self.assertEqual([], self.sink.violations)
        return parsed

    def test_eight_bit_to_a_seven_bit_hop(self):
        for lmtp in (False, True):
            with self.subTest(lmtp=lmtp):
                self.begin(lmtp, [e for e in EXTENSIONS if e != "8BITMIME"])
                content, want = mixed(False)
                self.send(content, "8BITMIME")
                self.check(want)
                self.mta.stop()

    def test_binary_to_hops_without(self):
        for extensions in (EXTENSIONS, [], [*EXTENSIONS, "CHUNKING"]):
            with self.subTest(extensions=extensions):
                self.begin(extensions=extensions)
                content, want = mixed(True)
                self.send(content, "BINARYMIME", chunk=1000)
                self.check(want)
                self.mta.stop()

    def test_large_binary_is_converted_on_the_way(self):
        self.begin(extensions=[*EXTENSIONS, "CHUNKING", "BINARYMIME"])
        octets = os.urandom(3_000_000)
        self.send(b"Subject: large\r\nMIME-Version: 1.0\r\nContent-Type: image/x\r\n"
                  b"Content-Transfer-Encoding: binary\r\n\r\n" + octets, "BINARYMIME", 100_000)
        self.check([octets])

    def test_binary_goes_as_it_is_where_it_can(self):
        self.begin(extensions=[*EXTENSIONS, "CHUNKING", "BINARYMIME"])
        content, _ = mixed(True)
        self.send(content, "BINARYMIME")
        message, arrived, _ = self.arrived()
        self.assertIn("BODY=BINARYMIME", message.mail_parameters)
        self.assertEqual(content, arrived)

    def test_a_header_has_lines_also_in_binary(self):
        self.begin()
        with SmtpClient(self.mta.port) as client:
            client.command("MAIL FROM:<a@sender.test> BODY=BINARYMIME")
            client.command("RCPT TO:<b@far.test>")
            content = b"Subject: x\nBcc: y\r\n\r\nbody"
            client.send(f"BDAT {len(content)} LAST\r\n".encode() + content)
            self.assertEqual(550, client.reply()[0])


if __name__ == "__main__":
    main()
