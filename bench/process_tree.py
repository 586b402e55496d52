"""CPU time and memory of a process and all its descendants, from /proc."""

import os
from dataclasses import dataclass, field

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def _stat_fields(pid):
    with open(f"/proc/{pid}/stat", encoding="latin-1") as stat:
        text = stat.read()
    close = text.rindex(")")
    name = text[text.index("(") + 1 : close]
    return name, text[close + 2 :].split()


def tree(root):
    """Process ids of root and everything below it."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                _, fields = _stat_fields(entry)
                parents.setdefault(int(fields[1]), []).append(int(entry))
            except (FileNotFoundError, ProcessLookupError):
                continue
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += parents.get(pid, [])
    return found


@dataclass
class Usage:
    """Seconds of CPU used so far; children that ended are counted with the parent that reaped them."""

    seconds: float = 0.0
    by_name: dict = field(default_factory=dict)

    def minus(self, before):
        names = {
            name: seconds - before.by_name.get(name, 0.0) for name, seconds in self.by_name.items()
        }
        return Usage(self.seconds - before.seconds, names)


def cpu(root):
    total = Usage()
    for pid in tree(root):
        try:
            name, fields = _stat_fields(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
        seconds = sum(int(value) for value in fields[11:15]) / TICKS_PER_SECOND
        total.seconds += seconds
        total.by_name[name] = total.by_name.get(name, 0.0) + seconds
    return total


def pss_mib(root):
    """Proportional set size of the whole tree: shared pages are counted once."""
    kib = 0
    for pid in tree(root):
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
                kib += next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue
    return kib / 1024


def set_priority(pid, nice):
    """The kernel shares processors between sessions first (sched(7), autogroup), so that a session
    has a nice value of its own. Each party of a comparison is one session: generator, sink, server."""
    if nice != 0:
        with open(f"/proc/{pid}/autogroup", "w", encoding="ascii") as group:
            group.write(str(nice))
