"""Programs that answer lines with lines, and end with their test or with this process."""

import os
import subprocess

TEST_BIN = os.environ.get("POSTWAIN_TEST_BIN", "build/ci/tests")


class LineProgram:
    def __init__(self, command, environment=None):
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, **(environment or {})})

    def tell(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def line(self):
        """The next line it says, with its end."""
        line = self.process.stdout.readline()
        assert line, f"{self.process.args[3]} has ended"
        return line

    def ask(self, line):
        self.tell(line)
        return self.line().decode().rstrip("\n")

    def stop(self):
        self.process.kill()
        self.process.wait(10)
        self.process.stdin.close()
        self.process.stdout.close()


class LineTool(LineProgram):
    """One of tests/authentication."""

    def __init__(self, name, *arguments):
        super().__init__([os.path.join(TEST_BIN, name), *arguments])
