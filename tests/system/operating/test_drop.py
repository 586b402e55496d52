"""sendmail while Postwain does not run: the drop folder, and what users may put there."""

import os
import pathlib
import stat
import subprocess
import time
import unittest

from postwain_harness import BIN, PostwainTestCase, main
from resources import wait_until
from smtp_sink import SmtpSink

EX_DATAERR, EX_CANTCREAT, EX_TEMPFAIL = 65, 73, 75
ROOT = os.geteuid() == 0
LETTER = b"Subject: later\nTo: bob@example.test\n\nhello\n"
NAME = "0123456789abcdef0123456789abcdef"


class Drop(PostwainTestCase):
    def begin(self, changes=None):
        """An instance that has run once, so that its folders are there, and does not run now."""
        self.sink = self.closing(SmtpSink())
        self.mta = self.start({"route": [{"match": "*", "deliver": self.sink.target}], **(changes or {})})
        os.chmod(self.mta.folder / "", 0o755)
        os.chmod(self.mta.config_path, 0o644)
        self.mta.stop()
        self.drop = pathlib.Path(str(self.mta.folder / "spool-drop"))

    def leave(self, *words, content=LETTER, code=0):
        done = self.mta.sendmail(*words, content=content)
        self.assertEqual(code, done.returncode, done.stderr)
        return done

    def restart(self):
        self.mta.start()
        return self.mta

    def files(self):
        return sorted(entry.name for entry in self.drop.iterdir())

    def picked_up(self, count=1):
        wait_until(lambda: len(self.mta.events("picked_up")) >= count, 20, lambda: self.mta.tail())

    def test_mail_waits_and_arrives_once(self):
        self.begin()
        self.leave("-f", "anna@sender.test", "bob@example.test")
        self.leave("-t", "-N", "never", "-V", "order7")
        self.assertEqual(2, len(self.files()))
        self.assertEqual(0o1733, stat.S_IMODE(self.drop.stat().st_mode))
        self.restart()
        self.picked_up(2)
        wait_until(lambda: len(self.sink.delivered("bob@example.test")) == 2, 20, "both messages")
        self.assertEqual([], self.files())
        self.mta.wait_queue_empty()
        first = [m for m in self.sink.delivered("bob@example.test") if m.sender == "anna@sender.test"]
        self.assertEqual(1, len(first))
        content = first[0].content.decode()
        for field in ["Received:", "Date:", "Message-ID:", "From:", "Subject: later\r\n"]:
            self.assertIn(field, content)
        event = self.mta.events("picked_up")[0]
        self.assertIn(event["id"], self.mta.cli("trace", event["id"]).stdout)

    def test_content_is_as_it_was(self):
        self.begin()
        body = b"8-bit \xc3\xbc\n.\n..dots\n" + b"x" * 200_000 + b"\nlast line without an end"
        self.leave("-i", "bob@example.test", content=b"Subject: s\n\n" + body)
        self.restart()
        self.picked_up()
        arrived = wait_until(lambda: self.sink.delivered("bob@example.test"), 20, "the message")[0]
        self.assertTrue(arrived.content.endswith(body.replace(b"\n", b"\r\n") + b"\r\n"))

    def test_mistakes_are_told_at_once(self):
        self.begin({"limits": {"message_size": "10KiB"}})
        self.leave("not an address@@", code=EX_DATAERR)
        self.leave("bob@example.test", content=b"Subject: s\n\n" + b"x" * 20_000, code=EX_DATAERR)
        self.assertEqual([], self.files())

    def test_no_folder_is_a_temporary_failure(self):
        self.begin()
        self.drop.rmdir()
        done = self.leave("bob@example.test", code=EX_TEMPFAIL)
        self.assertIn(b"not running", done.stderr)
        self.mta.reconfigure({"drop_dir": "off"})
        self.leave("bob@example.test", code=EX_TEMPFAIL)
        self.restart()
        self.assertNotIn("pickup", self.mta.pids())
        self.assertFalse(self.drop.exists())

    @unittest.skipUnless(ROOT, "only root becomes other users")
    def test_an_ordinary_user(self):
        self.begin()
        if subprocess.run(["setpriv", "--reuid=4242", "--regid=4242", "--clear-groups", os.path.join(BIN, "postwain"),
                           "version"], capture_output=True, check=False).returncode != 0:
            self.skipTest("the binaries lie below a folder that is closed to others")
        os.umask(0o077)
        self.addCleanup(os.umask, 0o022)
        user = ["setpriv", "--reuid=4242", "--regid=4242", "--clear-groups"]
        done = subprocess.run([*user, os.path.join(BIN, "postwain"), "sendmail", "--config", self.mta.config_path,
                               "bob@example.test"], input=LETTER, capture_output=True, timeout=60, check=False)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(4242, (self.drop / self.files()[0]).stat().st_uid)
        listed = subprocess.run([*user, "ls", str(self.drop)], capture_output=True, check=False)
        self.assertNotEqual(0, listed.returncode)
        stranger = [word.replace("4242", "4343") for word in user]
        name = str(self.drop / self.files()[0])
        for attempt in [["rm", "-f", name], ["mv", name, name + ".x"], ["sh", "-c", f"echo >> {name}"]]:
            self.assertNotEqual(0, subprocess.run([*stranger, *attempt], capture_output=True, check=False).returncode)
        os.umask(0o022)
        self.restart()
        self.picked_up()
        self.assertEqual("4242", self.mta.events("picked_up")[0]["uid"])
        self.sink.wait_delivered("bob@example.test")

    @unittest.skipUnless(ROOT, "only root becomes other users")
    def test_no_right_to_make_it_is_a_warning_unless_it_was_asked_for(self):
        mta = self.prepare()
        user = ["setpriv", "--reuid=4242", "--regid=4242", "--clear-groups"]
        if subprocess.run([*user, os.path.join(BIN, "postwain"), "version"],
                          capture_output=True, check=False).returncode != 0:
            self.skipTest("the binaries lie below a folder that is closed to others")
        os.chmod(mta.folder / "", 0o755)
        for name in ["spool", "run"]:
            os.mkdir(mta.folder / name)
            os.chown(mta.folder / name, 4242, 4242)
        mta.wrapper = user
        mta.start()
        self.assertIn("spool-drop: Permission denied", mta.tail())
        self.assertNotIn("pickup", mta.pids())
        self.assertEqual(0, mta.cli("reload").returncode)
        mta.stop()
        mta.reconfigure({"drop_dir": mta.folder / "elsewhere"})
        mta.launch()
        self.assertEqual(EX_CANTCREAT, mta.wait_exit())

    def put(self, name, content):
        path = self.drop / name
        path.write_bytes(content)
        path.chmod(0o644)
        return path

    def good_file(self):
        """A whole drop file, as sendmail writes it, taken out of the folder."""
        self.leave("bob@example.test")
        path = self.drop / self.files()[0]
        content = path.read_bytes()
        path.unlink()
        return content

    def test_s10_two_files_with_one_id(self):
        """Two programs chose the same one: both letters arrive, and each once."""
        self.begin()
        good = self.good_file()
        users = [f"user{number}@example.test" for number in range(5)]
        for number, user in enumerate(users):
            # What is equal but for the recipient counts as the same letter, submitted twice.
            self.put(f"{number + 1:032x}", good.replace(b"bob@example.test", user.encode()) + b"x" * number)
        self.restart()
        for user in users:
            self.sink.wait_delivered(user)
        wait_until(lambda: not self.files(), 20, self.files)
        self.assertEqual([1] * 5, [len(self.sink.delivered(user)) for user in users])

    def test_what_an_attacker_leaves(self):
        self.begin()
        good = self.good_file()
        names = iter(f"{number:032x}" for number in range(100))
        secret = pathlib.Path(str(self.mta.folder / "secret"))
        secret.write_bytes(good)
        links = [next(names) for _ in range(4)]
        os.symlink(secret, self.drop / links[0])
        os.symlink("/etc/passwd", self.drop / links[1])
        os.mkfifo(self.drop / links[2])
        (self.drop / links[3]).mkdir()
        hard = next(names)
        os.link(secret, self.drop / hard)
        head, _, body = good.partition(b"\n\n")
        bad = [b"", b"garbage", b"\0" * 100_000, head, head.replace(b"drop 1", b"drop 9") + b"\n\n" + body,
               head + b"\nrecipient 0 evil\n\n", head.replace(b"bob@example.test", b"bob@@") + b"\n\n" + body,
               b"postwain-drop 1\n" + b"recipient 0 a@b.example\n" * 300_000]
        bad_names = [next(names) for _ in bad]
        for name, content in zip(bad_names, bad):
            self.put(name, content)
        self.put("odd name\n", b"x")
        self.put(NAME, good.replace(b"bob@example.test", b"last@example.test"))
        self.restart()
        wait_until(lambda: self.sink.delivered("last@example.test"), 20, lambda: self.mta.tail())
        wait_until(lambda: len(self.mta.events("drop_refused")) >= len(bad) + 5, 20, lambda: self.mta.tail())
        self.assertEqual([], self.sink.delivered("bob@example.test"))
        self.assertEqual(good, secret.read_bytes())
        self.assertEqual(1, len(self.mta.pids_of("pickup")))
        left = self.files()
        for name in bad_names:
            self.assertIn(name + ".refused", left)
        for name in [*links, hard]:
            self.assertNotIn(name, left)
        seen = len(self.mta.events("drop_refused"))
        self.leave("after@example.test")  # nothing is refused twice, and mail goes on
        self.sink.wait_delivered("after@example.test")
        self.assertEqual(seen, len(self.mta.events("drop_refused")))
        self.assertFalse([event for event in self.mta.events("child_exit") if event["process"] == "pickup" and event["level"] != "info"])

    def test_s10_rubbish_does_not_hide_mail(self):
        self.begin()
        good = self.good_file()
        for number in range(300):
            os.makedirs(self.drop / f"{number:032x}" / "x")
        self.put("f" * 32, good.replace(b"bob@", b"last@"))
        self.restart()
        self.picked_up()
        self.sink.wait_delivered("last@example.test")
        wait_until(lambda: not [name for name in self.files() if not name.endswith(".refused")], 60,
                   lambda: f"{self.files()[:5]}")
        self.assertLessEqual(len(self.mta.events("drop_refused")), 25)

    def test_s10_what_is_refused_for_now_holds_up_nobody(self):
        self.begin({"auth": {"message_rate": "1/h", "over_rate": "refuse"},
                    "queue": {"retry": ["1h"], "jitter": 0}})
        good = self.good_file()
        for number in range(5):
            self.put(f"{number:032x}", good.replace(b"account ", b"account boss%d" % number))
        self.restart()
        # All are of one owner, whatever account they name, so his rate holds for all; and none ends the
        # look for the others.
        self.picked_up()
        wait_until(lambda: len(self.mta.events("account_over_rate")) >= 1, 20, lambda: self.mta.tail())
        time.sleep(1)
        self.assertEqual(1, len(self.mta.events("picked_up")))
        self.assertEqual(4, len(self.files()))
        self.assertEqual(1, len({event["account"] for event in self.mta.events("account_over_rate")}))

    def test_a_second_try_is_stored_once(self):
        """As after a crash between the commit and the removal of the file."""
        self.begin({"queue": {"retry": ["1h"], "jitter": 0}})
        self.sink.stop()
        good = self.good_file()
        self.put(NAME, good)
        self.restart()
        self.picked_up()
        self.put(NAME, good)
        self.picked_up(2)
        self.assertEqual(1, len(self.mta.queue()))

    def test_a_second_try_that_is_refused_leaves_the_first_its_content(self):
        """Its file was removed with the one refused, which is the same."""
        self.begin({"queue": {"retry": ["1h"], "jitter": 0},
                    "auth": {"message_rate": "1/h", "over_rate": "refuse"}})
        self.sink.stop()
        self.leave("bob@example.test", content=b"Subject: s\n\n" + b"x" * 200_000)
        good = (self.drop / self.files()[0]).read_bytes()
        self.restart()
        self.picked_up()
        content = pathlib.Path(str(self.mta.folder / "spool/content"))
        before = [(path.name, path.stat().st_size) for path in content.iterdir()]
        self.assertEqual(1, len(before))
        self.put(NAME, good)
        wait_until(lambda: self.mta.has_event("account_over_rate"), 20, lambda: self.mta.tail())
        self.assertEqual(1, len(self.mta.queue()))
        time.sleep(1)  # the removal would come a moment later
        self.assertEqual(before, [(path.name, path.stat().st_size) for path in content.iterdir()])

    def test_many_files_and_a_restart_in_between(self):
        self.begin()
        good = self.good_file()
        ident = good.split(b"\nid ")[1][:13]
        for number in range(250):
            name = f"{number:032x}"
            fresh = ident[:-4] + b"%04d" % number
            self.put(name, good.replace(ident, fresh).replace(b"bob@", b"u%d@" % number))
        self.restart()
        self.picked_up(50)
        self.mta.kill_all()
        self.restart()
        wait_until(lambda: not self.files(), 30, lambda: f"{self.files()[:5]}")
        for number in range(250):
            self.sink.wait_delivered(f"u{number}@example.test")


if __name__ == "__main__":
    main()
