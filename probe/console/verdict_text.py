"""A verdict in a few lines of text: what it behaved like, how fast, how late, how sure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from probe.copies.methods import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SHORT: Final = {
    "percent": "%", "watts": "W", "celsius": "°C", "hertz": "Hz", "count": "", "bytes": "B",
    "ratio": "", "joules": "J", "volts": "V", "amperes": "A",
}  # fmt: skip
"""How a stored unit is written to be read."""
KINDS: Final = tuple(kind.value for kind in Kind)
USUAL_DIGITS: Final = 2
LEAST_MARGIN: Final = 1e-6
"""A margin below it is what rounding leaves of none."""


def lines(
    manifest: Mapping[str, Any], verdict: Mapping[str, Any], power: Iterable[str] = ()
) -> list[str]:
    """Return the summary of a judged Run, answer first; `power` are the lines of `power_text`."""
    text = [_headline(verdict), *_remedy(verdict), *_ending(manifest), *_course(verdict)]
    if verdict["generation"]:
        text += _generation(verdict)
    elif verdict["released"] is not None:
        text += [_frames(verdict), _latency(verdict)]
    text += [*_copies(manifest, verdict), *power, *_missing(manifest)]
    text += [*_limits(verdict), *_failures(verdict)]
    return [*text, *_series(verdict), *_validity(verdict)]


def _headline(verdict: Mapping[str, Any]) -> str:
    regime = verdict["regime"] or "nothing came out that could be judged"
    answer = verdict["real_time"]
    rule = "" if answer["rule"] is None else f" by rule {answer['rule']}"
    reason = f": {answer['reason']}" if answer["reason"] else ""
    return f"{regime}; real-time inference is {answer['outcome']}{rule}{reason}"


def _remedy(verdict: Mapping[str, Any]) -> list[str]:
    """Return what to do about the rule that broke."""
    remedy = verdict["real_time"].get("remedy")
    return [f"  remedy    {remedy}"] if remedy else []


def _course(verdict: Mapping[str, Any]) -> list[str]:
    """Return when a run changed; nothing of one that never did."""
    changed = len(verdict.get("regimes") or ()) > 1 or verdict.get("latency_changes")
    return [f"  course    {verdict['course']}"] if changed and verdict.get("course") else []


def _ending(manifest: Mapping[str, Any]) -> list[str]:
    if manifest["state"] == "complete":
        return []
    program = manifest["program"]
    status = program.get("exit_code")
    how = program.get("signal") or ("" if status is None else f"exit status {status}")
    outcome = program.get("outcome")
    what = f"the program {outcome}" if outcome else "liveprobe itself was killed"
    if outcome == "interrupted":
        what = "somebody stopped the run, and with it the program"
    ending = f"  ended     {manifest['state']}: {what}"
    said = str(program.get("stderr_tail") or "").strip().splitlines()
    return [f"{ending} ({how})" if how else ending, *(f"  it said   {line}" for line in said[-1:])]


def _frames(verdict: Mapping[str, Any]) -> str:
    fates = [f"{n} {name.replace('_', ' ')}" for name, n in (verdict["fates"] or {}).items() if n]
    rate = number(verdict["rate_fps"], "fps")
    return f"  rate      {rate}; of {verdict['released']} frames {', '.join(fates) or 'none'}"


def _latency(verdict: Mapping[str, Any]) -> str:
    latency, margin = verdict["latency_ms"], verdict["slack_p99_ms"]
    if latency is None:
        return "  latency   not measured"
    p99 = "not stated" if latency["p99"] is None else number(latency["p99"], "ms")
    text = f"  latency   p50 {number(latency['p50'], 'ms')}, p99 {p99}"
    text += f" (deadline {number(verdict['deadline_ms'], 'ms')}"
    text += f", margin {margin:+.1f} ms)" if isinstance(margin, (int, float)) else ")"
    return f"{text}, n = {latency['n']} frames"


def _generation(verdict: Mapping[str, Any]) -> list[str]:
    speed = number(verdict["speed"], "x playback", 2)
    first = number(verdict["time_to_first_frame_ms"], "ms")
    blocks = number(verdict["block_size"], "frames", 0)
    return [
        f"  speed     {speed}, n = {len(verdict['generation']['requests'])} requests",
        f"  answer    first frame after {first}, in blocks of {blocks}",
    ]


def _copies(manifest: Mapping[str, Any], verdict: Mapping[str, Any]) -> list[str]:
    """Return what copying costs, or why nobody knows; nothing where nobody asked."""
    found = verdict.get("copies")
    if found is None:
        return _untraced(manifest)
    blind = f"; blind to {found['blind']} of its processes" if found["blind"] else ""
    if found["count_per_frame"] is None:
        return [
            f"  copies    traced, but no measured frame is known{blind}; ask: liveprobe copies RUN"
        ]
    if not found["count_per_frame"] and blind:
        return [f"  copies    none seen{blind}; ask: liveprobe copies RUN"]
    moved = sum(found[f"{kind}_bytes_per_frame"] for kind in KINDS) / 1e6
    pictures = found["frame_equivalents"]
    amount = f"{moved:.2f} MB" + (f" ({pictures:.1f} pictures)" if pictures is not None else "")
    per = "picture" if verdict["generation"] else "frame"
    text = f"{found['count_per_frame']:.1f} per {per}, {amount}{blind}"
    return [f"  copies    {text}; ask: liveprobe copies RUN"]


def _untraced(manifest: Mapping[str, Any]) -> list[str]:
    entries = manifest.get("collectors") or ()
    entry = next((each for each in entries if each.get("name") == "copies"), None)
    if entry is None or entry.get("outcome") == "off":
        return []
    blind = (entry.get("facts") or {}).get("blind") or ()
    told = [f"blind to {each.get('exe')}: {each.get('why')}" for each in blind[:1]]
    reason = entry.get("reason") or "; ".join(told) or "no process of the program could be seen"
    return [f"  copies    not traced: {reason}"]


def _missing(manifest: Mapping[str, Any]) -> list[str]:
    """Return what somebody asked for by name and did not get, with the reason and the remedy."""
    asked = ["power_meter", "pyspy"]  # they are off where nobody asked
    resolved = (manifest.get("scenario") or {}).get("resolved") or {}
    if (resolved.get("operators") or {}).get("read"):
        asked.append("onnxruntime")
    entries = [each for each in manifest.get("collectors") or () if each.get("name") in asked]
    text = [
        f"  missing   {_named(each['name'], each['reason'])}"
        f"{'; ' * bool(each['remedy'])}{each['remedy'] or ''}"
        for each in entries
        if each.get("outcome") == "no data"
    ]
    unread = (manifest.get("operators") or {}).get("not_read") or ()
    text += [f"  missing   operators of {file}: {why}" for file, why in unread]
    unheard = any((each.get("facts") or {}).get("recordings") == 0 for each in entries)
    return [
        *text,
        *(["  missing   pyspy: it wrote no recording; ask: liveprobe hot RUN"] * unheard),
    ]


def _named(collector: str, reason: object) -> str:
    """Say who gives a reason, where it does not begin with that."""
    said = str(reason)
    return said if said.startswith(collector) else f"{collector}: {said}"


def _limits(verdict: Mapping[str, Any]) -> list[str]:
    """Return each limit with its value and its margin; what is not measured says why."""
    return [f"  limit     {_limit(each)}" for each in verdict.get("limits") or ()]


def _limit(row: Mapping[str, Any]) -> str:
    unit = SHORT.get(row["unit"], row["unit"])
    asked = row["metric"] if row["limit"] is None else f"{row['metric']} {row['op']} "
    asked += "" if row["limit"] is None else f"{row['limit']:g} {unit}".rstrip()
    note = f"; {row['note']}" if row["note"] else ""
    if row["value"] is None:
        return f"{asked}: not measured{note}"
    fine = digits(row["margin"])
    value = number(row["value"], unit, fine).rstrip()
    if row["outcome"] == "not measured":
        return f"{asked}: {value}, not decided{note}"
    word = "holds" if row["outcome"] == "passed" else "missed"
    margin = "" if row["margin"] is None else f" by {abs(row['margin']):.{fine}f} {unit}".rstrip()
    return f"{asked}: {value}, {word}{margin}{note}"


def _failures(verdict: Mapping[str, Any]) -> list[str]:
    """Return what fails or warns, one line a finding: its title says what was found.

    What the pass itself may have caused accuses nobody: it is named in a line for all.
    """
    wanted = ("failed", "warning")
    found = [each for each in verdict["findings"] if each["outcome"] in wanted]
    text = [
        f"  {each['outcome']:<9} {each['title']}" for each in found if not each.get("disturbed")
    ]
    return [*text, *(f"  {line}" for line in disturbed(found))]


def disturbed(findings: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return in a line which findings may be of the pass itself, and why; nothing of none."""
    names: dict[str, list[str]] = {}
    for each in findings:
        if each.get("disturbed"):
            names.setdefault(str(each["disturbed"]), []).append(each["audit"])
    return [
        f"disturbed {why}, which may be all that these found: {', '.join(found)}"
        for why, found in names.items()
    ]


def _validity(verdict: Mapping[str, Any]) -> list[str]:
    validity = verdict["validity"]
    first = f"  validity  {validity['status']}, {verdict['tier']} tier"
    return [first, *(f"            - {reason}" for reason in validity["reasons"])]


def digits(margin: float | None) -> int:
    """Return how many decimals a value and its margin need, so that a narrow miss is no 0.00."""
    size = abs(margin or 0.0)
    if size < LEAST_MARGIN or size >= 10**-USUAL_DIGITS:
        return USUAL_DIGITS
    return 1 - math.floor(math.log10(size))


def _series(verdict: Mapping[str, Any]) -> list[str]:
    """Return what came before the run, and what its siblings say; nothing of a single run."""
    soak, series = verdict.get("soak"), verdict.get("series")
    text = []
    if soak is not None:
        kept = verdict["sustained"]
        text.append(f"  soak      {soak['outcome']}: {soak['why']}")
        text.append(f"  sustained {kept['outcome']}: {kept['reason']}")
    if series is not None:
        missing = f"not certified: {'; '.join(series['missing'])}"
        if verdict["tier"] == "quick":
            missing = "; ".join(["quick runs are never certified", *series["problems"]])
        said = "certified" if series["certified"] else missing
        text.append(f"  series    repeat {series['index']} of {series['of']}: {said}")
    return text


def number(value: object, unit: str, digits: int = 1) -> str:
    """Write a number with its unit, a word such as "lost" as it is, null as "not measured"."""
    if value is None:
        return "not measured"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:.{digits}f} {unit}"
