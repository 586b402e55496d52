"""A folder that a table gives to one process alone: a wrong name in the configuration takes no folder from the
spool's user, neither by its name, nor by a link, nor where the name cannot show it."""

import os
import shutil
import subprocess
import unittest

from postwain_harness import PostwainTestCase, main
from mail_content import message
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

TABLES = {"tls_reports": {"from": "r@our.test"}, "dmarc_reports": {"from": "r@our.test"}, "strangers": {}}


def owners(folder):
    found = {str(folder): os.stat(folder).st_uid}
    for above, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(above, name)
            # The queue's own files come and go.
            if not name.startswith("queue.db-") and os.path.dirname(path) == str(folder):
                found[path] = os.lstat(path).st_uid
    return found


class OwnFolders(PostwainTestCase):
    def setUp(self):
        self.sink = self.closing(SmtpSink())
        self.mta = self.prepare({"domain": [{"name": "our.test"}], "authentication": {"name": "mx.postwain.test"},
                                 "route": [{"match": "*", "deliver": self.sink.target}]})
        self.spool = str(self.mta.folder / "spool")

    def with_folder(self, section, folder):
        return {**{name: None for name in TABLES}, section: {**TABLES[section], "folder": folder}}

    def mail_passes(self, recipient):
        with SmtpClient(self.mta.port) as client:
            self.assertEqual(250, client.mail("a@sender.test", [recipient], message())[0])
        self.sink.wait_delivered(recipient)

    def places(self):
        top = str(self.mta.folder / "")
        os.symlink(self.spool, os.path.join(top, "link"))
        return {"spool_dir": self.spool, "the contents": self.spool + "/content", "a link": top + "link",
                "below a link": top + "link/content", "runtime_dir": self.mta.config["runtime_dir"],
                "drop_dir": self.spool + "-drop", "the configuration's": top}

    def test_a_reload_is_refused_and_all_goes_on(self):
        self.mta.start()
        self.mail_passes("x1@our.test")
        before = owners(self.spool)
        for number, (what, place) in enumerate(self.places().items()):
            for section in TABLES:
                with self.subTest(f"{section}: {what}"):
                    self.mta.reconfigure(self.with_folder(section, place))
                    checked = self.mta.cli("check")
                    self.assertEqual(78, checked.returncode, checked.stdout + checked.stderr)
                    self.assertIn("it needs one of its own", checked.stdout + checked.stderr)
                    reload = self.mta.cli("reload")
                    self.assertEqual(78, reload.returncode, reload.stdout + reload.stderr)
                    self.assertEqual(before, owners(self.spool))
            self.mail_passes(f"y{number}@our.test")
        self.mta.reconfigure({name: None for name in TABLES})
        self.assertEqual(0, self.mta.cli("reload").returncode)
        self.mail_passes("z@our.test")

    def test_a_first_start_is_refused(self):
        self.mta.reconfigure(self.with_folder("dmarc_reports", self.spool))
        self.mta.launch()
        self.assertEqual(78, self.mta.wait_exit())
        self.assertFalse(os.path.exists(self.spool))

    @unittest.skipUnless(os.geteuid() == 0, "only root gives folders away")
    def test_a_folder_with_files_of_others_is_not_given_away(self):
        self.mta.start()
        other = str(self.mta.folder / "other")
        for what, owner, file_owner in (("the queue's", os.stat(self.spool).st_uid, None), ("root's with a file", 0, 0)):
            with self.subTest(what):
                os.mkdir(other, 0o700)
                if file_owner is not None:
                    self.mta.folder.file("other/queue.db", "x")
                os.chown(other, owner, owner)
                before = owners(other)
                seen = len(self.mta.log)
                self.mta.reconfigure(self.with_folder("dmarc_reports", other))
                self.assertEqual(0, self.mta.cli("reload").returncode)
                wait_until(lambda: self.mta.has_event("no_dmarc_reports", seen), 20, "a clear line")
                self.assertIn("is not given to another", self.mta.events("no_dmarc_reports")[-1]["error"])
                self.assertEqual(before, owners(other))
                self.assertEqual([], self.mta.pids_of("reporter"))
                self.mail_passes(f"{owner}@our.test")
                shutil.rmtree(other)

    @unittest.skipUnless(os.geteuid() == 0, "only root mounts and gives folders away")
    def test_a_second_name_of_the_spool_that_no_path_shows(self):
        self.mta.start()
        other = str(self.mta.folder / "other")
        os.mkdir(other, 0o700)
        if subprocess.run(["mount", "--bind", self.spool, other], capture_output=True).returncode != 0:
            self.skipTest("no right to mount")
        try:
            before = owners(self.spool)
            seen = len(self.mta.log)
            self.mta.reconfigure(self.with_folder("tls_reports", other))
            self.assertEqual(0, self.mta.cli("reload").returncode)
            wait_until(lambda: self.mta.has_event("no_tls_reports", seen), 20, "a clear line")
            self.assertEqual(before, owners(self.spool))
            self.mail_passes("m@our.test")
        finally:
            subprocess.run(["umount", other], check=True)

    @unittest.skipUnless(os.geteuid() == 0, "only root gives folders away")
    def test_an_empty_folder_and_one_of_its_own_are_taken(self):
        other = str(self.mta.folder / "other")
        os.mkdir(other, 0o755)
        self.mta.reconfigure(self.with_folder("dmarc_reports", other))
        self.mta.start()
        owner = os.stat(other).st_uid
        self.assertNotIn(owner, (0, os.stat(self.spool).st_uid))
        self.mta.folder.file("other/of-root", "x")
        self.mta.stop()
        self.mta.start()
        self.assertEqual(owner, os.stat(other).st_uid)
        self.assertEqual(1, len(self.mta.pids_of("reporter")))


if __name__ == "__main__":
    main()
