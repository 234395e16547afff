"""What may a stranger's words do to a page? Be read: nothing hidden, nothing endless."""

from __future__ import annotations

import re
from typing import Any, Final

from reports.page.numbers import count

_HIDDEN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls, and marks that reverse what stands around them; right-to-left letters need neither."""
MOST: Final = 2000
"""Letters of one text; a file of claims may quote no more."""


def plain(text: str) -> str:
    """Return `text` with what hides or reverses words written out, and cut where it is endless."""
    shown = _HIDDEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", text[:MOST])
    more = f" \N{HORIZONTAL ELLIPSIS} ({count(len(text))} letters)" if len(text) > MOST else ""
    return shown + more


def plain_document(value: Any) -> Any:  # noqa: ANN401  JSON in, JSON out
    """Return a JSON document with every text in it plain, keys too."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {plain(str(key)): plain_document(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_document(item) for item in value]
    return value
