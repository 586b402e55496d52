"""kill -9 of any process and of all, 50 rounds under load: what got 250 arrives or bounces.

An outside ledger (ledger.py) judges.  Messages go to an SMTP next hop and to an LMTP store, some
recipients are refused and must bounce.  A second copy is only allowed where a process that delivers
died between the peer's reply and our record of it; such copies are counted and printed.
POSTWAIN_KILL_ROUNDS and POSTWAIN_KILL_SEED change the rounds and repeat a run.
"""

import json
import os
import random
import signal
import threading
import time

from postwain_harness import PostwainTestCase, kill_and_wait, main, process_state
from ledger import Ledger, Verdict, digest
from mail_content import Dsn, message
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

ROUNDS = int(os.environ.get("POSTWAIN_KILL_ROUNDS", "50"))
SEED = int(os.environ.get("POSTWAIN_KILL_SEED", str(int(time.time()))))
SENDERS = 4
PAUSE = 0.02  # of a sender between two messages
LIVES_MAX = 2.4  # longest undisturbed time of a round
KINDS = ("qmgr", "smtpd", "smtp-client", "lmtp-client", "all")
DELIVERING = ("qmgr", "smtp-client", "lmtp-client", "all")
WINDOW = 1.5  # longest time between the peer's reply and a death that excuses a second copy
COPIES_PER_KILL = 20  # more second copies than this for each delivering process killed is a fault
DRAIN_TIMEOUT = 120


class Load:
    """Senders that go on, whatever happens, and write down what was promised."""

    def __init__(self, mta, ledger, seed):
        self.mta = mta
        self.ledger = ledger
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(n, random.Random(seed + n)))
                        for n in range(SENDERS)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join(40)

    def run(self, number, source):
        client, count = None, 0
        while not self.stopped.wait(PAUSE):
            try:
                client = client or SmtpClient(self.mta.port)
                count += 1
                self.send(client, f"s{number}-{count}", source)
            except (OSError, EOFError, ValueError):
                if client:
                    client.close()
                client = None
        if client:
            client.close()

    def send(self, client, key, source):
        """One message; the ledger has it before the first byte leaves, and the reply later."""
        users = source.sample(range(20), source.randrange(1, 4))
        recipients = [f"user{n}@{source.choice(('relay.test', 'store.test'))}" for n in users]
        if source.random() < 0.1:
            recipients.append("refused@" + source.choice(("relay.test", "store.test")))
        large = source.random() < 0.05
        size = source.randrange(90_000, 600_000) if large else source.randrange(100, 6000)
        body = source.randbytes(size // 2).hex().encode()
        lines = b"".join(body[at:at + 76] + b"\r\n" for at in range(0, len(body), 76))
        content = b"X-Key: " + key.encode() + b"\r\n" + message("load", lines)
        self.ledger.append(what="offered", key=key, to=recipients, hash=digest(content))
        for line in ["MAIL FROM:<alice@sender.test>"] + [f"RCPT TO:<{to}>" for to in recipients]:
            if client.command(line)[0] != 250:
                raise ValueError(line)
        code, text = client.data(content)
        self.ledger.append(what="reply", key=key, code=code, text=text)
        if code != 250:
            raise ValueError(text)


class Crash(PostwainTestCase):
    def test_kill_rounds(self):
        print(f"seed {SEED}, {ROUNDS} rounds", flush=True)
        source = random.Random(SEED)
        mta = self.prepare()
        offered = Ledger(mta.folder / "source.ledger")
        arrived = Ledger(mta.folder / "sink.ledger")
        refuse = {"rcpt": {f"refused@{d}": "550 5.1.1 no" for d in ("relay.test", "store.test")}}
        relay = self.closing(SmtpSink(script=refuse, ledger=arrived))
        store = self.closing(SmtpSink(script=refuse, ledger=arrived, lmtp=True))
        bounces = self.closing(SmtpSink())
        mta.reconfigure({"route": [{"match": "relay.test", "deliver": relay.target},
                                   {"match": "store.test", "deliver": store.target},
                                   {"match": "sender.test", "deliver": bounces.target}],
                         "queue": {"retry": ["1s"], "retry_lmtp": ["1s"], "jitter": 0.1},
                         "limits": {"connections_per_ip": 100}})
        mta.start()
        load = Load(mta, offered, SEED)
        try:
            kills = [self.kill_round(mta, source) for _ in range(ROUNDS)]
        finally:
            load.stop()
        wait_until(lambda: mta.cli("status").returncode == 0, 40, "qmgr after its last death")
        mta.wait_queue_empty(DRAIN_TIMEOUT)
        verdict = self.judge(offered, arrived, bounces, kills)
        self.look_for_doubts(mta, verdict)
        mta.stop()

    def look_for_doubts(self, mta, verdict):
        """Whoever got a second copy is marked in doubt in the history, whenever qmgr was killed."""
        unmarked = []
        for identity, address in verdict.repeated:
            if identity is None:  # the client never read the 250: sent again, or delivered unseen
                continue
            result = mta.cli("trace", identity, "--json")
            events = [event for line in result.stdout.splitlines()
                      for recipient in json.loads(line)["recipients"]
                      if recipient["address"] == address for event in recipient["events"]]
            if not any(event.get("in_doubt") for event in events):
                unmarked.append((identity, address, [event["event"] for event in events]))
        print(f"{len(verdict.repeated)} recipients with a second copy, "
              f"{len(unmarked)} of them not marked in doubt", flush=True)
        self.assertEqual([], unmarked)

    def kill_round(self, mta, source):
        """(began, kind, ended) of one kill at a random moment, of something that runs then.

        On a busy machine the end of everything takes a while, and until then it delivers.
        """
        time.sleep(source.random() * LIVES_MAX)
        kinds = list(KINDS)
        source.shuffle(kinds)
        for kind in kinds:
            at = time.time()
            if kind == "all":
                mta.kill_all(signal.SIGKILL)
                ended = time.time()
                mta.start()
                return at, kind, ended
            victim = running(mta, kind)
            if victim:
                kill_and_wait(victim)
                return at, kind, time.time()
        raise AssertionError("unreachable: all can always be killed")

    def judge(self, offered, arrived, bounces, kills):
        bounced = set()
        for transaction in bounces.messages:
            report = Dsn(transaction.content)
            key = str(report.returned).split("X-Key: ", 1)[1].split("\n", 1)[0].strip()
            for group in report.per_recipient:
                bounced.add((key, group["Final-Recipient"].split(";")[1].strip()))
        verdict = Verdict(offered, arrived, bounced,
                          [kill for kill in kills if kill[1] in DELIVERING], WINDOW)
        counts = {kind: sum(kill[1] == kind for kill in kills) for kind in KINDS}
        print(f"killed {counts}; {verdict.promised} recipients promised, {len(bounced)} bounced, "
              f"{verdict.duplicates} second copies, {len(bounces.messages)} reports", flush=True)
        self.assertGreater(verdict.promised, ROUNDS * 4, "the load was no load")
        self.assertEqual([], verdict.lost[:10])
        self.assertEqual([], verdict.both[:10])
        self.assertEqual([], verdict.phantoms[:10])
        self.assertEqual([], verdict.damaged[:10])
        self.assertEqual([], verdict.unexcused[:10])
        delivering = sum(kill[1] in DELIVERING for kill in kills)
        self.assertLessEqual(verdict.duplicates, COPIES_PER_KILL * delivering)
        self.assertTrue(all(to.startswith("refused@") for _, to in bounced))
        return verdict


class Supervisor(PostwainTestCase):
    def test_kill_of_the_supervisor_alone(self):
        """Its processes end with it, and the next start finds everything free."""
        sink = self.closing(SmtpSink())
        mta = self.start({"route": [{"match": "*", "deliver": sink.target}]})
        children = mta.children()
        self.assertGreaterEqual(len(children), 4)
        os.kill(mta.process.pid, signal.SIGKILL)
        mta.process.wait(10)
        wait_until(lambda: all(process_state(pid) == "Z" for pid in children), 45,
                   "end of the children")
        mta.start()
        with SmtpClient(mta.port) as client:
            self.assertEqual(250, client.mail("a@sender.test", ["b@example.test"], message())[0])
        sink.wait_delivered("b@example.test")
        mta.stop()

    def test_second_instance_on_the_same_spool(self):
        """It ends with an error, and the first one goes on."""
        sink = self.closing(SmtpSink())
        first = self.start({"route": [{"match": "*", "deliver": sink.target}]})
        second = self.prepare()
        second.reconfigure({"spool_dir": first.config["spool_dir"]})
        second.launch()
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and second.process.poll() is None:
            self.assertFalse(second.has_event("ready"), second.tail())
            time.sleep(0.05)
        with SmtpClient(first.port) as client:
            self.assertEqual(250, client.mail("a@sender.test", ["b@example.test"], message())[0])
        sink.wait_delivered("b@example.test")
        first.wait_queue_empty()


def running(mta, kind):
    """Pid of a living process of this kind below the supervisor, by the name of its program."""
    for pid in mta.children():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                program = os.path.basename(file.read().split(b"\0")[0]).decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if program == kind and process_state(pid) != "Z":
            return pid
    return None


if __name__ == "__main__":
    main()
