"""Seamless noise, gradients, blur and sensor noise for pictures [height, width, 3] in 0..1."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from scenarios.assets.shapes import Colour, Plane

TILE = 256


@cache
def noise_tile(seed: int, octaves: int = 6) -> Plane:
    """Return a [TILE, TILE] fractal noise that repeats seamlessly, mean 0, deviation 1."""
    rng = np.random.default_rng(seed)
    total = np.zeros((TILE, TILE), dtype=np.float64)
    for octave in range(octaves):
        cells = 4 << octave
        total += stretch_periodic(rng.standard_normal((cells, cells)), TILE) / (1.0 + octave)
    total -= total.mean()
    return np.asarray(total / total.std(), dtype=np.float32)


def stretch_periodic(grid: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.float64]:
    """Enlarge a square `grid` to [size, size] with smooth, periodic interpolation."""
    cells = grid.shape[0]
    position = np.arange(size) * cells / size
    low = position.astype(int)
    share = position - low
    share = share * share * (3.0 - 2.0 * share)
    high = (low + 1) % cells
    rows = grid[low] * (1.0 - share)[:, None] + grid[high] * share[:, None]
    return np.asarray(rows[:, low] * (1.0 - share) + rows[:, high] * share)


def tile_at(u: Plane, v: Plane, seed: int) -> Plane:
    """Look up the noise tile at the points `u`, `v`, tile cells."""
    column = np.floor(u).astype(np.int32) & (TILE - 1)
    row = np.floor(v).astype(np.int32) & (TILE - 1)
    return np.asarray(noise_tile(seed)[row, column])


def smooth_tile_at(u: Plane, v: Plane, seed: int) -> Plane:
    """Look up the noise tile with bilinear interpolation; slower, without visible cells."""
    column, row = np.floor(u), np.floor(v)
    du, dv = (u - column).astype(np.float32), (v - row).astype(np.float32)
    left, top = column.astype(np.int32) & (TILE - 1), row.astype(np.int32) & (TILE - 1)
    right, bottom = (left + 1) & (TILE - 1), (top + 1) & (TILE - 1)
    tile = noise_tile(seed)
    upper = tile[top, left] + du * (tile[top, right] - tile[top, left])
    lower = tile[bottom, left] + du * (tile[bottom, right] - tile[bottom, left])
    return np.asarray(upper + dv * (lower - upper), dtype=np.float32)


def gradient(height: int, width: int, top: Colour, bottom: Colour) -> Plane:
    """Return a vertical gradient [height, width, 3]."""
    share = np.linspace(0.0, 1.0, height, dtype=np.float32)[:, None, None]
    upper, lower = np.asarray(top, dtype=np.float32), np.asarray(bottom, dtype=np.float32)
    return np.broadcast_to(upper + share * (lower - upper), (height, width, 3)).copy()


def wall_noise(height: int, width: int, cells: float, seed: int) -> Plane:
    """Return fractal noise [height, width], deviation 1, `cells` tile cells per height."""
    x = (np.arange(width, dtype=np.float32) * (cells / height))[None, :]
    y = (np.arange(height, dtype=np.float32) * (cells / height))[:, None]
    return smooth_tile_at(x, y, seed)


def sensor_noise(rng: np.random.Generator, shape: tuple[int, int], strength: float) -> Plane:
    """Return additive noise [height, width, 3]: mostly luma, some colour, correlated."""
    height, width = shape
    luma = rng.standard_normal((height, width, 1), dtype=np.float32)
    luma[:, 1:] = 0.8 * luma[:, 1:] + 0.45 * luma[:, :-1]
    colour = rng.standard_normal((height, width, 3), dtype=np.float32)
    return strength * (luma + 0.4 * colour)


def blurred(picture: Plane, radius: int) -> Plane:
    """Return `picture` [height, width, ...] after two box blurs of `radius` pixels each way."""
    if radius < 1:
        return picture
    result = picture
    for axis in (0, 1, 0, 1):
        result = box_blurred(result, radius, axis)
    return result


def box_blurred(picture: Plane, radius: int, axis: int) -> Plane:
    """Return the running mean over 2 * radius + 1 samples along `axis`, edges repeated."""
    padding = [(0, 0)] * picture.ndim
    padding[axis] = (radius + 1, radius)
    sums = np.cumsum(np.pad(picture, padding, mode="edge"), axis=axis, dtype=np.float64)
    span = 2 * radius + 1
    high = np.take(sums, np.arange(span, sums.shape[axis]), axis=axis)
    low = np.take(sums, np.arange(sums.shape[axis] - span), axis=axis)
    return ((high - low) / span).astype(np.float32)
