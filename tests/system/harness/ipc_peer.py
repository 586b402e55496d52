"""Frames of Postwain's IPC as a hostile peer would write them (common/ipc/messages.h)."""

import os
import socket
import struct
import time

VERSION = 17
ROLES = ["smtpd", "smtp_client", "lmtp_client", "supervisor", "control", "sendmail", "metrics", "tokens", "restore",
         "reporter", "pickup", "filter", "signer"]
TYPES = {"hello": 1, "welcome": 2, "decided": 9, "submit": 10, "submit_open": 11, "submit_chunk": 12,
         "submit_end": 13, "submit_abort": 14, "probe": 15, "restore": 16, "receiver_counts": 17, "drop_owner": 18,
         "refusals": 19, "submit_result": 20, "chunks_stored": 21, "admission": 22, "probe_result": 23,
         "submit_file": 24, "submit_final": 25, "hold": 26, "judged": 27, "discarded": 28, "lease": 30, "content": 31, "token": 32,
         "connection_grant": 33,
         "connection_wanted": 34, "nothing_more": 35, "content_request": 40, "outcomes": 41, "late_outcomes": 42, "token_request": 43,
         "tls_results": 44, "connection_request": 45, "connection_end": 46, "dmarc_results": 47, "draining": 48,
         "control_request": 50, "control_reply": 51, "config_update": 52,
         "filter_report": 58, "peer_link": 59, "filter_session": 60, "filter_event": 61,
         "filter_header": 62, "filter_body": 63,
         "filter_abort": 64, "filter_quit": 65, "filter_window": 66, "filter_wants": 67, "filter_answer": 68,
         "filter_body_piece": 69, "filter_result": 70, "signer_keys": 71, "sign_request": 72, "sign_reply": 73,
         "signer_report": 74, "reporter_report": 75}
NAMES = {number: name for name, number in TYPES.items()}
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
EPOCH_MS = 1577836800000


def u8(value):
    return struct.pack("<B", value)


def u16(value):
    return struct.pack("<H", value)


def u32(value):
    return struct.pack("<I", value)


def u64(value):
    return struct.pack("<Q", value & (2**64 - 1))


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return u32(len(value)) + value


def frame(kind, payload):
    return u32(len(payload) + 2) + u16(TYPES[kind]) + payload


def hello(role, name="peer"):
    return frame("hello", u16(VERSION) + u8(ROLES.index(role)) + u32(os.getpid()) + text(name))


def envelope(sender, recipients, body=0, envid=b"", sign=0):
    """recipients: addresses, or (address, notify, orcpt)."""
    out = text(sender) + u8(body) + u8(0) * 3 + u8(0) + text(envid) + u8(sign) + u32(len(recipients))
    for one in recipients:
        address, notify, orcpt = one if isinstance(one, tuple) else (one, 0, b"")
        out += text(address) + u8(notify) + text(orcpt)
    return out


def arrival(protocol=b"local", address=b"", name=b"", account=b"", at_ms=None):
    at_ms = int(time.time() * 1000) if at_ms is None else at_ms
    return text(protocol) + text(address) + text(name) + text(account) + struct.pack("<q", at_ms)


def submit(number, env, arr, content):
    return frame("submit", u64(number) + u32(0) + env + arr + u8(0) + text(content))


def reply(code=250, status=(2, 0, 0), words=b"ok"):
    return u16(code) + u8(status[0]) + u16(status[1]) + u16(status[2]) + text(words)


def outcome(disposition, words=None):
    """disposition: 0 delivered, 1 deferred, 2 failed; at the final reply."""
    return (u8(disposition) + u8(11) + u8(0) + u8(0) + (words or reply()) + text(b"forged") + text(b"") + text(b"") +
            u8(0))


def late_outcomes(number, outcomes, still_running=()):
    out = u64(number) + u32(len(outcomes))
    for index, one in outcomes:
        out += u32(index) + u8(0) + one
    return frame("late_outcomes", out + u32(len(still_running)) + b"".join(u32(i) for i in still_running))


def id_text(value):
    out = ""
    for _ in range(13):
        out = ALPHABET[value & 31] + out
        value >>= 5
    return out


def id_number(written):
    value = 0
    for letter in written:
        value = value << 5 | ALPHABET.index(letter)
    return value


def id_now(worker=777, counter=0):
    return (int(time.time() * 1000) - EPOCH_MS) << 22 | worker << 12 | counter


class Peer:
    """A connection to qmgr's socket that has said hello."""

    def __init__(self, path, role, timeout=20, greet=True):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self.rest = b""
        if greet:
            self.send(hello(role))

    def send(self, octets):
        self.socket.sendall(octets)

    def read(self):
        """The next frame: its name and payload. EOFError when qmgr has closed."""
        while True:
            if len(self.rest) >= 6:
                size = struct.unpack("<I", self.rest[:4])[0]
                if len(self.rest) >= 4 + size:
                    kind = struct.unpack("<H", self.rest[4:6])[0]
                    payload = self.rest[6:4 + size]
                    self.rest = self.rest[4 + size:]
                    return NAMES.get(kind, kind), payload
            octets = self.socket.recv(65536)
            if not octets:
                raise EOFError("closed by qmgr")
            self.rest += octets

    def wait(self, kind):
        while True:
            name, payload = self.read()
            if name == kind:
                return payload

    def result(self):
        """(code, text) of the next SubmitResult."""
        payload = self.wait("submit_result")
        code = struct.unpack("<H", payload[8:10])[0]
        size = struct.unpack("<I", payload[15:19])[0]
        return code, payload[19:19 + size].decode("utf-8", "replace")

    def close(self):
        self.socket.close()


class AsUser:
    """Within it, root has the effective identity of an ordinary user; the kernel names that to qmgr."""

    def __init__(self, uid):
        self.uid = uid

    def __enter__(self):
        if os.geteuid() == 0:
            os.setegid(self.uid)
            os.seteuid(self.uid)

    def __exit__(self, *_):
        if os.getuid() == 0:
            os.seteuid(0)
            os.setegid(0)
