#!/usr/bin/env python3
"""A DNS server for tests: UDP and TCP at one loopback port, answering from a dictionary (RFC 1035).

  {"example.test": {"MX": [[10, "mx1.example.test"]], "A": ["127.0.0.11"], "AAAA": ["::1"]},
   "alias.test":   {"CNAME": "example.test"},
   "null.test":    {"MX": [[0, "."]]},
   "broken.test":  {"rcode": "SERVFAIL"},          also NXDOMAIN, REFUSED
   "silent.test":  {"silent": true},
   "long.test":    {"MX": [...], "truncate": true}}  UDP answers carry TC and nothing else

A name that is missing is NXDOMAIN, a type that is missing is an empty answer (NODATA).
No recursion, no caching; every question is kept in `questions`. It plays a validating resolver: to
whoever asks with the AD bit, answers about names below one of `secure` carry it. TLSA values are
"3 1 1 hex".
"""

import argparse
import json
import socket
import struct
import sys
import threading

TYPES = {"A": 1, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "TLSA": 52}
RCODES = {"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "REFUSED": 5}
UDP_MAX = 512
CNAME_MAX = 8
TTL = 1


class DnsServer:
    def __init__(self, zone, host="127.0.0.1", port=0, secure=()):
        self.secure = tuple(_normal(name) for name in secure)
        self.zone = {_normal(name): records for name, records in zone.items()}
        self.questions = []  # (name, type number, "udp" or "tcp")
        self._lock = threading.Lock()
        self._udp, self._tcp = _sockets(host, port)
        self.host = host
        self.port = self._udp.getsockname()[1]
        for loop in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=loop, daemon=True).start()

    def stop(self):
        for sock in (self._udp, self._tcp):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def asked(self, name):
        """Type numbers asked for this name, in order."""
        with self._lock:
            return [kind for asked, kind, _ in self.questions if asked == _normal(name)]

    def _serve_udp(self):
        while True:
            try:
                packet, peer = self._udp.recvfrom(4096)
            except OSError:
                return
            reply = self.answer(packet, "udp")
            if reply and peer:
                self._udp.sendto(reply, peer)

    def _serve_tcp(self):
        while True:
            try:
                sock, _ = self._tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_connection, args=(sock,), daemon=True).start()

    def _serve_connection(self, sock):
        with sock:
            sock.settimeout(10)
            try:
                while True:
                    size = struct.unpack("!H", _exactly(sock, 2))[0]
                    reply = self.answer(_exactly(sock, size), "tcp")
                    if reply:
                        sock.sendall(struct.pack("!H", len(reply)) + reply)
            except (OSError, EOFError):
                pass

    def answer(self, packet, transport):
        """The reply to one query packet; None when the server keeps silent."""
        if len(packet) < 12:
            return None
        number, flags, _, _, _, _ = struct.unpack("!6H", packet[:12])
        name, end = _read_name(packet, 12)
        kind = struct.unpack("!H", packet[end:end + 2])[0]
        question = packet[12:end + 4]
        with self._lock:
            self.questions.append((name, kind, transport))
            records = self.zone.get(name)
        if records and records.get("silent"):
            return None
        rcode, answers, names = self._look_up(name, kind)
        proven = flags & 0x0020 and rcode in (0, 3) and all(map(self._is_secure, names))
        authority = [] if answers or rcode in (2, 5) else [_soa(name)]
        reply_flags = 0x8400 | (flags & 0x0100) | 0x0080 | rcode | (0x0020 if proven else 0)
        body = b"".join(answers + authority)
        if transport == "udp" and (len(question) + len(body) + 12 > UDP_MAX
                                   or (records and records.get("truncate"))):
            return struct.pack("!6H", number, reply_flags | 0x0200, 1, 0, 0, 0) + question
        header = struct.pack("!6H", number, reply_flags, 1, len(answers), len(authority), 0)
        return header + question + body

    def _is_secure(self, name):
        return any(name == zone or name.endswith("." + zone) for zone in self.secure)

    def _look_up(self, name, kind):
        """(rcode, answers, names on the way)"""
        answers, names = [], []
        for _ in range(CNAME_MAX):
            records = self.zone.get(name)
            names.append(name)
            if records is None:
                return RCODES["NXDOMAIN"], answers, names
            if "rcode" in records:
                return RCODES[records["rcode"]], answers, names
            if "CNAME" in records and kind != TYPES["CNAME"]:
                answers.append(_record(name, TYPES["CNAME"], _wire_name(records["CNAME"])))
                name = _normal(records["CNAME"])
                continue
            for text, number in TYPES.items():
                if number == kind and text in records:
                    values = records[text] if isinstance(records[text], list) else [records[text]]
                    answers += [_record(name, kind, _rdata(kind, value)) for value in values]
            return 0, answers, names
        return RCODES["SERVFAIL"], [], names


def _normal(name):
    return name.rstrip(".").lower()


def _sockets(host, port):
    """UDP and TCP at the same port; a free one when port is 0."""
    for _ in range(50):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind((host, port))
        tcp = socket.socket()
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tcp.bind((host, udp.getsockname()[1]))
        except OSError:
            udp.close()
            tcp.close()
            if port:
                raise
            continue
        tcp.listen(64)
        return udp, tcp
    raise OSError("no port is free for both UDP and TCP")


def _exactly(sock, count):
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def _read_name(packet, at):
    labels = []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1").lower())
        at += 1 + packet[at]
    return ".".join(labels), at + 1


def _wire_name(name):
    labels = [label.encode("latin-1") for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _record(name, kind, data):
    return _wire_name(name) + struct.pack("!HHIH", kind, 1, TTL, len(data)) + data


def _soa(name):
    data = _wire_name("ns.test") + _wire_name("hostmaster.test") + struct.pack("!5I", 1, 1, 1, 1, 1)
    return _record(name, TYPES["SOA"], data)


def _rdata(kind, value):
    if kind == TYPES["A"]:
        return socket.inet_aton(value)
    if kind == TYPES["AAAA"]:
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == TYPES["MX"]:
        return struct.pack("!H", value[0]) + _wire_name(value[1])
    if kind == TYPES["TXT"]:
        text = value.encode()
        parts = [text[at:at + 255] for at in range(0, len(text), 255)] or [b""]
        return b"".join(bytes([len(part)]) + part for part in parts)
    if kind == TYPES["TLSA"]:
        usage, selector, matching, data = value.split()
        return bytes([int(usage), int(selector), int(matching)]) + bytes.fromhex(data)
    return _wire_name(value)


def main():
    parser = argparse.ArgumentParser(description="a DNS server for tests")
    parser.add_argument("zone", help="JSON file with the names")
    parser.add_argument("--listen", default="127.0.0.1:5353", metavar="HOST:PORT")
    options = parser.parse_args()
    host, _, port = options.listen.rpartition(":")
    with open(options.zone, encoding="utf-8") as file:
        server = DnsServer(json.load(file), host, int(port))
    print(f"ready on {server.host}:{server.port}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    sys.exit(main())
