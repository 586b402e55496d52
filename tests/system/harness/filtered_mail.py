"""A Postwain that asks filters about mail from the world and from a user, and a sink behind it."""

import smtplib

from postwain_harness import PostwainTestCase
from mail_content import without_received
from resources import reserve_port
from smtp_sink import SmtpSink

STRANGER = "127.0.0.2"  # filters trust 127.0.0.1 from the start
USER, PASSWORD = "ann", "secret"


class FilteredMail(PostwainTestCase):
    def ask(self, *filters, **changes):
        """Starts it with these [[filter]] tables, whose order is that of the words."""
        self.sink = self.closing(SmtpSink())
        self.mta = self.prepare()
        self.submission = reserve_port()
        self.mta.reconfigure({
            "access": {"trusted_networks": []},
            "auth": {"users_file": self.mta.folder.file("users", f"{USER}:{{PLAIN}}{PASSWORD}\n")},
            "listener": [{"address": f"127.0.0.1:{self.mta.port}"},
                         {"address": f"127.0.0.1:{self.submission}", "protocol": "submission", "tls": "off",
                          "auth": True, "auth_without_tls": True}],
            "domain": [{"name": "here.example", "recipients": "any"}],
            "filter": [{"on": ["world", "submission"], **one} for one in filters],
            "route": [{"match": "*", "deliver": self.sink.target}], **changes})
        self.mta.start()

    def send(self, content, sender="alice@far.example", to=("bob@here.example",), hello="client.far.example",
             source=STRANGER):
        """From the world."""
        with smtplib.SMTP("127.0.0.1", self.mta.port, hello, 60, (source, 0)) as client:
            client.ehlo()
            return client.sendmail(sender, list(to), content)

    def submit(self, content, sender="ann@ours.example", to=("bob@far.example",)):
        """As a user who logs in."""
        with smtplib.SMTP("127.0.0.1", self.submission, "desk.ours.example", 60, (STRANGER, 0)) as client:
            client.ehlo()
            client.login(USER, PASSWORD)
            client.sendmail(sender, list(to), content)

    def refusal(self, content, **more):
        """(code, text) of the refusal, at whichever command it came."""
        try:
            self.send(content, **more)
        except smtplib.SMTPRecipientsRefused as refused:
            code, text = next(iter(refused.recipients.values()))
        except smtplib.SMTPResponseException as refused:
            code, text = refused.smtp_code, refused.smtp_error
        else:
            self.fail("it was accepted")
        return code, text.decode()

    def arrived(self, to="bob@here.example"):
        """The one message at the sink without our Received field, above which a filter may have put some."""
        found = self.sink.wait_delivered(to, 30)
        self.assertEqual(1, len(found))
        content = found[0].content
        above, mark, rest = content.partition(b"Received: ")
        self.assertTrue(not above or above.endswith(b"\r\n"), content[:1000])
        return above + without_received(mark + rest)

    def no_failure(self):
        """What every test of a filter that works ends with."""
        for event in ("filter_failed", "filter_mistake", "filter_breaker"):
            self.assertEqual([], self.mta.events(event))


def field(content, name):
    """Values of the header fields of this name, unfolded, in order from the top."""
    lines = content.split(b"\r\n\r\n", 1)[0].decode("latin-1").replace("\r\n ", " ").replace("\r\n\t", " ")
    return [line.partition(":")[2].strip() for line in lines.split("\r\n")
            if line.partition(":")[0].lower() == name.lower()]
