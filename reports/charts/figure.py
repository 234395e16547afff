"""The static twin of a chart: matplotlib as SVG, for print and for a reader without scripts.

Figures are few and small: a line has at most two points per pixel, text stays text.
"""

from __future__ import annotations

import base64
import io
import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

WIDTH_PX: Final = 1060
_PATHS: Final = re.compile(r' d="[^"]*"')
_FRACTION: Final = re.compile(r"(\d\.\d)\d+")
POINTS: Final = 530
"""Buckets of a static line: one for two pixels."""
INK, INK2, INK3, GRID, PAPER = "#1c1e21", "#50555b", "#696e74", "#ebebe7", "#fdfdfb"
BAD, WARN, OK, GENERATION = "#c8473e", "#bd7f10", "#2c7f57", "#3a5a91"
LONG_UNIT: Final = 5
STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "liveprobe",
    "font.family": "sans-serif",
    "font.sans-serif": ["Liberation Sans", "Arial", "DejaVu Sans"],
    "font.size": 8.6,
    "axes.edgecolor": INK3,
    "axes.labelcolor": INK2,
    "axes.linewidth": 0.7,
    "xtick.color": INK2,
    "ytick.color": INK2,
    "hatch.linewidth": 0.6,
    "path.simplify": False,
}


def drawn(height_px: int, draw: Callable[[Axes], None], *, width_px: int = WIDTH_PX) -> str:
    """Let `draw(axes)` fill a figure and return it as a data URI of SVG."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width_px / 100, height_px / 100), dpi=100, facecolor=PAPER)
        FigureCanvasSVG(figure)
        axes = figure.add_axes(_frame(width_px, height_px))
        _plain(axes)
        draw(axes)
        return _data_uri(figure)


def _frame(width: int, height: int) -> tuple[float, float, float, float]:
    left, right, top, bottom = 52, 118, 20, 22
    return (left / width, bottom / height, 1 - (left + right) / width, 1 - (top + bottom) / height)


def _plain(axes: Axes) -> None:
    axes.set_facecolor(PAPER)
    axes.grid(visible=True, axis="y", color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(length=3, width=0.6)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _data_uri(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = _PATHS.sub(_rounded, buffer.getvalue().decode("utf-8"))
    return "data:image/svg+xml;base64," + base64.b64encode(text.encode("utf-8")).decode("ascii")


def _rounded(found: re.Match[str]) -> str:
    """Return path data with a tenth of a point as its finest step: less than half the bytes."""
    return _FRACTION.sub(r"\1", found[0])


def strokes(
    axes: Axes,
    x: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    *,
    colour: str,
    width: float,
) -> None:
    """Draw one upright stroke for each x, all in one path; where low is high, a dot."""
    rows = np.full((len(x), 3), np.nan)
    rows[:, 0] = rows[:, 1] = x
    ends = np.full((len(x), 3), np.nan)
    ends[:, 0], ends[:, 1] = low, high
    axes.plot(rows.ravel(), ends.ravel(), color=colour, linewidth=width, solid_capstyle="round")


def time_axis(axes: Axes, start: float, end: float) -> None:
    """Show minutes and seconds from the start of the window."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    from reports.page.numbers import clock_mark

    axes.set_xlim(start, end)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 1.5, 3, 6, 10], integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: clock_mark(value)))


def unit_at_top(axes: Axes, unit: str) -> None:
    """Write the unit above the axis, left of the plot; a long one begins at the figure's edge."""
    long = len(unit) > LONG_UNIT
    axes.annotate(
        _literal(unit),
        xy=(0, 1),
        xycoords="axes fraction",
        xytext=(-36 if long else -6, 3),
        textcoords="offset points",
        ha="left" if long else "right",
        va="bottom",
        color=INK3,
        annotation_clip=False,
    )


def name_at_right(
    axes: Axes, y: float, text: str, colour: str = INK2, *, share: bool = False
) -> None:
    """Write a direct label beside the right end of a line; `share`: y is one of the height."""
    axes.annotate(
        _literal(text),
        xy=(1, y),
        xycoords=("axes fraction", "axes fraction" if share else "data"),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        color=colour,
        annotation_clip=False,
    )


def _literal(text: str) -> str:
    """Return text that matplotlib does not read as mathematics, without what XML cannot hold."""
    clean = "".join(letter if letter.isprintable() else " " for letter in text)
    return clean.replace("$", r"\$")


def bucketed(
    x: NDArray[np.float64], y: NDArray[np.float64], points: int = POINTS
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], int]:
    """Return (x, median, minimum, maximum, size) of buckets of `size` rows; NaN is left out.

    `x` rises. One row a bucket (size 1) where there are no more rows than points. A bucket without
    a value is NaN in all three.
    """
    size = max(1, -(-len(x) // points))
    if size == 1:
        return x, y, y, y, 1
    whole = -(-len(x) // size) * size
    padded = np.full((2, whole), np.nan)
    padded[0, : len(x)], padded[1, : len(x)] = x, y
    grid_x, grid_y = padded[0].reshape(-1, size), np.sort(padded[1].reshape(-1, size), axis=1)
    number = np.isfinite(grid_y).sum(axis=1)
    rows = np.arange(len(grid_y))
    some = number > 0
    last = np.maximum(number - 1, 0)
    upper = np.minimum(number // 2, last)
    middle = (grid_y[rows, last // 2] + grid_y[rows, upper]) / 2
    middle_x = np.nanmean(grid_x, axis=1)
    return (
        middle_x,
        np.where(some, middle, np.nan),
        np.where(some, grid_y[:, 0], np.nan),
        np.where(some, grid_y[rows, last], np.nan),
        size,
    )
