"""Writes a dictionary as TOML: what the tests need; the standard library can only read it."""

import json


def toml_text(values):
    """Scalars first, then tables, then arrays of tables, as TOML demands."""
    return "\n".join(_lines("", values)) + "\n"


def merged(base, changes):
    """base with changes laid over it: tables merged, other values replaced, None removes."""
    result = dict(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def _lines(prefix, values):
    lines = []
    for key, value in values.items():
        if not isinstance(value, dict) and not _is_tables(value):
            lines.append(f"{key} = {_value(value)}")
    for key, value in values.items():
        name = prefix + key
        if isinstance(value, dict):
            lines += ["", f"[{name}]"] + _lines(name + ".", value)
        elif _is_tables(value):
            for table in value:
                lines += ["", f"[[{name}]]"] + _lines(name + ".", table)
    return lines


def _is_tables(value):
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


def _value(value):
    if isinstance(value, list):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)
