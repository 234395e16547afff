"""The numbers of a verdict on copies: the sums of the ledger, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from probe.copies.methods import Kind
from probe.ledger import PER_RUN, ledger_of

if TYPE_CHECKING:
    from probe.store import Run

Number = float | None
KINDS: Final = (Kind.MEMCPY, Kind.CONVERT, Kind.TRANSFER, Kind.MATERIALIZE)


def copies(run: Run) -> dict[str, Number] | None:
    """Return what each frame cost in copies (`probe.ledger` defines it); None if not traced.

    A frame is a generated output in a program without a live input. Where no frame is known or the
    measured window is empty, what is counted for each is None.
    """
    ledger = ledger_of(run)
    if ledger is None:
        return None
    numbers: dict[str, Number] = {
        f"{kind.value}_bytes_per_frame": ledger.kinds[kind.value].bytes_per_frame for kind in KINDS
    }
    numbers["count_per_frame"] = ledger.total.copies_per_frame
    numbers["ms_per_frame"] = ledger.total.ms_per_frame
    numbers["avoidable_bytes_per_frame"] = ledger.total.avoidable_bytes_per_frame
    numbers["unattributed_bytes_per_frame"] = ledger.unattributed_bytes_per_frame
    if ledger.per == PER_RUN or ledger.whole_run:
        numbers = dict.fromkeys(numbers)
    return numbers | {
        "frame_equivalents": ledger.frame_equivalents,
        "explained_ratio": ledger.explained_ratio,
        "blind": len({each.pid for each in ledger.blind}),
    }
