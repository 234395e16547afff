"""Every number of a live run with its definition, limit, margin, statistic and sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from probe.copies.methods import Kind
from probe.drift import drift_of
from probe.verdict.evidence import Evidence
from reports.page import numbers
from reports.sections import energy
from reports.sections.live import answers, limit_number, limit_status, limit_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports.page.status import Status
    from reports.page.subject import Subject

_PER_MINUTE_DIGITS: Final = 2


@dataclass(frozen=True)
class Figure:
    """A row: what it is, its value, its limit and outcome where it has one, what it stands on."""

    name: str
    value: str
    limit: str
    status: Status | None
    basis: str


def figures(subject: Subject) -> list[Figure]:
    """Return the rows of the table of numbers, those with a limit first."""
    rows = [
        Figure(each.name, f"{each.value} {each.unit}".strip(), each.limit, each.status, each.basis)
        for each in answers(subject)
    ]
    return rows + _latencies(subject) + _others(subject)


def _latencies(subject: Subject) -> list[Figure]:
    found: list[Figure] = []
    for key, name in (
        ("latency_ms", "response latency"),
        ("rendered_latency_ms", "latency of rendered frames"),
    ):
        values = subject.verdict.get(key) or {}
        n = int(values.get("n") or 0)
        for which in ("p50", "p95", "p99", "max"):
            if (key, which) == ("latency_ms", "p99"):
                continue
            value = values.get(which)
            said = (
                numbers.ms(value)
                if value is not None
                else ("insufficient" if n else numbers.NOT_MEASURED)
            )
            if not n:
                found.append(Figure(f"{name}, {which}", said, "", None, "no measured frame"))
                continue
            sample = f"all {numbers.count(n)} measured frames; a lost one counts as infinite"
            if key != "latency_ms":
                sample = f"the {numbers.count(n)} rendered frames alone, which hides the lost ones"
            found.append(Figure(f"{name}, {which}", said, "", None, sample))
    return found


def _others(subject: Subject) -> list[Figure]:
    flight = subject.verdict.get("in_flight_mean")
    first, load = (
        subject.verdict.get("time_to_first_frame_ms"),
        subject.part("program").get("load_ns"),
    )
    rows = [
        ("sync drift", *_drift(subject)),
        ("frames in flight, mean", None if flight is None else numbers.fixed(float(flight), 2),
         "sampled gauge, independent of the spans"),
        ("time to first frame", None if first is None else numbers.ms(first),
         "from the first scheduled frame to the first output, in the warm-up"),
        ("load time", None if load is None else numbers.ms(int(load) / 1e6),
         "from the program's start to its first scheduled frame"),
    ]  # fmt: skip
    rows += [row for row in energy.rows(subject) if row[1] is not None]
    found = [Figure(n, v or numbers.NOT_MEASURED, "", None, b) for n, v, b in rows]
    return [*found, _copied(subject)]


def _drift(subject: Subject) -> tuple[str | None, str]:
    """Return the slope of latency up to delivery and its interval, or why there is none."""
    slope = subject.verdict.get("drift_ms_per_min")
    found = drift_of(Evidence(subject.run).frames)
    if slope is None or isinstance(found, str):
        return None, found if isinstance(found, str) else "the verdict has no such number"
    low, high = (
        numbers.fixed(each, _PER_MINUTE_DIGITS) for each in (found.trend.low, found.trend.high)
    )
    basis = (
        "slope of latency over time (Theil-Sen) up to delivery, before the wait for a refresh;"
        f" 99 %: {low} to {high}"
    )
    return f"{numbers.fixed(float(slope), _PER_MINUTE_DIGITS)}{numbers.NBSP}ms/min", basis


def _copied(subject: Subject) -> Figure:
    """Return the bytes that copies write for a frame: all four kinds."""
    said = subject.verdict.get("copies")
    if said is None:
        return Figure("bytes copied per frame", numbers.NOT_MEASURED, "", None, "copy ledger")
    if said["count_per_frame"] is None:
        basis = "copy ledger: traced, but no measured frame is known"
        return Figure("bytes copied per frame", numbers.NOT_MEASURED, "", None, basis)
    kinds = [kind.value for kind in Kind]
    size = sum(float(said[f"{kind}_bytes_per_frame"]) for kind in kinds)
    count = numbers.fixed(float(said["count_per_frame"]), 1)
    value = f"{numbers.megabytes(size)}{numbers.NBSP}MB"
    basis = f"copy ledger: {count} copies, mean of the measured frames; {numbers.listed(kinds)}"
    return Figure("bytes copied per frame", value, "", None, basis)


def limits(subject: Subject) -> list[Figure]:
    """Return the limits that the scenario or the caller set, each with value and margin."""
    return [
        Figure(
            str(each.get("metric")),
            limit_number(each, "value"),
            limit_text(each),
            limit_status(each),
            str(each.get("note") or ""),
        )
        for each in subject.verdict.get("limits") or []
    ]


@dataclass(frozen=True)
class StageRow:
    """A stage with its work and its wait; widths are percent of the longest p99."""

    name: str
    slot: str
    work_p50: str
    work_p99: str
    queue_p50: str
    queue_p99: str
    share: str
    work: float
    work_tail: float
    queue: float
    queue_tail: float
    beside: bool


def stage_rows(
    subject: Subject, slots: Callable[[str], str], aside: tuple[str, ...]
) -> list[StageRow]:
    """Return the stages of the verdict; `slots` names the colour of a stage."""
    stages = list(subject.verdict.get("stages") or [])
    scale = max((_best(each, "p99_ms", "p50_ms") for each in stages), default=0.0)
    scale = max([scale, *(_best(each, "queue_p99_ms", "queue_p50_ms") for each in stages)])

    def percent(value: float) -> float:
        return round(100 * value / scale, 3) if scale else 0.0

    return [
        StageRow(
            name=str(each["stage"]),
            slot=slots(str(each["stage"])),
            work_p50=_cell(each.get("p50_ms")),
            work_p99=_cell(each.get("p99_ms")),
            queue_p50=_cell(each.get("queue_p50_ms")),
            queue_p99=_cell(each.get("queue_p99_ms")),
            share=numbers.percent(each.get("share"), 0) if each.get("share") is not None else "",
            work=percent(_best(each, "p50_ms")),
            work_tail=percent(_best(each, "p99_ms", "p50_ms")),
            queue=percent(_best(each, "queue_p50_ms")),
            queue_tail=percent(_best(each, "queue_p99_ms", "queue_p50_ms")),
            beside=str(each["stage"]) in aside,
        )
        for each in stages
    ]


def _cell(value: object) -> str:
    return "\N{EN DASH}" if value is None else numbers.ms_plain(value)


def _best(row: dict[str, Any], *keys: str) -> float:
    return next((float(row[key]) for key in keys if isinstance(row.get(key), (int, float))), 0.0)


def side_by_side(
    live: Subject, generation: Subject, soonest_ms: float | None
) -> list[tuple[str, str, str]]:
    """Return the table that sets the two runs side by side; what does not apply reads n/a."""
    na = "n/a"
    speed, fps = generation.verdict.get("speed"), live.verdict.get("rate_fps")
    p99 = (live.verdict.get("latency_ms") or {}).get("p99")
    latency = "insufficient" if p99 is None else numbers.ms(p99)
    return [
        (
            "regime",
            str(live.verdict.get("regime") or na),
            str(generation.verdict.get("regime") or na),
        ),
        ("depends on a live input", _dependence(live), _dependence(generation)),
        ("response latency, p99", latency, na),
        ("rate, unique frames", na if fps is None else f"{numbers.rate(fps)} fps", na),
        ("real-time held", numbers.clock(live.verdict.get("real_time_held_s")), na),
        ("block size", _size(live), _size(generation)),
        ("soonest answer that a block allows", na, numbers.ms(soonest_ms) if soonest_ms else na),
        ("speed", na, na if speed is None else numbers.times(speed)),
    ]


def _dependence(subject: Subject) -> str:
    """Return what the outputs themselves name: a frame, a request, or nothing."""
    outputs = subject.run.table("outputs")
    if outputs["frame"].notna().any():
        return "yes: outputs name their frame"
    return "no: it answers requests" if outputs["request"].notna().any() else "not shown"


def _size(subject: Subject) -> str:
    size = subject.verdict.get("block_size")
    return numbers.NOT_MEASURED if size is None else numbers.plural(float(size), "frame")


def absent(found: str) -> bool:
    """Say whether a cell says that there is no number."""
    return found in ("n/a", numbers.NOT_MEASURED, "insufficient")
