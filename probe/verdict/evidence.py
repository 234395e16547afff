"""Everything that rules and verdict look at, computed once from a Run."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from probe import measured, regimes, statistics
from probe.model import Mode, Tier
from probe.tape import NULL
from probe.verdict import generation
from probe.views import shared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from probe.measured import Frames, Outputs, Spans, Window
    from probe.regimes import Segment
    from probe.statistics import Answer, Sample
    from probe.store import Run
    from probe.verdict.generation import Request
    from probe.verdict.tiers import Series

IN_FLIGHT: Final = "program.in_flight"
"""Track of the gauge: frames that entered and have no fate yet."""
MOST_IN_FLIGHT: Final = 2.0**53
"""A gauge may say anything; from here on a float64 counts no frames."""
LOOP_GAP: Final = 0.02
LOOP_SHARE: Final = 0.95
LOOP_FRAMES: Final = 20
"""A closed loop schedules each frame when the one before was answered: within 2 % of the interval,
for 95 % of at least 20 frames. An open loop does so only by rare coincidence: our own numbers."""
LOOP_CORRELATION: Final = 0.9
"""Where something comes in between (a file is read, a picture decoded), the next frame is still
scheduled the later, the later the answer: the ranks of both agree. In an open loop they do not, as
the source knows nothing of the answer: our own number."""


class InFlight(NamedTuple):
    """Mean frames in flight in the window: by the gauge, by the frames at the same moments.

    `error` is the standard error of the difference; `counted` is None where the frames do not say
    when each of them left.
    """

    gauge: float
    counted: float | None
    error: float


class Evidence:
    """A Run as its rules see it. Nothing here is judged."""

    def __init__(self, run: Run, series: Series | None = None) -> None:
        self.run = run
        self.series = series
        self.manifest: Mapping[str, Any] = run.manifest
        self.mode = Mode(run.manifest["mode"])
        self.deadline_ns = measured.deadline_ns(run.manifest)
        certified = series is not None and series.certified
        self.tier: Tier = Tier.CERTIFIED if certified else measured.tier_of(run.manifest)

    @property
    def all_frames(self) -> Frames:
        """Every source frame, warm-up and drain included."""
        return measured.frames_of(self.run)

    @property
    def frames(self) -> Frames:
        """The measured frames: those scheduled inside the window."""
        return measured.measured_frames_of(self.run)

    @property
    def spans(self) -> Spans:
        """Every stage execution."""
        return measured.spans_of(self.run)

    @property
    def outputs(self) -> Outputs:
        """Every output picture."""
        return measured.outputs_of(self.run)

    @shared
    def window(self) -> Window | None:
        """The measured window, up to the end of a source that ended by itself."""
        return measured.live_window(self.manifest, self.all_frames)

    @shared
    def watched(self) -> bool:
        """Whether deep mode looked at frames: it delays those, by a page fault for each page."""
        return bool(len(self.run.table("writes")))

    @cached_property
    def paused(self) -> bool:
        """Whether py-spy paused the program for each sample (mode native)."""
        resolved = (self.manifest.get("scenario") or {}).get("resolved") or {}
        asked = (resolved.get("pyspy") or {}).get("mode") == "native"
        return asked and bool(len(self.run.table("stack_samples")))

    @property
    def disturbance(self) -> str | None:
        """What the pass itself did to the program's times; None where it left them alone."""
        if self.watched:
            return "deep mode delayed frames"
        return "the program was paused to be sampled" if self.paused else None

    @property
    def live(self) -> bool:
        """Whether frames of a source were measured."""
        return bool(len(self.frames))

    @property
    def generates(self) -> bool:
        """Whether the program answers requests and has no live input."""
        return not len(self.all_frames) and (self.mode is Mode.GENERATE or bool(self.requests))

    @shared
    def requests(self) -> list[Request]:
        """The measured requests of a program without a live input."""
        return [] if len(self.all_frames) else generation.requests_of(self.run, self.window)

    @shared
    def windows(self) -> list[Segment]:
        """The regime of each window, or of each request."""
        if len(self.all_frames):
            window = self.window
            answered = self.mode is not Mode.COMMAND or len(self.outputs)
            live = self.live and answered
            found = regimes.live_windows(self.all_frames, window) if live and window else []
            return (
                regimes.without_live_input(found, self.media_speed) if self.closed_loop else found
            )
        return [each.segment for each in self.requests if each.segment is not None]

    @shared
    def closed_loop(self) -> bool:
        """Whether frames are scheduled by the answers: a source that waits for the program."""
        frames = self.frames
        known = (frames.scheduled_ns[1:] != NULL) & (frames.delivered_ns[:-1] != NULL)
        gap = (frames.scheduled_ns[1:] - frames.delivered_ns[:-1])[known]
        period = frames.period_ns
        if period is None or len(gap) < LOOP_FRAMES or 2 * len(gap) < len(frames):
            return False
        if np.mean((gap >= 0) & (gap < LOOP_GAP * period)) >= LOOP_SHARE:
            return True
        if np.mean(gap >= 0) < LOOP_SHARE:
            return False
        answered = (frames.delivered_ns - frames.scheduled_ns)[:-1][known]
        return statistics.rank_correlation(answered, answered + gap) >= LOOP_CORRELATION

    @property
    def media_speed(self) -> float | None:
        """Seconds of the clip's own time per second; None where the frames have no pts."""
        frames = self.frames
        if len(frames) < LOOP_FRAMES or (frames.pts_ns == NULL).any():
            return None
        elapsed = int(frames.due_ns[-1] - frames.due_ns[0])
        return int(frames.pts_ns[-1] - frames.pts_ns[0]) / elapsed if elapsed > 0 else None

    @cached_property
    def sample(self) -> Sample:
        """What the series of misses is worth."""
        return statistics.sample_of(self.frames.missed, self.tier)

    @cached_property
    def answer(self) -> Answer:
        """Whether 99 % of the frames are on time."""
        return statistics.answer(self.sample)

    @shared
    def block_size(self) -> int | None:
        """Size of the burst in which the median output came; None without outputs."""
        period = self.all_frames.period_ns
        if len(self.all_frames):
            chosen = self.frames.delivered_ns
        else:
            chosen = self.outputs.delivered_ns[self.outputs.measured]
            fps = generation.media_fps(self.manifest)
            period = 1e9 / fps if fps else None
        delivered = np.sort(chosen[chosen != NULL])
        if period is None or not len(delivered):
            return None
        sizes = np.sort(regimes.bursts_of(delivered, period).size)
        reached = np.searchsorted(np.cumsum(sizes), len(delivered) / 2)
        return int(sizes[reached])

    @shared
    def in_flight(self) -> InFlight | None:
        """Frames in flight at the moments when the gauge was read; None where it was not."""
        window = self.window
        samples = self.run.table("samples")
        samples = samples[(samples["track"] == IN_FLIGHT).fillna(value=False)]
        if window is None or not len(samples):
            return None
        times = measured.integers(samples["t_ns"])
        values = samples["value"].to_numpy(dtype=np.float64, na_value=np.nan)
        inside = (times >= window.start_ns) & (times < window.end_ns)
        inside &= np.abs(values) < MOST_IN_FLIGHT
        times, values = times[inside], values[inside]
        if not len(times):
            return None
        counted = self._in_flight_at(times)
        if counted is None:
            return InFlight(float(values.mean()), None, 0.0)
        error = float(np.std(values - counted) / np.sqrt(len(times)))
        return InFlight(float(values.mean()), float(counted.mean()), error)

    def _in_flight_at(self, times: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Count the frames between capture and fate; None where a loss has no time."""
        frames = self.all_frames
        left = frames.fate_ns
        lost = ~frames.of_in_flight
        if not len(frames) or (left[lost] == NULL).any() or (frames.captured_ns == NULL).any():
            return None
        entered = np.searchsorted(np.sort(frames.captured_ns), times, "right")
        gone = np.searchsorted(np.sort(left[lost]), times, "right")
        return entered - gone

    @shared
    def unknown_outputs(self) -> int:
        """Outputs of frames that the source never gave."""
        if not len(self.all_frames):
            return 0
        said = self.outputs.frame[self.outputs.frame != NULL]
        return int(np.count_nonzero(~measured.among(said, self.all_frames.number)))

    @shared
    def unnamed_outputs(self) -> int:
        """Outputs that say neither which frame nor which request they depend on."""
        return int(np.count_nonzero((self.outputs.frame == NULL) & (self.outputs.request == NULL)))

    @shared
    def lateness_ns(self) -> NDArray[np.int64]:
        """Release lateness of the measured frames in rising order; empty where nothing said it."""
        frames = self.frames
        said = (frames.scheduled_ns != NULL) & (frames.captured_ns != NULL)
        return measured.locked(np.sort(frames.captured_ns[said] - frames.scheduled_ns[said]))
