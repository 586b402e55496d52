"""Debian's policy services: postgrey, postfix-policyd-spf, policyd-rate-limit and Dovecot's quota-status."""

import unittest

from dovecot_server import Dovecot
from filtered_mail import FilteredMail, field
from mail_content import message
from postwain_harness import main
from real_filters import name_server, namespaces_permitted
from real_policies import PolicydSpf, Postgrey, RateLimit
from resources import listening, reserve_port, wait_until


@unittest.skipUnless(namespaces_permitted(), "mount namespaces are not permitted")
class RealPolicies(FilteredMail):
    def ask_policy(self, name, address, **more):
        self.ask({"name": name, "speak": "policy", "socket": address, **more})

    def test_postgrey_lets_a_stranger_wait(self):
        one = self.closing(Postgrey(delay=2))
        self.ask_policy("postgrey", one.address, clients="strangers")
        code, text = self.refusal(message(), to=["bob@here.example"])
        self.assertEqual(450, code)
        self.assertIn("Greylisted", text)
        self.submit(message())  # whoever has logged in does not wait
        self.sink.wait_delivered("bob@far.example", 30)

        def taken():
            try:
                return not self.send(message())
            except Exception as refused:  # pylint: disable=broad-except
                self.assertIn("Greylisted", str(refused))

        wait_until(taken, 20, "the end of the delay")
        [greylisted] = field(self.arrived(), "X-Greylist")
        self.assertTrue(greylisted.startswith("delayed "), one.log())
        self.no_failure()

    def test_a_check_of_postgrey(self):
        one = self.closing(Postgrey(delay=2))
        self.ask_policy("postgrey", one.address, clients="strangers")
        result = self.mta.cli("filter", "check")
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        self.assertRegex(result.stdout, r"postgrey at .*: works, [0-9]+ ms\n  RCPT +(none|defer_if_permit) ")
        one.stop()
        self.assertEqual(69, self.mta.cli("filter", "check").returncode)

    def test_policyd_spf(self):
        dns = self.closing(name_server({"fail.example": {"TXT": "v=spf1 -all"},
                                        "soft.example": {"TXT": "v=spf1 ~all"}}))
        one = self.closing(PolicydSpf(dns=dns))
        self.ask_policy("spf", one.address, timeout={"reply": "20s"})
        code, text = self.refusal(message(), sender="a@fail.example")
        self.assertEqual(550, code, one.log())
        self.assertTrue(text.startswith("5.7.23 Message rejected due to: SPF fail"), text)
        self.send(message(), sender="a@soft.example", to=["bob@here.example", "eva@here.example"])
        for name in ("bob", "eva"):
            [received] = field(self.arrived(f"{name}@here.example"), "Received-SPF")
            self.assertTrue(received.startswith("Softfail"), received)
        self.no_failure()

    def test_policyd_rate_limit_counts_a_users_messages(self):
        """Version 1.0 of it counts at RCPT, 1.2 at DATA."""
        one = self.closing(RateLimit())
        self.ask_policy("rate", one.address, on=["submission"], stage=["rcpt", "data"])
        for number in range(2):
            self.submit(message(), to=[f"u{number}@far.example"])
        with self.assertRaisesRegex(Exception, "Rate limit reach, retry later"):
            self.submit(message(), to=["u2@far.example"])
        self.send(message())
        self.arrived()
        self.no_failure()

    def test_dovecot_knows_who_has_no_room(self):
        port = reserve_port()
        store = self.closing(Dovecot({"bob@here.example": 1000, "eva@here.example": 10_000_000},
                                     quota_status_port=port))
        wait_until(lambda: listening(port), 20, store.log)
        self.ask_policy("quota", f"127.0.0.1:{port}")
        self.mta.stop()
        self.mta.reconfigure({"route": [{"match": "*", "deliver": f"lmtp:unix:{store.socket}"}]})
        self.mta.start()
        code, text = self.refusal(message(body="x" * 70 + "\r\n" + "y\r\n" * 1000))
        self.assertEqual((552, "5.2.2 The mailbox is full"), (code, text), store.log())
        self.send(message(), to=["eva@here.example"])
        wait_until(lambda: store.messages("eva@here.example"), 30, "the message")
        self.no_failure()


if __name__ == "__main__":
    main()
