"""From suspect copies to findings: the costliest first, and what was not seen said aloud."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - a NamedTuple keeps its annotations
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from probe.ledger import blind_of
from probe.model import Finding, FindingOutcome, Grade
from probe.suspects import GRADES, MS_NS, grouped, per_frame, weighed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from probe.moves import Moves
    from probe.suspects import Suspect, Suspects

UNSEEN_REMEDY: Final = (
    "look into what was not seen: the evidence names each process and why (docs/copies.md, Blind)"
)
HOOK_MISSES: Final = ("off", "failed", "full")
"""States of a hook that misses copies; one that is "missing" has nothing to hook."""
NO_LINES: Final = ("off", "none")
"""States of the walk of Python's frames in which a copy has no line."""
MOST: Final = 4
"""Findings of one audit; what is beyond is added up in the first one's evidence."""
LONGEST_NAME: Final = 80
_RANK: Final = (FindingOutcome.PASSED, FindingOutcome.WARNING, FindingOutcome.FAILED)


class Question(NamedTuple):
    """What every finding of an audit shares."""

    id: str
    title: str
    remedy: str


class Said(NamedTuple):
    """What an audit adds to a suspect: a phrase for the title, evidence, how bad it can be at most.

    `most` caps the outcome that the weight gives; `grade` says how the claim came to be known;
    `name` stands in the title in place of the line; not `timed`: what it costs in ms is not known.
    """

    phrase: str = ""
    evidence: Mapping[str, Any] = {}
    most: FindingOutcome = FindingOutcome.FAILED
    grade: Grade = Grade.MEASURED
    name: str | None = None
    timed: bool = True


def conclude(
    question: Question,
    moves: Moves,
    suspects: Suspects,
    say: Callable[[Suspect], Said] = lambda _: Said(),
    *,
    by_line: bool = False,
) -> list[Finding]:
    """Return a finding for each of the costliest suspects; else one that says none, or unseen.

    To have found nothing is no pass where something was not seen: nor, where suspects are known
    `by_line` alone, the lines of Python.
    """
    if not_measured := unlooked(question, moves):
        return [not_measured]
    every = [(each, say(each)) for each in grouped(moves, suspects)]
    every.sort(key=lambda pair: (-_RANK.index(_outcome(*pair)), -pair[0].bytes, pair[0].rows[0]))
    bad = [pair for pair in every if _outcome(*pair) is not FindingOutcome.PASSED]
    shown, rest = bad[:MOST], [each for each, _ in [*bad[MOST:], *every[len(bad) :]]]
    if not shown:
        return [together(question, moves, rest, unseen(moves.manifest, by_line=by_line))]
    findings = [_finding(question, each, said) for each, said in shown]
    if rest:
        evidence = {**findings[0].evidence, "others": _sum(moves, rest)}
        findings[0] = replace(findings[0], evidence=evidence)
    return findings


def unlooked(question: Question, moves: Moves) -> Finding | None:
    """Return "not measured" where no copy was seen and that need not mean that there was none."""
    if moves.counted.any():
        return None
    left_out = unseen(moves.manifest)
    if not (len(moves) or _traced(moves.manifest)) or blind_of(moves.manifest):
        left_out = left_out or ("no process of the program was looked into",)
    elif len(moves) and not moves.frames:
        left_out = ("every copy lies outside the measured window",)
    else:
        return None
    title = f"{question.title}: no copy was seen, which need not mean that there was none"
    evidence = {"copies": 0, "unseen": list(left_out)}
    return Finding(question.id, title, FindingOutcome.NOT_MEASURED, evidence, UNSEEN_REMEDY)


def unseen(manifest: Mapping[str, Any], *, by_line: bool = False) -> tuple[str, ...]:
    """Return what was left out, in words: blind processes, full tapes, hooks that are off.

    Also, where it counts (`by_line`), interpreters whose lines are not known.
    """
    said = [f"{_process(each.exe, each.pid)}: {each.why}" for each in blind_of(manifest)]
    for process in _traced(manifest):
        who = _process(process.get("exe"), process.get("pid"))
        if process.get("stopped"):
            said.append(f"{who}: its tape came to its limit")
        if lost := int(process.get("lost") or 0):
            said.append(f"{who}: {lost} records found no room")
        said += [
            f"{who}: {hook.get('hook')} is {hook.get('state')}: {hook.get('why')}"
            for hook in process.get("hooks") or ()
            if hook.get("state") in HOOK_MISSES
        ]
        python = process.get("python") or {}
        if by_line and python.get("frames") in NO_LINES:
            said.append(f"{who}: the lines of Python {python.get('version')}: {python.get('why')}")
    return tuple(dict.fromkeys(said))


def _traced(manifest: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return (manifest.get("copies") or {}).get("processes") or ()


def _process(exe: str | None, pid: int | None) -> str:
    return (exe or "").rpartition("/")[2] or f"process {pid}"


def together(
    question: Question, moves: Moves, rest: Sequence[Suspect], left_out: Sequence[str]
) -> Finding:
    """Return the finding for suspects none of which weighs: passed, unless they do so together.

    What was `left_out` may have some more.
    """
    total, usual = sum(each.bytes for each in rest), sum(each.usual_ns for each in rest)
    outcome = min(weighed(moves, total, usual), FindingOutcome.WARNING, key=_RANK.index)
    summed = _sum(moves, rest)
    phrase = "none"
    if rest:
        lines = f"{len(rest)} lines" if len(rest) > 1 else "1 line"
        phrase = f"{lines}, {per_frame(moves, total)}"
        phrase = phrase if outcome is FindingOutcome.WARNING else f"none that weighs ({phrase})"
    remedy = question.remedy
    if left_out and outcome is FindingOutcome.PASSED:
        outcome, remedy = FindingOutcome.NOT_MEASURED, UNSEEN_REMEDY
        phrase += " in what was seen"
    if left_out:
        summed["unseen"] = list(left_out)
    return Finding(
        question.id,
        f"{question.title}: {phrase}",
        outcome,
        summed,
        remedy,
        cost_ms_per_frame=summed["ms_per_" + moves.per] if rest and moves.frames else None,
        cost_bytes_per_frame=summed["bytes_per_" + moves.per] if rest and moves.frames else None,
    )


def _outcome(suspect: Suspect, said: Said) -> FindingOutcome:
    return min(suspect.outcome, said.most, gravest(suspect.moves), key=_RANK.index)


def gravest(moves: Moves) -> FindingOutcome:
    """Return how grave a finding may be: a program that ended in its warm-up did little but start.

    What a start copies (a model is read, a library loaded) is no fault of each frame's way.
    """
    return FindingOutcome.WARNING if moves.whole_run else FindingOutcome.FAILED


def _finding(question: Question, suspect: Suspect, said: Said) -> Finding:
    moves = suspect.moves
    name = _short(suspect.place.name) if said.name is None else said.name
    title = ": ".join(part for part in (question.title, name, said.phrase) if part)
    times = moves.numbers("t_ns")[suspect.rows]
    return Finding(
        audit=question.id,
        title=f"{title}, {per_frame(moves, suspect.bytes)}",
        outcome=_outcome(suspect, said),
        evidence={**suspect.evidence(), **said.evidence},
        remedy=question.remedy,
        cost_ms_per_frame=suspect.ms_per_frame if said.timed else None,
        cost_bytes_per_frame=suspect.bytes_per_frame,
        stage=suspect.stage,
        from_ns=int(times.min()),
        to_ns=int(times.max()),
        grade=min(suspect.grade, said.grade, key=GRADES.index),
    )


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _sum(moves: Moves, rest: Sequence[Suspect]) -> dict[str, Any]:
    frames = moves.frames or 1
    return {
        "lines": len(rest),
        "copies": sum(len(each.rows) for each in rest),
        "bytes_per_" + moves.per: sum(each.bytes for each in rest) / frames,
        "ms_per_" + moves.per: sum(each.ns for each in rest) / MS_NS / frames,
    }
