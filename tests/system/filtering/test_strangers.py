"""Clients that nobody here knows: DNS lists, greylisting and the delay of the greeting."""

import glob
import os
import socket
import subprocess
import time
import urllib.request

from postwain_harness import PostwainTestCase, kill_and_wait, main
from auth_client import login
from dns_server import DnsServer
from mail_content import message
from peers import PEERS
from resources import Folder, reserve_port, wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink


def owner(address, name):
    """An address with a name that is its own."""
    backwards = ".".join(reversed(address.split(".")))
    return {f"{backwards}.in-addr.arpa": {"PTR": [name]}, name: {"A": [address]}}


def listed(zone, address, code="127.0.0.2", text=None):
    backwards = ".".join(reversed(address.split(".")))
    return {f"{backwards}.{zone}": {"A": [code], **({"TXT": [text]} if text else {})}}


ZONE = {
    **listed("zen.test", "127.0.0.2"), **listed("zen.test", "127.0.0.66", "127.0.0.4", "see https://zen.test"),
    **listed("zen.test", "127.0.0.67", "127.0.0.4"), **listed("zen.test", "127.0.0.68", "127.0.0.99"),
    **listed("good.test", "127.0.0.2"), **listed("good.test", "127.0.0.67", "127.0.5.2"),
    **listed("refuses.test", "127.0.0.2"), **listed("refuses.test", "127.0.0.70", "127.255.255.254"),
    "71.0.0.127.zen.test": {"silent": True},
    **owner("127.0.0.80", "o1.out.big.test"), **owner("127.0.1.80", "o2.out.big.test"),
    **owner("127.0.2.80", "o3.out.big.test"), **owner("127.0.0.81", "mail.small.test"),
    **owner("127.0.0.66", "mail.bad.test"),
}
ZEN = {"zone": "zen.test", "answers": ["127.0.0.2-11"], "weight": 5}
CLOSED = {"zone": "closed.test", "weight": 100}


def sent(client, to="anna@our.test", sender="a@far.test"):
    """The reply that ends it, whatever command it is for."""
    for line in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{to}>"):
        reply = client.command(line)
        if reply[0] != 250:
            return reply
    return client.data(message())


class Rewriting(dict):
    """What a resolver with a page for lost surfers says."""

    def get(self, name, default=None):
        return super().get(name, {"A": ["192.0.2.80"]})


class Strangers(PostwainTestCase):
    def begin(self, lists=(ZEN,), strangers=None, zone=None, **more):
        self.sink = self.closing(SmtpSink())
        self.dns = self.closing(DnsServer(ZONE if zone is None else zone))
        if isinstance(zone, Rewriting):
            self.dns.zone = zone
        self.mta = self.start({
            "domain": [{"name": "our.test"}], "dns": {"servers": [f"127.0.0.1:{self.dns.port}"]},
            "dns_list": list(lists), "strangers": {"refuse_at": 5, **(strangers or {})},
            "route": [{"match": "*", "deliver": self.sink.target}], **more})
        if lists:
            self.wait_log(" dns_list ", len(lists))
        return self.mta

    def wait_log(self, words, count=1):
        return wait_until(lambda: (lambda lines: len(lines) >= count and lines)(
            [line for line in self.mta.log if words in line]), 20, "log: " + words)

    def mail(self, source, to="anna@our.test", sender="a@far.test", hello="host.far.test"):
        with SmtpClient(self.mta.port, source=source, hello=hello) as client:
            return sent(client, to, sender)

    def test_a_client_on_a_list_is_refused_and_hears_why(self):
        self.begin()
        self.assertEqual((550, "5.7.1 Client [127.0.0.66] blocked by zen.test; see https://zen.test"),
                         self.mail("127.0.0.66"))
        refused = self.wait_log(" stranger_refused ")[0]
        for word in ("client=127.0.0.66", "verdict=refuse", "score=5", "to=anna@our.test"):
            self.assertIn(word, refused)
        for source in ("127.0.0.68", "127.0.0.81"):  # an answer that does not count, and none
            self.assertEqual(250, self.mail(source)[0])
        self.assertEqual(250, self.mail("127.0.0.66", to="postmaster@our.test")[0])
        self.assertEqual(250, self.mail("127.0.0.1")[0])  # a trusted network

    def test_a_good_word_outweighs_a_bad_one(self):
        good = {"zone": "good.test", "answers": ["127.0.0-255.1-3"], "weight": -5}
        self.begin([ZEN, good])
        self.assertEqual(550, self.mail("127.0.0.66")[0])
        self.assertEqual(250, self.mail("127.0.0.67")[0])

    def test_closed_lists_and_those_that_refuse_us_cost_no_mail(self):
        refuses = {"zone": "refuses.test", "answers": ["127.0-255.0-255.1-255"], "weight": 100}
        empty = {"zone": "empty.test", "weight": 100}
        everything = {**ZONE, **listed("closed.test", "127.0.0.2"), **listed("closed.test", "127.0.0.1"),
                      **listed("closed.test", "127.0.0.66")}
        self.begin([CLOSED, refuses, empty], zone=everything)
        self.assertEqual(250, self.mail("127.0.0.66")[0])
        self.assertEqual(250, self.mail("127.0.0.70")[0])
        states = [line for line in self.mta.log if " dns_list " in line]
        for words in ("list=closed.test state=lists_all", "list=empty.test state=lists_none",
                      "list=refuses.test state=good", "list=refuses.test state=refused"):
            self.assertTrue(any(words in line for line in states), words)

    def test_a_resolver_that_rewrites_answers_costs_no_mail(self):
        self.begin([ZEN, CLOSED], zone=Rewriting())
        self.assertEqual(250, self.mail("127.0.0.66")[0])
        self.assertEqual(2, len([line for line in self.mta.log if "state=broken" in line]))

    def test_a_silent_list_is_not_waited_for_longer_than_five_seconds(self):
        self.begin()
        began = time.monotonic()
        self.assertEqual(250, self.mail("127.0.0.71")[0])
        self.assertLess(time.monotonic() - began, 15)

    GREYLIST = {"greylist_at": 2, "weights": {"no_name": 2}, "greylist": {"wait": "2s"}}

    def put_off(self, source, **more):
        code, text = self.mail(source, **more)
        self.assertEqual(451, code, text)
        self.assertTrue(text.startswith("4.7.1 Greylisted, try again in "), text)

    def test_a_stranger_without_a_name_is_put_off_once(self):
        self.begin(strangers=self.GREYLIST)
        self.assertEqual(250, self.mail("127.0.0.81")[0])  # it has one
        self.put_off("127.0.0.90")
        self.put_off("127.0.0.90")
        time.sleep(2.1)
        self.assertEqual(250, self.mail("127.0.0.90")[0])
        self.put_off("127.0.3.90")  # another network
        self.assertEqual(250, self.mail("127.0.0.90")[0])
        # Two good messages: never again, and for nobody of the network.
        self.assertEqual(250, self.mail("127.0.0.91", to="berta@our.test", sender="x@other.test")[0])

    def test_who_was_seen_outlives_a_restart_and_a_kill(self):
        self.begin(strangers=self.GREYLIST)
        self.put_off("127.0.0.90")
        self.mta.stop()
        self.mta.start()
        time.sleep(2.1)
        self.assertEqual(250, self.mail("127.0.0.90")[0])
        self.put_off("127.0.3.90")
        time.sleep(2.1)  # a small table is written within a second
        self.mta.kill_all()
        self.mta.start()
        self.assertEqual(250, self.mail("127.0.3.90")[0])

    def test_a_damaged_table_begins_anew(self):
        self.begin(strangers=self.GREYLIST)
        self.put_off("127.0.0.90")
        self.mta.stop()
        for path in glob.glob(os.path.join(self.mta.folder.path, "spool-filter", "seen.*")):
            with open(path, "wb") as file:
                file.write(os.urandom(3000))
        self.mta.start()
        time.sleep(2.1)
        self.put_off("127.0.0.90")
        self.wait_log(" seen_damaged ")
        time.sleep(2.1)
        self.assertEqual(250, self.mail("127.0.0.90")[0])

    def test_the_pool_of_a_big_sender_is_one_stranger(self):
        self.begin(lists=(), strangers={"greylist": {"wait": "2s", "everyone": True}})
        self.put_off("127.0.0.80")
        time.sleep(2.1)
        self.assertEqual(250, self.mail("127.0.1.80")[0])
        self.put_off("127.0.3.81")  # somebody else
        self.assertEqual(250, self.mail("127.0.1.80")[0])
        self.assertEqual(250, self.mail("127.0.2.80", to="berta@our.test", sender="x@other.test")[0])

    def test_who_talks_before_the_greeting_is_refused(self):
        self.begin(lists=(), strangers={"greet_delay": "2s"})
        began = time.monotonic()
        self.assertEqual(250, self.mail("127.0.0.81")[0])
        self.assertGreater(time.monotonic() - began, 1.9)
        began = time.monotonic()
        self.assertEqual(250, self.mail("127.0.0.81")[0])  # it has waited before
        self.assertEqual(250, self.mail("127.0.0.1")[0])  # trusted
        self.assertLess(time.monotonic() - began, 1.9)
        with socket.create_connection(("127.0.0.1", self.mta.port), 30, ("127.0.9.82", 0)) as early:
            early.sendall(b"EHLO early.test\r\nMAIL FROM:<a@far.test>\r\nRCPT TO:<anna@our.test>\r\n")
            heard = b""
            while b"550 5.7.1" not in heard:
                piece = early.recv(4096)
                self.assertTrue(piece, heard)
                heard += piece
        self.assertIn(b"it talked before the greeting", heard)
        self.assertEqual(b"220", heard[:3])

    def test_watched_it_refuses_nobody_and_writes_down_what_it_would(self):
        self.begin(strangers={**self.GREYLIST, "mode": "watch"})
        self.assertEqual(250, self.mail("127.0.0.66")[0])
        self.assertEqual(250, self.mail("127.0.0.90")[0])
        lines = self.wait_log(" stranger_refused ", 2)
        for line, verdict in zip(lines, ("refuse", "greylist")):
            self.assertIn("verdict=" + verdict, line)
            self.assertIn("watch=true", line)

    def test_mail_goes_on_while_the_filter_process_is_away(self):
        self.begin()
        kill_and_wait(self.mta.pids_of("filter")[0])
        self.assertEqual(250, self.mail("127.0.0.81")[0])

    def test_who_logs_in_is_no_stranger_wherever_he_comes_from(self):
        mta = self.begin()
        submission = reserve_port()
        mta.reconfigure({
            "auth": {"users_file": mta.folder.file("users", "ann:{PLAIN}secret\n")},
            "listener": [{"address": f"127.0.0.1:{mta.port}", "tls": "off", "auth": True, "auth_without_tls": True},
                         {"address": f"127.0.0.1:{submission}", "protocol": "submission", "tls": "off",
                          "auth": True, "auth_without_tls": True}]})
        mta.stop()
        mta.start()
        self.assertEqual(550, self.mail("127.0.0.66")[0])
        for port in (mta.port, submission):
            with SmtpClient(port, source="127.0.0.66", hello="localhost") as client:
                login(client, "ann", "secret")
                self.assertEqual(250, sent(client, to="x@far.test")[0])

    def test_a_reload_brings_and_takes_it_and_forgets_nobody(self):
        self.begin(strangers=self.GREYLIST)
        self.put_off("127.0.0.90")
        self.mta.reconfigure({"strangers": {"refuse_at": 6}})
        self.reload()
        # A session that the links of two filter processes meet in is not judged.
        self.wait_log("child_exit process=filter")
        wait_until(lambda: "state=up" in [line for line in self.mta.log if " filter_link " in line][-1], 20, "the link")
        self.assertEqual(451, self.mail("127.0.0.66", sender="x@far.test")[0])  # as 5 points are less than 6
        wait_until(lambda: self.mail("127.0.0.90")[0] == 250, 20, "the second try")
        with open(self.mta.config_path, encoding="utf-8") as file:
            text = file.read()
        self.mta.reconfigure({}, text[:text.index("[[dns_list]]")] + text[text.index("[[route]]"):])
        self.reload()
        self.assertEqual(250, self.mail("127.0.0.66")[0])
        wait_until(lambda: "filter" not in self.mta.pids(), 20, "the end of the process filter")

    def reload(self):
        done = self.mta.cli("reload")
        self.assertEqual(0, done.returncode, done.stderr)

    def test_an_answer_to_one_of_us_is_not_put_off(self):
        self.begin(strangers=self.GREYLIST)
        self.assertEqual(250, self.mail("127.0.0.1", to="friend@far.test", sender="anna@our.test")[0])
        self.assertEqual(250, self.mail("127.0.0.90", sender="friend@far.test")[0])
        self.put_off("127.0.0.90", sender="friend@far.test", to="berta@our.test")

    def test_the_client_that_xclient_names_is_judged(self):
        self.begin(access={"trusted_networks": [], "xclient_from": ["127.0.0.1"]})
        with SmtpClient(self.mta.port, source="127.0.0.1") as client:
            self.assertEqual(220, client.command("XCLIENT ADDR=127.0.0.66")[0])
            client.say_hello("host.far.test")
            self.assertEqual(550, sent(client)[0])
        with SmtpClient(self.mta.port, source="127.0.0.1") as client:
            self.assertEqual(220, client.command("XCLIENT ADDR=127.0.0.81")[0])
            client.say_hello("host.far.test")
            self.assertEqual(250, sent(client)[0])

    def test_status_and_metrics_of_lists(self):
        port = reserve_port()
        self.begin(lists=(ZEN, {**CLOSED, "label": "closed"}), metrics={"address": f"127.0.0.1:{port}"})

        def lists():
            return {one["label"]: one for one in self.mta.status().get("dns_lists", [])}

        def samples():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
                return dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if line[0] != "#")

        wait_until(lambda: lists()["closed"]["state"] == "lists_none", 20, lists)
        zen = lists()["zen.test"]
        self.assertEqual(("good", True, False), (zen["state"], zen["believed"], zen["testing"]))
        self.assertLess(zen["since"], zen["next_test"])
        self.assertFalse(lists()["closed"]["believed"])
        for source in ("127.0.0.66", "127.0.0.81"):
            with SmtpClient(self.mta.port, source=source) as client:
                sent(client)
        wait_until(lambda: (lists()["zen.test"]["answers"]["listed"], lists()["zen.test"]["answers"]["not_listed"]) ==
                   (1, 1), 20, lists)
        shown = self.mta.cli("status").stdout
        self.assertRegex(shown, r"DNS list zen.test: believed since .*, next test at .*; 1 not_listed, 1 listed\n")
        self.assertRegex(shown, r"DNS list closed: lists nothing since .*, next test at .*; nothing answered\n")
        found = samples()
        self.assertEqual(["1", "0"], [found[f'postwain_dns_list_believed{{list="{name}"}}']
                                      for name in ("zen.test", "closed")])
        self.assertEqual("1", found['postwain_dns_list_answers_total{list="zen.test",kind="listed"}'])
        self.assertEqual("0", found['postwain_dns_list_answers_total{list="zen.test",kind="silent"}'])


class Rbldnsd(PostwainTestCase):
    """The server that most lists are served by."""

    def test_its_answers_are_understood(self):
        folder = Folder()
        self.addCleanup(folder.remove)
        os.chmod(folder.path, 0o777)  # it becomes another user
        folder.file("zone", ":127.0.0.4:Listed, see https://list.test/?ip=$\n127.0.0.2\n127.0.0.66\n")
        port = reserve_port()
        # It goes into the background when it serves.
        subprocess.run([os.path.join(PEERS, "rbldnsd/usr/sbin/rbldnsd"), "-b", f"127.0.0.1/{port}", "-r", folder.path,
                        "-u", "nobody", "-p", folder / "pid", "list.test:ip4set:zone"], check=True, capture_output=True)
        with open(folder / "pid", encoding="ascii") as file:
            self.addCleanup(os.kill, int(file.read()), 15)
        sink = self.closing(SmtpSink())
        mta = self.start({
            "domain": [{"name": "our.test"}], "dns": {"servers": [f"127.0.0.1:{port}"]},
            "dns_list": [{"zone": "list.test", "answers": ["127.0.0.4"], "weight": 5}], "strangers": {"refuse_at": 5},
            "route": [{"match": "*", "deliver": sink.target}]})
        wait_until(lambda: any("list=list.test state=good" in line for line in mta.log), 20, "its test")
        for source, code in (("127.0.0.66", 550), ("127.0.0.67", 250)):
            with SmtpClient(mta.port, source=source) as client:
                said = sent(client)
                self.assertEqual(code, said[0], said)
            if code == 550:
                self.assertIn("blocked by list.test; Listed, see https://list.test/?ip=127.0.0.66", said[1])


if __name__ == "__main__":
    main()
