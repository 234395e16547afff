"""What does the driver amdxdna answer to a question for its sensors?

An ioctl gives records of one fixed form (`struct amdxdna_drm_query_sensor` of the kernel's
amdxdna_accel.h): total power, temperature, and the utilisation of each column. In a captured tree
the device's node is a plain file that holds the records.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import stat
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from probe.celsius import believed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECORD: Final = struct.Struct("<64s4I64s16sbB6x")
"""label, input, max, average, highest, status, units, exponent of ten, type, padding."""
REQUEST: Final = struct.Struct("=IIQ")
"""param, size of the buffer (the driver puts what it filled), address of the buffer."""
GET_INFO: Final = 0xC0106447
"""DRM_IOWR(DRM_COMMAND_BASE + 7, struct amdxdna_drm_get_info)."""
QUERY_SENSORS: Final = 4
MOST_RECORDS: Final = 64
"""Power, temperature and eight columns are ten; some drivers write before they look at the size."""
POWER, COLUMN, TEMPERATURE = 0, 1, 2
"""Types of sensors. Columns and temperature are also known by their labels: drivers between the
first and the newest number them differently."""
COLUMN_LABEL: Final = "Column "
SENTINELS: Final = frozenset({0xFFFF, 0xFFFFFFFF})
"""The tables behind the driver hold ones in every bit where the firmware gives nothing."""
MOST_WATTS: Final = 100.0
DIGITS: Final = 9
"""Exponents beyond this are no unit of any sensor."""


class Sensors(NamedTuple):
    """One answer; columns by number, in percent."""

    watts: float | None
    celsius: float | None
    columns: dict[int, float | None]


class Node:
    """The device's node, open as long as it is asked; raises `OSError` where it cannot be."""

    def __init__(self, path: Path) -> None:
        plain = stat.S_ISREG(path.stat().st_mode)
        self._plain = path if plain else None
        self._descriptor: int | None = None
        if not plain:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def read(self) -> Sensors | None:
        """Return the sensors' values; None where the driver has none to give."""
        if self._plain is not None:
            try:
                return parse(self._plain.read_bytes()[: MOST_RECORDS * RECORD.size])
            except OSError:
                return None
        if self._descriptor is None:
            return None
        buffer = ctypes.create_string_buffer(MOST_RECORDS * RECORD.size)
        request = bytearray(
            REQUEST.pack(QUERY_SENSORS, ctypes.sizeof(buffer), ctypes.addressof(buffer))
        )
        try:
            fcntl.ioctl(self._descriptor, GET_INFO, request, True)
        except OSError:
            return None
        filled = REQUEST.unpack(request)[1]
        return parse(buffer.raw[: min(filled, ctypes.sizeof(buffer))])

    def close(self) -> None:
        """Close the node; safe twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def parse(data: bytes) -> Sensors | None:
    """Parse the records of an answer; None for an empty one, a cut record is left out."""
    watts: float | None = None
    celsius: float | None = None
    columns: dict[int, float | None] = {}
    records = list(_records(data))
    for label, kind, value in records:
        if label.startswith(COLUMN_LABEL):
            column = label.removeprefix(COLUMN_LABEL).partition(" ")[0]
            if column.isascii() and column.isdigit() and len(column) <= 2:  # noqa: PLR2004 - eight
                columns[int(column)] = _within(value, 0, 100)
        elif kind == POWER:
            watts = _within(value, 0, MOST_WATTS)
        elif kind in {COLUMN, TEMPERATURE} and label.startswith("Temperature"):
            celsius = believed(value)
    return Sensors(watts, celsius, columns) if records else None


def _records(data: bytes) -> Iterator[tuple[str, int, float | None]]:
    """Yield label, type and value (input times ten to the exponent) of each whole record."""
    whole = len(data) // RECORD.size * RECORD.size
    for record in RECORD.iter_unpack(data[:whole]):
        label, read, exponent, kind = record[0], record[1], record[7], record[8]
        text = label.partition(b"\0")[0].decode("ascii", "replace")
        known = read not in SENTINELS and abs(exponent) <= DIGITS
        yield text, kind, read * 10.0**exponent if known else None


def _within(value: float | None, least: float, most: float) -> float | None:
    return value if value is not None and least <= value <= most else None
