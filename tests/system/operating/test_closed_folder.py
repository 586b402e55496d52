"""Started as root below a folder that only root may enter: a checkout in /root, a test's own folder."""

import os
import unittest

from postwain_harness import PostwainTestCase, main
from mail_content import message
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink


@unittest.skipUnless(os.geteuid() == 0, "only root changes users")
class ClosedFolder(PostwainTestCase):
    def prepare_closed(self, changes):
        mta = self.prepare(changes)
        os.chmod(str(mta.folder / ""), 0o700)
        return mta

    def test_nothing_installed_works(self):
        sink = self.closing(SmtpSink())
        mta = self.prepare_closed({"route": [
            {"match": "*", "deliver": f"smtp:[127.0.0.1]:{sink.port}"}]}).start()
        with SmtpClient(mta.port) as client:
            code, text = client.mail("a@sender.test", ["x@a.test"], message())
            self.assertEqual(250, code, text)
        sink.wait_delivered("x@a.test")
        self.assertIn("closed folders", mta.tail())
        # The right to pass is all that is left of root's.
        for pid in mta.pids_of("qmgr") + mta.pids_of("smtpd"):
            with open(f"/proc/{pid}/status", encoding="ascii") as status:
                lines = dict(line.split(":\t", 1) for line in status if ":\t" in line)
            self.assertNotIn("0", lines["Uid"].split())
            self.assertEqual(1 << 2, int(lines["CapEff"], 16), "CAP_DAC_READ_SEARCH and no other")

    def test_recover_works_there_as_well(self):
        sink = self.closing(SmtpSink(script={"rcpt": "451 4.2.0 not now"}))
        mta = self.prepare_closed({"route": [
            {"match": "*", "deliver": f"smtp:[127.0.0.1]:{sink.port}"}]}).start()
        with SmtpClient(mta.port) as client:
            self.assertEqual(250, client.mail("a@sender.test", ["x@a.test"], message())[0])
        mta.stop()
        done = mta.cli("queue", "recover", mta.folder / "new")
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertIn("1 messages with 1 recipients", done.stdout)

    def test_named_users_get_a_clear_error(self):
        mta = self.prepare_closed({"users": {"queue": "nobody", "network": "daemon"}})
        mta.launch()
        self.assertEqual(73, mta.wait_exit())
        self.assertIn("closed to other users", mta.tail())


if __name__ == "__main__":
    main()
