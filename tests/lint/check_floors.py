#!/usr/bin/env python3
"""Includes go down the floors, or sideways within a folder; outside libraries stay in their home.

The floors are those of ARCHITECTURE.md. Run by every test run, and by `make lint`.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

# Lowest first. A folder may know those of the floors below it; a folder within another one is a room
# of its own.
FLOORS = (
    ("common/base",),
    ("common/mail", "common/pattern"),
    ("common/content", "common/mail/reported"),
    ("common/smtp/syntax", "common/ipc", "common/sasl", "common/notice"),
    ("common/smtp/server", "common/smtp/client", "common/milter",
     "common/policy_service", "common/rspamd"),
    ("common/net", "common/tls", "common/log", "common/auth", "common/dns", "common/http", "common/sandbox",
     "common/config/table"),
    ("common/config",),
    ("common/config/document",),
    ("common/config/section",),
    ("common/config/load",),
    ("common/daemon", "common/exercise", "common/rewrite", "common/authentication"),
    ("common/agent/hosts", "common/agent/pacing", "common/filtering", "common/authentication/spf", "common/authentication/dkim"),
    ("queue-schema", "common/authentication/dmarc", "common/authentication/arc", "common/authentication/results"),
    ("common/agent",),
    ("qmgr/model", "qmgr/cluster", "qmgr/disk", "smtpd/acceptance", "postwain/process", "filter/deciding",
     "reporter/sending"),
    ("qmgr/scheduling", "smtpd/login", "smtpd/queue_link", "postwain/checking", "postwain/client",
     "reporter/tls", "reporter/dmarc"),
    ("qmgr/verdicts", "smtpd/session", "postwain/supervisor"),
    ("qmgr/routing", "qmgr/store", "qmgr/peers", "smtpd"),
    ("qmgr/store/sqlite", "qmgr/store/writing", "qmgr/store/postgres/session", "simulator"),
    ("qmgr/history", "qmgr/salvage", "qmgr/moving", "qmgr/store/postgres",
     "qmgr/store/postgres/keeper", "postwain/commands",
     "postwain/offline", "postwain/explain"),
    ("qmgr/shared", "qmgr/control/json", "postwain/sendmail", "postwain/dns_check"),
    ("qmgr/destinations", "qmgr/control/metrics", "postwain/dkim"),
    ("qmgr/entering",),
    ("qmgr/leaving",),
    ("qmgr/judging",),
    ("qmgr/queue",),
    ("qmgr/dispatch", "postwain"),
    ("qmgr/nodes",),
    ("qmgr/control/cluster",),
    ("qmgr/intake", "qmgr/control"),
    ("qmgr", "smtp-client", "lmtp-client", "metrics", "tokens", "pickup", "reporter", "filter",
     "signer", "db-link"),
    ("bench",),
)
FLOOR = {folder: number for number, floor in enumerate(FLOORS) for folder in floor}
# Arrows within one floor, each with its reason.
SIDEWAYS = {
    ("common/dns", "common/net"): "its sockets wait on the loop",
    ("common/http", "common/net"): "its sockets wait on the loop",
    ("common/exercise", "common/daemon"): "its exercises are a daemon's",
}
# Programs do not know each other, but for these rooms: the folder below which one may know it.
SHARED = {
    "qmgr/model": ("simulator",), "qmgr/scheduling": ("simulator",), "qmgr/verdicts": ("simulator",),
    "qmgr/routing": ("simulator", "postwain/explain"),
    "smtpd/acceptance": ("postwain/explain",),
    "filter/deciding": ("postwain/explain",),
    "simulator": ("postwain/explain",),
    "queue-schema": ("qmgr", "bench"),
    "postwain/sendmail": ("pickup",),
}
# A room behind a port: who may know it besides itself.
BEHIND_PORT = {
    # The engine behind qmgr/store/queue_store.h. History and salvage are SQLite's own; qmgr chooses the engine.
    "qmgr/store/sqlite": ("qmgr/history", "qmgr/salvage", "qmgr", "bench"),
    # The other engine behind it: a database server that several nodes share.
    "qmgr/store/postgres": ("qmgr", "bench"),
    "qmgr/store/postgres/session": ("qmgr/store/postgres", "qmgr/store/postgres/keeper"),
    "qmgr/store/postgres/keeper": ("qmgr",),
}
# Header prefix of an outside library: its only home; a tuple of exact files where one file is the rule.
HOME = {
    "uv.h": "common/net/",
    "openssl/": "common/tls/",
    "crypt.h": "common/auth/",
    "ares": "common/dns/",
    "curl/": "common/http/",
    "microhttpd.h": "metrics/http_server.cc",
    "idn2.h": "common/mail/idn.cc",
    "toml++/": "common/config/document/toml_reader.cc",
    "sqlite3.h": ("qmgr/store/sqlite/", "qmgr/history/", "qmgr/salvage/"),
    "libpq-fe.h": "qmgr/store/postgres/",
    "CLI/": "postwain/command_line/",
    "re2/": "common/pattern/",
    "seccomp.h": "common/sandbox/",
    "systemd/": "postwain/supervisor/service_manager.cc",
    "nlohmann/": ("common/rspamd/", "qmgr/", "postwain/", "reporter/", "filter/trial/"),
    "zlib.h": ("reporter/sending/gzip.cc", "qmgr/history/deflate.cc"),
}
# Never in our headers: their compile time is paid by everyone who includes them.
NOT_IN_HEADERS = {"iostream", "filesystem", "regex", "fstream", "sstream", "nlohmann/json.hpp"}
NOWHERE = {"regex"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def folder_of(path):
    """The deepest folder of the table that the file lies in."""
    folder = path
    while "/" in folder:
        folder = folder.rsplit("/", 1)[0]
        if folder in FLOOR:
            return folder
    return folder


def is_shared(own, other):
    """Whether a folder of one program may know one of another."""
    top = lambda folder: folder.split("/")[0]
    if top(other) == "common" or top(other) == top(own) or top(own) == "bench":
        return True
    return any(own == who or own.startswith(who + "/") for who in SHARED.get(other, ()))


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
            elif own != other and own not in BEHIND_PORT.get(other, (own,)):
                yield say(f"{own} must not know {other}: it is behind a port")
            elif not is_shared(own, other):
                yield say(f"{own} must not know {other}: it is another program's")
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
    tops = sorted({folder.split("/")[0] for folder in FLOOR})
    files = [f for top in tops for f in sorted((ROOT / top).rglob("*")) if f.suffix in (".cc", ".h")]
    found = [mistake for file in files for mistake in mistakes_in(file)]
    print("\n".join(found) if found else f"{len(files)} files keep the floors")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
