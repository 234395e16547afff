"""What Pillow copies, exactly: the pieces that `tobytes` and `asarray` join, the rows of a copy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from probe import tape

PROGRAM = Path(__file__).parent / "languages" / "pil_copies.py"
PIECE = 11 * 1920 * 3
"""Pillow joins pieces of eleven rows; the last, of two rows, is below the threshold."""
PIECES = 1080 // 11
GREY = 1920 * 1080
LIBC = 7
Traced = Callable[..., tuple[subprocess.CompletedProcess[str], list[tape.Tape]]]


def moved(tapes: list[tape.Tape]) -> tuple[int, int]:
    """Return number and bytes of libc's copies."""
    rows = np.concatenate([each.records[each.records["kind"] == tape.COPY] for each in tapes])
    mine = rows[rows["part"] <= LIBC]
    return len(mine), int(mine["frame"].sum())


@pytest.mark.parametrize(
    ("which", "copies", "size"),
    [(0, PIECES, PIECES * PIECE), (1, PIECES, PIECES * PIECE), (2, 1, GREY)],
    ids=["tobytes", "asarray", "copy"],
)
def test_one_more_call_adds_exactly_its_bytes(
    which: int, copies: int, size: int, traced: Traced
) -> None:
    found = []
    for often in (1, 2):  # the first one also loads what Pillow needs
        arguments = ["0", "0", "0"]
        arguments[which] = str(often)
        _, tapes = traced([sys.executable, str(PROGRAM), *arguments])
        found.append(moved(tapes))
    (first, first_bytes), (second, second_bytes) = found
    assert (second - first, second_bytes - first_bytes) == (copies, size)
