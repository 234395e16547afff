"""The numbers that a page carries for its charts: columns of int32, byte-shuffled, gzip, base64.

A column holds ``round(value / step)``; null is the smallest int32. Four planes of bytes (all first
bytes, then all second ones, ...) compress to about half of the rows as they are
(facts/reports.md: 36,000 frames of 8 stages in 0.50 MB). `templates/report.js` reads it back.
"""

from __future__ import annotations

import base64
import gzip
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NULL: Final = -(2**31)
_LARGEST: Final = 2**31 - 1
_LEVEL: Final = 6


def as_integers(values: NDArray[np.float64], step: float) -> NDArray[np.int32]:
    """Return ``round(values / step)`` as int32, clipped, with `NULL` for NaN."""
    missing = ~np.isfinite(values)
    scaled = np.rint(np.where(missing, 0.0, values) / step)
    integers = np.clip(scaled, -_LARGEST, _LARGEST).astype(np.int32)
    integers[missing] = NULL
    return integers


def shuffled(integers: NDArray[np.int32]) -> bytes:
    """Return the four planes of bytes of little-endian int32, one after the other."""
    return np.ascontiguousarray(integers.astype("<i4").view(np.uint8).reshape(-1, 4).T).tobytes()


@dataclass
class Payload:
    """The columns of one page, in the order in which they were added."""

    _blocks: list[bytes] = field(default_factory=list)
    _columns: list[dict[str, Any]] = field(default_factory=list)
    _known: dict[tuple[bytes, float, bool], int] = field(default_factory=dict)

    def add(self, values: NDArray[np.float64], step: float, *, rising: bool = False) -> int:
        """Return the number of a column, added unless there; `rising` stores steps, and no null.

        Steps are taken after rounding, so that their sum never drifts.
        """
        if rising:
            whole = np.rint(np.asarray(values, dtype=np.float64) / step)
            integers = as_integers(np.diff(whole, prepend=0.0), 1.0)
        else:
            integers = as_integers(np.asarray(values, dtype=np.float64), step)
        block = shuffled(integers)
        number = self._known.setdefault((block, step, rising), len(self._columns))
        if number == len(self._columns):
            self._blocks.append(block)
            self._columns.append({"n": len(integers), "step": step, "rising": rising})
        return number

    def description(self) -> list[dict[str, Any]]:
        """Return what the page must know to read the columns back."""
        return self._columns

    def text(self) -> str:
        """Return the columns as base64 of gzip; the same columns give the same text."""
        packed = gzip.compress(b"".join(self._blocks), compresslevel=_LEVEL, mtime=0)
        return base64.b64encode(packed).decode("ascii")
