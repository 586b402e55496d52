"""Mail through the whole system with milters that are asked while it is received."""

import os
import signal
import smtplib
import struct
import threading
import time

from postwain_harness import PostwainTestCase, main
from dns_server import DnsServer
from mail_content import without_received
from milter_server import MilterServer, at_end, packet, texts
from resources import wait_until
from smtp_raw import SmtpClient
from smtp_sink import SmtpSink


class Milters(PostwainTestCase):
    def serve(self, script, limits=None, dns=None, **keys):
        self.milter = self.closing(MilterServer(script))
        self.sink = self.closing(SmtpSink())
        keys = {"name": "one", "socket": self.milter.address, **keys}
        changes = {"filter": [keys], "route": [{"match": "*", "deliver": self.sink.target}]}
        more = {"limits": limits, "dns": dns}
        return self.start({**changes, **{key: value for key, value in more.items() if value}})

    def send(self, mta, content=b"Subject: hello\r\n\r\nbody\r\n", to=("b@example.net",)):
        with smtplib.SMTP("127.0.0.1", mta.port, timeout=30) as client:
            client.ehlo("client.example")
            client.sendmail("a@example.org", list(to), content)

    def refused(self, mta, **more):
        try:
            self.send(mta, **more)
        except smtplib.SMTPRecipientsRefused as refused:
            return next(iter(refused.recipients.values()))
        except smtplib.SMTPResponseException as refused:
            return refused.smtp_code, refused.smtp_error
        self.fail("it was accepted")

    def arrived(self, to="b@example.net"):
        return without_received(self.sink.wait_delivered(to, 20)[0].content)

    def test_a_filter_hears_the_session_and_adds_a_field(self):
        mta = self.serve(at_end(packet("h", texts("X-Seen", "yes")), packet("a")))
        self.send(mta)
        self.assertEqual(b"Subject: hello\r\nX-Seen: yes\r\n\r\nbody\r\n", self.arrived())
        judged = wait_until(lambda: [line for line in mta.log if " filtered " in line], 20, "the log")[0]
        for word in ("filter=one", "verdict=accept", "edits=1"):
            self.assertIn(word, judged)
        commands = self.milter.commands.replace("D", "")
        self.assertEqual("OCHMRTLNBE", commands[:10])
        self.assertEqual(b"<a@example.org>\0", self.milter.data_of("M")[0][:16])
        self.assertEqual([b"Subject\0hello\0"], self.milter.data_of("L"))
        self.assertEqual([b"body\r\n"], self.milter.data_of("B"))

    def test_a_filter_hears_the_name_of_the_client_at_the_connect(self):
        dns = self.closing(DnsServer({
            "2.0.0.127.in-addr.arpa": {"PTR": ["host.far.test"]}, "host.far.test": {"A": ["127.0.0.2"]},
            "3.0.0.127.in-addr.arpa": {"PTR": ["liar.far.test"]}, "liar.far.test": {"A": ["192.0.2.1"]}}))
        mta = self.serve(at_end(packet("c")), dns={"servers": [f"127.0.0.1:{dns.port}"]})
        for source, name in (("127.0.0.2", b"host.far.test"), ("127.0.0.3", b"[127.0.0.3]")):
            with SmtpClient(mta.port, source=source, hello="client.example"):
                self.assertEqual(name, self.milter.data_of("C")[-1].split(b"\0")[0])

    def test_a_refused_recipient_hears_the_words_of_the_filter(self):
        mta = self.serve(lambda command, data: packet("y", texts("550 5.1.1 nobody here"))
                         if command == "R" else packet("c"))
        self.assertEqual((550, b"5.1.1 nobody here"), self.refused(mta))

    def test_a_refused_message_is_not_queued(self):
        mta = self.serve(at_end(packet("y", texts("554 5.7.1 spam"))))
        self.assertEqual((554, b"5.7.1 spam"), self.refused(mta))
        self.assertEqual([], mta.queue())

    def test_a_message_that_is_held_waits_for_the_operator(self):
        mta = self.serve(at_end(packet("q", texts("looks bad")), packet("c")))
        self.send(mta)
        held = wait_until(lambda: mta.queue(), 20, "the held message")
        self.assertEqual("held", held[0]["recipients"][0]["state"])
        self.assertIn("looks bad", held[0]["recipients"][0]["last_reply"])

    def test_another_body_small_and_large(self):
        mta = self.serve(at_end(packet("b", b"new body\n"), packet("c")), may=["body"])
        self.send(mta)
        self.assertEqual(b"Subject: hello\r\n\r\nnew body\r\n", self.arrived())
        self.send(mta, b"Subject: large\r\n\r\n" + b"x" * 70 * 5000 + b"\r\n", ("c@example.net",))
        self.assertEqual(b"Subject: large\r\n\r\nnew body\r\n", self.arrived("c@example.net"))

    def test_a_large_message_gets_a_field_and_keeps_its_body(self):
        mta = self.serve(at_end(packet("i", struct.pack(">I", 1) + texts("X-First", "1")), packet("c")))
        body = b"".join(b"line %d\r\n" % i for i in range(100_000))
        self.send(mta, b"Subject: large\r\n\r\n" + body)
        self.assertEqual(b"X-First: 1\r\nSubject: large\r\n\r\n" + body, self.arrived())
        self.assertEqual(body, b"".join(self.milter.data_of("B")))

    def test_a_body_that_grows_beyond_the_limit_is_refused(self):
        mta = self.serve(at_end(*[packet("b", b"x" * 60_000 + b"\n")] * 40, packet("c")), may=["body"],
                         limits={"message_size": "1MiB"})
        self.assertEqual(552, self.refused(mta)[0])

    def test_recipients_and_sender_are_changed(self):
        mta = self.serve(at_end(packet("-", texts("<b@example.net>")), packet("+", texts("<new@example.net>")),
                                packet("e", texts("<other@example.org>")), packet("c")),
                         may=["recipients", "sender"])
        self.send(mta)
        arrived = self.sink.wait_delivered("new@example.net", 20)[0]
        self.assertIn("other@example.org", str(arrived.sender))
        self.assertEqual([], self.sink.delivered("b@example.net"))

    def test_what_the_operator_does_not_grant_is_not_done(self):
        mta = self.serve(at_end(packet("b", b"new"), packet("h", texts("X-A", "1")), packet("c")), may=["refuse"])
        self.send(mta)
        self.assertEqual(b"Subject: hello\r\n\r\nbody\r\n", self.arrived())

    def test_watch_changes_nothing(self):
        mta = self.serve(at_end(packet("h", texts("X-A", "1")), packet("r")), mode="watch")
        self.send(mta)
        self.assertEqual(b"Subject: hello\r\n\r\nbody\r\n", self.arrived())

    def test_a_filter_that_is_down(self):
        for failure, code in (("defer", 451), ("refuse", 554)):
            with self.subTest(failure):
                mta = self.serve(None, on_failure=failure)
                self.milter.stop()
                self.assertEqual(code, self.refused(mta)[0])
        with self.subTest("accept"):
            mta = self.serve(None, on_failure="accept")
            self.milter.stop()
            self.send(mta)
            self.assertEqual(b"Subject: hello\r\n\r\nbody\r\n", self.arrived())
        with self.subTest("hold"):
            mta = self.serve(None, on_failure="hold")
            self.milter.stop()
            self.send(mta)
            held = wait_until(lambda: mta.queue(), 20, "the held message")
            self.assertEqual("held", held[0]["recipients"][0]["state"])

    def test_discard_is_accepted_and_stored_nowhere(self):
        mta = self.serve(at_end(packet("d")), may=["discard"])
        self.send(mta)
        time.sleep(0.5)
        self.assertEqual([], mta.queue())
        self.assertEqual([], self.sink.delivered("b@example.net"))

    def test_a_filter_process_that_is_killed_leaves_no_session_waiting(self):
        asked = threading.Event()

        def script(command, data):
            if command != "E" or asked.is_set():
                return packet("c")
            asked.set()
            return None  # it thinks about it
        mta = self.serve(script)
        with smtplib.SMTP("127.0.0.1", mta.port, timeout=30) as client:
            def kill():
                if asked.wait(20):
                    os.kill(mta.pids_of("filter")[0], signal.SIGKILL)
            killer = threading.Thread(target=kill)
            killer.start()
            with self.assertRaises(smtplib.SMTPDataError) as refused:
                client.sendmail("a@example.org", ["b@example.net"], b"Subject: 1\r\n\r\n")
            killer.join()
            self.assertEqual(451, refused.exception.smtp_code)
            # The next message of the session is asked about again as soon as somebody is there.
            wait_until(lambda: self.takes(client), 30, "a filter process again")
        self.assertEqual(b"Subject: 2\r\n\r\n", self.arrived())

    def takes(self, client):
        try:
            client.sendmail("a@example.org", ["b@example.net"], b"Subject: 2\r\n\r\n")
            return True
        except smtplib.SMTPException:
            return False

    def test_a_reload_leaves_a_message_under_way_to_the_filter_that_hears_it(self):
        mta = self.serve(at_end(packet("h", texts("X-Seen", "yes")), packet("a")))
        former = mta.pids_of("filter")
        with smtplib.SMTP("127.0.0.1", mta.port, timeout=30) as client:
            client.ehlo("client.example")
            client.mail("a@example.org")
            client.rcpt("b@example.net")
            client.docmd("DATA")
            client.send(b"Subject: 1\r\n\r\nhalf\r\n")
            mta.reconfigure({"filter": [{"name": "one", "socket": self.milter.address, "mode": "watch"}]})
            self.assertEqual(0, mta.cli("reload").returncode)
            wait_until(lambda: set(mta.pids_of("filter")) - set(former) and len(mta.events("filter_link")) > 1,
                       20, "the next filter process")
            client.send(b"half\r\n.\r\n")
            self.assertEqual(250, client.getreply()[0])
            self.assertEqual(b"Subject: 1\r\nX-Seen: yes\r\n\r\nhalf\r\nhalf\r\n", self.arrived())
            # The next message of the same session meets what is configured now.
            client.sendmail("a@example.org", ["c@example.net"], b"Subject: 2\r\n\r\n")
        self.assertEqual(b"Subject: 2\r\n\r\n", self.arrived("c@example.net"))
        wait_until(lambda: not os.path.exists(f"/proc/{former[0]}"), 30, "the end of the former filter process")

    def test_one_verdict_never_touches_the_next_message(self):
        said = []

        def script(command, data):
            if command != "E":
                return packet("c")
            said.append(1)
            return packet("r") if len(said) == 1 else packet("c")
        mta = self.serve(script)
        with smtplib.SMTP("127.0.0.1", mta.port, timeout=30) as client:
            with self.assertRaises(smtplib.SMTPDataError):
                client.sendmail("a@example.org", ["b@example.net"], b"Subject: 1\r\n\r\n")
            client.sendmail("a@example.org", ["b@example.net"], b"Subject: 2\r\n\r\n")
        self.assertEqual(b"Subject: 2\r\n\r\n", self.arrived())


if __name__ == "__main__":
    main()
