"""How is a claim written down? Its words, where they stand, its conditions, its statements.

A statement is quoted, and says by which metrics its author of this file reads it. What a word
leaves open, as "40 ms per frame" does, is refused until that is said.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import difflib
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from probe import limits
from probe.claims import words
from probe.claims.problems import problems
from probe.errors import ClaimsError, ScenarioError, UsageError
from probe.scenario import Part
from probe.scenario.file import read_text
from probe.scenario.types import PositiveDuration, Size  # noqa: TC001 - likewise

_SHOWN: Final = (
    r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]*$"
)
"""Words that look as they are: no control characters, nothing that turns the direction of text."""
Words = Annotated[str, Field(min_length=1, max_length=2000, pattern=_SHOWN)]


def _holding(value: str) -> str:
    if value == words.REAL_TIME:
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
        words.check(self.text, self.holds, self.reading)
        if not self.holds and self.needs is None:
            raise ValueError('give holds, as in ["rate>=29.7fps"], or needs: why it has no test')
        return self


def _dated(value: object) -> object:
    """Read a date that stands in quotes as one; what else is a text stays one."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return dt.date.fromisoformat(value)
    return value


class Claim(Part):
    """Somebody's words, quoted, with their source, date, conditions and statements."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", description="small letters, digits, -")
    text: Words
    source: Words
    date: Annotated[dt.date | Literal["not stated"], BeforeValidator(_dated)]
    conditions: Conditions = Conditions()
    statement: list[Statement] = Field(min_length=1, max_length=100)


class Claims(Part):
    """A file of claims."""

    version: int = Field(ge=1, le=1)
    title: str = Field(default="", max_length=200)
    claim: list[Claim] = Field(min_length=1, max_length=100)

    @field_validator("claim")
    @classmethod
    def _apart(cls, claims: list[Claim]) -> list[Claim]:
        names = [each.id for each in claims]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"several claims have the id {', '.join(twice)}")
        return claims


def load(reference: str, folder: Path) -> Claims:
    """Read the file of claims that `reference` names: one shipped in `folder`, or a path.

    Raises `ClaimsError` with every problem, its key and its line.
    """
    path = located(reference, folder)
    try:
        text = read_text(path, kind="file of claims", remedy=_EXAMPLE)
    except ScenarioError as error:
        raise ClaimsError(error.message, remedy=error.remedy) from error
    try:
        return Claims.model_validate(tomllib.loads(text))
    except ValidationError as error:
        found = problems(error.errors(include_url=False), text, schema())
        count = "1 problem" if len(found) == 1 else f"{len(found)} problems"
        raise ClaimsError(f"{path.name}: {count}", found, remedy=_EXAMPLE) from error
    except RecursionError:
        text = f"{path.name}: nested too deeply to be a file of claims"
        raise ClaimsError(text, remedy=_EXAMPLE) from None
    except ValueError as error:  # TOML, and int() of thousands of digits
        raise ClaimsError(f"{path.name}: not TOML: {error}", remedy=_EXAMPLE) from error


def located(reference: str, folder: Path) -> Path:
    """Return the file that `reference` names; raises `ClaimsError` where there is none."""
    shipped = names(folder)
    path = folder / f"{reference}.toml" if reference in shipped else Path(reference)
    if path.is_file():
        return path
    listing = f"give a TOML file, or one that ships: {', '.join(shipped)}"
    if path.is_dir():
        what = "a directory, not a file of claims"
    elif os.path.lexists(path) and path.exists():
        what = "not a regular file"
    else:
        near = difflib.get_close_matches(path.stem, shipped, n=1, cutoff=0.5)
        what = "no such file of claims" + (f"; did you mean {near[0]}?" if near else "")
    raise ClaimsError(f"{reference or repr('')}: {what}", remedy=listing)


_EXAMPLE: Final = "`liveprobe schema claims` prints every key; the shipped files are examples"


def names(folder: Path) -> list[str]:
    """Return the names of the files of claims in `folder`, sorted."""
    return sorted(file.stem for file in folder.glob("*.toml"))


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a file of claims."""
    document = Claims.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **document,
        "title": "liveprobe claims",
    }
