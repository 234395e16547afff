"""In what rhythm were frames shown, and how much of it does the display explain?

A display can show a picture only at its refreshes: two pictures that took equally long may be shown
up to one refresh nearer or farther than they should. What is left besides that is the program's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import stated, statistics
from probe.model import FindingOutcome, Outcome
from probe.regimes import ALLOWED_SHARE, bursts_of
from probe.tape import NULL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from probe.measured import Frames
    from probe.model import Tier

OFF_PERIODS: Final = 0.5
"""A picture is out of step from half a frame period on: there it stands as near to its neighbour's
place as to its own. Our own number; the display's refresh comes on top."""
ASSUMED_HZ: Final = 60.0
"""A display that the program does not describe is taken for one of 60 Hz."""
HICCUP_STEPS: Final = 2
"""So many steps may be off, or 1 % of them (METHOD's share of a real-time window) if that is more:
one late picture makes two, out of step and back."""
_ROUNDING_NS: Final = 1_000.0


@dataclass(frozen=True)
class Steps:
    """Steps between the frames that were answered, in the order in which they were shown.

    `frames` are the answered ones; the arrays have one entry a step, that from the frame before to
    frame `k + 1`. `interval_ns` is the presented interval, `error_ns` the content-pacing error
    (METHOD), `limit_ns` how far either may be off; `block_size` is 1 unless over half of the frames
    were delivered in blocks.
    """

    frames: Frames
    interval_ns: NDArray[np.float64]
    error_ns: NDArray[np.float64]
    refresh_ns: float
    limit_ns: float
    block_size: int

    def __len__(self) -> int:
        return len(self.interval_ns)

    @property
    def usual_ns(self) -> float:
        """The median of two neighbours' mean, as intervals may take turns; in blocks the mean."""
        if self.block_size > 1 or len(self) == 1:
            return float(np.mean(self.interval_ns))
        return float(np.median(self.interval_ns[1:] + self.interval_ns[:-1])) / 2

    @property
    def in_blocks(self) -> str:
        """What to add to a title where outputs come in blocks, which explains the rhythm."""
        return f", as outputs come in blocks of {self.block_size}" if self.block_size > 1 else ""

    def off(self, by_ns: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Mark the steps that are off by the limit or more."""
        return np.abs(by_ns) >= self.limit_ns - _ROUNDING_NS


def steps_of(frames: Frames, manifest: Mapping[str, Any]) -> Steps | None:
    """Return the steps between measured frames; None where fewer than two were answered."""
    answered = frames.rows(frames.measured & frames.answered & (frames.rendered_ns != NULL))
    period = frames.period_ns
    if len(answered) <= 1 or period is None:
        return None
    answered = answered.rows(np.argsort(answered.rendered_ns, kind="stable"))
    interval = np.diff(answered.rendered_ns).astype(np.float64)
    error = interval - np.diff(answered.due_ns)
    refresh = refresh_ns(manifest, answered)
    limit = OFF_PERIODS * period + refresh
    return Steps(answered, interval, error, refresh, limit, _block_size(answered, period))


def _block_size(frames: Frames, period_ns: float) -> int:
    """Return the size of the blocks that hold over half of the frames; 1 where none do."""
    delivered = np.sort(frames.delivered_ns[frames.delivered_ns != NULL])
    bursts = bursts_of(delivered, period_ns)
    blocks = bursts.size[bursts.block]
    return int(np.median(blocks)) if 2 * blocks.sum() > len(delivered) else 1


def refresh_ns(manifest: Mapping[str, Any], frames: Frames) -> float:
    """Return the time between two refreshes; 0 where pictures are shown when they are delivered."""
    hertz = stated.refresh_hz(manifest)
    if hertz is not None:
        return 1e9 / hertz
    at_once = np.array_equal(frames.rendered_ns, frames.delivered_ns)
    return 0.0 if at_once else 1e9 / ASSUMED_HZ


def outcome_of(off: NDArray[np.bool_], tier: Tier) -> FindingOutcome:
    """Judge steps that are off: failed where an exact test refutes that 99 % are in step."""
    count = int(np.count_nonzero(off))
    if count <= max(HICCUP_STEPS, ALLOWED_SHARE * len(off)):
        return FindingOutcome.PASSED
    answer = statistics.answer(statistics.sample_of(off, tier))
    refuted = answer.outcome is Outcome.REFUTED
    return FindingOutcome.FAILED if refuted else FindingOutcome.WARNING
