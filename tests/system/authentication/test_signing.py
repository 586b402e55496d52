"""Mail of ours is signed as it leaves, and foreign verifiers find it right; a stranger's never is, and nothing
leaves unsigned because the signer is away."""

import concurrent.futures
import email
import json
import os
import re
import signal
import time

import dkim

from auth_client import login
from dkim_programs import DOMAIN, SELECTOR, DkimPy, Key, MailDkim, OpenDkimAlone
from mail_content import is_report, message
from postwain_harness import PostwainTestCase, main
from mail_session import EXTENSIONS
from resources import Folder, reserve_port, wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

STRANGER = "127.0.0.66"
TO = "bob@far.test"
KINDS = ("rsa", "ed25519")
LINE = b"a line of text, as they are\r\n"

BODIES = {
    "empty": b"",
    "line end": b"\r\n",
    "no final line end": b"one\r\ntwo",
    "blank lines only": b"\r\n\r\n \r\n\t\r\n\r\n",
    "dots": b".\r\n..\r\n.x\r\n.\r\n",
    "8-bit": "Gr\u00fc\u00dfe\r\n\r\n".encode() + bytes(range(0xA0, 0x100)) + b"\r\n",
    "long lines": b"x" * 5000 + b"\r\n" + b"y z " * 700 + b"\r\n",
    "64 KiB with its header": LINE * 2250,
    "a little more": LINE * 2300,
    "in a file": LINE * 10_000 + "\u00e4".encode() + b"\r\n",
    "in a file, one long line": LINE * 10_000 + b"z" * 3000,
    "5 MiB": LINE * 180_000,
}
BASE64 = b"AAECAwQFBgcICQoLDA0ODw==\r\n" * 100
PARTS = (b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b 1\"\r\n\r\npreamble\r\n--b 1\r\n"
         b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa4 \r\n--b 1\r\n"
         b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n" + BASE64 +
         b"--b 1--\r\nepilogue\r\n")


class Signed(PostwainTestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Folder()
        cls.keys = {kind: Key(cls.folder, kind) for kind in KINDS}

    @classmethod
    def tearDownClass(cls):
        cls.folder.remove()

    def tables(self, *kinds, domain=DOMAIN, **more):
        return [{"domain": domain, "selector": f"{kind}.{SELECTOR}", "key": self.keys[kind].path, **more}
                for kind in kinds]

    def begin(self, keys=None, routes=None, extensions=EXTENSIONS, **more):
        self.records = {f"{kind}.{SELECTOR}._domainkey.{domain}": key.record
                        for kind, key in self.keys.items() for domain in (DOMAIN, "mx.postwain.test")}
        self.sink = self.closing(SmtpSink(extensions=extensions))
        self.mta = self.start({
            "domain": [{"name": "our.test"}], "dkim_key": self.tables(*KINDS) if keys is None else keys,
            "route": routes or [{"match": "*", "deliver": self.sink.target}], **more})
        return self.mta

    def mail(self, content, source="127.0.0.1", sender=f"ann@{DOMAIN}", to=TO):
        with SmtpClient(self.mta.port, source=source) as client:
            return client.mail(sender, [to], content)

    def letter(self, body="hello\r\n", sender=f"ann@{DOMAIN}", to=TO, fields=b""):
        return fields + message(sender=sender, to=to, body=body)

    def arrived(self, count=1, timeout=30):
        wait_until(lambda: len(self.sink.messages) >= count, timeout, self.mta.tail)
        return self.sink.messages[-1].content

    def text(self, name, timeout=5):
        found = self.records.get(name.decode().rstrip("."))
        return found.encode() if found else None

    def verdicts(self, content):
        """By dkimpy: {"rsa": True, …}, of each signature, from the top."""
        fields = re.findall(rb"^DKIM-Signature:(?:.*\r\n)(?:[ \t].*\r\n)*", content.split(b"\r\n\r\n", 1)[0] + b"\r\n",
                            re.M)
        out = {}
        for place, field in enumerate(fields):
            selector = re.search(rb"s=([a-z0-9.]+);", field)[1].decode()
            try:
                out[selector.split(".")[0]] = dkim.DKIM(content).verify(idx=place, dnsfunc=self.text)
            except dkim.DKIMException as trouble:
                out[selector.split(".")[0]] = str(trouble)
        return out

    def check_signed(self, content, *kinds):
        self.assertEqual({kind: True for kind in kinds or KINDS}, self.verdicts(content), content[:1500])

    def check_unsigned(self, content):
        self.assertNotIn(b"DKIM-Signature", content)


class Verifiers(Signed):
    def test_what_arrives_verifies_by_others(self):
        self.begin()
        others = [self.closing(MailDkim(self.keys["rsa"])), OpenDkimAlone(self.folder, self.keys["rsa"])]
        letters = {name: self.letter(body) for name, body in BODIES.items()}
        letters["parts"] = self.letter(b"")[:-2] + PARTS
        letters["base64"] = self.letter(BASE64, fields=b"Content-Transfer-Encoding: base64\r\n")
        letters["8-bit subject"] = self.letter(fields="Subject: Gr\u00fc\u00dfe\r\n".encode())
        for place, (name, content) in enumerate(letters.items()):
            with self.subTest(name):
                self.assertEqual(250, self.mail(content)[0])
                came = self.arrived(place + 1, 60)
                self.check_signed(came)
                self.assertTrue(came.isascii())
                self.assertTrue(came.startswith(b"DKIM-Signature: v=1; a=rsa-sha256;"))
                for other in others:
                    # Only dkimpy takes a body without final line end as RFC 6376 3.4.3 has it; SMTP gives it one.
                    self.assertTrue(other.verify(came), other)
                    self.assertFalse(other.verify(came.replace(b"Subject: ", b"Subject: x", 1)), other)
        self.assertTrue(all("8BITMIME" not in line for line in self.sink.commands("MAIL")))
        delivered = self.mta.events("delivered")
        names = ",".join(f"{kind}.{SELECTOR}._domainkey.{DOMAIN}" for kind in KINDS)
        self.assertEqual({names}, {event.get("signed") for event in delivered})
        trace = self.mta.cli("trace", delivered[0]["id"]).stdout
        self.assertIn("sign  by " + ", ".join(f"{kind}.{SELECTOR}._domainkey.{DOMAIN} ({kind}-sha256)" for kind in KINDS),
                      trace)
        said = json.loads(self.mta.cli("trace", delivered[0]["id"], "--json").stdout)["recipients"][0]["events"][-1]
        self.assertEqual({"result": "signed", "signatures": [
            {"domain": DOMAIN, "selector": f"{kind}.{SELECTOR}", "algorithm": f"{kind}-sha256"} for kind in KINDS]},
            said["signing"])

    def test_what_goes_by_bdat_verifies(self):
        self.begin(extensions=[*EXTENSIONS, "CHUNKING", "BINARYMIME"])
        names = ("empty", "no final line end", "dots", "8-bit", "long lines", "a little more")
        for place, name in enumerate(names):
            with self.subTest(name):
                self.assertEqual(250, self.mail(self.letter(BODIES[name]))[0])
                self.check_signed(self.arrived(place + 1))
        # A last line without end, and with a blank at its end: verifiers do not agree on such a body.
        content = self.letter(b"a\r\nb ")
        with SmtpClient(self.mta.port) as client:
            client.command(f"MAIL FROM:<ann@{DOMAIN}> BODY=BINARYMIME")
            client.command(f"RCPT TO:<{TO}>")
            client.send(b"BDAT %d LAST\r\n" % len(content) + content)
            self.assertEqual(250, client.reply()[0])
        names += ("no line end by BDAT",)
        came = self.arrived(len(names))
        self.check_signed(came)
        self.assertTrue(came.endswith(b"\r\n"), came[-20:])
        octets = bytes(range(256)) * 500
        for count, body in enumerate((octets[:2000], octets), len(names) + 1):
            content = self.letter(body, fields=b"MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
                                               b"Content-Transfer-Encoding: binary\r\n")
            with self.subTest(len(body)), SmtpClient(self.mta.port) as client:
                client.command(f"MAIL FROM:<ann@{DOMAIN}> BODY=BINARYMIME")
                client.command(f"RCPT TO:<{TO}>")
                client.send(b"BDAT %d LAST\r\n" % len(content) + content)
                self.assertEqual(250, client.reply()[0])
                came = self.arrived(count)
                self.check_signed(came)
                self.assertEqual(body, email.message_from_bytes(came).get_payload(decode=True))
        self.assertTrue(self.sink.commands("BDAT"))
        self.assertFalse([line for line in self.sink.commands("MAIL") if "BINARYMIME" in line])

    def test_fields_of_smtputf8_stay(self):
        self.begin()
        fields = "Subject: Gr\u00fc\u00dfe\r\n".encode()
        with SmtpClient(self.mta.port) as client:
            client.command(f"MAIL FROM:<ann@{DOMAIN}> SMTPUTF8")
            client.command(f"RCPT TO:<{TO}>")
            client.command("DATA")
            client.send(self.letter("\u00e4\r\n".encode(), fields=fields) + b".\r\n")
            self.assertEqual(250, client.reply()[0])
        came = self.arrived()
        self.assertIn(fields, came)
        self.assertIn(b"=C3=A4", came)
        self.assertTrue(OpenDkimAlone(self.folder, self.keys["rsa"]).verify(came))
        self.assertTrue(DkimPy(self.keys["rsa"]).verify(came))

    def test_domains_below_and_their_own_keys(self):
        self.begin(self.tables("rsa") + self.tables("ed25519", domain="sub." + DOMAIN, subdomains=False))
        self.records["ed25519.sel._domainkey.sub." + DOMAIN] = self.keys["ed25519"].record
        for place, (domain, kind) in enumerate(((DOMAIN, "rsa"), ("x." + DOMAIN, "rsa"), ("sub." + DOMAIN, "ed25519"),
                                                ("x.sub." + DOMAIN, "rsa"), ("other.test", None),
                                                ("x" + DOMAIN, None))):
            with self.subTest(domain):
                self.mail(self.letter(sender="ann@" + domain), sender="ann@" + domain)
                came = self.arrived(place + 1)
                self.check_signed(came, kind) if kind else self.check_unsigned(came)

    def test_a_route_changes_fields_before(self):
        self.begin(routes=[{"match": "*", "deliver": self.closing(SmtpSink()).target}])
        self.mta.reconfigure({"route": [{"match": "*", "deliver": self.sink.target, "remove_headers": ["Subject"],
                                         "add_headers": ["Subject: other"]}]})
        self.assertEqual(0, self.mta.cli("reload").returncode)
        self.mail(self.letter())
        came = self.arrived()
        self.check_signed(came)
        self.assertIn(b"\r\nSubject: other\r\n", came)


class Whose(Signed):
    def test_a_stranger_is_not_signed_for(self):
        self.begin()
        self.assertEqual(250, self.mail(self.letter(to="x@our.test"), source=STRANGER, to="x@our.test")[0])
        self.check_unsigned(self.arrived())
        self.assertEqual(250, self.mail(self.letter())[0])
        self.check_signed(self.arrived(2))
        self.assertFalse([e for e in self.mta.events("delivered") if e["to"] == "x@our.test" and "signed" in e])

    def test_an_account_is_wherever_it_comes_from(self):
        port = reserve_port()
        self.begin(auth={"users_file": self.folder.file("users", "ann:{PLAIN}secret\n")},
                   listener=[{"address": f"127.0.0.1:{port}", "auth": True, "auth_without_tls": True}])
        # Also what has been here before: he sends it on.
        letter = self.letter(fields=b"Received: from x by mx.postwain.test (Postwain); a time ago\r\n")
        for place, source in enumerate((STRANGER, "127.0.0.1")):
            with SmtpClient(port, source=source) as client:
                login(client, "ann", "secret")
                self.assertEqual(250, client.mail(f"ann@{DOMAIN}", [TO], letter)[0])
            self.check_signed(self.arrived(place + 1))
        with SmtpClient(port) as client:
            self.assertEqual(250, client.mail(f"ann@{DOMAIN}", [TO], letter)[0])
        self.check_unsigned(self.arrived(3))

    def test_sendmail_is(self):
        self.begin()
        done = self.mta.sendmail("-f", f"ann@{DOMAIN}", TO,
                                 content=f"From: ann@{DOMAIN}\nTo: {TO}\nSubject: x\n\nhello\n".encode())
        self.assertEqual(0, done.returncode, done.stderr)
        self.check_signed(self.arrived())

    def test_what_a_program_gives_back_by_sendmail_is_not(self):
        self.begin()
        for place, body in enumerate((b"hello\r\n", LINE * 10_000)):
            with self.subTest(len(body)):
                to = "x@our.test"
                self.assertEqual(250, self.mail(self.letter(body, to=to), source=STRANGER, to=to)[0])
                came = self.arrived(2 * place + 1)
                self.assertEqual(0, self.mta.sendmail("-f", f"ann@{DOMAIN}", TO, content=came).returncode)
                self.check_unsigned(self.arrived(2 * place + 2))

    def test_reports_of_ours_are(self):
        self.begin(self.tables(*KINDS, domain="mx.postwain.test"))
        self.sink.script["rcpt"] = {TO: "550 5.1.1 nobody"}
        self.mail(self.letter())
        came = self.arrived()
        self.assertTrue(is_report(came))
        self.check_signed(came)

    def test_what_alias_sends_on_is_the_senders(self):
        aliases = self.folder.file("virtual", f"list@our.test {TO}\n")
        self.begin(addresses={"virtual": aliases})
        self.mail(self.letter(to="list@our.test"), to="list@our.test")
        self.check_signed(self.arrived())
        self.mail(self.letter(to="list@our.test"), source=STRANGER, to="list@our.test")
        self.check_unsigned(self.arrived(2))

    def test_no_author_is_said_in_the_log(self):
        self.begin()
        self.mail(b"Subject: x\r\n\r\nhello\r\n")
        self.mail(self.letter(fields=b"From: eve@c.test\r\n"))
        self.arrived(2)
        for one in self.sink.messages:
            self.check_unsigned(one.content)
        wait_until(lambda: {event["reason"] for event in self.mta.events("not_signed")} ==
                   {"it has no author domain", "it has several author domains"}, 20, self.mta.tail)

    def test_whom_xforward_names_is_who_counts(self):
        self.begin(access={"trusted_networks": ["127.0.0.1/32"], "xforward_from": ["127.0.0.1/32"]})
        for place, (address, is_signed) in enumerate(((STRANGER, False), ("[UNAVAILABLE]", False), ("127.0.0.1", True))):
            with self.subTest(address), SmtpClient(self.mta.port) as client:
                self.assertEqual(250, client.command(f"XFORWARD ADDR={address}")[0])
                self.assertEqual(250, client.mail(f"ann@{DOMAIN}", [TO], self.letter())[0])
                came = self.arrived(place + 1)
                self.check_signed(came) if is_signed else self.check_unsigned(came)

    def test_a_route_that_does_not_sign(self):
        other = self.closing(SmtpSink())
        self.begin()
        self.mta.reconfigure({"route": [{"match": "plain.test", "deliver": other.target, "sign": False},
                                        {"match": "*", "deliver": self.sink.target}]})
        self.assertEqual(0, self.mta.cli("reload").returncode)
        self.mail(self.letter(), to="x@plain.test")
        self.check_unsigned(other.wait_for(1)[0].content)
        self.mail(self.letter())
        self.check_signed(self.arrived())


class ContentFilter(Signed):
    """A program behind the queue that gives mail back from a trusted address."""

    def begin_filter(self, listener, route):
        back = reserve_port()
        given = self.closing(SmtpSink(script={"final": lambda session, sender: self.give_back(back)}))
        self.filter = given
        self.records = {f"{kind}.{SELECTOR}._domainkey.{DOMAIN}": key.record for kind, key in self.keys.items()}
        self.sink = self.closing(SmtpSink())
        port = reserve_port()
        self.mta = self.start({
            "domain": [{"name": "our.test"}], "dkim_key": self.tables(*KINDS),
            "listener": [{"address": f"127.0.0.1:{port}"}, {"address": f"127.0.0.1:{back}", **listener}],
            "access": {"trusted_networks": ["127.0.0.1/32", "127.0.0.3/32"]},
            "route": [{"match": "*", "client": "127.0.0.3", "deliver": self.sink.target},
                      {"match": "*", "deliver": given.target, **route}]})
        self.mta.port = port

    def give_back(self, port):
        """What came last, as the scanner of such a program sends it on: with a field of its own in front."""
        came = self.filter.messages[-1]
        with SmtpClient(port, source="127.0.0.3", hello="scanner.test") as client:
            code, text = client.mail(came.sender, came.recipients, b"X-Scanned: yes\r\n" + came.content)
        return f"{code} {text.splitlines()[0]}"

    def both(self):
        """What arrives of a stranger, and of one of us."""
        self.assertEqual(250, self.mail(self.letter(to="x@our.test"), source=STRANGER, to="x@our.test")[0])
        strangers = self.arrived()
        self.assertEqual(250, self.mail(self.letter())[0])
        return strangers, self.arrived(2)

    def test_signed_on_the_way_to_it(self):
        self.begin_filter({"sign": False}, {})
        strangers, ours = self.both()
        self.check_unsigned(strangers)
        self.check_signed(ours)

    def test_a_listener_that_says_nothing_is_safe(self):
        for route in ({}, {"sign": False}):
            with self.subTest(route):
                self.begin_filter({}, route)
                strangers, ours = self.both()
                self.check_unsigned(strangers)
                self.check_unsigned(ours) if route else self.check_signed(ours)


class Away(Signed):
    def kill_signer(self):
        for pid in self.mta.pids_of("signer"):
            os.kill(pid, signal.SIGKILL)

    def send_many(self, count, between=None):
        def one(number):
            with SmtpClient(self.mta.port) as client:
                return client.mail(f"ann@{DOMAIN}", [f"n{number}@far.test"], self.letter(f"number {number}\r\n"))[0]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            sent = [pool.submit(one, number) for number in range(count)]
            if between:
                between(sent)
            self.assertEqual({250}, {future.result() for future in sent})

    def check_all(self, count, *kinds):
        wait_until(lambda: len({m.recipients[0] for m in list(self.sink.messages)}) == count, 90, self.mta.tail)
        for one in self.sink.messages:
            found = self.verdicts(one.content)
            self.assertTrue(found and all(verdict is True for verdict in found.values()), one.content[:1500])
            if kinds:
                self.assertEqual(set(kinds), set(found))
        self.mta.wait_queue_empty(60)

    def test_a_signer_that_dies_under_load(self):
        self.begin()
        count = 150

        def between(sent):
            for share in (0.2, 0.5, 0.8):
                wait_until(lambda: sum(future.done() for future in sent) >= share * count, 60, "load")
                self.kill_signer()

        self.send_many(count, between)
        self.check_all(count, *KINDS)

    def test_a_signer_that_stands_still(self):
        """What waits for it is put off, and signed when it goes on; nobody is blamed."""
        self.begin()
        [pid] = self.mta.pids_of("signer")
        os.kill(pid, signal.SIGSTOP)
        try:
            self.mail(self.letter())
            wait_until(lambda: self.mta.events("deferred"), 60, self.mta.tail)
            self.assertEqual([], self.sink.messages)
            [queued] = self.mta.queue()
            self.assertIn("the signer is away", queued["recipients"][0]["last_reply"])
        finally:
            os.kill(pid, signal.SIGCONT)
        self.check_signed(self.arrived(1, 90))

    def test_other_keys_by_reload_under_load(self):
        """Each message is signed by the key before or by the key after, and either is published."""
        self.begin(self.tables("rsa"))
        count = 150

        def between(sent):
            for place, kind in enumerate(("ed25519", "rsa", "ed25519")):
                wait_until(lambda: sum(future.done() for future in sent) >= (place + 1) * count // 4, 60, "load")
                self.mta.reconfigure({"dkim_key": self.tables(kind)})
                self.assertEqual(0, self.mta.cli("reload").returncode)

        self.send_many(count, between)
        self.check_all(count)
        signed = {key for one in self.sink.messages for key in self.verdicts(one.content)}
        self.assertEqual(set(KINDS), signed)
        started = time.monotonic()
        self.mail(self.letter())
        self.check_signed(self.arrived(count + 1), "ed25519")
        self.assertLess(time.monotonic() - started, 10)


if __name__ == "__main__":
    main()
