"""Rendered training sets: many seeds at once, on several processes."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from scenarios.assets.training_scenes import Bytes, scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

T = TypeVar("T")


def pictures_and_masks(
    seeds: Iterable[int],
    workers: int = 2,
    render: Callable[[int], tuple[Bytes, Bytes]] = scene,
) -> tuple[Bytes, Bytes]:
    """Return pictures [n, 144, 256, 3] and person masks [n, 144, 256], 0..255."""
    pairs = in_processes(render, seeds, workers)
    return np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs])


def in_processes(render: Callable[[int], T], seeds: Iterable[int], workers: int) -> list[T]:
    """Call `render` for every seed and keep the order."""
    if workers <= 1:
        return [render(seed) for seed in seeds]
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(render, seeds, chunksize=16))


def cached(
    path: Path | None, make: Callable[[], tuple[npt.NDArray[np.uint8], ...]]
) -> tuple[npt.NDArray[np.uint8], ...]:
    """Return what `make` returns; keep it in the file `path` (npz) if one is given."""
    if path is not None and path.exists():
        with np.load(path) as stored:
            return tuple(stored[name] for name in sorted(stored.files))
    arrays = make()
    if path is not None:
        named = {f"array{index}": array for index, array in enumerate(arrays)}
        np.savez(path, allow_pickle=False, **named)
    return arrays
