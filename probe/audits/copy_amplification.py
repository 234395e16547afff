"""How many bytes are moved for each byte that was decoded?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import copy_cases
from probe.copy_cases import FRAME_BYTES, Copied
from probe.copy_findings import Question, unlooked, unseen
from probe.model import Audit, Case, Finding, FindingOutcome
from probe.moves import TABLES, Moves
from probe.suspects import Suspects, grouped, per_frame

if TYPE_CHECKING:
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
    moves = Moves(run)
    if run.manifest.get("mode") == "generate" and moves.decoded_bytes is None:
        return []  # nothing is decoded
    if not_measured := unlooked(Question(ID, TITLE, REMEDY), moves):
        return [not_measured]
    if not moves.decoded_bytes or moves.per != "frame":
        return [_unknown(moves)]
    ratio = moves.moved_bytes / moves.frames / moves.decoded_bytes
    return [_found(moves, ratio)]


def _unknown(moves: Moves) -> Finding:
    return Finding(
        ID,
        f"{TITLE}: nobody says how many bytes were decoded; {per_frame(moves, moves.moved_bytes)} "
        "are moved",
        FindingOutcome.NOT_MEASURED,
        {"bytes": moves.moved_bytes, moves.per + "s": moves.frames},
        'say it: with probe.stage("decode", frame=k) as span: ...; span.bytes_out = size',
    )


def _found(moves: Moves, ratio: float) -> Finding:
    outcome = FindingOutcome.PASSED
    if ratio > WARNING:
        outcome = FindingOutcome.FAILED if ratio > FAILED else FindingOutcome.WARNING
    took = int(moves.amounts("duration_ns")[moves.counted].sum())
    stages = _shares(moves, "stage")
    left_out = "; ".join(unseen(moves.manifest))
    return Finding(
        audit=ID,
        title=f"{TITLE}: {ratio:.2f}, {per_frame(moves, moves.moved_bytes)}"
        + (f" (not seen: {left_out})" if left_out else ""),
        outcome=outcome,
        evidence={
            "amplification": round(ratio, 3),
            "decoded_bytes_per_frame": moves.decoded_bytes,
            "copies_per_frame": int(np.count_nonzero(moves.counted)) / moves.frames,
            "frames": moves.frames,
            "by_kind": _shares(moves, "kind"),
            "by_stage": stages,
            "lines": _lines(moves),
        },
        remedy=REMEDY,
        cost_ms_per_frame=took / MS_NS / moves.frames,
        cost_bytes_per_frame=moves.moved_bytes / moves.frames,
        stage=next((name for name in stages if name != "unattributed"), None),
    )


def _shares(moves: Moves, name: str) -> dict[str, float]:
    """Return the part of the amplification of each text of a column, most first."""
    texts = moves.texts(name)
    sums = np.bincount(
        texts.codes[moves.counted] + 1,
        moves.amounts("bytes")[moves.counted],
        minlength=len(texts.values) + 1,
    )
    frames = moves.frames * (moves.decoded_bytes or 1)
    known = zip(("unattributed", *texts.values), sums.tolist(), strict=True)
    ordered = sorted(known, key=lambda pair: -pair[1])
    return {key: round(total / frames, 3) for key, total in ordered if total}


def _lines(moves: Moves) -> list[dict[str, Any]]:
    every = grouped(moves, Suspects.of(moves, moves.counted))
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
    "two of them, 4.0: our own numbers",
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
