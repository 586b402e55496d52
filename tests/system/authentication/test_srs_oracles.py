"""Rewritten senders of ours and of Mail::SRS, pysrs and postsrsd: with one secret, each takes back
what the others have written, so that returns find their way after a move.
"""

import os
import time
import unittest

from postwain_harness import main
from line_tool import LineTool
from srs_programs import UNPACKED, MailSrs, PostSrsd, PySrs

DOMAIN, SECRETS = "ours.example", ("first secret", "former secret")
SENDERS = ("alice@far.example", "Alice.B+tag@Far.Example", "a=b=c@far.example", "a_b-c/d@x.y.far.example",
           "SRS2=a=b@far.example", "bounces+1-2=a.example@far.example")
# Local parts that begin as if they were rewritten. postsrsd 1 makes an address of them that no one takes back.
ALIKE = ("SRS0@far.example", "SRS1@far.example")
FORWARDED = ("SRS0=AbCd=RA=far.example=alice@first.example", "SRS0+AbCd=RA=far.example=a=b@first.example",
             "srs0-abcd=ra=far.example=alice@first.example",
             "SRS1=AbCd=first.example==AbCd=RA=far.example=alice@second.example",
             "SRS1+AbCd=first.example=-AbCd=RA=far.example=alice@second.example")
DAY = 86400


class Ours:
    """now: seconds since 1970; the others go by the clock."""

    def __init__(self, domain=DOMAIN, separator="=", secrets=SECRETS):
        self.tool = LineTool("srs_tool", domain, separator, *secrets)
        self.stop = self.tool.stop

    def _ask(self, what, address, now=None):
        answer = self.tool.ask(f"{what} {int(time.time() if now is None else now)} {address}")
        return answer[3:] if answer.startswith("ok ") else None

    def forward(self, address, now=None):
        return self._ask("forward", address, now)

    def reverse(self, address, now=None):
        return self._ask("reverse", address, now)


class Oracles:
    """The tests of each program."""

    program = None
    senders = SENDERS

    def setUp(self):
        if not os.path.exists(os.path.join(UNPACKED, self.program.needs)):
            self.skipTest(f"{self.program.needs} is not unpacked below {UNPACKED}: run"
                          " tools/unpack_packages.sh filter build/peers filters")

    def started(self, kind, *arguments):
        program = kind(*arguments)
        self.addCleanup(program.stop)
        return program

    def test_both_write_the_same(self):
        for separator in "=+-":
            ours = self.started(Ours, DOMAIN, separator)
            theirs = self.started(self.program, DOMAIN, separator, SECRETS)
            for sender in self.senders + FORWARDED:
                with self.subTest(sender=sender, separator=separator):
                    # The day may end between the two.
                    self.assertIn(theirs.forward(sender), {ours.forward(sender), ours.forward(sender)})

    def test_each_takes_back_what_the_other_wrote(self):
        ours = self.started(Ours)
        theirs = self.started(self.program, DOMAIN, "=", SECRETS)
        for sender in self.senders:
            with self.subTest(sender=sender):
                self.assertEqual(theirs.reverse(ours.forward(sender)), sender)
                self.assertEqual(ours.reverse(theirs.forward(sender)), sender)
        for sender in FORWARDED:
            with self.subTest(sender=sender):
                self.assertEqual(theirs.reverse(ours.forward(sender)), ours.reverse(theirs.forward(sender)))

    def test_former_secrets_and_letter_case(self):
        ours = self.started(Ours)
        theirs = self.started(self.program, DOMAIN, "=", SECRETS)
        old = self.started(Ours, DOMAIN, "=", SECRETS[1:])
        old_theirs = self.started(self.program, DOMAIN, "=", SECRETS[1:])
        self.assertEqual(theirs.reverse(old.forward(SENDERS[0])), SENDERS[0])
        self.assertEqual(ours.reverse(old_theirs.forward(SENDERS[0])), SENDERS[0])
        self.assertEqual(theirs.reverse(ours.forward(SENDERS[0]).lower()), SENDERS[0])
        self.assertEqual(ours.reverse(theirs.forward(SENDERS[0]).lower()), SENDERS[0])

    def test_both_refuse_the_same(self):
        ours = self.started(Ours)
        theirs = self.started(self.program, DOMAIN, "=", SECRETS)
        stranger = self.started(Ours, DOMAIN, "=", ("a third secret",))
        good = ours.forward(SENDERS[0])
        now = time.time()
        changed = good.replace("=alice@", "=bob@")
        for address in (changed, stranger.forward(SENDERS[0]), ours.forward(SENDERS[0], now - 23 * DAY),
                        ours.forward(SENDERS[0], now - 500 * DAY), "SRS0=AAAA=AA=far.example=alice@ours.example",
                        "SRS1=AAAA=first.example==AAAA=AA=far.example=alice@ours.example", "alice@ours.example"):
            with self.subTest(address=address):
                self.assertIsNone(ours.reverse(address))
                # postsrsd 1 hands back what it does not take for its own.
                self.assertIn(theirs.reverse(address), (None, address))
        for address in (good, ours.forward(SENDERS[0], now - 20 * DAY)):
            self.assertEqual(theirs.reverse(address), SENDERS[0])
            self.assertEqual(ours.reverse(address), SENDERS[0])


class MailSrsOracle(Oracles, unittest.TestCase):
    program = MailSrs
    senders = SENDERS + ALIKE


class PySrsOracle(Oracles, unittest.TestCase):
    program = PySrs
    senders = SENDERS + ALIKE


class PostSrsdOracle(Oracles, unittest.TestCase):
    program = PostSrsd


if __name__ == "__main__":
    main()
