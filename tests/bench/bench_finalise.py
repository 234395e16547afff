"""How much memory do an hour's copies take, from tapes to tables to a verdict?

    python tests/bench/bench_finalise.py [--copies 5000000]

A maker writes the tapes of a program that makes 20 copies a frame at 60 fps on two threads, with
two large allocations, four stages and a lineage. Two new processes finalise and judge it. Goals:
each takes at most 4 bytes of its own for each byte of tape, so that what a device may record
(an eighth of its memory, `collectors.copies`) it can also finalise.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probe import store, tape

HERE = Path(__file__).resolve().parent
PERIOD_NS, EACH, BUFFER = 16_666_667, 20, 2_000_000
STAGES = ("decode", "preprocess", "infer", "postprocess")
GOAL = 4.0
WORK = """
import sys, time
from pathlib import Path
from threading import Thread
from probe import judge, store, tables
peak, over = 0, False
def own():
    with open("/proc/self/status") as said:
        return next(int(line.split()[1]) for line in said if line.startswith("RssAnon")) * 1024
def watch():
    global peak
    while not over:
        peak = max(peak, own())
        time.sleep(0.01)
watcher = Thread(target=watch)
watcher.start()
path, begin = Path(sys.argv[1]), time.process_time()
try:
    if sys.argv[2] == "finalise":
        tables.finalise(path, store.read_manifest(path))
    else:
        judge.judge(store.Run.open(path))
finally:
    over = True
    watcher.join()
print(peak, time.process_time() - begin)
"""


def maker() -> ModuleType:
    """Import tests/runs/interposer_tapes.py, which stands in no package."""
    file = HERE.parent / "runs/interposer_tapes.py"
    spec = importlib.util.spec_from_file_location("interposer_tapes", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["interposer_tapes"] = module
    spec.loader.exec_module(module)
    return module


def records(count: int, **columns: Any) -> NDArray[Any]:
    made = np.zeros(count, tape.record_dtype())
    for name in ("a", "b", "c"):
        made[name] = tape.NULL
    for name, values in columns.items():
        made[name] = values
    return made


def save(thread: Any, rows: NDArray[Any], folder: Path) -> None:
    """Write what a maker's tape defines, and these records after it."""
    rows["sequence"] = np.arange(len(rows)) + len(thread.records) + 1
    with thread.save(folder).open("ab") as file:
        rows.tofile(file)


def make(path: Path, copies: int) -> int:
    """Write the tapes of a Run; return their bytes."""
    tapes, number = maker(), np.arange(copies // EACH)
    folder = tapes.run_folder(path, []) / store.TAPES
    at = number * PERIOD_NS
    frames = tapes.own("source", 9)
    save(frames, records(len(at), kind=tape.FRAME, t0=at, t1=at, frame=number), folder)
    main = tapes.own("main", 10)
    steps = records(
        4 * len(at), kind=tape.SPAN, frame=np.repeat(number, 4),
        name=np.tile([main.text(stage) for stage in STAGES], len(at)),
        t0=(at[:, None] + np.arange(4) * 4_000_000).ravel(),
    )  # fmt: skip
    steps["t1"] = steps["t0"] + 4_000_000
    steps["c"][::4] = BUFFER
    save(main, steps, folder)
    for half, tid in enumerate((10, 20)):
        save(*copying(tapes, tid, half, number), folder)
    owner = tapes.ThreadTape(30)
    allocated = records(
        2 * len(at), kind=tape.BUFFER, name=owner.site(), t0=np.repeat(at, 2) + 1_000,
        t1=np.repeat(at, 2) + 15_000_000, frame=BUFFER, c=30,
        a=(1 << 40) + np.arange(2 * len(at)) % 64 * BUFFER,
    )  # fmt: skip
    save(owner, allocated, folder)
    return sum(file.stat().st_size for file in folder.iterdir())


def copying(
    tapes: ModuleType, tid: int, half: int, number: NDArray[np.int64]
) -> tuple[Any, NDArray[Any]]:
    """Return a thread and its copies: each reads what one before wrote, every third has rows."""
    thread = tapes.ThreadTape(tid)
    places = [
        thread.site("/lib/x.so", 16 * k, [("/x.py", k + 1, k + 1, 4, 9, "f")]) for k in range(10)
    ]
    count = len(number) * EACH // 2
    k = np.arange(count)
    shaped = k % 3 == 0
    slot = k + np.concatenate(([0], np.cumsum(shaped)[:-1]))
    begin = np.repeat(number, EACH // 2) * PERIOD_NS + k % (EACH // 2) * 1_500_000 + half * 700_000
    rows = records(count + int(shaped.sum()), kind=tape.SHAPE, t0=1_000, t1=1_000, frame=1_000, b=0)
    rows[slot] = records(
        count, kind=tape.COPY, part=1, flags=2 * shaped, name=np.array(places)[k % 10], t0=begin,
        t1=begin + 300_000, frame=BUFFER // 2, a=(1 << 40) + (7 * k + 3 * half) % 64 * BUFFER,
        b=(1 << 40) + (7 * k + 3 * half - 7) % 64 * BUFFER, c=244 | 1 << 32 | 1 << 40,
    )  # fmt: skip
    shapes = slot[shaped] + 1
    rows["a"][shapes] = 1_024
    rows["c"][shapes] = len(thread.records) + shapes
    return thread, rows


def main() -> int:
    """Print the figures and return 0 when all goals hold, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=5_000_000)
    asked = parser.parse_args()
    kept = True
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "run"
        size = make(path, asked.copies)
        print(f"{asked.copies:,} copies: {size / 1e6:,.0f} MB of tapes")
        for step in ("finalise", "judge"):
            done = subprocess.run(
                [sys.executable, "-c", WORK, str(path), step],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            peak, spent = (float(word) for word in done.stdout.split())
            kept = kept and peak <= GOAL * size
            print(
                f"{step:<9} {peak / 1e6:>7,.0f} MB, {peak / size:.1f} for a byte of tape (goal "
                f"{GOAL:g}), {spent:.1f} s CPU"
            )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
