#!/usr/bin/env python3
"""Includes go down the floors, or sideways within a folder; outside libraries stay in their home.

The floors are those of ARCHITECTURE.md. Run by every test run, and by `make lint`.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

FLOOR = {
    "common/base": 0,
    "common/mail": 1, "common/smtp": 2, "common/ipc": 2, "common/sasl": 2, "common/notice": 2,
    "common/net": 3, "common/tls": 3, "common/log": 3, "common/auth": 3, "common/dns": 3, "common/http": 3, "common/config": 3, "common/sandbox": 3,
    "common/daemon": 4, "common/exercise": 4, "common/agent": 4, "common/rewrite": 4,
    "queue-schema": 4, "scheduling": 4, "policy": 4, "simulator": 4,
    "qmgr": 5, "smtpd": 5, "smtp-client": 5, "lmtp-client": 5, "postwain": 5, "metrics": 5, "tokens": 5, "pickup": 5, "reporter": 5, "bench": 6,
}
# Arrows within one floor, each with its reason.
SIDEWAYS = {
    ("common/dns", "common/net"): "its sockets wait on the loop",
    ("common/http", "common/net"): "its sockets wait on the loop",
    ("common/agent", "common/daemon"): "an agent is a daemon",
    ("common/exercise", "common/daemon"): "its exercises are a daemon's",
    ("pickup", "postwain"): "what sendmail left is submitted by its own code",
    ("policy", "common/rewrite"): "whether an address exists depends on what it stands for",
    ("scheduling", "common/rewrite"): "who gets a message depends on what its addresses stand for",
    ("simulator", "scheduling"): "it plays the very code that schedules deliveries",
}
# Files of qmgr that decide and touch nothing (library pw_scheduling, and values it needs): a floor
# below the daemon, so that the simulator may know them.
SCHEDULING = {"qmgr/" + stem for stem in (
    "changes", "connection_ledger", "destination_health", "expansion", "gate", "lent_before", "message", "notice_plan", "observed_time", "retry_hint", "retry_policy",
    "router", "scheduler", "scheduler_limits", "scheduler_queue", "scheduler_settings",
    "scheduler_shared", "scheduler_suspects", "store_cursor", "success_limit", "suspects", "verdict")}
# The same of smtpd (library pw_policy), so that `postwain explain` asks the very code that decides.
POLICY = {"smtpd/access_rules", "smtpd/client_address", "smtpd/dns_checks", "smtpd/policy"}
# Header prefix of an outside library: its only home; a tuple of exact files where one file is the rule.
HOME = {
    "uv.h": "common/net/",
    "openssl/": "common/tls/",
    "crypt.h": "common/auth/",
    "ares": "common/dns/",
    "curl/": "common/http/",
    "microhttpd.h": "metrics/http_server.cc",
    "idn2.h": "common/mail/idn.cc",
    "toml++/": "common/config/toml_reader.cc",
    "sqlite3.h": "qmgr/",
    "CLI/": "postwain/command_line.cc",
    "seccomp.h": "common/sandbox/",
    "systemd/": "postwain/service_manager.cc",
    "nlohmann/": ("qmgr/", "postwain/", "reporter/"),
    "zlib.h": "reporter/gzip.cc",
}
# Never in our headers: their compile time is paid by everyone who includes them.
NOT_IN_HEADERS = {"iostream", "filesystem", "regex", "fstream", "sstream", "nlohmann/json.hpp"}
NOWHERE = {"regex"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def folder_of(path):
    if path.rsplit(".", 1)[0] in SCHEDULING:
        return "scheduling"
    if path.rsplit(".", 1)[0] in POLICY:
        return "policy"
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "common" else parts[0]


def all_folders():
    return [folder for folder in FLOOR if folder not in ("scheduling", "policy")]


def mistakes_in(file):
    path = file.relative_to(ROOT).as_posix()
    own = folder_of(path)
    text = file.read_text()
    for match in INCLUDE.finditer(text):
        quoted, name = match.group(1) == '"', match.group(2)
        line = text.count("\n", 0, match.start(2)) + 1
        say = lambda what: f"{path}:{line}: {what}"
        if quoted:
            other = folder_of(name)
            if other not in FLOOR:
                yield say(f'"{name}" is not written from the root of the tree')
            elif other != own and FLOOR[other] >= FLOOR[own] and (own, other) not in SIDEWAYS:
                yield say(f"{own} (floor {FLOOR[own]}) must not know {other} (floor {FLOOR[other]})")
            elif not (ROOT / name).is_file():
                yield say(f'"{name}" does not exist')
            continue
        if name in NOWHERE or (path.endswith(".h") and name in NOT_IN_HEADERS):
            yield say(f"<{name}> is not used {'in headers' if name not in NOWHERE else 'here'}")
        for prefix, home in HOME.items():
            outside = name.startswith(prefix) and (prefix.endswith("/") or name == prefix
                                                   or name.startswith("ares"))
            if outside and not path.startswith(home):
                yield say(f"<{name}> has its home in {home if isinstance(home, str) else ' and '.join(home)}")


def main():
    files = [f for folder in all_folders() for f in sorted((ROOT / folder).rglob("*"))
             if f.suffix in (".cc", ".h")]
    found = [mistake for file in files for mistake in mistakes_in(file)]
    print("\n".join(found) if found else f"{len(files)} files keep the floors")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
