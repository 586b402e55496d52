"""One message, sender or mailbox never costs its neighbours; what may have arrived comes again
seldom.  Rows F1, F2, F8, D7 of what others' users reported of sending.
"""

import time

from postwain_harness import PostwainTestCase, main
from mail_content import message
from mail_session import HANG_UP
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

SCHEDULE = {"retry": ["1s", "2s", "4s"], "retry_lmtp": ["1s", "2s", "4s"], "jitter": 0}
BULK = 12


class Isolation(PostwainTestCase):
    def begin(self, script, lmtp=False, retry=None):
        self.sink = self.closing(SmtpSink(script=script, lmtp=lmtp))
        self.mta = self.start({"queue": retry or SCHEDULE, "route": [
            {"match": "far.test", "deliver": self.sink.target}]})

    def submit(self, *recipients, sender="alice@sender.test"):
        with SmtpClient(self.mta.port) as client:
            code, text = client.mail(sender, recipients, message())
            self.assertEqual(250, code, text)

    def healthy_beside(self, script, failing, lmtp=False):
        """failing: (sender, recipient) of the n-th message that the peer ends its sessions on."""
        self.begin(script, lmtp)
        for number in range(BULK):
            sender, recipient = failing(number)
            self.submit(recipient, sender=sender)
        # Every one has been tried, or is put off for the others' sake.
        wait_until(lambda: all(r["last_reply"] for r in self.mta.unsettled().values()), 60,
                   "an attempt of each, or the reason why there is none")
        for number in range(5):
            self.submit(f"someone{number}@far.test", sender=f"carol{number}@sender.test")
        for number in range(5):
            self.sink.wait_delivered(f"someone{number}@far.test", 60)
        breakers = self.mta.events("breaker")
        self.assertTrue(breakers, self.mta.tail())
        self.assertEqual([], [line for line in breakers if "whose" not in line])
        wait_until(lambda: len(self.mta.queue()) == BULK, 20, lambda: f"{BULK} in {self.mta.queue()}")

    def test_f1_421_to_one_sender(self):
        self.healthy_beside({"final": {"bulk@sender.test": "421 4.7.26 unauthenticated"}},
                            lambda n: ("bulk@sender.test", f"u{n}@far.test"))

    def test_f1_the_session_ends_at_one_mailbox(self):
        self.healthy_beside({"rcpt": {"poison@far.test": HANG_UP}},
                            lambda n: (f"s{n}@s{n}.test", "poison@far.test"))

    def test_f1_a_store_ends_at_one_mailbox(self):
        self.healthy_beside({"final": {"poison@far.test": HANG_UP}},
                            lambda n: (f"s{n}@s{n}.test", "poison@far.test"), lmtp=True)

    def siblings_arrive(self, script, recipients, lmtp=False):
        self.begin(script, lmtp, {"retry": ["1s"], "retry_lmtp": ["1s"]})
        self.submit(*recipients)
        for recipient in recipients:
            if not recipient.startswith("poison"):
                self.sink.wait_delivered(recipient, 60)
                self.assertEqual(1, len(self.sink.delivered(recipient)))
        poison = {r for r in recipients if r.startswith("poison")}
        wait_until(lambda: set(self.mta.unsettled()) == poison, 20, self.mta.unsettled)
        for recipient in set(recipients) - poison:
            self.assertEqual(1, len(self.sink.delivered(recipient)))

    def test_f2_421_to_one_recipient(self):
        self.siblings_arrive({"rcpt": {"poison@far.test": "421 4.2.1 <poison> not now"}},
                             ["a@far.test", "poison@far.test", "c@far.test"])

    def test_f2_hang_up_at_two_recipients(self):
        self.siblings_arrive({"rcpt": {f"poison{n}@far.test": HANG_UP for n in (1, 2)}},
                             ["a@far.test", "poison1@far.test", "b@far.test", "poison2@far.test",
                              "c@far.test"])

    def test_f2_a_store_ends_at_one_mailbox(self):
        self.siblings_arrive({"final": {"poison@far.test": HANG_UP}},
                             ["poison@far.test", "a@far.test", "c@far.test"], lmtp=True)

    def test_f2_nobody_is_told_what_was_said_of_another(self):
        self.begin({"rcpt": {"poison@far.test": "421 4.2.1 <poison> not now"}}, retry={"retry": ["1h"]})
        self.submit("a@far.test", "poison@far.test", "c@far.test")
        left = wait_until(lambda: all(r["last_reply"] for r in self.mta.unsettled().values())
                          and self.mta.unsettled(), 30, "an outcome")
        self.assertIn("<poison>", left["poison@far.test"]["last_reply"])
        for other in ("a@far.test", "c@far.test"):
            self.assertNotIn("<poison>", left[other]["last_reply"])
            self.assertIn("another recipient", left[other]["last_reply"])

    def test_f8_in_doubt_is_later_than_a_plain_failure(self):
        times = {"doubt@far.test": [], "plain@far.test": []}

        def final(_, recipient):
            times[recipient].append(time.monotonic())
            return HANG_UP if recipient == "doubt@far.test" else "451 4.3.0 later"
        self.begin({"final": final}, lmtp=True)
        for recipient in times:
            self.submit(recipient)
        wait_until(lambda: len(times["plain@far.test"]) >= 5, 60, "attempts")
        self.assertLess(len(times["doubt@far.test"]), len(times["plain@far.test"]))
        self.assertGreaterEqual(len(times["doubt@far.test"]), 1)

    def test_d7_a_next_hop_that_refuses_the_null_sender(self):
        """The report waits where it is seen, with the words of the next hop."""
        self.begin({"mail": {"": "501 5.1.7 Invalid MAIL FROM address"},
                    "rcpt": {"nobody@far.test": "550 5.1.1 no such user"}})
        self.submit("nobody@far.test", sender="carol@far.test")
        left = wait_until(lambda: [r for r in self.mta.unsettled().values() if r["last_reply"]], 30,
                          "the report in the queue")
        self.assertIn("Invalid MAIL FROM", left[0]["last_reply"])
        self.assertTrue(self.mta.has_event("null_sender_refused"))


if __name__ == "__main__":
    main()
