"""The published suite of RFC 7208 (openspf.org, release 2014.04), as Debian's python3-spf brings it."""

import gzip

import yaml

from postwain_harness import PostwainTestCase, main
from spf_program import SUITE, SpfProgram

CASES = 203
# No question of the suite needs more than its terms with all their hosts.
QUESTIONS_MAX = 123


def texts(value):
    return value if isinstance(value, list) else [value]


def records_of(name, entries):
    """What stands at one name. Entries of the abolished type SPF are those of TXT where there are none of TXT."""
    pairs = [pair for entry in entries if isinstance(entry, dict) for pair in entry.items()]
    has_text = any(kind == "TXT" for kind, _ in pairs)
    for kind, value in pairs:
        if kind == "SPF":
            kind = "" if has_text else "TXT"
        if not kind or value == "NONE":
            continue
        if kind == "TXT":
            yield name, kind, "".join(texts(value))
        elif kind == "MX":
            yield name, kind, value[1], value[0]
        else:
            yield name, kind, value


class Suite(PostwainTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with gzip.open(SUITE) as file:
            cls.scenarios = list(yaml.safe_load_all(file))

    def judge(self, program, test):
        """What is wrong, or nothing."""
        found = program.check(test["host"], test["helo"], test["mailfrom"])
        expected = texts(test["result"])
        if found.result not in expected:
            return f"{found} instead of {expected}"
        wanted = test.get("explanation")
        wanted = "" if wanted == "DEFAULT" else wanted  # we make up none of our own
        if wanted is not None and found.explanation != wanted:
            return f"{found} instead of the explanation {wanted!r}"
        if found.questions > QUESTIONS_MAX:
            return f"{found}: too many questions"
        if found.result in ("none", "temperror", "permerror") and not found.reason:
            return f"{found}: without a reason"
        return None

    def test_every_case(self):
        program = self.closing(SpfProgram())
        ran = 0
        for scenario in self.scenarios:
            zone = scenario["zonedata"]
            program.zone([record for name, entries in zone.items() for record in records_of(name, entries)],
                         [name for name, entries in zone.items() if "TIMEOUT" in entries])
            for name, test in scenario["tests"].items():
                ran += 1
                with self.subTest(f"{scenario['description']}: {name}"):
                    self.assertIsNone(self.judge(program, test))
        self.assertGreaterEqual(ran, CASES)


if __name__ == "__main__":
    main()
