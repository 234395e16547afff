"""Columns of tables from plain arrays: numbers with gaps, texts by number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from probe.tape import NULL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from probe.copies.attribution import Thread
    from probe.tape import Tape


def whole(values: NDArray[np.int64]) -> pd.api.extensions.ExtensionArray:
    """Return integers as a column, null where they are `NULL`."""
    return pd.arrays.IntegerArray(values, values == NULL)


def numbered(numbers: NDArray[Any]) -> pd.api.extensions.ExtensionArray:
    """Return numbers as a column, null where they are negative."""
    plain = numbers.astype(np.int64)
    return pd.arrays.IntegerArray(plain, plain < 0)


def texts(numbers: NDArray[Any], names: Sequence[str]) -> pd.api.extensions.ExtensionArray:
    """Return the named texts as a column, null where a number is -1."""
    return pd.array([*names, ""], dtype="string").take(numbers, allow_fill=True)


def thread_names(tapes: Sequence[Tape], own: Sequence[Tape]) -> list[str]:
    """Return ``name:tid`` of each tape's thread, the name as the program's own tape says it."""
    said: dict[Thread, str] = {
        (tape.header.pid, tape.header.tid): tape.header.thread for tape in own
    }
    return [
        f"{said.get((tape.header.pid, tape.header.tid), tape.header.thread)}:{tape.header.tid}"
        for tape in tapes
    ]
