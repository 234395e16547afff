"""What is wrong with a file of claims, in words: every problem with its key and its line."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final

from probe.scenario.file import line_numbers
from probe.scenario.problems import given, key_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic_core import ErrorDetails

    from probe.scenario.problems import Key

_DATE: Final = 'must be a date, as in 2026-03-18 (without quotes), or "not stated"'
_NEAR: Final = 2


def problems(
    details: Sequence[ErrorDetails], text: str, schema: Mapping[str, Any]
) -> tuple[tuple[str, str], ...]:
    """Return each problem that pydantic found in the TOML `text`: its key, and what is wrong.

    `schema` is the JSON Schema of the file: it knows the names that could have been meant.
    """
    found: dict[Key, str] = {}
    for detail in details:
        key, what = _said(detail, schema)
        found.setdefault(key, what)
    lines = line_numbers(text, list(found))
    return tuple(
        (key_text(key) if key else "the file", what + _line(lines.get(key)))
        for key, what in found.items()
    )


def _line(number: int | None) -> str:
    return "" if number is None else f" (line {number})"


def _said(detail: ErrorDetails, schema: Mapping[str, Any]) -> tuple[Key, str]:
    key, kind = detail["loc"], detail["type"]
    if "date" in key:  # one problem for each of the two types that a date may have
        return key[: key.index("date") + 1], _missing_or(detail, _DATE)
    if kind == "extra_forbidden":
        return key, _unknown(str(key[-1]), names_beside(key, schema))
    if kind == "value_error":
        return key, str(detail.get("ctx", {}).get("error", detail["msg"]))
    if kind == "list_type":
        return key, f"must be a list{_tables(key)}; given {given(detail['input'])}"
    if kind == "string_pattern_mismatch":
        return key, _unfit(str(detail["input"]), is_id=key[-1] == "id")
    plain = f"{detail['msg'][:1].lower()}{detail['msg'][1:]}"
    return key, _missing_or(detail, plain)


def _unfit(text: str, *, is_id: bool) -> str:
    if is_id:
        return f"must be up to 64 small letters, digits and -; given {given(text)}"
    hidden = sorted(
        {f"U+{ord(each):04X}" for each in text if not (each.isprintable() or each in "\n\t")}
    )
    return f"holds characters that show nothing, or change what is shown: {', '.join(hidden)}"


def _missing_or(detail: ErrorDetails, what: str) -> str:
    return "is required" if detail["type"] == "missing" else f"{what}; given {_given(detail)}"


def _given(detail: ErrorDetails) -> str:
    return given(detail["input"])


def _tables(key: Key) -> str:
    """Say how a list of tables is written, where one is meant."""
    names = [str(part) for part in key if isinstance(part, str)]
    return f": write [[{'.'.join(names)}]]" if names[-1] in ("claim", "statement") else ""


def _unknown(name: str, known: Sequence[str]) -> str:
    meant = [_MEANT[name.lower()]] if _MEANT.get(name.lower()) in known else []
    near = meant or difflib.get_close_matches(name.lower(), known, _NEAR, 0.6)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"unknown key{hint} (there are: {', '.join(known)})"


_MEANT: Final = {
    "fps": "rate", "framerate": "rate", "size": "resolution", "length": "duration",
    "board": "device", "npu": "accelerator", "limits": "holds", "limit": "holds", "name": "id",
    "quote": "text", "url": "source", "when": "date",
}  # fmt: skip
"""Other words that people use for a key."""


def names_beside(key: Key, schema: Mapping[str, Any]) -> list[str]:
    """Return the keys that may stand where `key` does."""
    found = schema
    for part in key[:-1]:
        inner = found.get("items", {}) if isinstance(part, int) else found["properties"][part]
        found = next(_targets(inner, schema), inner)
    return list(found.get("properties", {}))


def _targets(found: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for each in (found, *found.get("allOf", ()), *found.get("anyOf", ())):
        if "$ref" in each:
            yield schema["$defs"][each["$ref"].rsplit("/", 1)[-1]]
