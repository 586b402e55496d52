"""The example configurations of etc/ are started and used, with only the surroundings replaced.

Replaced: addresses and ports of listeners, folders, certificate files, the next hops' places, and
127.0.0.0/8 among the trusted networks, so that 127.0.0.2 can be a stranger.  Everything else is the
example's own.
"""

import os
import re
import tomllib
import unittest

from postwain_harness import SOURCE, PostwainTestCase, main
from dns_server import DnsServer
import postgres_server
from postgres_server import PostgresServer
from mail_content import message
from resources import make_certificate, reserve_port
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink, server_tls

STRANGER = "127.0.0.2"
WORLD = "127.0.0.11"  # where the MX of everybody else is


class Examples(PostwainTestCase):
    def adapt(self, name, targets, more=lambda config: config):
        """The example as an instance. targets: {its deliver value: what stands there instead}. more: what else changes."""
        self.mta = self.prepare(environment={"SSL_CERT_FILE": self.certificate()[0]})
        with open(os.path.join(SOURCE, "etc", name), "rb") as file:
            config = more(tomllib.load(file))
        self.ports = [self.mta.port] + [reserve_port() for _ in config["listener"][1:]]
        for listener, port in zip(config["listener"], self.ports):
            if listener["address"].startswith("unix:"):
                listener["address"] = "unix:" + self.mta.folder / "lmtp-in"
            else:
                listener["address"] = f"127.0.0.1:{port}"
        for key in ("spool_dir", "runtime_dir", "dns", "delivery"):
            self.assertNotIn(key, config)
        config["spool_dir"], config["runtime_dir"] = self.mta.folder / "spool", \
            self.mta.folder / "run"
        if "tls" in config:
            config["tls"]["certificate"], config["tls"]["key"] = self.certificate()
        networks = config["access"]["trusted_networks"]
        networks[networks.index("127.0.0.0/8")] = "127.0.0.1/32"
        for route in config["route"]:
            if route["deliver"] != "mx":
                route["deliver"] = targets.pop(route["deliver"])
        self.assertEqual({}, targets)
        self.world_port = reserve_port()
        dns = self.closing(DnsServer({
            "world.test": {"MX": [[10, "mx.world.test"]]}, "mx.world.test": {"A": [WORLD]},
            "partner.example": {"MX": [[10, "mx.world.test"]]},
            "smtp.provider.example": {"A": ["127.0.0.1"]},
            "backup.provider.example": {"A": ["127.0.0.1"]}}))
        config["dns"] = {"servers": [f"127.0.0.1:{dns.port}"]}
        config["delivery"] = {"smtp_port": self.world_port, "allow_private_mx": True}
        self.mta.config = {}
        self.mta.reconfigure(config)
        self.mta.start()

    def certificate(self):
        """(certificate, key) for the provider's name, made once for each test."""
        if not hasattr(self, "_certificate"):
            scratch = self.prepare()
            self._certificate = make_certificate(scratch.folder, "smtp.provider.example")
        return self._certificate

    def tls(self):
        return server_tls(*self.certificate())

    def send(self, sender, recipients, source="127.0.0.1", port=None):
        with SmtpClient(port or self.ports[0], source=source) as client:
            answer = client.mail(sender, recipients, message(sender=sender))
            self.assertEqual(250, answer[0], answer)

    def refusal(self, recipient, source=STRANGER):
        with SmtpClient(self.ports[0], source=source) as client:
            client.command("MAIL FROM:<someone@world.test>")
            code, text = client.command(f"RCPT TO:<{recipient}>")
            return code, text.split()[0]

    def test_relay(self):
        store, lists = self.closing(SmtpSink(lmtp=True)), self.closing(SmtpSink())
        self.adapt("relay.toml", {"lmtp:unix:/run/dovecot/lmtp": store.target,
                                  "smtp:[192.0.2.9]:25": f"smtp:[127.0.0.1]:{lists.port}"})
        world = self.closing(SmtpSink((WORLD, self.world_port), tls=self.tls()))
        self.send("someone@world.test", ["alice@example.org", "info@example.net"], STRANGER)
        store.wait_delivered("alice@example.org")
        store.wait_delivered("info@example.net")
        self.send("someone@world.test", ["all@dev.lists.example.org"], STRANGER)
        lists.wait_delivered("all@dev.lists.example.org")
        self.assertEqual((550, "5.1.1"), self.refusal("nobody@example.org"))
        self.assertEqual((550, "5.7.1"), self.refusal("victim@world.test"))
        self.send("alice@example.org", ["friend@world.test", "boss@partner.example"])
        world.wait_delivered("friend@world.test")
        self.assertTrue(world.wait_delivered("boss@partner.example")[0].tls)
        with SmtpClient(self.ports[0], source=STRANGER) as client:
            client.starttls()
            self.assertEqual(250, client.say_hello()[0])
        self.mta.wait_queue_empty()
        self.mta.stop()

    def test_what_a_relay_with_lists_expects_comes_true(self):
        self.mta = self.prepare()
        with open(os.path.join(SOURCE, "etc", "relay-with-lists.toml"), "rb") as file:
            config = tomllib.load(file)
        config["tls"]["certificate"], config["tls"]["key"] = self.certificate()
        config["spool_dir"], config["runtime_dir"] = self.mta.folder / "spool", self.mta.folder / "run"
        self.mta.config = {}
        self.mta.reconfigure(config)
        result = self.mta.cli("check")
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertGreater(len(config["expect"]), 3)
        config["strangers"]["greylist_at"] = 3
        self.mta.reconfigure(config)
        result = self.mta.cli("check")
        self.assertEqual(78, result.returncode, result.stderr)
        self.assertIn("expected: greylist at a score of 2 (no_name 2); but accept follows", result.stderr)

    def files_that_a_signing_relay_needs(self):
        """Made as the example's first lines say, while it stands there: {path that it names: path here}."""
        scratch = self.prepare()
        files = {name: scratch.folder / name.rsplit("/", 1)[1] for name in (
            "/etc/postwain/dkim/s1.pem", "/etc/postwain/dkim/e1.pem", "/etc/postwain/srs.secret",
            "/etc/postwain/virtual", "/etc/postwain/users")}
        with open(os.path.join(SOURCE, "etc", "relay-that-signs.toml"), encoding="utf-8") as file:
            text = file.read()
        commands = [line[1:].strip() for line in text.splitlines() if line.startswith("#   postwain dkim new")]
        for path, here in files.items():
            text = text.replace(f'"{path}"', f'"{here}"')
        scratch.reconfigure({}, text=text)
        self.assertEqual(2, len(commands))
        for command in commands:
            words = command.split()[1:]
            words[words.index("--key") + 1] = files[words[words.index("--key") + 1]]
            made = scratch.cli(*words)
            self.assertEqual(0, made.returncode, made.stderr)
            self.assertIn("._domainkey.example.org", made.stdout)
            self.assertIn("its [[dkim_key]] is there: ", made.stdout)
        for name, text in (("srs.secret", "a secret that is long enough\n"), ("users", ""),
                           ("virtual", "info@example.org bob@world.test\n")):
            scratch.folder.file(name, text)
            os.chmod(scratch.folder / name, 0o600)
        return files

    def test_a_relay_that_signs(self):
        """As it stands: with the keys that its first lines make, both of its expectations come true and mail is signed."""
        files = self.files_that_a_signing_relay_needs()
        store = self.closing(SmtpSink(lmtp=True))

        def here(value):
            if isinstance(value, dict):
                return {key: here(one) for key, one in value.items()}
            if isinstance(value, list):
                return [here(one) for one in value]
            for name, path in files.items():
                value = value.replace(name, path) if isinstance(value, str) else value
            return value

        self.adapt("relay-that-signs.toml", {"lmtp:unix:/run/dovecot/lmtp": store.target}, here)
        result = self.mta.cli("check")
        self.assertEqual(0, result.returncode, result.stderr)
        world = self.closing(SmtpSink((WORLD, self.world_port), tls=self.tls()))
        self.send("alice@example.org", ["friend@world.test"])
        content = world.wait_delivered("friend@world.test")[0].content
        self.assertEqual(2, content.count(b"DKIM-Signature: v=1;"), content)
        self.send("someone@world.test", ["alice@example.org", "info@example.org"], STRANGER)
        self.assertNotIn(b"DKIM-Signature", store.wait_delivered("alice@example.org")[0].content)
        forwarded = world.wait_delivered("bob@world.test")[0]
        self.assertTrue(forwarded.sender.startswith("SRS0="), forwarded.sender)
        self.assertIn(b"ARC-Seal: i=1;", forwarded.content)
        self.mta.wait_queue_empty()
        self.mta.stop()

    def test_smarthost(self):
        inside = self.closing(SmtpSink())
        down, up = reserve_port(), reserve_port()
        provider = self.closing(SmtpSink(("127.0.0.1", up), tls=self.tls()))
        self.adapt("smarthost.toml", {
            "smtp:[192.168.1.10]:25": f"smtp:[127.0.0.1]:{inside.port}",
            "smtp:smtp.provider.example:587,backup.provider.example:587":
                f"smtp:backup.provider.example:{down},smtp.provider.example:{up}"})
        self.send("printer@lan.example.com", ["boss@lan.example.com", "x@pc.lan.example.com"])
        inside.wait_delivered("boss@lan.example.com")
        inside.wait_delivered("x@pc.lan.example.com")
        self.send("boss@lan.example.com", ["customer@world.test"])
        self.assertTrue(provider.wait_delivered("customer@world.test")[0].tls)
        with SmtpClient(self.ports[1]) as client:
            answer = client.mail("app@lan.example.com", ["y@world.test"],
                                 b"Subject: bare\r\n\r\nx\r\n")
            self.assertEqual(250, answer[0], answer)
        header = provider.wait_delivered("y@world.test")[0].content.split(b"\r\n\r\n")[0].lower()
        self.assertIn(b"\r\ndate: ", header)
        self.assertIn(b"\r\nmessage-id: <", header)
        self.assertEqual((550, "5.7.1"), self.refusal("boss@lan.example.com"))
        self.assertEqual((550, "5.7.1"), self.refusal("victim@world.test"))
        self.mta.wait_queue_empty()
        self.mta.stop()

    def test_lmtp_frontend(self):
        near = self.closing(SmtpSink(lmtp=True, script={"rcpt": {
            "nobody@example.org": "550 5.1.1 no such user"}}))
        far = self.closing(SmtpSink(lmtp=True))
        self.adapt("lmtp-frontend.toml", {
            "lmtp:unix:/run/dovecot/lmtp": near.target,
            "lmtp:10.1.0.21:24,10.1.0.22:24":
                f"lmtp:127.0.0.1:{reserve_port()},127.0.0.1:{far.port}"})
        self.send("alice@example.com", ["bob@example.org", "carol@example.org",
                                        "dora@example.com"])
        for to in ("bob@example.org", "carol@example.org"):
            self.assertEqual(1, len(near.wait_delivered(to)))
        self.assertEqual(1, len(far.wait_delivered("dora@example.com")))
        self.assertEqual((550, "5.1.1"), self.refusal("nobody@example.org"))
        self.assertEqual((550, "5.7.1"), self.refusal("victim@world.test"))
        self.check_lmtp_listener(near)
        self.mta.wait_queue_empty()
        self.mta.stop()

    def check_lmtp_listener(self, near):
        """Two recipients by LMTP over the Unix socket: two replies."""
        client = SmtpClient(0, path=self.mta.folder / "lmtp-in", verb="LHLO")
        self.addCleanup(client.close)
        client.envelope("filter@example.org", ["eva@example.org", "fred@example.org"])
        self.assertEqual(354, client.command("DATA")[0])
        client.send(message() + b".\r\n")
        self.assertEqual([250, 250], [code for code, _ in client.replies(2)])
        near.wait_delivered("eva@example.org")
        near.wait_delivered("fred@example.org")

    def test_every_example_is_good(self):
        """`postwain check` on the files as they are; only certificates, keys and accounts cannot be there."""
        self.mta = self.prepare()
        names = [name for name in os.listdir(os.path.join(SOURCE, "etc")) if name.endswith(".toml")]
        self.assertLessEqual({"relay.toml", "smarthost.toml", "lmtp-frontend.toml"}, set(names))
        for name in names:
            with self.subTest(name):
                with open(os.path.join(SOURCE, "etc", name), encoding="utf-8") as file:
                    text = file.read()
                certificate, key = self.certificate()
                text = text.replace("/etc/postwain/tls/fullchain.pem", certificate)
                text = text.replace("/etc/postwain/tls/privkey.pem", key)
                if name == "cluster.toml":
                    text = text.replace("/etc/postwain/database-ca.pem", certificate)
                    text = text.replace("/etc/postwain/database.secret", self.database_secret())
                if name == "relay-that-signs.toml":
                    for path, here in self.files_that_a_signing_relay_needs().items():
                        text = text.replace(f'"{path}"', f'"{here}"').replace(f'"file:{path}"', f'"file:{here}"')
                self.mta.reconfigure({}, text=text)
                result = self.mta.cli("check")
                self.assertEqual(0, result.returncode, result.stdout + result.stderr)

    def database_secret(self):
        path = self.mta.folder.file("database.secret", "a word\n")
        os.chmod(path, 0o600)
        return path

    @unittest.skipIf(postgres_server.programs() is None,
                     "PostgreSQL is neither installed nor unpacked below build/peers")
    def test_one_of_three_machines(self):
        database = self.closing(PostgresServer())
        store = self.closing(SmtpSink(lmtp=True))

        def here(config):
            del config["queue"]["store_ca"], config["queue"]["store_password"]
            config["queue"]["store"] = database.address
            config["metrics"]["address"] = f"127.0.0.1:{reserve_port()}"
            return config
        self.adapt("cluster.toml", {"lmtp:store.example.org:24": store.target}, here)
        self.send("someone@world.test", ["alice@example.org"], STRANGER)
        store.wait_delivered("alice@example.org")
        self.assertEqual("mx1", database.sql("SELECT convert_from(name, 'UTF8') FROM node"))
        self.mta.wait_queue_empty()
        self.mta.stop()

    def test_every_filter_is_good(self):
        """What etc/filters has to be included, included by the example of a relay."""
        with open(os.path.join(SOURCE, "etc/relay.toml"), encoding="utf-8") as file:
            relay = file.read()
        certificate, key = self.certificate()
        relay = relay.replace("/etc/postwain/tls/fullchain.pem", certificate)
        relay = relay.replace("/etc/postwain/tls/privkey.pem", key)
        folder = os.path.join(SOURCE, "etc/filters")
        self.assertLessEqual({"rspamd.toml", "opendkim-opendmarc.toml", "clamav.toml", "postgrey.toml"},
                             set(os.listdir(folder)))
        self.mta = self.prepare()
        for name in [*os.listdir(folder), "*.toml"]:
            with self.subTest(name):
                self.mta.reconfigure({}, text=f'include = ["{folder}/{name}"]\n{relay}')
                result = self.mta.cli("check")
                self.assertEqual(0, result.returncode, result.stdout + result.stderr)

    def test_the_readme_tells_no_lies(self):
        """Its three configurations are good, and every command it names exists."""
        with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as file:
            text = file.read()
        blocks = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
        self.assertEqual(3, len(blocks))
        for block in blocks:
            tomllib.loads(block)
            mta = self.prepare()
            certificate, key = self.certificate()
            for path, own in (("/etc/postwain/provider.secret", "secret"),
                              ("/etc/postwain/tls/fullchain.pem", certificate),
                              ("/etc/postwain/tls/privkey.pem", key)):
                block = block.replace(path, own)
            mta.reconfigure({}, text=block)
            mta.folder.file("secret", "me:word\n")
            os.chmod(mta.folder / "secret", 0o600)
            done = mta.cli("check")
            self.assertEqual(0, done.returncode, done.stderr)
        shown = self.prepare().cli("--help").stdout
        for command in re.findall(r"^    postwain (\w+)", text, re.MULTILINE):
            self.assertRegex(shown, rf"(?m)^  {command} ")


if __name__ == "__main__":
    main()
