"""What is written in a scenario, beyond TOML's own types: durations, sinks, sizes, locations."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema

from probe import limits
from probe.errors import UsageError

_UNITS_NS: Final = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_DURATION: Final = re.compile(r"(\d{1,20}(?:\.\d{1,20})?)\s*(ns|us|ms|s|m|h)", re.ASCII)
_FASTEST_HZ: Final = 500
_LONGEST_S: Final = 7 * 24 * 3600
"""A week: longer is a mistake of unit, and would overflow nothing but patience."""
NANOSECONDS: Final = {"durations": "ns"}
"""Context of validation in which a duration is already an integer of nanoseconds."""


def parse_duration(value: object) -> int:
    """Turn ``"1.5s"`` or a number of seconds into integer nanoseconds.

    Raises `ValueError`, which pydantic reports with the key's path, for anything else.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("not a duration")  # noqa: TRY004 - the one that pydantic reports
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match is None:
            raise ValueError("not a duration")
        seconds = float(match[1]) * _UNITS_NS[match[2]] / 1e9
    else:
        seconds = value
    if not 0 <= seconds <= _LONGEST_S:
        raise ValueError("a duration must be from 0 to a week (7 x 24 h); check the unit")
    return round(seconds * 1e9)


def _duration(value: object, info: ValidationInfo) -> int:
    if info.context == NANOSECONDS and type(value) is int:
        return parse_duration(f"{value}ns")
    return parse_duration(value)


def _not_zero(value: int) -> int:
    if value == 0:
        raise ValueError("must be longer than 0")
    return value


def _sink(value: str) -> str:
    clock = re.fullmatch(r"vsync:(\d{1,3}(?:\.\d{1,6})?)", value, re.ASCII)
    if value not in ("null", "file") and not (clock and 1 <= float(clock[1]) <= _FASTEST_HZ):
        raise ValueError('must be "null", "file", or "vsync:HZ" with 1 to 500 refreshes a second')
    return value


def _file_name(value: str) -> str:
    if "/" in value or value in (".", ".."):
        raise ValueError("must be a file name inside the Run, without a folder")
    return value


def _limit(value: str) -> str:
    try:
        return limits.parse(value).text
    except UsageError as error:
        raise ValueError(f"{error.message} ({error.remedy})") from error


_DURATION_SCHEMA: Final = WithJsonSchema(
    {"type": ["string", "number"], "title": "duration", "examples": ["500ms", "6s", "10m", 1.5]}
)
Duration = Annotated[int, BeforeValidator(_duration), _DURATION_SCHEMA]
PositiveDuration = Annotated[
    int, BeforeValidator(_duration), AfterValidator(_not_zero), _DURATION_SCHEMA
]
Sink = Annotated[
    str,
    AfterValidator(_sink),
    WithJsonSchema({"type": "string", "pattern": r"^(null|file|vsync:\d{1,3}(\.\d{1,6})?)$"}),
]
Location = Annotated[str, Field(max_length=4096, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""A path, an address or ``builtin:NAME``; control characters would only hide what it is."""
Pixels = Annotated[int, Field(ge=1, le=16_384)]
# TOML and JSON have arrays and no tuples: only here may one become the other.
Size = Annotated[tuple[Pixels, Pixels], Field(strict=False)]
Interval = Annotated[tuple[float, float], Field(strict=False)]
Box = Annotated[tuple[float, float, float, float], Field(strict=False)]
Channels = Annotated[list[float], Field(min_length=1, max_length=3)]
LimitText = Annotated[
    str,
    Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$"),
    AfterValidator(_limit),
]
"""A requirement, as in ``latency.p99<50ms`` (`probe.limits`)."""
FileName = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_file_name)]
