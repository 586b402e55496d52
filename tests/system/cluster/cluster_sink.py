"""The far end of a cluster's load, as a program: an SMTP next hop and an LMTP store that write down
each copy and the node that brought it. It prints the two ports as a line, takes the words "hold"
and "release" as lines of its standard input, and ends with that.

    cluster_sink.py --ledger FILE [--seed TEXT]

Recipients refused@… get 550, later…@… get 450 at about every second try, and at each between "hold"
and "release". The end of mail to late@… is answered so late that others may have given its node up
by then. Of mail to slow…@… either DATA or the end of the content is answered seconds later: whoever
brings it has to wait at the moment before its end leaves, or at the one before it is known what
became of it. What comes for probe@… is not written down.
"""

import argparse
import random
import re
import sys

import postwain_harness  # noqa: F401 (the paths of the other helpers)
from load_ledger import LineFile, key_and_state
from mail_content import Dsn, is_report, without_received
from mail_session import Delay
from smtp_sink import SmtpSink

_TRACE = re.compile(rb"by ([\w-]+)[^ ]* \(Postwain\) with [^;]*\r\n\tid ([0-9A-Z]{13})")
LATER = 0.5
SLOW = (0.5, 7.0)  # seconds
LATE = 9.0


class CountingSink(SmtpSink):
    """A sink for a million messages: it keeps none."""

    def __init__(self, ledger, seed, lmtp):
        self.lines = ledger
        self.chance = random.Random(f"{seed}/{lmtp}")
        self.holding = False
        self.slow = {}  # session: the stage at which its transaction waits
        super().__init__(lmtp=lmtp, script={"rcpt": self.recipient_reply})

    def reply(self, stage, session, argument):
        if stage == "mail":
            self.slow.pop(session, None)
        if stage == "data" and self.slow.get(session) == stage:
            return Delay(self.chance.uniform(*SLOW))
        return super().reply(stage, session, argument)

    def recipient_reply(self, session, address):
        if address.startswith("refused@"):
            return "550 5.1.1 nobody here"
        if address.startswith("later") and (self.holding or self.chance.random() < LATER):
            return "450 4.2.1 later"
        if address.startswith("late@"):
            self.slow[session] = "late"
        if address.startswith("slow"):
            self.slow[session] = self.chance.choice(("data", "final"))
        return None

    def final_replies(self, transaction):
        del self.server.commands[:]
        for to in transaction.recipients:
            if not to.startswith("probe@"):
                self.write(transaction, to)
        replies = [None] * (len(transaction.recipients) if transaction.protocol == "LHLO" else 1)
        if self.slow.get(transaction.session) == "final":
            replies[0] = Delay(self.chance.uniform(*SLOW))
        if self.slow.get(transaction.session) == "late":
            replies[0] = Delay(LATE)
        yield from replies

    def write(self, transaction, to):
        at, node = f"{transaction.ended_at:.4f}", transaction.hello.split(".")[0] or "-"
        if transaction.sender == "" and is_report(transaction.content):
            report = Dsn(transaction.content)
            key = str(report.returned).split("X-Key: ", 1)[1].split("\n", 1)[0].strip()
            for group in report.per_recipient:
                self.lines.line("bounced", key, group["Final-Recipient"].split(";")[1].strip(), at,
                                node)
            return
        trace = _TRACE.search(transaction.content[:2000])
        taken_by, queue_id = (word.decode() for word in trace.groups()) if trace else "--"
        content = transaction.content
        key, state = key_and_state(without_received(content) if trace else content)
        self.lines.line("delivered", key or "none", to, at, node, queue_id, state, taken_by)


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--ledger", required=True)
    words.add_argument("--seed", default="1")
    options = words.parse_args()
    ledger = LineFile(options.ledger)
    sinks = [CountingSink(ledger, options.seed, lmtp) for lmtp in (False, True)]
    print(*(sink.port for sink in sinks), flush=True)
    for line in sys.stdin:
        for sink in sinks:
            sink.holding = line.strip() == "hold"
    for sink in sinks:
        sink.stop()
        if sink.violations:
            print(sink.violations[:10], file=sys.stderr)


if __name__ == "__main__":
    main()
