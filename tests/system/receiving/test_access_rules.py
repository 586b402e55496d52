"""The operator's rules, and as whom an account may send."""

from postwain_harness import PostwainTestCase, main
from auth_client import login
from smtp_raw import SmtpClient


class AccessRules(PostwainTestCase):
    def client(self, source="127.0.0.2", hello="client.test"):
        client = SmtpClient(self.mta.port, source=source, hello=hello)
        self.addCleanup(client.close)
        return client

    def test_rules(self):
        self.mta = self.start({
            "domain": [{"name": "ours.test"}],
            "rule": [
                {"client": "127.0.0.3", "sender": "good.test", "action": "allow"},
                {"client": ["127.0.0.3"], "action": "refuse", "text": "Not from there"},
                {"sender": "<>", "recipient": "list@ours.test", "action": "refuse"},
                {"recipient": "later@ours.test", "action": "defer"},
                {"hello": ".dyn.test", "action": "refuse"}]})
        client = self.client(source="127.0.0.3")
        self.assertEqual((554, "5.7.1 Not from there"), client.command("MAIL FROM:<a@bad.test>"))
        client.envelope("a@good.test", ["u@ours.test"])
        self.assertEqual(550, client.command("RCPT TO:<x@away.test>")[0])  # allow opens no way
        client = self.client(hello="pc.dyn.test")
        # A rule about recipients stands before: it waits for RCPT.
        self.assertEqual(250, client.command("MAIL FROM:<a@b.test>")[0])
        self.assertEqual((450, "4.7.1 Try again later"),
                         client.command("RCPT TO:<later@ours.test>"))
        self.assertEqual((554, "5.7.1 Access denied"), client.command("RCPT TO:<u@ours.test>"))
        client = self.client()
        client.envelope("", ["u@ours.test"])
        self.assertEqual(554, client.command("RCPT TO:<list@ours.test>")[0])
        self.mta.stop()
        refused = [e for e in self.mta.events("refused") if e.get("reason") == "rule"]
        self.assertIn("postwain.toml:", refused[0]["config"])

    def test_senders(self):
        self.mta = self.prepare({"access": {"trusted_networks": []},
                                 "domain": [{"name": "ours.test"}]})
        users = self.mta.folder.file("users", "ann:{PLAIN}secret\n")
        senders = self.mta.folder.file("senders", "# who\nann: ann@ours.test, shop.test\n")
        self.mta.reconfigure({
            "auth": {"users_file": users, "senders": f"file:{senders}"},
            "listener": [{"address": f"127.0.0.1:{self.mta.port}", "auth": True, "tls": "off",
                          "auth_without_tls": True}]})
        self.mta.start()
        client = self.client()
        login(client, "ann", "secret")
        self.assertEqual(553, client.command("MAIL FROM:<boss@ours.test>")[0])
        for sender in ("ann@ours.test", "any@shop.test", ""):
            self.assertEqual(250, client.command(f"MAIL FROM:<{sender}>")[0])
            client.command("RSET")


if __name__ == "__main__":
    main()
