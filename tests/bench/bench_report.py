"""How long does it take from a Run on disk to its report? Ten minutes at 60 fps with eight stages.

    python tests/bench/bench_report.py [--rounds 5]

A seeded maker writes the Run; then a new process, cold each time, opens it, judges it and renders
the report. Goals: 3 s, 500 MB, 1.5 MB. The median of the rounds is compared; all are printed, and
the CPU time, which a busy machine does not stretch as much.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType

import pandas as pd

from probe import store

HERE = Path(__file__).resolve().parent
SECONDS, FPS = 600, 60
EXTRA_STAGE = "stabilise"
"""The eighth stage beside the seven of the maker."""
GOAL_S, GOAL_BYTES, GOAL_FILE_BYTES = 3.0, 500_000_000, 1_500_000
WORK = """
import sys
from pathlib import Path
from probe.console import judged
one = judged.judged(Path(sys.argv[1]), write=False)
Path(sys.argv[2]).write_text(judged.render([one]), encoding="utf-8")
"""


def maker() -> ModuleType:
    """Import tests/runs/make_runs.py, which stands in no package."""
    spec = importlib.util.spec_from_file_location("make_runs", HERE.parent / "runs/make_runs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_runs"] = module
    spec.loader.exec_module(module)
    return module


def make(folder: Path) -> Path:
    """Write the Run and return its directory."""
    path = maker().make_run("mixed", folder / "run", seconds=SECONDS, fps=FPS)
    spans = store.Run.open(path).table("spans")
    extra = spans[spans["stage"] == "preprocess"].assign(stage=EXTRA_STAGE, queue_ns=0)
    store.write_table(path, "spans", pd.concat([spans, extra], ignore_index=True))
    return Path(path)


def once(run: Path, out: Path) -> tuple[float, float, int]:
    """Judge and render in a new process; return seconds, CPU seconds, peak memory in bytes."""
    begin = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-c", WORK, str(run), str(out)])
    _, status, usage = os.wait4(child.pid, 0)
    spent = time.perf_counter() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"the report failed with exit code {child.returncode}")
    return spent, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def main() -> int:
    """Print the figures and return 0 when all goals hold, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run, out = make(folder), folder / "report.html"
        tables = store.Run.open(run)
        frames, stages = len(tables.table("frames")), tables.table("spans")["stage"].nunique()
        rounds = [once(run, out) for _ in range(asked.rounds)]
        size = out.stat().st_size
    times, cpu, peaks = zip(*rounds, strict=True)
    every = [round(spent, 2) for spent in times]
    middle, peak = statistics.median(times), int(statistics.median(peaks))
    holds = middle <= GOAL_S and peak <= GOAL_BYTES and size <= GOAL_FILE_BYTES
    print(json.dumps({
        "frames": frames, "stages": stages, "rounds": asked.rounds,
        "seconds": {"median": round(middle, 2), "all": every, "goal": GOAL_S},
        "cpu_seconds": round(statistics.median(cpu), 2),
        "peak_bytes": {"median": peak, "goal": GOAL_BYTES},
        "file_bytes": {"value": size, "goal": GOAL_FILE_BYTES},
        "holds": holds,
    }, indent=1))  # fmt: skip
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
