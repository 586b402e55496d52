#!/usr/bin/env python3
"""A small LMTP mail store that writes Maildirs, for the demo and for tests; no part of the product.

Every user is a Maildir ROOT/ADDRESS/{tmp,new,cur}; a message is written, synced and renamed into
new/ before its recipient's reply leaves, with Return-Path and Delivered-To above the content and
otherwise exactly the bytes that came.  Behaviour is a JSON object, read again at each MAIL:

  {"users": {"bob@example.org": "over-quota"}, "default": "accept", "hang_up_after_replies": 2}

A user's behaviour is one of
  "accept" | "over-quota" (452 4.2.2 after the content) | "unknown" (550 5.1.1 at RCPT)
  | "refuse" (554 5.6.0 after the content) | "hang" (no reply after the content) | "hang-up"
or {"rcpt": "450 4.2.1 busy", "final": "554 5.7.1 no", "delay": 1.5}, each key optional.
hang_up_after_replies: the connection breaks after so many replies of each transaction.
"""

import argparse
import json
import os
import signal
import socket
import sys
import threading
import time
import urllib.parse

from mail_session import HANG, HANG_UP, Delay, Handler, MailServer

NAMED_BEHAVIOURS = {
    "accept": {},
    "over-quota": {"final": "452 4.2.2 mailbox is over quota"},
    "unknown": {"rcpt": "550 5.1.1 no such user"},
    "refuse": {"final": "554 5.6.0 content not accepted"},
    "hang": {"final": HANG},
    "hang-up": {"final": HANG_UP},
}


class Maildirs:
    """Mailboxes below one folder, named by addresses as RCPT gave them, safe as file names."""

    def __init__(self, root):
        self.root = root
        self._lock = threading.Lock()
        self._count = 0

    def folder(self, address):
        return os.path.join(self.root, urllib.parse.quote(address, safe="@+=,"))

    def deliver(self, address, sender, content):
        box = self.folder(address)
        for part in ("tmp", "new", "cur"):
            os.makedirs(os.path.join(box, part), exist_ok=True)
        with self._lock:
            self._count += 1
            name = f"{time.time():.6f}.P{os.getpid()}Q{self._count}.{socket.gethostname()}"
        temporary = os.path.join(box, "tmp", name)
        with open(temporary, "wb") as file:
            file.write(f"Return-Path: <{sender}>\r\nDelivered-To: {address}\r\n".encode())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        final = os.path.join(box, "new", name)
        os.rename(temporary, final)
        _sync_folder(os.path.join(box, "new"))
        return final

    def messages(self, address):
        """Contents of the mailbox, oldest first, without the two lines deliver() put on top."""
        new = os.path.join(self.folder(address), "new")
        found = []
        for name in sorted(os.listdir(new)) if os.path.isdir(new) else []:
            with open(os.path.join(new, name), "rb") as file:
                found.append(file.read().split(b"\r\n", 2)[2])
        return found


class LmtpStore(Handler):
    """script: a dictionary as above, or the path of a JSON file holding one."""

    def __init__(self, address, root, script=None, report=None):
        self.maildirs = Maildirs(root)
        self.script = script or {}
        self.report = report or (lambda address, path: None)
        self._current = {}
        self.server = MailServer(address, self, lmtp=True, hostname="store.test")

    def stop(self):
        self.server.stop()

    def reply(self, stage, session, argument):
        if stage == "mail":
            self._current[session] = self._load()
        if stage == "rcpt":
            return self._behaviour(session, argument).get("rcpt")
        return None

    def final_replies(self, transaction):
        limit = self._current[transaction.session].get("hang_up_after_replies")
        for number, address in enumerate(transaction.recipients):
            if limit is not None and number >= limit:
                yield HANG_UP
            behaviour = self._behaviour(transaction.session, address)
            reply = behaviour.get("final")
            if reply is None:
                path = self.maildirs.deliver(address, transaction.sender, transaction.content)
                self.report(address, path)
                reply = "250 2.0.0 stored in the mailbox of " + address
            yield Delay(behaviour["delay"], reply) if "delay" in behaviour else reply

    def _load(self):
        if isinstance(self.script, dict):
            return self.script
        with open(self.script, encoding="utf-8") as file:
            return json.load(file)

    def _behaviour(self, session, address):
        script = self._current[session]
        chosen = script.get("users", {}).get(address, script.get("default", "accept"))
        return NAMED_BEHAVIOURS[chosen] if isinstance(chosen, str) else chosen


def _sync_folder(path):
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def main():
    parser = argparse.ArgumentParser(description="a small LMTP store that writes Maildirs")
    parser.add_argument("--listen", default="127.0.0.1:2424", metavar="HOST:PORT|unix:PATH")
    parser.add_argument("--root", required=True, help="folder of the Maildirs")
    parser.add_argument("--script", help="JSON file with behaviours, read again at each MAIL")
    options = parser.parse_args()

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if options.listen.startswith("unix:"):
        address = options.listen[5:]
    else:
        host, _, port = options.listen.rpartition(":")
        address = (host.strip("[]"), int(port))
    os.makedirs(options.root, exist_ok=True)
    store = LmtpStore(address, options.root, options.script,
                      lambda user, path: print(f"stored for {user}: {path}", flush=True))
    print(f"ready on {options.listen if not store.server.port else store.server.port}", flush=True)
    stop.wait()
    store.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
