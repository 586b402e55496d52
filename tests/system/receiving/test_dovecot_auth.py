"""Accounts of a real Dovecot, asked over its authentication socket."""

import os
import signal

from postwain_harness import PostwainTestCase, main
import dovecot_server
from auth_client import b64, login, plain, scram
from resources import wait_until
from smtp_raw import SmtpClient

dovecot_server._CONFIG += """
auth_mechanisms = plain login scram-sha-256
auth_failure_delay = 1 s
service auth {{
  unix_listener {folder}/auth-client {{
    mode = 0666
  }}
}}
"""


def children(parent):
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="latin-1") as file:
                    if int(file.read().rpartition(")")[2].split()[1]) == parent:
                        found.append(int(name))
            except (FileNotFoundError, ProcessLookupError):
                pass
    return found


def name_of(pid):
    with open(f"/proc/{pid}/comm", encoding="latin-1") as file:
        return file.read().strip()


class DovecotAuth(PostwainTestCase):
    def setUp(self):
        self.dovecot = self.closing(dovecot_server.Dovecot({"ann@ours.test": None}))
        self.socket = self.dovecot.folder / "auth-client"
        wait_until(lambda: os.path.exists(self.socket), 10, "Dovecot's socket")
        self.mta = self.prepare({"access": {"trusted_networks": []}})
        self.mta.reconfigure({
            "auth": {"dovecot_socket": self.socket, "failure_delay": "0s"},
            "listener": [{"address": f"127.0.0.1:{self.mta.port}", "auth": True,
                          "auth_without_tls": True, "tls": "off"}]})
        self.mta.start()
        wait_until(lambda: self.mta.events("dovecot_connected"), 10, self.dovecot.log)

    def client(self):
        client = SmtpClient(self.mta.port, source="127.0.0.2")
        self.addCleanup(client.close)
        return client

    def test_logins(self):
        client = self.client()
        offered = [e for e in client.extensions if e.startswith("AUTH ")][0].split()[1:]
        self.assertEqual({"PLAIN", "LOGIN", "SCRAM-SHA-256"}, set(offered))
        self.assertEqual(535, client.command("AUTH PLAIN " + plain("ann@ours.test", "no"))[0])
        self.assertEqual(535, client.command("AUTH PLAIN " + plain("eve@ours.test", "secret"))[0])
        self.assertEqual(334, client.command("AUTH LOGIN")[0])
        self.assertEqual(501, client.command("*")[0])
        login(client, "ann@ours.test", "secret")
        client.envelope("ann@ours.test", ["far@away.test"])

    def test_login_step_by_step(self):
        client = self.client()
        self.assertEqual(334, client.command("AUTH LOGIN")[0])
        self.assertEqual(334, client.command(b64("ann@ours.test"))[0])
        self.assertEqual(235, client.command(b64("secret"))[0])

    def test_scram(self):
        self.assertEqual(235, scram(self.client(), "ann@ours.test", "secret"))
        self.assertEqual(535, scram(self.client(), "ann@ours.test", "wrong"))

    def test_dovecot_away(self):
        client = self.client()
        # Its auth process would go on for as long as somebody is connected.
        auth = [pid for pid in children(self.dovecot.process.pid) if name_of(pid) == "auth"]
        self.dovecot.process.terminate()
        for pid in auth:
            os.kill(pid, signal.SIGKILL)
        self.dovecot.process.wait(20)
        wait_until(lambda: self.mta.events("dovecot_lost"), 10, "loss of Dovecot")
        self.assertEqual(454, client.command("AUTH PLAIN " + plain("ann@ours.test", "secret"))[0])
        self.assertFalse([e for e in self.client().extensions if e.startswith("AUTH")])
        self.assertEqual(250, client.command("MAIL FROM:<a@b.test>")[0])


if __name__ == "__main__":
    main()
