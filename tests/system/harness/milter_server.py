"""A milter that a test plays, on a socket of its own; without libmilter, so that it can misbehave."""

import os
import socket
import struct
import threading

NO_ANSWER = "DAQK"


def packet(command, data=b""):
    return struct.pack(">I", len(data) + 1) + command.encode() + data


def texts(*words):
    return b"".join(word.encode() + b"\0" for word in words)


def at_end(*answers):
    """A milter that takes everything and says this at the end of the message."""
    return lambda command, data: b"".join(answers) if command == "E" else packet("c")


class MilterServer:
    """script(command, data): packets to answer with, None to stay silent, "close" to end the connection."""

    def __init__(self, script=None, path=None, port=0):
        self.script = script or (lambda command, data: packet("c"))
        self.listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET, socket.SOCK_STREAM)
        if not path:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(str(path) if path else ("127.0.0.1", port))
        if path:
            os.chmod(path, 0o666)
        self.listener.listen()
        self.address = f"unix:{path}" if path else "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.commands = ""
        self.got = []  # (command, data)
        self.connections = []
        threading.Thread(target=self._accept, daemon=True).start()

    def data_of(self, command):
        return [data for one, data in list(self.got) if one == command]

    def stop(self):
        for one in [self.listener, *self.connections]:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            with connection, connection.makefile("rb") as stream:
                while head := stream.read(4):
                    data = stream.read(struct.unpack(">I", head)[0])
                    command, data = chr(data[0]), data[1:]
                    self.commands += command if command != "D" else ""
                    self.got.append((command, data))
                    answer = self._answer(command, data)
                    if answer == "close":
                        return
                    if answer:
                        connection.sendall(answer)
        except OSError:
            pass

    def _answer(self, command, data):
        if command == "O":
            return packet("O", struct.pack(">III", 6, 0x1FF, 0))
        return None if command in NO_ANSWER else self.script(command, data)
