"""Is sampling steady while the program is busy? From beside it, and from a thread inside it.

    python tests/bench/bench_sampling.py [--rounds 6] [--seconds 5] [--json FILE]

A Python program computes without a pause, so that a thread of it holds the interpreter all the
time. Something else is to read /proc/stat at 10 and at 100 Hz, on an absolute schedule: a process
beside the program, as liveprobe's collectors are, or a thread inside the program, as many samplers
are. In each round all of them take turns, forwards and backwards. What counts is how late a reading
is after its time: its p50, its p99, and how many are later than half a period.

Goal: at 100 Hz the p99 of the process is at most half that of the thread, by the whole 95 %
interval of the median over rounds (METHOD: which rule decides what).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from probe import statistics
from probe.statistics.goals import median_interval, resolved

RATES_HZ: Final = (10, 100)
GOAL: Final = 0.5
SOURCE: Final = "/proc/stat"
TIMEOUT_S: Final = 120


def sample(rate_hz: int, seconds: float) -> list[int]:
    """Read the source at a rate and return how late each reading was, in ns."""
    late = []
    with Path(SOURCE).open("rb", buffering=0) as source:
        begun = time.monotonic_ns()
        for k in range(1, round(seconds * rate_hz) + 1):
            due = begun + k * 1_000_000_000 // rate_hz
            time.sleep(max(0, due - time.monotonic_ns()) / 1e9)
            late.append(time.monotonic_ns() - due)
            source.seek(0)
            source.read(1 << 16)
    return late


def compute(over: threading.Event) -> int:
    """Compute in the interpreter until `over`; return how far it came."""
    total = steps = 0
    while not over.is_set():
        for k in range(10_000):
            total += k * k % 7
        steps += 1
    return steps


def busy(where: str, rate_hz: int, seconds: float) -> None:
    """Be the busy program; with `where` "thread" it samples inside itself and prints that."""
    over = threading.Event()
    steps: list[int] = []
    worker = threading.Thread(target=lambda: steps.append(compute(over)))
    worker.start()
    print("computing", flush=True)
    if where == "thread":
        late = sample(rate_hz, seconds)
    else:
        sys.stdin.readline()  # the bench says when it has sampled enough
        late = []
    over.set()
    worker.join()
    print(json.dumps({"late": late, "steps": steps[0]}), flush=True)


def one(where: str, rate_hz: int, seconds: float) -> dict[str, float]:
    """Sample a busy program from `where` and return how late that was, in ms."""
    command = [sys.executable, __file__, "--busy", where, "--rate", str(rate_hz)]
    with subprocess.Popen(
        [*command, "--seconds", str(seconds)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as program:  # fmt: skip
        assert program.stdout is not None
        assert program.stdin is not None
        program.stdout.readline()
        begun = time.monotonic()
        late = sample(rate_hz, seconds) if where == "process" else []
        rest, _ = program.communicate("enough\n", timeout=TIMEOUT_S)
        took = time.monotonic() - begun
    said = json.loads(rest)
    ordered = np.sort(np.asarray(late or said["late"], float)) / 1e6
    half = 500 / rate_hz
    return {
        "p50_ms": float(ordered[statistics.rank(len(ordered), 0.5) - 1]),
        "p99_ms": float(ordered[statistics.rank(len(ordered), 0.99) - 1]),
        "late_share": float(np.mean(ordered > half)),
        "steps_per_s": said["steps"] / took,
        "readings": len(ordered),
    }


def measure(rounds: int, seconds: float) -> dict[str, Any]:
    """Measure all in rounds, forwards and backwards, and print what it came to."""
    kinds = [(where, rate) for rate in RATES_HZ for where in ("process", "thread")]
    found: dict[tuple[str, int], list[dict[str, float]]] = {kind: [] for kind in kinds}
    for number in range(rounds):
        for where, rate in kinds if number % 2 == 0 else reversed(kinds):
            found[where, rate].append(one(where, rate, seconds))
        print(f"  round {number + 1} of {rounds}")
    print(
        f"{'sampled from':<14}{'Hz':>5}{'p50 ms':>9}{'p99 ms':>9}{'late share':>17}{'steps/s':>9}"
    )
    result: dict[str, Any] = {}
    for (where, rate), runs in found.items():
        middle = {key: float(np.median([run[key] for run in runs])) for key in runs[0]}
        result[f"{where} {rate} Hz"] = middle
        print(
            f"{where:<14}{rate:>5}{middle['p50_ms']:>9.2f}{middle['p99_ms']:>9.2f}"
            f"{100 * middle['late_share']:>15.1f} %{middle['steps_per_s']:>9.0f}"
        )
    for rate in RATES_HZ:
        both = zip(found["process", rate], found["thread", rate], strict=True)
        ratios = np.asarray([own["p99_ms"] / inside["p99_ms"] for own, inside in both])
        interval = median_interval(ratios)
        said = resolved(interval, GOAL).text
        ends = "" if interval is None else f" (95 %: {interval.low:.2f} to {interval.high:.2f})"
        print(f"{rate} Hz: p99 of the process is {np.median(ratios):.2f} of the thread's{ends};"
              f" goal at most {GOAL:g}: {said}")  # fmt: skip
        result[f"ratio {rate} Hz"] = {"values": ratios.tolist(), "said": said}
    return result


def main() -> None:
    """Measure, or be the program that is sampled."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--busy", choices=("process", "thread"), help=argparse.SUPPRESS)
    parser.add_argument("--rate", type=int, default=100, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.busy:
        busy(options.busy, options.rate, options.seconds)
        return
    result = measure(options.rounds, options.seconds)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
