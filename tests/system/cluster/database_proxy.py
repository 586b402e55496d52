"""The way from one node to one PostgreSQL: a Unix socket in a folder of its own, which passes bytes
on until a test cuts the way.

silent: bytes rest where they are, as when a cable is pulled; heal() lets them flow on, so what was
half sent before may arrive late. refusing: connections end at once, and new ones as well. slow: all
comes later, and some of it much later, as what TCP has to send again.
"""

import os
import random
import socket
import threading
import time

from resources import Folder

SOCKET = ".s.PGSQL.5432"
PIECE = 65536
TO_SERVER, TO_CLIENT = "to the server", "to the client"
BOTH = (TO_SERVER, TO_CLIENT)
AGAIN = 0.2  # seconds until TCP sends again what was lost


class DatabaseProxy:
    """server_folder: of the socket that the server has. It may be changed at any time."""

    def __init__(self, server_folder):
        self.server_folder = server_folder
        self.passed = 0  # bytes, in both directions
        self._folder = Folder()
        self._changed = threading.Condition()
        self._silent = frozenset()
        self._refusing = False
        self._delay, self._loss = 0.0, 0.0
        self._stopped = False
        self._pairs = set()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self._folder / SOCKET)
        os.chmod(self._folder / SOCKET, 0o666)
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def folder(self):
        return self._folder.path

    def cut(self, silent=True, ways=BOTH):
        with self._changed:
            self._silent = frozenset(ways) if silent else frozenset()
            self._refusing = not silent
        if not silent:
            self._end_all()

    def slow(self, delay, loss=0.0):
        """delay: of each way, in seconds, at least. loss: the share of pieces that come as late as
        what is sent again."""
        self._delay, self._loss = delay, loss

    def heal(self):
        with self._changed:
            self._silent = frozenset()
            self._refusing = False
            self._delay, self._loss = 0.0, 0.0
            self._changed.notify_all()

    def stop(self):
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        _shut(self._listener)
        self._listener.close()
        self._end_all()
        self._folder.remove()

    def _end_all(self):
        with self._changed:
            sockets = [one for pair in self._pairs for one in pair]
        for one in sockets:
            _shut(one)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client):
        """A new connection waits, too, while nothing passes to the server."""
        server = socket.socket(socket.AF_UNIX)
        try:
            if not self._may_pass(TO_SERVER) or self._refusing:
                raise OSError("refused")
            server.connect(os.path.join(self.server_folder, SOCKET))
        except OSError:
            client.close()
            server.close()
            return
        pair = (client, server)
        with self._changed:
            self._pairs.add(pair)
        threads = [threading.Thread(target=self._pass_on, args=way, daemon=True)
                   for way in ((client, server, TO_SERVER), (server, client, TO_CLIENT))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with self._changed:
            self._pairs.discard(pair)
        client.close()
        server.close()

    def _pass_on(self, source, target, way):
        """The end of one side is passed on like bytes: not before the way is open."""
        try:
            while piece := source.recv(PIECE):
                self._wait()
                if not self._may_pass(way):
                    break
                target.sendall(piece)
                self.passed += len(piece)
        except OSError:
            pass
        self._may_pass(way)
        _shut(source)
        _shut(target)

    def _wait(self):
        late = self._delay + (AGAIN if random.random() < self._loss else 0)
        if late > 0:
            time.sleep(late)

    def _may_pass(self, way):
        """Waits while nothing passes this way; False when the proxy has ended meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or way not in self._silent)
            return not self._stopped


def _shut(sock):
    """Wakes whoever waits at it, and who closes it then."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
