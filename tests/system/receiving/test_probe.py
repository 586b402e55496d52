"""recipients = "probe": the next hop is asked, what it says is remembered, and nobody unknown bounces."""

import json
import threading
import time

from postwain_harness import PostwainTestCase, main
from mail_content import message
from mail_session import HANG
from resources import reserve_port, wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

UNKNOWN = "550 5.1.1 no such mailbox here"


class Probe(PostwainTestCase):
    def begin(self, lmtp=False, script=None, **config):
        """Postwain in front of a store of our.test, and a witness for bounces to anywhere else."""
        self.store = self.closing(SmtpSink(lmtp=lmtp, script=script or {}))
        self.bounces = self.closing(SmtpSink())
        self.mta = self.start({
            "access": {"trusted_networks": ["127.0.0.2/32"]},
            "domain": [{"name": "our.test", "recipients": "probe"}], "queue": {"retry": ["1h"]},
            "route": [{"match": "our.test", "deliver": self.store.target},
                      {"match": "*", "deliver": self.bounces.target}], **config})

    def rcpt(self, *recipients, source="127.0.0.1"):
        """Replies to RCPT, in one session of a stranger."""
        with SmtpClient(self.mta.port, source=source) as client:
            self.assertEqual(250, client.command("MAIL FROM:<a@else.test>")[0])
            return [client.command(f"RCPT TO:<{to}>") for to in recipients]

    def asked(self, address):
        """How often the store heard RCPT for this address."""
        return sum(f"<{address}>" in line for line in self.store.commands("RCPT"))

    def test_who_exists_and_who_does_not(self):
        for lmtp in (False, True):
            with self.subTest(lmtp=lmtp):
                self.begin(lmtp, {"rcpt": {"ghost@our.test": UNKNOWN}})
                replies = self.rcpt("anna@our.test", "ghost@our.test", "postmaster@our.test",
                                    "x@far.test")
                self.assertEqual((250, "2.1.5 Ok"), replies[0])
                self.assertEqual((550, "5.1.1 Recipient address rejected: no such mailbox here"),
                                 replies[1])
                self.assertEqual([250, 550], [code for code, _ in replies[2:]])
                self.assertEqual([], self.store.messages)  # nothing was sent, only asked
                self.assertEqual(0, self.mta.status()["queue"]["messages"])
                with SmtpClient(self.mta.port) as client:
                    self.assertEqual(250, client.mail("a@else.test", ["anna@our.test"], message())[0])
                self.store.wait_delivered("anna@our.test")
                self.assertEqual([], self.store.violations)
                self.mta.stop()

    def test_what_is_known_is_not_asked_again_also_after_a_restart(self):
        self.begin(script={"rcpt": {"ghost@our.test": UNKNOWN}})
        for pair in (("anna@our.test", "ghost@our.test"), ("Anna@OUR.test", "GHOST@our.test")):
            self.assertEqual([250, 550], [code for code, _ in self.rcpt(*pair)])
        self.assertEqual(2, len(self.store.commands("RCPT")))
        self.mta.stop()
        self.store.stop()  # nobody there could answer now
        self.mta.start()
        self.assertEqual([250, 550], [code for code, _ in self.rcpt("anna@our.test",
                                                                    "ghost@our.test")])

    def test_real_deliveries_teach(self):
        """Mail of a known client is accepted unproven; what becomes of it is remembered."""
        port = reserve_port()
        self.begin(route=[{"match": "our.test", "deliver": f"smtp:127.0.0.1:{port}"},
                          {"match": "*", "deliver": "smtp:127.0.0.1:1"}])
        self.assertEqual([250, 250], [code for code, _ in self.rcpt(
            "anna@our.test", "ghost@our.test", source="127.0.0.2")])
        with SmtpClient(self.mta.port, source="127.0.0.2") as client:
            self.assertEqual(250, client.mail("a@else.test", ["anna@our.test", "ghost@our.test"],
                                              message())[0])
        wait_until(lambda: [r for r in self.mta.unsettled().values() if r["attempts"]], 10, "tried")
        store = self.closing(SmtpSink(("127.0.0.1", port), script={
            "rcpt": {"ghost@our.test": UNKNOWN}}))
        self.mta.cli("queue", "retry", "--all")
        store.wait_delivered("anna@our.test")
        wait_until(lambda: not [m for m in self.mta.queue() if m["sender"]], 10, "settled")
        before = len(store.commands("RCPT"))
        self.assertEqual([250, 550], [code for code, _ in self.rcpt("anna@our.test",
                                                                    "ghost@our.test")])
        self.assertEqual(before, len(store.commands("RCPT")))

    def test_a_store_that_cannot_answer(self):
        """Down, busy, or silent: put off, and never refused for good or accepted unasked."""
        self.begin(route=[{"match": "our.test", "deliver": f"smtp:127.0.0.1:{reserve_port()}"}])
        self.assertEqual([(450, "4.1.1 Recipient cannot be verified now, try again later")],
                         self.rcpt("anna@our.test"))
        self.assertEqual([250], [code for code, _ in self.rcpt("anna@our.test", source="127.0.0.2")])
        self.mta.stop()
        self.begin(script={"rcpt": {"anna@our.test": "450 4.2.1 busy", "full@our.test": "452 4.2.2 full"},
                           "mail": {}})
        self.assertEqual([450, 450], [code for code, _ in self.rcpt("anna@our.test", "full@our.test")])
        self.mta.stop()
        self.begin(script={"mail": "550 5.7.1 not from you"})
        self.assertEqual([450], [code for code, _ in self.rcpt("anna@our.test")])
        self.mta.stop()
        self.begin(script={"rcpt": HANG}, delivery={"timeouts": {"command": "1s"}})
        self.assertEqual([450], [code for code, _ in self.rcpt("anna@our.test")])

    def test_a_breaker_with_nothing_queued_behind_it_keeps_nobody_out(self):
        """The store was down, its mail was cancelled, it is back: somebody must find out."""
        port = reserve_port()
        self.begin(queue={"retry": ["1s"]},
                   route=[{"match": "our.test", "deliver": f"smtp:127.0.0.1:{port}"}])
        with SmtpClient(self.mta.port, source="127.0.0.2") as client:
            for number in range(12):
                self.assertEqual(250, client.mail("a@else.test", [f"u{number}@our.test"],
                                                  message())[0])

        def breaker():
            stats = json.loads(self.mta.cli("queue", "stats", "--json").stdout)
            return [d["breaker"] for d in stats["destinations"]]

        wait_until(lambda: breaker() == ["open"], 20, breaker)
        self.assertEqual(0, self.mta.cli("queue", "cancel", "--all").returncode)
        self.mta.wait_queue_empty()
        self.closing(SmtpSink(("127.0.0.1", port)))
        wait_until(lambda: self.rcpt("anna@our.test")[0][0] == 250, 20, "the store is asked again")

    def test_many_clients_one_question(self):
        release = threading.Event()

        def rcpt(_session, _argument):
            release.wait(20)

        self.begin(script={"rcpt": rcpt})
        replies = []
        threads = [threading.Thread(target=lambda: replies.append(self.rcpt("anna@our.test")[0][0]))
                   for _ in range(10)]
        for thread in threads:
            thread.start()
        wait_until(lambda: self.store.commands("RCPT"), 10, "the question")
        time.sleep(0.3)
        release.set()
        for thread in threads:
            thread.join(20)
        self.assertEqual([250] * 10, replies)
        self.assertEqual(1, self.asked("anna@our.test"))

    def test_no_backscatter(self):
        """Whatever strangers send with whatever sender, the store being up or down: no bounce."""
        self.begin(script={"rcpt": {f"ghost{n}@our.test": UNKNOWN for n in range(40)}})
        accepted = 0
        for n in range(40):
            if n == 20:
                self.store.stop()
            with SmtpClient(self.mta.port) as client:
                client.command(f"MAIL FROM:<victim{n}@victim.test>")
                accepted += client.command(f"RCPT TO:<ghost{n}@our.test>")[0] == 250
        self.assertEqual(0, accepted)
        self.assertEqual([], self.mta.queue())
        self.assertEqual([], self.bounces.messages)

    def test_a_client_that_leaves_while_it_waits(self):
        release = threading.Event()
        self.begin(script={"rcpt": lambda _session, _argument: release.wait(20) and None})
        client = SmtpClient(self.mta.port)
        client.command("MAIL FROM:<a@else.test>")
        client.send(b"RCPT TO:<anna@our.test>\r\n")
        wait_until(lambda: self.store.commands("RCPT"), 10, "the question")
        client.close()
        release.set()
        self.assertEqual([250], [code for code, _ in self.rcpt("anna@our.test")])


if __name__ == "__main__":
    main()
