"""Reloads under load: the processes are replaced, and nothing that had been handed to one of them waits for it."""

import os
import signal
import threading
import time

from mail_content import message
from postwain_harness import PostwainTestCase, main
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

RELOADS = 50
# Of one that a client gave back it is 2 s; one in doubt waits at least twice the first step of the schedule.
FIRST_STEP = "120s"
SOON = 60


class ReloadUnderLoad(PostwainTestCase):
    def begin(self):
        self.far = self.closing(SmtpSink(extensions=["8BITMIME", "PIPELINING"]))
        self.store = self.closing(SmtpSink(lmtp=True))
        self.mta = self.start({
            "route": [{"match": "store.test", "deliver": self.store.target},
                      {"match": "*", "deliver": self.far.target}],
            "queue": {"retry": [FIRST_STEP], "retry_lmtp": [FIRST_STEP], "jitter": 0}})
        self.sent = []
        self.over = threading.Event()

    def load(self, name):
        """Sends until it is over; a server that is replaced ends the session, and the next one goes on."""
        number = 0
        while not self.over.is_set():
            try:
                with SmtpClient(self.mta.port) as client:
                    while not self.over.is_set():
                        to = [f"{name}.{number}@store.test", f"{name}.{number}@far.test"]
                        number += 1
                        code, _ = client.mail("anna@sender.test", to, message())
                        if code == 250:
                            self.sent += to
                        time.sleep(0.001)
            except (OSError, EOFError):
                time.sleep(0.02)

    def test_a_message_waits_in_doubt_after_a_reload(self):
        self.begin()
        senders = [threading.Thread(target=self.load, args=(f"s{n}",)) for n in range(4)]
        for sender in senders:
            sender.start()
        try:
            for number in range(RELOADS):
                done = self.mta.cli("reload")
                self.assertEqual(0, done.returncode, f"reload {number}: {done.stderr}\n{self.mta.tail()}")
        finally:
            self.over.set()
            for sender in senders:
                sender.join()
        self.assertGreater(len(self.sent), RELOADS)
        self.mta.wait_queue_empty(SOON)
        self.assertEqual([], self.mta.events("leases_returned"))
        self.assertEqual([], [line for line in self.mta.log if "in the middle of an attempt" in line])
        arrived = {}
        for sink in (self.far, self.store):
            for one in sink.messages:
                for to in one.recipients:
                    arrived[to] = arrived.get(to, 0) + 1
        self.assertEqual({to: 1 for to in self.sent}, {to: arrived.get(to, 0) for to in self.sent})

    def test_a_client_that_is_stopped_by_hand_leaves_nothing_in_doubt(self):
        """SIGTERM to a delivery client alone, as often as it is started again."""
        self.begin()
        sender = threading.Thread(target=self.load, args=("s",))
        sender.start()
        try:
            for _ in range(5):
                [pid] = self.mta.pids_of("smtp-client")
                seen = len(self.mta.log)
                os.kill(pid, signal.SIGTERM)
                wait_until(lambda s=seen: [e for e in self.mta.events("peer_connected", s)
                                           if e["name"] == "smtp-client[0]"], 30, self.mta.tail)
        finally:
            self.over.set()
            sender.join()
        self.mta.wait_queue_empty(SOON)
        self.assertEqual([], self.mta.events("leases_returned"))


if __name__ == "__main__":
    main()
