"""Home folders are taken out of what is found about a machine: a Run is passed on."""

from __future__ import annotations

import os
import re
from typing import Any, Final

_ENDS: Final = r"(?![\w-]|\.\w)"
_BEGINS: Final = r"(?<![\w.-])"
"""Where a path begins: one folder alone can have the same name below others (/mnt/data)."""
_NAME: Final = r"""(?:(?<=['"])/(?:home|Users)/[^/'"]+(?=[/'"])|/(?:home|Users)/[^/\s'",:;]+)"""
"""A name that holds a blank can be told in quotes alone."""
_HOME: Final = re.compile(rf"{_NAME}|{_BEGINS}/root{_ENDS}")


def without_homes(text: str) -> str:
    """Return `text` with home folders as ``~``: those of everybody, and this user's own."""
    home = os.environ.get("HOME", "").rstrip("/")
    if home:  # wherever it is, and where it is mounted: /host/data/people/eve
        begins = _BEGINS if home.count("/") == 1 else ""
        text = re.sub(f"{begins}{re.escape(home)}{_ENDS}", "~", text)
    return _HOME.sub("~", text)


def document_without_homes(value: Any) -> Any:  # noqa: ANN401 - JSON in, JSON out
    """Return a JSON document with `without_homes` of every text in it, but for its keys."""
    if isinstance(value, str):
        return without_homes(value)
    if isinstance(value, dict):
        return {key: document_without_homes(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [document_without_homes(item) for item in value]
    return value
