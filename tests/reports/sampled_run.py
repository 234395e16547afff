"""Gives a made Run samples of many tracks: some that explain lateness, some that never moved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from probe.store import TABLES, Run

MOVED = (
    ("disk", "disk.read", "bytes/s", ("python:4242",)),
    ("memory", "memory.rss", "bytes", ("python:4242",)),
    ("zz_third", "zz_third.thing", "furlongs", ("",)),
    ("throttle", "throttle.capped", "percent", ("cpu0-3",)),
    ("thermal", "thermal.temperature", "celsius", ("cpu-thermal", "gpu-thermal")),
    ("pressure", "pressure.stalled", "percent", ("cpu some", "io some", "io full", "x", "y")),
    ("cpu", "cpu.core", "percent", ("cpu0", "cpu1")),
    ("cpu", "cpu.thread", "percent", ("python:4246", "python:4999")),
)
STILL = (
    ("network", "network.lost", "1/s", ("eth0", "lo"), 0.0),
    ("memory", "memory.swapped", "bytes", ("python:4242",), 0.0),
    ("thermal", "thermal.fan", "1/min", tuple(f"fan{k}" for k in range(9)), 1200.0),
)
WAITS = "scheduler_trace.wait"
FRONT = ["cpu.thread", "cpu.core", WAITS, "thermal.temperature", "throttle.capped",
         "pressure.stalled"]  # fmt: skip
"""The tracks that stand in front, in this order."""
TAKERS = (
    ("python:4246 < cc1plus:1", 30.0), ("python:4246 < cc1plus:2", 50.0),
    ("python:4246 < decode:4244", 20.0), ("python:4246 < idle", 0.01),
    ("decode:4244 < python:4246", 40.0), ("decode:4244 < python:9", 4.0),
)  # fmt: skip
"""Waits in ms: the first of each second is of the first label, and so on, over and over."""


def sampled(run: Run, *, others: int = 9, waits: int = 600) -> Run:
    """Return the Run with these tracks; `others` are moving lines of tracks that nobody listed."""
    start, end = run.manifest["window"]["start_ns"], run.manifest["window"]["end_ns"]
    times = np.arange(start, end, 250_000_000)
    rng = np.random.default_rng(9)
    more = tuple(("other", f"other.track_{k}", "count", ("",)) for k in range(others))
    parts = [
        _rows(track, label, times, rng.normal(50 + 5 * k, 4, len(times)).round(2))
        for _, track, _, labels in MOVED + more
        for k, label in enumerate(labels)
    ]
    parts += [
        _rows(track, label, times, np.full(len(times), value))
        for _, track, _, labels, value in STILL
        for label in labels
    ]
    parts.append(_waits(start, end, waits))
    spans = run.table("spans").copy()
    spans["thread"] = spans["thread"].astype("string").replace("infer:4246", "python:4246")
    tables = {name: run.table(name) for name in TABLES if run.has(name)}
    tables |= {"samples": pd.concat(parts, ignore_index=True), "spans": spans}
    declared = [row[:3] for row in MOVED + more] + [row[:3] for row in STILL]
    return Run.of({**run.manifest, "collectors": _entries(declared)}, tables)


def _rows(track: str, label: str, times: Any, values: Any) -> pd.DataFrame:
    return pd.DataFrame({"track": track, "label": label, "t_ns": times, "value": values})


def _waits(start: int, end: int, number: int) -> pd.DataFrame:
    """Make waits over the window, and one in the warm-up that is longer than all."""
    times = np.linspace(start + 10**9, end - 10**9, number).astype(np.int64)
    labels = [TAKERS[k % len(TAKERS)][0] for k in range(number)]
    values = [TAKERS[k % len(TAKERS)][1] / 1e3 for k in range(number)]
    before = _rows(WAITS, "python:4246 < cc1plus:1", [start - 10**9], [0.9])
    return pd.concat([before, _rows(WAITS, labels, times, values)])  # type: ignore[arg-type]


def _entries(declared: list[tuple[str, str, str]]) -> list[dict[str, Any]]:
    """Return the collectors as run.json has them, in the order of their names."""
    declared = [*declared, ("scheduler_trace", WAITS, "seconds")]
    found = []
    for name in sorted({each[0] for each in declared}):
        tracks = [
            {"name": track, "unit": unit, "title": f"Title of {track}", "grade": "measured",
             "kind": None}
            for owner, track, unit in declared
            if owner == name
        ]  # fmt: skip
        found.append(_entry(name, "ok", None, tracks))
    gone = _entry("power", "no data", "no sensor of power", [])
    elsewhere = _entry("hailo", "other device", "no Hailo on PCI", [])
    return [*found, gone, elsewhere]


def _entry(name: str, outcome: str, reason: str | None, tracks: list[Any]) -> dict[str, Any]:
    return {
        "name": name, "outcome": outcome, "reason": reason, "remedy": None, "samples": 9,
        "tracks": tracks, "period_ns": 250_000_000, "sensitive": False, "calls": 1, "cpu_ns": 1,
        "wall_ns": 1, "slowest_ns": 1,
    }  # fmt: skip
