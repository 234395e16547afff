"""Makes sides of a comparison: many runs of a made Run, each a little other, with known effects."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from probe import judge, store
from probe.comparison import Side, compare
from probe.store import Run

POWER = {
    "name": "power", "outcome": "ok", "reason": None, "remedy": None, "samples": 0,
    "tracks": [{"name": "power.total", "unit": "watts", "title": "Power at the inlet",
                "grade": "measured", "kind": None}],
    "period_ns": 10**9, "sensitive": False, "calls": 30, "cpu_ns": 1, "wall_ns": 1,
    "slowest_ns": 1,
}  # fmt: skip


def another(
    run: Run,
    rng: np.random.Generator,
    *,
    infer_ms: float = 0.0,
    watts: float | None = None,
    warmer: float = 0.0,
    lost: float = 0.0,
    manifest: Mapping[str, Any] | None = None,
) -> Run:
    """Return another run of the program: its inference takes `infer_ms` longer, and it scatters.

    A share `lost` of the frames is dropped. The gauge of frames in flight goes: it would contradict
    the new times.
    """
    held = {name: run.table(name) for name in store.TABLES if run.has(name)}
    frames, spans = held["frames"].copy(), held["spans"].copy()
    samples = held["samples"].copy()
    shift = infer_ms + float(rng.normal(0, 0.25))
    if "infer" in set(spans["stage"]):
        mine = spans["stage"] == "infer"
        own = rng.normal(shift, 0.3, int(mine.sum()))
        spans.loc[mine, "end_ns"] = spans.loc[mine, "end_ns"] + np.rint(own * 1e6).astype(np.int64)
    if len(frames):
        own = rng.normal(shift, 0.6, len(frames))
        later = pd.array(np.rint(own * 1e6).astype(np.int64), dtype="Int64")
        for end in ("delivered_ns", "rendered_ns"):
            frames[end] = frames[end] + later
        gone = rng.random(len(frames)) < lost
        frames.loc[gone, ["fate", "rendered_ns", "delivered_ns"]] = ["dropped", pd.NA, pd.NA]
    samples = samples[samples["track"] != "program.in_flight"]
    heat = samples["track"] == "thermal.temperature"
    samples.loc[heat, "value"] = samples.loc[heat, "value"] + warmer + float(rng.normal(0, 0.4))
    document = {**copy.deepcopy(dict(run.manifest)), **copy.deepcopy(dict(manifest or {}))}
    if watts is not None:
        times = samples.loc[heat, "t_ns"].to_numpy()
        mean = watts + float(rng.normal(0, 0.06))
        power = {"track": "power.total", "label": "", "t_ns": times,
                 "value": rng.normal(mean, 0.1, len(times))}  # fmt: skip
        samples = pd.concat([samples, pd.DataFrame(power)], ignore_index=True)
        document["collectors"] = [*document["collectors"], POWER]
    return Run.of(document, {**held, "frames": frames, "spans": spans, "samples": samples})


def side(
    name: str,
    run: Run,
    runs: int = 5,
    *,
    at: int = 0,
    board: str = "Test Board 5",
    manifest: Mapping[str, Any] | None = None,
    **how: Any,
) -> Side:
    """Return a side of so many runs, measured in turn with the other sides; `at` is its place."""
    rng = np.random.default_rng(100 + at)
    made = []
    for number in range(runs):
        minute = 4 * number + (at if number % 2 == 0 else 3 - at)
        slug = board.lower().replace(" ", "-")
        own = {
            "id": f"20261121T02{minute:02d}00Z-{run.manifest['scenario']['name']}-{slug}",
            "created": f"2026-11-21T02:{minute:02d}:00Z",
            "device": {**run.manifest["device"], "name": board, "board": board},
        }
        one = another(run, rng, manifest={**own, **(manifest or {})}, **how)
        made.append((one, judge.judge(one)))
    return Side(name, tuple(made))


CASES = ("three", "worse", "better", "same", "few", "blocked", "generation", "crossed", "partly")
OTHER_INPUT = "1" * 64


def _hashes(run: Run, **changed: str) -> dict[str, Any]:
    scenario = run.manifest["scenario"]
    return {"scenario": {**scenario, "hashes": {**scenario["hashes"], **changed}}}


def case(name: str, live: Run, generator: Run) -> tuple[dict[str, Any], list[Side]]:
    """Return the document and the sides of a comparison; its first side is the base."""
    how: dict[str, Any] = {"vary": ["device"]}

    def usual() -> Side:
        return side("a", live, at=0, board="Board 5, HAT A", watts=11.2)

    def slow() -> Side:
        return side("b", live, at=1, board="Board 5, HAT B", watts=10.4, infer_ms=8.5, lost=0.01)

    def hot(runs: int = 5) -> Side:
        how = {"watts": 13.3, "infer_ms": -1.5, "warmer": 9}
        return side("c", live, runs, at=2, board="Board 5, HAT C", **how)

    made: dict[str, Callable[[], list[Side]]] = {
        "three": lambda: [usual(), slow(), hot()],
        "worse": lambda: [usual(), side("b", live, at=1, watts=11.2, infer_ms=4)],
        "better": lambda: [slow(), usual()],
        "few": lambda: [Side("a", usual().runs[:2]), Side("b", slow().runs[:3])],
        "same": lambda: [side("a", live, at=0), side("b", live, at=3)],
        "blocked": lambda: [
            side("a", live), side("b", live, manifest=_hashes(live, input=OTHER_INPUT)),
        ],
        "generation": lambda: [side("a", generator, 4), side("b", generator, 4, at=1)],
        "crossed": lambda: [side("a", live, 4), side("b", generator, 4)],
        "partly": lambda: [
            usual(), Side("b", (*slow().runs[1:], side("b", live, 1, at=1).runs[0])),
        ],
    }  # fmt: skip
    sides = made[name]()
    if name == "three":
        how["least_percent"] = 2
    if name == "crossed":
        how["vary"] = ["mode", "name", "run", "stage", "source", "collectors", "providers"]
    if name == "partly":
        how = {}
    return compare(sides[0], sides[1:], **how), sides
