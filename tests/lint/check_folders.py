#!/usr/bin/env python3
"""No folder of the tree has more than 30 files: beyond that nobody sees at a glance what is there.

Folders within a folder do not count, and neither do fuzz corpora, which grow by what fuzzers find.
Run by every test run, and by `make lint`.
"""
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = 30
FREE = {"build", "__pycache__"}
CORPORA = ROOT / "tests/fuzz/corpus"


def crowded_folders(root):
    """Each as (folder, number of files)."""
    for folder, folders, files in os.walk(root):
        if Path(folder) == CORPORA:
            folders.clear()
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in FREE)
        if len(files) > FILES:
            yield Path(folder).relative_to(root), len(files)


def main():
    found = list(crowded_folders(ROOT))
    for folder, number in found:
        print(f"{folder}: {number} files; {FILES} is the limit")
    print(f"{len(found)} folders have too many files")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
