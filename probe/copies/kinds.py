"""What did each copy do to the bytes? Its method says, and where it can tell, what it moved.

A method that may convert says from what to what ("uint8 > float32"). numpy's loops convert where
the two differ and materialize a view where they are the same; a picture scaler whose two sides are
the same moves the picture as it is. Between two domains a plain copy is a transfer, and a transfer
within one is a plain copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from probe.copies.methods import METHODS, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from probe.copies.records import Copies

KINDS: Final = tuple(Kind)
MEMCPY, CONVERT, MATERIALIZE, TRANSFER = (
    KINDS.index(kind) for kind in (Kind.MEMCPY, Kind.CONVERT, Kind.MATERIALIZE, Kind.TRANSFER)
)
_NUMPY: Final = ("ndarray.", "numpy.", "PyArray_")
UNSAID, SAME, CHANGED = -1, 0, 1
GSTREAMER: Final = 2**16 - 1
CUPTI: Final = 2**16 - 2
"""Numbers of what other runtimes tell of; no interposer writes them."""
NAMES: Final = {number: method.name for number, method in METHODS.items()} | {
    GSTREAMER: "gst_video_frame_copy",
    CUPTI: "CUPTI memcpy",
}

_KIND_OF_METHOD: Final = np.full(2**16, MEMCPY, dtype=np.int8)
_KIND_OF_METHOD[CUPTI] = TRANSFER
BY_NUMPY: Final = np.zeros(2**16, dtype=bool)
"""Methods whose addresses are the lowest of a view, and whose rows are only its innermost."""
for _number, _method in METHODS.items():
    if _method.kind is not None:
        _KIND_OF_METHOD[_number] = KINDS.index(_method.kind)
    BY_NUMPY[_number] = _method.name.startswith(_NUMPY)


def kinds_of(copies: Copies, details: Sequence[str]) -> NDArray[np.int8]:
    """Return the place in `KINDS` of each copy; `details` are the texts that copies number."""
    kind = _KIND_OF_METHOD[copies.method]
    change = np.array([*(change_of(each) for each in details), UNSAID])[copies.detail]
    by_numpy = BY_NUMPY[copies.method]
    kind[by_numpy & (change == CHANGED)] = CONVERT
    kind[by_numpy & (change == SAME)] = MATERIALIZE
    kind[~by_numpy & (kind == CONVERT) & (change == SAME)] = MEMCPY
    known = (copies.domain > 0) & (copies.source_domain > 0)
    within = copies.domain == copies.source_domain
    crosses = known & ~within & (kind == MEMCPY)
    stays = known & within & (kind == TRANSFER)
    kind[crosses], kind[stays] = TRANSFER, MEMCPY
    return kind


def change_of(detail: str) -> int:
    """Say whether the two sides of "a > b, more" differ: `CHANGED`, `SAME`, or `UNSAID`."""
    before, arrow, after = detail.partition(" > ")
    if not arrow:
        return UNSAID
    rest = after.removeprefix(before)
    return SAME if after.startswith(before) and rest[:1] in {"", ","} else CHANGED
