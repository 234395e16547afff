"""Where in the code is the time of each stage? The samples of a Run, added up by function.

Only samples in the measured window count. A sample belongs to the stage whose span its thread was
in. Time is wall time: a function that waits, for a lock or a device, is where the time is, too.
A program that says no stage is told of by thread, one that says no frame as a whole: it has no
measured window.

samples         time for which stacks were held, by the mean time between two samples (1 / rate)
share           of the samples of the stage
self            in the function itself, and in native code that it called (which py-spy does not see
                in mode nonblocking)
total           in the function or in anything that it called; a recursive one counts once
interval        95 %, Wilson's, of the true share. It is taken over half of the samples: a stack
                that stayed is not written again, so that its samples are known by their time alone,
                and random times between samples double the variance of a share
expected        samples that a stage should have by the time of its spans. It has fewer where it is
                short against the error of times, and on a busy machine: the sampler, too, waits for
                a core, and gets one when the program gives one up. The shares are then of a part of
                the stage's time
outside         samples of the threads that have stages, between their stages: waiting, mostly
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from probe.stacks.places import NO_SYMBOL, readable, short

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pandas as pd

    from probe.store import Run

TABLES: Final = ("stack_samples", "stacks", "spans")
"""What a Run must be allowed to show (`Run.only`)."""
Z: Final = 1.959964
"""95 %, two-sided."""
EVERYWHERE: Final = 0.999
FEW: Final = 30
"""A stage with fewer samples has intervals too wide to rank functions by: our own number."""


_C_LIBRARY: Final = re.compile(r"(?:.*/)?(?:libc|libpthread|ld-musl|ld-linux)[.-][^/]*")
_HASHED: Final = re.compile(r"-[0-9a-f]{8,}$")
"""What wheels put between the name of a library of theirs and its version."""


class Share(NamedTuple):
    """A share from 0 to 1, with its 95 % interval."""

    value: float
    low: float
    high: float


class Function(NamedTuple):
    """A function in a stage; `line` is the one that was seen most at the end of a stack, or None.

    `file` has no folders of a person's.
    """

    stage: str
    function: str
    file: str | None
    line: int | None
    own: Share
    total: Share
    samples: float


class Stage(NamedTuple):
    """The samples of a stage, and its functions, most time of their own first.

    `expected` is how many there should be by the time of its spans; None where that is not known.
    """

    stage: str
    samples: float
    expected: float | None
    functions: tuple[Function, ...]


class HotSpots(NamedTuple):
    """What was sampled in the measured window, in all of the program where it has none (`whole`).

    `by` says what the `stages` are: "stage", or "thread" of a program that says no stage: then
    nothing is outside or elsewhere. `samples` are those of threads that have stages; `outside` of
    them fell between their stages, `elsewhere` are of other threads. The other fields are the
    manifest's: `uncertainty_ns` is the width of the bracket of py-spy's clock, `agreement` the
    share of samples in their stack's usual stage, `errors` stacks that could not be read. `rest`
    changes are to a stack that was not kept, for there were too many, `dropped` ones are not kept
    at all; `lost` says how many ns of sampling left no file (None: nobody knows), and why.
    """

    mode: str
    rate_hz: float
    stages: tuple[Stage, ...]
    samples: float
    outside: float
    elsewhere: float
    recordings: int
    errors: int | None
    uncertainty_ns: int | None
    agreement: float | None
    rest: int = 0
    dropped: int = 0
    lost: tuple[tuple[int | None, str], ...] = ()
    by: str = "stage"
    whole: bool = False


class Absent(NamedTuple):
    """Why there are no hot spots; `asked` says whether somebody wanted them."""

    asked: bool
    reason: str
    remedy: str


def hot_spots_of(run: Run) -> HotSpots | Absent:
    """Return the hot functions of a Run, or why they are not known."""
    summary = run.manifest.get("stacks")
    if not isinstance(summary, dict) or not run.has("stack_samples"):
        return _absent(run.manifest)
    rate = float(summary.get("rate_hz") or 0)
    table = run.table("stack_samples")
    whole = run.manifest.get("window", {}) is None
    rows = table if whole else table[table["measured"].fillna(value=False).astype(bool)]
    if rate <= 0 or not len(rows):
        return Absent(
            asked=True,
            reason="no sample fell into the measured window",
            remedy="measure for longer: sampling begins a moment after the program's start",
        )
    weight = rows["held_ns"].astype("float64") * rate / 1e9
    rows = rows.assign(weight=weight)
    by = "stage" if rows["stage"].notna().any() else "thread"
    staged = rows[by].notna()
    working = rows["thread"].isin(rows.loc[staged, "thread"].unique())
    stacks = _frames(run.table("stacks"), set(rows.loc[staged, "stack"].unique()))
    expected = _expected(run, rows, rate)
    first = set(rows.loc[rows["pid"] == rows["tid"], "thread"]) if by == "thread" else set()
    stages = [
        _stage(str(name), part, stacks, expected.get(str(name)))
        for name, part in rows[staged].groupby(by, sort=True, observed=True)
    ]
    return HotSpots(
        mode=str(summary.get("mode")),
        rate_hz=rate,
        stages=tuple(sorted(stages, key=lambda each: (each.stage not in first, -each.samples))),
        samples=float(weight[working].sum()),
        outside=float(weight[working & ~staged].sum()),
        elsewhere=float(weight[~working].sum()),
        recordings=int(summary.get("recordings") or 0),
        errors=summary.get("errors"),
        uncertainty_ns=summary.get("uncertainty_ns"),
        agreement=summary.get("agreement"),
        rest=int(summary.get("stacks_left_out") or 0),
        dropped=int(summary.get("changes_left_out") or 0),
        lost=tuple(_lost(summary)),
        by=by,
        whole=whole,
    )


def _lost(summary: Mapping[str, Any]) -> Iterator[tuple[int | None, str]]:
    for each in summary.get("lost") or ():
        if isinstance(each, dict):
            begun, ended = each.get("from_ns"), each.get("to_ns")
            length = None
            if isinstance(begun, int) and isinstance(ended, int):
                length = ended - begun
            yield length, str(each.get("why"))


def share(part: float, whole: float) -> Share:
    """Return `part` of `whole` samples with Wilson's interval over half of them."""
    if whole <= 0:
        return Share(0.0, 0.0, 1.0)
    value, n = min(1.0, part / whole), whole / 2
    centre = (value + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * math.sqrt(value * (1 - value) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    return Share(value, max(0.0, min(value, centre - half)), min(1.0, max(value, centre + half)))


_Frame = tuple[str | None, int | None, str]
_Name = tuple[str | None, str]


def _frames(table: pd.DataFrame, wanted: set[int]) -> Mapping[int, list[_Frame]]:
    """Return the frames of each stack, innermost first, with files as they may be shown."""
    known: dict[tuple[Any, ...], _Frame] = {}  # few, in many stacks
    found: dict[int, list[_Frame]] = {}
    for stack, text in zip(table["stack"], table["frames"], strict=True):
        if stack not in wanted:
            continue
        frames = found[int(stack)] = []
        for file, line, function in json.loads(text):
            frame = known.get((file, line, function))
            if frame is None:
                frame = (file and short(file), line, readable(function))
                known[file, line, function] = frame
            frames.append(frame)
        while len(frames) > 1 and _starts_threads(frames[-1]):
            frames.pop()
    return found


def _starts_threads(frame: _Frame) -> bool:
    """Say whether the outermost frame is of the C library and has no name: it called the rest."""
    file, _, function = frame
    return function == NO_SYMBOL and bool(_C_LIBRARY.fullmatch(file or ""))


def _expected(run: Run, rows: pd.DataFrame, rate: float) -> dict[str, float]:
    """Return, by stage, the time of its spans while its threads were sampled, in samples."""
    spans = run.table("spans")
    first, last = rows["t_ns"].min(), (rows["t_ns"] + rows["held_ns"]).max()
    spans = spans[(spans["start_ns"] >= first) & (spans["end_ns"] <= last)]
    took = (spans["end_ns"] - spans["start_ns"]).groupby(spans["stage"]).sum()
    return {str(stage): float(ns) * rate / 1e9 for stage, ns in took.items()}


def _stage(
    name: str, rows: pd.DataFrame, stacks: Mapping[int, list[_Frame]], expected: float | None
) -> Stage:
    own: dict[_Name, float] = defaultdict(float)
    total: dict[_Name, float] = defaultdict(float)
    lines: dict[_Name, dict[int | None, float]] = defaultdict(lambda: defaultdict(float))
    for stack, weight in rows.groupby("stack")["weight"].sum().items():
        frames = stacks.get(int(str(stack)), [])
        for place in {(file, function) for file, _, function in frames}:
            total[place] += weight
        for file, line, function in frames[:1]:
            own[file, function] += weight
            lines[file, function][line] += weight
    whole = float(rows["weight"].sum())
    functions = (
        Function(
            stage=name,
            function=function,
            file=file,
            line=_most(lines[file, function]),
            own=share(own[file, function], whole),
            total=share(samples, whole),
            samples=samples,
        )
        for (file, function), samples in total.items()
    )
    ordered = sorted(functions, key=lambda f: (-f.own.value, -f.total.value, f.function))
    return Stage(name, whole, expected, tuple(ordered))


def _most(lines: Mapping[int | None, float]) -> int | None:
    return max(lines, key=lambda line: lines[line], default=None)


def named(function: Function) -> str:
    """Return a function as readers see it: the library of code without symbols."""
    if function.function != NO_SYMBOL or not function.file:
        return function.function
    library = function.file.rpartition("/")[2].partition(".")[0]
    return f"{_HASHED.sub('', library)} {NO_SYMBOL}"


def telling(stage: Stage) -> list[Function]:
    """Return the functions of a stage but for those that merely call all the others."""
    return [f for f in stage.functions if f.own.value > 0 or f.total.value < EVERYWHERE]


def functions_of(stages: Iterable[Stage]) -> list[Function]:
    """Return the functions of all stages, most samples of their own first."""
    found = [(stage.samples * f.own.value, f) for stage in stages for f in telling(stage)]
    return [function for _, function in sorted(found, key=lambda each: -each[0])]


def _absent(manifest: Mapping[str, Any]) -> Absent:
    entries = {each.get("name"): each for each in manifest.get("collectors") or ()}
    entry = entries.get("pyspy")
    again = "run it again with --sample on"
    if entry is None or entry.get("outcome") == "off":
        return Absent(asked=False, reason="nobody asked for it", remedy=again)
    if entry.get("outcome") != "ok":
        remedy = entry.get("remedy") or "see `liveprobe doctor`"
        return Absent(asked=True, reason=str(entry.get("reason")), remedy=str(remedy))
    summary = manifest.get("stacks")
    rejected = summary.get("not_read") if isinstance(summary, dict) else None
    why = "; ".join(f"{name}: {reason}" for name, reason in rejected or ())
    if not why and isinstance(summary, dict):
        why = "; ".join(sorted({said for _, said in _lost(summary)}))
    if not why:
        why = "py-spy wrote no recording"
        if (entry.get("facts") or {}).get("refused"):
            why += ": the program is no Python, or it ended too soon"
            again = "give it a Python program that runs for longer than a few seconds"
    return Absent(asked=True, reason=why, remedy=again)
