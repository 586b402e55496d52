"""A signed zone on loopback: signed by ldns, served by nsd, validated by unbound. Nothing of it is
ours, so what it says of DNSSEC is what the world's servers say."""

import glob
import os
import subprocess

from peers import PEERS
from resources import Folder, listening, reserve_port, wait_until

_NSD = """
server:
  ip-address: 127.0.0.1
  port: {port}
  do-ip6: no
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  zonelistfile: "{folder}/zone.list"
  database: ""
  xfrdfile: "{folder}/xfrd.state"
  xfrdir: "{folder}"
  pidfile: "{folder}/nsd.pid"
  server-count: 1
remote-control:
  control-enable: no
"""
_UNBOUND = """
server:
  interface: 127.0.0.1@{port}
  do-ip6: no
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: "{folder}/unbound.pid"
  use-syslog: no
  logfile: "{folder}/unbound.log"
  do-not-query-localhost: no
  access-control: 127.0.0.0/8 allow
  cache-max-ttl: 1
  cache-max-negative-ttl: 1
  num-threads: 1
  private-address: 192.0.2.255
  local-zone: "test." nodefault
remote-control:
  control-enable: no
"""


def _program(name):
    """Unpacked, not installed: as services they would take the machine's port 53."""
    return os.path.join(PEERS, name, "usr/sbin", name)


def _environment(name):
    """The libraries that were unpacked with the program."""
    return dict(os.environ, LD_LIBRARY_PATH=":".join(
        glob.glob(os.path.join(os.path.abspath(PEERS), name, "usr/lib/*-linux-gnu"))))


class SignedZone:
    """zones: {name: lines of the zone file, without SOA and NS}. Those in `unsigned` are not signed;
    those in `bogus` carry a signature that does not fit."""

    def __init__(self, zones, unsigned=(), bogus=()):
        self.folder = Folder()
        self._processes = []
        self.port, upstream = reserve_port(), reserve_port()
        nsd, unbound = _NSD, _UNBOUND
        for name, lines in zones.items():
            path, anchor = self._write(name, lines, name not in unsigned, name in bogus)
            nsd += f'zone:\n  name: "{name}"\n  zonefile: "{path}"\n'
            unbound += (f'stub-zone:\n  name: "{name}"\n  stub-addr: 127.0.0.1@{upstream}\n')
            anchors = f'  trust-anchor-file: "{anchor}"\n' if anchor else f'  domain-insecure: "{name}"\n'
            unbound = unbound.replace("remote-control:", anchors + "remote-control:", 1)
        self._run("nsd", [_program("nsd"), "-d", "-c", self._config(
            "nsd.conf", nsd, upstream)], upstream)
        self._run("unbound", [_program("unbound"), "-d", "-c", self._config(
            "unbound.conf", unbound, self.port)], self.port)

    def _config(self, name, text, port):
        return self.folder.file(name, text.format(folder=self.folder.path, port=port))

    def _write(self, name, lines, signed, bogus):
        head = [f"$ORIGIN {name}.", "$TTL 1", "@ SOA ns root 1 3600 600 86400 1", "@ NS ns",
                "ns A 127.0.0.1"]
        path = self.folder.file(f"{name}.zone", "\n".join(head + list(lines)) + "\n")
        if not signed:
            return path, None
        base = subprocess.run(["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", name], check=True,
                              cwd=self.folder.path, capture_output=True, text=True).stdout.strip()
        subprocess.run(["ldns-signzone", "-n", path, base], check=True, cwd=self.folder.path,
                       capture_output=True)
        result = path + ".signed"
        if bogus:
            with open(result, encoding="ascii") as file:
                text = file.read()
            with open(result, "w", encoding="ascii") as file:
                file.write(text.replace("127.0.0.66", "127.0.0.67"))
        return result, os.path.join(self.folder.path, base + ".key")

    def _run(self, name, words, port):
        output = open(self.folder / (name + ".out"), "wb")  # pylint: disable=consider-using-with
        process = subprocess.Popen(words, stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                                   env=_environment(name))
        output.close()
        self._processes.append(process)
        wait_until(lambda: process.poll() is not None or listening(port), 20, name)
        if process.poll() is not None:
            with open(self.folder / (name + ".out"), encoding="utf-8", errors="replace") as file:
                raise RuntimeError(f"{name} ended: {file.read()}")

    def stop(self):
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.folder.remove()
