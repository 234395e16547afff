"""What does sampling cost the reference pipeline, and how often is a sample in the wrong stage?

    python tests/bench/bench_pyspy.py [--rounds 5] [--seconds 15] [--json FILE]

cost    the live reference pipeline with py-spy off, without pausing it, and with native frames, all
        at 100 Hz, in rounds that take turns: each figure is a ratio within its round. Latency is
        from the scheduled time to the delivery, before the display rounds it; p99 of some hundred
        frames is that of a handful of them.
truth   a program with one hot function a stage, stages of 3 to 12 ms: the share of samples in a
        stage whose function is not that stage's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import scenarios
from probe import engine
from probe.hotspots import HotSpots, hot_spots_of
from probe.scenario import Scenario
from probe.scenario.file import load
from probe.scenario.inputs import resolve
from probe.store import Run
from scenarios import assets

MODES = ("off", "nonblocking", "native")
FIGURES = ("p50_ms", "p99_ms", "cpu_ms_per_frame", "sampler_cpu_percent")
HOT = {"decode": "scan_rows", "infer": "convolve"}
PROGRAM = """
import random, time
import probe
def scan_rows(until):
    while time.monotonic_ns() < until: pass
def convolve(until):
    while time.monotonic_ns() < until: pass
end = time.monotonic() + {seconds}
frame = 0
while time.monotonic() < end:
    now = time.monotonic_ns()
    probe.frame(frame, scheduled_ns=now)
    with probe.stage("decode", frame=frame):
        scan_rows(now + random.randint(3, 12) * 10**6)
    now = time.monotonic_ns()
    with probe.stage("infer", frame=frame):
        convolve(now + random.randint(3, 12) * 10**6)
    probe.mark("delivered", frame=frame)
    time.sleep(0.004)
    frame += 1
"""


def pipeline(mode: str, seconds: float, folder: Path) -> dict[str, float]:
    """Run the reference pipeline once, and return its figures."""
    changes = (
        f"run.duration={seconds}s", "run.warmup=3s", "run.collectors=['pyspy']",
        "copies.mode=off", f"pyspy.mode={mode}",
    )  # fmt: skip
    loaded = load("live-background-blur", folder=scenarios.folder(), overrides=changes)
    builtin = {Path(name).stem: assets.path(name) for name in assets.NAMES}
    run = Run.open(engine.measure(resolve(loaded.scenario, builtin), folder))
    frames = run.table("frames")
    frames = frames[frames["measured"] & frames["delivered_ns"].notna()]
    latency = (frames["delivered_ns"] - frames["scheduled_ns"]).to_numpy(dtype=np.float64) / 1e6
    program = run.manifest["program"]
    lasted_s = (program["ended_ns"] - program["started_ns"]) / 1e9
    facts = run.manifest["collectors"][0].get("facts") or {"cpu_ns": 0}
    return {
        "p50_ms": float(np.percentile(latency, 50)),
        "p99_ms": float(np.percentile(latency, 99)),
        "cpu_ms_per_frame": program["cpu_ns"] / 1e6 / len(run.table("frames")),
        "sampler_cpu_percent": 100 * facts["cpu_ns"] / 1e9 / lasted_s,
    }


def wrong(mode: str, seconds: float, folder: Path) -> dict[str, Any]:
    """Sample the program of known stages, and return how many samples stand in the wrong one."""
    file = folder / f"{mode}.py"
    file.write_text(PROGRAM.format(seconds=seconds), encoding="utf-8")
    document = {
        "name": "truth", "mode": "command", "program": {"command": [sys.executable, str(file)]},
        "run": {"warmup": "500ms", "collectors": ["pyspy"]}, "pyspy": {"mode": mode},
    }  # fmt: skip
    found = hot_spots_of(Run.open(engine.measure(Scenario.model_validate(document), folder)))
    if not isinstance(found, HotSpots):
        raise SystemExit(f"{mode}: {found.reason}")
    bad = sum(
        function.total.value * stage.samples
        for stage in found.stages
        for function in stage.functions
        if function.function in HOT.values() and function.function != HOT[stage.stage]
    )
    inside = found.samples - found.outside
    return {
        "wrong_percent": 100 * bad / inside,
        "samples": inside,
        "clock_ms": (found.uncertainty_ns or 0) / 2e6,
    }


def ratios(rounds: list[dict[str, dict[str, float]]], mode: str, figure: str) -> str:
    """Return the median and the ends of a figure against off, in percent."""
    found = [100 * (each[mode][figure] / each["off"][figure] - 1) for each in rounds]
    return f"{statistics.median(found):+.1f} % ({min(found):+.1f} to {max(found):+.1f})"


def main() -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    asked = parser.parse_args()
    rounds: list[dict[str, dict[str, float]]] = []
    truth: dict[str, list[dict[str, Any]]] = {mode: [] for mode in MODES[1:]}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for number in range(asked.rounds):
            order = MODES[number % 3 :] + MODES[: number % 3]
            rounds.append({mode: pipeline(mode, asked.seconds, folder) for mode in order})
            for mode, found in truth.items():
                found.append(wrong(mode, asked.seconds / 2, folder))
    print(f"cost, {asked.rounds} rounds of {asked.seconds:g} s")
    for mode in MODES:
        said = [f"{f} {statistics.median(r[mode][f] for r in rounds):.2f}" for f in FIGURES]
        print(f"  {mode:12} {'  '.join(said)}")
    for mode in MODES[1:]:
        said = [f"{figure} {ratios(rounds, mode, figure)}" for figure in FIGURES[:3]]
        print(f"  {mode:12} against off: {'  '.join(said)}")
    print("truth")
    for mode, found in truth.items():
        worst = max(each["wrong_percent"] for each in found)
        middle = statistics.median(each["wrong_percent"] for each in found)
        clock = statistics.median(each["clock_ms"] for each in found)
        count = sum(each["samples"] for each in found)
        print(f"  {mode:12} wrong {middle:.1f} % (worst {worst:.1f}), clock {clock:.1f} ms,"
              f" {count:.0f} samples")  # fmt: skip
    if asked.json:
        asked.json.write_text(json.dumps({"rounds": rounds, "truth": truth}, indent=1))


if __name__ == "__main__":
    main()
