"""Which copies made values wider than they are: four or eight bytes moved where one would do?

Seen where a copy says both types. Whether the wider type is wanted is not seen; so a widening on
the host is a warning, and fails where nobody wants it (eight bytes a value) or where the wide
values then cross to a device.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from probe import copy_cases
from probe.copy_cases import FRAME_BYTES, Copied
from probe.copy_findings import Question, Said, conclude
from probe.model import Audit, Case, Finding, FindingOutcome
from probe.moves import TABLES, Moves, change_of
from probe.suspects import WEIGHT, Suspect, Suspects

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from probe.store import Run

ID: Final = "dtype_widening"
TITLE: Final = "Values widened on the host"
REMEDY: Final = (
    "hand over the narrow values and widen them where they are used: a Cast (and the "
    "normalisation) at the start of the model, an input of uint8; or convert in the pass that "
    "computes anyway, np.multiply(pixels, scale, out=tensor), instead of astype before it; keep "
    "float32 where float64 comes in by accident"
)
DOUBLE_BYTES: Final = 8
"""From here on no model of pictures wants it: their inputs hold at most four bytes a value."""
_TYPE: Final = re.compile(r"(?:u?int|float)(8|16|32|64)")
LEAST_FACTOR: Final = 2
"""Widening at least doubles the bytes."""


class Widening(NamedTuple):
    """Bytes of a value before and after."""

    narrow: int
    wide: int


def judge(run: Run) -> list[Finding]:
    """Say which conversions widen values, at the cost of the bytes beyond the narrow ones."""
    moves = Moves.of(run)
    details = moves.texts("detail")
    known = [widening(text) for text in details.values]
    excess = np.array([1 - each.narrow / each.wide if each else 0.0 for each in (*known, None)])
    suspects = Suspects.of(moves, excess[details.codes] > 0)
    part = excess[details.codes[suspects.rows]]
    crossed = _crossed(moves)
    return conclude(
        Question(ID, TITLE, REMEDY),
        moves,
        Suspects(
            suspects.rows,
            np.rint(suspects.bytes * part).astype(np.int64),
            np.rint(suspects.ns * part).astype(np.int64),
        ),
        lambda suspect: _said(suspect, crossed),
    )


def widening(detail: str) -> Widening | None:
    """Return by how much ``uint8 > float32`` widens a value; None where it does not."""
    change = change_of(detail)
    sizes = [_item_bytes(name) for name in (change.before, change.after)]
    narrow, wide = sizes
    if narrow is None or wide is None or wide < LEAST_FACTOR * narrow:
        return None
    return Widening(narrow, wide)


def _item_bytes(name: str | None) -> int | None:
    """Return the bytes of a value of a type of numpy's; None for a pixel format and the like."""
    found = _TYPE.fullmatch(name or "")
    return int(found[1]) // 8 if found else None


def _crossed(moves: Moves) -> NDArray[np.bool_]:
    """Mask the conversions whose result then left the host's memory for a device."""
    device = moves.texts("domains").where(lambda text: text.partition(">")[2] in {"gpu", "npu"})
    found = np.zeros(len(moves), dtype=bool)
    origin = moves.converted_by[device]
    found[origin[origin >= 0]] = True
    return found


def _said(suspect: Suspect, crossed: NDArray[np.bool_]) -> Said:
    detail = suspect.moves.texts("detail").of(suspect.typical) or ""
    change, sizes = change_of(detail), widening(detail)
    wide = sizes.wide if sizes else 0
    uploaded = bool(crossed[suspect.rows].any())
    grave = uploaded or wide >= DOUBLE_BYTES
    narrow = sizes.narrow if sizes else 0
    what = f"{change.before} > {change.after}, {wide} bytes a value instead of {narrow}"
    return Said(
        what + (", then uploaded" if uploaded else ""),
        {"bytes_of_a_value": list(sizes or ()), "uploaded": uploaded},
        most=FindingOutcome.FAILED if grave else FindingOutcome.WARNING,
    )


_WIDE: Final = Copied(
    "preprocess", 4 * 3 * 360 * 640, line=30, expression="picture.astype(np.float32)",
    kind="convert", method="ndarray.astype", detail="uint8 > float32", ms=1.1,
)  # fmt: skip
_UPLOAD: Final = Copied(
    "infer", 4 * 3 * 360 * 640, line=40, expression="session.run(None, feeds)", kind="transfer",
    method="cudaMemcpyAsync", domains="cpu>gpu", reads=0,
)  # fmt: skip

AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="A pixel is a byte. As float32 it costs four times the memory traffic in every step from "
    "there on, and four times the upload where a device computes.",
    source="Bytes of a value at least double from one type to the other; failed where they are "
    "uploaded or reach eight, which no model's picture input has, else a warning, because on the "
    f"host the model may ask for it. {WEIGHT}",
    requires=TABLES,
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case(
            "uint8 to float32 on the host",
            lambda: copy_cases.copying_run(_WIDE),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "and then uploaded, by way of a copy",
            lambda: copy_cases.copying_run(
                _WIDE,
                Copied("infer", 4 * 3 * 360 * 640, line=39, reads=0),
                _UPLOAD._replace(reads=1),
            ),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "to float64 by accident",
            lambda: copy_cases.copying_run(
                _WIDE._replace(bytes=8 * 3 * 360 * 640, detail="float32 > float64")
            ),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "narrowing, and a change of sign",
            lambda: copy_cases.copying_run(
                _WIDE._replace(detail="float32 > uint8"), _WIDE._replace(detail="uint8 > int8")
            ),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "pixel formats are no types of values",
            lambda: copy_cases.copying_run(
                _WIDE._replace(detail="gray 1280x720 > rgb24 1280x720", bytes=2 * FRAME_BYTES)
            ),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "a thumbnail",
            lambda: copy_cases.copying_run(_WIDE._replace(bytes=4 * 3 * 32 * 32, ms=0.01)),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "no copy is seen in a process that nobody can look into",
            lambda: copy_cases.copying_run(blind=("tool", "static: there is nothing to preload")),
            (FindingOutcome.NOT_MEASURED,),
        ),
    ),
)
