"""LMTP: one reply for each recipient, and each reply alone decides about its recipient."""

from postwain_harness import PostwainTestCase, main
from mail_content import Dsn, message
from mail_session import HANG, HANG_UP, Delay, Raw
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

USERS = [f"user{n}@store.test" for n in range(6)]


class Lmtp(PostwainTestCase):
    def begin(self, script=None, unix=False, more=None):
        self.bounces = self.closing(SmtpSink())
        self.mta = self.prepare()
        if unix:
            path = self.mta.folder / "lmtp"
            self.store = self.closing(SmtpSink(path, script=script, lmtp=True))
            target = f"lmtp:unix:{path}"
        else:
            self.store = self.closing(SmtpSink(script=script, lmtp=True))
            target = self.store.target
        self.mta.reconfigure({"route": [{"match": "store.test", "deliver": target},
                                        {"match": "sender.test", "deliver": self.bounces.target}],
                              **(more or {})})
        self.mta.start()

    def submit(self, recipients, content=None):
        with SmtpClient(self.mta.port) as client:
            answer = client.mail("alice@sender.test", recipients, content or message())
            self.assertEqual(250, answer[0], answer)

    def counts(self, recipients):
        return [len(self.store.delivered(address)) for address in recipients]

    def finish(self):
        self.mta.wait_queue_empty()
        self.assertEqual([], self.store.violations)
        self.mta.stop()

    def test_mixed_replies_over_both_transports(self):
        for unix in (False, True):
            with self.subTest(unix=unix):
                self.begin({"rcpt": {USERS[1]: "550 5.1.1 no such user"},
                            "final": {USERS[2]: ["452 4.2.2 full", "452 4.2.2 full"],
                                      USERS[3]: "554 5.6.0 content refused"}}, unix)
                self.submit(USERS)
                self.finish()
                self.assertEqual([1, 0, 1, 0, 1, 1], self.counts(USERS))
                reports = [Dsn(m.content) for m in self.bounces.messages]
                told = {g["Final-Recipient"].split(";")[1].strip(): g["Status"]
                        for report in reports for g in report.per_recipient}
                self.assertEqual({USERS[1]: "5.1.1", USERS[3]: "5.6.0"}, told)
                self.assertEqual(2, sum(len(report.per_recipient) for report in reports))

    def test_hang_up_after_k_replies(self):
        """The k recipients whose reply came are done; exactly the others are tried again."""
        for k in range(len(USERS) + 1):
            with self.subTest(k=k):
                stop_at = USERS[k] if k < len(USERS) else None
                self.begin({"final": {stop_at: [HANG_UP]}} if stop_at else None)
                self.submit(USERS)
                self.finish()
                self.assertEqual([1] * len(USERS), self.counts(USERS))
                tried = [m.recipients for m in self.store.messages]
                rest = USERS[k:]
                self.assertEqual(USERS, tried[0])
                self.assertEqual(sorted(rest), sorted(a for r in tried[1:] for a in r))
                self.assertEqual([], self.bounces.messages)

    def test_replies_count_at_once(self):
        """A recipient is done when its reply is there, while the store still works on the next."""
        self.begin({"final": {USERS[1]: Delay(4)}})
        self.submit(USERS[:2])
        self.store.wait_for(1)
        wait_until(lambda: list(self.mta.unsettled()) == [USERS[1]], 3,
                   lambda: f"only {USERS[1]} in the queue: {self.mta.queue()}")
        self.finish()
        self.assertEqual([1, 1], self.counts(USERS[:2]))

    def test_store_silent_after_k_replies(self):
        self.begin({"final": {USERS[2]: [HANG]}},
                   more={"delivery": {"timeouts": {"final": "1s"}}})
        self.submit(USERS[:4])
        self.finish()
        self.assertEqual([1, 1, 1, 1], self.counts(USERS[:4]))

    def test_same_address_twice(self):
        """Who is named twice is one recipient and gets one copy, though the first try fails (operate 8)."""
        self.begin({"final": {USERS[0]: ["452 4.2.2 full", None]}})
        self.submit([USERS[0], USERS[1], USERS[0]])
        self.finish()
        tried = [address for m in self.store.messages for address in m.recipients]
        self.assertEqual(2, tried.count(USERS[0]))
        self.assertEqual(1, tried.count(USERS[1]))
        good = [reply for m in self.store.messages for reply in m.replies if reply[0] == "2"]
        self.assertEqual(2, len(good))

    def test_all_recipients_refused_means_no_data(self):
        self.begin({"rcpt": "550 5.1.1 nobody here"})
        self.submit(USERS[:3])
        self.finish()
        self.assertEqual([], self.store.messages)
        self.assertEqual(3, sum(len(Dsn(m.content).per_recipient) for m in self.bounces.messages))

    def test_all_recipients_deferred_then_accepted(self):
        self.begin({"rcpt": {address: ["452 4.2.2 full"] for address in USERS[:2]}})
        self.submit(USERS[:2])
        self.finish()
        self.assertEqual([1, 1], self.counts(USERS[:2]))
        self.assertEqual([], self.bounces.messages)

    def test_nonsense_defers(self):
        """What cannot be understood is no verdict."""
        cases = {
            "greeting": {"connect": [Raw(b"\x00\xff nonsense\r\n", close=True)]},
            "greeting 5xx": {"connect": ["554 5.3.2 not now"]},
            "hello 5xx": {"hello": ["500 5.5.2 what?"]},
            "mail garbage": {"mail": [Raw(b"hello?\r\n", close=True)]},
            "rcpt hang-up": {"rcpt": [HANG_UP]},
            "data 4xx": {"data": ["451 4.3.0 try again"]},
            "final garbage": {"final": [Raw(b"999 what\r\n", close=True)]},
            "final 421": {"final": ["421 4.3.2 going down"]},
            "half a reply": {"final": [Raw(b"250 2.0", close=True)]},
        }
        stores = {f"case{n}.test": (name, self.closing(SmtpSink(script=script, lmtp=True)))
                  for n, (name, script) in enumerate(cases.items())}
        bounces = self.closing(SmtpSink())
        mta = self.start({"route": [{"match": domain, "deliver": store.target}
                                    for domain, (_, store) in stores.items()]
                          + [{"match": "sender.test", "deliver": bounces.target}]})
        with SmtpClient(mta.port) as client:
            for domain in stores:
                client.mail("alice@sender.test", [f"user@{domain}"], message())
        mta.wait_queue_empty()
        for domain, (name, store) in stores.items():
            with self.subTest(name):
                self.assertEqual(1, len(store.delivered(f"user@{domain}")))
                self.assertEqual([], store.violations)
        self.assertEqual([], bounces.messages)
        mta.stop()

    def test_5xx_to_mail_or_data_fails_all(self):
        for stage, verdict in (("mail", "550 5.7.1 not from you"), ("data", "554 5.5.1 no")):
            with self.subTest(stage):
                self.begin({stage: verdict})
                self.submit(USERS[:2])
                self.finish()
                told = [g["Final-Recipient"].split(";")[1].strip()
                        for m in self.bounces.messages for g in Dsn(m.content).per_recipient]
                self.assertEqual(USERS[:2], sorted(told))

    def test_without_pipelining_and_with_chunking(self):
        for extensions in ([], ["8BITMIME"], ["PIPELINING", "CHUNKING", "8BITMIME"]):
            with self.subTest(extensions):
                self.bounces = self.closing(SmtpSink())
                self.store = self.closing(SmtpSink(lmtp=True, extensions=extensions, script={
                    "rcpt": {USERS[1]: "550 5.1.1 no such user"}}))
                self.mta = self.start({"route": [
                    {"match": "store.test", "deliver": self.store.target},
                    {"match": "sender.test", "deliver": self.bounces.target}]})
                self.submit(USERS)
                self.finish()
                self.assertEqual([1, 0, 1, 1, 1, 1], self.counts(USERS))


if __name__ == "__main__":
    main()
