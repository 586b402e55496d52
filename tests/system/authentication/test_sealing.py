"""Strangers' mail that is passed on gets an ARC seal over what was found of it, where [authentication] says so."""

import json

import dkim

from dkim_programs import Key
from dns_server import DnsServer
from mail_content import message
from postwain_harness import PostwainTestCase, main
from resources import Folder, wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink

GOOD = "127.0.0.66"
US = "mx.postwain.test"
READER = "anna@our.test"
RECORD = "seal._domainkey.postwain.test"


class Sealing(PostwainTestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Folder()
        cls.key = Key(cls.folder, "rsa")

    @classmethod
    def tearDownClass(cls):
        cls.folder.remove()

    def begin(self, arc, **more):
        self.sink = self.closing(SmtpSink())
        self.dns = self.closing(DnsServer({
            "far.test": {"TXT": [f"v=spf1 ip4:{GOOD} -all"], "A": [GOOD]},
            "_dmarc.far.test": {"TXT": ["v=DMARC1; p=reject"]}, RECORD: {"TXT": [self.key.record]}}))
        self.mta = self.start({
            "domain": [{"name": "our.test"}], "dns": {"servers": [f"127.0.0.1:{self.dns.port}"]},
            "access": {"trusted_networks": ["127.0.0.9/32"]},
            "authentication": {"name": US, "arc": arc},
            "dkim_key": [{"domain": "postwain.test", "selector": "seal", "key": self.key.path}],
            "route": [{"match": "*", "deliver": self.sink.target}], **more})

    def mail(self, content, source=GOOD):
        with SmtpClient(self.mta.port, source=source, hello="host.far.test") as client:
            return client.mail("bob@far.test", [READER], content)

    def letter(self, body="hello\r\n", fields=b""):
        return fields + message(sender="bob@far.test", to=READER, body=body)

    def arrived(self, count):
        wait_until(lambda: len(self.sink.delivered(READER)) >= count, 30, self.mta.tail)
        return self.sink.delivered(READER)[-1].content

    def chain(self, content):
        """By dkimpy: how the chain is, and why."""
        text = {RECORD + ".": self.key.record.encode()}
        state, _, why = dkim.ARC(content).verify(dnsfunc=lambda name, timeout=5: text.get(name.decode()))
        return state.decode(), why

    def test_what_strangers_bring_is_sealed_and_others_verify_it(self):
        self.begin({"seal": "forwarded", "seal_domain": "postwain.test"})
        for place, body in enumerate((b"hello\r\n", b"x" * 3000 + b"\r\n", b"", b"line\r\n" * 50_000)):
            self.assertEqual(250, self.mail(self.letter(body))[0])
            came = self.arrived(place + 1)
            self.assertTrue(came.startswith(b"ARC-Seal: i=1; a=rsa-sha256; d=postwain.test; s=seal;"), came[:300])
            self.assertIn(b"ARC-Authentication-Results: i=1; mx.postwain.test;", came)
            self.assertEqual("pass", self.chain(came)[0], self.chain(came)[1])
            self.assertNotIn(b"DKIM-Signature", came)
        key = "seal._domainkey.postwain.test"
        self.mta.wait_queue_empty()
        self.assertEqual({(key, None)}, {(event.get("sealed"), event.get("signed"))
                                         for event in self.mta.events("delivered")})
        self.assertIn("by " + key, self.mta.cli("explain", READER, "--client", GOOD, "--from", "bob@far.test").stdout)
        self.assertEqual("fail", self.chain(came.replace(b"Subject: ", b"Subject: x", 1))[0])

    def test_a_chain_goes_on_and_a_broken_one_is_left_as_it_is(self):
        self.begin({"seal": "forwarded", "seal_domain": "postwain.test"})
        self.mail(self.letter())
        sealed = self.arrived(1)
        at = sealed.index(b"From: ")
        # Without our other fields, as the next host would pass it on.
        sealed_fields = b"".join(field for field in self.fields(sealed) if field.startswith(b"ARC-"))
        self.mail(sealed_fields + sealed[at:])
        twice = self.arrived(2)
        self.assertTrue(twice.startswith(b"ARC-Seal: i=2;"), twice[:200])
        self.assertEqual("pass", self.chain(twice)[0], self.chain(twice)[1])
        broken = (sealed_fields + sealed[at:]).replace(b"Subject: ", b"Subject: x", 1)
        self.mail(broken)
        self.assertNotIn(b"i=2", self.arrived(3))
        self.mta.wait_queue_empty()
        self.assertEqual([("sealed", 1), ("sealed", 2), ("broken_chain", None)], self.traced())
        trace = self.mta.cli("trace", READER).stdout
        self.assertIn("sign  sealed by ARC, i=2, by seal._domainkey.postwain.test (rsa-sha256)", trace)
        self.assertIn("sign  not sealed: its ARC chain fails", trace)

    def traced(self):
        """Of each message, the oldest first: what its attempt says of its seal."""
        out = []
        for line in reversed(self.mta.cli("trace", READER, "--json").stdout.splitlines()):
            said = json.loads(line)["recipients"][0]["events"][-1]["signing"]
            out.append((said["result"], said.get("instance")))
        return out

    def fields(self, content):
        out = []
        for line in content.split(b"\r\n\r\n", 1)[0].split(b"\r\n"):
            if line[:1] in (b" ", b"\t") and out:
                out[-1] += line + b"\r\n"
            else:
                out.append(line + b"\r\n")
        return out

    def test_nothing_is_sealed_unless_it_is_asked_for_nor_what_was_not_checked(self):
        self.begin({})
        self.mail(self.letter())
        self.assertNotIn(b"ARC-Seal", self.arrived(1))

    def test_forged_results_of_a_trusted_client_are_not_sealed(self):
        self.begin({"seal": "forwarded", "seal_domain": "postwain.test"})
        forged = f"Authentication-Results: {US}; spf=pass smtp.mailfrom=far.test; arc=none\r\n".encode()
        self.assertEqual(250, self.mail(self.letter(fields=forged), source="127.0.0.9")[0])
        self.assertNotIn(b"ARC-Seal", self.arrived(1))


if __name__ == "__main__":
    main()
