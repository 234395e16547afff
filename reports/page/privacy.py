"""What may not enter a report: home paths and user names are taken out before anything is drawn."""

from __future__ import annotations

import getpass
import os
import re
from typing import Any, Final

_HOME: Final = re.compile(r"(?:/home|/Users)/[^/\s'\",:;]+|/root(?=[/\s'\",:;]|$)")
_SHORT_NAME: Final = 3
"""A user name of so few letters would be found inside words."""


def _user() -> str | None:
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # no entry for this user id
        return None
    return name if len(name) > _SHORT_NAME and name != "root" else None


def redacted(text: str) -> str:
    """Return `text` with home folders as ``~`` and the name of this user as ``USER``."""
    home = os.environ.get("HOME", "").rstrip("/")
    if home:  # wherever it is: /data/people/eve
        text = re.sub(rf"{re.escape(home)}(?=[/\s'\",:;]|$)", "~", text)
    text = _HOME.sub("~", text)
    name = _user()
    return re.sub(rf"\b{re.escape(name)}\b", "USER", text) if name else text


def redacted_document(value: Any) -> Any:  # noqa: ANN401  JSON in, JSON out
    """Return a JSON document with every text in it redacted, keys too."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {redacted(str(key)): redacted_document(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redacted_document(item) for item in value]
    return value


def file_name(path: str) -> str:
    """Return the last part of a path, which says what a file is and not where somebody keeps it."""
    return redacted(path.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1])
