"""Which bytes were converted to another format and back, A to B to A?

A conversion closes a circle where the bytes it reads were brought into that format by an earlier
conversion of the same frame, from the format it gives. What was done to the buffer in between is
not seen: grade "derived".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

from probe import copy_cases
from probe.copy_cases import FRAME_BYTES, Copied
from probe.copy_findings import Question, Said, conclude
from probe.model import Audit, Case, Finding, FindingOutcome, Grade
from probe.moves import TABLES, Change, Moves, change_of
from probe.suspects import WEIGHT, Suspect, Suspects

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from probe.store import Run

ID: Final = "format_ping_pong"
TITLE: Final = "Formats converted there and back"
REMEDY: Final = (
    "stay in one format: work in the format that both ends want (draw on the Y, U and V planes, "
    "scale in yuv420p, keep uint8 until the model), or hand on the original beside the converted "
    "one instead of converting back"
)
LONGEST_CIRCLE: Final = 4
"""Conversions that are followed back: A to B to C to D to A; a longer way was not met."""
_LUMA: Final = re.compile(r"yuvj?\d|yuva\d|nv\d\d|p0\d\d|p\d1\d|uyvy|yuyv|yvyu|y2\d\d")
_COLOURS: Final = re.compile(
    r"(0?(rgb|bgr)0?a?|a(rgb|bgr)|gbra?p|x2(rgb|bgr)|rgba|bgra)\d*(le|be)?"
)


def judge(run: Run) -> list[Finding]:
    """Say which conversions undo an earlier one, at the cost of both."""
    moves = Moves.of(run)
    details = moves.texts("detail")
    changes = [change_of(text) for text in details.values]
    undone = _undone(moves, details.codes, changes)
    rows = np.flatnonzero((undone >= 0) & moves.counted)
    before = undone[rows]
    both = {
        name: moves.amounts(name)[rows] + moves.amounts(name)[before]
        for name in ("bytes", "duration_ns")
    }
    suspects = Suspects(rows, both["bytes"], both["duration_ns"], moves.place[before], before)
    return conclude(Question(ID, TITLE, REMEDY), moves, suspects, _said)


def _undone(moves: Moves, codes: NDArray[np.int64], changes: list[Change]) -> NDArray[np.int64]:
    """Return the conversion that each copy undoes, -1 for none."""
    circles = np.array(
        [[_closes(first, last) for last in [*changes, None]] for first in [*changes, None]]
    )
    found = np.full(len(moves), -1, dtype=np.int64)
    earlier = moves.converted_by
    for _ in range(LONGEST_CIRCLE - 1):
        rows = np.flatnonzero((earlier >= 0) & (found < 0))
        closed = rows[circles[codes[earlier[rows]], codes[rows]]]
        found[closed] = earlier[closed]
        earlier = np.where(earlier >= 0, moves.converted_by[earlier], -1)
    return found


def _closes(first: Change | None, last: Change | None) -> bool:
    if first is None or last is None or first.before is None or last.after is None:
        return False
    returns = _family(first.before) == _family(last.after)
    exactly = first.before == last.after and first.before != first.after
    return exactly or (returns and _family(first.before) != _family(first.after or ""))


def _family(name: str) -> str:
    """Return the colour model of a pixel format; a type of numpy is its own."""
    if _LUMA.match(name):
        return "YUV"
    return "RGB" if _COLOURS.fullmatch(name) else name


def _said(suspect: Suspect) -> Said:
    first = suspect.before
    there, back = (
        change_of(each.moves.texts("detail").of(each.typical) or "") for each in (first, suspect)
    )
    middle = there.after if there.after == back.before else f"{there.after} > {back.before}"
    return Said(
        f"{there.before} > {middle} > {back.after}, after {first.place.name}",
        {"converted_before": first.brief()},
        grade=Grade.DERIVED,
    )


_TO_RGB: Final = Copied(
    "preprocess", 2 * FRAME_BYTES, line=20, expression='frame.reformat(format="rgb24")',
    kind="convert", method="sws_scale_frame", detail="yuv420p 1280x720 > rgb24 1280x720", ms=1.5,
)  # fmt: skip
_BACK: Final = Copied(
    "render", FRAME_BYTES, line=31, expression='shown.reformat(format="yuv420p")', reads=0,
    kind="convert", method="sws_scale_frame", detail="rgb24 1280x720 > yuv420p 1280x720", ms=1.5,
)  # fmt: skip
_COPY: Final = Copied("postprocess", 2 * FRAME_BYTES, line=25, reads=0)
_FLOAT: Final = Copied(
    "preprocess", 4 * FRAME_BYTES, line=20, expression="picture.astype(np.float32)",
    kind="convert", method="ndarray.astype", detail="uint8 > float32",
)  # fmt: skip

AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="Converting to a format and back costs two passes over the frame and, between colour "
    "models, precision too: the picture shown is not the picture decoded.",
    source="Lineage: the bytes read were converted by an earlier copy of that frame, from the "
    f"format (or the colour model) that this one gives. {WEIGHT}",
    requires=TABLES,
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case(
            "to RGB and back",
            lambda: copy_cases.copying_run(_TO_RGB, _BACK),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "back to another layout of the same colour model, by way of a plain copy",
            lambda: copy_cases.copying_run(
                _TO_RGB, _COPY, _BACK._replace(reads=1, detail="rgb24 1280x720 > nv12 1280x720")
            ),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "to float and back",
            lambda: copy_cases.copying_run(
                _FLOAT, _BACK._replace(method="ndarray.astype", detail="float32 > uint8")
            ),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "a small picture there and back is a warning",
            lambda: copy_cases.copying_run(
                _TO_RGB._replace(bytes=180_000, ms=0.02), _BACK._replace(bytes=90_000, ms=0.02)
            ),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "there, and on to a third format",
            lambda: copy_cases.copying_run(
                _TO_RGB, _BACK._replace(detail="rgb24 1280x720 > gray 1280x720")
            ),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "two conversions of different buffers",
            lambda: copy_cases.copying_run(_TO_RGB, _BACK._replace(reads=None)),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "conversions of which nobody says the formats",
            lambda: copy_cases.copying_run(
                _TO_RGB._replace(detail=None), _BACK._replace(detail=None)
            ),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "no copy is seen in a process that nobody can look into",
            lambda: copy_cases.copying_run(blind=("tool", "static: there is nothing to preload")),
            (FindingOutcome.NOT_MEASURED,),
        ),
    ),
)
