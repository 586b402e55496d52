"""Smart hosts: logging in by every mechanism, tokens, certificates, routes by sender, fallback,
weights."""

import json
import os
import ssl

from postwain_harness import PostwainTestCase, main
from mail_content import message
from mail_session import EXTENSIONS, HANG_UP
from resources import make_certificate, reserve_port, wait_until
from sasl_server import PASSWORD, USER, Accounts
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink, server_tls

PASSWORD_MECHANISMS = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN", "CRAM-MD5"]


class LoginSink(SmtpSink):
    def __init__(self, accounts, mechanisms, **more):
        self.accounts = accounts
        super().__init__(extensions=[*EXTENSIONS, "AUTH " + mechanisms], **more)

    def login(self, session, mechanism, initial, challenge):
        return self.accounts.login(mechanism, initial, challenge)


class SmartHost(PostwainTestCase):
    def setUp(self):
        self.mta = self.prepare()
        self.secret = self.mta.folder.file("secret", PASSWORD + "\n")
        self.pair = make_certificate(self.mta.folder)

    def run_with(self, *routes, **more):
        self.mta.reconfigure({"route": list(routes), **more})
        self.mta.start()

    def submit(self, to="bob@far.test", sender="alice@ours.test"):
        with SmtpClient(self.mta.port) as client:
            code, text = client.mail(sender, [to], message())
            self.assertEqual(250, code, text)

    def waits(self, text, to="bob@far.test"):
        """The recipient is deferred, and this is said of it."""
        wait_until(lambda: text in (self.mta.unsettled().get(to, {}).get("last_reply") or ""), 20,
                   lambda: f"'{text}' in {self.mta.queue()}")

    def login_sink(self, mechanisms, accounts=None, tls=True):
        accounts = accounts or Accounts()
        more = {"tls": server_tls(*self.pair)} if tls else {}
        return self.closing(LoginSink(accounts, mechanisms, **more))

    def route(self, sink, **more):
        return {"match": "*", "deliver": sink.target, "auth": f"{USER}:file:{self.secret}",
                # The sinks prove nothing, so the route has to name what it does all the same.
                "tls": "may", "auth_mechanisms": PASSWORD_MECHANISMS, **more}


class Mechanisms(SmartHost):
    def test_the_best_that_is_offered(self):
        for offered, taken in (("PLAIN LOGIN", "PLAIN"), ("LOGIN XOAUTH2", "LOGIN"),
                               ("CRAM-MD5 GSSAPI", "CRAM-MD5"),
                               ("LOGIN PLAIN SCRAM-SHA-256", "SCRAM-SHA-256")):
            with self.subTest(offered=offered):
                sink = self.login_sink(offered)
                self.run_with(self.route(sink))
                self.submit()
                sink.wait_delivered("bob@far.test")
                self.assertEqual([(taken, USER)], sink.accounts.taken)
                self.mta.stop()

    def test_only_what_the_route_allows(self):
        sink = self.login_sink("PLAIN LOGIN SCRAM-SHA-256")
        self.run_with(self.route(sink, auth_mechanisms=["SCRAM-SHA-256-PLUS", "LOGIN"]))
        self.submit()
        sink.wait_delivered("bob@far.test")
        self.assertEqual([("LOGIN", USER)], sink.accounts.taken)

    def test_a_server_that_does_not_know_the_password_gets_no_mail(self):
        sink = self.login_sink("SCRAM-SHA-256", Accounts(liar=True))
        self.run_with(self.route(sink))
        self.submit()
        self.waits("does not prove that it knows the password")
        self.assertEqual([], sink.commands("MAIL"))

    def test_a_wrong_password_defers(self):
        sink = self.login_sink("PLAIN")
        with open(self.secret, "w", encoding="utf-8") as file:
            file.write("wrong\n")
        self.run_with(self.route(sink))
        self.submit()
        self.waits("535 5.7.8 wrong")

    def test_never_in_clear_unless_it_is_said(self):
        sink = self.login_sink("CRAM-MD5 PLAIN", tls=False)
        self.run_with(self.route(sink))
        self.submit()
        self.waits("offers no TLS")
        self.assertEqual([], sink.commands("AUTH"))
        self.mta.reconfigure({"route": [self.route(sink, auth_without_tls=True)]})
        self.assertEqual(0, self.mta.cli("reload").returncode)
        sink.wait_delivered("bob@far.test")
        self.assertEqual([("CRAM-MD5", USER)], sink.accounts.taken)

    def test_bound_to_the_channel_with_ourselves_as_next_hop(self):
        store = self.closing(SmtpSink())
        far = self.prepare()
        users = far.folder.file("users", f"{USER}:{{PLAIN}}{PASSWORD}\n")
        certificate, key = make_certificate(far.folder)
        far.reconfigure({"tls": {"certificate": certificate, "key": key},
                         "auth": {"users_file": users},
                         "access": {"trusted_networks": ["10.0.0.0/8"]},
                         "listener": [{"address": f"127.0.0.1:{far.port}", "protocol": "submission",
                                       "tls": "required", "auth": True}],
                         "route": [{"match": "*", "deliver": store.target}]})
        far.start()
        self.run_with({"match": "*", "deliver": f"smtp:127.0.0.1:{far.port}",
                       "auth": f"{USER}:file:{self.secret}", "tls": "may",
                       "auth_mechanisms": "SCRAM-SHA-256-PLUS"})
        self.submit()
        store.wait_delivered("bob@far.test")
        login = wait_until(lambda: far.events("login"), 10, "the login in the log")[0]
        self.assertEqual("SCRAM-SHA-256-PLUS", login["mechanism"])


class Proof(SmartHost):
    """S23: a password is for the server it was given for."""

    def refused(self, route, said, to):
        sink = self.login_sink("PLAIN LOGIN")
        self.run_with({"match": "*", "deliver": sink.target, "auth": f"{USER}:file:{self.secret}", **route})
        self.submit(to=to)
        self.waits(said, to=to)
        self.assertEqual([], sink.commands("AUTH"))
        self.mta.stop()

    def test_whoever_stands_in_between_gets_no_password(self):
        self.refused({}, "certificate", "a@far.test")
        self.refused({"tls": "encrypt"}, "has not proven who it is, and PLAIN would give it", "b@far.test")
        self.refused({"tls": "may", "auth_mechanisms": "SCRAM-SHA-256"}, "none of the next hop's",
                     "c@far.test")

    def test_a_token_neither(self):
        sink = self.login_sink("XOAUTH2")
        self.run_with({"match": "*", "deliver": sink.target, "tls": "encrypt",
                       "auth": f"{USER}:command:/bin/echo token"})
        self.submit()
        self.waits("has not proven who it is, and XOAUTH2 would give it the route's token")
        self.assertEqual([], sink.commands("AUTH"))

    def test_check_says_so(self):
        route = {"match": "*", "deliver": "smtp:127.0.0.1:25", "auth": f"{USER}:file:{self.secret}"}
        self.mta.reconfigure({"route": [route]})
        self.assertNotIn("not proven", self.mta.cli("check").stdout)
        self.mta.reconfigure({"route": [{**route, "tls": "may"}]})
        result = self.mta.cli("check")
        self.assertEqual(0, result.returncode)
        self.assertIn('tls = "may" lets a server log us in that has not proven who it is',
                      result.stdout + result.stderr)


class Tokens(SmartHost):
    def command(self, text):
        return self.mta.folder.file("token", "#!/bin/sh\n" + text, mode=0o755)

    def token_route(self, sink, command):
        return {"match": "*", "deliver": sink.target, "auth": f"{USER}:command:{command}",
                "tls": "may", "auth_mechanisms": ["OAUTHBEARER", "XOAUTH2"]}

    def test_both_mechanisms(self):
        for offered in ("PLAIN XOAUTH2", "XOAUTH2 OAUTHBEARER"):
            with self.subTest(offered=offered):
                sink = self.login_sink(offered, Accounts(tokens=["tok.en-1"]))
                self.run_with(self.token_route(sink, self.command('echo "tok.en-$1"\n') + " 1"))
                self.submit()
                sink.wait_delivered("bob@far.test")
                self.assertEqual([(offered.split(" ")[-1], USER)], sink.accounts.taken)
                self.mta.stop()

    def test_a_token_that_is_refused_is_fetched_anew(self):
        sink = self.login_sink("XOAUTH2", Accounts(tokens=["new"]))
        count = self.mta.folder / "tokens/count"
        script = f"echo x >> {count}; [ $(wc -l < {count}) -ge 2 ] && echo new || echo old\n"
        os.mkdir(self.mta.folder / "tokens")
        os.chmod(self.mta.folder / "tokens", 0o777)
        self.run_with(self.token_route(sink, self.command(script)))
        self.submit()
        sink.wait_delivered("bob@far.test", 40)

    def test_a_command_that_fails_defers(self):
        for script, said in (("exit 3\n", "it ended with 3"), ("echo 'a b'\n", "it prints no token"),
                             ("kill -9 $$\n", "it ended by signal 9"),
                             (None, "it cannot be started: no such file")):
            with self.subTest(script=script):
                sink = self.login_sink("XOAUTH2")
                command = self.command(script) if script else "/nowhere/token"
                self.run_with(self.token_route(sink, command))
                self.submit(to=f"{len(said)}@far.test")
                self.waits(said, to=f"{len(said)}@far.test")
                self.assertEqual([], sink.commands("AUTH"))
                self.mta.stop()


class Ways(SmartHost):
    def test_the_sender_decides(self):
        first, second = self.login_sink("PLAIN"), self.closing(SmtpSink())
        self.run_with({**self.route(first), "sender": ["boss@ours.test", ".dept.test"]},
                      {"match": "*", "deliver": second.target})
        for sender, sink in (("boss@ours.test", first), ("x@a.dept.test", first),
                             ("alice@ours.test", second)):
            self.submit(to=f"{sender[0]}@far.test", sender=sender)
            sink.wait_delivered(f"{sender[0]}@far.test")
        explained = self.mta.cli("explain", "bob@far.test", "--from", "boss@ours.test", "--json")
        self.assertEqual(f"smtp:[127.0.0.1]:{first.port} route=0",
                         json.loads(explained.stdout)["route"]["destination"])

    def test_a_next_hop_that_asks_for_our_certificate(self):
        tls = server_tls(*self.pair)
        tls.verify_mode = ssl.CERT_REQUIRED
        ours = make_certificate(self.mta.folder, "ours.test")
        tls.load_verify_locations(ours[0])
        sink = self.closing(SmtpSink(tls=tls))
        plain = {"match": "*", "deliver": sink.target, "tls": "encrypt"}
        self.run_with(plain)
        self.submit()
        wait_until(lambda: self.mta.unsettled().get("bob@far.test", {}).get("attempts"), 20,
                   "a first try without certificate")
        self.assertEqual([], sink.messages)
        self.mta.reconfigure({"route": [{**plain, "certificate": ours[0],
                                         "certificate_key": ours[1]}]})
        self.assertEqual(0, self.mta.cli("reload").returncode)
        self.mta.cli("queue", "retry", "--all")
        sink.wait_delivered("bob@far.test")

    def test_check_tells_of_what_a_route_cannot_use(self):
        other = make_certificate(self.mta.folder, "other.test")
        route = {"match": "*", "deliver": "smtp:127.0.0.1:25"}
        self.mta.reconfigure({"route": [{**route, "certificate": self.pair[0],
                                         "certificate_key": other[1]}]})
        result = self.mta.cli("check")
        self.assertEqual(78, result.returncode)
        self.assertIn("key does not belong to the certificate", result.stdout + result.stderr)
        self.mta.reconfigure({"route": [{**route, "auth": f"{USER}:command:/nowhere/token x"}]})
        result = self.mta.cli("check")
        self.assertEqual(0, result.returncode)
        self.assertIn("/nowhere/token cannot be run", result.stdout + result.stderr)

    def test_fallback_when_nobody_answers(self):
        beyond = self.closing(SmtpSink(script={"rcpt": {"no@far.test": "550 5.1.1 no"}}))
        refusing = self.closing(SmtpSink(script={"rcpt": {"no@refused.test": "550 5.1.1 no"}}))
        full = self.closing(SmtpSink(script={"connect": lambda *_: "421 4.3.2 full"}))
        self.run_with(
            {"match": "refused.test", "deliver": refusing.target, "fallback": beyond.target},
            {"match": "full.test", "deliver": full.target, "fallback": beyond.target},
            {"match": "*", "deliver": f"smtp:127.0.0.1:{reserve_port()}",
             "fallback": beyond.target})
        self.submit()
        beyond.wait_delivered("bob@far.test")
        self.submit("bob@full.test")
        beyond.wait_delivered("bob@full.test")
        # A verdict on the mail is one: it is not asked for elsewhere.
        self.submit("no@refused.test")
        wait_until(lambda: "no@refused.test" not in self.mta.unsettled(), 20, "the bounce")
        self.assertEqual([], beyond.delivered("no@refused.test"))

    def test_weights_share_the_connections(self):
        one_each = [*EXTENSIONS, "LIMITS MAILMAX=1"]
        much, little = (self.closing(SmtpSink(extensions=one_each)) for _ in range(2))
        self.run_with({"match": "*", "deliver":
                       f"smtp:127.0.0.1:{much.port}/4,127.0.0.1:{little.port}/1"})
        for n in range(60):
            self.submit(f"u{n}@far.test")
        self.mta.wait_queue_empty()
        self.assertEqual(60, len(much.messages) + len(little.messages))
        self.assertGreater(len(little.messages), 0)
        self.assertGreater(len(much.messages), len(little.messages))

    def test_a_fallback_with_weights_stays_behind(self):
        first, beyond = (self.closing(SmtpSink()) for _ in range(2))
        self.run_with({"match": "*", "deliver": first.target,
                       "fallback": f"smtp:127.0.0.1:{beyond.port}/1000"})
        for n in range(5):
            self.submit(f"u{n}@far.test")
        self.mta.wait_queue_empty()
        self.assertEqual((5, 0), (len(first.messages), len(beyond.messages)))

    def test_weights_are_no_order(self):
        alive = self.closing(SmtpSink())
        self.run_with({"match": "*", "deliver":
                       f"smtp:127.0.0.1:{reserve_port()}/1000,127.0.0.1:{alive.port}/1"})
        self.submit()
        alive.wait_delivered("bob@far.test")


class Uncertain(SmartHost):
    def test_held_where_a_second_copy_would_be_worse(self):
        sink = self.closing(SmtpSink(script={"final": [HANG_UP]}))
        self.run_with({"match": "*", "deliver": sink.target, "in_doubt": "hold"})
        self.submit()
        held = wait_until(lambda: [m for m in self.mta.queue() if m["state"] == "held"], 20,
                          lambda: f"it to be held: {self.mta.queue()}")
        self.assertIn("may have been delivered", held[0]["recipients"][0]["last_reply"])
        self.assertTrue(held[0]["recipients"][0]["in_doubt"])
        self.assertEqual(1, json.loads(self.mta.cli("queue", "stats", "--json").stdout)["in_doubt"])
        self.assertEqual([held[0]["id"]], [m["id"] for m in self.mta.queue("--in-doubt")])
        self.assertIn("in doubt: may have arrived", self.mta.cli("queue", "list", "--in-doubt").stdout)
        self.assertEqual(1, len(sink.messages))
        self.assertEqual(0, self.mta.cli("queue", "release", held[0]["id"]).returncode)
        sink.wait_delivered("bob@far.test")
        self.mta.wait_queue_empty()
        self.assertEqual(0, json.loads(self.mta.cli("queue", "stats", "--json").stdout)["in_doubt"])

    def test_tried_again_where_nothing_is_said(self):
        sink = self.closing(SmtpSink(script={"final": [HANG_UP]}))
        self.run_with({"match": "*", "deliver": sink.target})
        self.submit()
        sink.wait_delivered("bob@far.test", 40)
        self.assertEqual(2, len(sink.messages))


if __name__ == "__main__":
    main()
