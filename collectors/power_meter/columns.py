"""What does a line of a meter's CSV say, and when? Nothing is guessed: what is unclear is a gap."""

from __future__ import annotations

import calendar
import csv
import math
import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from probe.errors import NoData

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

QUANTITIES: Final = ("watts", "volts", "amps")
DELIMITERS: Final = (";", "\t", ",")
"""The first that stands in the first line: where it is a semicolon, commas are decimal."""
NUMBER: Final = re.compile(
    r"[+-]?(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][+-]?[0-9]{1,2})?"
)
ISO: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:[.,]([0-9]{1,9})[0-9]*)? ?(Z|[+-][0-9]{2}:?[0-9]{2})?",
)
MOST: Final = {"watts": 100_000.0, "volts": 10_000.0, "amps": 10_000.0}
"""No device under test takes more; beyond stand counters that went wrong."""
MILLI: Final = 1000.0
EARLIEST_S: Final = 10**9
LATEST_S: Final = 42 * 10**8
"""Epoch seconds of 2001 and of 2103; times a thousand each they do not overlap, so that the size of
a number tells seconds, milliseconds, microseconds and nanoseconds apart."""
YEARS, MONTHS, HOURS = range(2001, 2103), range(1, 13), range(24)
MINUTES, SECONDS = range(60), range(61)
EPOCH_NS: Final = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
SECOND: Final = 10**9
SHOWN: Final = 60


@dataclass(frozen=True)
class Layout:
    """Which column is what: indices from 0; `places` has those of `QUANTITIES` that are there."""

    delimiter: str
    decimal: str
    clock: str
    utc: bool
    time: int
    places: Mapping[str, int]
    milli: frozenset[str]
    width: int
    has_header: bool


@dataclass(frozen=True)
class Row:
    """One line of a meter; `t_ns` is of the meter's clock (epoch, or CLOCK_MONOTONIC).

    `doubt` says what could not be read, where something stands there that is no gap.
    """

    t_ns: int | None
    values: Mapping[str, float | None]
    doubt: str | None = None


def layout(first: str, options: Mapping[str, Any]) -> Layout:
    """Return the columns of a file by its first line and the scenario's table `[power_meter]`.

    Raises `NoData` for a column that is not there, and where no watts can be had.
    """
    delimiter = next((each for each in DELIMITERS if each in first), ",")
    names = [each.strip() for each in _split(first, delimiter) or []]
    wanted = {each: options.get(each) for each in ("time", *QUANTITIES)}
    places = {each: _place(each, asked, names) for each, asked in wanted.items()}
    known = {each: places[each] for each in QUANTITIES}
    found = {each: place for each, place in known.items() if place is not None}
    time = places["time"]
    if time is None:
        raise _unlike("no column time", first, 'name it: time = "NAME", or its position from 1')
    if "watts" not in found and not {"volts", "amps"} <= set(found):
        raise _unlike(
            "no column watts, and not both volts and amps", first,
            'name them: watts = "NAME", or volts and amps; or positions from 1',
        )  # fmt: skip
    made = Layout(
        delimiter,
        str(options.get("decimal") or "."),
        str(options.get("clock") or "auto"),
        options.get("offset_s") is not None,
        time,
        found,
        frozenset(options.get("milli") or ()),
        len(names),
        has_header=False,
    )
    if made.decimal == delimiter:
        raise _unlike("columns and decimals are both parted by commas", first,
                      "let the meter write semicolons between columns, or points")  # fmt: skip
    return replace(made, has_header=row(first, made).t_ns is None)


def row(line: str, of: Layout) -> Row:
    """Read one line; None for what is missing, is not a number, or cannot be meant.

    A line of more or fewer columns than the first is not read at all: it was cut, or has commas
    within numbers.
    """
    fields = _split(line, of.delimiter)
    if fields is None or len(fields) != of.width:
        return Row(None, {}, f"{line[:SHOWN]!r} has other columns than the first line")
    t_ns = time_ns(fields[of.time].strip(), of)
    if t_ns is None:
        return Row(None, {}, f"{fields[of.time][:SHOWN]!r} is no time")
    values: dict[str, float | None] = {}
    doubt = None
    for name, place in of.places.items():
        text = fields[place].strip()
        values[name] = _value(text, name, of)
        if values[name] is None and re.search("[0-9]", text):
            doubt = f"{text[:SHOWN]!r} is no number of {name}"
    if "watts" not in of.places:
        volts, amps = values["volts"], values["amps"]
        values["watts"] = None if volts is None or amps is None else _within(volts * amps, "watts")
    return Row(t_ns, values, doubt)


def time_ns(text: str, of: Layout) -> int | None:
    """Return nanoseconds of the meter's clock, None for what is no time of it."""
    if of.clock in {"auto", "iso"}:
        match = ISO.fullmatch(text)
        if match is not None:
            return _iso_ns(match, utc=of.utc)
    if of.clock == "iso":
        return None
    plain = _pointed(text, of)
    if NUMBER.fullmatch(plain) is None:
        return None
    number = Decimal(plain)
    if of.clock == "monotonic":
        return int(number) if 0 <= number < 2**63 else None
    for unit, size in EPOCH_NS.items():
        low, high = (bound * SECOND // size for bound in (EARLIEST_S, LATEST_S))
        if of.clock in {"auto", unit} and low <= number < high:
            return int(number * size)
    return None


def _iso_ns(match: re.Match[str], *, utc: bool) -> int | None:
    """Return epoch ns of an ISO 8601 time; one without a zone only where `utc` says what it is."""
    year, month, day, hour, minute, second = (int(match[k]) for k in range(1, 7))
    zone = match[8]
    if zone is None and not utc:
        return None
    if year not in YEARS or month not in MONTHS or hour not in HOURS or minute not in MINUTES:
        return None
    if not 1 <= day <= calendar.monthrange(year, month)[1] or second not in SECONDS:
        return None
    shift = 0
    if zone is not None and zone != "Z":
        digits = zone[1:].replace(":", "")
        shift = (int(digits[:2]) * 3600 + int(digits[2:]) * 60) * (-1 if zone[0] == "-" else 1)
    seconds = calendar.timegm((year, month, day, hour, minute, second)) - shift
    return seconds * SECOND + int((match[7] or "0").ljust(9, "0"))


def _value(text: str, name: str, of: Layout) -> float | None:
    plain = _pointed(text, of)
    if NUMBER.fullmatch(plain) is None:
        return None
    number = float(plain)
    return _within(number / MILLI if name in of.milli else number, name)


def _pointed(text: str, of: Layout) -> str:
    """Return a number with its decimal point, empty where a point would part thousands."""
    if of.decimal == ".":
        return text
    return "" if "." in text else text.replace(",", ".")


def _within(value: float, name: str) -> float | None:
    return value if math.isfinite(value) and abs(value) <= MOST[name] else None


def _split(line: str, delimiter: str) -> list[str] | None:
    try:
        return next(iter(csv.reader([line], delimiter=delimiter, strict=True)), None)
    except csv.Error:
        return None


def _place(what: str, asked: str | None, names: Sequence[str]) -> int | None:
    """Return a column's index: by its position from 1 where it is a number, else by its name."""
    name = what if asked is None else asked.strip()
    if asked is not None and re.fullmatch("[1-9][0-9]{0,3}", name) and int(name) <= len(names):
        return int(name) - 1
    if names.count(name) == 1:
        return names.index(name)
    if asked is not None or name in names:
        said = "stands there twice" if name in names else "is not there"
        raise _unlike(f"column {name} {said}", ", ".join(names),
                      "name another column in [power_meter], or its position from 1")  # fmt: skip
    return None


def _unlike(what: str, first: str, remedy: str) -> NoData:
    return NoData(f"power_meter: {what}; the first line is {first[: 2 * SHOWN]!r}", remedy=remedy)
