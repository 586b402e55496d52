"""[addresses]: aliases, lists with owners, virtual and canonical addresses, tags, catch-alls."""

import json
import os
import subprocess

from postwain_harness import PostwainTestCase, main
from mail_content import Dsn, message
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

ALIASES = """\
# who reads what
postmaster: anna
staff: anna, bert@far.test
crew: :include:{folder}/crew
owner-crew: boss@far.test
"""
CREW = "one@far.test\ntwo@far.test, anna@our.test\n"
VIRTUAL = """\
info@our.test    anna@our.test
sales@our.test   anna@our.test, carl@far.test
list@our.test    crew@mx.postwain.test
@catch.test      anna@our.test
"""
CANONICAL = "anna@inner.test anna@our.test\n@old.test @our.test\n"


class Addresses(PostwainTestCase):
    def begin(self, **more):
        self.sink = self.closing(SmtpSink())
        self.mta = self.prepare()
        folder = self.mta.folder
        for name, text in (("aliases", ALIASES.format(folder=folder / "")), ("crew", CREW),
                           ("virtual", VIRTUAL), ("canonical", CANONICAL)):
            folder.file(name, text.replace("//", "/"))
        self.mta.reconfigure({
            "access": {"trusted_networks": ["127.0.0.2/32"]},
            "domain": [{"name": ["our.test", "mx.postwain.test", "old.test"],
                        "recipients": ["anna", "dora@our.test"]},
                       {"name": "catch.test", "recipients": []}],
            "addresses": {"separator": "+", "aliases": "aliases", "virtual": ["virtual"],
                          "canonical": "canonical"},
            "route": [{"match": "*", "deliver": self.sink.target}], **more})
        self.mta.start()

    def send(self, *recipients, sender="a@else.test", content=None, source="127.0.0.1"):
        """The queue id."""
        with SmtpClient(self.mta.port, source=source) as client:
            code, text = client.mail(sender, recipients, content or message())
        self.assertEqual(250, code, text)
        return text.rsplit(" ", 1)[1]

    def arrived(self):
        self.mta.wait_queue_empty()
        return sorted((m.sender, sorted(m.recipients)) for m in self.sink.messages)

    def rcpt(self, address, source="127.0.0.1"):
        with SmtpClient(self.mta.port, source=source) as client:
            client.command("MAIL FROM:<a@else.test>")
            return client.command(f"RCPT TO:<{address}>")

    def test_who_exists(self):
        self.begin()
        for address, want in (
                ("anna@our.test", 250), ("ANNA+tag@our.test", 250), ("dora+x@our.test", 250),
                ("ghost@our.test", 550), ("ghost+anna@our.test", 550), ("info@our.test", 250),
                ("sales@our.test", 250), ("whoever@catch.test", 250), ("x+y@catch.test", 250),
                ("staff@mx.postwain.test", 250), ("staff@our.test", 550), ("anna@old.test", 250),
                ("crew@mx.postwain.test", 250), ("owner-crew@mx.postwain.test", 250),
                ("nobody@catch.not.test", 550)):
            with self.subTest(address=address):
                code, text = self.rcpt(address)
                self.assertEqual(want, code, text)

    def test_where_it_goes(self):
        self.begin()
        for given, want in (
                (["info@our.test"], [("a@else.test", ["anna@our.test"])]),
                (["info+tag@our.test"], [("a@else.test", ["anna+tag@our.test"])]),
                (["sales@our.test", "anna@our.test"],
                 [("a@else.test", ["anna@our.test", "carl@far.test"])]),
                (["x@catch.test", "y@catch.test"], [("a@else.test", ["anna@our.test"])]),
                (["anna@old.test"], [("a@else.test", ["anna@our.test"])]),
                (["postmaster@mx.postwain.test"], [("a@else.test", ["anna@mx.postwain.test"])])):
            with self.subTest(given=given):
                self.sink.messages.clear()
                self.send(*given)
                self.assertEqual(want, self.arrived())

    def test_blind_copies(self):
        self.begin()
        self.mta.folder.file("sender_bcc", "boss@else.test audit@our.test\n")
        self.mta.folder.file("recipient_bcc", "anna@our.test sales@our.test\n* audit@our.test\n")
        self.mta.reconfigure({"addresses": {"sender_bcc": "sender_bcc",
                                            "recipient_bcc": "recipient_bcc"}})
        self.mta.cli("reload")
        for given, sender, want in (
                (["info@our.test"], "a@else.test", ["anna@our.test", "audit@our.test"]),
                (["anna@our.test"], "a@else.test", ["anna@our.test", "carl@far.test"]),
                (["anna@our.test"], "boss@else.test",
                 ["anna@our.test", "audit@our.test", "carl@far.test"])):
            with self.subTest(given=given, sender=sender):
                self.sink.messages.clear()
                name = self.send(*given, sender=sender)
                self.assertEqual([(sender, want)], self.arrived())
        trace = self.mta.cli("trace", name).stdout
        self.assertIn("expanded from boss@else.test", trace)
        self.assertIn("expanded from anna@our.test", trace)
        explained = self.mta.cli("explain", "info@our.test", "--from", "boss@else.test").stdout
        self.assertIn("<audit@our.test> gets a copy of what <boss@else.test> sends", explained)

    def test_s6_a_strangers_tag_stays_within_the_address(self):
        self.begin()
        for given in ('"info+x@victim.example> ORCPT=rfc822;"@our.test', "info+x%victim.example@our.test",
                      "anna+victim.example!x@our.test", '"anna+@x"@our.test'):
            with self.subTest(given=given):
                self.assertEqual(550, self.rcpt(given)[0])
        for given, want in (('"info+x> ORCPT=rfc822;"@our.test', '"anna+x> ORCPT=rfc822;"@our.test'),
                            (r'"info+\"a"@our.test', r'"anna+\"a"@our.test'),
                            (r'"info+\\ > b"@our.test', r'"anna+\\ > b"@our.test')):
            with self.subTest(given=given):
                self.sink.messages.clear()
                self.send(given)
                self.assertEqual([("a@else.test", [want])], self.arrived())
        self.sink.messages.clear()
        self.send("anna@our.test", sender='"anna+x> AUTH=<> RET=FULL ENVID="@inner.test')
        self.assertEqual([('"anna+x> AUTH=<> RET=FULL ENVID="@our.test', ["anna@our.test"])],
                         self.arrived())

    def test_a_list_with_an_owner(self):
        self.begin()
        for size in (10, 200_000):  # in a row, and in a file
            with self.subTest(size=size):
                self.sink.messages.clear()
                content = message(body=b"x" * 70 + b"\r\n" + b"line of text\r\n" * (size // 14))
                whole = self.send("anna@our.test", "list@our.test", content=content)
                self.assertEqual(
                    [("a@else.test", ["anna@our.test"]),
                     ("owner-crew@mx.postwain.test", ["anna@our.test", "one@far.test",
                                                      "two@far.test"])], self.arrived())
                bodies = {m.content.split(b"\r\n\r\n", 1)[1] for m in self.sink.messages}
                self.assertEqual({content.split(b"\r\n\r\n", 1)[1]}, bodies)
                traces = [json.loads(line) for line in self.mta.cli(
                    "trace", whole, "--json").stdout.splitlines()]
                self.assertEqual([None, whole], [t.get("part_of") for t in traces])
                self.assertEqual([None, "a@else.test"], [t.get("given_sender") for t in traces])
                self.assertEqual({"delivered"}, {r["state"] for t in traces
                                                 for r in t["recipients"]})
        self.assertEqual([], os.listdir(self.mta.folder / "spool/content"))
        traces = self.mta.cli("trace", "list@our.test").stdout
        self.assertIn("expanded from list@our.test", traces)
        self.assertEqual([], self.sink.violations)

    def test_the_bounce_of_a_list_goes_to_its_owner(self):
        self.begin()
        self.sink.script["rcpt"] = {"one@far.test": "550 5.1.1 gone"}
        self.send("crew@mx.postwain.test")
        self.mta.wait_queue_empty()
        bounce = next(m for m in self.sink.messages if m.sender == "")
        self.assertEqual(["boss@far.test"], bounce.recipients)  # an alias as well
        self.assertIn(b"one@far.test", bounce.content)

    def test_success_reports_of_expansions(self):
        self.begin()
        with SmtpClient(self.mta.port) as client:
            client.command("MAIL FROM:<a@else.test> ENVID=E7 RET=HDRS")
            for address in ("sales@our.test", "crew@mx.postwain.test", "info@our.test"):
                client.command(f"RCPT TO:<{address}> NOTIFY=SUCCESS")
            client.command("DATA")
            client.send(message() + b".\r\n")
            self.assertEqual(250, client.reply()[0])
        self.mta.wait_queue_empty()
        found = {}
        for one in self.sink.messages:
            if one.sender == "":
                for fields in Dsn(one.content).per_recipient:
                    found[fields["Final-Recipient"].split(";")[1].strip()] = fields["Action"]
        self.assertEqual({"sales@our.test": "expanded", "crew@mx.postwain.test": "delivered"},
                         found)
        passed_on = [line for line in self.sink.commands("RCPT") if "NOTIFY=SUCCESS" in line]
        self.assertEqual(["RCPT TO:<anna@our.test>"], [line.split(" NOTIFY")[0]
                                                       for line in passed_on])

    def test_senders_become_canonical(self):
        self.begin()
        self.send("x@far.test", sender="anna@inner.test", source="127.0.0.2")
        self.send("x@far.test", sender="u+t@old.test", source="127.0.0.2")
        self.assertEqual([("anna@our.test", ["x@far.test"]), ("u+t@our.test", ["x@far.test"])],
                         self.arrived())

    def test_local_mail_is_expanded_too(self):
        self.begin()
        result = self.mta.sendmail("-f", "me@our.test", "staff@mx.postwain.test",
                                   content=b"Subject: hi\n\nhello\n")
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertEqual([("me@our.test", ["anna@mx.postwain.test", "bert@far.test"])],
                         self.arrived())

    def test_explain_shows_each_step(self):
        self.begin()
        told = json.loads(self.mta.cli("explain", "list@our.test", "--no-dns", "--json").stdout)
        self.assertEqual("accept", told["decision"])
        steps = [(s["step"], s["origin"].rsplit("/", 1)[-1]) for s in told["steps"]]
        self.assertIn(("virtual", "virtual:3:1"), steps)
        self.assertIn(("alias", "aliases:4:1"), steps)
        self.assertEqual(["one@far.test", "two@far.test", "anna@our.test"],
                         [t["address"] for t in told["stands_for"]])
        self.assertEqual({"owner-crew@mx.postwain.test"},
                         {t["reverse_path"] for t in told["stands_for"]})
        text = self.mta.cli("explain", "list@our.test", "--no-dns").stdout
        self.assertIn("bounces to <owner-crew@mx.postwain.test>", text)

    def test_a_loop_is_told_and_refused(self):
        """operate 4: one bad line keeps nobody from a reload; mail to that name is refused."""
        self.begin()
        self.mta.folder.file("virtual", VIRTUAL + "a@our.test b@our.test\nb@our.test a@our.test\n")
        checked = self.mta.cli("check")
        self.assertEqual(0, checked.returncode, checked.stderr)
        self.assertIn("virtual:5:1: warning: a@our.test leads back to itself", checked.stderr)
        self.assertEqual(0, self.mta.cli("reload").returncode)
        wait_until(lambda: self.rcpt("a@our.test")[1].startswith("5.4.6"), 20, "the new lines")
        self.assertEqual(250, self.rcpt("info@our.test")[0])

    def test_newaliases_brings_new_aliases(self):
        self.begin()
        self.assertEqual(550, self.rcpt("fresh@mx.postwain.test")[0])
        self.mta.folder.file("aliases", "fresh: anna@our.test\n")
        os.symlink(os.path.join(self.mta.binaries, "postwain"), self.mta.folder / "newaliases")
        done = subprocess.run([self.mta.folder / "newaliases", "-C", self.mta.config_path],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("1 aliases, 4 virtual addresses", done.stdout)
        wait_until(lambda: self.rcpt("fresh@mx.postwain.test")[0] == 250, 20, "the new alias")
        self.mta.folder.file("aliases", "fresh anna@our.test\n")
        done = subprocess.run([self.mta.folder / "newaliases", "-C", self.mta.config_path],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(0, done.returncode)
        self.assertIn("aliases:1:1: expected 'name: address, address'", done.stderr)

    def test_the_next_hop_is_asked_for_what_an_address_stands_for(self):
        self.begin(domain=[{"name": "our.test", "recipients": "probe"}])
        self.sink.script["rcpt"] = {"anna@our.test": "550 5.1.1 gone"}
        self.assertEqual(550, self.rcpt("info@our.test")[0])
        self.assertEqual(["RCPT TO:<anna@our.test>"], self.sink.commands("RCPT"))
        self.assertEqual(250, self.rcpt("sales@our.test")[0])  # several: nobody in particular


if __name__ == "__main__":
    main()
