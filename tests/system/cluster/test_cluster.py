"""Two nodes that share a queue in PostgreSQL: they share out its bags, and take over from one that
is killed, stands still, is stopped or loses the database. What was acknowledged arrives, and
whoever gets a second copy was marked in doubt before.

The stories are told on one cluster, one after the other, under load; each begins with two nodes
that work and ends with the judgement of all that was sent (cluster_verdict.py). chaos.py goes on
where this ends.
"""

import json
import signal
import time

from postwain_harness import main
from cluster_harness import BAGS, bag_of, queue_id_text
from cluster_stories import ClusterStories, is_taken, refuses_for_now
from resources import wait_until

STANDSTILL = 12  # seconds: longer than the others wait before they end a node's term
AWAY = 6  # seconds of a database
AT_ONCE = 4  # seconds for what waits for no death to be noticed


class SharedQueue(ClusterStories):
    # The stories.

    def test_both_have_their_part_and_say_so(self):
        self.assertLess(self.cluster.handed_over_in, AT_ONCE)
        # A node tells what its last beat has read, and bags may move meanwhile.
        for name in ("a", "b"):
            wait_until(lambda name=name: self.is_told_by(name), 30, lambda name=name: (
                f"{self.cluster.status(name)} is {self.cluster.rows()} {self.cluster.owners()}"))

    def is_told_by(self, name):
        rows, owners, status = self.cluster.rows(), self.cluster.owners(), self.cluster.status(name)
        told = {node["name"]: (node["number"], node["state"], node["term"], node["stay"],
                               node["bags"], node["self"]) for node in status["nodes"]}
        true = {one: (*row, owners.get(one, 0), one == name) for one, row in rows.items()}
        return (told == true and sum(owners.values()) == BAGS
                and (status["node"], status["standing"], status["orphans"]) == (name, "live", 0))

    def test_mail_of_either_is_delivered_from_its_own_bags(self):
        load = self.under_load(connections=6)
        owned = {}
        for bag, number in self.cluster.queued():
            self.assertEqual(bag_of(number), bag)
            owned[bag] = number
        wait_until(self.nodes_of_messages_are_told, 20, "which node has which message")
        verdict = self.judge(load)
        nodes = {copy.node for copies in verdict.copies.values() for copy in copies}
        self.assertEqual({"a", "b"}, nodes)
        self.assertEqual(0, verdict.second_copies())
        self.assertEqual(self.terms, self.terms_now())

    def nodes_of_messages_are_told(self):
        """Messages go, and bags may move, between the two looks."""
        lines = self.cluster.database.sql(
            "SELECT m.id, convert_from(n.name, 'UTF8') FROM (SELECT bag, id FROM fresh "
            "UNION SELECT bag, id FROM message) m JOIN bag b ON b.id = m.bag "
            "JOIN node n ON n.id = b.node WHERE m.bag >= 0").splitlines()
        true = {queue_id_text(int(number)): name
                for number, name in (line.split("|") for line in lines)}
        rows = map(json.loads, self.node.cli("queue", "list", "--json").stdout.splitlines())
        told = {row["id"]: row["node"] for row in rows if row["id"] in true}
        return (set(told.values()) == {"a", "b"}
                and all(true[one] == name for one, name in told.items()))

    def test_a_killed_node_is_taken_over(self):
        load = self.under_load()
        began = time.time()
        self.node.kill_all()
        self.wait_taken_over(began)
        self.assertEqual("gone", self.cluster.state_of(self.fuller))
        self.assertEqual([self.fuller], self.fenced(began))
        wait_until(lambda: self.is_told_by(self.other), 10,
                   lambda: str(self.cluster.status(self.other)))
        self.node.start()
        self.cluster.wait_live(self.fuller)
        self.assertGreater(self.terms_now()[self.fuller], self.terms[self.fuller])
        self.judge(load)

    def test_a_node_that_is_known_to_be_dead_is_taken_over_at_once(self):
        load = self.under_load()
        self.node.kill_all()
        began = time.time()
        # Not while the other node has yet to read the last beat of this one.
        wait_until(lambda: self.survivor.cli("cluster", "fence", self.fuller, "--yes").returncode
                   == 0, AT_ONCE, self.survivor.tail)
        wait_until(lambda: self.cluster.owners().get(self.other) == BAGS, AT_ONCE,
                   lambda: f"its bags: {self.cluster.owners()}\n{self.survivor.tail()}")
        self.wait_taken_over(began)
        self.assertEqual([self.fuller], self.fenced(began))
        self.judge(load)

    def test_a_node_that_has_gone_is_forgotten(self):
        self.assertEqual("gone", self.cluster.state_of("first"))
        self.operate("leave", "first")
        self.assertNotIn("first", self.cluster.rows())
        done = self.survivor.cli("cluster", "leave", self.fuller)
        self.assertNotEqual(0, done.returncode, done.stdout)
        self.assertEqual("live", self.cluster.state_of(self.fuller))

    def test_a_killed_qmgr_is_a_new_term_of_the_same_node(self):
        load = self.under_load()
        began = time.time()
        self.node.kill_qmgr()
        wait_until(lambda: self.terms_now()[self.fuller] > self.terms[self.fuller], 30,
                   lambda: "a new term\n" + self.node.tail())
        self.cluster.wait_live(self.fuller)
        self.assertEqual([], self.fenced(began))
        self.judge(load)

    def test_a_node_that_stood_still_does_no_harm_and_works_again(self):
        load = self.under_load()
        began = time.time()
        self.node.pause()
        time.sleep(STANDSTILL)
        self.node.resume()
        self.assertEqual([self.fuller], self.fenced(began))
        self.assertEqual(BAGS, self.cluster.owners().get(self.other))
        self.wait_taken_over(began)
        self.cluster.wait_live(self.fuller)
        # Its own life since, behind the one that others have ended.
        self.assertGreater(self.terms_now()[self.fuller], self.terms[self.fuller] + 1)
        self.cluster.wait_bags(self.fuller)
        self.wait_taken_again(self.node)
        # Each of its processes may have stood between its look at the clock and its write.
        self.judge(load, wakes_allowed=2)

    def test_a_stop_hands_the_bags_over_at_once(self):
        load = self.under_load()
        began = time.time()
        self.node.stop()
        stopped = time.time()
        wait_until(lambda: self.cluster.owners().get(self.other) == BAGS, AT_ONCE,
                   self.survivor.tail)
        print(f"\n    stopped in {stopped - began:.1f} s, its bags taken over "
              f"{time.time() - stopped:.1f} s later", flush=True)
        self.wait_taken_over(began)
        self.assertEqual("gone", self.cluster.state_of(self.fuller))
        self.assertEqual([], self.fenced(began))
        self.node.start()
        verdict = self.judge(load)
        self.assertEqual(0, verdict.second_copies())

    def test_a_node_without_the_database_refuses_and_is_taken_over(self):
        load = self.under_load(names=[self.fuller])
        began = time.time()
        self.node.cut()
        wait_until(lambda: refuses_for_now(self.node), 20, lambda: "a refusal\n" + self.node.tail())
        print(f"\n    451 after {time.time() - began:.1f} s", flush=True)
        self.wait_taken_over(began)
        # The bytes that were on their way come now, after another node has its bags.
        self.node.heal()
        self.cluster.wait_live(self.fuller)
        self.cluster.wait_bags(self.fuller)
        self.wait_taken_again(self.node)
        self.assertGreater(self.terms_now()[self.fuller], self.terms[self.fuller])
        self.judge(load)

    def test_a_database_that_was_killed_ends_no_term(self):
        load = self.under_load()
        began = time.time()
        self.cluster.database.kill(signal.SIGKILL)
        for node in (self.node, self.survivor):
            wait_until(lambda node=node: refuses_for_now(node), 20, node.tail)
        # Nothing that was so before is told as if it were so now.
        wait_until(lambda: self.cluster.status(self.fuller)["silent"], 20, "silence is noticed")
        told = self.node.cli("cluster", "status").stdout
        self.assertRegex(told, r"NOTHING IS HEARD FROM THE DATABASE \(database .*\) for [\d.]+ s: ")
        self.assertIn("what follows is as it was then\n", told)
        time.sleep(max(0.0, began + AWAY - time.time()))
        self.cluster.database.start()
        began = time.time()
        self.cluster.wait_live("a", "b")
        for node in (self.node, self.survivor):
            self.wait_taken_again(node)
        print(f"\n    mail is taken {time.time() - began:.1f} s after its start", flush=True)
        verdict = self.judge(load)
        self.assertEqual(self.terms, self.terms_now())
        self.assertEqual(0, verdict.second_copies())

    def test_a_second_node_of_the_same_name_is_refused(self):
        twin = self.cluster.add(self.fuller, key="twin")
        self.addCleanup(self.cluster.nodes.pop, "twin")
        self.addCleanup(twin.close)
        twin.launch()
        wait_until(lambda: twin.has_event("cannot_start"), 30, twin.tail)
        reason = twin.events("cannot_start")[0]["reason"]
        self.assertIn(self.fuller, reason)
        self.assertFalse(twin.has_event("ready"))
        twin.kill_all()
        self.assertEqual(self.terms, self.terms_now())
        self.assertEqual(250, is_taken(self.node)[0])
        self.judge()

    def test_drain_and_join(self):
        load = self.under_load()
        began = time.time()
        self.operate("drain", self.fuller)
        wait_until(lambda: self.cluster.owners().get(self.other) == BAGS, 30,
                   lambda: f"its bags have gone: {self.cluster.queue_in_words()}\n"
                           f"{self.cluster.tables()}\n{self.node.tail()}")
        print(f"\n    drained in {time.time() - began:.1f} s", flush=True)
        wait_until(lambda: self.told(self.fuller)["state"] == "draining", 10,
                   lambda: str(self.told(self.fuller)))
        self.assertFalse(self.told(self.fuller)["stay"])
        stopped = self.node.events("deliveries_stopped")[-1]
        self.assertIn("has given its part of the queue away", stopped["reason"])
        closed = self.node.events("admission")[-1]
        self.assertEqual(("false", stopped["reason"]), (closed["accepting"], closed["reason"]))
        self.assertEqual({"info"}, {stopped["level"], closed["level"]})
        self.assertTrue(refuses_for_now(self.node))
        self.assertEqual([], self.fenced(began))
        # It stays out over a restart, until it is told to come back.
        self.node.stop()
        seen = len(self.node.log)
        self.node.start()
        time.sleep(AT_ONCE)
        self.assertEqual(BAGS, self.cluster.owners().get(self.other))
        self.assertIn("has given its part of the queue away",
                      self.node.events("admission", seen)[-1]["reason"])
        self.operate("join", self.fuller)
        self.cluster.wait_bags(self.fuller)
        self.assertEqual("live", self.told(self.fuller)["state"])
        self.wait_taken_again(self.node)
        # "ready" is not yet that: this says from when on mail is taken.
        opened = wait_until(lambda: [one for one in self.node.events("admission", seen)
                                     if one["accepting"] == "true"], 10, self.node.tail)
        self.assertEqual("info", opened[0]["level"])
        self.judge(load)


if __name__ == "__main__":
    main()
