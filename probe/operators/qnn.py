"""The profile of Qualcomm's QNN as rows of `ops`: cycles of operators, which are shares of time.

ONNX Runtime's QNN provider appends to ``qnn-profiling-data.csv``: ``Msg Timestamp,Message,Time,Unit
of Measurement,Timing Source,Event Level,Event Identifier`` and, in new builds, ``ONNX Source Ops``.
An inference begins with the root event that tells the number of vector threads. Cycles are summed
over the units of the accelerator, so they say which operator is dear, not how long it took:
`start_ns` and `self_ns` stay null. `profiling_level=detailed`, which lists operators, slows down.

Source: the writer's text and its tests' rows; not seen on hardware.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pandas as pd

from probe import store
from probe.errors import InputError
from probe.operators.profile import whole

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

HEAD: Final = "Msg Timestamp,Message,Time,Unit of Measurement,Timing Source,Event Level"
PROVIDER: Final = "QNNExecutionProvider"
BEGINS: Final = "Number of HVX threads used"
FIELDS: Final = 7
MOST_BYTES: Final = 256 * 2**20
NODE: Final = re.compile(r"(?P<node>.+?)\s*\(cycles\)")


@dataclass(frozen=True)
class Cycles:
    """Rows of `ops` with `cycles`, how many inferences they are of, and lines that were no rows."""

    ops: pd.DataFrame
    inferences: int
    damaged: int


def is_profile(head: bytes) -> bool:
    """Say whether a file that begins with `head` looks like this profile."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(HEAD.encode())


def read(file: Path) -> Cycles:
    """Read the operators of a profile; raises `InputError` where there are none."""
    if file.stat().st_size > MOST_BYTES:
        raise InputError(
            f"{file}: too large for a profile of QNN",
            remedy="QNN appends to this file: remove it, and profile a shorter window",
        )
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        rows, inferences, damaged = _rows(line.replace("\0", "") for line in stream)
    if not rows:
        raise InputError(
            f"{file}: this profile of QNN lists no operator",
            remedy="set the provider's option profiling_level to detailed",
        )
    columns = ["run", "node", "op", "cycles"]
    table = pd.DataFrame(rows, columns=columns).assign(provider=PROVIDER)
    return Cycles(store.as_table("ops", table), inferences, damaged)


def _rows(lines: Iterable[str]) -> tuple[list[tuple[int | None, str, str, int]], int, int]:
    rows: list[tuple[int | None, str, str, int]] = []
    run, damaged = -1, 0
    reader = csv.reader(lines)
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return rows, run + 1, damaged
        except csv.Error:
            damaged += 1
            continue
        if len(fields) < FIELDS or fields[0] == "Msg Timestamp":
            damaged += bool(fields) and len(fields) < FIELDS
            continue
        _, _, time, unit, _, level, identifier, *_ = (field.strip() for field in fields)
        if level == "ROOT" and identifier == BEGINS:
            run += 1
            continue
        cycles, named = whole(time), NODE.fullmatch(identifier)
        if unit == "CYCLES" and level != "ROOT" and named is not None and cycles is not None:
            node = named["node"]
            rows.append((None if run < 0 else run, node, node.partition(":")[0], cycles))
