"""A PostgreSQL of the test's own: in a folder that goes away, at a Unix socket in it and nowhere
else. It runs as nobody where the test runs as root. The programs are Debian's, installed or unpacked
below the folder POSTWAIN_PEERS names."""

import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile

from resources import wait_until

_PEERS = os.environ.get("POSTWAIN_PEERS", "")


def programs():
    """The folder of the newest PostgreSQL's programs; None where there is none."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
    found += sorted(glob.glob(f"{_PEERS}/postgresql-*/usr/lib/postgresql/*/bin/postgres"))
    return os.path.dirname(found[-1]) if found else None


class PostgresServer:
    """With a role postwain, which owns the database queue."""

    def __init__(self, fsync=False):
        self.programs = programs()
        # The path of a socket is short, and nobody may look into other people's folders.
        self.folder = tempfile.mkdtemp(prefix="pw-pg-", dir="/tmp")
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        if self._user:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        os.chmod(self.folder, 0o755)
        self.data = os.path.join(self.folder, "data")
        self._fsync = fsync
        self.process = None
        self._call("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                   "--locale=C", "--no-sync")
        self.start()
        self.sql("CREATE ROLE postwain LOGIN", "postgres")
        self.sql("CREATE DATABASE queue OWNER postwain", "postgres")

    @property
    def address(self):
        """As [queue] store takes it."""
        return f"postgresql:///queue?host={self.folder}"

    def _words(self, program, *words):
        if not self._user:
            return [os.path.join(self.programs, program), *words]
        return ["setpriv", "--reuid", str(self._user.pw_uid), "--regid", str(self._user.pw_gid),
                "--clear-groups", "--pdeathsig", "QUIT", os.path.join(self.programs, program), *words]

    def _environment(self):
        libraries = os.path.join(self.programs.split("/postgresql/")[0], "x86_64-linux-gnu")
        return {**os.environ, "LD_LIBRARY_PATH": libraries} if _PEERS in libraries and _PEERS else None

    def _call(self, program, *words):
        done = subprocess.run(self._words(program, *words), capture_output=True, text=True, cwd="/",
                              env=self._environment(), timeout=120, check=False)
        if done.returncode != 0:
            raise AssertionError(f"{program}: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self):
        """Returns when it answers."""
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(
                self._words("postgres", "-D", self.data, "-k", self.folder, "-c", "listen_addresses=",
                            "-c", f"fsync={'on' if self._fsync else 'off'}",
                            "-c", "shared_buffers=32MB", "-c", "max_connections=40"),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=self._environment())
        wait_until(self._answers, 60, "PostgreSQL answers")

    def _answers(self):
        try:
            self.sql("SELECT 1", "postgres")
        except AssertionError:
            return False
        return True

    def sql(self, text, database="queue"):
        """As the superuser; what psql prints, without its ornaments."""
        return self._call("psql", "-h", self.folder, "-U", "postgres", "-d", database, "-Atqc",
                          text).strip()

    def kill(self, number=signal.SIGQUIT):
        """At once, as when the machine fails: it recovers at the next start."""
        self.process.send_signal(number)
        self.process.wait(60)

    def _processes(self):
        """Its own and those that it has for its sessions."""
        found = [self.process.pid]
        for name in os.listdir("/proc"):
            try:
                with open(f"/proc/{name}/stat", encoding="latin-1") as file:
                    if int(file.read().rpartition(")")[2].split()[1]) == self.process.pid:
                        found.append(int(name))
            except (OSError, ValueError, IndexError):
                pass
        return found

    def pause(self):
        """All of it stands still, until resume()."""
        for pid in self._processes():
            os.kill(pid, signal.SIGSTOP)

    def resume(self):
        for pid in self._processes():
            os.kill(pid, signal.SIGCONT)

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.resume()
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
