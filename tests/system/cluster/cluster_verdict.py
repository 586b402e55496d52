"""Whether a cluster has kept its promises, by what the load wrote down (load_ledger.py).

After 250 every recipient is delivered, bounced or in the queue. Whoever gets a second copy was
marked in doubt before. A node whose term was ended delivers nothing until it has a new one. Nobody
gets what was not sent to him, or other bytes.
"""

from collections import Counter
from dataclasses import dataclass

WAKE = 1.0  # seconds behind the end of a standstill


@dataclass(frozen=True)
class Copy:
    at: float
    node: str
    queue_id: str
    good: bool


@dataclass(frozen=True)
class Lapse:
    """A node without a term: from the moment at which its term was surely ended to that of the
    next. woken: when its processes went on, if they had stood still."""

    node: str
    ended: float
    begun: float = float("inf")
    woken: float | None = None


class Verdict:
    """source, sink: lines of words. waiting: ids of the messages that are queued now. is_marked(id,
    address): whether the history of some node says that this attempt was in doubt."""

    def __init__(self, source, sink, waiting=frozenset(), lapses=(),
                 is_marked=lambda _id, _to: False):
        self._offered, self._replies = {}, {}
        self.copies, self.bounced = {}, Counter()
        self._read_source(source)
        self._read_sink(sink)
        promised = [(key, to) for key, (code, _, taken) in self._replies.items() if code == 250
                    for to in taken]
        self.messages = sum(reply[0] == 250 for reply in self._replies.values())
        self.promised = len(promised)
        self.lost = [pair for pair in promised if pair not in self.copies
                     and pair not in self.bounced and self._replies[pair[0]][1] not in waiting]
        self.both = [pair for pair in promised if pair in self.copies and pair in self.bounced]
        self.phantoms = [pair for pair in [*self.copies, *self.bounced]
                         if not self._is_known(*pair)]
        self.damaged = [pair for pair, found in self.copies.items()
                        if not all(copy.good for copy in found)]
        self.repeated = [pair for pair, found in self.copies.items() if len(found) > 1]
        self.unmarked = [(key, to, sorted(found, key=lambda copy: copy.at))
                         for key, to in self.repeated for found in [self.copies[key, to]]
                         if not any(is_marked(name, to) for name in {c.queue_id for c in found})]
        self.late, self.at_wake = self._late(lapses)

    def _read_source(self, lines):
        for words in lines:
            if words[0] == "offered":
                self._offered[words[1]] = set(words[3].split(","))
            elif words[0] == "reply":
                taken = [] if words[5] == "-" else words[5].split(",")
                self._replies[words[1]] = (int(words[3]), words[4], taken)

    def _read_sink(self, lines):
        for words in lines:
            if words[0] == "delivered":
                copy = Copy(float(words[3]), words[4], words[5], words[6] == "good")
                self.copies.setdefault((words[1], words[2]), []).append(copy)
            elif words[0] == "bounced":
                self.bounced[words[1], words[2]] += 1

    def _is_known(self, key, to):
        """Whoever was refused for good may get nothing; who heard nothing or a 4xx may."""
        code = self._replies.get(key, (0,))[0]
        return to in self._offered.get(key, ()) and not 500 <= code < 600

    def _late(self, lapses):
        """Copies from a node without a term, and those of them that came when it woke: the moment
        between its look at the clock and its write, at which no program can prevent it."""
        late, at_wake = [], []
        for pair, found in self.copies.items():
            for copy in found:
                lapse = next((lapse for lapse in lapses if lapse.node == copy.node
                              and lapse.ended < copy.at < lapse.begun), None)
                if lapse is None:
                    continue
                woke = lapse.woken is not None and 0 <= copy.at - lapse.woken <= WAKE
                (at_wake if woke else late).append((*pair, copy, lapse))
        return late, at_wake

    def suspects(self):
        """Ids of some messages with which something is wrong."""
        pairs = [*self.lost, *self.both, *self.damaged, *(one[:2] for one in
                                                          self.unmarked + self.late)]
        return sorted({name for key, to in pairs[:20] for name in
                       [self._replies.get(key, (0, "-"))[1],
                        *(copy.queue_id for copy in self.copies.get((key, to), ()))]} - {"-"})

    def second_copies(self):
        return sum(len(self.copies[pair]) - 1 for pair in self.repeated)

    def faults(self, wakes_allowed=0):
        """Each in words; none when all is well. wakes_allowed: processes that were made to stand
        still while they might be between the look at the clock and the write."""
        found = [(f"{len(some)} {what}", some) for what, some in (
            ("acknowledged recipients are lost", self.lost),
            ("recipients have a copy and a bounce", self.both),
            ("recipients have what was not sent to them", self.phantoms),
            ("copies are damaged", self.damaged),
            ("second copies are not marked in doubt", self.unmarked),
            ("copies came from a node without a term", self.late)) if some]
        woken = {(key, copy.node, copy.at) for key, _, copy, _ in self.at_wake}
        if len(woken) > wakes_allowed:
            found.append((f"{len(woken)} messages came from nodes that woke", self.at_wake))
        return [f"{what}, for example {some[:3]}" for what, some in found]

    def __str__(self):
        return (f"{self.messages} messages acknowledged for {self.promised} recipients; "
                f"{len(self.lost)} lost, {sum(self.bounced.values())} bounced, "
                f"{self.second_copies()} second copies ({len(self.unmarked)} of the recipients "
                f"unmarked), {len(self.late)} copies without a term, {len(self.at_wake)} at a wake")
