"""What became of every frame? A bar that adds up to the frames released, and who lost them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from probe.model import Fate
from reports.page import numbers
from reports.page.privacy import redacted

if TYPE_CHECKING:
    from reports.page.subject import Subject

KEYS: Final = {
    "on_time": ("on time", "ontime"),
    "late": ("late", "late"),
    "dropped": ("dropped", "dropped"),
    "duplicate": ("duplicate", "other"),
    "stale": ("stale", "other"),
    "invalid": ("invalid", "dropped"),
    "in_flight": ("in flight at the end", "other"),
}
"""Key in the verdict: its word, its look."""
MOST_REASONS: Final = 12
MEANINGS: Final = {
    "on_time": "shown within the deadline, counted from the scheduled time",
    "late": "shown, after the deadline",
    "dropped": "given up at a stage, never shown",
    "duplicate": "shown again instead of a new picture",
    "stale": "delivered after a newer frame had been shown",
    "invalid": "could not be processed",
    "in_flight": "without a fate when the run ended",
}


@dataclass(frozen=True)
class Share:
    """One fate: its count and its stretch of the bar, in percent."""

    name: str
    look: str
    number: int
    share: str
    x: float
    width: float
    meaning: str


@dataclass(frozen=True)
class Fates:
    """The bar, the sentence beside it, the losses by stage and reason, and what went by beside."""

    shares: tuple[Share, ...]
    released: int
    sentence: str
    losses: tuple[tuple[str, str, str, int], ...]
    beside: str


def fates(subject: Subject) -> Fates | None:
    """Return the fates as the verdict counts them, or None where they do not apply."""
    counted, released = subject.verdict.get("fates"), subject.verdict.get("released")
    if not isinstance(counted, dict) or not released:
        return None
    shares, x = [], 0.0
    for key, (name, look) in KEYS.items():
        number = int(counted.get(key) or 0)
        width = 100 * number / released
        share = numbers.percent(number / released)
        shares.append(Share(name, look, number, share, round(x, 4), round(width, 4), MEANINGS[key]))
        x += width
    sentence = _sentence(shares, int(released))
    return Fates(tuple(shares), int(released), sentence, _losses(subject), _beside(subject))


def _sentence(shares: list[Share], released: int) -> str:
    some = [f"{numbers.count(each.number)} {each.name}" for each in shares if each.number]
    return f"{numbers.listed(some)} of {numbers.plural(released, 'released frame')}."


def _beside(subject: Subject) -> str:
    """Return what a stage beside the response left out, which is no fate; "" where nothing was."""
    said = subject.facts.get("sink")
    number = said.get("left_out_beside") if isinstance(said, dict) else None
    if not isinstance(number, int) or number <= 0:
        return ""
    frames = numbers.plural(number, "frame")
    return (
        f"Beside the response {frames} went by unencoded in the whole run: what is sent lacks them."
    )


def _losses(subject: Subject) -> tuple[tuple[str, str, str, int], ...]:
    """Return (fate, stage, reason, frames) of the measured frames that were lost, most first."""
    table = subject.run.table("frames")
    on_screen = (Fate.ON_TIME.value, Fate.LATE.value)
    lost = table[table["measured"].fillna(value=False) & ~table["fate"].isin(on_screen)]
    keys = ["fate", "fate_stage", "fate_reason"]
    rows = lost[keys].fillna("").to_numpy(dtype=object)
    counted = Counter(
        (str(fate), str(stage), redacted(str(reason))) for fate, stage, reason in rows
    )
    return tuple((*names, number) for names, number in counted.most_common(MOST_REASONS))
