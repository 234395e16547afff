"""Which counting units (PMUs) does the kernel show, and how are their events encoded?

Reads `/sys/bus/event_source/devices/<pmu>/`: `type`, `cpumask`, `format/*` and `events/*` as
the kernel documents them (Documentation/ABI/testing/sysfs-bus-event_source-devices*).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from probe.kernel_file import integer, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from probe.model import Device

PMUS: Final = "/sys/bus/event_source/devices"
WORDS: Final = ("config", "config1", "config2")
"""The words of an event that a format may fill; none of ours needs config3 (Linux 6.3)."""
WORD_BITS: Final = 64
MOST_CPUS: Final = 8192
"""The kernel's own limit (NR_CPUS of x86)."""
HIGHEST_TYPE: Final = 2**31 - 1
UNITS: Final[Mapping[str, float]] = {"Bytes": 1.0, "KiB": 2.0**10, "MiB": 2.0**20, "MB": 2.0**20}
"""Bytes of one `events/*.unit`. Of those that are read rockchip_ddr alone says MB; its scale of
2^-20 shows that it means MiB."""
_BITS: Final = r"[0-9]{1,2}(?:-[0-9]{1,2})?"
FORMAT: Final = re.compile(rf"(config[12]?):({_BITS}(?:,{_BITS})*)")
NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20}")
SCALE: Final = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,2})?")
RANGE: Final = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


class Field(NamedTuple):
    """Where a term of an event goes: a word, and the bits of it from the lowest up."""

    word: str
    bits: tuple[int, ...]


class Words(NamedTuple):
    """What perf_event_open takes for an event, besides the type of its PMU."""

    config: int = 0
    config1: int = 0
    config2: int = 0


@dataclass(frozen=True)
class Pmu:
    """A counting unit; `cpus` are those to open it on, empty where it follows a thread."""

    name: str
    type: int
    cpus: tuple[int, ...]
    folder: Path

    def event(self, name: str) -> Words | None:
        """Return the encoding of an event: one that the kernel names, or terms (`event=0x0a`).

        None where there is no such event, and where its terms are not understood.
        """
        text = name if "=" in name else read_text(self.folder / "events" / name)
        return None if text is None else encoded(text, self._fields(text))

    def bytes_each(self, name: str, otherwise: float) -> float | None:
        """Return what one count of an event is in bytes, by its scale and unit.

        `otherwise` is for an event that the kernel gives neither; None for what is not understood.
        """
        if "=" in name:
            return otherwise
        texts = [read_text(self.folder / "events" / f"{name}.{part}") for part in ("scale", "unit")]
        if texts == [None, None]:
            return otherwise
        scale, unit = scaled(texts[0] or ""), UNITS.get(texts[1] or "")
        return None if scale is None or unit is None else scale * unit

    def _fields(self, text: str) -> dict[str, Field]:
        fields = {}
        for name in terms(text) or {}:
            if re.fullmatch(r"[A-Za-z0-9_]+", name):
                found = field(read_text(self.folder / "format" / name) or "")
                if found is not None:
                    fields[name] = found
        return fields


def pmus(device: Device, name: re.Pattern[str]) -> Iterator[Pmu]:
    """Yield the PMUs of a name, in its order; one without a usable type is left out."""
    folders = [each for each in device.path(PMUS).glob("*") if name.fullmatch(each.name)]
    for folder in sorted(folders, key=lambda each: _natural(each.name)):
        number = integer(read_text(folder / "type"))
        if number is not None and 0 <= number <= HIGHEST_TYPE:
            mask = cpus(read_text(folder / "cpumask") or "")
            yield Pmu(folder.name, number, mask or (), folder)


def field(text: str) -> Field | None:
    """Parse a file of `format/`: `config:0-7,21`; None for anything else."""
    found = FORMAT.fullmatch(text)
    if found is None:
        return None
    bits: set[int] = set()
    for part in found[2].split(","):
        first, _, last = part.partition("-")
        low, high = int(first), int(last or first)
        if low > high or high >= WORD_BITS:
            return None
        bits.update(range(low, high + 1))
    return Field(found[1], tuple(sorted(bits)))


def terms(text: str) -> dict[str, int] | None:
    """Parse a file of `events/`: `event=0x3c,umask=0x01,inv`; a bare term is 1.

    None for anything else: `?` (to be given), no number, a term given twice.
    """
    found: dict[str, int] = {}
    for part in text.split(","):
        name, equals, value = part.strip().partition("=")
        if not name or name in found or (equals and not NUMBER.fullmatch(value)):
            return None
        base = 16 if value[:2].lower() == "0x" else 10
        found[name] = int(value, base) if equals else 1
    return found


def encoded(text: str, fields: Mapping[str, Field]) -> Words | None:
    """Put the terms of an event where the formats say; None where one has no place or no room."""
    words = dict.fromkeys(WORDS, 0)
    found = terms(text)
    if found is None:
        return None
    for name, value in found.items():
        whole = Field(name, tuple(range(WORD_BITS))) if name in WORDS else None
        place = fields.get(name, whole)
        if place is None or value >> len(place.bits):
            return None
        for index, bit in enumerate(place.bits):
            words[place.word] |= (value >> index & 1) << bit
    return Words(**words)


def scaled(text: str) -> float | None:
    """Parse a file of `events/*.scale`: a positive number; None for anything else."""
    scale = float(text) if SCALE.fullmatch(text) else 0.0
    return scale if scale > 0 else None


def cpus(text: str) -> tuple[int, ...] | None:
    """Parse a list of CPUs: `0,32-33`; None for anything else, empty where it is empty."""
    found: set[int] = set()
    for part in text.split(",") if text else ():
        matched = RANGE.fullmatch(part)
        if matched is None:
            return None
        low, high = int(matched[1]), int(matched[2] or matched[1])
        if low > high or high >= MOST_CPUS:
            return None
        found.update(range(low, high + 1))
    return tuple(sorted(found))


def _natural(name: str) -> tuple[str, int]:
    """Order `amd_umc_2` before `amd_umc_10`."""
    head, _, tail = name.rpartition("_")
    number = integer(tail)
    return (name, -1) if number is None else (head, number)
