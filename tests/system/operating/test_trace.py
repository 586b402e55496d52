"""`postwain trace`: the timeline of every recipient, while it is queued and after it has gone."""

import json

from postwain_harness import PostwainTestCase, main
from mail_content import message
from mail_session import Delay, HANG, HANG_UP
from resources import wait_until
from smtp_raw import SmtpClient, queue_id
from smtp_sink import SmtpSink

ALICE, BOB, EVE = "alice@sender.test", "bob@next.test", "eve@next.test"
LARGE = 200_000
EX_NOINPUT = 66


class Trace(PostwainTestCase):
    def begin(self, script=None, more=None, lmtp_script=None):
        self.sink = self.closing(SmtpSink(script=script))
        self.store = self.closing(SmtpSink(script=lmtp_script, lmtp=True))
        self.mta = self.prepare({
            "route": [{"match": "next.test", "deliver": self.sink.target},
                      {"match": "sender.test", "deliver": self.sink.target},
                      {"match": "store.test", "deliver": self.store.target}],
            **(more or {})}).start()

    def submit(self, recipients, content=None):
        with SmtpClient(self.mta.port) as client:
            answer = client.mail(ALICE, recipients, content or message())
            self.assertEqual(250, answer[0], answer)
            return queue_id(answer[1])

    def trace(self, *words):
        result = self.mta.cli("trace", "--json", *words)
        self.assertEqual(0, result.returncode, result.stderr + self.mta.tail())
        return [json.loads(line) for line in result.stdout.splitlines()]

    def one(self, *words):
        answers = self.trace(*words)
        self.assertEqual(1, len(answers), answers)
        return answers[0]

    def recipient(self, query, address):
        return {r["address"]: r for r in self.one(query)["recipients"]}[address]

    def wait_state(self, query, address, *states):
        wait_until(lambda: self.recipient(query, address)["state"] in states, 20,
                   lambda: f"{address} {states}: {self.one(query)}")
        return self.recipient(query, address)

    def names(self, recipient):
        return [event["event"] for event in recipient["events"]]

    def test_where_the_time_went(self):
        self.begin({"connect": [Delay(0.3)], "rcpt": {BOB: [Delay(0.2)]}, "final": {ALICE: [Delay(0.25), Delay(0.25)]}})
        first = self.wait_state(self.submit([BOB]), BOB, "delivered")["events"][-1]
        self.assertGreaterEqual(first["stages_ms"]["greeting"], 250)
        self.assertGreaterEqual(first["stages_ms"]["rcpt"], 150)
        self.assertGreaterEqual(first["stages_ms"]["final_reply"], 200)
        self.assertGreaterEqual(first["took_ms"], sum(first["stages_ms"].values()) - 20)
        name = self.submit([BOB])  # over the same connection
        second = self.wait_state(name, BOB, "delivered")["events"][-1]
        self.assertEqual(1, self.sink.connections)
        self.assertNotIn("greeting", second["stages_ms"])
        self.assertGreaterEqual(second["stages_ms"]["final_reply"], 200)
        self.assertIn("final_reply 2", self.mta.cli("trace", name).stdout)

    def test_delivered_and_found_by_every_name(self):
        self.begin({"final": {ALICE: "250 2.0.0 Ok: queued as REMOTE77"}})
        content = message().replace(b"Subject:", b"Message-ID: <m1@sender.test>\r\nSubject:", 1)
        name = self.submit([BOB], content)
        bob = self.wait_state(name, BOB, "delivered")
        self.assertEqual(["received", "routed", "delivered"], self.names(bob))
        self.mta.wait_queue_empty()
        last = bob["events"][-1]
        self.assertEqual("250 2.0.0 Ok: queued as REMOTE77", last["reply"])
        self.assertIn(f":{self.sink.port}", last["address"])
        self.assertEqual(("final_reply", False, ""),
                         (last["stage"], last["in_doubt"], last["next_attempt_at"]))
        self.assertGreaterEqual(last["took_ms"], 0)
        for query in (name, name.lower(), BOB, BOB.upper(), ALICE, "m1@sender.test",
                      "<m1@sender.test>", "REMOTE77"):
            with self.subTest(query=query):
                self.assertEqual(name, self.one(query)["id"])
        found = self.one(name)
        self.assertEqual(("<m1@sender.test>", ALICE, "ESMTP", "127.0.0.1",
                          "client.test", True),
                         tuple(found[key] for key in ("message_id", "sender", "protocol",
                                                      "client_address", "client_name", "complete")))
        text = self.mta.cli("trace", name).stdout
        for part in (name, BOB, "delivered", "REMOTE77", "<m1@sender.test>"):
            self.assertIn(part, text)
        # Nothing of it depends on the process that saw it.
        self.mta.stop()
        self.mta.start()
        self.assertEqual(found, self.one("REMOTE77"))

    def test_unknown(self):
        self.begin()
        for query in ("0000000000001", "nobody@next.test", "<no@such.id>"):
            result = self.mta.cli("trace", query)
            self.assertEqual((EX_NOINPUT, ""), (result.returncode, result.stdout))
            self.assertIn("nothing known of " + query, result.stderr)

    def test_deferred_then_delivered(self):
        self.begin({"rcpt": {BOB: ["451 4.7.1 come back later", "250 2.1.5 welcome"]}})
        name = self.submit([BOB])
        bob = self.wait_state(name, BOB, "delivered")
        self.assertEqual(["received", "routed", "deferred", "delivered"], self.names(bob))
        deferred = bob["events"][2]
        self.assertEqual(("451 4.7.1 come back later", "rcpt", False),
                         (deferred["reply"], deferred["stage"], deferred["in_doubt"]))
        self.assertEqual("1s after attempt 1, step 1 of 1 of the schedule", deferred["why"])
        self.assertLess(deferred["time"], deferred["next_attempt_at"])
        self.assertLessEqual(deferred["next_attempt_at"], bob["events"][3]["time"])

    def test_bounced(self):
        self.begin({"rcpt": {EVE: "550 5.1.1 no such user"}})
        name = self.submit([BOB, EVE])
        eve = self.wait_state(name, EVE, "failed")
        self.wait_state(name, BOB, "delivered")
        self.assertEqual(["received", "routed", "failed", "bounced"], self.names(eve))
        self.assertEqual("550 5.1.1 no such user", eve["events"][2]["reply"])
        bounce = eve["events"][3]
        self.assertEqual(ALICE, bounce["why"])
        # The bounce has a timeline of its own, once it is committed.
        wait_until(lambda: self.mta.cli("trace", bounce["id"]).returncode == 0, 20, "the bounce")
        self.wait_state(bounce["id"], ALICE, "delivered")
        told = self.one(bounce["id"])
        self.assertEqual(("notice", ""), (told["kind"], told["sender"]))

    def test_lmtp_each_recipient_for_itself(self):
        users = [f"u{n}@store.test" for n in range(3)]
        self.begin(lmtp_script={"final": {users[1]: ["452 4.2.2 full", "250 2.0.0 <u1> S1 Saved"],
                                          users[2]: "554 5.6.0 content refused"}})
        name = self.submit(users)
        for user, state, names in ((users[0], "delivered", ["delivered"]),
                                   (users[1], "delivered", ["deferred", "delivered"]),
                                   (users[2], "failed", ["failed", "bounced"])):
            one = self.wait_state(name, user, state)
            self.assertEqual(["received", "routed"] + names, self.names(one))
            self.assertTrue(one["events"][1]["destination"].startswith("lmtp:"), one)
        # For an address, only that recipient.
        self.assertEqual([users[1]], [r["address"] for r in self.one(users[1])["recipients"]])
        self.assertEqual(name, self.one("S1")["id"])

    def test_in_doubt_after_the_final_dot(self):
        self.begin({"final": {ALICE: [HANG_UP]}})
        name = self.submit([BOB])
        bob = self.wait_state(name, BOB, "delivered")
        self.assertEqual(["received", "routed", "deferred", "delivered"], self.names(bob))
        self.assertEqual([True, False], [event["in_doubt"] for event in bob["events"][2:]])
        self.assertIn("IN DOUBT", self.mta.cli("trace", name).stdout)

    def test_in_doubt_after_everything_was_killed(self):
        """The agent may have delivered it: nobody is left who knows."""
        self.begin({"final": {ALICE: [HANG]}})
        name = self.submit([BOB])
        self.sink.wait_for(1)
        idle = self.submit([EVE])
        wait_until(lambda: list(self.mta.unsettled()) == [BOB], 20,
                   lambda: f"only {BOB} in the queue: {self.mta.queue()}")
        self.mta.kill_all()
        self.mta.start()
        bob = self.wait_state(name, BOB, "delivered")
        self.assertIn("in_doubt", self.names(bob))
        doubt = bob["events"][self.names(bob).index("in_doubt")]
        self.assertTrue(doubt["in_doubt"])
        self.assertLess(self.names(bob).index("in_doubt"), self.names(bob).index("delivered"))
        # What was not under way is not in doubt, though its last events may be lost.
        result = self.mta.cli("trace", idle)
        self.assertIn(result.returncode, (0, EX_NOINPUT))
        self.assertNotIn("in_doubt", result.stdout)

    def changed(self, *words):
        result = self.mta.cli(*words, "--json")
        self.assertEqual(0, result.returncode, result.stderr)
        return json.loads(result.stdout)["changed"]

    def test_who_asked(self):
        self.begin({"rcpt": {BOB: "451 4.2.0 not now"}}, {"queue": {"retry": ["1h"]}})
        name = self.submit([BOB])
        waiting = self.wait_state(name, BOB, "deferred")
        self.assertNotEqual("", waiting["next_attempt_at"])
        for action, state in (("hold", "held"), ("release", ("deferred", "queued")),
                              ("cancel", "cancelled")):
            # While an attempt is being recorded there is nothing to change yet.
            wait_until(lambda: self.changed("queue", action, name) == 1, 20, action)
            states = (state,) if isinstance(state, str) else state
            self.wait_state(name, BOB, *states)
            if action == "release":
                wait_until(lambda: self.names(self.recipient(name, BOB)).count("deferred") == 2, 20,
                           lambda: f"a second attempt: {self.one(name)}")
        bob = self.recipient(name, BOB)
        self.assertEqual(["received", "routed", "deferred", "held", "released", "deferred",
                          "cancelled"], self.names(bob))
        for event in bob["events"]:
            if event["event"] in ("held", "released", "cancelled"):
                self.assertRegex(event["who"], r"^\S+ \(uid \d+, pid \d+\)$")

    def test_expired(self):
        self.begin({"rcpt": {BOB: "451 4.2.0 not now"}},
                   {"queue": {"lifetime": "2s", "delay_warning": "1s"}})
        name = self.submit([BOB])
        bob = self.wait_state(name, BOB, "expired")
        names = self.names(bob)
        self.assertEqual(["expired", "bounced"], names[-2:])
        self.assertIn("warned", names)

    def test_large_content_and_limit(self):
        self.begin()
        content = message().replace(b"Subject:", b"Message-ID: <big@sender.test>\r\nSubject:", 1)
        name = self.submit([BOB], content + b"x" * 70 + (b"\r\n" + b"x" * 70) * (LARGE // 72)
                           + b"\r\n")
        self.wait_state(name, BOB, "delivered")
        self.assertEqual(name, self.one("big@sender.test")["id"])
        names = [name] + [self.submit([BOB]) for _ in range(4)]
        wait_until(lambda: len(self.trace(BOB)) == 5, 20, "five messages")
        self.assertEqual(names[:2:-1], [found["id"] for found in self.trace("--limit", "2", BOB)])

    def test_switched_off(self):
        self.begin({"rcpt": {BOB: "451 4.2.0 not now"}},
                   {"queue": {"history": "off", "retry": ["1h"]}})
        name = self.submit([BOB])
        wait_until(lambda: self.mta.unsettled().get(BOB, {}).get("state") == "deferred", 20,
                   lambda: f"a first attempt: {self.mta.queue()}")
        # What is queued is known to the queue, at least.
        found = self.one(name)
        self.assertFalse(found["complete"])
        self.assertEqual("deferred", found["recipients"][0]["state"])
        result = self.mta.cli("trace", BOB)
        self.assertEqual(EX_NOINPUT, result.returncode)
        self.assertRegex(result.stderr, "no history is kept")
        self.assertFalse(self.mta.status()["history"]["on"])

    def test_damaged_history_stops_nothing(self):
        self.begin()
        name = self.submit([BOB])
        self.wait_state(name, BOB, "delivered")
        self.mta.stop()
        path = self.mta.folder / "spool/history.db"
        with open(path, "r+b") as file:
            file.write(b"not a database at all" * 100)
        self.mta.start()
        again = self.submit([BOB])
        self.wait_state(again, BOB, "delivered")
        self.assertTrue(self.mta.has_event("history_moved_aside"))
        self.assertEqual(EX_NOINPUT, self.mta.cli("trace", name).returncode)


if __name__ == "__main__":
    main()
