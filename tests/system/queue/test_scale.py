"""A long queue of deferred mail, made as the benchmark makes it (bench/scale.py is the large form)."""

import os
import subprocess

from postwain_harness import PostwainTestCase, main
from mail_content import message
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

MESSAGES = 20_000
DUE = 50
RECIPIENTS = 3
MEMORY_MAX = 300 << 20  # of qmgr, however long the queue is


class LongQueue(PostwainTestCase):
    def test_a_long_queue(self):
        """It holds nobody up, is counted, listed by rare filters, acted on and does not fill memory."""
        sink = self.closing(SmtpSink())
        mta = self.start({"route": [{"match": ["due.test", "new.test"], "deliver": sink.target}],
                          "queue": {"retry": ["1h"]}})
        mta.stop()
        spool = mta.config["spool_dir"]
        owner = os.stat(spool)
        subprocess.run([os.path.join(mta.binaries, "pw-fill"), "--messages", str(MESSAGES), "--due",
                        str(DUE), "--recipients", str(RECIPIENTS), spool], check=True,
                       stderr=subprocess.DEVNULL)
        for name in os.listdir(spool):
            if name.startswith("queue.db"):
                os.chown(os.path.join(spool, name), owner.st_uid, owner.st_gid)
        mta.start()
        left = (MESSAGES - DUE) * RECIPIENTS
        with SmtpClient(mta.port) as client:
            self.assertEqual(250, client.mail("a@sender.test", ["x@new.test"], message())[0])
        sink.wait_delivered("x@new.test")
        wait_until(lambda: len(sink.messages) >= DUE + 1, 60, "everything that was due")
        wait_until(lambda: mta.status()["queue"]["recipients"] == left, 60,
                   lambda: f"a count: {mta.status()['queue']}")
        wanted = f"d{(MESSAGES - DUE - 1) * 7919 % 20000}.test"
        for filters in (["--domain", wanted], ["--recipient", f"user{MESSAGES - DUE - 1}@{wanted}"]):
            listed = mta.queue(*filters)
            self.assertTrue(listed)
            self.assertEqual({wanted}, {r["address"].split("@")[1] for m in listed
                                        for r in m["recipients"]})
        self.assertEqual([], mta.queue("--state", "held"))
        self.assertEqual([], mta.queue("--sender", "nobody@fill.test"))
        sent = sum(n % 1000 == 999 for n in range(MESSAGES - DUE))
        held = mta.cli("queue", "hold", "--sender", "sender999@fill.test")
        self.assertEqual(f"{sent} messages matched ({sent * RECIPIENTS} recipients), "
                         f"{sent} changed ({sent * RECIPIENTS})\n", held.stdout)
        self.assertEqual(sent, len(mta.queue("--state", "held")))
        self.assertLess(self.memory(mta), MEMORY_MAX)

    def memory(self, mta):
        pid = next(p["pid"] for p in mta.status()["processes"] if p["name"] == "qmgr")
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith("Pss:"))


if __name__ == "__main__":
    main()
