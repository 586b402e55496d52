"""The program edit_milter (tests/milters), which does to a message what its X-Edit fields say."""

import os
import subprocess

from resources import Folder, listening, reserve_port, wait_until

TEST_BIN = os.environ.get("POSTWAIN_TEST_BIN", "build/ci/tests")


class EditMilter:
    """leading_space: it wants the white space in front of values of header fields as it stands."""

    def __init__(self, leading_space=False):
        self.folder = Folder()
        self.port = reserve_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", os.path.join(TEST_BIN, "edit_milter"),
             f"inet:{self.port}@127.0.0.1", self.folder / "told", *["leading"] * leading_space])
        wait_until(lambda: listening(self.port), 20, "start of edit_milter")

    def told(self):
        """What it was told, a line for each call; "did" lines are results of its own."""
        with open(self.folder / "told", encoding="latin-1") as file:
            return file.read().splitlines()

    def stop(self):
        self.process.kill()
        self.process.wait(10)
        self.folder.remove()
