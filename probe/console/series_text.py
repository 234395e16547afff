"""A series of repeats in lines of text: each run, then what they agree on."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from probe.console.verdict_text import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from probe.console.judged import Judged
    from probe.console.repeated import Repeated
    from probe.series import Longest

MINUTE_S: Final = 60
HOUR_S: Final = 3600


def lines(series: Repeated) -> list[str]:
    """Return what all repeats say, then each of them, then why they are certified or not."""
    told = [one.verdict["series"] for one in series.members if one.verdict["series"]]
    text = [_headline(series), *(f"  {line(one)}" for one in series.members)]
    text.append(f"  tier      {_tier(series)}")
    if told and any(one.verdict["tier"] != "quick" for one in series.members):
        text += [f"            - {reason}" for reason in told[-1]["missing"]]
    limits = Counter(
        reason for one in series.members for reason in one.verdict["validity"]["reasons"]
    )
    if limits:
        text.append("  validity  " + ", ".join(_statuses(series)))
        text += [f"            - {reason} (in {count})" for reason, count in limits.items()]
    return text


def _headline(series: Repeated) -> str:
    verdicts = Counter(_verdict(one) for one in series.members)
    most, count = verdicts.most_common(1)[0]
    here = len(series.members)
    cut = f"; {here} of {series.of} repeats were measured" if here < series.of else ""
    if count == here:
        runs = "the only repeat is" if here == 1 else f"all {here} repeats are"
        return f"{runs} {most}{cut}"
    parts = [f"{number_of} {what}" for what, number_of in verdicts.most_common()]
    return f"the repeats do not agree: {', '.join(parts)}{cut}"


def _verdict(one: Judged) -> str:
    regime = one.verdict["regime"] or "without a regime"
    return f"{regime} (real-time inference {one.verdict['real_time']['outcome']})"


def line(one: Judged) -> str:
    """Return one repeat in a line, ending in the name of its directory."""
    verdict = one.verdict
    index = (one.run.manifest.get("series") or {}).get("index", "?")
    parts = [_verdict(one)]
    if one.run.manifest["state"] != "complete":
        parts.append(str(one.run.manifest["state"]))
    if verdict["latency_ms"] is not None:
        p50, p99 = (verdict["latency_ms"][name] for name in ("p50", "p99"))
        parts.append(f"p50 {number(p50, 'ms')}, p99 {_p99(p99)}")
        parts.append(number(verdict["rate_fps"], "fps"))
    elif verdict["generation"]:
        parts.append(number(verdict["speed"], "x playback", 2))
    missed = [each for each in verdict["limits"] if each["outcome"] == "failed"]
    if missed:
        parts.append(f"{len(missed)} of {len(verdict['limits'])} limits missed")
    return f"repeat {index:<3}{'; '.join(parts)}: {one.path.name}"


def _p99(value: float | str | None) -> str:
    return "not stated" if value is None else number(value, "ms")


def _tier(series: Repeated) -> str:
    tiers = sorted({one.verdict["tier"] for one in series.members})
    if tiers == ["quick"]:
        return "quick: indicative; --tier certified says what it holds when it is hot"
    return ", ".join(tiers) + ("" if tiers == ["certified"] else ", not certified")


def _statuses(series: Repeated) -> list[str]:
    found = Counter(one.verdict["validity"]["status"] for one in series.members)
    return [f"{count} {status}" for status, count in found.items()]


def longest(found: Longest, *, repeats: int) -> str:
    """Say how long a measurement takes at most: ``measuring 51 min, soak 150 min, ...``."""
    parts = []
    if found.measured_ns is None:
        parts.append("until the command ends" + (f", {repeats} times" if repeats > 1 else ""))
    else:
        parts.append(f"{_time(found.measured_ns)} of measuring")
    if found.soak_ns:
        parts.append(f"up to {_time(found.soak_ns)} of soak")
    if found.cool_down_ns:
        parts.append(f"up to {_time(found.cool_down_ns)} of cool-down")
    total = "" if found.measured_ns is None else f"at most {_time(found.total_ns)}, loading apart: "
    return total + ", ".join(parts)


def _time(length_ns: int) -> str:
    seconds = length_ns / 1e9
    if seconds >= HOUR_S:
        return f"{int(seconds // HOUR_S)} h {round(seconds % HOUR_S / MINUTE_S)} min"
    return f"{seconds / MINUTE_S:.0f} min" if seconds >= 2 * MINUTE_S else f"{seconds:.0f} s"


def document(series: Repeated) -> dict[str, Any]:
    """Return what ``--json`` prints of a series: each Run's path with its verdict."""
    told: Mapping[str, Any] = series.members[-1].verdict["series"] or {}
    return {
        "series": {
            "id": told.get("id"),
            "of": series.of,
            "measured": len(series.members),
            "agreeing": told.get("agreeing"),
            "certified": bool(told.get("certified")),
            "missing": list(told.get("missing") or ()),
            "interrupted": series.interrupted,
        },
        "runs": [{"path": str(one.path), "verdict": one.verdict} for one in series.members],
    }
