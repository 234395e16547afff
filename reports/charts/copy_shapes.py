"""What a graph of copies is drawn of: boxes, lines of text and arrows, in px, for inline SVG.

The template writes them as elements; every look is a class of the style sheet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

KINDS: Final = {
    "memcpy": "moved as they are",
    "convert": "another format or type",
    "materialize": "a view became its own buffer",
    "transfer": "into or out of kernel or device",
}
"""Kind of a copy: what it does. Each has a pattern of its own in the style sheet."""
LETTER_PX: Final = 6.1
BOLD_PX: Final = 6.6
"""Widths of a letter, on average, of the text of charts."""
BAR: Final = 9.0
_LEAST_BAR: Final = 1.6
_HEAD: Final = 3.4
"""How far an arrow's head stands out at each side."""


@dataclass(frozen=True)
class Box:
    """A rectangle; `look` is a class of the style sheet."""

    x: float
    y: float
    width: float
    height: float
    look: str
    title: str = ""


@dataclass(frozen=True)
class Words:
    """A line of text."""

    x: float
    y: float
    text: str
    look: str = "t"


@dataclass(frozen=True)
class Stroke:
    """A path, drawn as a line of `width` or, without one, filled."""

    d: str
    look: str
    width: float | None = None


@dataclass(frozen=True)
class Drawing:
    """The graph at one width. `look` says for which pages: wide, middle or narrow."""

    look: str
    width: float
    height: float
    boxes: tuple[Box, ...]
    words: tuple[Words, ...]
    strokes: tuple[Stroke, ...]


@dataclass
class Canvas:
    """Collects the shapes of a drawing."""

    boxes: list[Box] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)
    strokes: list[Stroke] = field(default_factory=list)

    def drawing(self, width: float, height: float) -> Drawing:
        """Return what was drawn; its look is still to be said."""
        return Drawing(
            "", width, px(height), tuple(self.boxes), tuple(self.words), tuple(self.strokes)
        )

    def box(self, x: float, y: float, width: float, height: float, look: str) -> None:
        """Add a rectangle."""
        self.boxes.append(Box(px(x), px(y), px(width), px(height), look))

    def say(self, x: float, y: float, text: str, look: str = "t") -> None:
        """Add a line of text."""
        self.words.append(Words(px(x), px(y), text, look))

    def bar(self, x: float, y: float, kind: str, width: float, avoidable: float) -> None:
        """Add a bar of a kind; its avoidable share (0 to 1) comes first and is amber."""
        whole = max(width, _LEAST_BAR)
        amber = whole * min(1.0, avoidable)
        if amber:
            self.box(x, y, amber, BAR, f"k-{_look(kind)} twice")
        if whole - amber:
            self.box(x + amber, y, whole - amber, BAR, f"k-{_look(kind)}")

    def across(
        self, x0: float, x1: float, y: float, thick: float, shares: Sequence[tuple[str, float]]
    ) -> None:
        """Add a level arrow, with a band for each (kind, share)."""
        head, top = thick / 2 + _HEAD, y - thick / 2
        for kind, share in shares:
            self.box(x0, top, x1 - x0 - head, thick * share, f"k-{_look(kind)}")
            top += thick * share
        self._head((x1 - head, y - head), (x1, y), (x1 - head, y + head))

    def down(
        self, x: float, y0: float, y1: float, thick: float, shares: Sequence[tuple[str, float]]
    ) -> None:
        """Add an upright arrow, with a band for each (kind, share)."""
        head, left = thick / 2 + _HEAD, x - thick / 2
        for kind, share in shares:
            self.box(left, y0, thick * share, y1 - y0 - head, f"k-{_look(kind)}")
            left += thick * share
        self._head((x - head, y1 - head), (x, y1), (x + head, y1 - head))

    def over(self, x0: float, x1: float, foot: float, y: float, thick: float) -> None:
        """Add an arrow that rises from `foot` to `y`, goes across, and comes down again."""
        head = thick / 2 + _HEAD
        d = f"M{px(x0)} {px(foot)}V{px(y)}H{px(x1)}V{px(foot - 2 - head)}"
        self.strokes.append(Stroke(d, "over", px(thick)))
        self._head((x1 - head, foot - 2 - head), (x1, foot - 2), (x1 + head, foot - 2 - head))

    def _head(self, *corners: tuple[float, float]) -> None:
        path = "L".join(f"{px(x)} {px(y)}" for x, y in corners)
        self.strokes.append(Stroke(f"M{path}Z", "head"))


def fitted(text: str, px: float, letter_px: float = LETTER_PX) -> str:
    """Return text that is at most `px` wide, its middle left out where it is longer."""
    most = max(3, int(px / letter_px))
    if len(text) <= most:
        return text
    end = (most - 1) // 2
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"


def px(value: float) -> float:
    """Return a length with the finest step that a screen shows."""
    return round(value, 1)


def _look(kind: str) -> str:
    return kind if kind in KINDS else "mixed"
