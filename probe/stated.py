"""What does a program state of itself? Its facts, read as what they should be and nothing else.

Facts are a program's own words (``probe.mark("fact:providers", text='{"asked": [...]}')``), so each
reader here gives None, or nothing, for what is missing or of another shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST: Final = 2**62
"""No count of bytes is larger; what is would not fit a table's column."""


def fact(manifest: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - JSON
    """Return what the program states under `name`; None where it says nothing."""
    facts = (manifest.get("program") or {}).get("facts")
    return facts.get(name) if isinstance(facts, dict) else None


def table(manifest: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a fact that is an object; empty where there is none."""
    found = fact(manifest, name)
    return found if isinstance(found, dict) else {}


def providers(manifest: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Return the execution providers (asked, got), first choice first; None where one is unsaid."""
    said = table(manifest, "providers")
    asked, got = (_names(said.get(name)) for name in ("asked", "got"))
    return (asked, got) if asked and got else None


def refresh_hz(manifest: Mapping[str, Any]) -> float | None:
    """Return how often the display refreshes."""
    hertz = table(manifest, "display").get("refresh_hz")
    if not isinstance(hertz, (int, float)) or isinstance(hertz, bool):
        return None
    return float(hertz) if 0 < hertz < MOST else None


def model_bytes(manifest: Mapping[str, Any]) -> int | None:
    """Return the size of the model's file."""
    return count(table(manifest, "model").get("bytes"))


def count(value: object) -> int | None:
    """Return a whole number above 0 and below `MOST`; None for all else."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 < value < MOST else None


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return ()
    return tuple(value)
