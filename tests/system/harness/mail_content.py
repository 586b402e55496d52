"""Contents of messages: making them, taking the trace field off again, reading bounces."""

import email
import email.policy
import itertools
import os

_numbers = itertools.count(1)


def message(subject="test", body="hello\r\n", sender="alice@sender.test", to="bob@example.test"):
    """A small message with CRLF lines as bytes."""
    fields = (f"From: <{sender}>\r\nTo: <{to}>\r\nSubject: {subject}\r\n"
              f"Message-ID: <{next(_numbers)}.{os.getpid()}@sender.test>\r\n"
              "Date: Sat, 21 Nov 2026 12:00:00 +0000\r\n")
    body = body if isinstance(body, bytes) else body.encode()
    return fields.encode() + b"\r\n" + body


def without_received(content):
    """The content behind its first field, which must be one Received field (RFC 5321 4.4)."""
    if not content.startswith(b"Received: "):
        raise AssertionError(f"no Received field on top: {content[:80]!r}")
    end = content.index(b"\r\n")
    while content[end + 2:end + 3] in (b" ", b"\t"):
        end = content.index(b"\r\n", end + 2)
    return content[end + 2:]


class Dsn:
    """A delivery status notification (RFC 3464); refuses anything that is not a proper one."""

    def __init__(self, content):
        self.message = email.message_from_bytes(without_received(content) if
                                                content.startswith(b"Received: ") else content,
                                                policy=email.policy.default)
        if self.message.get_content_type() != "multipart/report":
            raise AssertionError(f"not a report: {self.message.get_content_type()}")
        if self.message.get_param("report-type") != "delivery-status":
            raise AssertionError("not a delivery-status report")
        parts = list(self.message.iter_parts())
        if len(parts) < 2 or parts[1].get_content_type() != "message/delivery-status":
            raise AssertionError("second part is not message/delivery-status")
        self.text = parts[0].get_content()
        groups = parts[1].get_payload()
        self.per_message = groups[0]
        self.per_recipient = groups[1:]
        self.returned = parts[2] if len(parts) > 2 else None

    def of(self, address):
        """The fields of this recipient; there must be exactly one such group."""
        found = [group for group in self.per_recipient
                 if group["Final-Recipient"].split(";")[1].strip() == address]
        if len(found) != 1:
            raise AssertionError(f"{len(found)} groups for {address}")
        return found[0]


def is_report(content):
    return b"multipart/report" in content.split(b"\r\n\r\n", 1)[0]
