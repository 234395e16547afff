"""Is the output right while it is timed? What the program found, and what was expected."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

from probe import cases, measured
from probe.model import Audit, Case, Finding, FindingOutcome
from probe.tape import NULL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from probe.store import Run

ID: Final = "wrong_output"
TITLE: Final = "Outputs that are wrong"
REMEDY: Final = (
    "check preprocessing (size, channel order, range, mean and std), the postprocessor's "
    "threshold, and whether this model or precision is right for the input; a fast wrong answer "
    "counts for nothing"
)
MOST_EXAMPLES: Final = 5
CORNERS: Final = 4


def judge(run: Run) -> list[Finding]:
    """Check every measured output of an expected source picture: one finding an expectation."""
    expected = ((run.manifest.get("scenario") or {}).get("resolved") or {}).get("expect") or []
    if not expected:
        return []
    said = _said(run)
    return [_checked(each, said.get(int(each["source_index"]), [])) for each in expected]


def _said(run: Run) -> dict[int, list[tuple[int, int, Any]]]:
    """Return source index to (frame, delivered at, result) of measured frames' first outputs."""
    every = measured.frames_of(run)
    frames = every.rows(every.measured & (every.source_index != NULL))
    index = dict(zip(frames.number.tolist(), frames.source_index.tolist(), strict=True))
    table = run.table("outputs").sort_values("delivered_ns", kind="stable")
    table = table[table["frame"].isin(frames.number)].drop_duplicates("frame")
    found: dict[int, list[tuple[int, int, Any]]] = {}
    for frame, at, text in zip(
        measured.integers(table["frame"]).tolist(),
        measured.integers(table["delivered_ns"]).tolist(),
        table["result"].fillna("").tolist(),
        strict=True,
    ):
        found.setdefault(index[frame], []).append((frame, at, _parsed(text)))
    return found


def _parsed(text: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return None


def _checked(expected: Mapping[str, Any], said: list[tuple[int, int, Any]]) -> Finding:
    picture, tolerance = int(expected["source_index"]), float(expected["tolerance"])
    if not said:
        return Finding(
            ID,
            f"{TITLE}: picture {picture} was never delivered inside the window",
            FindingOutcome.NOT_MEASURED,
            {"source_index": picture, "checked": 0},
            "measure for at least one round of the clip, or expect a picture that is answered",
        )
    measure, right = _measure(expected)
    values = [measure(result) for _, _, result in said]
    wrong = [k for k, value in enumerate(values) if value is None or not right(value)]
    evidence = {
        "source_index": picture,
        "checked": len(said),
        "wrong": len(wrong),
        "expected": {
            key: expected[key] for key in ("box", "area") if expected.get(key) is not None
        },
        "tolerance": tolerance,
        "values": [{"frame": said[k][0], "found": values[k]} for k in wrong[:MOST_EXAMPLES]]
        or [{"frame": said[0][0], "found": values[0]}],
    }
    what = "IoU of the expected box" if expected.get("box") else "error of the area"
    return Finding(
        ID,
        f"{TITLE}: picture {picture}, {len(wrong)} of {len(said)} times ({what})",
        FindingOutcome.FAILED if wrong else FindingOutcome.PASSED,
        evidence,
        REMEDY,
        from_ns=said[wrong[0]][1] if wrong else None,
        to_ns=said[wrong[-1]][1] if wrong else None,
    )


def _measure(
    expected: Mapping[str, Any],
) -> tuple[Callable[[Any], float | None], Callable[[float], bool]]:
    """Return how a result is measured (None: it says no such thing), and when that is right."""
    tolerance = float(expected["tolerance"])
    if expected.get("box"):
        box = [float(corner) for corner in expected["box"]]
        return lambda result: _best_iou(box, result), lambda iou: iou >= tolerance
    area = float(expected["area"])
    return lambda result: _area_error(area, result), lambda error: error <= tolerance


def _best_iou(box: list[float], result: Any) -> float | None:  # noqa: ANN401 - JSON
    boxes = result.get("boxes") if isinstance(result, dict) else None
    if not isinstance(boxes, list):
        return None
    usable = [each[:CORNERS] for each in boxes if _is_box(each)]
    return max((iou(box, each) for each in usable), default=0.0)


def _is_box(found: Any) -> bool:  # noqa: ANN401 - JSON
    return (
        isinstance(found, list) and len(found) >= CORNERS and all(map(_is_number, found[:CORNERS]))
    )


def _is_number(found: Any) -> bool:  # noqa: ANN401 - JSON
    return isinstance(found, (int, float)) and not isinstance(found, bool) and math.isfinite(found)


def iou(one: list[float], other: list[float]) -> float:
    """Return the intersection over union of two boxes (x1, y1, x2, y2)."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    common = max(width, 0.0) * max(height, 0.0)
    areas = sum(max(b[2] - b[0], 0.0) * max(b[3] - b[1], 0.0) for b in (one, other))
    return common / (areas - common) if areas > common else 0.0


def _area_error(area: float, result: Any) -> float | None:  # noqa: ANN401 - JSON
    found = result.get("area") if isinstance(result, dict) else None
    return abs(found - area) if found is not None and _is_number(found) else None


def _case(**said: Any) -> Run:
    """Return five frames, of which number 2 says something about its picture."""
    return cases.live_run([20.0] * 5, results={2: said["result"]}, expect=[said["expect"]])


_FACE: Final = {"source_index": 2, "box": [100, 50, 200, 150], "tolerance": 0.5}
_PERSON: Final = {"source_index": 2, "area": 0.2, "tolerance": 0.05}

AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="A program may be fast because it is wrong: a threshold that finds nothing, a channel "
    "order that blinds the model, a precision that ruins it.",
    source="The scenario's own `expect`: a box is met at its least IoU, an area within its error",
    requires=("frames", "outputs"),
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case(
            "the box is where it should be, among others",
            lambda: _case(
                expect=_FACE,
                result={"boxes": [[0, 0, 9, 9, 0.6], [102, 52, 202, 150, 0.99]]},
            ),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "the box is elsewhere",
            lambda: _case(expect=_FACE, result={"boxes": [[300, 50, 400, 150, 0.99]]}),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "no box at all",
            lambda: _case(expect=_FACE, result={"boxes": []}),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "the area fits",
            lambda: _case(expect=_PERSON, result={"area": 0.21}),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "the area is a number of another kind",
            lambda: _case(expect=_PERSON, result={"area": "a fifth"}),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "the output says something that is no JSON",
            lambda: _case(expect=_PERSON, result="{"),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "the picture was dropped each time",
            lambda: cases.live_run([20.0, 20.0, None, 20.0, 20.0], expect=[_PERSON]),
            (FindingOutcome.NOT_MEASURED,),
        ),
        Case("nothing is expected", lambda: cases.live_run([20.0] * 5), ()),
    ),
)
