#!/usr/bin/env python3
"""Makes each mistake of mistakes.py in a copy of the tree, and demands that the tests it names turn
red. Before that the same tests have to be green, with nothing changed.

    run_mistakes.py [--tree FOLDER] [--preset ci] [--only TEXT …]

--tree: the copy, which is made or brought up to date; its build is kept from run to run. The tree
itself is never touched. --only: mistakes that have one of these in their names. It ends with 1 when a
mistake passes unnoticed, when its text does not stand in the source exactly once any more, and when
it does not compile.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from mistakes import MISTAKES

ROOT = Path(__file__).resolve().parent.parent.parent
TEST_MAX = 180  # seconds, for a machine that others use; a test that does not end is red
BUILD_MAX = 7200


class Copy:
    def __init__(self, folder, preset):
        self.folder = Path(folder).resolve()
        if self.folder == ROOT:
            raise SystemExit("the copy of the tree has to be another folder")
        self.preset = preset
        self.build_folder = self.folder / "build" / preset

    def bring_up_to_date(self):
        """Only what differs is written, so that only that is built again."""
        names = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT,
                               check=True, capture_output=True).stdout.split(b"\0")
        names = [name.decode() for name in names if name]
        for name in names:
            source, target = ROOT / name, self.folder / name
            if not source.is_file():
                continue
            octets = source.read_bytes()
            if not target.is_file() or target.read_bytes() != octets:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(octets)
                target.chmod(source.stat().st_mode)
        known = set(names)
        for path in self._sources():
            if str(path.relative_to(self.folder)) not in known:
                path.unlink()

    def _sources(self):
        """A file that is gone from the tree would still be compiled."""
        return [path for ending in ("*.cc", "*.h") for path in self.folder.rglob(ending)
                if path.relative_to(self.folder).parts[0] != "build"]

    def configure(self):
        self._call(["cmake", "--preset", self.preset], "configuring")

    def build(self, programs):
        """None, or what went wrong."""
        return self._call(["ninja", "-C", str(self.build_folder), *sorted(programs)], None)

    def _call(self, words, must):
        done = subprocess.run(words, cwd=self.folder, capture_output=True, text=True,
                              timeout=BUILD_MAX, check=False)
        if done.returncode == 0:
            return None
        text = done.stdout[-3000:] + done.stderr[-1000:]
        if must:
            raise SystemExit(f"{must}: {text}")
        return text

    def is_green(self, unit):
        """None where the test has said nothing: not run, or without a database server."""
        environment = {**os.environ, "POSTWAIN_PEERS": str(ROOT / "build/peers")}
        words = [str(self.build_folder / "tests" / unit.program), "-w", "NoTests", pattern(unit)]
        try:
            done = subprocess.run(words, cwd=self.folder, capture_output=True, text=True,
                                  errors="replace", env=environment, timeout=TEST_MAX, check=False)
        except subprocess.TimeoutExpired:
            return False
        if "No test cases matched" in done.stdout or "SKIPPED" in done.stdout:
            return None
        return done.returncode == 0


def pattern(unit):
    """The beginning of a name, as Catch2 takes it."""
    return "".join("\\" + c if c in ",[]\\\"" else c for c in unit.case) + "*"


class Edited:
    """The mistake stands in the copy within the block."""

    def __init__(self, copy, mistake):
        self.copy, self.mistake, self.before = copy, mistake, {}

    def __enter__(self):
        texts = {}
        for edit in self.mistake.edits:
            path = self.copy.folder / edit.file
            if path not in texts:
                self.before[path] = texts[path] = path.read_text(encoding="utf-8")
            found = texts[path].count(edit.text)
            if found != 1:
                raise LookupError(f"{edit.file} has this {found} times: {edit.text!r}")
            texts[path] = texts[path].replace(edit.text, edit.wrong)
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")

    def __exit__(self, *_):
        for path, text in self.before.items():
            path.write_text(text, encoding="utf-8")


def programs_of(mistakes):
    return {unit.program for mistake in mistakes for unit in mistake.red}


def unchanged(copy, mistakes):
    """Faults of the tests themselves."""
    wrong = copy.build(programs_of(mistakes))
    if wrong:
        return [f"the tree does not compile: {wrong}"]
    words = {None: "says nothing (is PostgreSQL installed, is its name right?)", False: "is red"}
    units = sorted({unit for mistake in mistakes for unit in mistake.red},
                   key=lambda unit: (unit.program, unit.case))
    return [f"{unit.program} {unit.case!r} {words[green]}, with nothing changed" for unit in units
            if not (green := copy.is_green(unit))]


def make(copy, mistake):
    """What is wrong about it, in words."""
    try:
        with Edited(copy, mistake):
            wrong = copy.build(programs_of([mistake]))
            if wrong:
                return [f"does not compile: {wrong}"]
            return [f"{unit.program} {unit.case!r} does not notice it" for unit in mistake.red
                    if copy.is_green(unit) is not False]
    except LookupError as error:
        return [str(error)]


def main():
    words = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    words.add_argument("--tree", default=str(ROOT / "build/mistakes/tree"))
    words.add_argument("--preset", default="ci")
    words.add_argument("--only", nargs="+", default=[""])
    options = words.parse_args()
    mistakes = [one for one in MISTAKES if any(text in one.name for text in options.only)]
    copy = Copy(options.tree, options.preset)
    copy.bring_up_to_date()
    copy.configure()
    faults = unchanged(copy, mistakes)
    print(*faults or ["with nothing changed all of these tests are green"], sep="\n", flush=True)
    if faults:
        return 1
    missed = 0
    for mistake in mistakes:
        began = time.monotonic()
        faults = make(copy, mistake)
        missed += bool(faults)
        print(f"{'MISSED' if faults else 'red':6} {mistake.name} "
              f"({time.monotonic() - began:.0f} s)", *faults, sep="\n       ", flush=True)
    print(f"{len(mistakes)} mistakes, {missed} unnoticed or not made")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
