"""nmap's SMTP scripts and testssl.sh against the running server: `make scan`, some ten minutes.

What they may find is written down here: anything worse fails.
"""

import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system", "harness"))

from postwain_harness import PostwainTestCase, main  # noqa: E402
from resources import make_certificate, reserve_port  # noqa: E402

# Of a test certificate nobody signed, or of what a mail server has no use for.
EXPECTED = {"cert_chain_of_trust", "cert_trust", "cert_notAfter", "cert_expirationStatus",
            "cert_crlDistributionPoints", "cert_ocspURL", "cert_revocation", "cert_caIssuers",
            "OCSP_stapling", "DNS_CAArecord", "cert_mustStapleExtension", "cert_extlifeSpan",
            "certificate_transparency", "cert_validityPeriod", "overall_grade", "grade_cap_reason_1",
            "grade_cap_reason_2"}
BAD = {"HIGH", "CRITICAL", "FATAL"}


class Scan(PostwainTestCase):
    def setUp(self):
        self.mta = self.prepare()
        certificate, key = make_certificate(self.mta.folder)
        users = self.mta.folder.file("users", "anna:{PLAIN}secret\n")
        self.submission, self.smtps = reserve_port(), reserve_port()
        self.mta.reconfigure({
            "tls": {"certificate": certificate, "key": key}, "auth": {"users_file": users},
            "access": {"trusted_networks": []},
            "domain": [{"name": "our.test", "recipients": ["anna"]}],
            "listener": [
                {"address": f"127.0.0.1:{self.mta.port}", "tls": "optional", "auth": True},
                {"address": f"127.0.0.1:{self.submission}", "protocol": "submission",
                 "tls": "required", "auth": True},
                {"address": f"127.0.0.1:{self.smtps}", "protocol": "submission",
                 "tls": "implicit", "auth": True}]})
        self.mta.start()
        self.ports = (self.mta.port, self.submission, self.smtps)

    def test_nmap(self):
        before = self.mta.pids()
        found = subprocess.run(
            ["nmap", "-sV", "-Pn", "-p", ",".join(map(str, self.ports)), "--script",
             "smtp-* and not smtp-brute", "--script-args", "smtp-open-relay.to=x@far.test",
             "127.0.0.1"], capture_output=True, text=True, timeout=600, check=True).stdout
        print(found)
        self.assertNotIn("is an open relay", found)
        self.assertNotIn("State: VULNERABLE", found)
        self.assertIn("Couldn't find any accounts", found)  # neither VRFY, EXPN nor RCPT tell
        self.assertEqual(3, found.count("smtp-commands"))
        self.assertEqual(before, self.mta.pids())
        self.assertEqual([], self.mta.queue())

    def test_testssl(self):
        for port, starttls in ((self.mta.port, ["-t", "smtp"]), (self.smtps, [])):
            with self.subTest(port=port):
                report = self.mta.folder / f"testssl-{port}.json"
                subprocess.run(
                    ["testssl", "--quiet", "--color", "0", "--warnings", "off", "--fast", "--ip",
                     "one", "--jsonfile", report, *starttls, f"127.0.0.1:{port}"],
                    capture_output=True, timeout=1800, check=False)
                with open(report, encoding="utf-8") as file:
                    found = json.load(file)
                self.assertGreater(len(found), 50)
                self.assertEqual([], [one for one in found if one["severity"] in BAD
                                      and one["id"] not in EXPECTED])
                told = {one["id"]: one["finding"] for one in found}
                for version in ("SSLv2", "SSLv3", "TLS1", "TLS1_1"):
                    self.assertIn("not offered", told[version])


if __name__ == "__main__":
    unittest.TestCase.maxDiff = None
    main()
