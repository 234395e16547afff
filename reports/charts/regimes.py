"""What did each stretch of time behave like? The strip: segments in percent of the window."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from probe.model import Regime
from reports.page.numbers import clock_mark
from reports.page.privacy import redacted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.page.subject import Subject

LOOKS: Final = {
    Regime.REAL_TIME.value: "real",
    Regime.DEGRADED.value: "degraded",
    Regime.FAST_GENERATION.value: "fast",
    Regime.OFFLINE.value: "offline",
    Regime.STALLED.value: "stalled",
}
"""Class of each regime in the strip: solid, hatched, or vertical lines."""
LABELLED_PERCENT: Final = 17.0
"""A segment narrower than this has no room for its name."""
FEW_STRETCHES: Final = 4
"""With more of them no single moment is the one at which real-time was left."""
MOST_TICKS: Final = 8
_STEPS_S: Final = (
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    14400,
    43200,
    86400,
)


@dataclass(frozen=True)
class Segment:
    """A stretch of the strip, in percent of its length."""

    x: float
    width: float
    look: str
    label: str
    title: str


@dataclass(frozen=True)
class Mark:
    """A moment on the strip; it hangs to the left of its line where `flip` says so."""

    x: float
    text: str
    flip: bool = False


@dataclass(frozen=True)
class Strip:
    """The strip, its ticks, the moments named above it, and a sentence that says the same."""

    segments: tuple[Segment, ...]
    ticks: tuple[Mark, ...]
    marks: tuple[Mark, ...]
    sentence: str
    present: tuple[tuple[str, str], ...]


def strip(subject: Subject) -> Strip | None:
    """Return the regime strip, or None where the verdict has no stretch to show."""
    windows = subject.verdict.get("regimes") or []
    length = subject.length_s
    if not windows or length <= 0:
        return None
    segments = tuple(_segment(subject, window, length) for window in windows)
    return Strip(
        segments=tuple(each for each in segments if each.width > 0),
        ticks=ticks(length),
        marks=tuple(_marks(subject, windows, length)),
        sentence=_sentence(subject, windows),
        present=tuple(
            (look, name)
            for name, look in LOOKS.items()
            if any(each.look == look for each in segments)
            and not any(each.label == name for each in segments)
        ),
    )


def ticks(length_s: float) -> tuple[Mark, ...]:
    """Return round moments for an axis of this length."""
    step = next((s for s in _STEPS_S if length_s / s <= MOST_TICKS), _STEPS_S[-1])
    number = int(length_s / step + 1e-9)
    return tuple(
        Mark(round(100 * k * step / length_s, 3), clock_mark(k * step)) for k in range(number + 1)
    )


def _clip(value: float) -> float:
    return min(max(value, 0.0), 100.0)


def _segment(subject: Subject, window: dict[str, Any], length: float) -> Segment:
    start, end = subject.moment(window["from_ns"]), subject.moment(window["to_ns"])
    x = _clip(100 * start / length)
    width = _clip(100 * end / length) - x
    name = str(window["regime"])
    title = f"{clock_mark(start)} to {clock_mark(end)}: {name}"
    label = name if width >= LABELLED_PERCENT else ""
    return Segment(round(x, 3), round(width, 3), LOOKS.get(name, "offline"), label, title)


def _marks(subject: Subject, windows: Sequence[dict[str, Any]], length: float) -> list[Mark]:
    """Return the perturbations, else the first moment at which real-time was left."""
    events = subject.run.table("events")
    events = events[events["kind"] == "perturbation"].dropna(subset=["t_ns"])
    moments = events["t_ns"].to_numpy(dtype="int64")
    found = [
        (subject.moment(int(at)), redacted(str(text)))
        for at, text in zip(moments, events["text"], strict=True)
    ]
    for before, after in pairwise(windows):
        if (
            not found
            and len(windows) <= FEW_STRETCHES
            and before["regime"] == Regime.REAL_TIME.value != after["regime"]
        ):
            found.append((subject.moment(after["from_ns"]), str(after["regime"])))
    return [
        Mark(round(_clip(100 * at / length), 3), f"{clock_mark(at)} {text}", flip=at > length / 2)
        for at, text in found[:3]
    ]


def _sentence(subject: Subject, windows: Sequence[dict[str, Any]]) -> str:
    said = [
        f"{window['regime']} from {clock_mark(subject.moment(window['from_ns']))}"
        f" to {clock_mark(subject.moment(window['to_ns']))}"
        for window in windows[:12]
    ]
    more = len(windows) - len(said)
    return ", ".join(said) + (f", and {more} more stretches" if more > 0 else "") + "."
