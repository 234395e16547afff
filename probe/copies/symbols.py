"""Which function covers an offset in a module? The ELF symbol tables of the file, by address."""

from __future__ import annotations

import stat
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

if TYPE_CHECKING:
    from elftools.elf.sections import Section
    from numpy.typing import NDArray

TABLES: Final = (".symtab", ".dynsym")
"""Where functions are named, the whole table first: a stripped module has the second only."""
MOST_BYTES: Final = 256 * 2**20
"""Of a symbol table or its names; what is larger is not read."""
MOST_NAME_BYTES: Final = 1_024
MOST_HEADERS: Final = 100_000
"""Sections or segments; a file that says that it has more is damaged."""
FUNCTIONS: Final = (2, 10)
"""STT_FUNC and STT_GNU_IFUNC."""
LOCAL: Final = 0
_TYPE_BITS: Final = 4
_FORMATS: Final = {
    64: [("name", "u4"), ("info", "u1"), ("other", "u1"), ("section", "u2"),
         ("value", "u8"), ("size", "u8")],
    32: [("name", "u4"), ("value", "u4"), ("size", "u4"), ("info", "u1"), ("other", "u1"),
         ("section", "u2")],
}  # fmt: skip


class Symbols:
    """The functions of modules, each file read once, when it is first asked for."""

    def __init__(self) -> None:
        self._modules: dict[str, _Module | None] = {}

    def name(self, module: str, offset: int) -> str:
        """Return the function that the call before return address `offset` is in; "" if none.

        `offset` counts from where the module is mapped. A file that is no ELF, is gone or cannot be
        read names nothing.
        """
        if module not in self._modules:
            self._modules[module] = _read(Path(module)) if module.startswith("/") else None
        known = self._modules[module]
        return known.name(offset - 1) if known is not None else ""


class _Module:
    """Functions in order of address; where several names share one, a global name stands last."""

    def __init__(self, base: int, table: NDArray[Any], names: bytes) -> None:
        is_function = np.isin(table["info"] & 0xF, FUNCTIONS)
        table = table[is_function & (table["section"] != 0) & (table["size"] > 0)]
        is_global = (table["info"] >> _TYPE_BITS) != LOCAL
        order = np.lexsort((is_global, table["value"]))
        self._base = base
        self._value = table["value"][order].astype(np.uint64)
        self._size = table["size"][order].astype(np.uint64)
        self._name = table["name"][order]
        self._names = names

    def name(self, offset: int) -> str:
        address = offset + self._base if offset < self._base else offset
        if not 0 <= address < 2**63:
            return ""
        place = int(np.searchsorted(self._value, np.uint64(address), "right")) - 1
        if place < 0 or address - int(self._value[place]) >= int(self._size[place]):
            return ""
        begin = int(self._name[place])
        text = self._names[begin : begin + MOST_NAME_BYTES].split(b"\0", 1)[0]
        return text.decode("utf-8", "replace")


def _read(file: Path) -> _Module | None:
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            return None
        with file.open("rb") as stream:
            return _module(ELFFile(stream))
    except (OSError, ELFError, ValueError, KeyError, AttributeError, TypeError, struct.error,
            AssertionError, IndexError, OverflowError, MemoryError):  # fmt: skip
        return None  # pyelftools raises all of these for files that are damaged


def _module(elf: ELFFile) -> _Module | None:
    if max(elf.num_sections(), elf.num_segments()) > MOST_HEADERS:
        return None
    for name in TABLES:
        section = elf.get_section_by_name(name)
        if section is None or not section["sh_size"]:
            continue
        data, names = _bytes(elf, section), _bytes(elf, elf.get_section(section["sh_link"]))
        layout = np.dtype(_FORMATS[elf.elfclass]).newbyteorder("<" if elf.little_endian else ">")
        table = np.frombuffer(data, layout, count=len(data) // layout.itemsize)
        return _Module(_first_address(elf), table, names)
    return None


def _bytes(elf: ELFFile, section: Section) -> bytes:
    """Return a section as it stands in the file: nothing that might be packed is unpacked."""
    elf.stream.seek(section["sh_offset"])
    return bytes(elf.stream.read(min(section["sh_size"], MOST_BYTES)))


def _first_address(elf: ELFFile) -> int:
    """Return the address that the module's first segment is linked at: 0 for a library."""
    loaded = [
        each["p_vaddr"] - each["p_vaddr"] % max(each["p_align"], 1)
        for each in elf.iter_segments()
        if each["p_type"] == "PT_LOAD"
    ]
    return int(min(loaded, default=0))
