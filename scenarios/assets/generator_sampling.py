"""Draw short clips from the built-in generator with numpy and ONNX Runtime.

One call of the model is one denoising step. A block starts as Gaussian noise `x` [1, 3, 16, 48, 64]
at time 0 and is clean at time 1:

    x = rng.standard_normal(shape)
    for now, then in pairs(times):              # metadata `liveprobe.times`
        x = x + (then - now) * model(x, now, cond, previous)

`cond` [1, 8] is one-hot in the action (first 4) and in the palette (last 4); `previous`
[1, 3, 48, 64] is the last frame of the block before, or zeros. Frames are RGB in -1..1.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scenarios.assets.small_clips import FRAMES, HEIGHT, WIDTH, condition

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnxruntime as ort

Floats = npt.NDArray[np.float32]
STEPS = 6
TIMES = tuple(round((step / STEPS) ** 1.5, 4) for step in range(STEPS + 1))
SHAPE = (1, 3, FRAMES, HEIGHT, WIDTH)


def sample_block(
    net: ort.InferenceSession,
    rng: np.random.Generator,
    cond: Floats,
    previous: Floats | None = None,
    times: Sequence[float] = TIMES,
) -> Floats:
    """Return one block [1, 3, FRAMES, HEIGHT, WIDTH] in -1..1; `cond` is [CONDITIONS]."""
    x = rng.standard_normal(SHAPE, dtype=np.float32)
    last = np.zeros((1, 3, HEIGHT, WIDTH), dtype=np.float32) if previous is None else previous
    for now, then in pairwise(times):
        feed = {"x": x, "t": np.array([now], np.float32), "cond": cond[None], "previous": last}
        x = x + np.float32(then - now) * np.asarray(net.run(["v"], feed)[0], dtype=np.float32)
    return np.clip(x, -1.0, 1.0)


def sample_clip(
    net: ort.InferenceSession, seed: int, action: int, palette: int, blocks: int = 2
) -> npt.NDArray[np.uint8]:
    """Return `blocks` coherent blocks as frames [blocks * FRAMES, HEIGHT, WIDTH, 3], 0..255."""
    rng = np.random.default_rng(seed)
    cond = condition(action, palette)
    made: list[Floats] = []
    for _ in range(blocks):
        previous = made[-1][:, :, -1] if made else None
        made.append(sample_block(net, rng, cond, previous))
    film = np.concatenate(made, axis=2)[0].transpose(1, 2, 3, 0)
    return np.asarray((film + 1.0) * 127.5 + 0.5, dtype=np.uint8)
