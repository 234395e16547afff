"""How many bytes are moved for each byte that was decoded?

What a model's runtime or a codec copies among its own buffers is in the number and stands beside
it, but the audit does not object to it: no line of the program's could do without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import copy_cases
from probe.copy_cases import FRAME_BYTES, Copied
from probe.copy_findings import Question, gravest, unlooked, unseen
from probe.model import Audit, Case, Finding, FindingOutcome
from probe.moves import TABLES, Moves
from probe.suspects import Suspects, grouped, per_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from probe.store import Run

ID: Final = "copy_amplification"
TITLE: Final = "Bytes moved for each decoded byte"
REMEDY: Final = (
    "start with the costliest lines: scale before converting, convert once and straight into the "
    "tensor, work on views, stay in the decoder's format"
)
WARNING: Final = 2.0
"""What one conversion of the whole picture from yuv420p (1.5 bytes a pixel) to RGB (3) moves; a
program that moves more handles every frame at full size more than once."""
FAILED: Final = 4.0
"""Two such passes; the plain loop decode, to_ndarray, crop, transpose, astype, run of the facts of
copies (1) moves 4.2 at 1280 x 720. Our own numbers, both."""
MOST_LINES: Final = 5
MS_NS: Final = 1e6


def judge(run: Run) -> list[Finding]:
    """Say how many times the decoded frame is moved, and by whom."""
    moves = Moves.of(run)
    if run.manifest.get("mode") == "generate" and moves.decoded_bytes is None:
        return []  # nothing is decoded
    if not_measured := unlooked(Question(ID, TITLE, REMEDY), moves):
        return [not_measured]
    if not moves.decoded_bytes or moves.per != "frame":
        return [_unknown(moves)]
    return [_found(moves, moves.frames * moves.decoded_bytes)]


def _unknown(moves: Moves) -> Finding:
    return Finding(
        ID,
        f"{TITLE}: nobody says how many bytes were decoded; {per_frame(moves, moves.moved_bytes)} "
        "are moved",
        FindingOutcome.NOT_MEASURED,
        {"bytes": moves.moved_bytes, moves.per + "s": moves.frames},
        'say it: with probe.stage("decode", frame=k) as span: ...; span.bytes_out = size',
    )


def _found(moves: Moves, decoded: float) -> Finding:
    """Judge by the program's own copies; `decoded` is of all frames."""
    own = moves.counted & ~moves.internal
    size, took = (int(moves.amounts(name)[own].sum()) for name in ("bytes", "duration_ns"))
    left_out = list(unseen(moves.manifest))
    stages = _shares(moves, "stage", own)
    return Finding(
        audit=ID,
        title=_title(moves, decoded, size, "at least " if left_out else ""),
        outcome=_outcome(moves, size / decoded, whole=not left_out),
        evidence={
            "amplification": round(moves.moved_bytes / decoded, 3),
            "inside_libraries": round((moves.moved_bytes - size) / decoded, 3),
            "decoded_bytes_per_frame": moves.decoded_bytes,
            "copies_per_frame": int(np.count_nonzero(own)) / moves.frames,
            "frames": moves.frames,
            "by_kind": _shares(moves, "kind", own),
            "by_stage": stages,
            "lines": _lines(moves, own),
            **({"unseen": left_out} if left_out else {}),
        },
        remedy=REMEDY,
        cost_ms_per_frame=took / MS_NS / moves.frames,
        cost_bytes_per_frame=size / moves.frames,
        stage=next((name for name in stages if name != "unattributed"), None),
    )


def _title(moves: Moves, decoded: float, own: int, lower: str) -> str:
    ratio, inside = moves.moved_bytes / decoded, (moves.moved_bytes - own) / decoded
    text = f"{TITLE}: {lower}{ratio:.2f}, {per_frame(moves, moves.moved_bytes)}"
    return text if round(inside, 2) == 0 else f"{text}, {inside:.2f} of it inside libraries"


def _outcome(moves: Moves, ratio: float, *, whole: bool) -> FindingOutcome:
    if ratio > FAILED:
        return gravest(moves)
    if ratio > WARNING:
        return FindingOutcome.WARNING
    return FindingOutcome.PASSED if whole else FindingOutcome.NOT_MEASURED


def _shares(moves: Moves, name: str, chosen: NDArray[np.bool_]) -> dict[str, float]:
    """Return what the copies of each text of a column are of the amplification, most first."""
    texts = moves.texts(name)
    sums = np.bincount(
        texts.codes[chosen] + 1,
        moves.amounts("bytes")[chosen],
        minlength=len(texts.values) + 1,
    )
    frames = moves.frames * (moves.decoded_bytes or 1)
    known = zip(("unattributed", *texts.values), sums.tolist(), strict=True)
    ordered = sorted(known, key=lambda pair: -pair[1])
    return {key: round(total / frames, 3) for key, total in ordered if total}


def _lines(moves: Moves, chosen: NDArray[np.bool_]) -> list[dict[str, Any]]:
    every = grouped(moves, Suspects.of(moves, chosen))
    every.sort(key=lambda line: -line.bytes)
    return [
        {**line.brief(), "bytes_per_frame": line.bytes_per_frame, "stage": line.stage}
        for line in every[:MOST_LINES]
    ]


_RGB: Final = Copied(
    "preprocess", 2 * FRAME_BYTES, line=20, expression='frame.reformat(format="rgb24")',
    kind="convert", method="sws_scale_frame", detail="yuv420p 1280x720 > rgb24 1280x720",
)  # fmt: skip
_TENSOR: Final = Copied("preprocess", FRAME_BYTES // 2, line=24)

AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="On a small device memory bandwidth is what the model needs too; each pass over the frame "
    "is taken from it, and heats the same chip.",
    source="One full conversion from yuv420p to RGB moves 2.0; a warning above it, failed above "
    "two of them, 4.0, without what libraries copy among their own buffers: our own numbers",
    requires=TABLES,
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case(
            "one pass at full size and a small tensor",
            lambda: copy_cases.copying_run(_RGB._replace(bytes=FRAME_BYTES), _TENSOR),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "RGB at full size, and a small tensor",
            lambda: copy_cases.copying_run(_RGB, _TENSOR),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "RGB at full size, and as float32",
            lambda: copy_cases.copying_run(
                _RGB, _RGB._replace(line=21, bytes=8 * FRAME_BYTES, method="ndarray.astype")
            ),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "copies that belong to no frame count as well",
            lambda: copy_cases.copying_run(_RGB, _TENSOR, attributed=False),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "what a model copies among its own buffers is counted and not objected to",
            lambda: copy_cases.copying_run(
                _TENSOR,
                Copied("infer", 20 * FRAME_BYTES, line=40, module="/lib/libonnxruntime.so.1"),
            ),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "little was moved, by what could be seen",
            lambda: copy_cases.copying_run(_TENSOR, blind=("java", "stubs of its own")),
            (FindingOutcome.NOT_MEASURED,),
        ),
        Case(
            "nobody says how much was decoded",
            lambda: copy_cases.copying_run(_RGB, decoded=None),
            (FindingOutcome.NOT_MEASURED,),
        ),
        Case(
            "a black box",
            lambda: copy_cases.copying_run(_RGB, mode="command"),
            (FindingOutcome.NOT_MEASURED,),
        ),
        Case(
            "no copy is seen in a process that nobody can look into",
            lambda: copy_cases.copying_run(blind=("tool", "static: there is nothing to preload")),
            (FindingOutcome.NOT_MEASURED,),
        ),
        Case(
            "a program without a live input decodes nothing",
            lambda: copy_cases.copying_run(_RGB, mode="generate"),
            (),
        ),
    ),
)
