"""What does the generator make, how fast, and why is that not live?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from probe.model import Regime, ValidityStatus
from reports.charts.blocks import blocks, soonest, time_rows
from reports.page import numbers, status
from reports.sections import energy
from reports.sections.live import Answer, Headline, limit_on, limit_status, limit_text

if TYPE_CHECKING:
    from reports.charts.blocks import Soonest
    from reports.page.subject import Subject

FAST: Final = f"fast is ≥ {numbers.times(1)}"
NOT_APPLYING: Final = (
    ("response latency, slack", "no live frame is answered"),
    ("late, dropped", "no frame has a deadline"),
    ("rate of unique frames", "made frames are no source's frames"),
    ("sync drift", "no capture time to drift from"),
)


def heading(subject: Subject) -> str:
    """Return what the column is called: fast only where it is."""
    fast = subject.verdict.get("regime") == Regime.FAST_GENERATION
    return "Fast generation" if fast else "Generation"


def headline(subject: Subject) -> Headline:
    """Return the verdict line of a run that generates."""
    if (subject.verdict.get("validity") or {}).get("status") == ValidityStatus.INVALID:
        word = status.MISSED.saying("Invalid measurement.")
        return Headline(word, "No verdict rests on these numbers; the reasons stand above.")
    words = {
        Regime.FAST_GENERATION.value: "Fast, not live.",
        Regime.OFFLINE.value: "Offline, not live.",
    }
    said = words.get(str(subject.verdict.get("regime")))
    if said is None:
        return Headline(status.ABSENT.saying("Nothing generated."), _empty(subject))
    return Headline(status.GENERATES.saying(said), _sentence(subject))


def _empty(subject: Subject) -> str:
    reason = str((subject.verdict.get("real_time") or {}).get("reason") or "").rstrip(".")
    return f"No output was delivered{f': {reason}' if reason else ''}."


def _sentence(subject: Subject) -> str:
    speed, size = subject.verdict.get("speed"), subject.verdict.get("block_size")
    made = "Speed was not measured" if speed is None else (
        f"Makes {numbers.fixed(float(speed), 2)} s of media per second")  # fmt: skip
    if size is None:
        return f"{made}; nothing that it makes depends on a live input."
    return f"{made}, in blocks of {numbers.plural(float(size), 'frame')} that follow no live input."


def answers(subject: Subject) -> list[Answer]:
    """Return the four numbers of the generation column; none of them is a metric of real-time."""
    return [_speed(subject), _first(subject), _generated(subject), _block(subject)]


def _requests(subject: Subject) -> list[dict[str, Any]]:
    return list((subject.verdict.get("generation") or {}).get("requests") or [])


def _speed(subject: Subject) -> Answer:
    speed = subject.verdict.get("speed")
    basis = f"media made per second, {numbers.plural(len(_requests(subject)), 'request')}"
    if speed is None:
        return Answer("speed", numbers.NOT_MEASURED, "", FAST, status.ABSENT, basis)
    margin = float(speed) - 1
    word = f"{'by' if margin >= 0 else 'under by'} {numbers.times(abs(margin))}"
    base = status.HOLDS if margin >= 0 else status.LIMITED
    value = numbers.fixed(float(speed), 2)
    return Answer("speed", value, numbers.TIMES, FAST, base.saying(word), basis)


def _first(subject: Subject) -> Answer:
    value, unit = numbers.ms_parts(subject.verdict.get("time_to_first_frame_ms"))
    found = limit_on(subject, "time_to_first_frame_ms")
    basis = "from the request to its first output"
    if found is None:
        return Answer("first frame", value, unit, "no limit set", None, basis)
    return Answer("first frame", value, unit, limit_text(found), limit_status(found), basis)


def made_per_second(subject: Subject) -> float | None:
    """Return generated frames per second of the requests' own time, from their media and rate."""
    requests = [each for each in _requests(subject) if each.get("outputs")]
    spent = sum((each["to_ns"] - each["from_ns"]) / 1e9 for each in requests)
    return sum(each["outputs"] for each in requests) / spent if spent > 0 else None


def _generated(subject: Subject) -> Answer:
    rate = made_per_second(subject)
    outputs = sum(int(each.get("outputs") or 0) for each in _requests(subject))
    basis = f"{numbers.plural(outputs, 'frame')}, request to last output"
    value = numbers.NOT_MEASURED if rate is None else numbers.fixed(rate, 1)
    unit = "" if rate is None else "/s"
    return Answer(
        "generated", value, unit, "no limit", status.ABSENT.saying("not a live rate"), basis
    )


def _block(subject: Subject) -> Answer:
    size = subject.verdict.get("block_size")
    basis = f"{numbers.plural(len(blocks(subject)), 'block')} delivered"
    if size is None:
        return Answer("block size", numbers.NOT_MEASURED, "", "live needs 1", status.ABSENT, basis)
    value = numbers.fixed(float(size), 0 if float(size).is_integer() else 1)
    word = status.ABSENT.saying("never live")
    return Answer(
        "block size", value, "frame" if size == 1 else "frames", "live needs 1", word, basis
    )


@dataclass(frozen=True)
class WhyNot:
    """Why blocks cannot be live: the sentence, and the bar of fill and compute (percent)."""

    sentence: str
    fill_percent: float
    live_percent: float
    fill: str
    compute: str
    total: str
    deadline: str


def why_not_live(subject: Subject, deadline_ms: float | None) -> WhyNot | None:
    """Return the bound of METHOD rule 12 against a live deadline; None where it is not known."""
    found = soonest(subject, blocks(subject))
    if found is None or not found.total_ms or not deadline_ms:
        return None
    return WhyNot(
        sentence=_why(found, deadline_ms),
        fill_percent=round(100 * found.fill_ms / found.total_ms * 0.88, 3),
        live_percent=round(100 * deadline_ms / found.total_ms * 0.88, 3),
        fill=f"fill a block: {found.size - 1} / {found.fps:g} fps = {numbers.ms(found.fill_ms)}",
        compute=f"compute: {numbers.ms(found.compute_ms)}",
        total=numbers.ms(found.total_ms),
        deadline=numbers.setting(deadline_ms),
    )


def _why(found: Soonest, deadline_ms: float) -> str:
    times = found.total_ms / deadline_ms
    how = f"{numbers.fixed(times, 0 if times >= 10 else 1)} times the live deadline"  # noqa: PLR2004  two digits say enough
    if found.size <= 1:
        return (
            "It answers requests, not frames: an input that changes waits for the next request,"
            f" and computing one answer takes {numbers.ms(found.compute_ms)}, {how}."
        )
    return (
        f"A change of input could not show sooner than {numbers.ms(found.total_ms)}, {how}, however"
        " fast the blocks come: a block must fill before it is computed."
    )


def table(subject: Subject) -> list[tuple[str, str, str]]:
    """Return (metric, value, statistic and sample) of the generation section."""
    requests = _requests(subject)
    n = numbers.plural(len(requests), "request")
    speeds = [float(each["speed"]) for each in requests if each.get("speed") is not None]
    generation = subject.verdict.get("generation") or {}
    span = (
        f"{numbers.fixed(min(speeds), 2)} to {numbers.fixed(max(speeds), 2)}" if speeds else "none"
    )
    speed = subject.verdict.get("speed")
    rows = [
        ("speed", numbers.NOT_MEASURED if speed is None else numbers.times(speed),
         f"media made over time spent, {n}; single requests {span}"),
        ("time to first frame", numbers.ms(subject.verdict.get("time_to_first_frame_ms")), n),
        ("cost of a frame, p50", numbers.ms(generation.get("ms_per_frame_p50")),
         f"n = {numbers.plural(len(blocks(subject)), 'block')}"),
        *time_rows(blocks(subject)),
    ]  # fmt: skip
    if not _has_power(subject):
        absent = ("energy of a frame", numbers.NOT_MEASURED, "no collector of power was there")
        return [*rows, absent]
    told = energy.rows(subject)
    return [*rows, *((name, value or numbers.NOT_MEASURED, basis) for name, value, basis in told)]


def _has_power(subject: Subject) -> bool:
    return any(
        track.get("unit") == "watts"
        for collector in subject.manifest.get("collectors") or []
        for track in collector.get("tracks") or []
        if collector.get("outcome") == "ok"
    )
