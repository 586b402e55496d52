"""The end of TLS is the end of the connection: no octet in clear is ever read behind it. And inside
TLS the end of data is what it is in clear."""

import socket
import ssl

from postwain_harness import PostwainTestCase, main
from mail_content import message
from resources import make_certificate, wait_until
from smtp_sink import SmtpSink
from test_smuggling import FALSE_ENDS, SMUGGLED, insecure_context


class TlsClient:
    """TLS over a socket by hand, so that octets in clear can stand right behind its end."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), 20)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = insecure_context().wrap_bio(self.incoming, self.outgoing,
                                               server_hostname="localhost")
        self.drive(self.tls.do_handshake)
        self.reply()

    def drive(self, action):
        while True:
            try:
                return action()
            except ssl.SSLWantReadError:
                self.flush()
                data = self.sock.recv(65536)
                if not data:
                    raise EOFError("connection closed by the server") from None
                self.incoming.write(data)
            finally:
                self.flush()

    def flush(self):
        if self.outgoing.pending:
            self.sock.sendall(self.outgoing.read())

    def reply(self):
        text = b""
        while not text.endswith(b"\r\n") or text.splitlines()[-1][3:4] == b"-":
            text += self.drive(lambda: self.tls.read(65536))
        return int(text.splitlines()[-1][:3])

    def send(self, data):
        self.tls.write(data)
        self.flush()

    def command(self, line):
        self.send(line + b"\r\n")
        return self.reply()

    def end_tls_with(self, clear):
        """close_notify and octets in clear, in one segment; what still came, as it came."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.sock.sendall(self.outgoing.read() + clear)
        came = b""
        try:
            while data := self.sock.recv(65536):
                came += data
        except ConnectionError:
            pass
        return came


class Tickets(PostwainTestCase):
    """A session is resumed by any smtpd, and by the one after a reload."""

    def connect(self, context, session=None):
        raw = socket.create_connection(("127.0.0.1", self.mta.port), 20)
        with context.wrap_socket(raw, server_hostname="localhost", session=session) as tls:
            tls.sendall(b"EHLO c\r\nQUIT\r\n")
            came = b""
            while b"221 " not in came:
                came += tls.recv(65536)
            return tls.session, tls.session_reused, tls.version()

    def test_any_process_resumes(self):
        self.mta = self.prepare({"workers": {"smtpd": 3}})
        certificate, key = make_certificate(self.mta.folder)
        self.mta.reconfigure({"tls": {"certificate": certificate, "key": key}, "listener": [
            {"address": f"127.0.0.1:{self.mta.port}", "protocol": "smtp", "tls": "implicit"}]})
        self.mta.start()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version=version):
                context = insecure_context()
                context.minimum_version = context.maximum_version = version
                session, reused, _ = self.connect(context)
                self.assertFalse(reused)
                for _ in range(12):  # whoever of the three takes it
                    session, reused, _ = self.connect(context, session)
                    self.assertTrue(reused)
                pids = self.mta.pids_of("smtpd")
                self.assertEqual(0, self.mta.cli("reload").returncode)
                wait_until(lambda old=pids: not set(old) & set(self.mta.pids_of("smtpd")), 20,
                           "other processes")
                self.assertTrue(self.connect(context, session)[1])
        self.mta.stop()
        self.mta.start()  # another life, another secret
        self.assertFalse(self.connect(context, session)[1])


class TlsSession(PostwainTestCase):
    def setUp(self):
        self.sink = self.closing(SmtpSink())
        self.mta = self.prepare({"route": [{"match": "*", "deliver": self.sink.target}]})
        certificate, key = make_certificate(self.mta.folder)
        self.mta.reconfigure({"tls": {"certificate": certificate, "key": key}, "listener": [
            {"address": f"127.0.0.1:{self.mta.port}", "protocol": "smtp", "tls": "implicit"}]})
        self.mta.start()

    def envelope(self, client):
        self.assertEqual(250, client.command(b"EHLO c"))
        self.assertEqual(250, client.command(b"MAIL FROM:<a@b.test>"))
        self.assertEqual(250, client.command(b"RCPT TO:<u@far.test>"))

    def test_clear_octets_behind_the_end_of_tls(self):
        def in_commands(client):
            client.command(b"EHLO c")

        def in_data(client):
            self.envelope(client)
            self.assertEqual(354, client.command(b"DATA"))
            client.send(b"Subject: half\r\n\r\nhalf")

        def in_chunk(client):
            self.envelope(client)
            client.send(b"BDAT 1000 LAST\r\nSubject: half\r\n\r\nhalf")

        pids = self.mta.pids_of("smtpd")
        clear = (b"\r\n.\r\n" + b"y" * 1000 + b"\r\nNOOP\r\nEHLO d\r\nMAIL FROM:<evil@b.test>\r\n"
                 b"RCPT TO:<smuggled@far.test>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n")
        for prepare in (in_commands, in_data, in_chunk):
            for rest in (clear, b"x", b""):
                with self.subTest(prepare.__name__, rest=len(rest)):
                    client = TlsClient(self.mta.port)
                    self.addCleanup(client.sock.close)
                    prepare(client)
                    came = client.end_tls_with(rest)
                    # TLS records at most (an alert), no reply in clear.
                    self.assertTrue(came == b"" or came[0] in (0x15, 0x17), came)
                    for word in (b"250", b"221", b"354", b"503"):
                        self.assertNotIn(word + b" ", came)
        self.assertEqual(pids, self.mta.pids_of("smtpd"))
        self.mta.wait_queue_empty()
        self.assertEqual([], self.sink.messages)
        self.assertFalse(self.mta.has_event("accepted"))

    def test_false_ends_inside_tls(self):
        for false_end in FALSE_ENDS:
            with self.subTest(end=false_end):
                client = TlsClient(self.mta.port)
                self.addCleanup(client.sock.close)
                self.envelope(client)
                self.assertEqual(354, client.command(b"DATA"))
                client.send(b"Subject: first\r\n\r\nfirst" + false_end)
                client.send(SMUGGLED)
                self.assertIn(client.reply(), (250, 550))
                self.assertEqual(250, client.command(b"NOOP"))
        self.mta.wait_queue_empty()
        for transaction in self.sink.messages:
            self.assertEqual(["u@far.test"], list(transaction.recipients))

    def test_a_client_in_clear_is_not_served(self):
        sock = socket.create_connection(("127.0.0.1", self.mta.port), 20)
        self.addCleanup(sock.close)
        sock.sendall(b"EHLO c\r\nQUIT\r\n")
        came = b""
        try:
            while data := sock.recv(4096):
                came += data
        except ConnectionError:
            pass
        self.assertNotIn(b"250", came)
        client = TlsClient(self.mta.port)
        self.addCleanup(client.sock.close)
        self.envelope(client)
        self.assertEqual(354, client.command(b"DATA"))
        client.send(message("after") + b".\r\n")
        self.assertEqual(250, client.reply())


if __name__ == "__main__":
    main()
