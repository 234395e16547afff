"""Where do copies come from? The sites of all tapes, each once, with the program's own line.

The program's own line is the innermost frame of the Python stack that is neither of the standard
library nor of an installed package. Where there is none (the program itself is installed), it is
the innermost frame of the packages that the program was started from; else the innermost one
outside numpy. The source text is read when the Run is finalised, from the file as it is then.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import stat
import tokenize
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pandas as pd

from probe import store
from probe.copies.records import Lookup, lookup_of
from probe.copies.symbols import Symbols
from probe.homes import without_homes
from probe.tape import SITE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from probe.tape import Tape

EXPRESSION_LENGTH: Final = 160
MOST_SOURCE_BYTES: Final = 4 * 2**20
MOST_FRAMES: Final = 12
"""As many frames as the interposer keeps of a stack."""
MOST_PATH: Final = 4_096
MOST_LINES: Final = 2**31
_STANDARD: Final = re.compile(
    r"^<frozen |^<__array_function__ "
    r"|/lib(?:64)?/python3(?:\.\d+)?t?/(?!(?:site|dist)-packages/)|/python3\d+t?\.zip/"
)
_INSTALLED: Final = re.compile(r"/(?:site|dist)-packages/([^/]+)")
_MODULE_OPTION: Final = re.compile(r"^-[bBdEiIOPqsSuvx]*m(.*)$")


class Frame(NamedTuple):
    """A frame of a Python stack; columns count bytes from 0, an `end_column` of 0 is not known."""

    file: str
    line: int
    end_line: int
    column: int
    end_column: int
    function: str

    @property
    def package(self) -> str | None:
        """The installed package that it belongs to, None for any other file."""
        found = _INSTALLED.search(self.file)
        return found.group(1).removesuffix(".py") if found else None

    @property
    def launcher(self) -> bool:
        """Whether it is the script that an installer puts into bin/ to start a package."""
        return self.function == "<module>" and Path(self.file).parent.name == "bin"

    @property
    def own(self) -> bool:
        """Whether it belongs to neither the standard library nor an installed package."""
        return self.package is None and not self.launcher and not _STANDARD.search(self.file)


class Caller(NamedTuple):
    """What tells two sites apart."""

    module: str
    offset: int
    symbol: str
    stack: str


@dataclass
class Sites:
    """The sites of all tapes: `callers` numbers them, `lookups` has one for each tape."""

    callers: dict[Caller, int] = field(default_factory=dict)
    lookups: list[Lookup] = field(default_factory=list)

    def number(self, caller: Caller) -> int:
        """Return the number of a site, a new one at need."""
        return self.callers.setdefault(caller, len(self.callers))


def merged(tapes: Iterable[Tape]) -> Sites:
    """Collect the sites of all tapes; those with the same address and stack are one."""
    sites = Sites()
    for tape in tapes:
        records = tape.records[tape.records["kind"] == SITE]
        columns = (records[name].tolist() for name in ("name", "t1", "frame", "a", "b"))
        known = {}
        for number, module, offset, symbol, stack in zip(*columns, strict=True):
            texts = (tape.names.get(each, "") for each in (module, symbol, stack))
            path, function, lines = texts
            caller = Caller(path[:MOST_PATH], offset, function[:MOST_PATH], lines)
            known[number] = sites.number(caller)
        sites.lookups.append(lookup_of(known))
    return sites


def table_of(sites: Sites, command: Sequence[str] = ()) -> pd.DataFrame:
    """Return the table `sites`; `command` is how the program was started."""
    stacks = [frames_of(caller.stack) for caller in sites.callers]
    packages = _started_from(stacks, command)
    symbols, sources = Symbols(), _Sources()
    rows = [
        {"site": number, **_row(caller, stack, own_line(stack, packages),
                                symbols.name(caller.module, caller.offset), sources)}
        for (caller, number), stack in zip(sites.callers.items(), stacks, strict=True)
    ]  # fmt: skip
    return store.as_table("sites", pd.DataFrame(rows, columns=list(store.TABLES["sites"])))


def _row(
    caller: Caller, stack: list[Frame], frame: Frame | None, symbol: str, sources: _Sources
) -> dict[str, Any]:
    module = without_homes(caller.module) or None
    said: dict[str, Any] = {"module": module, "symbol": symbol or caller.symbol or None}
    if frame is None:
        return said
    frames = [[without_homes(each.file), each.line, each.function] for each in stack]
    said["stack"] = json.dumps(frames)
    known = frame.end_column > 0
    return said | {
        "file": without_homes(frame.file),
        "line": frame.line,
        "function": frame.function,
        "end_line": frame.end_line if known else None,
        "column": frame.column if known else None,
        "end_column": frame.end_column if known else None,
        "expression": sources.expression(frame),
    }


def frames_of(text: str) -> list[Frame]:
    """Parse a stack, innermost frame first; what is no frame is passed over."""
    frames = []
    for each in text.split("\n")[:MOST_FRAMES]:
        with contextlib.suppress(ValueError):
            file, *said, function = each.rsplit("\t", 5)
            line, end_line, column, end_column = (int(number) for number in said)
            if all(0 <= number < MOST_LINES for number in (line, end_line, column, end_column)):
                frames.append(Frame(file[:MOST_PATH], line, end_line, column, end_column, function))
    return frames


def own_line(stack: Sequence[Frame], packages: set[str]) -> Frame | None:
    """Choose the program's own line of a stack, as the module says; None for an empty one."""
    for chosen in (
        (each for each in stack if each.own),
        (each for each in stack if each.package in packages),
        (each for each in stack if each.package != "numpy"),
        stack,
    ):
        found = next(iter(chosen), None)
        if found is not None:
            return found
    return None


def _started_from(stacks: Iterable[list[Frame]], command: Sequence[str]) -> set[str]:
    """Return the installed packages that a program was started from, as in `python -m package`.

    They are those of the outermost ``<module>`` frames (below `runpy`, or called from a launcher)
    and of the command.
    """
    packages = {_starting(stack) for stack in stacks}
    for option, following in zip(command, [*command[1:], ""], strict=False):
        found = _MODULE_OPTION.match(option)
        if found is not None:
            packages.add((found.group(1) or following).partition(".")[0])
            break
    return {name for name in packages if name}


def _starting(stack: Sequence[Frame]) -> str | None:
    """Return the package of the program's own file, where the stack reaches out to it."""
    outer = [each for each in stack if "runpy" not in each.file]
    if len(stack) >= MOST_FRAMES or not outer or outer[-1].function != "<module>":
        return None
    if outer[-1].launcher and len(outer) > 1:
        return outer[-2].package
    return outer[-1].package


class _Sources:
    """Source files, each read once."""

    def __init__(self) -> None:
        self._lines: dict[str, list[bytes]] = {}

    def expression(self, frame: Frame) -> str | None:
        """Return the text of a frame's expression, its first line; None where it is not there."""
        if frame.file not in self._lines:
            self._lines[frame.file] = _source(Path(frame.file))
        lines = self._lines[frame.file]
        if not 0 < frame.line <= len(lines):
            return None
        text = lines[frame.line - 1]
        if frame.end_column > 0:
            text = text[frame.column : frame.end_column if frame.end_line == frame.line else None]
        return text.decode("utf-8", "replace").strip()[:EXPRESSION_LENGTH].rstrip() or None


def _source(file: Path) -> list[bytes]:
    """Read a Python file; nothing of any other: the path is what a tape says."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as source:  # noqa: PTH123 - a descriptor, not a path
            said = os.fstat(descriptor)
            if not stat.S_ISREG(said.st_mode) or said.st_size > MOST_SOURCE_BYTES:
                return []
            data = source.read(MOST_SOURCE_BYTES)
    except (OSError, ValueError):
        return []
    first, _, _ = data.partition(b"\n")
    is_python = file.suffix in {".py", ".pyw"} or (first.startswith(b"#!") and b"python" in first)
    return _in_utf8(data).splitlines() if is_python else []


def _in_utf8(source: bytes) -> bytes:
    """Return source as the compiler counts its columns: in UTF-8, whatever it is written in."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        return source.decode(encoding, "replace").encode()
    except (SyntaxError, LookupError):  # it names no encoding that Python has
        return source
