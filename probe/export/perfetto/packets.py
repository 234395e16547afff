"""Many packets at once: bytes of a packet that repeat, with the numbers that change put into holes.

A packet of a protobuf is the same for every event of a kind but for a few numbers. When each of
them is written as a varint of fixed width (padded, which the encoding allows), all packets have
one length, and numpy fills a table of bytes, one row an event: many times faster than building
messages (`tests/bench/bench_export.py` says how many).

The encoding: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Bytes: TypeAlias = NDArray[np.uint8]

WIDEST: Final = 10
"""A varint of 64 bits has at most ten bytes of seven bits."""
_VARINT, _FIXED64, _LENGTH = 0, 1, 2
SCATTERED_ROWS: Final = 16_384
"""Rows put in place at once when packets of several kinds mix: bounds the memory."""


@dataclass(frozen=True)
class Hole:
    """A place for a number: `column` names it; `fixed` is eight raw bytes in place of a varint."""

    column: str
    width: int
    fixed: bool = False


Piece: TypeAlias = bytes | Hole


def number(field: int, value: int) -> list[Piece]:
    """Return a varint field with a value that is always the same."""
    return [key(field, _VARINT) + plain(value)]


def varying(field: int, column: str, width: int) -> list[Piece]:
    """Return a varint field with a hole of `width` bytes."""
    return [key(field, _VARINT), Hole(column, width)]


def fixed(field: int, column: str) -> list[Piece]:
    """Return a fixed64 or double field with a hole."""
    return [key(field, _FIXED64), Hole(column, 8, fixed=True)]


def message(field: int, *parts: list[Piece]) -> list[Piece]:
    """Return a message field made of `parts`; its length is known, for every hole is fixed."""
    pieces = [piece for part in parts for piece in part]
    return [key(field, _LENGTH) + plain(_width(pieces)), *pieces]


def key(field: int, kind: int) -> bytes:
    """Return the bytes that begin a field."""
    return plain(field << 3 | kind)


def plain(value: int) -> bytes:
    """Return the shortest varint of a number that is not negative."""
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def width_of(values: NDArray[np.int64]) -> int:
    """Return how many bytes hold every one of `values` as a varint; negative ones need all ten."""
    if len(values) == 0:
        return 1
    low, high = int(values.min()), int(values.max())
    return WIDEST if low < 0 else max(1, -(-high.bit_length() // 7))


def varints(values: NDArray[Any], width: int) -> Bytes:
    """Return varints of one width, shape (n, width); negative numbers in two's complement."""
    shifts = np.arange(width, dtype=np.uint64) * np.uint64(7)
    wide = values.astype(np.int64, copy=False).view(np.uint64)
    out = (wide[:, None] >> shifts).astype(np.uint8)
    out[:, :-1] |= 0x80
    out[:, -1] &= 0x7F
    return out


class Template:
    """Bytes with holes. `fill` makes one row an event."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._holes: list[tuple[int, Hole]] = []
        content = bytearray()
        for piece in pieces:
            if isinstance(piece, Hole):
                self._holes.append((len(content), piece))
                content += bytes(piece.width)
            else:
                content += piece
        self._bytes: Bytes = np.frombuffer(bytes(content), dtype=np.uint8)

    def fill(self, columns: Mapping[str, NDArray[Any]]) -> Bytes:
        """Return shape (n, length of a packet). Columns are int64, or float64 in fixed holes."""
        rows = len(columns[self._holes[0][1].column])
        out = np.tile(self._bytes, (rows, 1))
        for place, hole in self._holes:
            values = columns[hole.column]
            if hole.fixed:
                content = np.ascontiguousarray(values).view(np.uint8).reshape(rows, 8)
            else:
                content = varints(values, hole.width)
            out[:, place : place + hole.width] = content
        return out


def interleaved(groups: Sequence[tuple[NDArray[np.intp], Bytes]]) -> Bytes:
    """Put rows of several lengths into one sequence of bytes; each group says its rows' places.

    The order matters where one slice ends in the nanosecond in which the next begins.
    """
    if len(groups) == 1:
        return groups[0][1].reshape(-1)
    total = sum(len(places) for places, _ in groups)
    lengths = np.empty(total, dtype=np.int64)
    for places, rows in groups:
        lengths[places] = rows.shape[1]
    ends = np.cumsum(lengths)
    out = np.empty(int(ends[-1]) if total else 0, dtype=np.uint8)
    for places, rows in groups:
        begins = ends[places] - rows.shape[1]
        for first in range(0, len(rows), SCATTERED_ROWS):
            some = slice(first, first + SCATTERED_ROWS)
            out[begins[some, None] + np.arange(rows.shape[1])] = rows[some]
    return out


def _width(pieces: Sequence[Piece]) -> int:
    return sum(piece.width if isinstance(piece, Hole) else len(piece) for piece in pieces)
