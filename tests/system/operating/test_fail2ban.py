"""The filter for fail2ban (etc/fail2ban/postwain.conf): finds who guesses passwords, and nobody else."""

import configparser
import os
import re
import unittest

from postwain_harness import SOURCE, PostwainTestCase, main
from auth_client import plain
from resources import wait_until
from smtp_raw import SmtpClient

FILTER = os.path.join(SOURCE, "etc", "fail2ban", "postwain.conf")
STRANGER = "127.0.0.2"
TIME = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z|^[A-Z][a-z]{2} [ \d]\d [\d:]{8}")


class Filter:
    """What fail2ban makes of such a file: interpolation, <HOST>, and the date taken out of the line."""

    def __init__(self, mode):
        parser = configparser.ConfigParser(interpolation=None)
        with open(FILTER, encoding="utf-8") as file:
            parser.read_file(file)
        values = dict(parser["Definition"])
        text = values["failregex"].replace("<mode>", mode)
        while True:
            more = re.sub(r"%\((\w+(?:-\w+)?)\)s|<(failregex-\w+)>",
                          lambda match: values[match[1] or match[2]], text)
            if more == text:
                break
            text = more
        self.expressions = [re.compile(line.strip().replace("<HOST>", r"(?P<host>[\d.]+|[\da-fA-F:.]+)"))
                            for line in text.splitlines() if line.strip()]

    def host(self, line):
        line = TIME.sub("", line)
        for expression in self.expressions:
            found = expression.search(line)
            if found:
                return found["host"]
        return None


class Lines(unittest.TestCase):
    def test_operate_fail2ban_as_syslog_and_the_journal_have_them(self):
        normal, aggressive = Filter("normal"), Filter("aggressive")
        row = "Nov 29 09:46:22 mx postwain/smtpd[0][123]: login_failed client={} account=ann mechanism=PLAIN"
        for address in ("192.0.2.1", "2001:db8::1"):
            self.assertEqual(address, normal.host(row.format(address)))
            self.assertEqual(address, aggressive.host(row.format(address)))
        refused = ("Nov 29 09:46:22 mx postwain/smtpd[0][123]: refused from=a@s.test client=192.0.2.1 "
                   'name=x on=0.0.0.0:25 stage=RCPT reply="550 5.1.1 no such user" reason=recipient')
        self.assertIsNone(normal.host(refused))
        self.assertEqual("192.0.2.1", aggressive.host(refused))
        self.assertIsNone(aggressive.host(refused.replace("550 5", "450 4")))
        forged = "login_failed client=203.0.113.9"
        for line in (
                f"Nov 29 09:46:22 mx sshd[9]: postwain/smtpd[0][1]: {forged} account=x",
                f"Nov 29 09:46:22 mx sshd[9]: smtpd[0][1] info {forged} account=x",
                f'2026-11-29T09:46:22.390Z smtpd[0][6] info login client=192.0.2.1 account="x {forged} y"',
                f'2026-11-29T09:46:22.390Z smtpd[0][6] info refused client=192.0.2.1 name="smtpd[0][1] info {forged} "',
                "2026-11-29T09:46:22.390Z qmgr[6] info login_failed client=192.0.2.1"):
            self.assertNotEqual("203.0.113.9", aggressive.host(line), line)
            self.assertIsNone(normal.host(line), line)


class RealLines(PostwainTestCase):
    def test_operate_fail2ban_as_the_server_writes_them(self):
        mta = self.prepare()
        users = mta.folder.file("users", "ann:{PLAIN}ann secret\n", 0o600)
        mta.reconfigure({"listener": [{"address": f"127.0.0.1:{mta.port}", "auth": True, "tls": "off",
                                       "auth_without_tls": True}],
                         "access": {"trusted_networks": []},
                         "auth": {"users_file": users, "failure_delay": "0s"}})
        mta.start()
        hello = 'x login_failed client=203.0.113.9 y'
        with SmtpClient(mta.port, source=STRANGER) as client:
            client.command(f"EHLO {hello}")
            for user in ("ann", "x login_failed client=203.0.113.9 ", 'q" smtpd[0][1] info login_failed client=203.0.113.9'):
                client.command("EHLO client.test")
                client.command("AUTH PLAIN " + plain(user, "wrong"))
            client.command("MAIL FROM:<ann@our.test>")
            self.assertEqual(550, client.command("RCPT TO:<eve@far.test>")[0])
            client.command("RSET")
            client.command('MAIL FROM:<"a client=203.0.113.9 b"@our.test>')
            self.assertEqual(550, client.command('RCPT TO:<"c client=203.0.113.9 "@far.test>')[0])
        failed = wait_until(lambda: len(mta.events("login_failed")) >= 3 and len(mta.events("refused")) > 1, 20,
                            mta.tail)
        self.assertTrue(failed)
        normal = [Filter("normal").host(line) for line in mta.log]
        self.assertEqual({STRANGER, None}, set(normal))
        self.assertEqual(len(mta.events("login_failed")), normal.count(STRANGER))
        aggressive = [Filter("aggressive").host(line) for line in mta.log]
        self.assertEqual({STRANGER, None}, set(aggressive))
        self.assertGreater(aggressive.count(STRANGER), normal.count(STRANGER))


if __name__ == "__main__":
    main()
