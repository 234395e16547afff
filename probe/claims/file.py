"""How is a claim written down? Its words, where they stand, its conditions, its statements.

A statement is quoted, and says by which metrics its author of this file reads it. What a word
leaves open, as "40 ms per frame" does, is refused until that is said.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - pydantic reads the types of its fields
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from probe import limits
from probe.errors import ClaimsError, UsageError
from probe.metrics import PER_FRAME
from probe.scenario import Part
from probe.scenario.file import line_numbers, read_text
from probe.scenario.problems import given, key_text
from probe.scenario.types import PositiveDuration, Size  # noqa: TC001 - likewise

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


REAL_TIME: Final = "real-time"
"""What a statement holds where it says "real-time": METHOD's rules, and no number."""
NOT_STATED: Final = "not stated"
Words = Annotated[
    str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")
]

_PER_FRAME: Final = re.compile(r"\d\s*ms\s*(?:/|per|a)\s*frame", re.IGNORECASE)
_TIMES: Final = re.compile(
    r"\d\s*(?:x|\N{MULTIPLICATION SIGN}|times)\s*(?:faster\s+than\s+)?(?:real[- ]?time|playback)",
    re.IGNORECASE,
)
_REAL_TIME: Final = re.compile(r"\breal[- ]?time\b", re.IGNORECASE)
_FPS: Final = re.compile(r"\d\s*(?:fps\b|frames\s+(?:per|a)\s+second)", re.IGNORECASE)
_LATENCIES: Final = ("latency", "rendered_latency", "stage.STAGE", "request.first",
                     "request.duration")  # fmt: skip
_RATES: Final = ("rate", "rate.period", "generation.rate")


def _holding(value: str) -> str:
    if value == REAL_TIME:
        return value
    try:
        return limits.parse(value).text
    except UsageError as error:
        raise ValueError(f"{error.message} ({error.remedy})") from error


Test = Annotated[str, Field(max_length=200), AfterValidator(_holding)]
"""A limit, or ``real-time``."""


class Conditions(Part):
    """Under which conditions the claim is made; what it leaves out, nobody stated.

    `scenario` and `overrides` say how it is measured here.
    """

    device: Words | None = Field(default=None, description="as in Raspberry Pi 5")
    accelerator: Words | None = Field(default=None, description="as in Hailo")
    model: Words | None = Field(default=None, description="file name, or sha256:HASH")
    resolution: Size | None = Field(default=None, description="width and height of the source")
    rate: float | None = Field(default=None, gt=0, le=1000, description="fps of the source")
    duration: PositiveDuration | None = Field(default=None, description="how long it holds")
    load: Literal["sustained", "burst"] | None = Field(
        default=None, description="sustained: for as long as anybody likes; burst: once"
    )
    scenario: Words | None = Field(default=None, description="a shipped scenario, or a file")
    overrides: list[Words] = Field(
        default=[], max_length=100, description="KEY=VALUE of the scenario"
    )


class Statement(Part):
    """A part of the claim that one test can answer.

    `holds` are limits, or "real-time"; all must hold. Where nothing can be measured, `needs` says
    what would be needed. `reading` says how the words were read.
    """

    text: Words = Field(description="the quoted words")
    holds: list[Test] = Field(default=[], max_length=20)
    essential: bool = Field(default=False, description="the claim stands on it")
    needs: Words | None = None
    reading: Words | None = None

    @model_validator(mode="after")
    def _resolved(self) -> Self:
        kinds = [name for name, pattern in _KINDS.items() if pattern.search(self.text)]
        if "N times real time" in kinds and len(_REAL_TIME.findall(self.text)) == 1:
            kinds = [name for name in kinds if name != REAL_TIME]
        if len(kinds) > 1:
            raise ValueError(
                f"it says {' and '.join(kinds)}, which are judged apart: make each a statement"
            )
        for kind in kinds:
            _fitting(kind, self.holds)
        if not self.holds and self.needs is None:
            raise ValueError('give holds, as in ["rate>=29.7fps"], or needs: why it has no test')
        return self


_KINDS: Final = {
    "ms per frame": _PER_FRAME,
    "N times real time": _TIMES,
    REAL_TIME: _REAL_TIME,
    "N fps": _FPS,
}


def _fitting(kind: str, holds: list[str]) -> None:
    """Raise `ValueError` where the tests answer another question than the words ask."""
    metrics = [limits.parse(each).metric for each in holds if each != REAL_TIME]
    series = {each.series or each.name for each in metrics} | {each.name for each in metrics}
    if kind == "ms per frame" and not series & {*_LATENCIES, "rate.period", "rate"}:
        raise ValueError(f"{PER_FRAME}; the author of this file says which, or both")
    if kind != REAL_TIME and REAL_TIME in holds:
        raise ValueError(
            f'it says {kind}; that something is "real-time" is another statement: make it one'
        )
    if kind == "N times real time" and holds and "speed" not in series:
        raise ValueError(
            "N times real time says how fast media is made, and nothing of an answer in time: "
            "judge it by speed, as in speed>=2x"
        )
    rules = REAL_TIME in holds or any(each.startswith("real_time.") for each in series)
    if kind == REAL_TIME and holds and not rules:
        raise ValueError(
            '"real-time" is a regime with rules, and neither a rate nor a speed: '
            'give holds = ["real-time"], and a statement of its own to each number'
        )
    if kind == "N fps" and holds and not series & set(_RATES):
        raise ValueError(
            "fps is a rate: give rate>=N fps, or generation.rate for pictures made without a live "
            "input, and a statement of its own to each other number"
        )


class Claim(Part):
    """Somebody's words, quoted, with their source, date, conditions and statements."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", description="small letters, digits, -")
    text: Words
    source: Words
    date: dt.date | Literal["not stated"]
    conditions: Conditions = Conditions()
    statement: list[Statement] = Field(min_length=1, max_length=100)


class Claims(Part):
    """A file of claims."""

    version: int = Field(ge=1, le=1)
    title: str = Field(default="", max_length=200)
    claim: list[Claim] = Field(min_length=1, max_length=100)

    @model_validator(mode="after")
    def _apart(self) -> Self:
        names = [each.id for each in self.claim]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two claims have the id {', '.join(twice)}")
        return self


def load(reference: str, folder: Path) -> Claims:
    """Read the file of claims that `reference` names: one shipped in `folder`, or a path.

    Raises `ClaimsError` with every problem, its key and its line.
    """
    shipped = names(folder)
    path = folder / f"{reference}.toml" if reference in shipped else Path(reference)
    if not path.is_file():
        raise ClaimsError(
            f"{reference}: no file of claims", remedy=f"give a TOML file, or {', '.join(shipped)}"
        )
    text = read_text(path)
    try:
        return Claims.model_validate(tomllib.loads(text))
    except ValidationError as error:
        found = [(each["loc"], _said(each)) for each in error.errors(include_url=False)]
        lines = line_numbers(text, [key for key, _ in found])
        problems = tuple(
            (key_text(key), what + (f" (line {lines[key]})" if key in lines else ""))
            for key, what in found
        )
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ClaimsError(f"{path.name}: {count}", problems, remedy=_EXAMPLE) from error
    except (ValueError, RecursionError) as error:  # TOML, and int() of thousands of digits
        raise ClaimsError(f"{path.name}: not TOML: {error}", remedy=_EXAMPLE) from error


_EXAMPLE: Final = "`liveprobe schema claims` prints every key; the shipped files are examples"


def names(folder: Path) -> list[str]:
    """Return the names of the files of claims in `folder`, sorted."""
    return sorted(file.stem for file in folder.glob("*.toml"))


def _said(detail: ErrorDetails) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return "unknown key"
    if kind == "missing":
        return "is required"
    if kind == "value_error":
        return str(detail.get("ctx", {}).get("error", detail["msg"]))
    return f"{detail['msg'][:1].lower()}{detail['msg'][1:]}; given {given(detail['input'])}"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a file of claims."""
    document = Claims.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **document,
        "title": "liveprobe claims",
    }
