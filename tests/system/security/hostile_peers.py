#!/usr/bin/env python3
"""Hostile peers of every role against a whole Postwain: hostile_peers.py SECONDS [SEED].

Frames that are well formed, frames with any value in any field, and frames with octets changed, by up to twelve
connections at once; leases are answered, sometimes wrongly, so that everything behind is reached as well. Made for
programs built with sanitizers (`make fuzz-ipc`). It ends with 1 when a process of Postwain ends by itself or a
sanitizer speaks.
"""

import array
import grp
import os
import random
import socket
import struct
import sys
import time

from certificates import openssl
from postwain_harness import Postwain
from ipc_peer import (ROLES, TYPES, AsUser, Peer, arrival, envelope, frame, id_now, outcome, reply, text, u8, u16,
                      u32, u64)

STRINGS = [b"", b"a@b", b"list@own.test", b"bob+t@own.test", b"\0@\0", b'"a\\"b"@own.test', b"a@" + b"x" * 300,
           b"\xff\xfe@\xc3", b"postmaster", b"x" * 5000, b"@", b"a@b@c", b"<>", b"\r\nX: y", "ü@ü.test".encode(),
           b"rfc822;a@b", b";", b"utf-8;\\x{zz}", b"v@l.test", b"v@x.test", b"Subject: x\r\n\r\nhi\r\n", b"a\nb", b"{}",
           b'{"command":"queue list"}', b'{"command":"queue show","filter":{"id":"0000000000000"}}',
           b'{"command":"trace","query":"a@b"}', b'{"command":"watch"}', b'{"command":"status"}',
           b'{"command":"queue cancel","filter":{"all":true}}', b'{"command":"queue hold","filter":{"all":true}}',
           b'{"command":"queue retry","filter":{"all":true}}', b'{"command":"queue bounce","filter":{"all":true}}',
           b'{"command":"queue release","filter":{"all":true}}', b'{"command":"queue stats"}',
           b'{"command":"queue suspend","destination":"b"}', b'{"command":"queue destinations"}',
           b'{"command":"queue content","filter":{"id":"0000000000001"},"offset":18446744073709551615}',
           b'{"command":"processes","processes":[{"name":5,"pid":"x"}]}']
TIMES = [0, 1, -1, 10**13, 2**62, 2**63 - 1, -2**63, 253402300800000]
INTAKE = ["decided", "submit", "submit_open", "submit_chunk", "submit_end", "submit_final", "submit_abort", "probe"]
AGENT = ["outcomes", "late_outcomes", "content_request", "token_request", "tls_results", "connection_request",
         "connection_end", "draining"]
BY_ROLE = {"sendmail": INTAKE,
           "smtpd": INTAKE + ["receiver_counts", "refusals", "hold", "judged", "discarded"],
           "restore": ["restore"] + INTAKE,
           "pickup": ["drop_owner"] + INTAKE, "smtp_client": AGENT,
           "reporter": ["submit", "tls_results", "reporter_report"],
           "lmtp_client": AGENT, "control": ["control_request"], "metrics": ["control_request"], "tokens": ["token"],
           "filter": ["peer_link", "filter_report", "dmarc_results"], "signer": ["peer_link", "signer_report"],
           # Seldom: the true one is not heard while it is there.
           "supervisor": ["control_request", "control_reply", "config_update"]}
# Over a link that qmgr has made: of a delivery client towards the true signer, and the other way round.
BY_LINK = {"smtp_client": ["sign_request"], "signer": ["signer_keys", "sign_reply"]}
ROLE_WEIGHTS = {role: 1 if role == "supervisor" else 10 for role in BY_ROLE}
VIEWER = 4242  # a user in a group of [control] viewers, where we are root


class Maker:
    """Payloads of every frame, with values that are near to sense."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.ids = [0, 1, 2**63 - 1, 2**63, 2**64 - 1, id_now()]

    def string(self):
        return text(self.random.choice(STRINGS))

    def number(self):
        return u64(self.random.choice(self.ids + [self.random.getrandbits(64), self.random.randrange(1, 50)]))

    def small(self, most=3):
        return u8(self.random.randrange(most))

    def moment(self):
        return struct.pack("<q", self.random.choice(TIMES + [int(time.time() * 1000)] * 5))

    def envelope(self):
        if self.random.random() < .4:  # what passes the gate
            return envelope("a@b.test", [self.random.choice(["v@x.test", "v@l.test", "list@own.test"])])
        count = self.random.choice([0, 1, 1, 1, 2, 3, 40])
        out = self.string() + self.small() + self.small(2) + self.small(2) + self.small(2) + self.small()
        out += self.string() + u32(count)
        return out + b"".join(self.string() + u8(self.random.randrange(256)) + self.string() for _ in range(count))

    def arrival(self):
        if self.random.random() < .4:
            return arrival()
        return self.string() + self.string() + self.string() + self.string() + self.moment()

    def reply(self):
        return reply(self.random.choice([0, 250, 450, 550, 999, 65535]),
                     (self.random.choice([0, 2, 4, 5, 255]), 1, self.random.choice([1, 65535])),
                     self.random.choice(STRINGS))

    def outcome(self):
        return (self.small() + u8(self.random.randrange(12)) + u8(self.random.randrange(7)) + self.small(2) +
                self.reply() + self.string() + self.string() + self.string() + self.small(2))

    def outcomes(self):
        out = b""
        count = self.random.choice([0, 1, 1, 2, 5])
        for index in range(count):
            same = index > 0 and self.random.random() < .5
            out += u32(self.random.randrange(4)) + (u8(1) if same else u8(0) + self.outcome())
        return u32(count) + out

    def policy(self):
        if self.random.random() < .5:
            return u8(0)
        return (u8(1) + self.string() + self.small() + u32(1) + self.string() + u32(self.random.getrandbits(32)) +
                self.moment())

    def lacks(self):
        if self.random.random() < .5:
            return u8(0)
        return u8(1) + self.string() + u16(self.random.getrandbits(16))

    def times(self):
        mask = self.random.getrandbits(12)
        return u16(mask) + b"".join(u32(self.random.getrandbits(32)) for i in range(12) if mask >> i & 1)

    def signing(self):
        r = self.random
        if r.random() < .4:
            return u8(0) + u32(0) + u32(0)
        name = r.choice([text(b"example.org"), self.string()])
        count = r.choice([0, 1, 2, 17])
        return self.small(8) + u32(r.choice([0, 1, 50, 51, 2**32 - 1])) + u32(count) + name * 3 * count

    def judgements(self):
        if self.random.random() < .3:
            return self.random.choice([text(b""), self.string()])
        one = (text(b"f1") + self.small(9) + self.small(6) + self.small(3) + self.string() +
               u32(self.random.getrandbits(32)) * 4 + self.small(2) * 2 + u32(0) + self.small(8) + self.small(2) +
               u32(self.random.getrandbits(32)) * 2 + u8(1) + self.string() + u32(self.random.getrandbits(32)))
        return text(u8(1) + self.small(3) + one * self.random.choice([1, 2, 40]))

    def filter_report(self):
        r = self.random
        stage = self.small(9) + u32(r.getrandbits(32)) * 6 + u32(r.getrandbits(32)) * 13 + u64(r.getrandbits(64))
        one = (r.choice([text(b"f1"), self.string()]) + self.small(2) + self.small(4) + self.moment() + self.small(8) +
               self.moment() + self.string() + u32(r.getrandbits(32)) * 7 + u32(2) + stage * 2)
        count = r.choice([0, 1, 1, 2, 40])
        a_list = (r.choice([text(b"zen"), self.string()]) + self.small(8) + self.small(2) + self.moment() * 2 +
                  u32(r.getrandbits(32)) * 6)
        lists = r.choice([0, 0, 1, 2, 65])
        counts = b"".join(u32(r.getrandbits(32)) for _ in range(76))
        return u32(count) + one * count + u32(lists) + a_list * lists + counts

    def payload(self, kind):
        r = self.random
        if kind == "submit":
            return (self.number() + u32(r.getrandbits(8)) + self.envelope() + self.arrival() + self.small(2) +
                    self.string())
        if kind == "submit_open":
            return self.number() + self.envelope() + self.arrival()
        if kind == "submit_end":
            return self.number() + u32(1) + self.small(2) + u64(r.choice([0, 1, 18, 5000, 2**64 - 1]))
        if kind == "submit_final":
            final = b"\0" if r.random() < 0.5 else b"\1" + self.envelope()
            header = r.choice([text(b""), text(b"Subject: x\r\n\r\n"), text(b"X: " + b"x" * (1 << 20)), self.string()])
            return (self.number() + u32(1) + self.small(2) + u64(r.choice([0, 1, 18, 5000, 2**64 - 1])) + final + header)
        if kind in ("submit_chunk", "probe", "token_request", "control_request", "config_update"):
            return self.number() + self.string() + (self.small(2) if kind == "token_request" else b"")
        if kind in ("submit_abort", "submit_file"):
            return self.number()
        if kind == "restore":
            return self.number() + self.small(4) + self.string()
        if kind == "drop_owner":
            return self.number() + u32(r.choice([0, 1000, 2**32 - 1]))
        if kind == "decided":
            return self.number() + u32(2) + u32(0) + self.reply() + u32(r.choice([1, 40, 2**32 - 1])) + self.reply()
        if kind == "refusals":
            return u32(2) + (self.moment() + u32(r.getrandbits(32)) + self.string() * 7 + self.reply() +
                             self.string() + self.judgements()) * 2
        if kind == "hold":
            return self.number() + self.string()
        if kind == "judged":
            return self.number() + self.judgements()
        if kind == "discarded":
            return (self.number() + self.envelope() + self.arrival() + u64(r.choice([0, 5, 2**64 - 1])) +
                    self.string() + self.string() + self.judgements())
        if kind == "filter_report":
            return self.filter_report()
        if kind == "control_reply":
            return u64(r.randrange(20)) + self.small(2) + u8(r.choice([0, 64, 75, 255])) + self.string()
        if kind == "receiver_counts":
            return u32(r.getrandbits(32)) + u32(20) + b"".join(u64(r.getrandbits(64)) for _ in range(20))
        if kind == "content_request":
            return u64(r.randrange(1, 60)) + self.small(2)
        if kind == "outcomes":
            return (u64(r.randrange(1, 60)) + self.small(2) + self.string() + self.policy() + self.lacks() +
                    u32(r.choice([0, 1, 3, 33, 2**32 - 1])) + self.times() + self.signing() +
                    self.outcomes())
        if kind == "connection_request":
            count = r.choice([1, 1, 1, 2, 0, 3])
            bound = b"".join(text(r.choice([b"a", b"b", b"x" * 5000])) + u32(r.randrange(3)) +
                             u32(r.choice([0, 0, 5, 2**32 - 1])) +
                             struct.pack("<q", r.choice([0, 1, 60000, 86400000, 2**62, -1])) for _ in range(count))
            return u64(r.randrange(60)) + u64(r.randrange(4)) + self.small(2) + u32(count) + bound
        if kind == "connection_end":
            return u64(r.randrange(60))
        if kind == "draining":
            return r.choice([b"", b"", b"x"])
        if kind == "late_outcomes":
            return self.number() + self.outcomes() + u32(2) + u32(0) + u32(r.getrandbits(32))
        if kind == "peer_link":
            return self.string() + self.small(14) + u64(r.getrandbits(64)) + u64(r.getrandbits(64))
        if kind == "signer_report":
            return u32(r.getrandbits(32)) * 4 + u64(r.choice([0, 5, 2**64 - 1]))
        if kind == "reporter_report":
            return (u64(r.choice([0, 5, 2**64 - 1])) + u32(r.getrandbits(32)) * 4) * 2
        if kind == "signer_keys":
            key = self.random.choice([text(b"ours.test"), self.string()]) + text(b"s") + self.small(2) + self.small(2)
            return u32(2) + key * r.choice([2, 2, 2, 0, 1])
        if kind == "sign_request":
            count = r.choice([1, 1, 2, 16, 17, 0])
            part = u32(r.choice([0, 0, 0, 1, 2**32 - 1])) + text(r.randbytes(r.choice([32, 32, 32, 32, 0, 31])))
            return u64(r.getrandbits(64)) + u32(count) + part * count
        if kind == "sign_reply":
            count = r.choice([0, 1, 2, 17])
            return u64(r.randrange(3)) + u32(count) + text(b"s" * r.choice([0, 64, 513])) * count + self.string()
        if kind == "token":
            return self.number() + self.string() + self.string()
        if kind == "tls_results":
            return (u32(1) + self.string() + self.small() + self.string() + u32(1) + self.string() + u32(1) +
                    self.string() + u8(r.randrange(12)) + self.string() * 4 + u64(1))
        if kind == "dmarc_results":
            return (u32(1) + self.string() + u8(r.randrange(4)) + u8(1) + u8(r.randrange(4)) + u8(0) +
                    u8(r.randrange(3)) * 3 + self.string() * 2 + u8(r.randrange(5)) + u8(r.randrange(3)) * 2 +
                    u8(r.randrange(7)) + self.string() * 3 + u32(1) + self.string() * 6 + u64(1))
        return self.number() + r.randbytes(r.randrange(40))

    def frame(self, role):
        kinds = BY_ROLE[role] if self.random.random() < .95 else list(TYPES)
        kind = self.random.choice(kinds)
        payload = bytearray(self.payload(kind))
        if self.random.random() < .1 and payload:
            for _ in range(self.random.randrange(1, 4)):
                payload[self.random.randrange(len(payload))] = self.random.getrandbits(8)
        return frame(kind, bytes(payload))


def answer(maker, peer):
    """Reads what has come: results give ids, leases end somehow."""
    peer.socket.settimeout(0.002)
    try:
        while True:
            kind, payload = peer.read()
            if kind == "submit_result":
                maker.ids.append(struct.unpack("<Q", payload[:8])[0])
            if kind == "lease":
                head = payload[:8] + u8(1) + text("") + u8(0) + u8(0) + u32(1) + u16(0) + u8(0) + u32(0) * 2
                peer.send(frame("outcomes", head + u32(1) + u32(0) + u8(0) + maker.outcome()))
    except (OSError, EOFError):
        pass
    maker.ids = maker.ids[:6] + maker.ids[6:][-50:]


def meet(path, role, viewers):
    """A peer of that role; of a viewer by his groups, where there are any."""
    if role != "control" or not viewers or random.random() < .5:
        return Peer(path, role, timeout=0.2)
    before = os.getgroups()
    os.setgroups(viewers)
    try:
        with AsUser(VIEWER):
            return Peer(path, role, timeout=0.2)
    finally:
        os.setgroups(before)


def play(mta, maker, end, viewers):
    path = mta.folder / "run/qmgr.sock"
    peers = []
    count, linked = 0, 0
    while time.time() < end:
        try:
            role, = maker.random.choices(list(BY_ROLE), list(ROLE_WEIGHTS.values()))
            peers.append((role, meet(path, role, viewers)))
            if len(peers) > 12:
                peers.pop(maker.random.randrange(12))[1].close()
            for _ in range(maker.random.randrange(1, 120)):
                of, peer = maker.random.choice(peers[-3:])
                peer.send(maker.frame(of))
                count += 1
            answer(maker, peers[-1][1])
            if maker.random.random() < .2:
                linked += play_over_links(maker, path)
        except (OSError, EOFError):
            for _, peer in peers:
                peer.close()
            peers = []
    return count, linked


def take_links(peer):
    """Reads what has come to a peer, with the links that came along; these are the caller's."""
    links = []
    try:
        while True:
            octets, more, _, _ = peer.socket.recvmsg(65536, socket.CMSG_SPACE(16 * 4))
            if not octets:
                break
            for level, kind, data in more:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    found = array.array("i", data[:len(data) // 4 * 4])
                    links += [socket.socket(fileno=number) for number in found]
    except (OSError, EOFError):
        pass
    return links


def play_over_links(maker, path):
    """Frames to the processes behind the links of a peer; each link ends with what is malformed, or here."""
    role = maker.random.choice(list(BY_LINK))
    count = 0
    peer = Peer(path, role, timeout=0.1)
    for link in take_links(peer):
        with link:
            link.settimeout(0.1)
            try:
                for _ in range(maker.random.randrange(1, 40)):
                    kind = maker.random.choice(BY_LINK[role] if maker.random.random() < .95 else list(TYPES))
                    link.sendall(frame(kind, maker.payload(kind)))
                    count += 1
                link.recv(65536)
            except OSError:
                pass
    peer.close()
    return count


def findings(mta):
    signs = ("bug:", "AddressSanitizer", "LeakSanitizer", "runtime error")
    return [line for line in mta.log if any(sign in line for sign in signs)]


def main():
    seconds = float(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    assert set(BY_ROLE) == set(ROLES)
    viewers = [grp.getgrnam("adm").gr_gid] if os.geteuid() == 0 else []
    mta = Postwain({
        "route": [{"match": "l.test", "deliver": "lmtp:127.0.0.1:9"}, {"match": "*", "deliver": "smtp:127.0.0.1:9"}],
        "queue": {"retry": ["1s"]}, "control": {"viewers": ["adm"]}, "sandbox": {"mode": "off"},
        "addresses": {"separator": "+", "aliases": "aliases", "alias_domains": ["own.test"]}})
    key = mta.folder.file("dkim.key", openssl("genpkey", "-algorithm", "ed25519").decode())
    mta.reconfigure({"dkim_key": [{"domain": "ours.test", "selector": "s1", "key": key}]})
    with open(mta.folder / "aliases", "w", encoding="utf-8") as aliases:
        aliases.write("list: a@x.test, b@l.test, bob\nowner-list: o@x.test\nbob: robert@l.test\n")
    mta.reconfigure({"addresses": {"aliases": mta.folder / "aliases"}})
    try:
        mta.start()
        count, linked = play(mta, Maker(seed), time.time() + seconds, viewers)
        died = [line for line in mta.log if "child_exit" in line]  # before the orderly end
        mta.stop()
        found = died + findings(mta)
    finally:
        mta.close()
    print("\n".join(found[:60]))
    print(f"seed {seed}: {count} frames, {linked} over links, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
