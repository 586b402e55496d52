"""Debian's policy services, which Postfix would ask about clients, senders and recipients."""

from real_filters import RealFilter

# As Postfix's spawn(8) does: a service on standard input and output is started for each connection.
_SPAWN = """
import os, signal, socket
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
with socket.create_server(("127.0.0.1", {port})) as server:
    while True:
        client, _ = server.accept()
        if os.fork() == 0:
            os.dup2(client.fileno(), 0)
            os.dup2(client.fileno(), 1)
            os.execv("{program}", ["{program}", "/etc/postfix-policyd-spf-python/policyd-spf.conf"])
        client.close()
"""


class Postgrey(RealFilter):
    """delay: seconds that a stranger has to wait."""

    program = "/usr/sbin/postgrey"
    users = {"postgrey": 61971}

    def command(self):
        return (self.owned("postgrey", "/var/lib/postgrey") +
                f"\nexec /usr/sbin/postgrey --inet=127.0.0.1:{self.port} --delay={self.options['delay']}"
                " --user=postgrey --group=postgrey --dbdir=/var/lib/postgrey")


class PolicydSpf(RealFilter):
    """It is told that strangers of tests, at 127.0.0.2, are strangers."""

    program = "/usr/bin/policyd-spf"

    def prepare(self):
        self.packaged("postfix-policyd-spf-python/policyd-spf.conf", "skip_addresses = 127.0.0.1/32\n",
                      without=("skip_addresses",))
        self.etc("spawn.py", _SPAWN.format(port=self.port, program=self.program))

    def command(self):
        return "exec /usr/bin/python3 /etc/spawn.py"


class RateLimit(RealFilter):
    """It lets a user send two messages in a minute."""

    program = "/usr/bin/policyd-rate-limit"
    users = {"policyd-rate-limit": 61972}

    def prepare(self):
        self.packaged("policyd-rate-limit.yaml", f"""
SOCKET: ["127.0.0.1", {self.port}]
limits:
    - [2, 60]
""", without=("SOCKET:", "limits:", "-"))

    def command(self):
        return (self.owned("policyd-rate-limit", "/run/policyd-rate-limit", "/var/lib/policyd-rate-limit") +
                "\nexec policyd-rate-limit")
