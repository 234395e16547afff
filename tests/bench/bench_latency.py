"""Is the reported latency the true one? At 10 fps, stages that stamp their own delay.

    python tests/bench/bench_latency.py [--frames 30]

The reference program's own runner, queues, clock and null sink, with pass-through stages and one
that takes 0, 5, 20 or 60 ms, or stalls once for 500 ms. That stage writes down by itself, per
frame, when it began and ended; the reported latency is what the tape says: rendered - scheduled.
The rest of the way costs some hundred microseconds; the goal is a median difference of 0.5 ms at
most, and every victim of the stall counted from its scheduled time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from probe.pipeline.item import Item
    from probe.pipeline.ledger import Ledger
    from probe.pipeline.pacing import Span

FPS = 10
PERIOD_NS = 10**9 // FPS
BOUND_NS = 500_000
STALL_NS = 500_000_000
DELAYS_MS = (0, 5, 20, 60)
MEMORY = "/dev/shm"  # noqa: S108 - tapes on a disk would stall whoever writes a record


class Metronome:
    """A source of frames without pictures, released on the program's own clock."""

    name = "capture"

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self.scheduled: dict[int, int] = {}

    def lead(self) -> Item | None:
        return None

    def run(
        self, put: Callable[[Item], None], ledger: Ledger, span: Span, stop: threading.Event
    ) -> None:
        import probe
        from probe.pipeline.item import Item, Ticket
        from probe.pipeline.pacing import now_ns, sleep_until

        for frame in range(self.frames):
            due_ns = span.start_ns + frame * PERIOD_NS
            sleep_until(due_ns, stop)
            self.scheduled[frame] = due_ns
            with probe.stage("capture", frame=frame):
                ledger.released(Ticket(frame, frame, due_ns, frame), now_ns(), None)
            put(Item(frame, due_ns))


class Through:
    """A stage that takes no time."""

    def __init__(self, name: str) -> None:
        self.name = name

    def work(self, item: Item) -> Sequence[Item]:
        return (item,)

    def finish(self) -> Sequence[Item]:
        return ()


class Delay(Through):
    """A stage that takes a known time and stamps it itself."""

    def __init__(self, name: str, delay_ns: int, stall_at: int | None) -> None:
        super().__init__(name)
        self.delay_ns = delay_ns
        self.stall_at = stall_at
        self.ended: dict[int, int] = {}

    def work(self, item: Item) -> Sequence[Item]:
        delay_ns = STALL_NS if item.frame == self.stall_at else self.delay_ns
        if delay_ns:
            time.sleep(delay_ns / 1e9)
        self.ended[item.frame or 0] = time.perf_counter_ns()
        return (item,)


def program(frames: int, delay_ms: int, stall_at: int | None) -> dict[str, Any]:
    """Run in the child: returns what the stage itself stamped, ns after each schedule."""
    from probe.pipeline.ledger import Ledger
    from probe.pipeline.render import Nowhere, Render
    from probe.pipeline.runner import Program

    sys.setswitchinterval(0.0005)
    source = Metronome(frames)
    delay = Delay("infer", delay_ms * 1_000_000, stall_at)
    names = ("decode", "preprocess", "infer", "postprocess")
    ledger = Ledger()
    stages = [delay if name == "infer" else Through(name) for name in names]
    stages.append(Render(Nowhere(ledger), ledger))  # type: ignore[arg-type]
    whole = Program(source, stages, ledger, capacity=16).run(10**15)
    truth = {str(k): delay.ended[k] - source.scheduled[k] for k in delay.ended}
    return {"whole": whole, "truth": truth}


def measure(frames: int, delay_ms: int, stall_at: int | None) -> list[tuple[int, int]]:
    """Run a child with a tape; returns (reported, true) latency of each frame, in ns."""
    from probe import tape

    memory = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="bench-latency-", dir=memory) as folder:
        ended = subprocess.run(
            [sys.executable, __file__, "--child", str(frames), str(delay_ms), str(stall_at or -1)],
            env={**os.environ, tape.ENVIRONMENT: folder},
            check=True,
            capture_output=True,
            text=True,
            timeout=60 + frames,
        )
        said = json.loads(ended.stdout)
        reported = latencies(Path(folder))
    truth = {int(frame): value for frame, value in said["truth"].items()}
    if set(truth) != set(reported) or len(truth) != frames or not said["whole"]:
        raise SystemExit(f"frames are missing: {len(truth)} true, {len(reported)} reported")
    return [(reported[frame], truth[frame]) for frame in sorted(truth)]


def latencies(folder: Path) -> dict[int, int]:
    """Read rendered - scheduled of each frame off the tape."""
    from probe import tape

    scheduled: dict[int, int] = {}
    shown: dict[int, int] = {}
    for one in tape.read_all(folder)[0]:
        for record in one.records:
            if record["kind"] == tape.FRAME:
                scheduled[int(record["frame"])] = int(record["t0"])
            elif record["kind"] == tape.MARK and one.names[int(record["name"])] == "presented":
                shown[int(record["frame"])] = int(record["t0"])
    return {frame: shown[frame] - scheduled[frame] for frame in shown}


def main() -> int:
    """Measure each delay and the stall; returns 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--child", nargs=3, type=int)
    options = parser.parse_args()
    if options.child:
        frames, delay_ms, stall_at = options.child
        print(json.dumps(program(frames, delay_ms, stall_at if stall_at >= 0 else None)))
        return 0
    missed = 0
    print(f"{'ms':>8} {'n':>4} {'true p50':>10} {'reported p50':>13} {'difference: p50, max':>22}")
    for delay_ms in DELAYS_MS:
        missed += report(f"{delay_ms} ms", measure(options.frames, delay_ms, None))
    stalled = measure(options.frames, 0, 10)
    missed += report("stall", stalled)
    missed += victims(stalled)
    return 1 if missed else 0


def report(name: str, pairs: list[tuple[int, int]]) -> int:
    """Print one line; returns 1 when the median difference is over the bound."""
    gaps = [reported - true for reported, true in pairs]
    middle = statistics.median(gaps)
    print(
        f"{name:>8} {len(pairs):>4} {statistics.median(t for _, t in pairs) / 1e6:>10.3f} "
        f"{statistics.median(r for r, _ in pairs) / 1e6:>13.3f} "
        f"{middle / 1e6:>12.3f}, {max(gaps) / 1e6:.3f}  "
        f"goal <= {BOUND_NS / 1e6:g}: {'held' if abs(middle) <= BOUND_NS else 'MISSED'}"
    )
    return int(abs(middle) > BOUND_NS)


def victims(pairs: list[tuple[int, int]]) -> int:
    """Check that each frame behind the stall counts its wait from its own schedule."""
    wrong = 0
    for later in range(5):
        reported, true = pairs[10 + later]
        least = STALL_NS - later * PERIOD_NS
        wrong += reported < least or true < least
        print(f"   frame {10 + later}: reported {reported / 1e6:8.3f} ms, at least {least / 1e6:g}")
    print(f"   victims counted from their schedules: {'held' if not wrong else 'MISSED'}")
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())
