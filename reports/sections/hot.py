"""Where is the time in the code? The functions of each stage, from samples of their stacks.

Every number is of `probe.hotspots`; names of functions and files are shown without folders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from probe.hotspots import FEW, Absent, hot_spots_of, named, telling
from probe.stacks.speedscope import FILE
from reports.charts.stages_named import in_order, slot
from reports.page import numbers
from reports.page.privacy import redacted

if TYPE_CHECKING:
    from probe.hotspots import Function, HotSpots, Share, Stage
    from reports.page.subject import Subject

MOST_ROWS: Final = 5
LEAST_SHARE: Final = 0.01
"""A function with less of its stage's time, by itself, is not worth a row."""
MANY: Final = 0.8
"""Of the samples that a stage should have: with fewer the reader is told why."""
MOST_THREADS: Final = 6
"""Of a program that says no stage."""
NAMED: Final = 3
"""Stages that the first sentence names."""


@dataclass(frozen=True)
class Unsampled:
    """Why nothing was sampled, though somebody asked for it."""

    reason: str
    remedy: str
    by: str = "stage"


@dataclass(frozen=True)
class Row:
    """A function; positions of its bar are in percent, of too few samples of its interval alone."""

    function: str
    place: str
    own: str
    interval: str
    total: str
    width: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Part:
    """A stage with its functions."""

    stage: str
    slot: str
    samples: str
    few: bool
    rows: tuple[Row, ...]
    rest: str


@dataclass(frozen=True)
class Hot:
    """The section, ready to be read."""

    lead: str
    basis: str
    warning: str
    parts: tuple[Part, ...]
    notes: tuple[str, ...]
    by: str = "stage"
    file: str = FILE


def hot(subject: Subject) -> Hot | Unsampled | None:
    """Return the hot functions of a Run, why there are none, or None where nobody asked."""
    found = hot_spots_of(subject.run)
    if isinstance(found, Absent):
        return Unsampled(redacted(found.reason), found.remedy) if found.asked else None
    by_name = {stage.stage: stage for stage in found.stages}
    return Hot(
        lead=_lead(found),
        basis=_basis(found),
        warning=_warning(found),
        parts=tuple(_part(by_name[name]) for name in in_order(list(by_name))[: _shown(found)]),
        notes=tuple(_notes(found)),
        by=found.by,
    )


def _shown(found: HotSpots) -> int:
    """Return how many stages are shown: all; of threads those that lived longest."""
    return len(found.stages) if found.by == "stage" else MOST_THREADS


def _lead(found: HotSpots) -> str:
    hottest = [
        f"{redacted(stage.stage)} spends {_share(functions[0].own)} of its time in"
        f" {_name(functions[0])}"
        for stage in found.stages
        if stage.samples >= FEW and (functions := telling(stage))
    ]
    if not hottest:
        return f"Too few samples fell into {found.by}s to say where their time is."
    return f"{numbers.sentence('; '.join(hottest[:NAMED]))}."


def _basis(found: HotSpots) -> str:
    inside = numbers.count(round(found.samples - found.outside))
    how = "and their C functions, pausing it" if found.mode == "native" else "without pausing it"
    return (
        f"{inside} samples {_where(found)}, {found.rate_hz:g} a second at random"
        f" times, by py-spy from outside the program, {how}"
    )


def _where(found: HotSpots) -> str:
    window = "of the whole run, for the program says no frame" if found.whole else (
        "of the measured window")  # fmt: skip
    return f"in {found.by}s {window}"


def _warning(found: HotSpots) -> str:
    if found.mode != "native":
        return ""
    return "The program was paused for every sample: its latencies are not those of the program."


def _part(stage: Stage) -> Part:
    functions = telling(stage)
    shown = [f for f in functions[:MOST_ROWS] if f.own.value >= LEAST_SHARE] or functions[:1]
    rest = sum(f.own.value for f in functions) - sum(f.own.value for f in shown)
    others = len(functions) - len(shown)
    return Part(
        stage=redacted(stage.stage),
        slot=slot(stage.stage),
        samples=numbers.plural(round(stage.samples), "sample")
        + (
            "" if stage.expected is None else f" of {numbers.count(round(stage.expected))} expected"
        ),
        few=stage.samples < FEW,
        rows=tuple(_row(each, few=stage.samples < FEW) for each in shown),
        rest=f"{numbers.plural(others, 'more function')}, {numbers.percent(max(0, rest), 0)}"
        if others
        else "",
    )


def _row(function: Function, *, few: bool) -> Row:
    own = function.own
    line = "" if function.line is None else f":{function.line}"
    return Row(
        function=_name(function),
        place=f"{redacted(function.file)}{line}" if function.file else "",
        own=numbers.percent(own.value, 0),
        interval=_ends(own),
        total=numbers.percent(function.total.value, 0),
        width=None if few else round(100 * own.value, 2),
        low=round(100 * own.low, 2),
        high=round(100 * own.high, 2),
    )


def _notes(found: HotSpots) -> list[str]:
    notes = []
    if len(found.stages) > _shown(found):
        notes.append(f"{numbers.plural(len(found.stages) - _shown(found), 'more thread')}"
                     " of a shorter life: in the file")  # fmt: skip
    if found.samples and found.by == "stage":
        outside = numbers.percent(found.outside / found.samples, 0)
        notes.append(f"{outside} of the samples of these threads fell between their stages")
    if found.uncertainty_ns is not None:
        near = numbers.fine(found.uncertainty_ns / 2e6)
        notes.append(f"the time of a sample is known within {near}{numbers.NBSP}ms")
    if any(stage.expected and stage.samples < MANY * stage.expected for stage in found.stages):
        notes.append(
            "expected is by the time of a stage's spans: a stage has fewer samples where it is"
            " short against that error, or where the sampler had to wait for a core while it ran"
        )
    if found.errors:
        notes.append(f"{numbers.count(found.errors)} stacks could not be read")
    if found.rest or found.dropped:
        more = numbers.count(found.rest + found.dropped)
        notes.append(f"{more} times a stack was seen that is left out, for there were too many")
    for length_ns, why in found.lost:
        length = "" if length_ns is None else f"{numbers.fine(length_ns / 1e9)}{numbers.NBSP}s of "
        notes.append(f"{length}sampling is lost: {redacted(why)}")
    return notes


def _name(function: Function) -> str:
    return redacted(named(function))


def _share(share: Share) -> str:
    return f"{numbers.percent(share.value, 0)} ({_ends(share)})"


def _ends(share: Share) -> str:
    return f"{100 * share.low:.0f} to {100 * share.high:.0f}"
