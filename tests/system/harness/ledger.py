"""The outside ledger of the crash tests: what was promised, what arrived, and whether both agree.

Every line is on disk before the test goes on, so the ledger survives what the mail server survives.
The invariants' numbers are those of the project's reliability notes: I1 no loss, I4 bounded
duplicates, I5 no phantom, I6 same bytes.
"""

import hashlib
import json
import os
import threading
import time

from mail_content import without_received


class Ledger:
    """Append-only, one JSON object a line, synced line by line."""

    def __init__(self, path):
        self.entries = []
        self._lock = threading.Lock()
        self._file = open(path, "a", encoding="utf-8")

    def append(self, **entry):
        entry["at"] = time.time()
        with self._lock:
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()
            os.fdatasync(self._file.fileno())
            self.entries.append(entry)

    def record(self, what, transaction, address):
        """A delivery as the sink saw it."""
        self.append(what=what, key=key_of(transaction.content), to=address,
                    hash=digest(without_received(transaction.content)))

    def of(self, what):
        with self._lock:
            return [entry for entry in self.entries if entry["what"] == what]

    def close(self):
        self._file.close()


def digest(content):
    return hashlib.sha256(content).hexdigest()


def key_of(content):
    """The X-Key field that names a message of the source."""
    start = content.index(b"X-Key: ") + 7
    return content[start:content.index(b"\r\n", start)].decode()


class Verdict:
    """Joins source and sink. bounced: set of (key, address); kills: [(began, what, ended)]."""

    def __init__(self, source, sink, bounced, kills, window):
        offered = {entry["key"]: entry for entry in source.of("offered")}
        replies = {entry["key"]: entry["code"] for entry in source.of("reply")}
        copies = {}
        for entry in sink.of("delivered"):
            copies.setdefault((entry["key"], entry["to"]), []).append(entry)
        promised = [(key, to) for key, code in replies.items() if code == 250
                    for to in offered[key]["to"]]
        self.promised = len(promised)
        self.lost = [pair for pair in promised if pair not in copies and pair not in bounced]
        self.both = [pair for pair in promised if pair in copies and pair in bounced]
        self.phantoms = [pair for pair in copies if 500 <= replies.get(pair[0], 0) < 600
                         or pair[0] not in offered or pair[1] not in offered[pair[0]]["to"]]
        self.damaged = [pair for pair, found in copies.items() for entry in found
                        if pair[0] in offered and entry["hash"] != offered[pair[0]]["hash"]]
        names = {entry["key"]: entry["text"].rsplit(" ", 1)[-1] for entry in source.of("reply")
                 if entry["code"] == 250}
        # (queue id, address) of whoever got more than one copy; no id where no 250 was read.
        self.repeated = [(names.get(key), to) for (key, to), found in copies.items()
                         if len(found) > 1]
        self.duplicates = sum(len(found) - 1 for found in copies.values())
        # A second copy is excused only by a death between the peer's reply and our commit of it:
        # each earlier copy must have arrived shortly before a kill of a process that delivers.
        self.unexcused = [
            (pair, entry["at"]) for pair, found in copies.items()
            for entry in sorted(found, key=lambda e: e["at"])[:-1]
            if not any(began - window <= entry["at"] <= ended + 0.2
                       for began, _, ended in kills)]
