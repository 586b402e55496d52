"""A listener behind a proxy: the client of the PROXY header counts, and only listed proxies may
name one."""

import socket
import struct
import time

from postwain_harness import PostwainTestCase, main
from mail_content import message
from resources import reserve_port
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def line(client):
    family = "TCP6" if ":" in client else "TCP4"
    return f"PROXY {family} {client} {client} 4711 25\r\n".encode()


def binary(client, tlv=b""):
    family, number = (socket.AF_INET6, 0x21) if ":" in client else (socket.AF_INET, 0x11)
    address = socket.inet_pton(family, client)
    body = address + address + struct.pack("!HH", 4711, 25) + tlv
    return SIGNATURE + struct.pack("!BBH", 0x21, number, len(body)) + body


class Proxied(SmtpClient):
    def __init__(self, port, header, source="127.0.0.1", behind=b""):
        self.header = header + behind
        try:
            super().__init__(port, source=source, timeout=10)
        except (EOFError, ConnectionError):
            self.close()
            raise

    def reply(self):
        if self.header:
            self.sock.sendall(self.header)
            self.header = b""
        return super().reply()


class ProxyProtocol(PostwainTestCase):
    def setUp(self):
        self.store = self.closing(SmtpSink(lmtp=True))
        self.port = reserve_port()
        self.mta = self.prepare({
            "access": {"trusted_networks": ["192.0.2.0/24", "127.0.0.1", "2001:db8::/32"]},
            "limits": {"connections_per_ip": 2},
            "domain": [{"name": "ours.test"}],
            "route": [{"match": "*", "deliver": self.store.target}]})
        self.mta.reconfigure({"listener": [{
            "address": f"127.0.0.1:{self.port}", "proxy_protocol": True,
            "proxy_from": ["127.0.0.1", "127.0.0.4"]}]})
        self.mta.start()

    def relay(self, header, **more):
        client = Proxied(self.port, header, **more)
        self.addCleanup(client.close)
        client.command("MAIL FROM:<a@b.test>")
        return client.command("RCPT TO:<x@elsewhere.test>")[0]

    def test_the_client_of_the_header_decides(self):
        for header in (line("192.0.2.7"), binary("192.0.2.7"), line("2001:db8::7"),
                       binary("2001:db8::7", b"\x04\0\3abc")):
            self.assertEqual(250, self.relay(header))
        for header in (line("198.51.100.7"), binary("198.51.100.7"), line("2001:db9::7")):
            self.assertEqual(550, self.relay(header))

    def test_a_proxy_that_names_nobody_gives_no_trust(self):
        for header in (b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x20\0\0\0"):
            self.assertEqual(550, self.relay(header))

    def test_received_and_log_name_the_client(self):
        client = Proxied(self.port, line("192.0.2.9"))
        client.mail("a@b.test", ["u@ours.test"], message("proxied"))
        client.quit()
        self.store.wait_for(1)
        self.assertIn(b"([192.0.2.9])", self.store.messages[0].content[:200])
        self.mta.stop()  # the log is whole then
        self.assertEqual("192.0.2.9", self.mta.events("accepted")[0]["client"])

    def test_commands_behind_the_header_are_not_lost(self):
        client = Proxied(self.port, line("192.0.2.9"), behind=b"QUIT\r\n")
        self.assertEqual(220, client.greeting[0])

    def test_strangers_and_bad_headers_get_nothing(self):
        with self.assertRaises((EOFError, ConnectionError)):
            Proxied(self.port, line("192.0.2.9"), source="127.0.0.2")
        for header in (b"EHLO x\r\n", b"PROXY TCP4 1.2.3.4\r\n", SIGNATURE + b"\x31\x11\0\0"):
            with self.assertRaises((EOFError, ConnectionError)):
                Proxied(self.port, header)

    def test_no_header_in_time(self):
        began = time.monotonic()
        with self.assertRaises((EOFError, ConnectionError)):
            Proxied(self.port, b"PROXY ")
        self.assertLess(time.monotonic() - began, 9)

    def test_limits_count_the_client(self):
        held = [Proxied(self.port, line("198.51.100.1")) for _ in range(2)]
        other = Proxied(self.port, line("198.51.100.2"))
        self.assertEqual(220, other.greeting[0])
        third = Proxied(self.port, line("198.51.100.1"))
        self.assertEqual(421, third.greeting[0])
        for client in held + [other, third]:
            client.close()


if __name__ == "__main__":
    main()
