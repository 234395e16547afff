"""What is measured on which device? A page made from the collectors' rows by `make docs`."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from probe.console.doctor_text import paced
from probe.model import Seen, Supported

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from probe.model import Collector, Support, Track

HEAD: Final = """# What is measured on which device

What each collector reads, on which kind of device, on what that was tried, and what it needs from
you. `liveprobe doctor` says what of this works on your machine, and [remedies.md](remedies.md) how
to get the rest. A value that a device does not give is missing in the Run, never made up.

Of other programs the collectors keep little: the name of whatever had a core (`scheduler_trace`),
the models that run on the same Hailo (`hailo`), and the process number of who holds a Hailo or a
Coral meanwhile. They keep no command line, no user and no serial number.

This page is made from the collectors themselves by `make docs`; change them, not it.

Tried on: **hardware** (a machine with the source), **recordings** (files and printouts that others
published of theirs), **format** (the documented format alone). The last two were *not seen on
hardware*: a device may write them otherwise, and then the value is missing.
"""
TRIED: Final = {
    Seen.HARDWARE: "hardware",
    Seen.RECORDINGS: "recordings; not seen on hardware",
    Seen.FORMAT: "format; not seen on hardware",
}
ANYWHERE: Final = ("any linux", "linux")
"""How the kinds of device begin that are no kind; they come first."""


class Place(NamedTuple):
    """A row of the matrix, and the collector that states it."""

    row: Support
    collector: str


def page(classes: Sequence[type[Collector]]) -> str:
    """Return the page, for the collectors that are given."""
    found = [each() for each in classes]
    places = [
        Place(row, each.name) for each in found if isinstance(each, Supported)
        for row in each.support
    ]  # fmt: skip
    tracks = [(track, each.period_ns) for each in found for track in each.tracks]
    lines = [HEAD, "## By device", "", *_overview(places)]
    for kind, rows in _by_kind(places):
        lines += ["", f"### {kind}", "", *_of_kind(rows)]
    lines += ["", "## By metric", "", *_metrics(tracks, places), ""]
    return "\n".join(lines)


def unstated(classes: Sequence[type[Collector]]) -> list[str]:
    """Return the tracks that no row of the matrix names, and names in rows that are no track."""
    found = [each() for each in classes]
    stated = {
        track for each in found if isinstance(each, Supported)
        for row in each.support for track in row.tracks
    }  # fmt: skip
    return sorted(stated ^ {track.name for each in found for track in each.tracks})


def _overview(places: Iterable[Place]) -> Iterator[str]:
    """Yield the matrix of devices by collectors, one table."""
    yield "| device | tried on hardware | tried on recordings | by the format alone |"
    yield "|---|---|---|---|"
    for kind, rows in _by_kind(places):
        cells = (
            sorted({place.collector for place in rows if place.row.seen is seen}) for seen in TRIED
        )
        yield _row(kind, *(", ".join(names) or "-" for names in cells))


def _of_kind(rows: Iterable[Place]) -> Iterator[str]:
    yield "| tracks | read from | tried on | needs |"
    yield "|---|---|---|---|"
    for place in rows:
        names = "<br>".join(f"`{name}`" for name in place.row.tracks)
        needs = place.row.needs or "nothing"
        yield _row(names, place.row.source, TRIED[place.row.seen], needs, raw=1)


def _metrics(tracks: Iterable[tuple[Track, int | None]], places: Sequence[Place]) -> Iterator[str]:
    yield "| track | what | unit | every | grade | devices |"
    yield "|---|---|---|---|---|---|"
    for track, collectors_ns in sorted(tracks, key=lambda each: each[0].name):
        every = paced(track.period_ns or collectors_ns)
        grade = f"{track.grade} ({track.kind})" if track.kind else str(track.grade)
        rows = [place.row for place in places if track.name in place.row.tracks]
        best = {
            kind: min((row.seen for row in rows if row.device == kind), key=list(TRIED).index)
            for kind in dict.fromkeys(row.device for row in rows)
        }
        told = "; ".join(f"{kind} ({seen})" for kind, seen in best.items()) or "not stated"
        yield _row(f"`{track.name}`", track.title, track.unit, every, grade, told, raw=1)


def _by_kind(places: Iterable[Place]) -> list[tuple[str, list[Place]]]:
    def order(place: Place) -> tuple[bool, str]:
        kind = place.row.device.lower()
        return not kind.startswith(ANYWHERE), kind

    grouped = groupby(sorted(places, key=order), key=lambda place: place.row.device)
    return [(kind, list(rows)) for kind, rows in grouped]


def _row(*cells: str, raw: int = 0) -> str:
    """Return a row of a Markdown table; the first `raw` cells are Markdown already."""
    shown = [cell if k < raw else _plain(cell) for k, cell in enumerate(cells)]
    return f"| {' | '.join(shown)} |"


def _plain(text: str) -> str:
    """Keep what a cell says from being read as Markdown or HTML."""
    for sign in ("\\", "|", "*", "_", "<", ">", "[", "]"):
        text = text.replace(sign, f"\\{sign}")
    return text
