"""Which copies write into memory that is new each time, and pay a page fault for every page?

Huge pages fault once for many pages, and are not seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from probe import copy_cases
from probe.copy_cases import FRAME_BYTES, Copied
from probe.copy_findings import Question, Said, conclude
from probe.model import Audit, Case, Finding, FindingOutcome
from probe.moves import TABLES, Moves
from probe.suspects import WEIGHT, Suspect, Suspects, weighed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from probe.store import Run

ID: Final = "first_touch_faults"
TITLE: Final = "Buffers that are new each time"
REMEDY: Final = (
    "allocate the buffer once and fill it again (out=, np.copyto, a pool), so that its pages stay; "
    "where the allocation is not yours, keep freed memory in the process: "
    "MALLOC_MMAP_THRESHOLD_ and MALLOC_TRIM_THRESHOLD_ above the size of the buffer"
)
FAULTS_A_PAGE: Final = 0.5
"""A fresh buffer faults about once a page (facts of copies, 3c: 1,509 faults for 1,519 pages), one
that is used again not at all: half is far from both."""
EACH_TIME: Final = 0.5
"""Of a line's copies: a pool that fills up in the first frames is no fresh buffer each frame."""
LEAST_BYTES: Final = 256 * 1024
"""Below it page faults are not counted (FAULT_BYTES)."""


def judge(run: Run) -> list[Finding]:
    """Say which lines copy into fresh pages, at the cost in time beyond a copy into used ones."""
    moves = Moves.of(run)
    size = moves.amounts("bytes")
    large = moves.counted & (size >= LEAST_BYTES) & (moves.numbers("faults") >= 0)
    fresh = large & (moves.amounts("faults") >= FAULTS_A_PAGE * size / moves.page_bytes)
    many = np.bincount(moves.place[large], minlength=1)
    often = np.bincount(moves.place[fresh], minlength=len(many)) >= EACH_TIME * many
    rows = np.flatnonzero(fresh)
    rows = rows[often[moves.place[rows]]]
    excess = _excess_ns(moves, rows, large & ~fresh)
    known = np.zeros(len(moves), dtype=bool)
    known[rows] = np.isfinite(excess)
    spent = np.rint(np.nan_to_num(excess)).astype(np.int64)
    return conclude(
        Question(ID, TITLE, REMEDY),
        moves,
        Suspects(rows, size[rows], spent),
        lambda suspect: _said(suspect, timed=bool(known[suspect.rows].all())),
    )


def _excess_ns(
    moves: Moves, rows: NDArray[np.int64], used: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return how much longer each copy took than into used pages; NaN where that is not known.

    The pace is the median of the run's large copies into used pages: of the same method, or of
    all that only move bytes.
    """
    size, took = moves.amounts("bytes"), moves.amounts("duration_ns")
    used = used & (took > 0)
    methods = moves.texts("method").codes
    pace = np.full(len(rows), np.nan)
    for method in np.unique(methods[rows]):
        like = used & (methods == method)
        mine = methods[rows] == method
        if not like.any() and moves.keeps_format[rows[mine]].all():
            like = used & moves.keeps_format
        if like.any():
            pace[mine] = np.median(took[like] / size[like])
    return np.maximum(took[rows] - pace * size[rows], 0.0)


def _said(suspect: Suspect, *, timed: bool) -> Said:
    faults = int(suspect.moves.amounts("faults")[suspect.rows].sum())
    pages = suspect.copied_bytes / suspect.moves.page_bytes
    each = round(faults / len(suspect.rows))
    return Said(
        f"{each:,} page faults a copy, {faults / pages:.2f} a page",
        {"faults": faults, "faults_per_copy": each, "faults_a_page": round(faults / pages, 3)},
        most=FindingOutcome.FAILED if _heavy(suspect) else FindingOutcome.WARNING,
        timed=timed,
    )


def _heavy(suspect: Suspect) -> bool:
    """Say whether the faults' time alone fails: what a page costs differs between machines."""
    moves = suspect.moves
    return weighed(moves, 0, suspect.usual_ns) is FindingOutcome.FAILED


_FRESH: Final = Copied(
    "render", 3 * 1280 * 720, line=50, expression="picture.tobytes()", method="ndarray.tobytes",
    kind="materialize", faults=3 * 1280 * 720 // 4096, ms=1.9,
)  # fmt: skip
_USED: Final = Copied("decode", FRAME_BYTES, line=10, ms=0.2)

AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="The kernel clears each page of a new buffer and enters it into the tables at its first "
    "touch: a copy into fresh pages takes several times as long as one into pages used before.",
    source="At least one minor fault for two pages of the destination, in at least half of a "
    "line's copies of 256 KiB or more (facts of copies: fresh 0.99 a page, used 0); failed by time "
    f"only, beyond copies into used pages. {WEIGHT}",
    requires=TABLES,
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case(
            "a fresh buffer each frame, beside copies into used ones",
            lambda: copy_cases.copying_run(_FRESH, _USED),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "the buffer is used again",
            lambda: copy_cases.copying_run(_FRESH._replace(faults=0)),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "a pool that fills up once",
            lambda: copy_cases.copying_run(_FRESH._replace(every=10), _FRESH._replace(faults=0)),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "too small for its faults to be counted",
            lambda: copy_cases.copying_run(_FRESH._replace(bytes=100_000, faults=None)),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "a fresh buffer each frame, with nothing to compare its time with",
            lambda: copy_cases.copying_run(_FRESH),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "a fresh buffer each tenth frame",
            lambda: copy_cases.copying_run(_FRESH._replace(every=10), _USED),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "no copy is seen in a process that nobody can look into",
            lambda: copy_cases.copying_run(blind=("tool", "static: there is nothing to preload")),
            (FindingOutcome.NOT_MEASURED,),
        ),
    ),
)
