"""Which bytes were moved twice with no change of format between?

A copy is redundant where what it reads is what an earlier copy of the same frame wrote. That the
buffer was not changed in place in between is taken from the lineage, not seen: grade "derived".
Copies that a model's runtime or a codec makes among its own buffers are theirs, and left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from probe import copy_cases
from probe.copy_cases import FRAME_BYTES, Copied
from probe.copy_findings import Question, Said, conclude
from probe.model import Audit, Case, Finding, FindingOutcome, Grade
from probe.moves import TABLES, Moves
from probe.suspects import WEIGHT, Suspect, Suspects

if TYPE_CHECKING:
    from probe.store import Run

ID: Final = "redundant_copies"
TITLE: Final = "Bytes copied twice"
REMEDY: Final = (
    "drop one of the two copies: let the first write where the second does (out=, np.copyto, "
    "np.concatenate(..., out=)), or let the reader take a view of the first; keep both only where "
    "the buffer between is changed in place"
)


def judge(run: Run) -> list[Finding]:
    """Say which lines copy again what was copied before; the cheaper of the two could go."""
    moves = Moves.of(run)
    rows = np.flatnonzero(moves.counted & moves.again)
    before = moves.source[rows]
    cheaper = {
        name: np.minimum(moves.amounts(name)[rows], moves.amounts(name)[before])
        for name in ("bytes", "duration_ns")
    }
    suspects = Suspects(
        rows, cheaper["bytes"], cheaper["duration_ns"], key=moves.place[before], via=before
    )
    return conclude(Question(ID, TITLE, REMEDY), moves, suspects, _said)


def _said(suspect: Suspect) -> Said:
    first = suspect.before
    return Said(
        f"copies what {first.place.name} copied before",
        {"copied_before": first.brief()},
        grade=Grade.DERIVED,
    )


_READ: Final = Copied("decode", FRAME_BYTES, line=10, expression="frame.to_ndarray()")
_RUNTIME: Final = "/lib/onnxruntime_pybind11_state.cpython-311-x86_64-linux-gnu.so"
_AGAIN: Final = Copied("decode", FRAME_BYTES, line=11, expression="picture.copy()", reads=0)

AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="Each frame's bytes go over the memory bus once more, twice with the reading, for nothing: "
    "time, energy, and cache that the model wants.",
    source="Same bytes: the source range is the destination of an earlier copy of that frame, and "
    f"both keep the format (memcpy, materialize). {WEIGHT}",
    requires=TABLES,
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case(
            "a frame is copied and the copy is copied",
            lambda: copy_cases.copying_run(_READ, _AGAIN),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "three lines in a row are two needless copies",
            lambda: copy_cases.copying_run(_READ, _AGAIN, _AGAIN._replace(line=12, reads=1)),
            (FindingOutcome.FAILED, FindingOutcome.FAILED),
        ),
        Case(
            "a tenth of a frame is a warning",
            lambda: copy_cases.copying_run(_READ, _AGAIN._replace(bytes=FRAME_BYTES // 10)),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "three kilobytes of a frame are nothing",
            lambda: copy_cases.copying_run(_READ, _AGAIN._replace(bytes=3_000, ms=0.001)),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "a conversion in between makes other bytes",
            lambda: copy_cases.copying_run(
                _READ._replace(kind="convert", method="sws_scale_frame"), _AGAIN
            ),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "a background that the start made is copied under each frame, not twice",
            lambda: copy_cases.copying_run(_AGAIN._replace(reads=None), background=_READ),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "copies inside a model's graph",
            lambda: copy_cases.copying_run(
                _READ._replace(module=_RUNTIME), _AGAIN._replace(module=_RUNTIME)
            ),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "a program without a live input",
            lambda: copy_cases.copying_run(_READ, _AGAIN, mode="generate"),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "a black box: no stage, frames inferred",
            lambda: copy_cases.copying_run(_READ, _AGAIN, mode="command"),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "no copy is seen in a process that nobody can look into",
            lambda: copy_cases.copying_run(blind=("java", "HotSpot copies by stubs of its own")),
            (FindingOutcome.NOT_MEASURED,),
        ),
        Case(
            "no copy is made",
            copy_cases.copying_run,
            (FindingOutcome.PASSED,),
        ),
    ),
)
