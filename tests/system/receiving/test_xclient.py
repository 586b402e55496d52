"""XCLIENT and XFORWARD: believed from listed hosts only, and for what they are meant."""

import json
import shutil
import subprocess

from postwain_harness import PostwainTestCase, main
from mail_content import message
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink


class XClient(PostwainTestCase):
    def begin(self, **access):
        self.sink = self.closing(SmtpSink())
        self.mta = self.start({
            "access": {"trusted_networks": ["10.0.0.0/8"], "xclient_from": ["127.0.0.2"],
                       "xforward_from": ["127.0.0.3"], **access},
            "domain": [{"name": "our.test"}],
            "rule": [{"client": ["192.0.2.66"], "action": "refuse", "text": "not you"}],
            "route": [{"match": "*", "deliver": self.sink.target}]})

    def session(self, source):
        client = SmtpClient(self.mta.port, source=source)
        self.addCleanup(client.close)
        return client

    def replies(self, client, *lines):
        return [client.command(line)[0] for line in lines]

    def test_only_listed_hosts(self):
        self.begin()
        for source, xclient, xforward in (("127.0.0.1", 500, 500), ("127.0.0.2", 220, 500),
                                          ("127.0.0.3", 500, 250)):
            client = self.session(source)
            announced = " ".join(client.extensions)
            self.assertEqual((xclient == 220, xforward == 250),
                             ("XCLIENT " in announced, "XFORWARD " in announced))
            self.assertEqual([xforward, xclient], self.replies(
                client, "XFORWARD ADDR=10.1.1.1", "XCLIENT ADDR=10.1.1.1"))

    def test_the_session_becomes_the_other_clients(self):
        self.begin()
        for claim, far, ours in (("ADDR=10.1.1.1", 250, 250), ("ADDR=192.0.2.1", 550, 250),
                                 ("ADDR=[UNAVAILABLE]", 550, 250),
                                 ("ADDR=192.0.2.1 LOGIN=anna", 250, 250),
                                 ("ADDR=IPV6:::ffff:10.1.1.1", 250, 250)):
            with self.subTest(claim=claim):
                client = self.session("127.0.0.2")
                self.assertEqual([220, 250, 250, far, ours], self.replies(
                    client, f"XCLIENT {claim}", "EHLO c", "MAIL FROM:<a@else.test>",
                    "RCPT TO:<x@far.test>", "RCPT TO:<b@our.test>"))
        client = self.session("127.0.0.2")
        self.assertEqual([220, 250, 554], self.replies(
            client, "XCLIENT ADDR=192.0.2.66 NAME=bad.test", "EHLO c", "MAIL FROM:<a@else.test>"))

    def test_another_address_is_another_client(self):
        self.begin()
        client = self.session("127.0.0.2")
        self.assertEqual([220, 220, 250, 250, 550], self.replies(
            client, "XCLIENT ADDR=10.1.1.1 LOGIN=anna NAME=inner.test HELO=inner.test",
            "XCLIENT ADDR=192.0.2.1", "EHLO c", "MAIL FROM:<a@else.test>", "RCPT TO:<x@far.test>"))

    def test_the_record_names_the_other_client(self):
        self.begin()
        client = self.session("127.0.0.2")
        self.replies(client, "XCLIENT ADDR=192.0.2.9 NAME=host.far.test", "EHLO far.test")
        code, text = client.mail("a@else.test", ["b@our.test"], message())
        self.assertEqual(250, code)
        trace = json.loads(self.mta.cli("trace", text.split(" ")[-1], "--json").stdout)
        self.assertEqual("192.0.2.9", trace["client_address"])
        self.assertIn(b"from far.test ([192.0.2.9])",
                      self.sink.wait_delivered("b@our.test")[0].content)

    def test_a_client_without_an_address_is_not_the_one_before(self):
        self.begin()
        client = self.session("127.0.0.2")
        self.replies(client, "XCLIENT ADDR=192.0.2.9", "XCLIENT ADDR=[UNAVAILABLE]", "EHLO far.test")
        code, text = client.mail("a@else.test", ["b@our.test"], message())
        self.assertEqual(250, code)
        trace = json.loads(self.mta.cli("trace", text.split(" ")[-1], "--json").stdout)
        self.assertEqual("127.0.0.2", trace["client_address"])

    def test_xforward_is_for_the_record_only(self):
        self.begin()
        client = self.session("127.0.0.3")
        self.assertEqual([250, 250, 550, 250], self.replies(
            client, "XFORWARD ADDR=10.1.1.1 HELO=inner.test NAME=inner.test",
            "MAIL FROM:<a@else.test>", "RCPT TO:<x@far.test>", "RSET"))
        code, text = client.mail("a@else.test", ["b@our.test"], message())
        self.assertEqual(250, code)
        trace = json.loads(self.mta.cli("trace", text.split(" ")[-1], "--json").stdout)
        self.assertEqual(("10.1.1.1", "inner.test"), (trace["client_address"], trace["client_name"]))
        self.assertIn(b"([127.0.0.3])", self.sink.wait_delivered("b@our.test")[0].content)

    def test_swaks_says_it_too(self):
        self.begin(trusted_networks=["127.0.0.1"], xclient_from=["127.0.0.1"])
        self.assertTrue(shutil.which("swaks"), "package swaks is missing")
        for address, want in (("10.0.0.1", 24), ("127.0.0.1", 0)):
            result = subprocess.run(
                ["swaks", "--server", "127.0.0.1", "--port", str(self.mta.port), "--xclient-addr",
                 address, "--from", "a@else.test", "--to", "x@far.test"],
                capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(want, result.returncode, result.stdout)


if __name__ == "__main__":
    main()
