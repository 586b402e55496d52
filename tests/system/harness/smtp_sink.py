"""The mail server at the far end: records what arrives, and answers as a test's script says."""

import ssl
import threading

from mail_session import Delay, Handler, MailServer
from resources import wait_until


class SmtpSink(Handler):
    """SMTP, or LMTP with lmtp=True, at a free loopback port or the given address.

    script: stage -> what to answer there, for the stages of mail_session and "final" (after the
    content).  What to answer is a reply ("450 4.2.1 busy"), None (the ordinary answer), a signal of
    mail_session (HANG, HANG_UP, Delay, Raw), a list (one after the other, then the ordinary
    answer), a dictionary by argument (address of MAIL or RCPT; recipient for "final" in LMTP), or a
    function of (session, argument).
    ledger: a Ledger that gets one synced line for each recipient before its positive final reply.
    """

    def __init__(self, address=("127.0.0.1", 0), script=None, lmtp=False, ledger=None, **server):
        self.script = script or {}
        self.messages = []  # transactions whose content was complete, whatever the reply was
        self.ledger = ledger
        self._lock = threading.Lock()
        self.server = MailServer(address, self, lmtp=lmtp, **server)
        self.port = self.server.port
        self.target = f"lmtp:127.0.0.1:{self.port}" if lmtp else f"smtp:127.0.0.1:{self.port}"

    def stop(self):
        self.server.stop()

    # Questions of tests.

    @property
    def violations(self):
        return self.server.violations

    @property
    def connections(self):
        return self.server.connections

    def commands(self, verb):
        """Arguments of all commands with this verb, in order of arrival."""
        return [line for _, line in list(self.server.commands)
                if line.split(" ")[0].upper() == verb]

    def delivered(self, address):
        """The transactions in which this recipient got a positive final reply."""
        found = []
        for message in list(self.messages):
            replies = message.replies
            if message.protocol != "LHLO":
                replies = replies * len(message.recipients)
            found += [message for recipient, reply in zip(message.recipients, replies)
                      if recipient == address and reply.startswith("2")]
        return found

    def wait_for(self, count, timeout=20):
        wait_until(lambda: len(self.messages) >= count, timeout,
                   lambda: f"{count} messages at the sink, there are {len(self.messages)}")
        return list(self.messages)

    def wait_delivered(self, address, timeout=20):
        return wait_until(lambda: self.delivered(address), timeout, f"delivery to {address}")

    # The handler's side.

    def reply(self, stage, session, argument):
        return self._choose(self.script.get(stage), session, argument)

    def final_replies(self, transaction):
        with self._lock:
            self.messages.append(transaction)
        lmtp = transaction.protocol == "LHLO"
        for recipient in transaction.recipients if lmtp else [transaction.sender]:
            answer = self._choose(self.script.get("final"), transaction.session, recipient)
            text = answer.reply if isinstance(answer, Delay) else answer
            text = "250 2.0.0 stored" if text is None else text
            if isinstance(text, str):
                if self.ledger is not None and text.startswith("2"):
                    for address in [recipient] if lmtp else transaction.recipients:
                        self.ledger.record("delivered", transaction, address)
                transaction.replies.append(text)
            yield answer

    def _choose(self, entry, session, argument):
        if isinstance(entry, dict):
            with self._lock:
                known = argument in entry
                entry = entry.get(argument)
            return self._choose(entry, session, argument) if known else None
        if isinstance(entry, list):
            with self._lock:
                return entry.pop(0) if entry else None
        if callable(entry):
            return entry(session, argument)
        return entry


def server_tls(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
