"""What the programs of the load write down: a line for each thing that happened, complete in the
file before the program goes on. The files outlive the mail server and the database, which is all
that the tests kill, so they are not synced.

source: "offered KEY AT TO,TO…" before the first byte leaves, and
"reply KEY AT CODE QUEUE-ID TO,TO…" with those of them that were taken.
sink: "delivered KEY TO AT NODE QUEUE-ID good|bad TAKEN-BY" before the positive reply, and
"bounced KEY TO AT NODE".
AT: time.time(). NODE: the name by which the sending node said hello. TAKEN-BY: the node that had
received the message, by its trace field.
"""

import hashlib
import os


class LineFile:
    """Lines are written whole by one write each, by any thread."""

    def __init__(self, path):
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def line(self, *words):
        os.write(self._file, (" ".join(str(word) for word in words) + "\n").encode())

    def close(self):
        os.close(self._file)


def read_lines(path):
    """Lists of words; a last line without an end is one that is just being written."""
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.endswith("\n"):
                    yield line.split()
    except FileNotFoundError:
        return


def signed(key, rest):
    """Content that proves itself: the key, and a digest over all that follows."""
    return b"X-Key: " + key.encode() + b"\r\nX-Sum: " + _sum(key, rest) + b"\r\n" + rest


def key_and_state(content):
    """(key, "good" or "bad") of content behind its Received field; (None, "bad") of any other."""
    lines = content.split(b"\r\n", 2)
    if len(lines) < 3 or not lines[0].startswith(b"X-Key: ") or not lines[1].startswith(b"X-Sum: "):
        return None, "bad"
    key = lines[0][7:].decode("ascii", "replace")
    return key, "good" if lines[1][7:] == _sum(key, lines[2]) else "bad"


def _sum(key, rest):
    return hashlib.sha256(key.encode() + b"\0" + rest).hexdigest()[:24].encode()
