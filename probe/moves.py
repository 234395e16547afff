"""Copies as audits ask of them: the table as arrays, by place, with lineage, per frame."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pandas as pd

from probe import measured
from probe.copies.methods import Kind
from probe.tape import NULL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from probe.store import Run

DECODE: Final = "decode"
PER_FRAME, PER_OUTPUT, PER_RUN = "frame", "output", "run"
TABLES: Final = ("copies", "sites", "frames", "outputs", "spans")
"""What an audit of copies must be allowed to read (`Audit.requires`)."""
FORMAT_KEPT: Final = (Kind.MEMCPY.value, Kind.MATERIALIZE.value)
PAGE_BYTES: Final = 4096
"""Of x86-64 and most of aarch64; some kernels of the latter have 16 or 64 KiB."""
COMPUTES: Final = (
    "onnxruntime", "avcodec", "avfilter", "x264", "x265", "vpx", "tensorflow", "torch", "nvinfer",
    "openvino",
)  # fmt: skip
"""Libraries, by how their files begin, that use buffers of their own again and again: loops that
nobody sees write between two copies. What lies in such a buffer is no lineage."""
BY_NUMPY: Final = ("PyArray_", "numpy.", "ndarray.")
_TYPES: Final = re.compile(r"([^\s,]+)(?: \d+x\d+)? > ([^\s,]+)")
_SHAPES: Final = re.compile(r"\(([\d, ]{1,99})\) from \(([\d, ]{1,99})\)")


@dataclass(frozen=True)
class Texts:
    """A column of texts: `codes` number `values`, -1 is null."""

    codes: NDArray[np.int64]
    values: tuple[str, ...]

    def where(self, right: Callable[[str], bool]) -> NDArray[np.bool_]:
        """Mask the rows whose text is right; each distinct text is asked once, null is not."""
        return np.array([*map(right, self.values), False], dtype=bool)[self.codes]

    def of(self, row: int) -> str | None:
        """Return the text of a row."""
        code = int(self.codes[row])
        return None if code < 0 else self.values[code]


class Change(NamedTuple):
    """What a copy's detail says: formats (``uint8``, ``yuv420p``) and shapes, None where not."""

    before: str | None
    after: str | None
    shape_before: tuple[int, ...] | None
    shape_after: tuple[int, ...] | None


def change_of(detail: str) -> Change:
    """Read ``uint8 > float32``, ``yuv420p 1280x720 > rgb24 320x180``, ``(3, 4, 5) from (4, 5, 3)``.

    A detail may say both a conversion and shapes; what it does not say is None.
    """
    types, shapes = _TYPES.search(detail), _SHAPES.search(detail)
    before, after = types.groups() if types else (None, None)
    new, old = (tuple(map(_dims, shapes.groups()))) if shapes else (None, None)
    return Change(before, after, old, new)


def _dims(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in text.split(",") if each.strip())


class Place(NamedTuple):
    """Where a copy comes from; `name` is short: the line of Python, else the native function."""

    name: str
    file: str | None
    line: int | None
    column: int | None
    function: str | None
    expression: str | None
    module: str | None
    symbol: str | None


class Moves:
    """The copies of a Run, one entry a copy in order of time. Columns are converted when asked for.

    `counted` masks those of the measured window. `frames` is by how many to divide and `per` what
    they are: measured frames that were worked on (that have a span; all of them where nothing says
    a span, or those that were inferred), measured outputs of a program without a live input, or
    "run" (then `frames` is 0: nobody says frames). A program that ended in its warm-up left an
    empty window: then all copies count (`whole_run`), its start included.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self.manifest = run.manifest
        self._known: dict[str, NDArray[np.int64]] = {}
        self._texts: dict[str, Texts] = {}
        self.whole_run = _is_empty(run.manifest.get("window"))
        self.counted = measured.flags(run.column("copies", "measured")) | self.whole_run
        self.frames, self.per = self._frames()
        self.deadline_ns = measured.deadline_ns(run.manifest)

    @classmethod
    def of(cls, run: Run) -> Moves:
        """Return the copies of a Run; all that ask for them share what they look at."""
        return run.view(cls._shared)

    @classmethod
    def _shared(cls, run: Run) -> Moves:
        for name in TABLES:  # it may read any of them later
            run.has(name)
        return cls(run)

    def __len__(self) -> int:
        return len(self.counted)

    def numbers(self, name: str) -> NDArray[np.int64]:
        """Return a column of numbers, `NULL` where it is null."""
        if name not in self._known:
            self._known[name] = measured.integers(self._run.column("copies", name))
            self._known[name].setflags(write=False)
        return self._known[name]

    def amounts(self, name: str) -> NDArray[np.int64]:
        """Return a column of numbers, 0 where it is null: for sums."""
        found = self.numbers(name)
        return np.where(found == NULL, 0, found)

    def number(self, name: str, row: int) -> int | None:
        """Return a number of a row; None where it is null."""
        value = int(self.numbers(name)[row])
        return None if value == NULL else value

    def texts(self, name: str) -> Texts:
        """Return a column of texts as codes."""
        if name not in self._texts:
            codes, values = pd.factorize(self._run.column("copies", name))
            self._texts[name] = Texts(codes.astype(np.int64), tuple(map(str, values)))
        return self._texts[name]

    @cached_property
    def internal(self) -> NDArray[np.bool_]:
        """Plain copies inside a library that computes in its own buffers (`COMPUTES`)."""
        modules = dict(zip(self._sites["site"], self._sites["module"].fillna(""), strict=True))
        codes, sites = pd.factorize(self.numbers("site"))
        inside = [_last(modules.get(site, "")).removeprefix("lib").startswith(COMPUTES)
                  for site in sites.tolist()]  # fmt: skip
        plain = self.texts("kind").where(Kind.MEMCPY.__eq__)
        by_numpy = self.texts("method").where(lambda name: name.startswith(BY_NUMPY))
        return np.array(inside, dtype=bool)[codes] & plain & ~by_numpy

    @cached_property
    def keeps_format(self) -> NDArray[np.bool_]:
        """Copies that move or rearrange bytes without converting them."""
        return self.texts("kind").where(FORMAT_KEPT.__contains__)

    @cached_property
    def lineage(self) -> NDArray[np.int64]:
        """The copy that wrote what this one reads, of whatever frame; -1 where there is none.

        What a library copied for its own ends may have been overwritten since (`internal`).
        """
        source = self.numbers("source_copy")
        earlier = np.flatnonzero((source >= 0) & (source < np.arange(len(self))))
        found = np.full(len(self), -1, dtype=np.int64)
        outward = earlier[~self.internal[source[earlier]]]
        found[outward] = source[outward]
        return found

    @cached_property
    def source(self) -> NDArray[np.int64]:
        """The copy on the way of the same frame's bytes that this one reads from; -1 for none.

        What an earlier frame or the start left (a background, a black border) is no detour of this
        frame's bytes. Where the frame of one of the two is not known (a hand-over between stages),
        only the first that reads it is taken to be on the way: a background is read again and
        again.
        """
        frame = self.numbers("frame")
        rows = np.flatnonzero(self.lineage >= 0)
        before = self.lineage[rows]
        unknown = (frame[before] == NULL) | (frame[rows] == NULL)
        again = pd.Series(before).duplicated().to_numpy() & unknown
        chosen = ((frame[before] == frame[rows]) | unknown) & ~again
        found = np.full(len(self), -1, dtype=np.int64)
        found[rows[chosen]] = before[chosen]
        return found

    @cached_property
    def again(self) -> NDArray[np.bool_]:
        """Copies that move what a copy moved before, neither of the two changing its format."""
        known = self.keeps_format & ~self.internal & (self.source >= 0)
        before = self.keeps_format[np.where(known, self.source, 0)] if len(self) else known
        return known & before

    @cached_property
    def converted_by(self) -> NDArray[np.int64]:
        """The conversion that gave the bytes that this copy reads their format; -1 for none.

        Copies that keep the format are followed back; by doubling, so that a chain of a million
        copies takes twenty steps.
        """
        converts = self.texts("kind").where(Kind.CONVERT.__eq__)
        here = np.arange(len(self))
        root = np.where(converts | (self.source < 0), here, self.source)
        while (further := root[root]).tobytes() != root.tobytes():
            root = further
        known = self.source >= 0
        found = root[np.where(known, self.source, 0)]
        return np.where(known & converts[found], found, -1) if len(self) else found

    @cached_property
    def decoded_bytes(self) -> float | None:
        """Mean of what stage decode gave for a measured frame; None where nobody says."""
        run, frames = self._run, measured.frames_of(self._run)
        size = measured.integers(run.column("spans", "bytes_out"))
        numbers = measured.integers(run.column("spans", "frame"))
        given = (run.column("spans", "stage") == DECODE).fillna(value=False).to_numpy(np.bool_)
        mine = given & (size != NULL)
        mine &= measured.among(numbers, frames.number[frames.measured | self.whole_run])
        distinct = len(np.unique(numbers[mine]))
        return int(size[mine].sum()) / distinct if distinct else None

    @property
    def page_bytes(self) -> int:
        """Size of a page of the device, where the Run says it."""
        said = (self.manifest.get("copies") or {}).get("page_bytes")
        return int(said) if said else PAGE_BYTES

    @cached_property
    def moved_bytes(self) -> int:
        """All bytes of the measured window's copies."""
        return int(self.amounts("bytes")[self.counted].sum())

    def _frames(self) -> tuple[int, str]:
        frames, spans = measured.frames_of(self._run), measured.spans_of(self._run)
        chosen = frames.number[frames.measured | self.whole_run]
        if len(chosen):
            worked_on = int(np.count_nonzero(measured.among(chosen, spans.frame)))
            return worked_on or len(chosen), PER_FRAME
        outputs = measured.outputs_of(self._run)
        made = int(np.count_nonzero(outputs.measured | self.whole_run))
        if not len(frames) and made:
            return made, PER_OUTPUT
        numbers = self.numbers("frame")[self.counted]
        numbers = numbers[numbers != NULL]
        if len(spans.stage) or not len(numbers):
            return 0, PER_RUN
        # Also those between that no copy falls to: at its end a decoder gives several at once.
        return int(np.ptp(numbers)) + 1, PER_FRAME

    # ---- where copies come from ----

    @cached_property
    def _sites(self) -> pd.DataFrame:
        return self._run.table("sites").dropna(subset=["site"]).drop_duplicates("site")

    @cached_property
    def place(self) -> NDArray[np.int64]:
        """Number of each copy's place, from 0: sites of one line of the program are one place."""
        sites = self._sites
        by_line = sites["file"].notna()
        columns = ["file", "line", "column", "end_line", "end_column"]
        lines = sites[by_line].groupby(columns, dropna=False)["site"].transform("min")
        first = dict(zip(sites.loc[by_line, "site"], lines, strict=True))
        codes, distinct = pd.factorize(self.numbers("site"))
        merged = [first.get(site, site) for site in distinct.tolist()]
        places, _ = pd.factorize(np.array(merged, dtype=np.int64))
        return places.astype(np.int64)[codes]

    @cached_property
    def _places(self) -> dict[int, dict[str, Any]]:
        sites = self._sites.astype(object)
        rows = sites.where(sites.notna(), None).to_dict("records")
        return {int(row["site"]): {str(key): each for key, each in row.items()} for row in rows}

    def place_of(self, row: int) -> Place:
        """Return where a copy comes from, as far as it is known."""
        return self.site(int(self.numbers("site")[row]), self.texts("method").of(row) or "a copy")

    def site(self, site: int, method: str = "a copy") -> Place:
        """Return what is known of a site; `method` names it where nothing else does."""
        found = self._places.get(site, {})
        file, module = found.get("file"), found.get("module")
        if file is not None:
            what = found.get("expression") or found.get("function") or method
            name = f"{_last(file)}:{found.get('line')} {what}"
        else:
            name = " ".join(filter(None, (module and _last(module), found.get("symbol") or method)))
        said = (found.get(key) for key in Place._fields[1:])
        return Place(name, *said)

    def stack_of(self, site: int) -> list[tuple[str, str]]:
        """Return (file, function) of a site's Python stack, innermost first."""
        text = self._places.get(site, {}).get("stack")
        try:
            frames = json.loads(text) if text else []
            return [(str(file), str(function)) for file, _, function in frames]
        except (ValueError, TypeError):
            return []


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _is_empty(window: Mapping[str, int] | None) -> bool:
    return window is not None and window["end_ns"] <= window["start_ns"]
