"""How does the evidence of a copy audit read? Its line as code, its sizes with units, its shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from reports.page import numbers
from reports.page.privacy import file_name, without_folders

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLACE: Final = (
    "name", "file", "line", "column", "function", "expression", "module", "symbol", "sites",
)  # fmt: skip
"""What is said together, as one line of code."""


def is_of_copies(evidence: Mapping[str, Any]) -> bool:
    """Say whether evidence tells of copies at a place."""
    return isinstance(evidence.get("name"), str) and "method" in evidence


def split(title: str, evidence: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return a title as (before, line of code, after); where it names none, all is before."""
    name = evidence.get("name") if is_of_copies(evidence) else None
    if not name:
        return title, "", ""
    before, found, after = title.partition(name)
    if not found:  # a long name is cut in a title
        begin, dots, after = title.partition("…")
        at = next((k for k in range(len(begin)) if dots and name.startswith(begin[k:])), -1)
        return (begin[:at], begin[at:] + dots, after) if at >= 0 else (title, "", "")
    return before, found, after


def place(evidence: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return (what, code, words) of where the copies are."""
    code = without_folders(str(evidence["name"]))
    function, module = evidence.get("function"), evidence.get("module")
    rows = [("line", code, f"in {function}" if function and function != "<module>" else "")]
    if module:
        symbol = without_folders(str(evidence.get("symbol") or ""))
        rows.append(("called from", f"{file_name(str(module))} {symbol}".strip(), ""))
    return rows


def said_with_place(key: str) -> bool:
    """Say whether `place` has said this part of the evidence."""
    return key in _PLACE


def value(key: str, found: object) -> tuple[str, str] | None:
    """Return (code, words) of a part of the evidence; None where it is no matter of copies."""
    if isinstance(found, dict) and isinstance(found.get("line"), str) and "copies" in found:
        return without_folders(found["line"]), _before(found)
    if isinstance(found, dict) and {"rows", "row_bytes"} <= found.keys():
        return "", _geometry(found)
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return None
    if key == "bytes" or key.endswith("_bytes") or key.startswith("bytes_per_"):
        return "", numbers.byte_size(found)
    if key == "gb_per_s":
        return "", f"{numbers.fixed(found, 2)}{numbers.NBSP}GB/s"
    return ("", numbers.percent(found, 0)) if key == "share_of_frame" else None


def _before(found: Mapping[str, Any]) -> str:
    parts = [str(found[key]) for key in ("method", "detail") if found.get(key)]
    parts.append(numbers.plural(int(found["copies"]), "copy", "copies"))
    size = found.get("bytes_per_copy")
    if isinstance(size, int):
        parts.append(f"{numbers.byte_size(size)} each")
    return without_folders("; ".join(parts))


def _geometry(found: Mapping[str, Any]) -> str:
    rows, width = found.get("rows"), found.get("row_bytes")
    text = f"{numbers.count(rows)} rows of {numbers.count(width)} bytes"
    strides = [
        f"{word} {numbers.count(found[key])}"
        for word, key in (("from stride", "source_stride"), ("to stride", "destination_stride"))
        if found.get(key)
    ]
    return ", ".join([text, *strides])
