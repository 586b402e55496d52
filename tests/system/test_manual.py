"""postwain.toml(5) and the parser know the same keys, and every manual page is sound mdoc."""

import glob
import os
import re
import shutil
import subprocess
import unittest

from postwain_harness import BIN, SOURCE, main
from resources import Folder

PAGE = os.path.join(SOURCE, "man", "postwain.toml.5")
TOP = ""
PROBE = "zzzzqqqq"  # like no key, so that the parser lists all it knows instead of guessing one


def manual_keys():
    """{table: {key}} of the manual: its .Ss headings, and the .Ic of its list items."""
    keys, table = {}, None
    with open(PAGE, encoding="utf-8") as page:
        for line in page:
            if line.startswith(".Ss "):
                title = line[4:].strip()
                table = TOP if title == "Top of the file" else title.strip("[]")
                keys[table] = set()
            elif line.startswith(".Sh "):
                table = None
            elif line.startswith(".It Ic ") and table is not None:
                keys[table].add(line.split()[2])
    return keys


def configuration(tables):
    """A document with an unknown key in each table; repeated tables are those the manual shows so."""
    lines = [f"{PROBE} = 1"]
    with open(PAGE, encoding="utf-8") as page:
        repeated = set(re.findall(r"^\.Ss \[\[([\w.]+)\]\]", page.read(), re.MULTILINE))
    for table in tables:
        lines += [f"[[{table}]]" if table in repeated else f"[{table}]", f"{PROBE} = 1"]
    return "\n".join(lines) + "\n"


class ManualTest(unittest.TestCase):
    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.remove)

    def parser_keys(self, tables):
        """{table: {key}} as `postwain check` lists them where it meets an unknown key."""
        text = configuration(tables)
        path = self.folder.file("postwain.toml", text)
        check = subprocess.run([os.path.join(BIN, "postwain"), "check", "--config", path],
                               capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(check.returncode, 78, check.stderr)
        keys = {}
        for number, known in re.findall(
                rf":(\d+):\d+: unknown key '{PROBE}'[^\n]*\(known: ([^)\n]*)\)", check.stderr):
            before = text.splitlines()[: int(number)]
            headings = [line.strip("[]") for line in before if line.startswith("[")]
            keys[headings[-1] if headings else TOP] = set(known.split(", "))
        return keys

    def test_same_keys_both_ways(self):
        manual = manual_keys()
        tables = [table for table in manual if table != TOP]
        parser = self.parser_keys(tables)
        self.assertEqual(set(parser), set(manual), "tables")
        manual[TOP] |= {table for table in tables if "." not in table}
        for table, keys in manual.items():
            keys |= {name.rpartition(".")[2] for name in tables if name.rpartition(".")[0] == table
                     and table != TOP}
            self.assertEqual(keys, parser[table], f"keys of [{table}]: manual, then parser")

    def test_same_commands_both_ways(self):
        with open(os.path.join(SOURCE, "man", "postwain.8"), encoding="utf-8") as page:
            items = re.findall(r"^\.It (Cm .*)$", page.read(), re.MULTILINE)
        manual = {name.strip() for item in items for name in re.split(r" ?,? ?\bCm ", item) if name}
        program = self.subcommands() | {f"queue {word}" for word in self.subcommands("queue")}
        self.assertEqual(manual, program - {"queue"})

    def subcommands(self, *words):
        """Names that `postwain WORDS --help` lists under its heading Subcommands."""
        shown = subprocess.run([os.path.join(BIN, "postwain"), *words, "--help"],
                               capture_output=True, text=True, timeout=60, check=True).stdout
        return set(re.findall(r"^  ([\w-]+)", shown.split("Subcommands:")[1], re.MULTILINE))

    def test_every_key_has_its_default_or_is_required(self):
        with open(PAGE, encoding="utf-8") as page:
            text = page.read().split(".Sh FILES")[0]
        for item in re.split(r"^\.It Ic ", text, flags=re.MULTILINE)[1:]:
            key = item.split()[0]
            if key != "timeouts":
                self.assertRegex(item, r"Default:|Required", key)

    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed")
    def test_pages_are_sound(self):
        pages = glob.glob(os.path.join(SOURCE, "man", "*.[1-8]"))
        self.assertGreater(len(pages), 1)
        for page in pages:
            lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page],
                                  capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual((lint.returncode, lint.stdout), (0, ""), page)


if __name__ == "__main__":
    main()
