"""How long does `liveprobe audit` take, how much memory, and how do both grow with the Run?

    python tests/bench/bench_audit.py [--rounds 3] [--most 10000000]

A seeded maker (audit_runs.py) writes Runs at 60 fps with eight stages: ten minutes with and without
a table of 16 copies a frame, ten million spans, and two sizes between. Each is judged in a new
process: the command, imports and all, and the judging alone. The sizes take turns in each round;
medians count. Goals: 2 s for ten minutes, 20 s and 4 GB for ten million spans, linear growth: the
exponent of the judging's CPU time over spans is at most 1.1.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from audit_runs import FPS, SERVICE_MS  # it stands beside, in no package

HERE: Final = Path(__file__).resolve().parent
TEN_MINUTES: Final = 600 * FPS
COPIES: Final = 16
MOST: Final = 10_000_000
GOAL_S, GOAL_MOST_S, GOAL_BYTES, GOAL_GROWTH = 2.0, 20.0, 4e9, 1.1
COMMAND: Final = ("-m", "probe", "audit", "--no-write")
JUDGE: Final = """
import sys, time
from pathlib import Path
from probe import judge, store
judge.audits()
wall, cpu = time.perf_counter(), time.process_time()
judge.judge(store.Run.open(Path(sys.argv[1])))
print(time.perf_counter() - wall, time.process_time() - cpu)
"""


class Size(NamedTuple):
    """A Run to judge: its name, its measured frames, its copies a frame."""

    name: str
    frames: int
    copies: int


class Cost(NamedTuple):
    """Seconds and bytes of the whole command, and seconds of the judging alone."""

    wall_s: float
    cpu_s: float
    peak_bytes: float
    judging_s: float
    judging_cpu_s: float


def sizes(most: int) -> list[Size]:
    """Return ten minutes, with copies and without, then up to so many spans."""
    last = most // len(SERVICE_MS)
    between = np.geomspace(TEN_MINUTES, last, 4)[1:-1] if last > TEN_MINUTES else ()
    return [
        Size("ten minutes", TEN_MINUTES, 0),
        Size("ten minutes, 16 copies a frame", TEN_MINUTES, COPIES),
        *(Size("between", round(frames), 0) for frames in between),
        Size("most", last, 0),
    ]


def made_apart(path: Path, size: Size) -> None:
    """Make a Run in another process: a child's peak begins at what its parent has at the fork."""
    arguments = [str(path), str(size.frames), str(size.copies)]
    subprocess.run([sys.executable, str(HERE / "audit_runs.py"), *arguments], check=True)


def once(path: Path) -> Cost:
    """Judge a Run in two new processes: by the command, and by the judge alone."""
    begin = time.perf_counter()
    child = subprocess.Popen([sys.executable, *COMMAND, str(path)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"audit failed with exit code {child.returncode}")
    said = subprocess.run(
        [sys.executable, "-c", JUDGE, str(path)], check=True, capture_output=True, text=True
    )
    alone = [float(word) for word in said.stdout.split()]
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024.0, *alone)


def growth(spans: list[int], seconds: list[float]) -> float:
    """Return the exponent of a power of the spans that the seconds follow best."""
    return float(np.polyfit(np.log(spans), np.log(seconds), 1)[0])


def shown(name: str, value: float, goal: float, unit: str) -> bool:
    """Print a figure against its goal; say whether it holds."""
    held = value <= goal
    print(f"{name}: {value:.2f}{unit}, goal {goal:g}{unit}: {'met' if held else 'missed'}")
    return held


def main() -> int:
    """Print the figures and return 0 when all goals hold, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=int, default=MOST, help="spans of the largest Run")
    asked = parser.parse_args()
    judged = sizes(asked.most)
    found: list[list[Cost]] = [[] for _ in judged]
    with tempfile.TemporaryDirectory() as temporary:
        paths = [Path(temporary) / str(k) for k in range(len(judged))]
        for path, size in zip(paths, judged, strict=True):
            made_apart(path, size)
        for turn in range(asked.rounds):
            for k in sorted(range(len(judged)), reverse=bool(turn % 2)):
                found[k].append(once(paths[k]))
    middle = [
        Cost(*(statistics.median(each) for each in zip(*runs, strict=True))) for runs in found
    ]
    print(f"medians of {asked.rounds} rounds; the judging is without imports")
    print(f"{'spans':>11} {'copies':>8} {'wall s':>7} {'CPU s':>6} {'peak MB':>8} {'judging s':>10}"
          f" {'CPU s':>6}  wall of each round")  # fmt: skip
    for size, cost, runs in zip(judged, middle, found, strict=True):
        print(
            f"{size.frames * len(SERVICE_MS):>11,} {size.frames * size.copies:>8,} "
            f"{cost.wall_s:>7.2f} {cost.cpu_s:>6.2f} {cost.peak_bytes / 1e6:>8,.0f} "
            f"{cost.judging_s:>10.2f} {cost.judging_cpu_s:>6.2f}  "
            + " ".join(f"{each.wall_s:.2f}" for each in runs)
        )
    plain = [k for k, size in enumerate(judged) if not size.copies]
    exponent = growth([judged[k].frames for k in plain], [middle[k].judging_cpu_s for k in plain])
    whole = asked.most >= MOST
    held = [
        shown("ten minutes", middle[0].wall_s, GOAL_S, " s"),
        shown("ten minutes with copies", middle[1].wall_s, GOAL_S, " s"),
        shown("growth exponent of the judging's CPU time", exponent, GOAL_GROWTH, ""),
        *([shown("ten million spans", middle[-1].wall_s, GOAL_MOST_S, " s"),
           shown("its memory", middle[-1].peak_bytes / 1e9, GOAL_BYTES / 1e9, " GB")]
          if whole else []),
    ]  # fmt: skip
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
