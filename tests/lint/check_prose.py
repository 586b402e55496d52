#!/usr/bin/env python3
"""The documents of the tree: lines end at 100 columns, and each file that they name exists.

Rows of tables and examples of commands may be longer. Run by every test run, and by `make lint`.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "SECURITY.md", *sorted(
    str(path.relative_to(ROOT)) for path in (ROOT / "doc").rglob("*.md"))]
COLUMNS = 100
ARCHITECTURE_LINES = 250
# `common/mail/idn.h`, with a folder, so that a bare `main.cc` is anybody's.
NAMED = re.compile(r"`((?:[\w.-]+/)+[\w.-]+\.(?:cc|h|py|sh|sql|md|txt))`")


def mistakes(name):
    """Each as (line, what)."""
    lines = (ROOT / name).read_text(encoding="utf-8").split("\n")
    example = False
    for number, line in enumerate(lines, 1):
        if line.startswith("```"):
            example = not example
        free = example or line.startswith(("|", "    "))
        if not free and len(line) > COLUMNS:
            yield number, f"{len(line)} columns; {COLUMNS} is the limit"
        for path in NAMED.findall(line):
            if not (ROOT / path).exists() and not path.startswith(("build/", "etc/")):
                yield number, f"there is no {path}"
    if name == "ARCHITECTURE.md" and len(lines) > ARCHITECTURE_LINES:
        yield len(lines), f"{len(lines)} lines; a page that everybody reads has {ARCHITECTURE_LINES}"


def main():
    found = 0
    for name in DOCUMENTS:
        for number, what in mistakes(name):
            print(f"{name}:{number}: {what}")
            found += 1
    print(f"{len(DOCUMENTS)} documents, {found} mistakes")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
