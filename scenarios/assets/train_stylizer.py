"""Train the stylizer to imitate the painterly filter and write it as ONNX.

`python -m scenarios.assets.train_stylizer -o scenarios/assets` needs PyTorch, which
the package itself never does. Picture [1, 3, 360, 640], RGB in 0..1, goes in as `image`; the
painted picture of the same shape and range comes out as `styled`. The net is deliberately too
heavy for a small device.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from scenarios.assets.onnx_files import export, planar
from scenarios.assets.painterly import painted_bytes
from scenarios.assets.training_scenes import scene, training_seed
from scenarios.assets.training_sets import cached, in_processes

if TYPE_CHECKING:
    from collections.abc import Iterator

HEIGHT, WIDTH, CUT = 360, 640, 128
COMMAND = "python -m scenarios.assets.train_stylizer -o scenarios/assets"
Bytes = npt.NDArray[np.uint8]


class Residual(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    def __init__(self, channels: int) -> None:
        """Build the block."""
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, 1, 1)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map [n, channels, h, w] to the same shape."""
        return torch.relu(x + self.second(torch.relu(self.first(x))))


class Stylizer(nn.Module):
    """An encoder to a quarter of the size and back, with sums across."""

    def __init__(self) -> None:
        """Build the net."""
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 1, 1)
        self.down2 = nn.Conv2d(16, 32, 3, 2, 1)
        self.body2 = nn.Sequential(Residual(32), Residual(32))
        self.down4 = nn.Conv2d(32, 64, 3, 2, 1)
        self.body4 = nn.Sequential(Residual(64), Residual(64), Residual(64))
        self.up2 = nn.Conv2d(64, 32, 3, 1, 1)
        self.up1 = nn.Conv2d(32, 16, 3, 1, 1)
        self.head = nn.Conv2d(16, 3, 3, 1, 1)

    def unclipped(self, image: torch.Tensor) -> torch.Tensor:
        """Map [n, 3, h, w] in 0..1 to the painted picture, not yet held to 0..1."""
        full = torch.relu(self.stem(image * 2.0 - 1.0))
        half = self.body2(torch.relu(self.down2(full)))
        quarter = self.body4(torch.relu(self.down4(half)))
        half = torch.relu(self.up2(doubled(quarter)) + half)
        full = torch.relu(self.up1(doubled(half)) + full)
        return image + self.head(full)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map [n, 3, h, w] in 0..1 to the painted picture in 0..1."""
        return self.unclipped(image).clamp(0.0, 1.0)


def doubled(x: torch.Tensor) -> torch.Tensor:
    """Enlarge two times, nearest."""
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def pair(seed: int) -> tuple[Bytes, Bytes]:
    """Return a scene and its painting, both [360, 640, 3]."""
    picture, _ = scene(seed, WIDTH, HEIGHT)
    return picture, painted_bytes(picture)


def pairs(seeds: list[int], workers: int = 2) -> tuple[Bytes, Bytes]:
    """Return scenes and paintings, each [n, 360, 640, 3]."""
    made = in_processes(pair, seeds, workers)
    return np.stack([one for one, _ in made]), np.stack([other for _, other in made])


def cuts(
    pictures: Bytes, paintings: Bytes, size: int, seed: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield endless batches of equal cuts [n, 3, CUT, CUT] from scenes and paintings."""
    rng = np.random.default_rng(seed)
    while True:
        chosen = rng.integers(0, len(pictures), size)
        tops = rng.integers(0, HEIGHT - CUT + 1, size)
        lefts = rng.integers(0, WIDTH - CUT + 1, size)
        places = list(zip(chosen, tops, lefts, strict=True))
        before = np.stack([pictures[n, y : y + CUT, x : x + CUT] for n, y, x in places])
        after = np.stack([paintings[n, y : y + CUT, x : x + CUT] for n, y, x in places])
        yield torch.from_numpy(planar(before)), torch.from_numpy(planar(after))


def loss_of(guess: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Return absolute error plus absolute error of the gradients, borders left out."""
    error = (guess - truth)[:, :, 8:-8, 8:-8]
    steps = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
    return error.abs().mean() + 0.5 * steps


def train(model: Stylizer, pictures: Bytes, paintings: Bytes, minutes: float, seed: int) -> None:
    """Train for a time; the rate falls to zero as the time runs out."""
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    start = time.monotonic()
    for step, (before, after) in enumerate(cuts(pictures, paintings, 8, seed)):
        spent = (time.monotonic() - start) / (60.0 * minutes)
        if spent >= 1.0:
            break
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1.0, step / 50.0) * (0.5 + 0.5 * np.cos(np.pi * spent))
        loss = loss_of(model.unclipped(before), after)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 100 == 0:
            print(f"step {step} of {spent:.0%}: loss {loss.item():.4f}", flush=True)


METADATA = {
    "kind": "stylizer",
    "layout": "NCHW",
    "channels": "RGB",
    "range": "0..1",
    "output": "styled: painted picture, RGB 0..1",
    "precision": "fp32",
    "licence": "Apache-2.0",
    "command": COMMAND,
}


def main() -> None:
    """Render, train and export; `measure_quality.py` measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, help="folder that keeps the rendered training set")
    parser.add_argument("-o", "--output", type=Path, default=Path("scenarios/assets"))
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    store = options.cache / f"paintings{options.pictures}.npz" if options.cache else None
    seeds = [training_seed(number) for number in range(options.pictures)]
    pictures, paintings = cached(store, lambda: pairs(seeds))
    model = Stylizer()
    train(model, pictures, paintings, options.minutes, options.seed)
    target = options.output / "stylizer_fp32.onnx"
    export(model, {"image": torch.zeros(1, 3, HEIGHT, WIDTH)}, "styled", target, METADATA)


if __name__ == "__main__":
    main()
