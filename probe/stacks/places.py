"""Which part of a path says where a line of code is, and not where somebody keeps it?

Below the standard library and installed packages it is the path from there, below the folder of
the program's script the path from that folder. Of any other file the table `stacks` has the whole
path, less home folders; what is shown to others has its last name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from probe.homes import without_homes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NO_SYMBOL: Final = "(no symbols)"
SCRIPT: Final = "<module>"
_BELOW: Final = re.compile(r".*/(?:site-packages|dist-packages|lib/python\d\.\d+)/(.+)", re.DOTALL)
_ANCHORED: Final = re.compile(r"[/~]|[A-Za-z]:/|(?:.*/)?\.\.(?:/|$)")
_ADDRESS: Final = re.compile(r"0x[0-9A-Fa-f]+")
_PATH: Final = re.compile(r"(?:~|/)[^\s'\"<>()]*/")


def folders_of(files: Iterable[str | None]) -> list[str]:
    """Return the folders of the scripts in which stacks begin, the longest first."""
    plain = (file.replace("\\", "/") for file in files if file)
    found = {file.rpartition("/")[0] for file in plain if not _BELOW.fullmatch(file)}
    return sorted(filter(_ANCHORED.match, found), key=lambda folder: (-len(folder), folder))


def placed(file: str, folders: Sequence[str]) -> str:
    """Return a file as the table `stacks` has it; `folders` are those of scripts."""
    plain = file.replace("\\", "/")
    found = _BELOW.fullmatch(plain)
    if found:
        return found[1]
    for folder in folders:
        if plain.startswith(f"{folder}/"):
            return plain[len(folder) + 1 :]
    return without_homes(plain)


def short(file: str) -> str:
    """Return a file without the folders that tell where somebody keeps it."""
    plain = file.replace("\\", "/")
    found = _BELOW.fullmatch(plain)
    if found:
        return found[1]
    return plain.rstrip("/").rpartition("/")[2] if _ANCHORED.match(plain) else plain


def readable(name: str) -> str:
    """Return the name of a function without the folders of a path in it, as native ones may have.

    Bare addresses of a library without symbols all have one name.
    """
    return NO_SYMBOL if _ADDRESS.fullmatch(name) else _PATH.sub("", name)
