"""What Postwain has counted for its TLS reports, as it lies in its folder when it is stopped."""

import json

SETTINGS = {"tls_reports": {"from": "reports@ours.test"}}


def tally(mta):
    """Its lines, oldest day first."""
    try:
        with open(mta.folder / "spool-reports/tally.jsonl", encoding="ascii") as file:
            return [json.loads(line) for line in file]
    except FileNotFoundError:
        return []


def results(mta):
    """{(domain, kind of policy, result)}"""
    return {(line["domain"], line["policy"], line["end"]) for line in tally(mta)}
