"""Suspect copies: grouped by line, added up per frame, weighed against the frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from probe.model import FindingOutcome, Grade
from probe.tally import typical
from probe.tape import NULL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from probe.moves import Moves, Place

FAILED_SHARE: Final = 1 / 4
WARNING_SHARE: Final = 1 / 16
"""Bytes a frame, as a share of the decoded frame: a quarter is a plane of it or a picture of half
its size; under a sixteenth it is not frame data (the size from which on the interposer's design
calls a copy an event, facts of copies, 4)."""
FAILED_TIME: Final = 0.01
WARNING_TIME: Final = 0.001
"""Time a frame, as a share of the deadline: 1 % is what we allow our own instruments to cost."""
LEAST_BYTES: Final = 64 * 1024
"""Where nobody says the size of a frame, the share is of all bytes moved, and what a core's cache
holds with ease, 64 KiB a frame, weighs nothing."""
WEIGHT: Final = (
    "failed from a quarter of the decoded frame's bytes or 1 % of the deadline on, a warning from "
    "1/16 or 0.1 % on, per frame; the median copy's time counts, so that one preempted copy does "
    "not. Where nobody says the decoded bytes, of all bytes moved, from 64 KiB on: our own numbers"
)
"""For an audit's `source`."""
MOST_SAMPLES: Final = 5
MS_NS: Final = 1e6
GRADES: Final = (Grade.INFERRED, Grade.DERIVED, Grade.MEASURED)
"""From the least certain to the most."""


@dataclass(frozen=True)
class Suspects:
    """Copies that an audit objects to: rows of the table, and what each costs needlessly.

    `key` tells suspects of one place apart (the place that a chain comes from), or is all that
    they are grouped by; `via` is the copy that each followed.
    """

    rows: NDArray[np.int64]
    bytes: NDArray[np.int64]
    ns: NDArray[np.int64]
    key: NDArray[np.int64] | None = None
    via: NDArray[np.int64] | None = None
    by_place: bool = True

    @classmethod
    def of(cls, moves: Moves, chosen: NDArray[np.bool_]) -> Suspects:
        """Take the counted ones of the chosen copies at their whole cost."""
        rows = np.flatnonzero(chosen & moves.counted)
        return cls(rows, moves.amounts("bytes")[rows], moves.amounts("duration_ns")[rows])


@dataclass(frozen=True)
class Suspect:
    """The suspects of one place (or one chain of two)."""

    moves: Moves
    rows: NDArray[np.int64]
    bytes: int
    ns: int
    usual_ns: float
    via: NDArray[np.int64] | None = None

    @property
    def bytes_per_frame(self) -> float | None:
        """Needless bytes a frame; None where nobody says frames."""
        return self.bytes / self.moves.frames if self.moves.frames else None

    @property
    def ms_per_frame(self) -> float | None:
        """Needless time a frame; None where nobody says frames."""
        return self.ns / MS_NS / self.moves.frames if self.moves.frames else None

    @cached_property
    def copied_bytes(self) -> int:
        """All bytes of its copies, needed or not."""
        return int(self.moves.amounts("bytes")[self.rows].sum())

    @cached_property
    def copied_ns(self) -> int:
        """All time of its copies."""
        return int(self.moves.amounts("duration_ns")[self.rows].sum())

    @cached_property
    def typical(self) -> int:
        """The first copy of the most frequent size and shape."""
        return int(typical(self.moves, self.rows, np.zeros_like(self.rows))[0])

    @cached_property
    def stage(self) -> str | None:
        """The stage of most of its bytes."""
        stages = self.moves.texts("stage")
        weights = self.moves.amounts("bytes")[self.rows]
        sums = np.bincount(stages.codes[self.rows] + 1, weights)
        code = int(np.argmax(sums)) - 1
        return None if code < 0 else stages.values[code]

    @property
    def place(self) -> Place:
        """Where it comes from."""
        return self.moves.place_of(self.typical)

    @property
    def before(self) -> Suspect:
        """The copies that these followed, at their whole cost."""
        rows = np.unique(np.empty(0, np.int64) if self.via is None else self.via)
        amounts = {name: self.moves.amounts(name)[rows] for name in ("bytes", "duration_ns")}
        took = amounts["duration_ns"]
        usual = float(np.median(took)) * len(took) if len(took) else 0.0
        return Suspect(self.moves, rows, int(amounts["bytes"].sum()), int(took.sum()), usual)

    @property
    def outcome(self) -> FindingOutcome:
        """How much it weighs."""
        return weighed(self.moves, self.bytes, self.usual_ns)

    @property
    def grade(self) -> Grade:
        """How its copies came to be known and attributed: the least of their grades."""
        grades = self.moves.texts("grade")
        found = {grades.of(int(row)) for row in self._distinct(grades.codes)}
        return next((grade for grade in GRADES if grade.value in found), Grade.MEASURED)

    def _distinct(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        _, first = np.unique(codes[self.rows], return_index=True)
        return self.rows[first]

    def number(self, name: str) -> int | None:
        """Return a number of the typical copy."""
        value = int(self.moves.numbers(name)[self.typical])
        return None if value == NULL else value

    def brief(self) -> dict[str, Any]:
        """Return a line of evidence: where, by what, how much."""
        said = {
            "line": self.place.name,
            "method": self.moves.texts("method").of(self.typical),
            "detail": self.moves.texts("detail").of(self.typical),
            "copies": len(self.rows),
            "bytes_per_copy": self.number("bytes"),
        }
        return {key: each for key, each in said.items() if each is not None}

    def evidence(self) -> dict[str, Any]:
        """Return what proves it: the line, the copies, the typical one's bytes and geometry."""
        moves, row, frames = self.moves, self.typical, self.moves.frames
        texts = {
            name: moves.texts(name).of(row) for name in ("kind", "method", "detail", "domains")
        }
        known = np.unique(moves.numbers("frame")[self.rows])
        known = known[known != NULL]
        shape = ("rows", "row_bytes", "destination_stride", "source_stride")
        said: dict[str, Any] = {
            **{key: each for key, each in self.place._asdict().items() if each is not None},
            **{key: each for key, each in texts.items() if each is not None},
            "copies": len(self.rows),
            "copies_per_" + moves.per: len(self.rows) / (frames or 1),
            "bytes_per_copy": self.number("bytes"),
            "bytes": self.copied_bytes,
            moves.per + "s": frames,
            "gb_per_s": round(self.copied_bytes / self.copied_ns, 3) if self.copied_ns else None,
            "sample_frames": known[:MOST_SAMPLES].tolist(),
            "sites": np.unique(moves.numbers("site")[self.rows]).tolist(),
        }
        if self.number("rows"):
            said["geometry"] = {name: self.number(name) for name in shape}
        if moves.decoded_bytes and moves.per == "frame":
            said["share_of_frame"] = round(self.bytes / (frames or 1) / moves.decoded_bytes, 3)
        return {key: each for key, each in said.items() if each is not None}


def weighed(moves: Moves, needless_bytes: int, usual_ns: float) -> FindingOutcome:
    """Say how much needless bytes and time of the whole window weigh for a frame (`WEIGHT`)."""
    if not moves.frames:  # nobody says frames: a share of all is no more than a hint
        heavy = needless_bytes >= max(FAILED_SHARE * moves.moved_bytes, LEAST_BYTES)
        return FindingOutcome.WARNING if heavy else FindingOutcome.PASSED
    size = needless_bytes / moves.frames
    if moves.decoded_bytes and moves.per == "frame":
        share = size / moves.decoded_bytes
    else:
        share = needless_bytes / moves.moved_bytes if size >= LEAST_BYTES else 0.0
    time = usual_ns / moves.frames / moves.deadline_ns if moves.per == "frame" else 0.0
    if share >= FAILED_SHARE or time >= FAILED_TIME:
        return FindingOutcome.FAILED
    if share >= WARNING_SHARE or time >= WARNING_TIME:
        return FindingOutcome.WARNING
    return FindingOutcome.PASSED


def grouped(moves: Moves, suspects: Suspects) -> list[Suspect]:
    """Return the suspects by place and key, each with its sums."""
    if not len(suspects.rows):
        return []
    key = np.zeros(len(suspects.rows), np.int64) if suspects.key is None else suspects.key
    place = moves.place[suspects.rows] if suspects.by_place else np.zeros_like(key)
    keys = pd.DataFrame({"place": place, "key": key})
    group = keys.groupby(["place", "key"], sort=False).ngroup().to_numpy()
    usual = pd.Series(suspects.ns).groupby(group).median().to_numpy()
    order = np.argsort(group, kind="stable")
    begins = np.flatnonzero(np.diff(group[order], prepend=-1))
    return [
        Suspect(
            moves,
            suspects.rows[mine],
            int(suspects.bytes[mine].sum()),
            int(suspects.ns[mine].sum()),
            float(usual[number]) * len(mine),
            None if suspects.via is None else suspects.via[mine],
        )
        for number, mine in enumerate(np.split(order, begins[1:]))
    ]


def size(amount: float) -> str:
    """Return bytes as read by people: ``3.12 MB``, ``48.0 kB``, ``512 bytes``."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if amount >= scale:
            return f"{amount / scale:.3g} {unit}"
    return f"{amount:.0f} bytes"


def per_frame(moves: Moves, amount: float) -> str:
    """Return bytes of the whole window as those of a frame: ``1.38 MB a frame``."""
    article = "an" if moves.per == "output" else "a"
    return f"{size(amount / (moves.frames or 1))} {article} {moves.per}"
