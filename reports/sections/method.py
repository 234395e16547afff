"""What does a verdict rest on, what is missing, and how is it run again?"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reports.page import numbers, status
from reports.page.privacy import file_name, without_folders
from reports.sections.header import change_shown

if TYPE_CHECKING:
    from reports.page.status import Status
    from reports.page.subject import Subject

_SCRIPT: Final = re.compile(r"[\w./~+-]+\.\w+|[\w./~+-]*/[\w.+-]+")
"""A word of a command that is a file's name and nothing else."""
WEIGHT: Final = 13
"""The rule of METHOD about the harness's weight."""
UNWEIGHED: Final = "no calibrated pair of runs with collectors on and off"
DEFINITIONS: Final = (
    ("Response latency", "is when a picture is shown minus when its source frame was scheduled."),
    ("Scheduled", "counts, not asked for: a stall cannot hide behind frames that it never took."),
    ("Rate", "counts unique rendered frames per second; 1 / rate is never called latency."),
    ("Block size", "is how many outputs are delivered together."),
    ("Held", "lasts until the first 10 s without a real-time window."),
    ("Speed", "is seconds of media made per second of wall time; it says nothing of latency."),
    ("Lost", "is every frame that was never shown; in a percentile it counts as infinite."),
)  # fmt: skip


@dataclass(frozen=True)
class CollectorRow:
    """A collector: what came of it, how much it sampled, and what that cost."""

    name: str
    status: Status
    detail: str
    samples: str
    cpu: str
    slowest: str


@dataclass(frozen=True)
class RuleRow:
    """A rule of METHOD, what it decides, its outcome, the reason and what to do."""

    number: str
    title: str
    decides: str
    status: Status
    reason: str
    remedy: str


def rules(subject: Subject) -> list[RuleRow]:
    """Return the rules in their order."""
    return [
        RuleRow(
            str(each.get("rule")),
            str(each.get("title") or ""),
            str(each.get("decides") or "").replace("_", " "),
            status.of_outcome(each.get("outcome"))
            if each.get("applies", True)
            else status.ABSENT.saying("does not apply"),
            numbers.sentence(str(each.get("reason") or "")),
            numbers.sentence(str(each.get("remedy") or "")),
        )
        for each in subject.verdict.get("rules") or []
    ]


def collectors(subject: Subject) -> list[CollectorRow]:
    """Return the collectors with outcome and cost; a missing source says why and what to do."""
    return [_collector(each) for each in _for_this_device(subject)]


def _for_this_device(subject: Subject) -> list[dict[str, Any]]:
    """Return the entries of the collectors that this kind of device could have."""
    entries = subject.manifest.get("collectors") or []
    return [each for each in entries if each.get("outcome") != "other device"]


def _collector(each: dict[str, Any]) -> CollectorRow:
    outcome = each.get("outcome")
    detail = [str(part).rstrip(".") for part in (each.get("reason"), each.get("remedy")) if part]
    if outcome == "ok":
        detail = [str(t.get("title") or t.get("name")) for t in each.get("tracks") or []]
    cpu, slowest = each.get("cpu_ns"), each.get("slowest_ns")
    return CollectorRow(
        name=str(each.get("name")),
        status=status.of_outcome("not measured" if outcome == "no data" else outcome),
        detail="; ".join(detail),
        samples=numbers.count(each.get("samples")),
        cpu=numbers.ms(None if cpu is None else cpu / 1e6),
        slowest=numbers.ms(None if slowest is None else slowest / 1e6),
    )


def missing(subject: Subject) -> list[tuple[str, str]]:
    """Return (what, why) of everything that was not measured."""
    rows = [
        (str(each.get("name")), _collector(each).detail or "no reason given")
        for each in _for_this_device(subject)
        if each.get("outcome") != "ok"
    ]
    if subject.verdict.get("copies") is None and all(name != "copies" for name, _ in rows):
        rows.append(("copies", "not traced in this run"))
    weighed = _rule(subject, WEIGHT)
    if subject.verdict.get("overhead") is None and weighed.get("outcome") != "supported":
        why = [str(weighed.get(part) or "").rstrip(".") for part in ("reason", "remedy")]
        rows.append(("overhead of the harness", "; ".join(filter(None, why)) or UNWEIGHED))
    return rows


def _rule(subject: Subject, number: int) -> dict[str, Any]:
    rules = subject.verdict.get("rules") or []
    return next((each for each in rules if each.get("rule") == number), {})


def statistics(subject: Subject) -> str:
    """Return how many frames the percentiles stand on."""
    latency = subject.verdict.get("latency_ms") or {}
    n, effective = latency.get("n"), latency.get("n_eff")
    if not n:
        return "No frame was measured, so no percentile is given."
    frames = numbers.plural(n, "measured frame")
    text = f"Percentiles are order statistics over all {frames}; no outlier is removed."
    if effective is not None:
        why = "Misses may cluster, so they" if round(effective) < n else "They"
        text += (
            f" {why} count as n_eff = {numbers.count(round(effective))} independent frames in the"
            " binomial test."
        )
    return text + " A p99 needs 459 frames without a miss."


def clocks(subject: Subject) -> str:
    """Return which clock was used, and what the sanity rule says of it."""
    name = subject.part("clocks").get("clock") or "CLOCK_MONOTONIC"
    display = subject.fact("display", "refresh_hz")
    text = f"{name} throughout, in nanoseconds; wall time stands once in run.json."
    if display:
        text += (
            f" A display of {numbers.scalar(display)} Hz is computed, not slept for: a picture is"
            " shown at the first refresh after it was delivered."
        )
    return text


def weight(subject: Subject) -> str:
    """Return what the harness itself cost, and whether its effect was measured."""
    harness, overhead = subject.part("harness"), subject.verdict.get("overhead")
    clocks = subject.part("clocks")
    begin, end = clocks.get("start_monotonic_ns"), clocks.get("end_monotonic_ns")
    cpu, wall = harness.get("cpu_ns"), None if begin is None or end is None else end - begin
    text = "Its own cost is not in this Run."
    if cpu is not None and wall:
        share = numbers.percent(cpu / wall)
        spent, span = numbers.ms(cpu / 1e6), numbers.clock(wall / 1e9)
        text = f"It used {spent} of CPU in {span}, {share} of one core."
    if overhead is None:
        return f"{text} {_unweighed(subject)}"
    pairs = numbers.plural(overhead.get("pairs") or 0, "interleaved pair")
    days = int(overhead.get("age_days") or 0)
    age = numbers.plural(days, "day") if days else "less than a day"
    said = overhead.get("outcome") or "not known"
    return (
        f"{text} {pairs} of {overhead.get('scenario')} with collectors off and on, {age} before the"
        f" run: p50 {_shift(overhead, 'p50_shift')} (limit 2 %),"
        f" p99 {_shift(overhead, 'p99_shift')} (limit 5 %): {said};"
        f" throughput loss {_shift(overhead, 'throughput_loss')}, CPU of the program"
        f" {_shift(overhead, 'cpu_shift')} a frame."
    )


def _unweighed(subject: Subject) -> str:
    weighed = _rule(subject, WEIGHT)
    if weighed.get("outcome") == "supported":
        return f"It is {weighed.get('reason')}."
    return (
        "Its effect on latency is not measured: that takes interleaved runs with it off and on"
        " (liveprobe calibrate)."
    )


def _shift(overhead: dict[str, Any], name: str) -> str:
    """Return a shift with its interval: `+0.3 % (-0.2 to +0.8)`."""
    ends = overhead.get(f"{name}_interval_pct")
    middle = _signed(overhead.get(f"{name}_pct"))
    if not ends:
        return middle
    low, high = (_signed(each) for each in ends)
    return f"{middle} (95{numbers.NBSP}%: {low} to {high})"


def _signed(value: float | None) -> str:
    if value is None:
        return numbers.NOT_MEASURED
    return f"{'+' if value > 0 else ''}{numbers.fixed(value, 1)}{numbers.NBSP}%"


def tapes(subject: Subject) -> str:
    """Return what was read of the tapes."""
    found = subject.part("tapes")
    if not found:
        return "No tape was written."
    records = numbers.plural(found.get("records") or 0, "record")
    text = f"{records} on {numbers.plural(found.get('files') or 0, 'tape')}"
    faults = [
        f"{numbers.count(found[key])} {word}"
        for key, word in (("lost", "lost for want of room"), ("torn", "torn"))
        if found.get(key)
    ]
    faults += [
        f"{file_name(str(name))} not read: {why}" for name, why in found.get("rejected") or []
    ]
    if found.get("stopped"):
        faults.append("recording stopped: the disk was full")
    return f"{text}; {numbers.listed(faults) if faults else 'none lost, none torn'}."


def last_words(subject: Subject) -> str:
    """Return the last line that the program wrote to stderr, with paths cut to file names."""
    lines = str(subject.part("program").get("stderr_tail") or "").strip().splitlines()
    return without_folders(lines[-1])[:500] if lines else ""


def _program(command: list[Any]) -> list[str]:
    """Return the program and its script by name; other arguments may be anything, so they stay."""
    words = [str(word) for word in command]
    shown = [file_name(word) for word in words[:1]]
    shown += [file_name(word) for word in words[1:2] if _SCRIPT.fullmatch(word)]
    return shown + ["..."] * (len(words) > len(shown))


def rerun(subject: Subject) -> str:
    """Return the command that runs this again; paths are cut to file names."""
    if subject.mode == "command":
        command = subject.part("program").get("command") or []
        return shlex.join(["liveprobe", "run", "--", *_program(command)])
    scenario = subject.part("scenario")
    words = ["liveprobe", "run", subject.name]
    for override in scenario.get("overrides") or []:
        words += ["--set", change_shown(str(override))]
    return shlex.join(words)
