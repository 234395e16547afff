"""How often do a frame's bytes cross between processor, devices and kernel, and do they come back?

Crossings to the kernel (a pipe, a file, a socket) are real here; those to a GPU, an NPU, a dma-buf
or V4L2 are not seen on hardware, only on stand-ins for the libraries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import copy_cases
from probe.copy_cases import FRAME_BYTES, Copied
from probe.copy_findings import Question, Said, conclude
from probe.model import Audit, Case, Finding, FindingOutcome
from probe.moves import TABLES, Moves
from probe.suspects import WEIGHT, Suspect, Suspects, grouped, per_frame, weighed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from probe.store import Run

ID: Final = "domain_crossings"
TITLE: Final = "Crossings between domains"
REMEDY: Final = (
    "keep a frame where it is: chain the stages on one device and fetch only the result; between "
    "processes share the memory (multiprocessing.shared_memory, memfd, dma-buf) and send only a "
    "word about it through the pipe"
)
MOST_LINES: Final = 5
UNKNOWN: Final = "unknown"


def judge(run: Run) -> list[Finding]:
    """Say what crosses between each two domains; one way is a warning, a round trip fails."""
    moves = Moves.of(run)
    domains = moves.texts("domains")
    pairs = [_pair(text) for text in domains.values]
    names = sorted({tuple(sorted(pair)) for pair in pairs if pair})
    number = [names.index(tuple(sorted(pair))) if pair else -1 for pair in pairs]
    key = np.array([*number, -1], dtype=np.int64)[domains.codes]
    chosen = Suspects.of(moves, key >= 0)
    suspects = Suspects(chosen.rows, chosen.bytes, chosen.ns, key=key[chosen.rows], by_place=False)
    return conclude(Question(ID, TITLE, REMEDY), moves, suspects, _said)


def _pair(domains: str) -> tuple[str, str] | None:
    """Return (from, to) where a copy goes from one known domain to another."""
    begin, _, end = domains.partition(">")
    return (begin, end) if begin != end and UNKNOWN not in {begin, end} and end else None


def _said(suspect: Suspect) -> Said:
    moves = suspect.moves
    domains = moves.texts("domains")
    ways = {
        domains.values[code]: suspect.rows[domains.codes[suspect.rows] == code]
        for code in np.unique(domains.codes[suspect.rows])
    }
    weights = [
        weighed(moves, int(moves.amounts("bytes")[rows].sum()), 0.0) for rows in ways.values()
    ]
    returns = len(ways) > 1 and FindingOutcome.PASSED not in weights
    phrase = "there and back, " if returns else ""
    phrase += " and ".join(_spoken(moves, name, rows) for name, rows in sorted(ways.items()))
    return Said(
        phrase,
        {"round_trip": returns,
         "ways": {name: _way(moves, rows) for name, rows in sorted(ways.items())}},
        name="",
        most=FindingOutcome.FAILED if returns else FindingOutcome.WARNING,
    )  # fmt: skip


def _spoken(moves: Moves, way: str, rows: NDArray[np.int64]) -> str:
    return f"{len(rows) / (moves.frames or 1):.3g} {way.replace('>', ' > ')}"


def _way(moves: Moves, rows: NDArray[np.int64]) -> dict[str, Any]:
    """Return what goes one way: copies and bytes a frame, and the lines that move most."""
    size, took = moves.amounts("bytes")[rows], moves.amounts("duration_ns")[rows]
    lines = sorted(grouped(moves, Suspects(rows, size, took)), key=lambda each: -each.bytes)
    return {
        "copies_per_" + moves.per: len(rows) / (moves.frames or 1),
        "bytes_per_" + moves.per: int(size.sum()) / (moves.frames or 1),
        "ms_per_" + moves.per: int(took.sum()) / 1e6 / (moves.frames or 1),
        "lines": [
            f"{line.place.name}: {per_frame(moves, line.bytes)}" for line in lines[:MOST_LINES]
        ],
    }


_UPLOAD: Final = Copied(
    "infer", 4 * 3 * 360 * 640, line=40, expression="session.run(None, feeds)", kind="transfer",
    method="cudaMemcpyAsync", domains="cpu>gpu", ms=0.4,
)  # fmt: skip
_FETCH: Final = _UPLOAD._replace(line=41, domains="gpu>cpu", method="cudaMemcpy")
_WRITE: Final = Copied(
    "render", FRAME_BYTES, line=60, expression="os.write(pipe, picture)", kind="transfer",
    method="write", domains="cpu>kernel", ms=0.6,
)  # fmt: skip

AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="Every crossing copies the frame, waits for another engine or the kernel, and ends what "
    "could have gone on beside it; a frame that comes back has paid twice.",
    source="One way is a warning at most, since a frame has to get to the device; a round trip "
    f"(both ways weigh) may fail. {WEIGHT}",
    requires=TABLES,
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case(
            "up to the GPU and back",
            lambda: copy_cases.copying_run(_UPLOAD, _FETCH),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "up once, and only boxes come back",
            lambda: copy_cases.copying_run(_UPLOAD, _FETCH._replace(bytes=20_000, ms=0.02)),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "through a pipe, and from a dma-buf",
            lambda: copy_cases.copying_run(
                _WRITE, _WRITE._replace(line=9, method="memcpy", domains="dmabuf>cpu")
            ),
            (FindingOutcome.WARNING, FindingOutcome.WARNING),
        ),
        Case(
            "into the pipe and out of it again",
            lambda: copy_cases.copying_run(
                _WRITE, _WRITE._replace(line=70, method="read", domains="kernel>cpu")
            ),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "a coded packet is read",
            lambda: copy_cases.copying_run(
                _WRITE._replace(method="read", domains="kernel>cpu", bytes=20_000, ms=0.01)
            ),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "all stays where it is, and of some nobody knows",
            lambda: copy_cases.copying_run(
                _WRITE._replace(domains="cpu>cpu"), _WRITE._replace(domains="unknown>cpu")
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
