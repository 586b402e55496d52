"""Header fields that a route adds and takes out ([[route]] add_headers, remove_headers)."""

import smtplib

from postwain_harness import PostwainTestCase, main
from smtp_sink import SmtpSink

CHANGES = {"add_headers": ["X-Gateway: inside", "X-Class: 1"], "remove_headers": ["X-Internal", "received"]}


class RouteFields(PostwainTestCase):
    def begin(self, **sink):
        self.sink = self.closing(SmtpSink(**sink))
        self.mta = self.start({"route": [
            {"match": "changed.test", "deliver": self.sink.target, **CHANGES},
            {"match": "plain.test", "deliver": self.sink.target}]})

    def send(self, body=b"body\r\n"):
        content = b"Subject: hello\r\nX-Internal: a\r\n b\r\nTo: x\r\n\r\n" + body
        with smtplib.SMTP("127.0.0.1", self.mta.port, timeout=30) as client:
            client.sendmail("a@example.org", ["a@changed.test", "b@plain.test"], content)
        return [self.sink.wait_delivered(to, 30)[0].content for to in ("a@changed.test", "b@plain.test")]

    def look(self, body):
        changed, plain = self.send(body)
        self.assertEqual(b"X-Gateway: inside\r\nX-Class: 1\r\nSubject: hello\r\nTo: x\r\n\r\n" + body, changed)
        self.assertTrue(plain.startswith(b"Received:"))
        self.assertTrue(plain.endswith(b"Subject: hello\r\nX-Internal: a\r\n b\r\nTo: x\r\n\r\n" + body))

    def test_fields_of_one_route_change_and_those_of_another_stay(self):
        self.begin()
        self.look(b"body\r\n")

    def test_fields_of_large_content_change_on_their_way_out_of_the_file(self):
        self.begin()
        self.look(b"".join(b"line %d\r\n" % i for i in range(40_000)))

    def test_a_field_is_checked_when_the_configuration_is_read(self):
        self.begin()
        for key, value in (("add_headers", "no field"), ("remove_headers", "no name")):
            broken = self.prepare({"route": [{"match": "*", "deliver": "mx", key: value}]})
            checked = broken.cli("check")
            self.assertNotEqual(0, checked.returncode)
            self.assertIn(key, checked.stdout + checked.stderr)


if __name__ == "__main__":
    main()
