"""Is something called live that is only fast? A generator, a batch, or a source that waits.

Only what is stated counts as calling it live: the scenario's mode, a program's fact `live`, or a
schedule of frames (`probe.frame(k, scheduled_ns=...)`). Names and titles are not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from probe import cases, cases_device, regimes, stated
from probe.model import Audit, Case, Finding, FindingOutcome, Mode, Regime
from probe.verdict import summary
from probe.verdict.evidence import Evidence

if TYPE_CHECKING:
    from probe.store import Run

ID: Final = "speed_as_live"
TITLE: Final = "Speed called live"
REMEDY: Final = (
    'call it what it is: a generator in mode "generate", with its speed and the time to its first '
    "frame; to be live, take each frame at its own time whatever became of the one before, and "
    "answer it by itself"
)
MOST: Final = 0.5
"""A run is named by what it did most (METHOD: regimes)."""


def judge(run: Run) -> list[Finding]:
    """Say whether what is called live depends on a live input, frame by frame."""
    evidence = Evidence(run)
    if evidence.generates:
        return [_without_input(evidence)] if _called_live(evidence) else []
    windows = evidence.windows
    if not windows:
        return [_unknown()]
    share = regimes.shares(windows)
    fast = share[Regime.FAST_GENERATION] + share[Regime.OFFLINE]
    if fast == 0:
        title = f"{TITLE}: no, outputs follow a live input one by one"
        return [Finding(ID, title, FindingOutcome.PASSED, {"fast_share": 0.0}, REMEDY)]
    return [_not_live(evidence, fast)]


def _called_live(evidence: Evidence) -> bool:
    return evidence.mode is Mode.LIVE or stated.fact(evidence.manifest, "live") is True


def _unknown() -> Finding:
    return Finding(
        ID,
        f"{TITLE}: what outputs depend on is not known",
        FindingOutcome.NOT_MEASURED,
        {},
        'call probe.frame(k, scheduled_ns=...) when frame k enters and probe.mark("delivered", '
        'frame=k) when its output is out; a generator calls probe.mark("request", frame=n)',
    )


def _without_input(evidence: Evidence) -> Finding:
    speed = summary.speed(evidence)
    said = "" if speed is None else f", at {speed:.1f} times playback"
    return Finding(
        ID,
        f"{TITLE}: outputs answer {len(evidence.requests)} requests, no frame of an input{said}",
        FindingOutcome.FAILED,
        {"why": "no live input", "requests": len(evidence.requests), "speed": speed},
        REMEDY,
    )


def _not_live(evidence: Evidence, fast: float) -> Finding:
    closed = evidence.closed_loop
    speed = evidence.media_speed if closed else summary.speed(evidence)
    proof: dict[str, Any] = {
        "why": "closed loop" if closed else "blocks",
        "fast_share": fast,
        "speed": speed,
        "block_size": evidence.block_size,
    }
    what = (
        "each frame is due when the one before was answered: the source waits for the program"
        if closed
        else f"outputs come in blocks of {evidence.block_size}, {fast:.0%} of the time"
    )
    said = "" if speed is None else f", at speed {speed:.2f}"
    made = [
        each for each in evidence.windows if each.regime in (Regime.FAST_GENERATION, Regime.OFFLINE)
    ]
    return Finding(
        audit=ID,
        title=f"{TITLE}: {what}{said}",
        outcome=FindingOutcome.FAILED if fast > MOST else FindingOutcome.WARNING,
        evidence=proof,
        remedy=REMEDY,
        from_ns=made[0].from_ns,
        to_ns=made[-1].to_ns,
    )


def _blocks(size: int, count: int) -> list[float | None]:
    """Return latencies of frames that leave together with the last frame of their block."""
    return [20.0 + 40.0 * (size - 1 - k % size) + k % size for k in range(count)]


AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="Twenty frames a second that were made without looking at the last picture are a film, not "
    "an answer: whoever buys it as live finds out when the input moves.",
    source="METHOD, regimes of a window: fast generation is outputs in blocks or without the live "
    "input at a speed of at least 1; rule 1: a closed loop may only say fast",
    requires=("frames", "outputs", "events"),
    related=("block_delivery",),
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case("a live program", lambda: cases.live_run([20.0] * 60), (FindingOutcome.PASSED,)),
        Case(
            "a slow live program is late, but live in kind",
            lambda: cases.live_run([90.0] * 60),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "a live scenario answered in blocks",
            lambda: cases.live_run(_blocks(4, 60)),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "blocks for two of six seconds",
            lambda: cases.live_run([*[20.0] * 100, *_blocks(4, 50)]),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "a loop that takes the next frame when it is ready, with a schedule of its own",
            cases_device.closed_loop,
            (FindingOutcome.FAILED,),
        ),
        Case(
            "a generator that states it is live",
            lambda: cases_device.stating(cases.generating_run(), {"live": True}),
            (FindingOutcome.FAILED,),
        ),
        Case("a generator that says so", cases.generating_run, ()),
        Case("a program that said nothing", cases.silent_run, (FindingOutcome.NOT_MEASURED,)),
    ),
)
