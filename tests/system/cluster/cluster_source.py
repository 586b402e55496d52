"""The senders of a cluster's load, as a program: connections that go from node to node when one
does not take mail, and write down what was promised. It ends when its standard input does.

    cluster_source.py --ledger FILE --ports N,N… [--connections N] [--rate N] [--seed TEXT]
                      [--large SHARE] [--slow SHARE]
"""

import argparse
import random
import sys
import threading
import time

import postwain_harness  # noqa: F401 (the paths of the other helpers)
from load_ledger import LineFile, signed
from mail_content import message
from smtp_raw import SmtpClient, stuffed

PATIENCE = 40  # seconds for a reply: longer than a node may keep a client waiting
PAUSE_AFTER_REFUSAL = 0.2
DOMAINS = ("relay.test", "store.test")
LARGE = (70_000, 400_000)
SMALL = (100, 6_000)
PARTS = {"refused": 0.02, "later": 0.15}  # of the messages


class Senders:
    def __init__(self, options):
        self.options = options
        self.ledger = LineFile(options.ledger)
        self.stopped = threading.Event()
        self.text = random.Random(options.seed).randbytes(LARGE[1] // 2).hex().encode()
        self.threads = [threading.Thread(target=self.run, args=(number,), daemon=True)
                        for number in range(options.connections)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        chance = random.Random(f"{self.options.seed}/{number}")
        pause = self.options.connections / self.options.rate
        at, client, count = number, None, 0
        while not self.stopped.wait(pause * chance.uniform(0.5, 1.5)):
            try:
                client = client or self.connect(at)
                count += 1
                self.send(client, f"{self.options.prefix}{number}-{count}", chance)
            except (OSError, EOFError, ValueError):
                if client:
                    client.close()
                client, at = None, at + 1
                self.stopped.wait(PAUSE_AFTER_REFUSAL)
        if client:
            client.close()

    def connect(self, at):
        ports = self.options.ports
        client = SmtpClient(ports[at % len(ports)], timeout=PATIENCE)
        if client.greeting[0] != 220:
            client.close()
            raise ValueError(client.greeting)
        return client

    def send(self, client, key, chance):
        """One message. ValueError when the node does not take it."""
        to, content = self.envelope(chance), self.content(key, chance)
        self.ledger.line("offered", key, now(), ",".join(to))
        lines = ["MAIL FROM:<alice@sender.test>", *(f"RCPT TO:<{one}>" for one in to), "DATA"]
        client.send("".join(line + "\r\n" for line in lines))
        replies = client.replies(len(lines))
        code, text = replies[-1]
        if code == 354:
            client.send(stuffed(content) + b".\r\n")
            code, text = client.reply()
        taken = [one for one, reply in zip(to, replies[1:]) if reply[0] == 250]
        self.ledger.line("reply", key, now(), code, text.split()[-1] if code == 250 else "-",
                         ",".join(taken) or "-")
        if code != 250:
            raise ValueError(text)

    def envelope(self, chance):
        domain = chance.choice(DOMAINS)
        to = [f"user{n}@{domain}" for n in chance.sample(range(50), chance.choice((1, 1, 1, 2, 3)))]
        if chance.random() < PARTS["refused"]:
            to.append(f"refused@{domain}")
        if chance.random() < PARTS["later"]:
            to.append(f"later{chance.randrange(50)}@{chance.choice(DOMAINS)}")
        if chance.random() < self.options.slow:
            to.append(f"slow{chance.randrange(50)}@{domain}")
        return to

    def content(self, key, chance):
        large = chance.random() < self.options.large
        size = chance.randrange(*(LARGE if large else SMALL))
        start = chance.randrange(len(self.text) - 76)
        body = (self.text[start:] + self.text)[:size]
        lines = b"".join(body[at:at + 76] + b"\r\n" for at in range(0, size, 76))
        return signed(key, message("load", lines))

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join(PATIENCE + 10)


def now():
    return f"{time.time():.4f}"


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--ledger", required=True)
    words.add_argument("--ports", required=True, type=lambda text: list(map(int, text.split(","))))
    words.add_argument("--connections", type=int, default=8)
    words.add_argument("--rate", type=float, default=100)
    words.add_argument("--large", type=float, default=0.02, help="share of large messages")
    words.add_argument("--slow", type=float, default=0.02, help="share of slow recipients")
    words.add_argument("--seed", default="1")
    words.add_argument("--prefix", default="m")
    senders = Senders(words.parse_args())
    sys.stdin.read()
    senders.stop()


if __name__ == "__main__":
    main()
