"""What system tests borrow from the machine: waiting, ports, temporary folders, certificates."""

import fcntl
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time

# Outside the kernel's range for outgoing connections, so that nobody gets such a port by chance.
PORT_FIRST, PORT_LAST = 20000, 29999
_held_ports = []


def wait_until(condition, timeout, what):
    """The first true value of condition(); AssertionError naming `what` after timeout seconds."""
    deadline = time.monotonic() + timeout
    pause = 0.002
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def reserve_port():
    """A TCP and UDP port that stays ours until this process ends, also against parallel tests."""
    folder = os.path.join(tempfile.gettempdir(), "postwain-test-ports")
    os.makedirs(folder, exist_ok=True)
    try:
        os.chmod(folder, 0o1777)
    except PermissionError:
        pass
    for _ in range(1000):
        port = random.randint(PORT_FIRST, PORT_LAST)
        try:
            lock = os.open(os.path.join(folder, str(port)), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC,
                           0o666)
        except PermissionError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _try_bind(port)
        except OSError:
            os.close(lock)
            continue
        _held_ports.append(lock)
        return port
    raise OSError("no free port")


def _try_bind(port):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as sock:
            if kind == socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("0.0.0.0", port))


def listening(port, host="127.0.0.1"):
    with socket.socket() as sock:
        sock.settimeout(2)
        return sock.connect_ex((host, port)) == 0


class Folder:
    """A temporary folder that other users may walk through; gone after remove()."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="pw-")
        os.chmod(self.path, 0o755)

    def file(self, name, content, mode=0o644):
        path = os.path.join(self.path, name)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(path, mode)
        return path

    def __truediv__(self, name):
        return os.path.join(self.path, name)

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


def make_certificate(folder, name="localhost"):
    """(certificate, key) paths of a new self-signed certificate."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext",
         f"subjectAltName=DNS:{name},IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True)
    os.chmod(key, 0o600)
    return certificate, key
