"""Is sampling steady while the program is busy? From the harness, and from a thread inside it.

    python tests/bench/bench_sampling.py [--rounds 6] [--seconds 5] [--json FILE]

A Python program computes without a pause, so that a thread of it holds the interpreter all the
time. /proc/stat is to be read at 10 and at 100 Hz. From the harness: by a collector among all those
that ship, each on its thread of `Sampling`, all under one interpreter lock; those that read more
often than once a second are sped up to 10 Hz with it, at 100 Hz those that keep their files open.
Else by a thread inside the program, as many samplers do it; and, to know what of it is the
machine's, by a process that does nothing else. In each round all take turns, forwards and
backwards. What counts is by how much the time between two readings is longer than it should be:
its p50, its p99, the longest, and how often it is half a period or more.

Goal: at 100 Hz the p99 from the harness is at most half that of the thread, by the whole 95 %
interval of the median over rounds (METHOD: which rule decides what).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np

import collectors
from probe import statistics
from probe.kernel_file import KernelFile
from probe.model import Collector, Device, Notice, Sample, Track
from probe.sampling import Sampling
from probe.statistics.goals import median_interval, resolved

RATES_HZ: Final = (10, 100)
WHERE: Final = ("harness", "loop", "thread")
GOAL: Final = 0.5
SOURCE: Final = Path("/proc/stat")
TIMEOUT_S: Final = 120
SPILL_S: Final = 2.0
SECOND_NS: Final = 10**9
KEEP_OPEN: Final = frozenset({"pressure", "thermal", "throttle", "power"})
"""Collectors whose files stay open and are few: facts/devices.md allows those the fastest pace."""


class Beat:
    """Reads the source and notes when: what its neighbours cost it is what is measured."""

    name = "beat"
    tracks = (Track("beat.bytes", "bytes", "What was read"),)
    sensitive = False

    def __init__(self, rate_hz: int) -> None:
        self.period_ns: int | None = SECOND_NS // rate_hz
        self.times: list[int] = []
        self._file: KernelFile | None = None

    def start(self, device: Device) -> None:
        """Open the source."""
        self._file = KernelFile(device.path(str(SOURCE)), 1 << 16)

    def sample(self, t_ns: int) -> Iterable[Sample | Notice]:
        """Read it."""
        self.times.append(t_ns)
        if self._file is not None:
            yield Sample("beat.bytes", "", float(len(self._file.read() or "")))

    def stop(self) -> None:
        """Close it."""
        if self._file is not None:
            self._file.close()


def everything(rate_hz: int) -> list[Collector]:
    """Return all collectors, those that may be at this rate."""
    found: list[Collector] = [each() for each in collectors.shipped()]
    for each in found:
        quick = each.period_ns is not None and each.period_ns < SECOND_NS
        if quick and (rate_hz == RATES_HZ[0] or each.name in KEEP_OPEN):
            each.period_ns = SECOND_NS // rate_hz
    return found


def from_harness(pid: int, rate_hz: int, seconds: float) -> tuple[list[int], dict[str, Any]]:
    """Sample with everything for so long; return when the beat was, and what else ran."""
    beat = Beat(rate_hz)
    sampling = Sampling([beat, *everything(rate_hz)])
    before = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        sampling.start(Device("here", program_pid=pid))
        beat.times.clear()  # while the others start, nothing is measured
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(min(SPILL_S, max(0.0, until - time.monotonic())))
            sampling.spill(Path(folder) / "samples.jsonl")
        times = list(beat.times)
        sampling.stop()
    ran = [each for each in sampling.documents() if each["outcome"] == "ok"]
    return times, {
        "collectors": len(ran),
        "cpu_share": (time.process_time() - before) / seconds,
        "readings_of_all": sum(each["samples"] for each in ran),
    }


def loop(rate_hz: int, seconds: float) -> list[int]:
    """Read the source at a rate, on an absolute schedule, and return when that was."""
    times = []
    with SOURCE.open("rb", buffering=0) as source:
        begun = time.monotonic_ns()
        for k in range(1, round(seconds * rate_hz) + 1):
            due = begun + k * SECOND_NS // rate_hz
            time.sleep(max(0, due - time.monotonic_ns()) / 1e9)
            times.append(time.monotonic_ns())
            source.seek(0)
            source.read(1 << 16)
    return times


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
    times = loop(rate_hz, seconds) if where == "thread" else []
    if where != "thread":
        sys.stdin.readline()  # the bench says when it has sampled enough
    over.set()
    worker.join()
    print(json.dumps({"times": times, "steps": steps[0]}), flush=True)


def one(where: str, rate_hz: int, seconds: float) -> dict[str, float]:
    """Sample a busy program from `where` and return how unsteady that was, in ms."""
    command = [sys.executable, __file__, "--busy", where, "--rate", str(rate_hz)]
    with subprocess.Popen(
        [*command, "--seconds", str(seconds)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as program:  # fmt: skip
        assert program.stdout is not None
        assert program.stdin is not None
        program.stdout.readline()
        begun, times, more = time.monotonic(), [], {}
        if where == "harness":
            times, more = from_harness(program.pid, rate_hz, seconds)
        elif where == "loop":
            times = loop(rate_hz, seconds)
        rest, _ = program.communicate("enough\n", timeout=TIMEOUT_S)
        took = time.monotonic() - begun
    said = json.loads(rest)
    beyond = np.sort(np.diff(np.asarray(times or said["times"], float)) / 1e6 - 1000 / rate_hz)
    return {
        "p50_ms": float(beyond[statistics.rank(len(beyond), 0.5) - 1]),
        "p99_ms": float(beyond[statistics.rank(len(beyond), 0.99) - 1]),
        "longest_ms": float(beyond[-1]),
        "late_share": float(np.mean(beyond >= 500 / rate_hz)),
        "steps_per_s": said["steps"] / took,
        "readings": len(beyond),
        **more,
    }


def measure(rounds: int, seconds: float) -> dict[str, Any]:
    """Measure all in rounds, forwards and backwards, and print what it came to."""
    kinds = [(where, rate) for rate in RATES_HZ for where in WHERE]
    found: dict[tuple[str, int], list[dict[str, float]]] = {kind: [] for kind in kinds}
    for number in range(rounds):
        for where, rate in kinds if number % 2 == 0 else reversed(kinds):
            found[where, rate].append(one(where, rate, seconds))
        print(f"  round {number + 1} of {rounds}", flush=True)
    print(f"{'sampled from':<14}{'Hz':>5}{'p50 ms':>9}{'p99 ms':>9}{'longest ms':>12}"
          f"{'late':>9}{'steps/s':>9}")  # fmt: skip
    result: dict[str, Any] = {}
    for (where, rate), runs in found.items():
        middle = {key: float(np.median([run[key] for run in runs])) for key in runs[0]}
        result[f"{where} {rate} Hz"] = middle
        print(
            f"{where:<14}{rate:>5}{middle['p50_ms']:>9.2f}{middle['p99_ms']:>9.2f}"
            f"{max(run['longest_ms'] for run in runs):>12.2f}{100 * middle['late_share']:>7.1f} %"
            f"{middle['steps_per_s']:>9.0f}"
        )
        if where == "harness":
            share, readings = 100 * middle["cpu_share"], middle["readings_of_all"]
            print(f"{middle['collectors']:>19.0f} collectors, {share:.1f} % of a core, "
                  f"{readings:.0f} readings")  # fmt: skip
    for rate, other in [(rate, other) for rate in RATES_HZ for other in ("loop", "thread")]:
        both = zip(found["harness", rate], found[other, rate], strict=True)
        ratios = np.asarray([own["p99_ms"] / its["p99_ms"] for own, its in both])
        interval = median_interval(ratios)
        said = resolved(interval, GOAL).text if other == "thread" else ""
        ends = "" if interval is None else f" (95 %: {interval.low:.2f} to {interval.high:.2f})"
        print(f"{rate} Hz: p99 of the harness is {np.median(ratios):.2f} of the {other}'s{ends}"
              f"{said and f'; goal at most {GOAL:g}: {said}'}")  # fmt: skip
        result[f"ratio to {other} {rate} Hz"] = {"values": ratios.tolist(), "said": said}
    return result


def main() -> None:
    """Measure, or be the program that is sampled."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--busy", choices=WHERE, help=argparse.SUPPRESS)
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
