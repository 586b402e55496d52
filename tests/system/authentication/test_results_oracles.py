"""The field Authentication-Results that we write, read by authres: each value comes out as it was
meant, whatever it holds, and nothing else comes out.
"""

import os
import sys
import unittest
from urllib.parse import quote_from_bytes

from postwain_harness import main
from line_tool import LineTool
from srs_programs import UNPACKED

PACKAGES = os.path.join(UNPACKED, "usr/lib/python3/dist-packages")
sys.path.append(PACKAGES)

ID = "mx.example.org"
# As they are; what is not printable ASCII is a question mark.
PLAIN = ("x.example", "a@x.example", "@x.example", "a.b+c=d@x.example", "rsa-sha256", "192.0.2.1", "AbC")
HOSTILE = ("a b", "x.example; dkim=pass", "a(b)c", "a\"b", "\\", "a\\\" ; dkim=pass (", "a\r\nb", "a\0b", "\u00e4",
           ") dkim=pass (", "2001:db8::1", "a@b@c", "a@x.example;dkim=pass header.d=y.example", "x" * 400,
           "word " * 60, "a/b+c=", "<a@x.example>", "a,b")


def word(text):
    return "." + quote_from_bytes(text.encode(), safe="")


def shown(text, octets_max):
    octets = text.encode()
    if len(octets) > octets_max:
        octets = octets[:octets_max - 3] + b"..."
    return "".join(chr(octet) if 0x20 <= octet < 0x7f else "?" for octet in octets)


def meant(value):
    """What authres hands on of a quoted string still has backslashes in it."""
    out, escaped = "", False
    for char in value:
        escaped = char == "\\" and not escaped
        out += "" if escaped else char
    return out


class Authres(unittest.TestCase):
    def setUp(self):
        try:
            import authres  # pylint: disable=import-outside-toplevel
        except ImportError:
            self.skipTest(f"authres is not unpacked below {PACKAGES}: run"
                          " tools/unpack_packages.sh filter build/peers filters")
        self.header = authres.AuthenticationResultsHeader
        self.tool = LineTool("results_tool")
        self.addCleanup(self.tool.stop)

    def result(self, method, result, reason="", comment="", **properties):
        self.tool.tell(" ".join([".result", word(method), word(result), word(reason), word(comment)]))
        for name, value in properties.items():
            self.tool.tell(" ".join([".property", *map(word, name.split("_")), word(value)]))

    def field(self):
        self.tool.tell(f".field {word(ID)} .ascii")
        lines = []
        while True:
            line = self.tool.line()
            if line == b".\n":
                break
            lines.append(line)
        for line in lines:
            self.assertTrue(line.endswith(b"\r\n"), line)
            self.assertLessEqual(len(line), 1000)
        return b"".join(lines).decode("ascii")

    def read(self, folded=True):
        """folded: authres passes over the folds; it does not take them out of quoted strings."""
        field = self.field().removesuffix("\r\n")
        header = self.header.parse(field if folded else field.replace("\r\n", ""))
        self.assertEqual(header.authserv_id, ID)
        return header.results

    def test_plain_values_one_behind_the_other(self):
        for value in PLAIN:
            with self.subTest(value=value):
                self.result("dkim", "pass", "good", "a comment", header_d=value, header_i=value, header_s="s1")
                self.result("spf", "fail", smtp_mailfrom=value, smtp_helo="h.example")
                dkim, spf = self.read()
                self.assertEqual((dkim.method, dkim.result, dkim.reason), ("dkim", "pass", "good"))
                self.assertEqual((dkim.header_d, dkim.header_i, dkim.header_s), (value, value, "s1"))
                self.assertEqual((spf.method, spf.result), ("spf", "fail"))
                self.assertEqual((spf.smtp_mailfrom, spf.smtp_helo), (value, "h.example"))

    def test_hostile_values(self):
        # authres wants a quoted string to be the last property of a result.
        for value in HOSTILE:
            with self.subTest(value=value):
                self.result("spf", "pass", value, value, smtp_mailfrom=value)
                self.result("dmarc", "none", "", value, header_from=value)
                spf, dmarc = self.read(folded=False)
                self.assertEqual((spf.method, spf.result, len(spf.properties)), ("spf", "pass", 1))
                self.assertEqual(meant(spf.reason), shown(value, 200))
                self.assertEqual(meant(spf.smtp_mailfrom), shown(value, 320))
                self.assertEqual((dmarc.method, dmarc.result, len(dmarc.properties)), ("dmarc", "none", 1))
                self.assertEqual(meant(dmarc.properties[0].value), shown(value, 320))

    def test_quoted_local_parts(self):
        for value in ('"a b"@x.example', '"a;b(c"@x.example', '"a@b"@x.example'):
            with self.subTest(value=value):
                self.result("spf", "pass", smtp_mailfrom=value, smtp_helo="h.example")
                spf, = self.read()
                self.assertEqual((spf.smtp_mailfrom, spf.smtp_helo), (value, "h.example"))

    def test_nothing_was_checked(self):
        self.assertEqual(self.read(), [])

    def test_what_authres_writes_is_known_as_ours(self):
        import authres  # pylint: disable=import-outside-toplevel
        for name, claim in ((ID, "ours"), (ID.upper(), "ours"), ("other.example", "none")):
            header = authres.AuthenticationResultsHeader(
                authserv_id=name,
                results=[authres.SPFAuthenticationResult(result="pass", smtp_mailfrom="a@x.example",
                                                         reason="by mx.example.org")])
            value = str(header).partition(":")[2]
            self.assertEqual(self.tool.ask(f".claim {word(ID)} {word(value)}"), claim)


if __name__ == "__main__":
    main()
