"""How are lines of one name told apart? The second `acpitz` is `acpitz #2`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def nth(label: str, number: int) -> str:
    """Return the label of the line that has this name as the `number`-th, from 1."""
    return label if number == 1 else f"{label} #{number}"


def numbered(labels: Iterable[str]) -> list[str]:
    """Return the labels told apart, in their order."""
    seen: Counter[str] = Counter()
    found = []
    for label in labels:
        seen[label] += 1
        found.append(nth(label, seen[label]))
    return found
