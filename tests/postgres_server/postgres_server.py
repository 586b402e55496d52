"""A PostgreSQL of the test's own: in a folder that goes away, at a Unix socket in it, and on
loopback where a port is given. It runs as nobody where the test runs as root. The programs are
Debian's, installed or unpacked below the folder POSTWAIN_PEERS names."""

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
    """With a role postwain, which owns the database queue. port: it also listens at 127.0.0.1. tls:
    files of a certificate and its key, with which it then offers TLS; client_trust: of the authority
    whose certificates its clients may show. copy_of: a server, of which this one is a standby."""

    def __init__(self, fsync=False, port=None, tls=None, client_trust=None, copy_of=None):
        self.programs = programs()
        # The path of a socket is short, and nobody may look into other people's folders.
        self.folder = tempfile.mkdtemp(prefix="pw-pg-", dir="/tmp")
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        if self._user:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        os.chmod(self.folder, 0o755)
        self.data = os.path.join(self.folder, "data")
        self._fsync = fsync
        self.port = port
        self._tls = tls and [self._own_copy(path, name) for path, name in
                             zip(tls, ("server.pem", "server.key"))]
        self._client_trust = client_trust and self._own_copy(client_trust, "clients.pem")
        self.process = None
        self._mounted = None
        if copy_of is not None:
            self._call("pg_basebackup", "-D", self.data, "-R", "-c", "fast", "--no-sync", "-d",
                       f"host={copy_of.folder} port={copy_of.port or 5432} user=postgres")
            self.start()
            return
        self._call("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                   "--locale=C", "--no-sync")
        self.start()
        self.sql("CREATE ROLE postwain LOGIN", "postgres")
        self.sql("CREATE DATABASE queue OWNER postwain", "postgres")

    @property
    def address(self):
        """As [queue] store takes it."""
        return f"postgresql:///queue?host={self.folder}"

    @property
    def network_address(self):
        """The same, by the network."""
        return f"postgresql://localhost:{self.port}/queue"

    def _own_copy(self, path, name):
        """The server wants its key to be its own, and closed to others."""
        copy = os.path.join(self.folder, name)
        shutil.copyfile(path, copy)
        os.chmod(copy, 0o600)
        if self._user:
            os.chown(copy, self._user.pw_uid, self._user.pw_gid)
        return copy

    def _settings(self):
        settings = {"listen_addresses": "127.0.0.1" if self.port else "",
                    "fsync": "on" if self._fsync else "off", "shared_buffers": "32MB",
                    "max_connections": "40"}
        if self.port:
            settings["port"] = self.port
        if self._tls:
            settings.update(ssl="on", ssl_cert_file=self._tls[0], ssl_key_file=self._tls[1])
        if self._client_trust:
            settings["ssl_ca_file"] = self._client_trust
        return [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]

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
                self._words("postgres", "-D", self.data, "-k", self.folder, *self._settings()),
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
        return self._call("psql", "-h", self.folder, "-p", str(self.port or 5432), "-U", "postgres",
                          "-d", database, "-Atqc", text).strip()

    def session(self, text, database="queue"):
        """A session of the superuser that stays open behind these statements, until its end()."""
        return _Session(self._words("psql", "-h", self.folder, "-p", str(self.port or 5432), "-U",
                                    "postgres", "-d", database, "-Atq", "-v", "ON_ERROR_STOP=1"),
                        self._environment(), text)

    def access(self, *lines):
        """What pg_hba.conf says of clients from now on, beside that the superuser is believed here."""
        with open(os.path.join(self.data, "pg_hba.conf"), "w", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in ("local all postgres trust", *lines)))
        self.sql("SELECT pg_reload_conf()", "postgres")

    def log_receiver(self):
        """A process that gets the server's log and syncs it, as a standby does; the caller ends it."""
        folder = os.path.join(self.folder, "received")
        os.makedirs(folder, exist_ok=True)
        if self._user:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)
        return subprocess.Popen(
            self._words("pg_receivewal", "-h", self.folder, "-p", str(self.port or 5432), "-U", "postgres", "-D",
                        folder, "--synchronous", "--no-loop"),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
            env=self._environment())

    def become_standby(self):
        """From here on it waits for the log of another server, and takes no writing."""
        self.kill(signal.SIGINT)
        with open(os.path.join(self.data, "standby.signal"), "w", encoding="utf-8"):
            pass
        self.start()

    def kill(self, number=signal.SIGQUIT):
        """At once, as when the machine fails: it recovers at the next start."""
        self.process.send_signal(number)
        self.process.wait(60)

    def kill_whole(self):
        """As when its machine loses power: none of its processes does anything any more."""
        for pid in self._processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
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

    def kill_backend(self, where):
        """One of its sessions that pg_stat_activity has `where`; then the server lets all of them
        end, and recovers. Whether there was one."""
        pid = self.sql(f"SELECT pid FROM pg_stat_activity WHERE {where} LIMIT 1", "postgres")
        if pid:
            os.kill(int(pid), signal.SIGKILL)
        return bool(pid)

    def small_tablespace(self, megabytes):
        """The database queue, to which nobody is connected now, lies on a file system of its own
        from here on, whose folder is returned; its log does not. Root may do this."""
        small = os.path.join(self.folder, "small")
        os.makedirs(small)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs",
                               small], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise PermissionError(done.stderr)
        self._mounted = small
        data = os.path.join(small, "data")
        os.makedirs(data)
        if self._user:
            os.chown(data, self._user.pw_uid, self._user.pw_gid)
        self.sql(f"CREATE TABLESPACE small LOCATION '{data}'", "postgres")
        self.sql("ALTER DATABASE queue SET TABLESPACE small", "postgres")
        return small

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
        if self._mounted:
            subprocess.run(["umount", "-l", self._mounted], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


class _Session:
    def __init__(self, words, environment, text):
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, text=True, cwd="/",
                                         env=environment)
        self._process.stdin.write(text + ";\n\\echo it is done\n")
        self._process.stdin.flush()
        said = []
        while (line := self._process.stdout.readline()).strip() != "it is done":
            said.append(line)
            if not line:
                raise AssertionError(f"psql: {said}")

    def end(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(20)
        self._process.stdin.close()
        self._process.stdout.close()
