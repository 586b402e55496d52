"""An SMTP or LMTP server for tests: speaks the protocol strictly, leaves decisions to a handler.

What it does: threads, framing (CRLF only), dot removal, BDAT, STARTTLS, one reply per recipient in
LMTP (RFC 2033).  What it does not do: decide, store, forgive.  A peer that breaks the framing is
written down in `violations`, so that a test can demand that the list stays empty.
"""

import base64
import os
import re
import socket
import threading
import time
from dataclasses import dataclass, field

_PATH = re.compile(r'<((?:"(?:\\.|[^"\\])*"|[^">])*)>(.*)$')
LINE_MAX = 4096
CONTENT_MAX = 64 << 20
EXTENSIONS = ("PIPELINING", "SIZE 67108864", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "SMTPUTF8")


class _Signal:
    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name


HANG = _Signal("HANG")  # never answer; the connection stays open until the peer leaves
HANG_UP = _Signal("HANG_UP")  # close at once without an answer


@dataclass
class Delay:
    """Answer after so many seconds; reply None is the ordinary answer."""

    seconds: float
    reply: object = None


@dataclass
class Raw:
    """Exact bytes instead of a reply, for peers that speak nonsense."""

    data: bytes
    close: bool = False


@dataclass
class Transaction:
    session: int
    hello: str = ""
    protocol: str = ""  # the hello verb: HELO, EHLO, LHLO
    tls: str = ""
    sender: str = ""
    mail_parameters: list = field(default_factory=list)
    recipients: list = field(default_factory=list)  # the accepted ones, in RCPT order
    rcpt_parameters: list = field(default_factory=list)
    content: bytes = b""
    chunked: bool = False
    replies: list = field(default_factory=list)  # final replies that were sent
    ended_at: float = 0.0  # time.time() when the content was complete


class Handler:
    """Says yes to everything; tests and the store override what they care about."""

    def reply(self, stage, session, argument):
        """stage: connect hello starttls mail rcpt data rset noop quit. None: the usual answer."""
        return None

    def login(self, session, mechanism, initial, challenge):
        """AUTH: initial response or None; challenge(octets) gives the response. True: let in."""
        return False

    def final_replies(self, transaction):
        """Yields the replies after the content: one, or in LMTP one for each accepted recipient."""
        for _ in range(len(transaction.recipients) if transaction.protocol == "LHLO" else 1):
            yield "250 2.0.0 stored"


class MailServer:
    """Listens at (host, port) or at a path; sessions run in daemon threads until stop()."""

    def __init__(self, address, handler, lmtp=False, extensions=EXTENSIONS, tls=None,
                 hostname="sink.test"):
        self.handler = handler
        self.lmtp = lmtp
        self.extensions = list(extensions)
        self.tls = tls  # ssl.SSLContext: STARTTLS is offered
        self.hostname = hostname
        self.violations = []
        self.commands = []  # (session, line) in order of arrival
        self.peers = []  # addresses of the clients, in order
        self.open_at_once = 0  # most connections at a time
        self.connections = 0
        self._lock = threading.Lock()
        self._open = {}
        self.stopped = threading.Event()
        if isinstance(address, str):
            if os.path.exists(address):
                os.unlink(address)
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(address)
            os.chmod(address, 0o666)
            self.port = 0
        else:
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            self._listener = socket.socket(family)
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind(address)
            self.port = self._listener.getsockname()[1]
        self.address = address
        self._listener.listen(256)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def stop(self):
        """No more connections; the open ones are cut."""
        if self.stopped.is_set():
            return
        self.stopped.set()
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        self._thread.join(5)
        with self._lock:
            sessions = list(self._open.values())
        for session in sessions:
            _cut(session.sock)
        if isinstance(self.address, str) and os.path.exists(self.address):
            os.unlink(self.address)

    def _accept(self):
        while not self.stopped.is_set():
            try:
                sock, peer = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self.peers.append(peer)
                number = self.connections
            threading.Thread(target=self._serve, args=(sock, number), daemon=True).start()

    def _serve(self, sock, number):
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        session = Session(self, sock, number)
        with self._lock:
            self._open[number] = session
            self.open_at_once = max(self.open_at_once, len(self._open))
        try:
            session.run()
        except (OSError, EOFError):
            pass
        finally:
            with self._lock:
                self._open.pop(number, None)
            _cut(session.sock)

    def local_address(self, session):
        """Where the client of an open session has connected to."""
        with self._lock:
            return self._open[session].sock.getsockname()[0]

    def note_violation(self, session, text):
        with self._lock:
            self.violations.append(f"session {session}: {text}")

    def note_command(self, session, line):
        with self._lock:
            self.commands.append((session, line))


class Session:
    """One connection. Raises EOFError when the peer is gone."""

    def __init__(self, server, sock, number):
        self.server = server
        self.sock = sock
        self.number = number
        self.buffer = bytearray()
        self.hello = ""
        self.protocol = ""
        self.tls = ""
        self.transaction = None
        self.chunks = None

    def run(self):
        name = "LMTP" if self.server.lmtp else "ESMTP"
        self._answer("connect", "", f"220 {self.server.hostname} {name} test server")
        while True:
            line = self._line()
            text = line.decode("utf-8", "replace")
            self.server.note_command(self.number, text)
            verb, _, argument = text.partition(" ")
            method = getattr(self, "_on_" + verb.lower(), None)
            if method is None:
                self._send("500 5.5.2 unknown command")
            elif method(argument.strip()) is False:
                return

    # Commands. False ends the session.

    def _on_ehlo(self, argument):
        if self.server.lmtp:
            return self._send("500 5.5.1 this is LMTP")
        return self._on_hello("EHLO", argument)

    def _on_lhlo(self, argument):
        if not self.server.lmtp:
            return self._send("500 5.5.1 this is SMTP")
        return self._on_hello("LHLO", argument)

    def _on_hello(self, verb, argument):
        lines = [self.server.hostname] + self.server.extensions
        if self.server.tls and not self.tls:
            lines.append("STARTTLS")
        usual = "\n".join("250 " + line for line in lines)
        if self._answer("hello", verb + " " + argument, usual):
            self.hello, self.protocol, self.transaction = argument, verb, None

    def _on_helo(self, argument):
        if self._answer("hello", "HELO " + argument, "250 " + self.server.hostname):
            self.hello, self.protocol, self.transaction = argument, "HELO", None

    def _on_starttls(self, _):
        if not self.server.tls or self.tls:
            return self._send("502 5.5.1 no STARTTLS here")
        if not self._answer("starttls", "", "220 2.0.0 go ahead"):
            return None
        if self.buffer:
            self.server.note_violation(self.number, "bytes after STARTTLS before the handshake")
        old = self.sock
        self.sock = self.server.tls.wrap_socket(old, server_side=True)
        self.tls = self.sock.version()
        self.hello, self.protocol, self.transaction = "", "", None
        self.buffer.clear()

    def _on_auth(self, argument):
        mechanism, _, initial = argument.partition(" ")
        first = None if not initial else b"" if initial == "=" else base64.b64decode(initial)
        handler = self.server.handler
        if handler.login(self.number, mechanism, first, self._challenge):
            return self._send("235 2.7.0 welcome")
        return self._send("535 5.7.8 wrong")

    def _challenge(self, octets):
        self._send("334 " + base64.b64encode(octets).decode())
        return base64.b64decode(self._line().strip())

    def _on_mail(self, argument):
        if not self.protocol:
            return self._send("503 5.5.1 hello first")
        path, parameters = _path(argument, "FROM:")
        if path is None or self.transaction is not None:
            return self._send("503 5.5.1 no MAIL here" if path is not None else "501 5.5.4 syntax")
        if self._answer("mail", path, "250 2.1.0 sender ok"):
            self.transaction = Transaction(self.number, self.hello, self.protocol, self.tls, path,
                                           parameters)

    def _on_rcpt(self, argument):
        if self.transaction is None:
            return self._send("503 5.5.1 MAIL first")
        path, parameters = _path(argument, "TO:")
        if not path:
            return self._send("501 5.5.4 syntax")
        if self._answer("rcpt", path, "250 2.1.5 recipient ok"):
            self.transaction.recipients.append(path)
            self.transaction.rcpt_parameters.append(parameters)

    def _on_data(self, _):
        if self.transaction is None or not self.transaction.recipients:
            return self._send("503 5.5.1 no valid recipients")
        if not self._answer("data", "", "354 go on"):
            return None
        self._finish(self._data())

    def _on_bdat(self, argument):
        words = argument.split()
        content = self._exactly(int(words[0]))
        if self.transaction is None or not self.transaction.recipients:
            return self._send("503 5.5.1 no valid recipients")
        self.transaction.chunked = True
        self.chunks = (self.chunks or b"") + content
        if len(words) > 1 and words[1].upper() == "LAST":
            whole, self.chunks = self.chunks, None
            self._finish(whole)
        else:
            self._send(f"250 2.0.0 {len(content)} octets")

    def _on_rset(self, _):
        self.transaction, self.chunks = None, None
        self._answer("rset", "", "250 2.0.0 reset")

    def _on_noop(self, _):
        self._answer("noop", "", "250 2.0.0 nothing")

    def _on_quit(self, _):
        self._answer("quit", "", "221 2.0.0 bye")
        return False

    def _finish(self, content):
        done, self.transaction = self.transaction, None
        done.content = content
        done.ended_at = time.time()
        for reply in self.server.handler.final_replies(done):
            self._answer_with(reply, "250 2.0.0 stored")

    # Replies.

    def _answer(self, stage, argument, usual):
        """True when the answer that left was a positive one (2xx, 3xx)."""
        return self._answer_with(self.server.handler.reply(stage, self.number, argument), usual)

    def _answer_with(self, reply, usual):
        if isinstance(reply, Delay):
            self._pause(reply.seconds)
            reply = reply.reply
        if reply is None:
            reply = usual
        if reply is HANG_UP:
            raise EOFError
        if reply is HANG:
            self._hang()
        if isinstance(reply, Raw):
            self.sock.sendall(reply.data)
            if reply.close:
                raise EOFError
            return False
        self._send(reply)
        return reply[0] in "23"

    def _send(self, text):
        lines = text.split("\n")
        wire = [line[:3] + ("-" if i + 1 < len(lines) else " ") + line[4:]
                for i, line in enumerate(lines)]
        self.sock.sendall("".join(line + "\r\n" for line in wire).encode())

    def _pause(self, seconds):
        if self.server.stopped.wait(seconds):
            raise EOFError

    def _hang(self):
        while self.sock.recv(65536):
            pass
        raise EOFError

    # Input.

    def _more(self):
        data = self.sock.recv(262144)
        if not data:
            raise EOFError
        self.buffer += data

    def _line(self):
        while True:
            end = self.buffer.find(b"\r\n")
            if end >= 0:
                line = bytes(self.buffer[:end])
                del self.buffer[:end + 2]
                if b"\n" in line or b"\r" in line or b"\0" in line:
                    self.server.note_violation(self.number, f"control byte in command {line!r}")
                return line
            if len(self.buffer) > LINE_MAX:
                self.server.note_violation(self.number, "command line too long")
                raise EOFError
            self._more()

    def _exactly(self, count):
        while len(self.buffer) < count:
            self._more()
        content = bytes(self.buffer[:count])
        del self.buffer[:count]
        return content

    def _data(self):
        searched = 0
        while True:
            if self.buffer.startswith(b".\r\n"):
                del self.buffer[:3]
                return b""
            end = self.buffer.find(b"\r\n.\r\n", max(0, searched - 4))
            if end >= 0:
                stuffed = bytes(self.buffer[:end + 2])
                del self.buffer[:end + 5]
                return self._unstuffed(stuffed)
            searched = len(self.buffer)
            if searched > CONTENT_MAX:
                raise EOFError
            self._more()

    def _unstuffed(self, stuffed):
        bare = stuffed.replace(b"\r\n", b"")
        if b"\r" in bare or b"\n" in bare:
            self.server.note_violation(self.number, "lone CR or LF in content")
        whole = b"\r\n" + stuffed
        if whole.count(b"\r\n.") != whole.count(b"\r\n.."):
            self.server.note_violation(self.number, "a line begins with one dot only")
        return whole.replace(b"\r\n..", b"\r\n.")[2:]


def _path(argument, keyword):
    """("a@b", ["SIZE=1"]) of "FROM:<a@b> SIZE=1"; (None, []) for bad syntax."""
    if not argument.upper().startswith(keyword):
        return None, []
    match = _PATH.match(argument[len(keyword):])
    return (match[1], match[2].split()) if match else (None, [])


def _cut(sock):
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    sock.close()
