"""Large mail: the file in the spool holds the body only, and everybody gets the octets that came in.

Whatever reads content is asked for it: next hops with DATA and with BDAT, a bounce, an export, a recovery, and a
queue manager that was killed in between. (The parts of a list with an owner: receiving/test_addresses.py.)
"""

import os
import pathlib
import signal
import sqlite3

from postwain_harness import PostwainTestCase, kill_and_wait, main
from mail_content import Dsn, message, without_received
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

EXTENSIONS = ("PIPELINING", "8BITMIME", "DSN", "SMTPUTF8")
BODY = b"".join(b".%d dots and \xc3\xbc\r\n" % n for n in range(12_000))
LATER = {"queue": {"retry": ["1h"], "jitter": 0}}
AGAIN_SOON = {"queue": {"retry": ["1s"], "jitter": 0}}


class HeaderApart(PostwainTestCase):
    def begin(self, changes=None, script=None):
        self.data = self.closing(SmtpSink(extensions=EXTENSIONS, script=script))
        self.bdat = self.closing(SmtpSink(extensions=EXTENSIONS + ("CHUNKING",), script=script))
        routes = [{"match": "data.test", "deliver": self.data.target},
                  {"match": "bdat.test", "deliver": self.bdat.target}]
        self.mta = self.start({"route": routes, **(changes or {})})
        self.spool = pathlib.Path(str(self.mta.folder / "spool"))

    def send(self, recipients, content, chunks=0):
        with SmtpClient(self.mta.port) as client:
            self.assertEqual(250, client.command("MAIL FROM:<alice@data.test> BODY=8BITMIME RET=HDRS")[0])
            for one in recipients:
                self.assertEqual(250, client.command(f"RCPT TO:<{one}>")[0])
            if chunks:
                step = len(content) // chunks + 1
                for at in range(0, len(content), step):
                    last = " LAST" if at + step >= len(content) else ""
                    client.send(b"BDAT %d%s\r\n" % (len(content[at:at + step]), last.encode()) + content[at:at + step])
                    code, text = client.reply()
                    self.assertEqual(250, code, text)
            else:
                code, text = client.data(content)
                self.assertEqual(250, code, text)
        return text.rsplit(" ", 1)[1]

    def file_of(self, identity, spool=None):
        return ((spool or self.spool) / "content" / identity).read_bytes()

    def put_off(self, count=1):
        wait_until(lambda: sum(r["attempts"] > 0 for r in self.mta.unsettled().values()) >= count, 20, "attempts")

    def check_arrival(self, address, content):
        one, = self.mta_sink(address).wait_delivered(address)
        self.assertEqual(content, without_received(one.content))

    def mta_sink(self, address):
        return self.bdat if address.endswith("@bdat.test") else self.data

    def test_same_octets_by_every_way_after_a_kill(self):
        self.begin(AGAIN_SOON, {"rcpt": ["451 4.2.0 not now"]})
        content = message("large \u00fc", BODY)
        identity = self.send(["a@data.test", "a@bdat.test"], content)
        self.assertEqual(BODY, self.file_of(identity))
        shown, = self.mta.queue(identity)
        kill_and_wait(self.mta.pids_of("qmgr")[0], signal.SIGKILL)
        for address in ("a@data.test", "a@bdat.test"):
            self.check_arrival(address, content)
        self.assertEqual(shown["size"], len(self.data.messages[-1].content))
        self.mta.wait_queue_empty()
        wait_until(lambda: not os.listdir(self.spool / "content"), 20, "the file to go")

    def test_content_that_came_by_bdat(self):
        self.begin()
        for chunks in (1, 7):
            content = message(f"{chunks} chunks", BODY)
            address = f"c{chunks}@bdat.test"
            self.send([address, address.replace("bdat", "data")], content, chunks)
            self.check_arrival(address, content)
            self.check_arrival(address.replace("bdat", "data"), content)

    def test_odd_header_sections(self):
        """Without an empty line, without a field, without a body, and nearly too large to lie apart."""
        fields = b"Subject: x\r\n"
        large = fields + (b"X: " + b"y" * 900 + b"\r\n") * 100
        for content, in_file in ((fields + BODY, BODY), (BODY, BODY), (large, b""), (large + b"\r\n", b""),
                                 (large * 10 + b"\r\n" + BODY, BODY)):
            with self.subTest(content=content[:20], size=len(content)):
                self.begin(AGAIN_SOON, {"rcpt": ["451 4.2.0 not now"]})
                identity = self.send(["a@data.test"], content)
                self.assertEqual(in_file, self.file_of(identity))
                self.check_arrival("a@data.test", content if content != BODY else b"\r\n" + BODY)

    def test_too_large_a_header_section_stays_with_its_body(self):
        self.begin(AGAIN_SOON, {"rcpt": ["451 4.2.0 not now"]})
        line = b"X: " + b"y" * 123 + b"\r\n"
        header = line * ((1 << 20) // len(line))  # 1 MiB: with our Received field it is beyond that
        content = header + b"\r\n" + BODY
        identity = self.send(["a@data.test"], content)
        self.assertEqual(content, without_received(self.file_of(identity)))
        self.check_arrival("a@data.test", content)

    def test_mail_of_this_machine(self):
        self.begin(AGAIN_SOON, {"rcpt": ["451 4.2.0 not now"]})
        content = message("local", BODY)
        self.assertEqual(0, self.mta.sendmail("-f", "alice@data.test", "a@data.test", content=content).returncode)
        name, = os.listdir(self.spool / "content")
        self.assertEqual(BODY, self.file_of(name))
        self.check_arrival("a@data.test", content)

    def test_export_and_recovery(self):
        self.begin(LATER, {"rcpt": "451 4.2.0 not now"})
        content = message("large", BODY)
        identity = self.send(["a@data.test"], content)
        self.put_off()
        exported = pathlib.Path(str(self.mta.folder / "exported"))
        self.assertEqual(0, self.mta.cli("queue", "export", str(exported), "--all").returncode)
        self.assertEqual(content, without_received((exported / f"{identity}.eml").read_bytes()))
        self.mta.stop()
        recovered = pathlib.Path(str(self.mta.folder / "recovered"))
        done = self.mta.cli("queue", "recover", str(recovered))
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertEqual(BODY, self.file_of(identity, recovered))
        with sqlite3.connect(recovered / "queue.db") as db:
            header, = db.execute("SELECT data FROM content").fetchone()
        db.close()
        self.assertEqual(content, without_received(header + BODY))

    def test_a_queue_of_an_older_program(self):
        """Of schema 8, with all of the content in the file: it is taken over, delivered and removed."""
        self.begin(LATER, {"rcpt": ["451 4.2.0 not now"]})
        content = message("old", BODY)
        identity = self.send(["a@data.test"], content)
        self.put_off()
        self.mta.stop()
        with sqlite3.connect(self.spool / "queue.db") as db:
            header, = db.execute("SELECT data FROM content").fetchone()
            for statement in ("DELETE FROM content", "ALTER TABLE message DROP COLUMN sign",
                              "ALTER TABLE message DROP COLUMN header_size",
                              "UPDATE schema_info SET oldest_compatible = 7", "PRAGMA user_version = 8"):
                db.execute(statement)
        db.close()
        (self.spool / "content" / identity).write_bytes(header + BODY)
        self.mta.start()
        self.assertEqual(0, self.mta.cli("queue", "retry", "--all").returncode)
        self.check_arrival("a@data.test", content)
        self.mta.wait_queue_empty()
        wait_until(lambda: not os.listdir(self.spool / "content"), 20, "the file to go")

    def test_a_bounce_quotes_the_header_section(self):
        self.begin(script={"rcpt": {"no@bdat.test": "550 5.1.1 no such user"}})
        content = message("quoted", BODY)
        self.send(["no@bdat.test"], content)
        one, = self.data.wait_delivered("alice@data.test")
        self.assertIn("Subject: quoted", Dsn(one.content).returned.as_string())


if __name__ == "__main__":
    main()
