"""Which tensors were reordered by hand, channels last to channels first or back?

Seen where numpy makes the reordered array: its hooks say both shapes, in the order of the axes in
memory, leaving out those of length 1. Not seen as one: a reordering that converts the type as well,
one in a loop of the program's own or in another library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from probe import copy_cases
from probe.copy_cases import FRAME_BYTES, Copied
from probe.copy_findings import Question, Said, conclude
from probe.model import Audit, Case, Finding, FindingOutcome
from probe.moves import TABLES, Moves, change_of
from probe.suspects import WEIGHT, Suspect, Suspects

if TYPE_CHECKING:
    from probe.store import Run

ID: Final = "layout_conversion"
TITLE: Final = "Tensors reordered by hand"
REMEDY: Final = (
    "take the picture in the model's layout where it is made: let libswscale give planes "
    '(format="gbrp") and write them into the tensor, or put a Transpose at the start of the model '
    "(onnx: one node), which the runtime fuses or runs where the data is"
)
_PICTURE: Final = 3
"""Axes of a picture: height, width and channels, in whatever order."""


def judge(run: Run) -> list[Finding]:
    """Say which copies move the channels' axis across the two of the picture."""
    moves = Moves.of(run)
    chosen = moves.texts("detail").where(lambda text: direction(text) is not None)
    return conclude(Question(ID, TITLE, REMEDY), moves, Suspects.of(moves, chosen), _said)


def direction(detail: str) -> str | None:
    """Return ``NHWC > NCHW`` or ``NCHW > NHWC`` where the shapes of a detail say so.

    Axes before the picture's three (a batch) stay where they are. One channel has one order.
    """
    change = change_of(detail)
    old, new = change.shape_before, change.shape_after
    if old is None or new is None or len(old) != len(new) or len(old) < _PICTURE:
        return None
    *batch, first, second, third = old
    if old == new or 1 in {len(set(old[-_PICTURE:])), *old[-_PICTURE:]}:
        return None
    if new == (*batch, third, first, second):
        return "NHWC > NCHW"
    return "NCHW > NHWC" if new == (*batch, second, third, first) else None


def _said(suspect: Suspect) -> Said:
    detail = suspect.moves.texts("detail").of(suspect.typical) or ""
    way, change = direction(detail), change_of(detail)
    return Said(
        f"{way}, {change.shape_before} to {change.shape_after}",
        {"layouts": way},
    )


_TRANSPOSED: Final = Copied(
    "preprocess", 3 * 360 * 640, line=22, kind="materialize", method="numpy.ascontiguousarray",
    expression="np.ascontiguousarray(picture.transpose(2, 0, 1))", ms=0.9,
    detail="(3, 360, 640) from (360, 640, 3)",
)  # fmt: skip

AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="A transposed copy jumps through memory: it is several times slower than a plain one, and "
    "whoever made the picture could have written it in that order at once.",
    source="The channels' axis moves across height and width between the two shapes that the copy "
    f"says. {WEIGHT}",
    requires=TABLES,
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case(
            "channels last to channels first",
            lambda: copy_cases.copying_run(_TRANSPOSED),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "a batch of two, by a copy that says the types too",
            lambda: copy_cases.copying_run(
                _TRANSPOSED._replace(
                    bytes=4 * 3 * 360 * 640,
                    kind="convert",
                    detail="uint8 > float32, (2, 3, 360, 640) from (2, 360, 640, 3)",
                )
            ),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "back to channels last, a small one",
            lambda: copy_cases.copying_run(
                _TRANSPOSED._replace(
                    bytes=3 * 180 * 320, detail="(180, 320, 3) from (3, 180, 320)", ms=0.04
                )
            ),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "a picture turned on its side keeps its channels where they are",
            lambda: copy_cases.copying_run(
                _TRANSPOSED._replace(detail="(640, 360, 3) from (360, 640, 3)")
            ),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "a crop",
            lambda: copy_cases.copying_run(
                _TRANSPOSED._replace(detail="(360, 640, 3) from (360, 640, 3)")
            ),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "one channel has one order",
            lambda: copy_cases.copying_run(
                _TRANSPOSED._replace(bytes=FRAME_BYTES, detail="(1, 720, 1280) from (720, 1280, 1)")
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
