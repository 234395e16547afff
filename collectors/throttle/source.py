"""What is a source of throttling?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probe.model import Sample


class Source(Protocol):
    """One place that says whether something is held back."""

    def read(self) -> Iterable[Sample]:
        """Yield what it says now, None where it says nothing."""

    def close(self) -> None:
        """Release it; safe twice."""
