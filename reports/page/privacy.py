"""What may not enter a report: home paths and user names are taken out before anything is drawn."""

from __future__ import annotations

import getpass
import re
from typing import Any, Final

from probe.homes import without_homes

_SYSTEM: Final = r"(?!sys/|proc/|dev/)"
_QUOTED_PATH: Final = re.compile(rf"""(["'])[~/]{_SYSTEM}[^"']*/([^"'/]+)\1""")
_PATH: Final = re.compile(rf"""(?<![\w./~:])[~/]{_SYSTEM}(?:[^/\s'",:;]*/)+([^/\s'",:;]+)""")
_LOGIN: Final = re.compile(r"://[^/\s@]*@")
"""Name and password in a URL, as of a camera."""
_SHORT_NAME: Final = 3
"""A user name of so few letters would be found inside words."""


def _user() -> str | None:
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # no entry for this user id
        return None
    return name if len(name) > _SHORT_NAME and name != "root" else None


def redacted(text: str) -> str:
    """Return `text` with home folders as ``~``, this user as ``USER``, and URLs without logins."""
    text = _LOGIN.sub("://", without_homes(text))
    name = _user()
    return re.sub(rf"\b{re.escape(name)}\b", "USER", text) if name else text


def without_folders(text: str) -> str:
    """Return `text` with each absolute path cut to its last part, but for those of the system."""
    return _PATH.sub(r"\1", _QUOTED_PATH.sub(r"\1\2\1", redacted(text)))


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
