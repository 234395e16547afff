"""What can be measured on this machine, and what would enable the rest?

Every collector is started as a run would start it, reads twice, and is stopped. Nothing is judged
and nothing is changed.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from probe.devices import copying
from probe.devices.local import inventory
from probe.devices.surroundings import OK, surroundings
from probe.neighbours import ours
from probe.sampling import Sampling

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from probe.model import Collector, Device

BETWEEN_READINGS_S: Final = 0.3
"""Long enough that counters which advance every 10 ms show a share, and a windowed one moved on."""
MEASURED, NO_DATA, FAILED = "measured", "no data", "failed"


class Row(NamedTuple):
    """One track: who reads it, how it is known, and whether it is. Values are JSON.

    `state` is "measured", "no data" or "failed"; `reason` says what was found or missed, `remedy`
    what would enable it.
    """

    track: str
    source: str
    unit: str
    grade: str
    kind: str | None
    period_ns: int
    state: str
    lines: int
    reason: str | None
    remedy: str | None


def check(
    device: Device, *, wait_s: float = BETWEEN_READINGS_S, classes: Sequence[type[Collector]] = ()
) -> list[Row]:
    """Try every collector on the device and return a row for each of its tracks.

    On this machine a small program that copies is watched, elsewhere the doctor's own process
    stands for one. Collectors that fail are rows too.
    """
    found = classes or ours("collectors").discover()
    sampling = Sampling([each() for each in found])
    with ExitStack() as stack:
        pid = device.program_pid or os.getpid()
        if device.root == copying.HERE and device.program_pid is None:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="liveprobe-")))
            start = copying.launch(folder)
            environment = {**start.environment, **sampling.attach(start)}
            pid = stack.enter_context(copying.program(environment))
        sampling.start(replace(device, program_pid=pid))
        time.sleep(wait_s)
        sampling.stop()
    values: dict[str, set[str]] = {}
    for track, label, _, value in sampling.rows():
        if value is not None:
            values.setdefault(track, set()).add(label)
    return [row for document in sampling.documents() for row in _rows(document, values)]


def examine(device: Device, *, wait_s: float = BETWEEN_READINGS_S) -> dict[str, Any]:
    """Return the doctor's document: {"device", "tracks", "environment"}, ready for JSON."""
    found = inventory(device)
    return {
        "device": found,
        "tracks": [row._asdict() for row in check(device, wait_s=wait_s)],
        "environment": [
            each._asdict() for each in (*surroundings(device, found), *copying.copying(device))
        ],
    }


def lines(document: Mapping[str, Any]) -> list[str]:
    """Return the document of `examine` as text; what is missing has its remedy below it."""
    device = document["device"]
    about = [device["board"], device["cpu"], device["os"], device["kernel"]]
    text = [f"{device['name']}: {', '.join(each for each in about if each)}"]
    text += [
        f"  {part['name']}: driver {part['driver'] or 'not loaded'}"
        for part in device["accelerators"]
    ]
    text += ["", "Can be measured"]
    for row in document["tracks"]:
        text += _told(row["track"], row["state"] == MEASURED, row["reason"], row["remedy"])
    text += ["", "Around the measurement"]
    for each in document["environment"]:
        text += _told(each["name"], each["state"] == OK, each["reason"], each["remedy"])
    return text


def _rows(document: Mapping[str, Any], values: Mapping[str, set[str]]) -> Iterator[Row]:
    """Yield the rows of one collector from what a run would write of it."""
    for track in document["tracks"]:
        count = len(values.get(track["name"], ()))
        state, reason, remedy = MEASURED, f"{count} lines, {track['unit']}", None
        if document["outcome"] != "ok":
            state = NO_DATA if document["outcome"] == NO_DATA else FAILED
            reason, remedy = document["reason"], document["remedy"]
        elif count == 0:
            state, reason = NO_DATA, "its collector runs, but this device gave no value for it"
        yield Row(
            track=track["name"],
            source=document["name"],
            unit=track["unit"],
            grade=str(track["grade"]),
            kind=None if track["kind"] is None else str(track["kind"]),
            period_ns=document["period_ns"],
            state=state,
            lines=count,
            reason=reason,
            remedy=remedy,
        )


def _told(name: str, good: bool, reason: str | None, remedy: str | None) -> list[str]:
    first = f"  {'+' if good else '-'} {name:<22} {reason or ''}".rstrip()
    return [first] if good or not remedy else [first, f"      {remedy}"]
