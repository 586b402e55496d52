"""Three foreign readers of bounces, each asked for the recipients it takes for failed.

Debian's python3-flufl.bounce (what Mailman uses), libmail-deliverystatus-bounceparser-perl, and
Python's own email package; none of them shares code with Postwain or with this test.
"""

import email
import email.policy
import subprocess

try:
    from flufl.bounce import all_failures
except ImportError:  # the test that needs it says so
    all_failures = None

_PERL = """
use Mail::DeliveryStatus::BounceParser;
local $/; my $text = <STDIN>; $text =~ s/\\r\\n/\\n/g;
my $bounce = Mail::DeliveryStatus::BounceParser->new($text);
exit 3 unless $bounce->is_bounce;
for my $report ($bounce->reports) {
  print lc($report->get('email')), "\\t", $report->get('std_reason'), "\\n";
}
"""


def by_flufl(content):
    """(addresses that wait, addresses that failed)"""
    waiting, failed = all_failures(email.message_from_bytes(content))
    return ({address.decode() for address in waiting}, {address.decode() for address in failed})


def by_perl(content):
    """{address: reason in the words of the module}"""
    result = subprocess.run(["perl", "-e", _PERL], input=content, capture_output=True,
                            timeout=60, check=False)
    if result.returncode != 0:
        raise AssertionError(f"BounceParser: {result.returncode} {result.stderr!r}")
    return dict(line.split("\t") for line in result.stdout.decode().splitlines())


def by_email(content):
    """{final recipient: its group of fields}; refuses a report with any defect of structure."""
    message = email.message_from_bytes(content, policy=email.policy.default)
    for part in message.walk():
        if part.get_content_type() != "message/rfc822" and part.defects:
            raise AssertionError(f"{part.get_content_type()}: {part.defects}")
    status = list(message.iter_parts())[1]
    groups = {}
    for group in list(status.get_payload())[1:]:
        kind, _, address = str(group["Final-Recipient"]).partition(";")
        address = address.strip()
        if kind == "utf-8":
            address = _from_ascii_form(address)
        groups[address] = group
    return groups


def _from_ascii_form(address):
    """RFC 6533 3: \\x{F6} is a character."""
    out, rest = "", address
    while "\\x{" in rest:
        before, _, rest = rest.partition("\\x{")
        number, _, rest = rest.partition("}")
        out += before + chr(int(number, 16))
    return out + rest
