"""Is it live, or only fast? The report of a live run, of a generating run, or of both.

It never judges: every outcome comes from the verdict, every other number from the Run's tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from reports.charts import blocks, fates, latency, regimes, stages, worst
from reports.charts.chart import Chart, Missing
from reports.charts.frames import FATES, Frames, frames_of
from reports.charts.stages_named import slot
from reports.page.document import page
from reports.page.payload import Payload
from reports.page.subject import Subject
from reports.sections import (
    copies,
    energy,
    figures,
    findings,
    generation,
    header,
    hot,
    live,
    method,
    operators,
    repeats,
    tracks,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from probe.store import Run

TEMPLATE: Final = "run_report.html.j2"
MOST_FRAMES: Final = 120_000
"""About 2 MB of columns; a longer run keeps the slowest and the middle frame of each group."""
LIVE_DEADLINE_MS: Final = 50.0
"""METHOD's deadline, against which a generator stands where no live run is beside it."""
_STEP: Final = 1e-3
"""Durations are carried to 1 us."""


def render(
    live: tuple[Run, Mapping[str, Any]] | None,
    generation: tuple[Run, Mapping[str, Any]] | None,
) -> str:
    """Return the HTML document of a live (or command) run, of a generating run, or of both.

    Each pair is a Run and its verdict (the document of verdict.json). Raises `ValueError` when both
    are None.
    """
    first = None if live is None else Subject.of(live)
    second = None if generation is None else Subject.of(generation)
    if first is None and second is not None and not _generates(second):
        first, second = second, None  # a program that said nothing is not one that generates
    subjects = [subject for subject in (first, second) if subject is not None]
    if not subjects:
        raise ValueError("a report needs a live run, a generating run, or both")
    payload = Payload()
    left = None if first is None else _live_view(first, payload)
    right = None if second is None else _generation_view(second, first, payload)
    values = {
        "title": _title(subjects),
        "subjects": subjects,
        "version": str(subjects[0].manifest.get("liveprobe") or "not stated"),
        "top": [_top(subject) for subject in subjects],
        "live": left,
        "generation": right,
        "side_by_side": _side_by_side(first, second),
        "method": [_method(subject) for subject in subjects],
        "definitions": method.DEFINITIONS,
    }
    data = {
        "columns": payload.description(),
        "charts": _specs(left) | _specs(right),
        "fates": list(FATES),
    }
    return page(TEMPLATE, values, data, payload.text())


def _specs(view: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Return what the page's script draws for one side."""
    if view is None:
        return {}
    found = {each.id: each.spec for each in view["charts"].values() if isinstance(each, Chart)}
    mini = view.get("mini")
    return found if mini is None else {**found, "latency-mini": mini}


def _generates(subject: Subject) -> bool:
    return subject.mode == "generate" or subject.verdict.get("generation") is not None


def _title(subjects: list[Subject]) -> str:
    return f"{' and '.join(subject.name for subject in subjects)} on {subjects[0].device}"


def _top(subject: Subject) -> dict[str, Any]:
    return {
        "subject": subject,
        "stamp": header.stamp(subject),
        "facts": header.facts(subject),
        "conditions": header.conditions(subject),
        "environment": header.environment(subject),
        "validity": header.validity(subject),
    }


def _live_view(subject: Subject, payload: Payload) -> dict[str, Any]:
    frames = frames_of(subject)
    if frames is not None:
        frames = frames.rows(frames.t_s <= subject.length_s)
        frames = frames if len(frames) else None
    shown = None if frames is None else thinned(frames)
    columns = {} if shown is None else _columns(shown, payload)
    charts: dict[str, Chart | Missing] = {}
    if frames is None or shown is None:
        reason = _no_frames(subject)
        charts["latency"] = Missing("latency", "When is it late?", reason)
    else:
        top = latency.ceiling(subject, frames)
        charts["latency"] = latency.chart(subject, frames, columns, top)
        charts["stack"] = stages.chart(subject, frames, columns, top) or Missing(
            "stack", "Who eats the budget?", "the program told of no stage"
        )
    sampled = tracks.tracks_of(subject, payload)
    return {
        "subject": subject,
        "eyebrow": _eyebrow(subject),
        "headline": live.headline(subject),
        "answers": live.answers(subject),
        "strip": regimes.strip(subject),
        "budget": live.budget(subject, frames),
        "fates": fates.fates(subject),
        "power": energy.line(subject),
        "copies": copies.copies(subject),
        "hot": hot.hot(subject),
        "operators": operators.operators(subject),
        "findings": findings.findings(subject),
        "figures": figures.figures(subject),
        "limits": figures.limits(subject),
        "stages": figures.stage_rows(subject, slot, () if frames is None else frames.aside),
        "worst": None if frames is None else worst.worst(subject, frames),
        "mini": None
        if frames is None
        else latency.mini(subject, columns, latency.ceiling(subject, frames)),
        "thinned": _thinned_note(frames, shown),
        "tracks": sampled,
        "charts": charts | {each.id: each for each in sampled.charts},
    }


def _eyebrow(subject: Subject) -> str:
    if subject.mode == "command":
        return "a program of yours, judged as far as it speaks"
    within = "" if subject.deadline_ms is None else f" within {subject.deadline_ms:g} ms"
    return f"each frame answered{within}, driven by live input, sustained"


def _no_frames(subject: Subject) -> str:
    if subject.mode == "command":
        return "the program put no frame on tape; probe.frame() says when one is captured"
    return "no frame was released before the run ended"


def thinned(frames: Frames, most: int = MOST_FRAMES) -> Frames:
    """Return about `most` frames: of each group the slowest (a lost one first) and the middle."""
    if len(frames) <= most:
        return frames
    size = -(-2 * len(frames) // most)
    weight: NDArray[np.float64] = np.where(frames.lost, np.inf, np.nan_to_num(frames.latency_ms))
    groups = np.array_split(np.arange(len(frames)), -(-len(frames) // size))
    chosen = {int(rows[np.argmax(weight[rows])]) for rows in groups}
    chosen |= {int(rows[len(rows) // 2]) for rows in groups}
    return frames.rows(np.array(sorted(chosen)))


def _thinned_note(frames: Frames | None, shown: Frames | None) -> str:
    if frames is None or shown is None or len(frames) == len(shown):
        return ""
    return (
        f"The charts carry {len(shown):,} of {len(frames):,} frames: of each group the slowest and"
        " the middle one. All numbers are of all frames."
    )


def _columns(frames: Frames, payload: Payload) -> dict[str, int]:
    columns = {
        "t": payload.add(frames.t_s, 1e-6, rising=True),
        "number": payload.add(frames.number.astype(np.float64), 1.0, rising=True),
        "latency": payload.add(frames.latency_ms, _STEP),
        "fate": payload.add(frames.fate.astype(np.float64), 1.0),
        "wait": payload.add(frames.wait, _STEP),
        "display": payload.add(frames.display, _STEP),
    }
    for k in frames.answering:
        columns[f"work {k}"] = payload.add(frames.work[:, k], _STEP)
    return columns


def _generation_view(subject: Subject, beside: Subject | None, payload: Payload) -> dict[str, Any]:
    found = blocks.blocks(subject)
    deadline = LIVE_DEADLINE_MS if beside is None else beside.deadline_ms
    sampled = tracks.tracks_of(subject, payload) if beside is None else None
    charts: dict[str, Chart | Missing] = {
        "block-cost": blocks.cost_chart(subject, found, payload)
        or Missing("block-cost", "What does a frame cost?", "no block was delivered"),
        "delivery": blocks.delivery_chart(subject, found, payload)
        or Missing("delivery", "Does delivery stay ahead of playback?", "no block was delivered"),
    }
    return {
        "subject": subject,
        "heading": generation.heading(subject),
        "headline": generation.headline(subject),
        "answers": generation.answers(subject),
        "strip": blocks.strip(subject, found),
        "why": generation.why_not_live(subject, deadline),
        "not_applying": generation.NOT_APPLYING,
        "table": generation.table(subject),
        "limits": figures.limits(subject),
        "copies": copies.copies(subject),
        "hot": hot.hot(subject),
        "operators": operators.operators(subject),
        "findings": findings.findings(subject),
        "tracks": sampled,
        "charts": charts | ({} if sampled is None else {e.id: e for e in sampled.charts}),
    }


def _side_by_side(first: Subject | None, second: Subject | None) -> list[tuple[str, str, str]]:
    if first is None or second is None:
        return []
    bound = blocks.soonest(second, blocks.blocks(second))
    return figures.side_by_side(first, second, None if bound is None else bound.total_ms)


def _method(subject: Subject) -> dict[str, Any]:
    return {
        "subject": subject,
        "rules": method.rules(subject),
        "repeats": repeats.repeats(subject),
        "collectors": method.collectors(subject),
        "missing": method.missing(subject),
        "statistics": method.statistics(subject),
        "clocks": method.clocks(subject),
        "weight": method.weight(subject),
        "tapes": method.tapes(subject),
        "rerun": method.rerun(subject),
        "hashes": [(str(k), str(v)) for k, v in subject.part("scenario", "hashes").items() if v],
        "environment": header.environment(subject),
        "ending": header.ending(subject),
        "last_words": method.last_words(subject),
    }
