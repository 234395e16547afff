"""Which thread waited for a core, when, and who had it? Every wait that the kernel told of.

A run has hundreds of thousands of waits: of each thread and stretch of time the longest is drawn,
and all of them are counted in the table of those who took the core.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from reports.charts import figure
from reports.charts.chart import Chart
from reports.charts.samples import Line, bare, named_lines, rows_of, split
from reports.charts.tracks import HEIGHT, STEP, colours, framed, identity, legend
from reports.page import numbers
from reports.page.privacy import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from reports.page.payload import Payload
    from reports.page.subject import Subject

TRACK: Final = "scheduler_trace.wait"
"""Seconds, at the end of each wait; a label is ``name:tid < name:tid`` of who had the core."""
MOST_THREADS: Final = 4
MOST_TAKERS: Final = 8
IDLE: Final = "idle"
HARNESS: Final = "liveprobe"
"""Who had the core where nobody had it, and where we had: labels without the number of a thread."""
SAID: Final = {IDLE: "nobody: the core was idle", HARNESS: "liveprobe itself"}
HALF_TOLD: Final = ("waits_without_end", "waits_without_begin")
LOST: Final = ("events_overrun", "events_dropped")
"""What the collector states of the waits that it could not measure."""
PART: Final = "Sums are of the time in which waits were recorded."
MOST_OF_IT: Final = 0.98
"""Of the run: a collector that begins and ends with it takes a moment for either."""
T = TypeVar("T")


@dataclass(frozen=True)
class Taker:
    """Who had the core while threads waited: ms in the window, their share of all, and waits.

    `foreign` says that it is neither one of the program's threads nor ours.
    """

    name: str
    foreign: bool
    total: str
    share: str
    longest: str
    waits: str


@dataclass(frozen=True)
class Waits:
    """The chart, and who took the core; `rest` says what the table leaves out."""

    chart: Chart
    takers: list[Taker]
    rest: str


@dataclass(frozen=True)
class _Told:
    """Every wait of the charted time: when it ended, how long it was, whose it was, who ran.

    `takers` says of each whether it is a stranger: neither a thread of the program nor ours.
    """

    t_s: NDArray[np.float64]
    ms: NDArray[np.float64]
    thread: NDArray[np.int64]
    taker: NDArray[np.int64]
    threads: list[str]
    takers: list[tuple[str, bool]]

    def rows(self, chosen: NDArray[np.bool_]) -> _Told:
        return replace(self, t_s=self.t_s[chosen], ms=self.ms[chosen], thread=self.thread[chosen],
                       taker=self.taker[chosen])  # fmt: skip


def waits(
    subject: Subject, track: Mapping[str, Any], payload: Payload, facts: Mapping[str, Any]
) -> Waits | None:
    """Return the waits, None where the window has none; `facts` are the collector's."""
    told = _told(subject)
    if told is None or not (told.t_s >= 0).any():
        return None
    inside = told.rows(told.t_s >= 0)
    every, width_s = _by_thread(told), subject.length_s / figure.POINTS
    shown = [_thinned(line, width_s) for line in every[:MOST_THREADS]]
    chart = Chart(
        id=identity(TRACK),
        question=str(track.get("title") or TRACK),
        finding=_finding(inside, ", of those recorded" if _windowed(facts) else ""),
        note=_note(track, inside, len(every), width_s) + _missing(facts),
        spec=_spec(shown, payload),
        image=figure.drawn(HEIGHT, lambda axes: _draw(axes, subject, shown, 2 * width_s)),
        height=HEIGHT,
        legend=legend(shown),
    )
    takers, rest = _table(inside)
    return Waits(chart, takers, f"{rest} {PART if _windowed(facts) else ''}".strip())


def _told(subject: Subject) -> _Told | None:
    rows = rows_of(subject, TRACK)
    if rows is None:
        return None
    pairs = [label.partition(" < ") for label in rows.labels]
    own = dict.fromkeys(whose for whose, _, _ in pairs)  # of the program's threads alone it is told
    names = dict(zip(own, named_lines(subject, list(own)), strict=True))
    threads, thread = _numbered([names[whose] for whose, _, _ in pairs])
    takers, taker = _numbered([_taker(who or IDLE, names) for _, _, who in pairs])
    told = _Told(rows.t_s, rows.value * 1e3, thread[rows.label], taker[rows.label], threads, takers)
    return told.rows(np.isfinite(told.ms))


def _taker(label: str, names: Mapping[str, str]) -> tuple[str, bool]:
    """Return who had the core as readers see him, and whether he is a stranger.

    Threads of others go by their name alone: they come and go with ever new numbers.
    """
    if label in SAID:
        return SAID[label], False
    return (names[label], False) if label in names else (redacted(bare(label)), True)


def _numbered(texts: list[T]) -> tuple[list[T], NDArray[np.int64]]:
    """Return what is distinct, and the number of each of `texts` among it."""
    places = {each: k for k, each in enumerate(dict.fromkeys(texts))}
    return list(places), np.array([places[each] for each in texts], dtype=np.int64)


def _by_thread(told: _Told) -> list[Line]:
    """Return the waits of each thread, in order of time; the longest wait comes first."""
    found = []
    for k, mine in split(told.thread, len(told.threads)):
        if len(mine):
            rows = mine[np.argsort(told.t_s[mine], kind="stable")]
            found.append(Line(told.threads[k], told.t_s[rows], told.ms[rows]))
    return sorted(found, key=lambda line: -float(line.y.max()))


def _thinned(line: Line, width_s: float) -> Line:
    """Return the longest wait of each stretch of time."""
    stretch = np.floor(line.x / width_s).astype(np.int64) if width_s > 0 else np.arange(len(line.x))
    order = np.lexsort((line.y, stretch))
    last = np.append(np.diff(stretch[order]) != 0, True)
    rows = np.sort(order[last])
    return Line(line.label, line.x[rows], line.y[rows])


def _finding(told: _Told, among: str) -> str:
    worst = int(told.ms.argmax())
    whose, (who, foreign) = told.threads[told.thread[worst]], told.takers[told.taker[worst]]
    had = "with the core idle" if who == SAID[IDLE] else f"while {who} had the core"
    had += ", which is none of the program's threads" if foreign else ""
    at, long = numbers.clock_fine(float(told.t_s[worst])), numbers.ms(float(told.ms[worst]))
    return f"{whose} waited longest{among}: {long} until {at}, {had}."


def _note(track: Mapping[str, Any], told: _Told, threads: int, width_s: float) -> str:
    half, most = (numbers.ms(float(np.percentile(told.ms, q))) for q in (50, 99))
    said = f"{track.get('grade') or 'measured'}; {numbers.plural(len(told.ms), 'wait')} in the "
    said += f"window, p50 {half}, p99 {most}"
    said += f"; a point is the longest wait in {numbers.ms(width_s * 1e3)}"
    if threads > MOST_THREADS:
        said += f"; of {threads} threads the {MOST_THREADS} that waited longest at once"
    return numbers.sentence(said) + "."


def _missing(facts: Mapping[str, Any]) -> str:
    """Say which waits of the run are not here, as the collector counted them."""
    half, told = (_sum(facts, names) for names in (HALF_TOLD, ("waits",)))
    lost, said = _sum(facts, LOST), ""
    if half:
        share = numbers.percent(half / (half + told)) if told else ""
        said += f" Of {numbers.plural(half, 'more wait')} in the run"
        said += f" ({share} of all)" if share else ""
        said += " the kernel left out the beginning or the end: they are not shown."
    if lost:
        said += f" {numbers.plural(lost, 'event')} of the scheduler were lost: waits are missing."
    return said + _windowed(facts)


def _windowed(facts: Mapping[str, Any]) -> str:
    """Say so where waits were recorded for a part of the run alone."""
    windows, watched = facts.get("windows_ns") or [], facts.get("watched_ns") or (0, 0)
    recorded_ns, whole_ns = sum(end - begin for begin, end in windows), watched[1] - watched[0]
    if whole_ns <= 0 or recorded_ns >= MOST_OF_IT * whole_ns:
        return ""
    share = numbers.percent(recorded_ns / whole_ns)
    cut = numbers.plural(_sum(facts, ("waits_cut",)), "wait")
    if facts.get("full_ns") is not None:
        return f" There was no room for more: these are the waits of {share} of the run."
    parts = numbers.plural(len(windows), "stretch", "stretches")
    return (
        f" Events came too often to record all: these are the waits of {parts} of time, {share} of"
        f" the run, more rarely where more happened; {cut} over an edge of these"
        f" {'is' if cut.startswith('1 ') else 'are'} missing, sums are of what was recorded, and"
        " where there is no point, nothing may have been recorded."
    )


def _sum(facts: Mapping[str, Any], names: tuple[str, ...]) -> int:
    values = [facts.get(name) for name in names]
    return sum(each for each in values if isinstance(each, int) and each > 0)


def _spec(shown: list[Line], payload: Payload) -> dict[str, Any]:
    found = colours([line.label for line in shown])
    series = [
        {
            "name": line.label,
            "points": True,
            "x": payload.add(line.x, STEP, rising=True),
            "y": payload.add(line.y, STEP),
            "colour": found[k][0],
        }
        for k, line in enumerate(shown)
    ]
    return {"kind": "lines", "time": True, "unit": "ms", "zero": True, "series": series,
            "levels": []}  # fmt: skip


def _draw(axes: Axes, subject: Subject, shown: list[Line], width_s: float) -> None:
    found = colours([line.label for line in shown])
    for k, line in enumerate(shown):
        points = _thinned(line, width_s)
        figure.strokes(axes, points.x, points.y, points.y, colour=found[k][1], width=2)
        height = 0.92 - 0.16 * k
        figure.name_at_right(axes, height, line.label[:18], found[k][1], share=True)
    axes.set_ylim(bottom=0, top=1.15 * max(float(line.y.max()) for line in shown) or 1)
    framed(axes, subject, "ms")


def _table(told: _Told) -> tuple[list[Taker], str]:
    """Return the takers, most time first, and who else there was."""
    total = np.bincount(told.taker, told.ms, len(told.takers))
    count = np.bincount(told.taker, minlength=len(told.takers))
    longest = np.zeros(len(told.takers))
    np.maximum.at(longest, told.taker, told.ms)
    order = [k for k in np.argsort(-total, kind="stable").tolist() if count[k]]
    whole = float(total.sum())
    found = [
        Taker(
            told.takers[k][0],
            told.takers[k][1],
            numbers.fixed(total[k], 1),
            numbers.percent(total[k] / whole if whole else None),
            numbers.ms_plain(float(longest[k])),
            numbers.count(count[k]),
        )
        for k in order[:MOST_TAKERS]
    ]
    others = order[MOST_TAKERS:]
    if not others:
        return found, ""
    left = numbers.fixed(float(total[others].sum()), 1)
    return found, f"{numbers.plural(len(others), 'other')} had it for {left}{numbers.NBSP}ms."
