"""Which pictures were copied row by row because one side pads its rows and the other does not?

Rows that the interposer joined say their strides. A gap that only rounds the row up to the next
multiple of a small power of two is padding; a larger one is a crop or a picture inside a picture.
A crop of a few pixels may have the geometry of padding, and cannot be told from it then. What a
codec copies into pictures of its own is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from probe import copy_cases
from probe.copy_cases import FRAME_BYTES, Copied
from probe.copy_findings import Question, Said, conclude
from probe.model import Audit, Case, Finding, FindingOutcome
from probe.moves import TABLES, Moves
from probe.suspects import WEIGHT, Suspect, Suspects

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from probe.store import Run

ID: Final = "stride_mismatch"
TITLE: Final = "Rows copied because strides differ"
REMEDY: Final = (
    "let both sides agree on the stride: read the padded rows through a view (np.frombuffer, "
    "reshape to the stride, slice the width) or tell the consumer the stride; else ask the "
    "producer for a width that needs no padding, a multiple of 64"
)
MOST_PADDING: Final = 128
"""Rows are padded to a multiple of this at most: FFmpeg aligns them to 64 bytes (STRIDE_ALIGN with
AVX-512), and so the luma of 4:2:0 to 128, twice its chroma. A larger gap is a crop."""
RGB_BYTES: Final = 3
"""A pixel. PyAV aligns a picture's width in pixels: rows of 650 of RGB have the stride of 656."""
LEAST_ROW_BYTES: Final = 64
"""A shorter row is no row of a picture but a pixel (3 bytes out of 4: RGB out of RGBA)."""


def judge(run: Run) -> list[Finding]:
    """Say which copies went row by row for the sake of padding; without it there would be none."""
    moves = Moves.of(run)
    row, to, source = (
        moves.numbers(name) for name in ("row_bytes", "destination_stride", "source_stride")
    )
    joined = (moves.numbers("rows") > 1) & (row >= LEAST_ROW_BYTES)
    fits = (padding(row, to) >= 0) & (padding(row, source) >= 0)
    return conclude(
        Question(ID, TITLE, REMEDY),
        moves,
        Suspects.of(moves, joined & fits & (to != source) & ~moves.internal),
        _said,
    )


def padding(row: NDArray[np.int64], stride: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bytes from the end of a row to the next where they only align it, else -1.

    They do where the stride is the row rounded up to a multiple of a power of two of bytes, or of
    pixels of three bytes, and less than `MOST_PADDING` is added.
    """
    gap = stride - row
    pixel = np.where((row % RGB_BYTES == 0) & (stride % RGB_BYTES == 0), RGB_BYTES, 1)
    aligns = (gap > 0) & (gap < MOST_PADDING) & (gap < (stride & -stride) * pixel)
    return np.where(aligns | (gap == 0), gap, -1)


def _said(suspect: Suspect) -> Said:
    rows, row = suspect.number("rows") or 0, suspect.number("row_bytes") or 0
    to, source = suspect.number("destination_stride") or 0, suspect.number("source_stride") or 0
    pad = {"source_padding": source - row, "destination_padding": to - row}
    padded = source if source > row else to
    other = "" if min(source, to) == row else f" to {to:,}"
    return Said(f"{rows:,} rows of {row:,} bytes, stride {padded:,}{other}", pad)


_PADDED: Final = Copied(
    "decode", 3_120_000, line=12, expression="frame.to_ndarray()",
    geometry=(800, 3_900, 3_900, 3_904), ms=0.5,
)  # fmt: skip

AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="A padded picture cannot be handed over as one block: it is copied row by row, often by a "
    "path that is slower than a plain copy, only to drop a few bytes a row.",
    source="Padding rounds a row up to a multiple of a power of two, of 128 bytes at most (as "
    f"FFmpeg does); a wider gap is a crop. {WEIGHT}",
    requires=TABLES,
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case(
            "800 rows of 3,900 bytes, stride 3,904",
            lambda: copy_cases.copying_run(_PADDED),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "rows are padded for somebody who wants them so",
            lambda: copy_cases.copying_run(_PADDED._replace(geometry=(800, 3_900, 3_904, 3_900))),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "padded to two widths",
            lambda: copy_cases.copying_run(_PADDED._replace(geometry=(800, 3_900, 3_968, 3_904))),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "RGB of 650 pixels, padded to 656",
            lambda: copy_cases.copying_run(
                _PADDED._replace(bytes=366 * 1_950, geometry=(366, 1_950, 1_950, 1_968))
            ),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "a crop leaves a wide gap",
            lambda: copy_cases.copying_run(
                _PADDED._replace(bytes=640 * 1_920, geometry=(640, 1_920, 1_920, 3_840))
            ),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "a picture inside a picture",
            lambda: copy_cases.copying_run(
                _PADDED._replace(bytes=360 * 1_920, geometry=(360, 1_920, 3_840, 1_984))
            ),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "the same padding on both sides is no mismatch",
            lambda: copy_cases.copying_run(_PADDED._replace(geometry=(800, 3_900, 3_904, 3_904))),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "RGB out of RGBA: pixels, not rows",
            lambda: copy_cases.copying_run(
                _PADDED._replace(bytes=2_764_800, geometry=(921_600, 3, 3, 4))
            ),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "a padded chroma plane of a small picture",
            lambda: copy_cases.copying_run(
                _PADDED._replace(bytes=90_000, geometry=(300, 300, 300, 320), ms=0.03)
            ),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "each tenth frame only",
            lambda: copy_cases.copying_run(
                _PADDED._replace(
                    bytes=FRAME_BYTES // 8, geometry=(45, 3_840, 3_840, 3_904), every=10, ms=0.03
                )
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
