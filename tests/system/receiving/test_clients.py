"""swaks, curl and smtplib send mail through Postwain to an SMTP server and to an LMTP store."""

import shutil
import smtplib
import ssl
import subprocess

from postwain_harness import PostwainTestCase, main
from lmtp_store import LmtpStore
from mail_content import message, without_received
from resources import make_certificate, wait_until
from smtp_sink import SmtpSink

BODY = (b"plain line\r\n.\r\n..\r\n.dot first\r\n\r\n"
        b"8-bit: \xc3\xa4\xc3\xb6\xc3\xbc \xe4\xf6\xfc\r\n \r\nlast line\r\n")
RECIPIENTS = ["bob@relay.test", "carol@store.test"]


class Clients(PostwainTestCase):
    def setUp(self):
        self.sink = self.closing(SmtpSink())
        self.mta = self.prepare()
        self.store = self.closing(LmtpStore(self.mta.folder / "lmtp", self.mta.folder / "mail"))
        certificate, key = make_certificate(self.mta.folder)
        self.mta.reconfigure({
            "tls": {"certificate": certificate, "key": key},
            "listener": [{"address": f"127.0.0.1:{self.mta.port}", "protocol": "smtp",
                          "tls": "optional"}],
            "route": [{"match": "relay.test", "deliver": self.sink.target},
                      {"match": "store.test",
                       "deliver": f"lmtp:unix:{self.mta.folder / 'lmtp'}"}]})
        self.content = message("from a real client", BODY)
        self.file = self.mta.folder.file("message.eml", self.content)
        self.mta.start()

    def check(self, protocol):
        """Both recipients have exactly the bytes, and Received tells the protocol."""
        arrived = self.sink.wait_delivered(RECIPIENTS[0])
        stored = wait_until(lambda: self.store.maildirs.messages(RECIPIENTS[1]), 20, "the store")
        self.assertEqual([1, 1], [len(arrived), len(stored)])
        for content in (arrived[0].content, stored[0]):
            self.assertEqual(self.content, without_received(content))
            self.assertIn(f" with {protocol} ".encode(), content[:600].replace(b"\r\n\t", b" "))
        self.assertEqual("alice@sender.test", arrived[0].sender)
        self.mta.wait_queue_empty()
        self.mta.stop()
        self.assertEqual([], self.sink.violations)
        self.assertEqual([], self.store.server.violations)

    def run_client(self, *words):
        result = subprocess.run(words, capture_output=True, timeout=60, check=False)
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        return result.stdout.decode("utf-8", "replace")

    def swaks(self, *more):
        self.assertTrue(shutil.which("swaks"), "package swaks is missing")
        # swaks ends whatever it sends with a line end of its own.
        without_end = self.mta.folder.file("swaks.eml", self.content[:-2])
        return self.run_client("swaks", "--server", "127.0.0.1", "--port", str(self.mta.port),
                               "--ehlo", "client.test", "--from", "alice@sender.test",
                               "--to", ",".join(RECIPIENTS), "--data", "@" + without_end, *more)

    def curl(self, *more):
        self.assertTrue(shutil.which("curl"), "package curl is missing")
        return self.run_client("curl", "-sS", f"smtp://127.0.0.1:{self.mta.port}/client.test",
                               "--mail-from", "alice@sender.test", "--mail-rcpt", RECIPIENTS[0],
                               "--mail-rcpt", RECIPIENTS[1], "-T", self.file, *more)

    def test_swaks(self):
        self.assertIn("250 2.0.0 Ok: queued as ", self.swaks())
        self.check("ESMTP")

    def test_swaks_tls(self):
        self.swaks("--tls")
        self.check("ESMTPS")

    def test_swaks_plain_smtp(self):
        self.swaks("--protocol", "SMTP")
        self.check("SMTP")

    def test_curl(self):
        self.curl()
        self.check("ESMTP")

    def test_curl_tls(self):
        self.curl("--ssl-reqd", "--insecure")
        self.check("ESMTPS")

    def test_smtplib(self):
        with smtplib.SMTP("127.0.0.1", self.mta.port, "client.test", 30) as client:
            refused = client.sendmail("alice@sender.test", RECIPIENTS, self.content)
        self.assertEqual({}, refused)
        self.check("ESMTP")

    def test_smtplib_tls(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with smtplib.SMTP("127.0.0.1", self.mta.port, "client.test", 30) as client:
            client.starttls(context=context)
            client.sendmail("alice@sender.test", RECIPIENTS, self.content)
        self.check("ESMTPS")


if __name__ == "__main__":
    main()
