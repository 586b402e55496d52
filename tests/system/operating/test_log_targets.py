"""The log in syslog, in the journal, and on a standard error that nobody reads."""

import os
import signal
import socket
import subprocess
import unittest

from postwain_harness import BIN, PostwainTestCase, main
from mail_content import message
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink


class LogDaemon:
    def __init__(self, folder):
        self.path = folder / "log.sock"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self.socket.setblocking(False)
        self.seen = []

    def records(self):
        try:
            while True:
                self.seen.append(self.socket.recv(65536).decode())
        except BlockingIOError:
            return self.seen

    def stop(self):
        self.socket.close()


class LogTargets(PostwainTestCase):
    def begin(self, target):
        self.sink = self.closing(SmtpSink())
        self.mta = self.prepare({"route": [{"match": "*", "deliver": self.sink.target}]})
        os.chmod(self.mta.folder / "", 0o755)
        self.daemon = self.closing(LogDaemon(self.mta.folder))
        self.mta.reconfigure({"log": {"to": target, "socket": self.daemon.path}})
        self.mta.launch()
        wait_until(lambda: any(" ready " in r or "=ready " in r for r in self.daemon.records()), 30,
                   lambda: f"ready: {self.daemon.seen[-5:]} {self.mta.tail()}")

    def send(self, to="bob@example.test"):
        with SmtpClient(self.mta.port) as client:
            code, text = client.mail("alice@sender.test", [to], message())
        self.assertEqual(250, code, text)
        self.sink.wait_delivered(to)
        return text.rsplit(" ", 1)[1]

    def test_syslog(self):
        self.begin("syslog")
        ident = self.send()
        for process, event in [("smtpd[0]", "accepted"), ("smtp-client[0]", "delivered")]:
            wait_until(lambda: any(f" postwain/{process}[" in r and f"]: {event} id={ident} " in r
                                   for r in self.daemon.records()), 20, f"{event}: {self.daemon.seen[-5:]}")
        self.assertTrue(all(r.startswith("<") for r in self.daemon.seen))

    def test_journal(self):
        self.begin("journal")
        ident = self.send()
        wait_until(lambda: any(f"\nPOSTWAIN_ID={ident}\n" in r and "\nPOSTWAIN_EVENT=delivered\n" in r
                               for r in self.daemon.records()), 20, lambda: f"{self.daemon.seen[-3:]}")
        for record in self.daemon.seen:
            for line in record.splitlines():
                self.assertRegex(line, r"^[A-Z_0-9]+=")

    def test_a_log_daemon_that_hangs_stops_no_mail(self):
        self.begin("syslog")
        for number in range(300):  # nobody reads
            self.send(f"u{number}@example.test")
        self.mta.stop()

    def test_no_log_daemon(self):
        self.mta = self.start({"log": {"to": "syslog", "socket": "/nowhere/log"}})
        self.assertTrue(self.mta.has_event("log_unreachable"))

    def test_reload_changes_the_target_everywhere(self):
        self.begin("syslog")
        self.mta.reconfigure({"log": {"to": "stderr", "socket": None, "level": "debug"}})
        self.assertEqual(0, self.mta.cli("reload").returncode)
        ident = self.send()
        wait_until(lambda: any(e.get("id") == ident for e in self.mta.events("delivered")), 20,
                   lambda: self.mta.tail())
        self.send("second@example.test")
        wait_until(lambda: [e for e in self.mta.log if " qmgr[" in e], 20, lambda: self.mta.tail())

    def test_standard_error_that_nobody_reads_stops_no_mail(self):
        self.sink = self.closing(SmtpSink())
        self.mta = self.prepare({"route": [{"match": "*", "deliver": self.sink.target}], "log": {"level": "debug"}})
        read, write = os.pipe()
        process = subprocess.Popen([os.path.join(BIN, "postwain"), "run", "--config", self.mta.config_path],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=write,
                                   start_new_session=True)
        self.mta.process = process
        self.addCleanup(os.close, read)
        os.close(write)
        wait_until(lambda: self.mta.cli("status").returncode == 0, 30, "an answer")
        for number in range(300):
            self.send(f"u{number}@example.test")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(0, process.wait(40))
        self.mta.process = None


if __name__ == "__main__":
    main()
