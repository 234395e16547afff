"""What is wrong with a scenario, in words: every problem with its key, what was given, what may be.

The allowed values are read from the JSON Schema of `probe.scenario.Scenario`, so a new key needs no
text here.
"""

from __future__ import annotations

import datetime as dt
import difflib
import functools
import json
from typing import TYPE_CHECKING, Any, Final

from probe.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

Key = tuple[str | int, ...]
"""Where a value stands: ``("stage", "infer", "threads")``, ``("expect", 0, "box")``."""

LONGEST_TEXT: Final = 60
_MOST_NAMED: Final = 12
_TYPES: Final = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a table",
}


def key_text(key: Key) -> str:
    """Write a key as its path: ``expect[0].box``."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "scenario"


def problems(error: ValidationError) -> list[tuple[Key, str]]:
    """Return every problem that pydantic found: its key, and what is wrong, given and allowed."""
    found: list[tuple[Key, str]] = []
    for detail in error.errors(include_url=False):
        key = detail["loc"]
        if detail["type"] == "missing" and key and isinstance(key[-1], int):
            key = key[:-1]
        entry = (key, _text(detail, key))
        if entry not in found:
            found.append(entry)
    return found


def unknown(key: Key) -> str:
    """Say that there is no such key, which are near, and which there are beside it."""
    text = "unknown key"
    close = nearest(key)
    if close:
        text += f"; did you mean {' or '.join(close)}?"
    beside = list(node(key[:-1]).get("properties", {}))
    if beside:
        more = ", ..." if len(beside) > _MOST_NAMED else ""
        text += f" ({key_text(key[:-1])} has: {', '.join(beside[:_MOST_NAMED])}{more})"
    return text


def nearest(key: Key) -> list[str]:
    """Return up to three known paths that the writer of `key` may have meant."""
    path = key_text(key)
    leaf = str(key[-1])
    same_leaf = [known for known in known_paths() if known.rsplit(".", 1)[-1] == leaf]
    close = difflib.get_close_matches(path, known_paths(), n=3, cutoff=0.75)
    table = path.rpartition(".")[0]
    beside = {k.rpartition(".")[2]: k for k in known_paths() if k.rpartition(".")[0] == table}
    typed = [beside[name] for name in difflib.get_close_matches(leaf, beside, n=1, cutoff=0.6)]
    return list(dict.fromkeys([*typed, *close, *same_leaf]))[:3]


@functools.cache
def known_paths() -> tuple[str, ...]:
    """Return the path of every table and key of a scenario, in its order."""
    return tuple(_paths(schema(), ()))


@functools.cache
def schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario file."""
    document = Scenario.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **document,
        "title": "liveprobe scenario",
    }


def node(key: Key) -> dict[str, Any]:
    """Return the part of the schema that describes `key`; empty where there is none."""
    found = schema()
    for part in key:
        if isinstance(part, int):
            ahead = found.get("prefixItems", [])
            found = ahead[part] if part < len(ahead) else found.get("items", {})
        else:
            found = found.get("properties", {}).get(part, {})
        found = _plain(found)
    return found


def allowed(found: Mapping[str, Any]) -> str:
    """Say in words what a part of the schema allows: ``a whole number from 1 to 64``."""
    if found.get("title") == "duration":
        return 'a duration such as "500ms", "6s" or "10m", or a number of seconds'
    if "enum" in found:
        return "one of " + ", ".join(json.dumps(value) for value in found["enum"])
    kind = str(found.get("type", ""))
    detail = ""
    if kind in ("integer", "number"):
        detail = _bounds(found)
    elif kind == "array":
        detail = _members(found)
    elif kind == "string" and "pattern" in found and found.get("description"):
        detail = f" ({found['description']})"
    return _TYPES.get(kind, "another value") + detail


def given(value: object) -> str:
    """Write what was given, short and harmless to a terminal."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        kinds = (
            "a list of tables" if value and all(isinstance(v, dict) for v in value) else "a list"
        )
        return f"{kinds} of {len(value)}" if kinds == "a list" else kinds
    if isinstance(value, (dt.date, dt.time)):
        return f"the date or time {value}"
    if isinstance(value, int) and abs(value) > 10**LONGEST_TEXT:
        return "an enormous number"
    text = json.dumps(value)
    if len(text) > LONGEST_TEXT:
        text = text[: LONGEST_TEXT - 4] + '..."'
    return f"the text {text}" if isinstance(value, str) else text


def _text(detail: ErrorDetails, key: Key) -> str:
    kind = detail["type"]
    found = node(key)
    if kind == "extra_forbidden":
        return unknown(key)
    if kind == "missing":
        what = "has too few values" if found.get("type") == "array" else "is required"
        return f"{what}; give {allowed(found)}"
    if kind == "value_error":
        return _own_text(detail, found)
    if (key, kind) == (("stage", "infer", "model"), "string_too_short"):
        return "no model is given, and this scenario has none of its own; add --model FILE.onnx"
    return f"must be {_wanted(detail, key, found)}; given {given(detail['input'])}"


def _wanted(detail: ErrorDetails, key: Key, found: Mapping[str, Any]) -> str:
    kind = detail["type"]
    if kind == "model_type":
        many = isinstance(detail["input"], list)
        return f"one table, write [{key_text(key)}] once" if many else f"a table [{key_text(key)}]"
    if kind == "string_unicode" or (kind == "string_pattern_mismatch" and "maxLength" in found):
        return "a text without control characters"
    if kind in ("string_too_long", "string_too_short", "too_long", "too_short"):
        return f"{allowed(found)}, {_length(detail)}"
    return allowed(found)


def _length(detail: ErrorDetails) -> str:
    limits = detail.get("ctx", {})
    unit = "characters" if detail["type"].startswith("string") else "values"
    if "max_length" in limits:
        return f"at most {limits['max_length']} {unit}"
    return "not empty" if limits["min_length"] == 1 else f"at least {limits['min_length']} {unit}"


def _own_text(detail: ErrorDetails, found: Mapping[str, Any]) -> str:
    text = str(detail.get("ctx", {}).get("error", detail["msg"]))
    if isinstance(detail["input"], dict):
        return text
    if text == "not a duration":
        text = f"must be {allowed(found)}"
    return f"{text}; given {given(detail['input'])}"


def _bounds(found: Mapping[str, Any]) -> str:
    low, high = found.get("minimum"), found.get("maximum")
    above, below = found.get("exclusiveMinimum"), found.get("exclusiveMaximum")
    if low is not None and low == high:
        return f" that is {low:g}"
    if low is not None and high is not None:
        return f" from {_number(low)} to {_number(high)}"
    words = [
        f"{word} {_number(bound)}"
        for word, bound in (
            ("at least", low),
            ("greater than", above),
            ("at most", high),
            ("less than", below),
        )
        if bound is not None
    ]
    return " that is " + " and ".join(words) if words else ""


def _number(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else str(bound)


def _members(found: Mapping[str, Any]) -> str:
    least, most = found.get("minItems"), found.get("maxItems")
    count = f" of {least}" if least == most and least is not None else " of"
    ahead = found.get("prefixItems")
    inner = _plain(ahead[0] if ahead else found.get("items", {}))
    return f"{count} {_plural(allowed(inner))}"


def _plural(text: str) -> str:
    for one, many in (
        ("a whole number", "whole numbers"),
        ("a number", "numbers"),
        ("one of", "any of"),
    ):
        if text.startswith(one):
            return many + text.removeprefix(one)
    return {"a text": "texts", "a table": "tables"}.get(text, text)


def _plain(found: Mapping[str, Any]) -> dict[str, Any]:
    """Follow a reference, and take what is beside null."""
    inner: Mapping[str, Any] = found
    for choice in found.get("anyOf", ()):
        if choice.get("type") != "null":
            inner = {**choice, **{k: v for k, v in found.items() if k not in ("anyOf", "title")}}
    if "$ref" in inner:
        target = schema()["$defs"][inner["$ref"].rsplit("/", 1)[-1]]
        return dict(target)
    return dict(inner)


def _paths(found: Mapping[str, Any], key: Key) -> Iterator[str]:
    for name in found.get("properties", {}):
        inner = (*key, name)
        yield key_text(inner)
        yield from _paths(node(inner), inner)
