"""Do outputs of a live input come in blocks, and how long do frames wait for their block?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import cases, measured
from probe.model import Audit, Case, Finding, FindingOutcome
from probe.regimes import WINDOW_PERIODS, bursts_of
from probe.tape import NULL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from probe.measured import Frames
    from probe.regimes import Bursts
    from probe.store import Run

ID: Final = "block_delivery"
TITLE: Final = "Outputs delivered in blocks"
REMEDY: Final = (
    "answer each frame by itself: batch size 1, no look-ahead, no frame-threaded decoder, no "
    "B-frames; a model that works on blocks cannot be live at this deadline unless the block is "
    "shorter"
)
MS_NS: Final = 1e6


def judge(run: Run) -> list[Finding]:
    """Say whether over half of the outputs came in rows of blocks; any such row is a warning."""
    every = measured.frames_of(run)
    frames = every.rows(every.measured & (every.delivered_ns != NULL))
    if not len(every):
        return [] if run.manifest.get("mode") == "generate" else [_unknown()]
    period = every.period_ns
    if not len(frames) or period is None:
        return [_unknown()]
    delivered = np.sort(frames.delivered_ns)
    bursts = bursts_of(delivered, period)
    inside = int(bursts.size[bursts.block].sum())
    if 2 * inside <= len(frames) and _longest_row(bursts) < WINDOW_PERIODS:
        short = f", but for {inside} in a few short rows" if inside else ""
        return [
            Finding(
                ID,
                f"{TITLE}: none, outputs come one by one{short}",
                FindingOutcome.PASSED,
                {
                    "outputs": len(frames),
                    "in_blocks": inside,
                    "largest_burst": int(bursts.size.max()),
                },
                REMEDY,
            )
        ]
    return [_found(frames, bursts, period, inside)]


def _unknown() -> Finding:
    return Finding(
        ID,
        f"{TITLE}: no delivery was measured",
        FindingOutcome.NOT_MEASURED,
        {"outputs": 0},
        'call probe.mark("delivered", frame=k) when the output of frame k is out',
    )


def _found(frames: Frames, bursts: Bursts, period_ns: float, inside: int) -> Finding:
    size = int(np.median(bursts.size[bursts.block]))
    waits = _waits_ns(frames, bursts)
    first, last = np.flatnonzero(bursts.block)[[0, -1]]
    evidence: dict[str, Any] = {
        "outputs": len(frames),
        "in_blocks": inside,
        "blocks": int(np.count_nonzero(bursts.block)),
        "block_size": size,
        "least_wait_of_first_ms": (size - 1) * period_ns / MS_NS,
        "longest_wait_ms": float(waits.max()) / MS_NS,
    }
    return Finding(
        audit=ID,
        title=f"{TITLE} of {size}: {inside} of {len(frames)} outputs",
        outcome=FindingOutcome.FAILED if 2 * inside > len(frames) else FindingOutcome.WARNING,
        evidence=evidence,
        remedy=REMEDY,
        cost_ms_per_frame=float(waits.sum()) / len(frames) / MS_NS,
        from_ns=int(bursts.start_ns[first]),
        to_ns=int(bursts.end_ns[last]),
    )


def _longest_row(bursts: Bursts) -> int:
    """Return how many outputs the longest row of blocks holds."""
    rows = np.cumsum(np.diff(bursts.block, prepend=False) != 0)
    return int(np.bincount(rows, bursts.size * bursts.block).max())


def _waits_ns(frames: Frames, bursts: Bursts) -> NDArray[np.float64]:
    """Return how long each frame waited until the last of its block was due, 0 outside blocks."""
    burst = np.searchsorted(bursts.start_ns, frames.delivered_ns, "right") - 1
    last_due = np.full(len(bursts), np.iinfo(np.int64).min)
    np.maximum.at(last_due, burst, frames.due_ns)
    waits = (last_due[burst] - frames.due_ns).astype(np.float64)
    return np.where(bursts.block[burst], waits, 0.0)


def _in_blocks(size: int, count: int) -> list[float | None]:
    """Return latencies of frames that leave together with the last frame of their block."""
    return [20.0 + 40.0 * (size - 1 - k % size) + k % size for k in range(count)]


AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="A block of B frames cannot answer sooner than (B-1)/f plus its compute: its rate may be "
    "that of a live program, its answers are not.",
    source="METHOD, block size B and rule 12: a burst's inner gaps are under a quarter of the "
    "frame period; three consecutive bursts of two or more that hold over half of the outputs: "
    "failed. Fewer are a warning where one row of them holds the 20 frames of a window; three "
    "pairs in a row happen to any machine that catches up (our own number)",
    requires=("frames",),
    related=(
        "content_pacing",
        "jitter",
        "latency_is_not_throughput",
        "speed_as_live",
    ),
    of_time=True,
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case("one by one", lambda: cases.live_run([20.0] * 60), (FindingOutcome.PASSED,)),
        Case(
            "blocks of four",
            lambda: cases.live_run(_in_blocks(4, 60)),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "pairs, all within the deadline",
            lambda: cases.live_run(_in_blocks(2, 60)),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "one burst that catches up after a stall is no block",
            lambda: cases.live_run([20.0] * 30 + [221.0, 182.0, 143.0, 104.0, 65.0] + [20.0] * 30),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "three pairs in a row on a busy machine",
            lambda: cases.live_run([*[20.0] * 60, *_in_blocks(2, 6), *[20.0] * 60]),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "blocks for a while",
            lambda: cases.live_run([*[20.0] * 60, *_in_blocks(4, 20)]),
            (FindingOutcome.WARNING,),
        ),
        Case("a program without a live input", cases.generating_run, ()),
        Case("a program that said nothing", cases.silent_run, (FindingOutcome.NOT_MEASURED,)),
    ),
)
