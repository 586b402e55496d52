"""The protocols of systemd, from the manager's side: notifications, watchdog, passed sockets."""

import os
import socket
import threading

from postwain_harness import PostwainTestCase, main
from mail_content import message
from resources import Folder, reserve_port, wait_until
from smtp_raw import SmtpClient


class NotifySocket:
    """Collects what a service tells its manager, each message as a dictionary."""

    def __init__(self):
        self.folder = Folder()
        self.path = str(self.folder / "notify")
        self.messages = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        os.chmod(self.path, 0o777)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while True:
            data = self._socket.recv(65536)
            if not data:
                return
            pairs = (line.split("=", 1) for line in data.decode().splitlines() if line)
            self.messages.append(dict(pairs))

    def count(self, key):
        return sum(key in each for each in self.messages)

    def stop(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.sendto(b"", self.path)
        self._thread.join(5)
        self._socket.close()
        self.folder.remove()


# The shell becomes the supervisor, so its own number is the one the sockets are meant for.
_PASS = ["bash", "-c", 'fd=$1; shift; LISTEN_PID=$$; LISTEN_FDS=1; export LISTEN_PID LISTEN_FDS; '
                     'eval "exec 3<&$fd"; exec "$@"', "bash"]


def listening(address, port):
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(64)
    return listener


class Notifications(PostwainTestCase):
    def test_ready_reload_and_stop_are_told(self):
        manager = self.closing(NotifySocket())
        mta = self.start(environment={"NOTIFY_SOCKET": manager.path})
        wait_until(lambda: manager.count("READY") == 1, 10, "READY=1")
        self.assertIn(f"127.0.0.1:{mta.port}", manager.messages[0]["STATUS"])
        self.assertEqual(0, mta.cli("reload").returncode)
        wait_until(lambda: manager.count("READY") == 2, 10, "READY=1 after the reload")
        self.assertEqual(["RELOADING", "READY"],
                         [next(iter(each)) for each in manager.messages[1:3]])
        self.assertTrue(int(manager.messages[1]["MONOTONIC_USEC"]) > 0)
        # A refused configuration ends the reload as well.
        mta.reconfigure({"no_such_key": 1})
        self.assertEqual(78, mta.cli("reload").returncode)
        wait_until(lambda: manager.count("READY") == 3, 10, "READY=1 after the refused reload")
        mta.stop()
        self.assertEqual(1, manager.count("STOPPING"))

    def test_the_watchdog_is_fed_from_ready_on(self):
        manager = self.closing(NotifySocket())
        self.start(environment={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "400000"})
        wait_until(lambda: manager.count("WATCHDOG") >= 3, 10, "three signs of life")
        self.assertIn("READY", manager.messages[0])

    def test_without_a_watchdog_nothing_is_fed(self):
        manager = self.closing(NotifySocket())
        mta = self.start(environment={"NOTIFY_SOCKET": manager.path})
        mta.stop()
        self.assertEqual(0, manager.count("WATCHDOG"))


class PassedSockets(PostwainTestCase):
    def with_socket(self, listener, **more):
        self.addCleanup(listener.close)
        return self.prepare(wrapper=_PASS + [str(listener.fileno())],
                            pass_fds=(listener.fileno(),), **more)

    def test_connections_of_before_the_start_are_served(self):
        port = reserve_port()
        listener = listening("127.0.0.1", port)
        mta = self.with_socket(listener, changes={
            "listener": [{"address": f"127.0.0.1:{port}", "protocol": "smtp"}]})
        early = socket.create_connection(("127.0.0.1", port))
        self.addCleanup(early.close)
        mta.start()
        early.settimeout(20)
        self.assertTrue(early.recv(3).startswith(b"220"))
        # The very socket, not another one on the same port: ours was bound all the time.
        with SmtpClient(port) as client:
            code, text = client.mail("a@sender.test", ["postmaster"], message())
            self.assertEqual(250, code, text)

    def test_a_socket_for_no_listener_is_an_error(self):
        listener = listening("127.0.0.2", reserve_port())
        mta = self.with_socket(listener)
        mta.launch()
        self.assertEqual(78, mta.wait_exit())
        self.assertIn("127.0.0.2:", mta.tail())
        self.assertIn("no [[listener]]", mta.tail())

    def test_something_else_than_a_listening_socket_is_an_error(self):
        datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        mta = self.with_socket(datagram)
        mta.launch()
        self.assertEqual(78, mta.wait_exit())
        self.assertIn("no listening stream socket", mta.tail())


if __name__ == "__main__":
    main()
