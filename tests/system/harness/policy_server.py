"""A policy service that a test plays: Postfix's SMTPD_POLICY_README, without any daemon's library."""

import os
import socket
import threading


class PolicyServer:
    """script(attributes): the action, None to stay silent, "close" to end the connection, bytes to send as they are."""

    def __init__(self, script=None, path=None):
        self.script = script or (lambda attributes: "DUNNO")
        self.listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET, socket.SOCK_STREAM)
        self.listener.bind(str(path) if path else ("127.0.0.1", 0))
        if path:
            os.chmod(path, 0o666)
        self.listener.listen()
        self.address = f"unix:{path}" if path else "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.got = []  # attributes, as a dictionary each
        self.connections = []
        threading.Thread(target=self._accept, daemon=True).start()

    def states(self):
        return [one["protocol_state"] for one in list(self.got)]

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
                attributes = {}
                for line in stream:
                    if line != b"\n":
                        name, _, value = line.decode("utf-8", "surrogateescape").rstrip("\n").partition("=")
                        attributes[name] = value
                        continue
                    self.got.append(attributes)
                    said = self.script(attributes)
                    attributes = {}
                    if said == "close":
                        return
                    if said is not None:
                        connection.sendall(said if isinstance(said, bytes) else f"action={said}\n\n".encode())
        except OSError:
            pass
