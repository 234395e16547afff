"""The tables `stack_samples` and `stacks` of a Run, and what its manifest says of them."""

from __future__ import annotations

import codecs
import json
import re
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pandas as pd

from probe.copies.timeline import NONE
from probe.stacks.book import Book
from probe.stacks.chrometrace import Recording, parse
from probe.stacks.clock import Offset, bracket, fitted, time_of
from probe.stacks.within import LAG_NS, SpansOfThreads, settled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

NOTES: Final = "pyspy.json"
"""Beside the tapes: what the collector noted of its recordings, and which there are."""
MOST_BYTES: Final = 256 * 2**20
"""Of one recording; what is larger is read up to there."""
MOST_BYTES_IN_ALL: Final = 2 * MOST_BYTES
"""Of all: the collector begins no further one after half of that."""
PIECE: Final = 2**20
MOST_NOTES: Final = 4 * 2**20
MOST_RECORDINGS: Final = 1000
LATEST_NS: Final = 2**62
MOST_WHY: Final = 300
_FILE: Final = re.compile(r"pyspy-\d+\.json")
_TOLD: Final = re.compile(r"Samples: (\d{1,15}) Errors: (\d{1,15})")


class Stacks(NamedTuple):
    """Tables by name, none where nothing was sampled; `summary` None where nobody asked for it."""

    tables: dict[str, pd.DataFrame]
    summary: dict[str, Any] | None


class _Part(NamedTuple):
    """A recording in the time of the Run."""

    recording: Recording
    uncertainty_ns: int
    offsets: list[tuple[Offset, int]]
    rows: pd.DataFrame
    moved: int


def stacks_of(folder: Path, spans: pd.DataFrame, window: Mapping[str, int] | None) -> Stacks:
    """Return what the recordings in `folder` say, by the stages of `spans`.

    A recording that cannot be read is named in the summary, with the reason.
    """
    notes = _notes(folder / NOTES)
    if notes is None:
        return Stacks({}, None)
    book, places = Book(), SpansOfThreads(spans)
    parts: list[_Part] = []
    rejected: list[list[str]] = []
    left = MOST_BYTES_IN_ALL
    for note in notes["recordings"]:
        try:
            file = _file(folder, note)
            size = min(MOST_BYTES, left, file.stat().st_size)
            left -= size
            parts.append(_read(file, size, note, book, places))
        except (OSError, ValueError) as error:
            rejected.append([str(note.get("file")), getattr(error, "strerror", None) or str(error)])
    summary = {
        "mode": notes.get("mode"),
        "rate_hz": notes.get("rate_hz"),
        "recordings": len(parts),
        "cut_short": sum(part.recording.end_us is None for part in parts),
        **_told([note.get("log") for note in notes["recordings"]]),
        "uncertainty_ns": max((part.uncertainty_ns for part in parts), default=None),
        "agreement": _agreement(parts),
        "moved": sum(part.moved for part in parts),
        "rows": sum(len(part.rows) for part in parts),
        "not_read": rejected,
        "lost": _lost(notes),
        "stacks_left_out": book.stacks_left_out,
        "changes_left_out": book.changes_left_out,
    }
    if not parts:
        return Stacks({}, summary)
    samples = pd.concat([part.rows for part in parts], ignore_index=True)
    samples = _alive(samples, notes)
    samples["thread"] = places.names(list(book.threads), samples["thread"].to_numpy())
    if window is None:
        samples["measured"] = False
    else:
        samples["measured"] = samples["t_ns"].between(
            window["start_ns"], window["end_ns"], inclusive="left"
        )
    samples = samples.sort_values("t_ns", kind="stable", ignore_index=True)
    return Stacks({"stack_samples": samples, "stacks": _stacks(book)}, summary)


def _notes(file: Path) -> dict[str, Any] | None:
    """Return what the collector noted; None where there is nothing of it."""
    with suppress(OSError, ValueError, RecursionError):
        with file.open("rb") as opened:
            found = json.loads(opened.read(MOST_NOTES))
        if isinstance(found, dict) and isinstance(found.get("recordings"), list):
            recordings = [each for each in found["recordings"] if isinstance(each, dict)]
            return {**found, "recordings": recordings[:MOST_RECORDINGS]}
    return None


def _file(folder: Path, note: Mapping[str, Any]) -> Path:
    name = note.get("file")
    if not isinstance(name, str) or not _FILE.fullmatch(name):
        raise ValueError("not the name of a recording")
    return folder / name


def _pieces(file: Path, size: int) -> Iterator[str]:
    """Yield the first `size` bytes of a file as text."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    with file.open("rb") as opened:
        while size > 0 and (data := opened.read(min(PIECE, size))):
            size -= len(data)
            yield decoder.decode(data)


def _read(
    file: Path, size: int, note: Mapping[str, Any], book: Book, places: SpansOfThreads
) -> _Part:
    recording = parse(_pieces(file, size), book)
    bounds = bracket(note, recording.end_us)
    threads, told_ns = list(book.threads), recording.t_us * 1000
    t_ns = told_ns + sum(bounds) // 2
    span = np.full(len(t_ns), NONE, dtype=np.int64)
    offsets, moved = [], 0
    for number in np.unique(recording.thread):
        mine = np.flatnonzero(recording.thread == number)
        at = places.spans_of(threads[number], told_ns[mine])
        if at is None:
            continue
        low, high = bounds[0] - LAG_NS, bounds[1]
        offset = fitted(low, high, partial(_stages, places, at), recording.stack[mine])
        span[mine], others = settled(places, at, offset.ns, recording.stack[mine])
        t_ns[mine] = told_ns[mine] + offset.ns
        offsets.append((offset, len(mine)))
        moved += others
    rows = pd.DataFrame(
        {
            "t_ns": t_ns,
            "held_ns": recording.held_us * 1000,
            "pid": np.array([thread.pid for thread in threads], dtype=np.int64)[recording.thread],
            "tid": pd.array([thread.tid for thread in threads], dtype="Int64").take(
                recording.thread
            ),
            "thread": recording.thread,
            **places.columns(span),
            "stack": recording.stack,
        }
    )
    return _Part(recording, bounds[1] - bounds[0], offsets, rows, moved)


def _stages(
    places: SpansOfThreads, spans_at: Callable[[int], NDArray[np.int64]], offset_ns: int
) -> NDArray[np.int64]:
    return places.stages_at(spans_at(offset_ns))


def _alive(samples: pd.DataFrame, notes: Mapping[str, Any]) -> pd.DataFrame:
    """Cut what a thread held last at the time when it was seen for the last time.

    py-spy does not say that a thread ended: it seems to hold its last stack until the recording's
    end. One that the collector never saw, looking twice a second, is given one sample's time.
    """
    known, rate = notes.get("seen"), notes.get("rate_hz")
    if not isinstance(known, dict) or not isinstance(rate, int) or rate < 1:
        return samples
    last = {str(k): v for k, v in known.items() if isinstance(v, int) and 0 < v < LATEST_NS}
    keys = samples["pid"].astype("string") + ":" + samples["tid"].astype("string")
    until = keys.map(last).astype("Int64").fillna(samples["t_ns"] + 10**9 // rate)
    left = (until - samples["t_ns"]).clip(lower=0).fillna(LATEST_NS)
    kept = left.where(samples["tid"].notna(), LATEST_NS).astype("int64")
    return samples.assign(held_ns=np.minimum(samples["held_ns"], kept))


def _stacks(book: Book) -> pd.DataFrame:
    told = list(book.documents())
    return pd.DataFrame({"stack": range(len(told)), "frames": pd.array(told, dtype="string")})


def _told(logs: Sequence[object]) -> dict[str, int | None]:
    """Return how many stacks py-spy says that it read and could not read; None where it did not."""
    found = [_TOLD.findall(log)[-1:] for log in logs if isinstance(log, str)]
    counts = [(int(samples), int(errors)) for each in found for samples, errors in each]
    if not counts:
        return {"samples": None, "errors": None}
    return {"samples": sum(s for s, _ in counts), "errors": sum(e for _, e in counts)}


def _lost(notes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return from when to when py-spy sampled and left no file, and why."""
    found = notes.get("lost")
    listed = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    return [
        {
            "from_ns": time_of(each, "from_ns"),
            "to_ns": time_of(each, "to_ns"),
            "why": str(each.get("why"))[:MOST_WHY],
        }
        for each in listed[:MOST_RECORDINGS]
    ]


def _agreement(parts: Sequence[_Part]) -> float | None:
    known = [each for part in parts for each in part.offsets if each[0].agreement is not None]
    total = sum(count for _, count in known)
    return sum((o.agreement or 0.0) * count for o, count in known) / total if total else None
