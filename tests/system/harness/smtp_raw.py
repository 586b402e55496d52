"""An SMTP client that does exactly what it is told: raw bytes, replies, any source address."""

import socket
import ssl

TIMEOUT = 30


class SmtpClient:
    """One connection, to a port or to the Unix socket at path.

    hello: the name for EHLO, None to say nothing yet; source: the local address to come from.
    """

    def __init__(self, port, host="127.0.0.1", source="127.0.0.1", hello="client.test",
                 timeout=TIMEOUT, verb="EHLO", path=None):
        if path:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout)
            self.sock.connect(path)
        else:
            self.sock = socket.create_connection((host, port), timeout, (source, 0))
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.extensions = []
        self.greeting = self.reply()
        if hello and self.greeting[0] == 220:
            self.say_hello(hello, verb)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def say_hello(self, name="client.test", verb="EHLO"):
        code, text = self.command(f"{verb} {name}")
        self.extensions = text.split("\n")[1:]
        return code, text

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def command(self, line):
        """Sends one line, returns (code, text) of its reply."""
        self.send(line + "\r\n")
        return self.reply()

    def reply(self):
        """(code, text lines joined by newline, without codes). EOFError when the peer closed."""
        lines = []
        while True:
            while b"\n" not in self.buffer:
                data = self.sock.recv(65536)
                if not data:
                    raise EOFError("connection closed by the server")
                self.buffer += data
            line, self.buffer = self.buffer.split(b"\n", 1)
            if not line.endswith(b"\r"):
                raise ValueError(f"reply line without CRLF: {line!r}")
            text = line[:-1].decode("utf-8", "replace")
            lines.append(text[4:])
            if text[3:4] != "-":
                return int(text[:3]), "\n".join(lines)

    def replies(self, count):
        return [self.reply() for _ in range(count)]

    def closed(self):
        """True when the server has closed: reads to the end, within the time-out."""
        try:
            while self.sock.recv(65536):
                pass
            return True
        except ConnectionError:
            return True

    def starttls(self):
        code, text = self.command("STARTTLS")
        if code != 220:
            raise AssertionError(f"STARTTLS refused: {code} {text}")
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock, server_hostname="localhost")

    def envelope(self, sender, recipients):
        """MAIL and RCPTs one by one; all must be accepted."""
        for line in [f"MAIL FROM:<{sender}>"] + [f"RCPT TO:<{to}>" for to in recipients]:
            code, text = self.command(line)
            if code != 250:
                raise AssertionError(f"{line}: {code} {text}")

    def data(self, content):
        """DATA with content as the message's exact CRLF lines; returns the final reply."""
        code, text = self.command("DATA")
        if code != 354:
            return code, text
        self.send(stuffed(content) + b".\r\n")
        return self.reply()

    def mail(self, sender, recipients, content):
        self.envelope(sender, recipients)
        return self.data(content)

    def quit(self):
        answer = self.command("QUIT")
        self.close()
        return answer


def stuffed(content):
    """Dot-stuffed (RFC 5321 4.5.2); ends with CRLF."""
    if content and not content.endswith(b"\r\n"):
        content += b"\r\n"
    return (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:]


def queue_id(text):
    """The ID of "2.0.0 Ok: queued as ID"."""
    words = text.split()
    if words[-3:-1] != ["queued", "as"]:
        raise AssertionError(f"no queue id in {text!r}")
    return words[-1]
