"""What did the collectors read? The lines of each track over the charted time, in written units."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from probe.thread_names import thread_names
from reports.page import numbers
from reports.page.privacy import redacted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from probe.store import Run
    from reports.page.subject import Subject

GAP_PERIODS: Final = 3.0
"""A gap of so many sampling periods stays a gap."""
_BYTES: Final = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "bytes"))
SCALES: Final = {
    "bytes": _BYTES,
    "bytes/s": tuple((size, f"{unit}/s".replace("bytes", "B")) for size, unit in _BYTES),
    "hertz": ((1e9, "GHz"), (1e6, "MHz"), (1.0, "Hz")),
    "seconds": ((1.0, "s"), (1e-3, "ms")),
    "ns": ((1e9, "s"), (1e6, "ms")),
}
"""How a unit is written, by what one such step is in it: the largest step that the values reach."""
PLAIN: Final = {"celsius": "°C", "percent": "%", "watts": "W", "count": "", "1": "", "volts": "V",
                "amperes": "A", "joules": "J"}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One label of a track: moments in s, values in the written unit, gaps as NaN."""

    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]

    @property
    def values(self) -> NDArray[np.float64]:
        """The values that are there."""
        return self.y[np.isfinite(self.y)]

    @property
    def still(self) -> bool:
        """Say whether all values read the same."""
        return text(self.values.min()) == text(self.values.max())

    def thinned(self, most: int) -> Line:
        """Return about `most` points: of each stretch the least, the highest, and a gap."""
        if len(self.x) <= most:
            return self
        size = -(-3 * len(self.x) // most)
        chosen: set[int] = set()
        for start in range(0, len(self.x), size):
            part = self.y[start : start + size]
            gaps = np.flatnonzero(~np.isfinite(part))
            chosen.update((start + gaps[:1]).tolist())
            if len(gaps) < len(part):
                chosen |= {start + int(np.nanargmin(part)), start + int(np.nanargmax(part))}
        rows = np.array(sorted(chosen))
        return Line(self.label, self.x[rows], self.y[rows])


@dataclass(frozen=True)
class Rows:
    """The samples of a track inside the charted time, warm-up included, in the stored unit.

    `label` numbers `labels`; -1 is none of them.
    """

    t_s: NDArray[np.float64]
    value: NDArray[np.float64]
    label: NDArray[np.int64]
    labels: tuple[str, ...]


def rows_of(subject: Subject, track: str) -> Rows | None:
    """Return the samples of a track, None where there is none."""
    table, places = subject.run.table("samples"), subject.run.view(_places).get(track)
    if places is None:
        return None
    part = table.iloc[places]
    start = -float(subject.part("window").get("warmup_ns") or 0) / 1e9
    moment = (part["t_ns"].to_numpy(dtype=np.int64) - subject.origin_ns) / 1e9
    inside = (moment >= start) & (moment <= subject.length_s)
    label, labels = pd.factorize(part["label"].fillna("")[inside])
    value = part["value"].to_numpy(dtype=np.float64, na_value=np.nan)[inside]
    return Rows(moment[inside], value, label.astype(np.int64), tuple(map(str, labels)))


def _places(run: Run) -> dict[str, NDArray[np.intp]]:
    """Return where the samples of each track stand that have a time."""
    table = run.table("samples")
    codes, tracks = pd.factorize(table["track"])
    codes = np.where(table["t_ns"].notna().to_numpy(dtype=bool), codes, -1)
    order = np.argsort(codes, kind="stable")
    edges = np.searchsorted(codes[order], np.arange(len(tracks) + 1))
    return {str(name): order[edges[k] : edges[k + 1]] for k, name in enumerate(tracks)}


def lines_of(
    subject: Subject, track: str, unit: str, period_s: float
) -> tuple[list[Line], str, float]:
    """Return the lines of a track that have a value, highest mean first; the unit; its factor."""
    rows = rows_of(subject, track)
    if rows is None or not np.isfinite(rows.value).any():
        return [], unit, 1.0
    factor, written = scale(unit, float(np.nanmax(np.abs(rows.value))))
    found = [
        _with_gaps(rows.labels[k], rows.t_s[mine], rows.value[mine] * factor, period_s)
        for k, mine in split(rows.label, len(rows.labels))
    ]
    found = sorted((each for each in found if len(each.values)), key=lambda e: -e.values.mean())
    named = named_lines(subject, [each.label for each in found])
    lines = [Line(name, each.x, each.y) for name, each in zip(named, found, strict=True)]
    return lines, written, factor


def split(codes: NDArray[np.int64], number: int) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Yield each code from 0 to `number` - 1 with the places where it stands."""
    order = np.argsort(codes, kind="stable")
    edges = np.searchsorted(codes[order], np.arange(number + 1))
    for k in range(number):
        yield k, order[edges[k] : edges[k + 1]]


def named_lines(subject: Subject, labels: list[str]) -> list[str]:
    """Return labels as readers see them: threads by their stage, numbers only where needed."""
    names = thread_names(subject.run)
    full = [redacted(names.of(label)) for label in labels]
    number = Counter(bare(label) for label in dict.fromkeys(full))
    return [bare(label) if number[bare(label)] == 1 else label for label in full]


def bare(label: str) -> str:
    """Return ``infer`` of ``infer:1234``."""
    name, _, number = label.rpartition(":")
    return name if name and number.isdecimal() else label


def scale(unit: str, most: float) -> tuple[float, str]:
    """Return the factor from the stored unit to the written one, by the highest value."""
    if unit not in SCALES:
        return 1.0, PLAIN.get(unit, unit)
    steps = SCALES[unit]
    step, written = next((each for each in steps if most >= each[0]), steps[-1])
    return 1 / step, written


def text(value: float) -> str:
    """Return a value of a track with the digits that it needs to be read."""
    places = 2 if abs(value) < 10 and value % 1 else 1  # noqa: PLR2004  GHz need two
    found = numbers.fixed(float(value), places)
    return "0.0" if found == "0.00" else found


def _with_gaps(label: str, x: NDArray[np.float64], y: NDArray[np.float64], period_s: float) -> Line:
    """Return the line in order of time, with a missing value inside every long gap."""
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    steps = np.diff(x)
    usual = max(period_s, float(np.median(steps)) if len(steps) else 0.0)
    wide = np.flatnonzero(steps > GAP_PERIODS * usual) + 1
    middles = (x[wide - 1] + x[wide]) / 2
    return Line(label, np.insert(x, wide, middles), np.insert(y, wide, np.nan))
