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


def arguments_at(text, opening):
    """What stands between this parenthesis and its partner."""
    depth = 0
    for place in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return text[opening + 1:place]
    raise AssertionError("a parenthesis without its partner")


def logged():
    """({event}, {field}, [calls whose event is no literal]) of all programs, from their sources."""
    events, fields, computed = set(), set(), []
    for folder in ["common", "smtpd", "qmgr", "smtp-client", "lmtp-client", "metrics", "tokens", "pickup", "reporter", "filter",
                   "signer", "db-link", "postwain"]:
        for path in glob.glob(os.path.join(SOURCE, folder, "**", "*.cc"), recursive=True):
            with open(path, encoding="utf-8") as file:
                text = file.read()
            fields |= set(re.findall(r'\bkv\(\s*"(\w+)"', text))
            for call in re.finditer(r"\blog::Line(?: \w+)?\(", text):
                words = arguments_at(text, call.end() - 1)
                names = re.findall(r'(?<![=!]= )"(\w+)"', words)
                events |= set(names)
                if not names:
                    computed.append((os.path.relpath(path, SOURCE), words.split(",")[1].strip()))
    return events, fields, computed


# Events whose name is computed, by the place where that is done.
COMPUTED = {
    ("common/agent/report.cc", "name_of(outcome.disposition)"): {"delivered", "deferred", "failed"},
    ("qmgr/leaving/settling_log.cc", "name"): {"bounced", "expired", "delayed", "dropped"},
}
BY_THE_LOG_ITSELF = {"log_dropped"}, {"lines"}


QUOTES = {"Ql", "Sq", "Dq", "Qq"}
MACROS = QUOTES | {"Ar", "Bq", "Brq", "Cm", "Em", "Ev", "Fl", "Ic", "In", "Li", "Lk", "No", "Op", "Pa", "Pq", "Sx", "Sy", "Va",
                   "Xr"}


def goes_too_far(line):
    """The macro of this line of mdoc that takes in more than it is meant for; "" where none does."""
    macro, quotes, behind_comma = "", "", False
    for word in re.findall(r'"[^"]*"|\S+', line):
        if quotes and word in MACROS - {"Ar", "Ic"}:
            return quotes
        if word in MACROS:
            macro, behind_comma = word, False
            quotes = word if word in QUOTES else quotes
        elif word in {",", ".", ";", ":", ")", "?", "!"}:
            behind_comma = True
        elif behind_comma and (quotes or macro == "Fl"):
            return quotes or macro
    return ""


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
        groups = {"queue", "filter", "dkim", "cluster"}
        program = self.subcommands() | {f"{group} {word}" for group in groups for word in self.subcommands(group)}
        self.assertEqual(manual, program - groups)

    def test_same_log_events_both_ways(self):
        events, fields, computed = logged()
        self.assertEqual(set(COMPUTED), set(computed))
        events = events.union(*COMPUTED.values(), BY_THE_LOG_ITSELF[0])
        with open(os.path.join(SOURCE, "man", "postwain-log.7"), encoding="utf-8") as page:
            listed = page.read().split(".Sh EVENTS")[1].split(".Sh FIELDS")
        manual = [re.findall(r"^\.It Li (\w+)", part, re.MULTILINE) for part in listed]
        for names, code in zip(manual, [events, fields | BY_THE_LOG_ITSELF[1]]):
            self.assertEqual(len(names), len(set(names)))
            self.assertEqual(set(names), code)

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

    def test_what_is_in_quotes_ends_where_it_should(self):
        """A macro for quotes goes on to the end of its line, and one for options makes an option of
        every word behind a comma."""
        for page in glob.glob(os.path.join(SOURCE, "man", "*.[1-8]")):
            with open(page, encoding="utf-8") as file:
                for number, line in enumerate(file, 1):
                    if line.startswith("."):
                        self.assertEqual("", goes_too_far(line[1:]), f"{page}:{number}: {line}")

    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed")
    def test_quotes_of_the_rendered_pages_are_pairs(self):
        for page in glob.glob(os.path.join(SOURCE, "man", "*.[1-8]")):
            shown = subprocess.run(["mandoc", "-T", "utf8", page], capture_output=True, text=True,
                                   timeout=60, check=True).stdout
            marks = [mark for mark in shown if mark in "‘’“”"]
            self.assertEqual(0, len(marks) % 2, page)
            for opening, closing in zip(marks[::2], marks[1::2]):
                self.assertIn(opening + closing, ("‘’", "“”"), page)

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
