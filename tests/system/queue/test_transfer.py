"""queue export and import: mail moves from one queue to another and nothing of it is lost."""

import json
import os
import pathlib
import pty
import select
import subprocess
import unittest

from postwain_harness import BIN, PostwainTestCase, main
from mail_content import message
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_CANTCREAT = 64, 65, 66, 73


class Transfer(PostwainTestCase):
    def begin(self):
        """One instance whose next hop takes nothing, and one whose next hop takes all."""
        self.closed = self.closing(SmtpSink(script={"rcpt": "451 4.2.0 not now"}))
        self.open = self.closing(SmtpSink(extensions=["8BITMIME", "SMTPUTF8", "DSN", "PIPELINING"]))
        later = {"retry": ["1h"], "jitter": 0}
        self.one = self.start({"route": [{"match": "*", "deliver": self.closed.target}], "queue": later})
        self.two = self.start({"route": [{"match": "*", "deliver": self.open.target}], "queue": later})
        self.folder = pathlib.Path(str(self.one.folder / "exported"))

    def send(self, mail_from, recipients, content):
        with SmtpClient(self.one.port) as client:
            client.command("EHLO client.test")
            self.assertEqual(250, client.command(f"MAIL FROM:{mail_from}")[0])
            for recipient in recipients:
                self.assertEqual(250, client.command(f"RCPT TO:{recipient}")[0])
            code, text = client.data(content)
            self.assertEqual(250, code, text)
        return text.rsplit(" ", 1)[1]

    def tried(self, count):
        wait_until(lambda: sum(r["attempts"] > 0 for r in self.one.unsettled().values()) >= count, 20, "attempts")

    def command(self, mta, *words, code=0):
        done = mta.cli("queue", *words)
        self.assertEqual(code, done.returncode, done.stdout + done.stderr)
        return done

    def test_everything_survives(self):
        self.begin()
        large = message("large", b"".join(b"line %d of a large message \xc3\xbc\r\n" % n for n in range(30_000)))
        ids = [
            self.send("<anna@sender.test> RET=HDRS ENVID=order+2B7 BODY=8BITMIME",
                      ["<bob@a.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;old+40c.test", "<eve@a.test> NOTIFY=NEVER"],
                      message("one")),
            self.send("<> SMTPUTF8 BODY=8BITMIME", ["<gr\u00fcn@b\u00fccher.test>"], message("two")),
            self.send("<anna@sender.test> BODY=8BITMIME", ['<"odd one"@a.test>', "<late@b.test>"], large),
        ]
        self.tried(5)
        shown = {i: json.loads(self.one.cli("queue", "show", i, "--json").stdout) for i in ids}
        self.command(self.one, "export", str(self.folder), "--all", "--remove")
        self.assertEqual([], self.one.queue())
        self.assertEqual(sorted([f"{i}.json" for i in ids] + [f"{i}.eml" for i in ids]),
                         sorted(p.name for p in self.folder.iterdir()))
        self.command(self.two, "import", str(self.folder), "--dry-run")
        self.assertEqual([], self.two.queue())
        done = self.command(self.two, "import", str(self.folder), "--hold")
        self.assertIn("3 messages imported", done.stdout)
        self.command(self.two, "import", str(self.folder), "--hold")  # once more changes nothing
        arrived = {m["id"]: m for m in self.two.queue()}
        self.assertEqual(set(ids), set(arrived))
        for i in ids:
            now = json.loads(self.two.cli("queue", "show", i, "--json").stdout)
            for key in ["sender", "size", "received_at", "received_ms", "protocol", "client_address", "client_name",
                        "account", "body", "eight_bit", "smtputf8", "require_tls", "tls_required_no", "ret", "envid",
                        "sign", "kind"]:
                self.assertEqual(shown[i][key], now[key], key)
            for key in ["address", "notify", "orcpt"]:
                self.assertEqual([r[key] for r in shown[i]["recipients"]], [r[key] for r in now["recipients"]], key)
        self.command(self.two, "release", "--all")
        for to in ["bob@a.test", "eve@a.test", "gr\u00fcn@b\u00fccher.test", '"odd one"@a.test', "late@b.test"]:
            self.open.wait_delivered(to)
        self.two.wait_queue_empty()
        self.assertTrue(self.open.delivered("late@b.test")[0].content.endswith(large[-100_000:]))

    def test_states_and_filters(self):
        self.begin()
        first = self.send("<anna@sender.test>", ["<bob@a.test>", "<held@a.test>"], message())
        second = self.send("<anna@sender.test>", ["<other@b.test>"], message())
        self.tried(3)
        self.command(self.one, "hold", "--recipient", "held@a.test")
        self.command(self.one, "export", str(self.folder), "--domain", "a.test")
        self.assertEqual([f"{first}.eml", f"{first}.json"], sorted(p.name for p in self.folder.iterdir()))
        self.assertEqual({first, second}, {m["id"] for m in self.one.queue()})
        self.command(self.two, "import", str(self.folder))
        self.open.wait_delivered("bob@a.test")
        wait_until(lambda: list(self.two.unsettled()) == ["held@a.test"], 20, lambda: str(self.two.queue()))
        self.assertEqual("held", self.two.unsettled()["held@a.test"]["state"])
        self.assertEqual([], self.open.delivered("held@a.test"))

    def test_aliases_mean_nothing_to_what_was_queued(self):
        self.begin()
        self.send("<anna@sender.test>", ["<bob@a.test>"], message())
        self.tried(1)
        self.command(self.one, "export", str(self.folder), "--all")
        pathlib.Path(str(self.two.folder / "virtual")).write_text("bob@a.test someone@else.test\n")
        self.two.reconfigure({"addresses": {"virtual": [str(self.two.folder / "virtual")]}})
        self.assertEqual(0, self.two.cli("reload").returncode)
        self.command(self.two, "import", str(self.folder))
        self.open.wait_delivered("bob@a.test")

    def test_bad_files_are_named_and_left_out(self):
        self.begin()
        good = self.send("<anna@sender.test>", ["<bob@a.test>"], message())
        self.tried(1)
        self.command(self.one, "export", str(self.folder), "--all")
        text = (self.folder / f"{good}.json").read_text()
        content = (self.folder / f"{good}.eml").read_bytes()

        def put(name, envelope, body=content):
            (self.folder / f"{name}.json").write_text(envelope)
            if body is not None:
                (self.folder / f"{name}.eml").write_bytes(body)

        put("a", "garbage")
        put("b", text.replace("postwain-message 1", "postwain-message 9"))
        put("c", text.replace("bob@a.test", "bob@@a.test"))
        put("d", text.replace('"kind": 0', '"kind": 9'))
        put("e", text, content + b"more")
        put("f", text, None)
        put("g", text.replace("anna@sender.test", "anna@sender.test\\nRCPT"))
        put("h", text.replace('"notify": ""', '"notify": "SOMETIMES"'))
        done = self.command(self.two, "import", str(self.folder), code=EX_DATAERR)
        for name in "abcdefgh":
            self.assertIn(f"/{name}.", done.stderr)
        self.assertIn("1 message imported, 8 files not understood", done.stdout)
        self.open.wait_delivered("bob@a.test")

    def test_s13_import_follows_nothing_that_others_have_put_there(self):
        """Whoever owns the folder (qmgr's user, who may have been taken over) put links there."""
        self.begin()
        for number in range(5):
            self.send("<anna@sender.test>", [f"<u{number}@a.test>"], message())
        self.tried(5)
        self.command(self.one, "export", str(self.folder), "--all")
        os.chmod(self.folder, 0o755)
        contents = sorted(self.folder.glob("*.eml"))
        secret = pathlib.Path(str(self.one.folder / "secret"))
        secret.write_bytes(b"root's own word".ljust(contents[0].stat().st_size, b"."))
        contents[0].unlink()
        contents[0].symlink_to(secret)
        contents[1].unlink()
        os.mkfifo(contents[1])
        envelope = contents[2].with_suffix(".json")
        moved = pathlib.Path(str(self.one.folder / "moved.json"))
        moved.write_bytes(envelope.read_bytes())
        envelope.unlink()
        envelope.symlink_to(moved)
        wrong = contents[:3]
        if os.geteuid() == 0:
            os.chown(self.folder, 4242, 4242)
            contents[3].unlink()
            os.link(secret, contents[3])
            wrong = contents[:4]
        done = self.command(self.two, "import", str(self.folder), code=EX_DATAERR)
        for path in wrong:
            self.assertIn(path.stem, done.stderr)
        self.assertIn(f"{len(wrong)} files not understood", done.stdout)
        self.two.wait_queue_empty()
        for sent in [f"u{number}@a.test" for number in range(5)]:
            for content in self.open.delivered(sent):
                self.assertNotIn(b"root's own word", content.content)

    def test_wrong_use(self):
        self.begin()
        self.command(self.one, "export", str(self.folder), code=EX_USAGE)
        self.folder.mkdir()
        self.command(self.one, "export", str(self.folder), "--all", code=EX_CANTCREAT)
        self.command(self.one, "import", str(self.folder / "nothing"), code=EX_NOINPUT)
        self.command(self.one, "import", str(self.folder))

    @unittest.skipUnless(os.geteuid() == 0, "only root becomes other users")
    def test_only_operators_may(self):
        self.begin()
        self.send("<anna@sender.test>", ["<bob@a.test>"], message())
        self.tried(1)
        self.command(self.one, "export", str(self.folder), "--all")
        os.chmod(self.folder, 0o755)
        for path in self.folder.iterdir():
            path.chmod(0o644)
        os.chmod(self.two.folder / "", 0o755)
        os.chmod(self.one.folder / "", 0o755)
        os.chmod(self.two.config_path, 0o644)
        user = ["setpriv", "--reuid=4242", "--regid=4242", "--clear-groups", os.path.join(BIN, "postwain")]
        if subprocess.run([*user, "version"], capture_output=True, check=False).returncode != 0:
            self.skipTest("the binaries lie below a folder that is closed to others")
        done = subprocess.run([*user, "queue", "import", str(self.folder), "--config", self.two.config_path],
                              capture_output=True, text=True, check=False, timeout=60)
        self.assertNotEqual(0, done.returncode)
        self.assertEqual([], self.two.queue())

    def test_progress_only_on_a_terminal(self):
        self.begin()
        for number in range(40):
            self.send("<anna@sender.test>", [f"<u{number}@a.test>"], message())
        done = self.command(self.one, "export", str(self.folder), "--all")
        self.assertEqual("", done.stderr)
        # As a person sees it: many files, so that it takes a moment.
        text = next(self.folder.glob("*.json")).read_text()
        ident = json.loads(text)["id"]
        content = (self.folder / f"{ident}.eml").read_bytes()
        many = pathlib.Path(str(self.one.folder / "many"))
        many.mkdir()
        for number in range(3000):
            name = ident[:8] + f"{number:05d}"
            (many / f"{name}.json").write_text(text.replace(ident, name))
            (many / f"{name}.eml").write_bytes(content)
        ours, theirs = pty.openpty()
        process = subprocess.Popen([os.path.join(BIN, "postwain"), "queue", "import", str(many), "--config",
                                    self.two.config_path], stdin=theirs, stdout=subprocess.DEVNULL, stderr=theirs)
        os.close(theirs)
        seen = b""
        while process.poll() is None or select.select([ours], [], [], 0)[0]:
            if not select.select([ours], [], [], 0.1)[0]:
                continue
            try:
                seen += os.read(ours, 65536)
            except OSError:
                break
        os.close(ours)
        self.assertEqual(0, process.wait(120), seen)
        self.assertRegex(seen, rb"\rimported \d+ of 3000 \(\d+ %\)")
        self.assertTrue(seen.endswith(b"\r\x1b[K"), seen[-40:])


if __name__ == "__main__":
    main()
