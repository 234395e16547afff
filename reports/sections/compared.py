"""What is compared? The document of a comparison with its sides, freed of private words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from probe.comparison import Word, letter
from probe.differences import Bearing
from reports.page import numbers, status
from reports.page.foreign import plain_document
from reports.page.privacy import redacted, redacted_document, without_folders
from reports.page.subject import Subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from probe.comparison import Side
    from probe.store import Run
    from reports.page.status import Status

    Links = Sequence[Sequence[str | None]]

LIVE, GENERATION, MIXED = "live", "generation", "mixed"
SAME: Final = status.Status("same", "same", "no difference")
VERDICTS: Final[dict[str, Status]] = {
    Word.BETTER: status.HOLDS.saying("better"),
    Word.WORSE: status.MISSED.saying("worse"),
    Word.SAME: SAME,
    Word.NOT_COMPARABLE: status.ABSENT.saying("not comparable"),
    Word.TOO_FEW: status.PARTLY.saying("insufficient runs"),
}
BEARINGS: Final[dict[str, Status]] = {
    Bearing.BLOCKS: status.MISSED.saying("blocks"),
    Bearing.MAY_BIAS: status.LIMITED.saying("may bias"),
    Bearing.INTENDED: status.HOLDS.saying("as intended"),
    Bearing.NOTED: SAME.saying("noted"),
}
COLOURS: Final = 4
"""Sides with a colour of their own; a letter stands beside it anyway."""
_SHOWN_NAME: Final = 60


@dataclass(frozen=True)
class Party:
    """One side: its letter, its look, what it is called, and its runs."""

    at: int
    label: str
    subjects: tuple[Subject, ...]
    links: tuple[str | None, ...]

    @property
    def letter(self) -> str:
        """A is the base."""
        return letter(self.at)

    @property
    def look(self) -> str:
        """A class of the style sheet."""
        return f"sd-{self.at % COLOURS}"

    @property
    def count(self) -> int:
        """How many runs it has."""
        return len(self.subjects)

    @cached_property
    def kind(self) -> str:
        """Live, generation, or mixed: numbers of one never stand on an axis with the other's."""
        kinds = {_kind(each) for each in self.subjects}
        return kinds.pop() if len(kinds) == 1 else MIXED

    def run_name(self, number: int) -> str:
        """Return how its run `number`, from 0, is called beside a dot: ``B3``."""
        return f"{self.letter}{number + 1}"


def _kind(subject: Subject) -> str:
    generates = subject.mode == "generate" or bool(subject.verdict.get("generation"))
    return GENERATION if generates else LIVE


@dataclass(frozen=True)
class Compared:
    """A comparison as the sections of its report read it."""

    document: Mapping[str, Any]
    parties: tuple[Party, ...]
    sides: tuple[Side, ...]

    @classmethod
    def of(cls, document: Mapping[str, Any], sides: Sequence[Side], links: Links) -> Compared:
        """Take private words and folders out; name each side by what is meant to differ."""
        clean = plain_document(_without_folders(redacted_document(dict(document))))
        subjects = [tuple(map(_subject, side.runs)) for side in sides]
        parties = tuple(
            Party(at, _label(clean, at, mine), mine, tuple(_public(link) for link in links[at]))
            for at, mine in enumerate(subjects)
        )
        return cls(clean, parties, tuple(sides))

    @property
    def base(self) -> Party:
        """The side that the others are compared with."""
        return self.parties[0]

    @property
    def others(self) -> tuple[Party, ...]:
        """All sides but the base."""
        return self.parties[1:]

    @property
    def subjects(self) -> list[Subject]:
        """All runs, side by side."""
        return [subject for party in self.parties for subject in party.subjects]

    @property
    def kinds(self) -> set[str]:
        """The regimes that the runs were made for."""
        return {party.kind for party in self.parties}

    def rows(self) -> Iterable[Mapping[str, Any]]:
        """Return the metrics of the document."""
        return self.document["metrics"]  # type: ignore[no-any-return]

    def row(self, metric: str) -> Mapping[str, Any] | None:
        """Return one metric of the document; None where it was not compared."""
        return next((each for each in self.rows() if each["metric"] == metric), None)


def _without_folders(value: Any) -> Any:  # noqa: ANN401  JSON in, JSON out
    if isinstance(value, str):
        return without_folders(value)
    if isinstance(value, dict):
        return {key: _without_folders(item) for key, item in value.items()}
    return [_without_folders(item) for item in value] if isinstance(value, list) else value


def _subject(pair: tuple[Run, Mapping[str, Any]]) -> Subject:
    found = Subject.of(pair)
    return replace(
        found, manifest=plain_document(found.manifest), verdict=plain_document(found.verdict)
    )


def _public(link: str | None) -> str | None:
    """Return an address, or None where it would name a user or a home folder."""
    return link if link is None or redacted(link) == link else None


def _label(document: Mapping[str, Any], at: int, subjects: tuple[Subject, ...]) -> str:
    """Return what a side is called: what is meant to differ, else what does, else its device."""
    found = document["environment"]
    meant = [each for each in found if each["bearing"] == Bearing.INTENDED]
    named = [each for each in found if each["condition"] in ("device", "model", "program")]
    parts = []
    for each in (meant or named)[:2]:
        value = ", ".join(each["values"][at]) or "not known"
        plain = each["condition"] in ("device", "device.cpu")
        parts.append(value if plain else f"{each['condition']} {value}")
    text = ", ".join(parts) or numbers.listed(distinct(each.device for each in subjects))
    return text if len(text) <= _SHOWN_NAME else f"{text[:_SHOWN_NAME]}…"


def distinct(values: Iterable[str]) -> list[str]:
    """Return the different texts, in the order in which they first came."""
    return list(dict.fromkeys(values))


def counted(words: Iterable[str], total: int) -> str:
    """Return how many of the runs say what: ``supported in 3, refuted in 1 of 4 runs``."""
    counts = Counter(words)
    said = ", ".join(f"{word} in {number}" for word, number in counts.most_common())
    return f"{said} of {numbers.plural(total, 'run')}" if said else "not stated"
