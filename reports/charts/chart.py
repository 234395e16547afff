"""A chart as the template and the page's script need it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Chart:
    """A figure: its question, the computed finding, the note (statistic, window, n), its drawings.

    `spec` is what `templates/report.js` draws (null: nothing to draw but the static image);
    `image` is a data URI, empty where something else stands for it; `legend` is (colour slot, name)
    for narrow pages; `rows` a small table of the same data, its first row the header.
    """

    id: str
    question: str
    finding: str
    note: str
    spec: dict[str, Any]
    image: str
    height: int = 240
    legend: tuple[tuple[str, str], ...] = ()
    rows: tuple[tuple[str, ...], ...] = field(default=())


@dataclass(frozen=True)
class Missing:
    """A figure that could not be drawn, and why."""

    id: str
    question: str
    reason: str
    remedy: str = ""
