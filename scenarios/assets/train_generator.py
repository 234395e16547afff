"""Train the few-step generator of short clips and write it as ONNX.

`python -m scenarios.assets.train_generator -o scenarios/assets` needs
PyTorch, which the package itself never does. It is a rectified flow (Liu 2022, arXiv:2209.03003):
at time t a block is x = (1 - t) * noise + t * clip, the net predicts the clip and from it the
velocity v = (clip - x) / (1 - t), which the file returns. A U-Net with time in its channels
predicts the whole block coarsely; after it has been trained, a stack of plain convolutions that is
shared by all frames sharpens every frame. `generator_sampling.py` says how to draw a clip.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from scenarios.assets.generator_sampling import STEPS, TIMES, sample_clip
from scenarios.assets.onnx_files import export, session
from scenarios.assets.small_clips import (
    ACTIONS,
    CONDITIONS,
    FPS,
    FRAMES,
    HEIGHT,
    PALETTES,
    WIDTH,
    clip,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = "python -m scenarios.assets.train_generator -o scenarios/assets"
EMBEDDING, WIDE, DEEP, SHARP = 64, 128, 144, 48
LATEST, FOLLOWING, RATE = 0.05, 0.5, 2e-3
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class Block(nn.Module):
    """A ConvNeXt-like residual block whose scale and shift follow the embedding."""

    def __init__(self, channels: int, size: int) -> None:
        """Use a depthwise kernel of `size`."""
        super().__init__()
        self.spread = nn.Conv2d(channels, channels, size, 1, size // 2, groups=channels)
        self.norm = nn.GroupNorm(8, channels)
        self.mood = nn.Linear(EMBEDDING, 2 * channels)
        self.widen = nn.Conv2d(channels, 2 * channels, 1)
        self.narrow = nn.Conv2d(2 * channels, channels, 1)
        nn.init.zeros_(self.narrow.weight)

    def forward(self, x: torch.Tensor, mood: torch.Tensor) -> torch.Tensor:
        """Map [n, channels, h, w] and [n, EMBEDDING] to [n, channels, h, w]."""
        scale, shift = self.mood(mood)[:, :, None, None].chunk(2, dim=1)
        y = self.norm(self.spread(x)) * (1.0 + scale) + shift
        return x + self.narrow(torch.relu(self.widen(y)))


class Coarse(nn.Module):
    """Predicts the clean block at half the width and height per token, all frames at once."""

    def __init__(self) -> None:
        """Build the net."""
        super().__init__()
        inputs = 4 * 3 * (FRAMES + 1)
        self.mood = nn.Sequential(
            nn.Linear(32 + CONDITIONS, EMBEDDING),
            nn.SiLU(),
            nn.Linear(EMBEDDING, EMBEDDING),
            nn.SiLU(),
        )
        self.enter = nn.Conv2d(inputs, WIDE, 1)
        self.before = nn.ModuleList([Block(WIDE, 5), Block(WIDE, 5)])
        self.down = nn.Conv2d(WIDE, DEEP, 1)
        self.middle = nn.ModuleList([Block(DEEP, 7), Block(DEEP, 7)])
        self.up = nn.Conv2d(DEEP, WIDE, 1)
        self.after = nn.ModuleList([Block(WIDE, 5), Block(WIDE, 5)])
        self.leave = nn.Conv2d(WIDE, 4 * 3 * FRAMES, 1)

    def forward(
        self, x: torch.Tensor, t: torch.Tensor, cond: torch.Tensor, previous: torch.Tensor
    ) -> torch.Tensor:
        """Map [n, 3, FRAMES, h, w], [n], [n, CONDITIONS], [n, 3, h, w] to the clean block."""
        mood = self.mood(torch.cat([waves(t), cond], dim=1))
        flat = torch.cat([x.flatten(1, 2), previous], dim=1)
        y = self.enter(functional.pixel_unshuffle(flat, 2))
        for block in self.before:
            y = block(y, mood)
        deep = self.down(functional.avg_pool2d(y, 2))
        for block in self.middle:
            deep = block(deep, mood)
        y = y + functional.interpolate(self.up(deep), scale_factor=2.0, mode="nearest")
        for block in self.after:
            y = block(y, mood)
        return functional.pixel_shuffle(self.leave(y), 2).unflatten(1, (3, FRAMES))


class Sharpener(nn.Module):
    """Corrects every frame at full size; the same weights serve all frames."""

    def __init__(self) -> None:
        """Build the net."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(7, SHARP, 3, 1, 1),
            nn.ReLU(),
            nn.Conv2d(SHARP, SHARP, 3, 1, 1),
            nn.ReLU(),
            nn.Conv2d(SHARP, SHARP, 3, 1, 1),
            nn.ReLU(),
            nn.Conv2d(SHARP, 3, 3, 1, 1),
        )
        nn.init.zeros_(self.layers[-1].weight)
        nn.init.zeros_(self.layers[-1].bias)

    def forward(self, x: torch.Tensor, t: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
        """Map two blocks [n, 3, FRAMES, h, w] to a better clean block."""
        level = t[:, None, None, None, None].expand(-1, 1, *x.shape[2:])
        frames = torch.cat([x * level, coarse, level], dim=1).transpose(1, 2)
        fixed = self.layers(frames.flatten(0, 1)).unflatten(0, (x.shape[0], x.shape[2]))
        return coarse + fixed.transpose(1, 2)


class Generator(nn.Module):
    """The coarse net, then the sharpener; returns the velocity."""

    def __init__(self) -> None:
        """Build both parts."""
        super().__init__()
        self.coarse, self.sharpener = Coarse(), Sharpener()

    def clean(
        self, x: torch.Tensor, t: torch.Tensor, cond: torch.Tensor, previous: torch.Tensor
    ) -> torch.Tensor:
        """Return the predicted clean block."""
        return self.sharpener(x, t, self.coarse(x, t, cond, previous))

    def sharp_error(self, x: torch.Tensor, block: torch.Tensor, inputs: Batch) -> torch.Tensor:
        """Return the sharpener's error on some frames; `inputs` is t, cond, previous."""
        with torch.no_grad():
            coarse = self.coarse(x, *inputs)
        some = torch.randperm(FRAMES)[: FRAMES // 4]
        return self.sharpener(x[:, :, some], inputs[0], coarse[:, :, some]) - block[:, :, some]

    def forward(
        self, x: torch.Tensor, t: torch.Tensor, cond: torch.Tensor, previous: torch.Tensor
    ) -> torch.Tensor:
        """Return the velocity, of x's shape."""
        rest = (1.0 - t).clamp(min=LATEST)[:, None, None, None, None]
        return (self.clean(x, t, cond, previous) - x) / rest


def waves(t: torch.Tensor) -> torch.Tensor:
    """Return 32 sines and cosines [n, 32] of the times [n]."""
    speeds = torch.exp(torch.linspace(0.0, math.log(60.0), 16))
    angles = t[:, None] * speeds[None, :]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def fill(
    queue: multiprocessing.Queue[tuple[np.ndarray, ...]], first: int, step: int, size: int
) -> None:
    """Put batches of clips on the queue for ever: clips, conditions; even seeds only."""
    for number in count(first, step):
        made = [clip(2 * (number * size + index)) for index in range(size)]
        queue.put(
            (np.stack([one for one, _ in made]).astype(np.float16), np.stack([c for _, c in made]))
        )


def batches(size: int, seed: int) -> Iterator[Batch]:
    """Yield clean blocks, conditions and previous frames (zeros for half of them)."""
    rng = np.random.default_rng(seed)
    queue: multiprocessing.Queue[tuple[np.ndarray, ...]] = multiprocessing.Queue(8)
    worker = multiprocessing.Process(target=fill, args=(queue, 0, 1, size), daemon=True)
    worker.start()
    while True:
        clips, conditions = queue.get()
        film = torch.from_numpy(clips.astype(np.float32))
        follows = torch.from_numpy(rng.random(size) < FOLLOWING)[:, None, None, None]
        for start in (0, FRAMES, 0, FRAMES):
            block = film[:, :, start : start + FRAMES]
            other = film[:, :, FRAMES - 1] if start else torch.zeros_like(film[:, :, 0])
            if start:
                other = other * follows
            yield block, torch.from_numpy(conditions), other


def train(model: Generator, part: nn.Module, minutes: float, size: int, seed: int) -> None:
    """Train one part for a time; the other stays as it is."""
    model.requires_grad_(requires_grad=False)
    part.requires_grad_(requires_grad=True)
    sharpening = part is model.sharpener
    optimiser = torch.optim.AdamW(part.parameters(), lr=RATE, weight_decay=1e-4)
    start = time.monotonic()
    for step, (block, cond, previous) in enumerate(batches(size, seed)):
        spent = (time.monotonic() - start) / (60.0 * minutes)
        if spent >= 1.0:
            break
        for group in optimiser.param_groups:
            group["lr"] = (
                RATE * min(1.0, (step + 1) / 100.0) * (0.5 + 0.5 * math.cos(math.pi * spent))
            )
        t = torch.rand(size) ** 1.7
        level = t[:, None, None, None, None]
        x = (1.0 - level) * torch.randn_like(block) + level * block
        inputs = (t, cond, previous)
        gap = (
            model.sharp_error(x, block, inputs) if sharpening else model.coarse(x, *inputs) - block
        )
        loss = ((gap**2).mean((1, 2, 3, 4)) / (1.1 - t)).mean()
        if sharpening:
            loss = loss + 0.1 * gap.abs().mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(part.parameters(), 1.0)
        optimiser.step()
        if step % 100 == 0:
            print(f"step {step} of {spent:.0%}: loss {loss.item():.5f}", flush=True)


def metadata() -> dict[str, str]:
    """Return what a user of the file must know to sample from it."""
    return {
        "kind": "generator",
        "layout": "x and v: NCTHW; t: [1]; cond: [1, 8]; previous: NCHW",
        "channels": "RGB",
        "range": "-1..1",
        "frames": str(FRAMES),
        "fps": str(FPS),
        "steps": str(STEPS),
        "times": ",".join(str(value) for value in TIMES),
        "noise": "x starts as standard normal noise at time 0; a clean block is time 1",
        "step": "x = x + (times[i + 1] - times[i]) * v(x, times[i], cond, previous)",
        "cond": f"one-hot action ({' '.join(ACTIONS)}) then one-hot palette ({' '.join(PALETTES)})",
        "previous": "last frame of the block before, zeros for the first block",
        "precision": "fp32",
        "licence": "Apache-2.0",
        "command": COMMAND,
    }


def write(model: Generator, target: Path) -> None:
    """Export with fixed shapes, batch 1."""
    examples = {
        "x": torch.zeros(1, 3, FRAMES, HEIGHT, WIDTH),
        "t": torch.zeros(1),
        "cond": torch.zeros(1, CONDITIONS),
        "previous": torch.zeros(1, 3, HEIGHT, WIDTH),
    }
    export(model, examples, "v", target, metadata())


def start_from(model: Generator, path: Path) -> None:
    """Take the weights of an exported file; norms lost their names there but not their order."""
    import onnx

    weights = [
        (each.name, onnx.numpy_helper.to_array(each)) for each in onnx.load(path).graph.initializer
    ]
    unnamed = iter([array for name, array in weights if name.startswith("onnx::")])
    named = {name: array for name, array in weights if not name.startswith("onnx::")}
    state = {
        name: torch.from_numpy((named[name] if name in named else next(unnamed).reshape(-1)).copy())
        for name in model.state_dict()
    }
    model.load_state_dict(state)


def contact_sheet(path: Path, target: Path) -> None:
    """Save every other frame of one clip per action and palette as a PNG."""
    from PIL import Image

    net = session(path)
    rows = [
        np.concatenate(
            list(sample_clip(net, 100 + index, index % 4, (index + index // 4) % 4)[::3]), axis=1
        )
        for index in range(8)
    ]
    Image.fromarray(np.concatenate(rows, axis=0)).save(target)


def main() -> None:
    """Train coarse, then sharpen, then export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=24.0, help="three quarters coarse, rest sharp"
    )
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--start", type=Path, help="exported file whose weights to start from")
    parser.add_argument("--sheet", type=Path, help="PNG of drawn clips, to look at")
    parser.add_argument("-o", "--output", type=Path, default=Path("scenarios/assets"))
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    model = Generator()
    if options.start:
        start_from(model, options.start)
    target = options.output / "generator_fp32.onnx"
    train(model, model.coarse, 0.75 * options.minutes, options.batch, options.seed)
    write(model, target)
    train(model, model.sharpener, 0.25 * options.minutes, options.batch, options.seed)
    write(model, target)
    if options.sheet:
        contact_sheet(target, options.sheet)


if __name__ == "__main__":
    main()
