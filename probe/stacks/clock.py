"""When was a sample taken, on CLOCK_MONOTONIC?

py-spy counts from the moment in which it made its recording, on the same clock (a constant offset,
no drift), and does not say when that was. What the collector saw from outside brackets it:

after    it was started; when its file was not yet there, less its own time of the end
before   its second thread was seen, which it starts afterwards; when its file had bytes, or it had
         ended, less its own time of the end

The bracket is about 2 to 15 ms wide. Inside it the offset is taken at which stacks tell most of the
stages of their threads: a line of code mostly runs in one stage. The bracket stays the stated
uncertainty; the share of samples that are in their stack's usual stage is told beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from numpy.typing import NDArray

STEP_NS: Final = 100_000
OFTEN: Final = 3
LEAST: Final = 0.2
LIFT: Final = 4
ROUNDING: Final = 1e-9
MOST_STEPS: Final = 400
"""40 ms of bracket are tried in steps of 0.1 ms; a wider one in longer steps."""


class Offset(NamedTuple):
    """What to add to py-spy's times, in ns, and the bracket in which that surely lies.

    `agreement` is the share of samples whose stack was at home in their stage; None where no
    sample fell into a stage.
    """

    ns: int
    low_ns: int
    high_ns: int
    agreement: float | None


def bracket(note: Mapping[str, Any], end_us: int | None) -> tuple[int, int]:
    """Return the earliest and the latest offset, from what the collector noted of a recording.

    Raises `ValueError` where the notes contradict each other or say no start.
    """
    lows, highs = [time_of(note, "started_ns")], [time_of(note, "threads_ns")]
    if end_us is not None:
        end_ns = end_us * 1000
        lows += [None if t is None else t - end_ns for t in _times(note, "absent_ns")]
        highs += [None if t is None else t - end_ns for t in _times(note, "filled_ns", "ended_ns")]
    low = max((each for each in lows if each is not None), default=None)
    high = min((each for each in highs if each is not None), default=None)
    if low is None or high is None or low > high:
        raise ValueError("its start cannot be told: the notes of the collector are incomplete")
    return low, high


def fitted(
    low_ns: int,
    high_ns: int,
    stages_at: Callable[[int], NDArray[np.int64]],
    stack: NDArray[np.int64],
) -> Offset:
    """Return the offset between `low_ns` and `high_ns` at which stacks tell most of stages.

    `stages_at` gives the number of the stage of every sample for an offset, -1 for none.
    """
    middle = (low_ns + high_ns) // 2
    steps = min(MOST_STEPS, (high_ns - low_ns) // STEP_NS + 1)
    tried = np.unique(np.linspace(low_ns, high_ns, int(steps) + 1).astype(np.int64))
    told = np.array([_told(stages_at(int(each)), stack) for each in tried])
    if not told.max(initial=0) > 0:
        return Offset(middle, low_ns, high_ns, None)
    best = tried[told >= told.max() - ROUNDING]
    chosen = int(best[len(best) // 2])
    return Offset(chosen, low_ns, high_ns, _agreement(stages_at(chosen), stack))


def homes(stage: NDArray[np.int64], stack: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, for each sample, the stage in which its stack is at home; -1 for none.

    It is that in which the stack is most often. A stage that is short against the error of times
    has most of its samples beside it: there it is enough that the stack is in the stage for a
    `LEAST` share of the time, and `LIFT` times as often as all stacks are.
    """
    width = int(stage.max(initial=-1)) + 2
    pairs, counts = np.unique(stack * width + stage + 1, return_counts=True)
    of_stage = np.bincount(stage + 1, minlength=width)[pairs % width]
    share = counts / np.bincount(stack, minlength=1)[pairs // width]
    lifted = (pairs % width > 0) & (share >= LEAST) & (share * len(stage) >= LIFT * of_stage)
    home = np.full(int(stack.max(initial=0)) + 1, -1, dtype=np.int64)
    rising = pairs[np.lexsort((counts, lifted))]
    home[rising // width] = rising % width - 1  # what counts most is written last
    return home[stack]


def _told(stage: NDArray[np.int64], stack: NDArray[np.int64]) -> float:
    """Return how much stacks tell of stages: their mutual information, in nats.

    Agreement alone would be best where no sample falls into any stage. A stack that was seen but
    once or twice agrees with whatever it meets, and does not count.
    """
    often = np.bincount(stack, minlength=1)[stack] >= OFTEN
    stage, stack = stage[often] + 1, stack[often]
    if not len(stack):
        return 0.0
    width = int(stage.max()) + 1
    pairs, both = np.unique(stack * width + stage, return_counts=True)
    of_stack = np.bincount(stack)[pairs // width]
    of_stage = np.bincount(stage)[pairs % width]
    share = both / len(stack)
    return float(np.sum(share * np.log(both * len(stack) / (of_stack * of_stage))))


def _agreement(stage: NDArray[np.int64], stack: NDArray[np.int64]) -> float:
    return float(np.mean(homes(stage, stack) == stage))


def _times(note: Mapping[str, Any], *names: str) -> list[int | None]:
    return [time_of(note, name) for name in names]


def time_of(note: Mapping[str, Any], name: str) -> int | None:
    """Return a time of a note, None where it says none."""
    value = note.get(name)
    return value if isinstance(value, int) and 0 < value < 2**62 else None
