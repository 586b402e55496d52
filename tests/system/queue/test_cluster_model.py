"""The way in which the parts of a shared queue change hands, checked by spin.

tests/cluster_model/cluster.pml says it in spin's language, and was written from the description of
the protocol and not from our C++. Here spin goes through all of its states, and has to find each
deliberate mistake. POSTWAIN_SPIN=long looks at more faults at once (make cluster-model), which takes
a minute and more than a gigabyte.
"""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

MODEL = os.path.join(os.path.dirname(__file__), "..", "..", "cluster_model", "cluster.pml")
# What each mistake does, as spin says it, and the faults that it needs.
MISTAKES = {
    "NO_FENCE": ("owner==whose", "CRASHES=1"),
    "NO_RAISE": ("unmarked<2", "CRASHES=1", "LOSSES=1"),
    "NAMES_UNREAD": ("unmarked<2", "CRASHES=1"),
    "LEASE_EARLY": ("unmarked<2", "CRASHES=1"),
    "GATE_OPEN": ("overtaken", "PAUSES=1"),
    "ADOPT_EARLY": ("owner==whose", "PAUSES=1"),
    "EARLY_250": ("violated 0", "CRASHES=1"),
    "FORMER_TERM": ("unmarked<2", "CRASHES=2"),
    "DOUBT_250": ("violated 0", "LOSSES=1"),
    "EARLY_NAME_UNSAID": ("unmarked<2", "CRASHES=1", "EARLY_NAMES"),
}
FAULTS = ("CRASHES", "PAUSES", "LOSSES")


@unittest.skipIf(shutil.which("spin") is None, "spin is not installed")
class ClusterModel(unittest.TestCase):
    def check(self, *faults, mistake=None):
        """What spin prints when it has gone through everything, or found something."""
        given = dict(fault.split("=") for fault in faults if "=" in fault)
        defines = [f"-D{name}={given.get(name, 0)}" for name in FAULTS]
        defines += [f"-D{fault}" for fault in faults if "=" not in fault]
        with tempfile.TemporaryDirectory() as folder:
            def run(*command):
                done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=500)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                return done.stdout
            run("spin", *defines, *([f"-D{mistake}"] if mistake else []), "-a", os.path.abspath(MODEL))
            run("cc", "-O1", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c")
            return run("./pan", "-m200000", "-w22", "-E")

    def right(self, *faults, states):
        said = self.check(*faults)
        self.assertIn("errors: 0", said)
        self.assertNotIn("max search depth too small", said)
        self.assertGreater(int(re.search(r"(\d+) states, stored", said).group(1)), states)

    def test_a_crash_and_a_pause(self):
        self.right("CRASHES=1", "PAUSES=1", states=100_000)

    def test_a_crash_and_a_lost_connection(self):
        self.right("CRASHES=1", "LOSSES=1", states=100_000)

    def test_two_crashes_while_mail_is_accepted_with_its_name(self):
        self.right("CRASHES=2", "EARLY_NAMES", states=50_000)

    if os.environ.get("POSTWAIN_SPIN") == "long":
        def test_mail_is_accepted_with_its_name_and_the_answer_is_lost(self):
            self.right("CRASHES=1", "LOSSES=1", "EARLY_NAMES", states=100_000)

        def test_all_faults_at_once(self):
            self.right("CRASHES=1", "PAUSES=1", "LOSSES=1", states=5_000_000)

    def test_each_mistake_is_found(self):
        for mistake, (expected, *faults) in MISTAKES.items():
            with self.subTest(mistake):
                said = self.check(*faults, mistake=mistake)
                self.assertIn("errors: 1", said)
                self.assertIn(expected, re.search(r"pan:\d+: (.*)", said).group(1))


if __name__ == "__main__":
    unittest.main()
