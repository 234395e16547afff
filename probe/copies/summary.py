"""What run.json says of the copies: each process, its counters, its hooks, what it noted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe.copies.records import counters_of, groups, notes_of
from probe.tape import STOPPED, WRITES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from probe.copies.records import Note
    from probe.tape import Tape

MOST_NOTES: Final = 200
"""Of one process; a program that notes more says the same again and again."""


def summary_of(
    manifest: Mapping[str, Any],
    tapes: Sequence[Tape],
    pid: NDArray[np.int64],
    size: NDArray[np.int64],
) -> dict[str, Any]:
    """Return mode, threshold and processes; `pid` and `size` are those of the kept copies."""
    notes = notes_of(tapes)
    of_process: dict[int, list[Tape]] = {}
    for tape in tapes:
        of_process.setdefault(tape.header.pid, []).append(tape)
    said: dict[int, list[Note]] = {}
    for note in notes:
        said.setdefault(note.pid, []).append(note)
    rows, nobody = dict(groups(pid)), np.empty(0, dtype=np.int64)
    resolved = (manifest.get("scenario") or {}).get("resolved") or {}
    looked = any(bool((tape.records["kind"] == WRITES).any()) for tape in tapes)
    asked = (resolved.get("copies") or {}).get("mode")
    limits = [note.said.get("threshold") for note in notes if note.key == "process"]
    pages = [note.said.get("page") for note in notes if note.key == "process"]
    return {
        "mode": asked if asked in {"on", "deep"} else ("deep" if looked else "on"),
        "threshold_bytes": next((each for each in limits if isinstance(each, int)), None),
        "page_bytes": next((each for each in pages if isinstance(each, int)), None),
        "processes": [
            _process(number, own, said.get(number, ()), size[rows.get(number, nobody)])
            for number, own in of_process.items()
        ],
    }


def _process(
    pid: int, tapes: Sequence[Tape], notes: Sequence[Note], size: NDArray[np.int64]
) -> dict[str, Any]:
    counted = [counters_of(tape) for tape in tapes]
    exes, frames = (  # said again when it runs another program, or its frames go out of reach
        [each.said for each in notes if each.key == key] for key in ("process", "python")
    )

    def added(name: str) -> int:
        return sum(int(getattr(each, name)) for each in counted)

    told: dict[str, Any] = {
        "pid": pid,
        "exe": exes[-1].get("exe") if exes else None,
        "threads": len({tape.header.tid for tape in tapes}),
        "copies": len(size),
        "bytes": int(size.sum()),
    }
    return told | {
        **{name: added(name) for name in ("small_copies", "small_bytes", "rows")},
        "lost": sum(tape.header.lost for tape in tapes),
        **{name: added(name) for name in ("passed_unseen", "untracked_buffers")},
        "stopped": any(tape.header.state == STOPPED for tape in tapes),
        "python": frames[-1] if frames else None,
        "hooks": [each.said for each in notes if each.key == "hook"][:MOST_NOTES],
        "notes": [
            {"key": each.key, **each.said}
            for each in notes
            if each.key not in {"process", "python", "hook"}
        ][:MOST_NOTES],
    }
