"""Which copies that a runtime tells of did the interposer not see?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

TOLERANCE_NS: Final = 50 * 10**6
"""How far the clock of a log may lie beside ours: two periods of the kernel's coarse clock, and the
time that a buffered log takes to be written. Our own number."""


def unseen(
    told: pd.DataFrame,
    seen: pd.DataFrame,
    keys: Sequence[str],
    tolerance_ns: int = TOLERANCE_NS,
) -> NDArray[np.bool_]:
    """Return for each row of `told` whether no row of `seen` is the same copy.

    Two rows are the same copy when `keys` agree and their `t_ns` lie within the tolerance; each row
    of `seen` stands for one of `told` at most, taken in order of time.
    """
    missing = np.ones(len(told), dtype=bool)
    groups: dict[Any, NDArray[np.int64]] = {
        key: np.sort(rows["t_ns"].to_numpy(np.int64))
        for key, rows in seen.dropna(subset=[*keys, "t_ns"]).groupby(list(keys))
    }
    complete = told.reset_index(drop=True).dropna(subset=[*keys, "t_ns"])
    for key, rows in complete.groupby(list(keys)):
        times = groups.get(key)
        if times is None:
            continue
        order = rows["t_ns"].to_numpy(np.int64).argsort(kind="stable")
        at = 0
        for position in rows.index.to_numpy()[order]:
            t_ns = int(told["t_ns"].iloc[position])
            while at < len(times) and times[at] < t_ns - tolerance_ns:
                at += 1
            if at < len(times) and times[at] <= t_ns + tolerance_ns:
                missing[position] = False
                at += 1
    return missing
