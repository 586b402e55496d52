"""`postwain completion`: what bash offers at each place, made from the commands themselves."""

import os
import shutil
import subprocess
import unittest

from postwain_harness import BIN, main
from resources import Folder

SHELLS = ("bash", "zsh", "fish")


class Completion(unittest.TestCase):
    def script(self, shell):
        return subprocess.run([os.path.join(BIN, "postwain"), "completion", shell], check=True,
                              capture_output=True, text=True).stdout

    def offered(self, *words):
        """What bash would offer for the last of these words."""
        folder = Folder()
        self.addCleanup(folder.remove)
        program = (f"source {folder.file('postwain', self.script('bash'))}\n"
                   f"COMP_WORDS=({' '.join(repr(word) for word in words)})\n"
                   f"COMP_CWORD={len(words) - 1}\n_postwain\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n")
        shown = subprocess.run(["bash", "--norc", "-c", program], check=True, capture_output=True,
                               text=True)
        self.assertEqual("", shown.stderr)
        return set(shown.stdout.split())

    def test_bash(self):
        self.assertLessEqual({"run", "check", "queue", "trace", "explain", "--config"},
                             self.offered("postwain", ""))
        self.assertEqual({"check"}, self.offered("postwain", "ch"))
        self.assertLessEqual({"list", "hold", "release"}, self.offered("postwain", "queue", ""))
        self.assertEqual({"--dry-run", "--domain"}, self.offered("postwain", "queue", "hold", "--d"))
        self.assertEqual({"--domain"}, self.offered("postwain", "queue", "list", "--d"))
        self.assertEqual({"--from"}, self.offered("postwain", "explain", "a@b.test", "--f"))
        self.assertEqual({"deferred"}, self.offered("postwain", "queue", "list", "--state", "d"))
        self.assertIn("list", self.offered("postwain", "--config", "/x", "queue", "l"))

    def test_every_shell_knows_every_command(self):
        names = self.offered("postwain", "")
        self.assertGreater(len(names), 10)
        for shell in SHELLS:
            script = self.script(shell)
            for name in names:
                self.assertIn(name, script, shell)
            if shutil.which(shell):
                subprocess.run([shell, "-n"], input=script, text=True, check=True)

    def test_another_shell(self):
        result = subprocess.run([os.path.join(BIN, "postwain"), "completion", "csh"], check=False,
                                capture_output=True, text=True)
        self.assertEqual((64, "postwain: completion: bash, zsh or fish\n"),
                         (result.returncode, result.stderr))


if __name__ == "__main__":
    main()
