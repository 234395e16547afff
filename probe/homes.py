"""Home folders are taken out of what is found about a machine: a Run is passed on."""

from __future__ import annotations

import os
import re
from typing import Any, Final

_ENDS: Final = r"(?=[/\s'\",:;]|$)"
_HOME: Final = re.compile(rf"(?:/home|/Users)/[^/\s'\",:;]+|/root{_ENDS}")


def without_homes(text: str) -> str:
    """Return `text` with home folders as ``~``: those of everybody, and this user's own."""
    home = os.environ.get("HOME", "").rstrip("/")
    if home:  # wherever it is: /data/people/eve
        text = re.sub(f"{re.escape(home)}{_ENDS}", "~", text)
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
