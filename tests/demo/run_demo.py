#!/usr/bin/env python3
"""The demo of `make run`: a whole Postwain and a small mail store on loopback, unprivileged ports.

Sends one message through and shows where it arrived, then stays until Ctrl-C.  With --once it ends
with 0 after the message arrived, and with 1 when it did not within 30 seconds.  Nothing leaves this
machine: only mail for demo.example is accepted.
"""

import argparse
import email.utils
import os
import pathlib
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import threading
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BINARIES = pathlib.Path(os.environ.get("POSTWAIN_BIN", SOURCE / "build/demo/bin"))
START_S = 30
ARRIVAL_S = 30
STOP_S = 45
SENDER, RECIPIENT = "you@elsewhere.example", "alice@demo.example"

CONFIG = """\
hostname = "postwain.demo.example"
spool_dir = "{folder}/spool"
runtime_dir = "{folder}/run"

[[listener]]
address = "127.0.0.1:{smtp}"

[[domain]]
name = "demo.example"

[[route]]
match = "demo.example"
deliver = "lmtp:127.0.0.1:{lmtp}"
"""


class DemoFailed(Exception):
    """Something did not come up; the text says what."""


def choose_port(wished):
    """The wished port when it is free, else any."""
    for port in (wished, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return probe.getsockname()[1]
            except OSError:
                continue
    raise DemoFailed("no free port on 127.0.0.1")


class Demo:
    def __init__(self):
        # Below the system's folder for temporary files, and open to look into: started as root, the
        # processes are ordinary users.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postwain-demo."))
        self.folder.chmod(0o755)
        self.mail = self.folder / "mail"
        self.config = self.folder / "postwain.toml"
        self.log = self.folder / "postwain.log"
        self.smtp, self.lmtp = choose_port(2525), choose_port(2424)
        self.processes = []  # in the order of their start

    def _start(self, words, log):
        with open(log, "wb") as output:
            # A session of its own: Ctrl-C reaches this script only, which then ends them in order.
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=subprocess.STDOUT, start_new_session=True)
        self.processes.append(process)
        return process

    def look_for_trouble(self):
        """A process of Postwain that cannot start: its cause, as the supervisor reports it once."""
        if not self.log.exists():
            return
        for line in self.log.read_text(errors="replace").splitlines():
            if " does_not_start " in line:
                raise DemoFailed("a process of Postwain does not start:\n"
                                 + line.partition(" does_not_start ")[2].replace(' advice=', '\nadvice='))

    def _wait_for_word(self, process, log, word):
        deadline = time.monotonic() + START_S
        while True:
            text = log.read_text(errors="replace")
            if word in text:
                return
            self.look_for_trouble()
            if process.poll() is not None or time.monotonic() > deadline:
                raise DemoFailed(f"not ready: {' '.join(map(str, process.args))}\n{text[-3000:]}")
            time.sleep(0.02)

    def start(self):
        program = BINARIES / "postwain"
        if not program.exists():
            raise DemoFailed(f"{program} does not exist: run `make build` first")
        store_log = self.folder / "store.log"
        store = self._start([sys.executable, SOURCE / "tests/store/lmtp_store.py", "--listen",
                             f"127.0.0.1:{self.lmtp}", "--root", self.mail], store_log)
        self._wait_for_word(store, store_log, "ready")
        self.config.write_text(CONFIG.format(folder=self.folder, smtp=self.smtp, lmtp=self.lmtp))
        mta = self._start([program, "run", "--config", self.config], self.log)
        self._wait_for_word(mta, self.log, " ready")

    def send(self):
        """Sends the first message; returns the reply to it."""
        content = (f"From: <{SENDER}>\r\nTo: Alice <{RECIPIENT}>\r\nSubject: the first letter\r\n"
                   f"Date: {email.utils.formatdate()}\r\n"
                   f"Message-ID: {email.utils.make_msgid(domain='elsewhere.example')}\r\n\r\n"
                   "Dear Alice,\r\n\r\nthe post-wain has come through.\r\n")
        with smtplib.SMTP("127.0.0.1", self.smtp, "sender.elsewhere.example", timeout=20) as client:
            client.ehlo()
            for code, text in (client.mail(SENDER), client.rcpt(RECIPIENT)):
                if code != 250:
                    raise DemoFailed(f"refused: {code} {text.decode()}")
            code, text = client.data(content)
        if code != 250:
            raise DemoFailed(f"refused: {code} {text.decode()}")
        return f"{code} {text.decode()}"

    def arrived(self):
        """The file of the message in the recipient's mailbox, None when it has not come in time."""
        deadline = time.monotonic() + ARRIVAL_S
        while time.monotonic() < deadline:
            found = list(self.mail.glob(f"{RECIPIENT}/new/*"))
            if found:
                return found[0]
            self.look_for_trouble()
            time.sleep(0.02)
        return None

    def show_use(self):
        program = os.path.relpath(BINARIES / "postwain")
        print(f"""
Send more:      swaks --server 127.0.0.1:{self.smtp} --to bob@demo.example
                {program} sendmail --config {self.config} bob@demo.example < FILE
Look at it:     {program} status --config {self.config}
                {program} queue list --config {self.config}
Mailboxes:      {self.mail}
Log:            {self.log}
""", flush=True)

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def remove(self, keep_mail):
        """Removes the folder; with keep_mail all but the mailboxes."""
        if not keep_mail:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        for entry in self.folder.iterdir():
            if entry.is_dir() and entry != self.mail:
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.is_file():
                entry.unlink()


def show_message(path):
    print(f"arrived: {path}\n")
    with open(path, encoding="utf-8", errors="replace") as message:
        for line in message.read().splitlines()[:30]:
            print("    " + line)


def run(demo, once, stop):
    print(f"starting Postwain and a mail store below {demo.folder}", flush=True)
    demo.start()
    print(f"Postwain listens on 127.0.0.1:{demo.smtp}, the store on 127.0.0.1:{demo.lmtp}")
    print(f"sending a message from <{SENDER}> to <{RECIPIENT}>", flush=True)
    print(f"accepted: {demo.send()}", flush=True)
    path = demo.arrived()
    if path is None:
        log = demo.log.read_text(errors="replace")[-3000:]
        raise DemoFailed(f"the message did not arrive within {ARRIVAL_S} s; end of the log:\n{log}")
    show_message(path)
    if once:
        return
    demo.show_use()
    print("Ctrl-C ends it.", flush=True)
    while not stop.wait(0.5):
        demo.look_for_trouble()
        for process in demo.processes:
            if process.poll() is not None:
                raise DemoFailed(f"{process.args[0]} ended with {process.returncode}, see {demo.log}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--once", action="store_true", help="end after the first message arrived")
    arguments = parser.parse_args()
    stop = threading.Event()

    def on_signal(_number, _frame):
        if not stop.is_set():
            stop.set()
            raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    demo = Demo()
    status = 0
    try:
        run(demo, arguments.once, stop)
    except KeyboardInterrupt:
        print("\nending", flush=True)
        status = 1 if arguments.once else 0
    except (DemoFailed, OSError, smtplib.SMTPException) as error:
        print(f"demo: {error}", file=sys.stderr)
        status = 1
    stop.set()  # a second Ctrl-C shall not leave processes behind
    demo.stop()
    demo.remove(keep_mail=arguments.once and status == 0)
    return status


if __name__ == "__main__":
    sys.exit(main())
