"""What can be measured on this device, and what would enable the rest?

Every collector is started as a run would start it, reads twice, and is stopped. Nothing is judged
and nothing is changed. A captured tree is looked at in the same way, and nothing else is: what this
machine has never stands in the answer.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from probe.devices import codecs, copying
from probe.devices.kinds import of_device
from probe.devices.local import inventory
from probe.devices.surroundings import of_host, surroundings
from probe.devices.tree import leaving
from probe.devices.versions import identified
from probe.devices.weighed import weighed
from probe.model import Supported
from probe.neighbours import ours
from probe.sampling import WAIT_S, Sampling
from probe.tool import is_here

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from probe.devices.accelerators import Accelerator
    from probe.model import Collector, Device

SCHEMA: Final = 1
BETWEEN_READINGS_S: Final = 0.3
"""Long enough that counters which advance every 10 ms show a share, and a windowed one moved on."""
SETTLED_NS: Final = 50_000_000
"""A rate over less than this says little: the reading at the end may follow another at once."""
POLL_S: Final = 0.005
MEASURED, NO_VALUE, NO_DATA, FAILED = "measured", "no value", "no data", "failed"
OTHER_DEVICE, OFF, ASLEEP = "other device", "off", "asleep"
STATES: Final = (MEASURED, NO_VALUE, ASLEEP, NO_DATA, OTHER_DEVICE, OFF, FAILED)
ASLEEP_REASON: Final = "throughout the trial; it has no value then, and is not woken for one"
ASLEEP_REMEDY: Final = "look again while a program uses it"
NO_PROGRAM: Final = ("no program", "/proc/self/")
"""What collectors that watch a program say where there is none, or look at instead."""


class Row(NamedTuple):
    """One track: who reads it from where, how it is known, and whether it is. Values are JSON.

    `state` is one of `STATES`: "no value" is of a collector that runs and read nothing in the
    trial, "asleep" of one whose device slept in all of it. `values` are the last ones of the trial,
    one a line, so that everybody sees whether they can be true; they are in the order of their
    labels, which stay here, for those can be names of other programs. `reason` says what was found
    or missed, `remedy` what would enable it. `source` is what it was read from, where its collector
    says so; `sources` are the rows of the support matrix that name the track: {"device", "source",
    "seen", "needs"}.
    """

    track: str
    title: str
    collector: str
    unit: str
    grade: str
    kind: str | None
    period_ns: int | None
    state: str
    lines: int
    values: list[float]
    reason: str | None
    remedy: str | None
    source: str | None
    sources: list[dict[str, str]]


def check(
    device: Device, *, wait_s: float = BETWEEN_READINGS_S, classes: Sequence[type[Collector]] = ()
) -> list[Row]:
    """Try every collector on the device and return a row for each of its tracks.

    On this machine a small program that copies is watched; a captured tree may have a program of
    its own. Collectors that fail are rows too.
    """
    found = [each() for each in classes or ours("collectors").discover()]
    sampling = Sampling(found)
    with ExitStack() as stack:
        pid = device.program_pid
        if is_here(device) and pid is None:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="liveprobe-")))
            start = copying.launch(folder)
            environment = {**start.environment, **sampling.attach(start)}
            pid = stack.enter_context(copying.program(environment))
        try:
            sampling.start(replace(device, program_pid=pid))
            _wait_for_a_reading(sampling)
            time.sleep(wait_s)
        finally:
            sampling.stop()
    sampling.conclude()
    values = _last_values(sampling.rows())
    sources = {each.name: _sources(each) for each in found}
    rows = [
        row
        for document in sampling.documents()
        for row in _rows(document, values, sources[document["name"]])
    ]
    return rows if is_here(device) else [_of_tree(row, device) for row in rows]


def examine(device: Device, *, wait_s: float = BETWEEN_READINGS_S) -> dict[str, Any]:
    """Return the doctor's document, ready for JSON; `probe.devices.answer` has its schema."""
    found, here = inventory(device), is_here(device)
    _identify(device, found["accelerators"])
    around = surroundings(device, found)
    if here:
        around += [*of_host(), *copying.copying(device), weighed(found)]
    return {
        "schema": SCHEMA,
        "tree": None if here else str(device.root),
        "leaving_tree": [] if here else leaving(device.root),
        "program_pid": device.program_pid,
        "device": found,
        "codecs": {
            "hardware": codecs.codecs(device),
            "pyav": codecs.of_pyav() if here else None,
        },
        "tracks": [_placed(row, found)._asdict() for row in check(device, wait_s=wait_s)],
        "environment": [each._asdict() for each in around],
    }


def _placed(row: Row, found: Mapping[str, Any]) -> Row:
    """Say by the support matrix what a track was read from, where its collector does not."""
    if row.state != MEASURED or row.source is not None:
        return row
    places = dict.fromkeys(each["source"] for each in of_device(row.sources, found))
    return row._replace(source="; ".join(places) or None)


def _identify(device: Device, accelerators: Sequence[Accelerator]) -> None:
    """Let a single Hailo say which it is: what sysfs shows of an 8 and of an 8L is the same."""
    chips = [each for each in accelerators if each["name"].startswith("Hailo") and each["driver"]]
    if len(chips) == 1:
        name, firmware = identified(device)
        chips[0]["name"], chips[0]["firmware"] = name or chips[0]["name"], firmware


def _wait_for_a_reading(sampling: Sampling) -> None:
    """Wait until every collector read once: with the last reading, each has read twice."""
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until and any(
        each["outcome"] == "ok" and not each["calls"] for each in sampling.documents()
    ):
        time.sleep(POLL_S)


def _last_values(
    rows: Sequence[tuple[str, str, int, float | None]],
) -> dict[str, dict[str, float]]:
    """Return the last value of each line by track and label, but for those read at once again."""
    values: dict[str, dict[str, float]] = {}
    read_ns: dict[tuple[str, str], int] = {}
    for track, label, t_ns, value in rows:
        if value is None or t_ns - read_ns.get((track, label), -SETTLED_NS) < SETTLED_NS:
            continue
        values.setdefault(track, {})[label] = value
        read_ns[track, label] = t_ns
    return values


def _sources(collector: Collector) -> dict[str, list[dict[str, str]]]:
    """Return the rows of the support matrix by track; none where a collector states none."""
    found: dict[str, list[dict[str, str]]] = {}
    for row in collector.support if isinstance(collector, Supported) else ():
        said = {"device": row.device, "source": row.source, "seen": str(row.seen),
                "needs": row.needs}  # fmt: skip
        for track in row.tracks:
            found.setdefault(track, []).append(said)
    return found


def _rows(
    document: Mapping[str, Any],
    values: Mapping[str, Mapping[str, float]],
    sources: Mapping[str, list[dict[str, str]]],
) -> Iterator[Row]:
    """Yield the rows of one collector from what a run would write of it."""
    for track in document["tracks"]:
        read = values.get(track["name"], {})
        state, reason, remedy = _state(document, track, len(read))
        yield Row(
            track=track["name"],
            title=track["title"],
            collector=document["name"],
            unit=track["unit"],
            grade=str(track["grade"]),
            kind=None if track["kind"] is None else str(track["kind"]),
            period_ns=track["period_ns"],
            state=state,
            lines=len(read),
            values=[value for _, value in sorted(read.items())],
            reason=reason,
            remedy=remedy,
            source=track["source"] if state == MEASURED else None,
            sources=sources.get(track["name"], []),
        )


def _state(
    document: Mapping[str, Any], track: Mapping[str, Any], count: int
) -> tuple[str, str | None, str | None]:
    """Return state, reason and remedy of a track."""
    outcome = document["outcome"]
    lacking = document["lacking"].get(track["name"])
    if outcome != "ok":
        if outcome == NO_DATA and lacking:
            return lacking["outcome"], lacking["reason"], lacking["remedy"]
        return outcome, document["reason"], document["remedy"]
    if count:
        lines = "1 line" if count == 1 else f"{count} lines"
        return MEASURED, f"{lines}, {track['unit']}", None
    if lacking:
        return lacking["outcome"], lacking["reason"], lacking["remedy"]
    if track["name"] in document["asleep"]:
        return ASLEEP, ASLEEP_REASON, ASLEEP_REMEDY
    return NO_VALUE, "its collector runs, but gave no value in the trial", None


def _of_tree(row: Row, device: Device) -> Row:
    """Say it as of a tree: paths as on the device, and why some things cannot be there."""
    told = (row.reason, row.remedy, row.source)
    reason, remedy, source = (_on_device(text, device) for text in told)
    alone, state = device.program_pid is None, row.state
    if alone and state == NO_DATA and any(each in (reason or "") for each in NO_PROGRAM):
        state, remedy = NO_VALUE, None
    if state == NO_VALUE:
        reason = f"the tree stands still{' and holds no program' if alone else ''}"
    return row._replace(state=state, reason=reason, remedy=remedy, source=source)


def _on_device(text: str | None, device: Device) -> str | None:
    root = str(device.root)
    return None if text is None else text.replace(f"{root}/", "/").replace(root, "the tree")
