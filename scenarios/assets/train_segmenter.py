"""Train the portrait-style segmenter on the maker's own scenes and write it as fp32 and int8.

`python -m scenarios.assets.train_segmenter -o scenarios/assets` needs PyTorch, which
the package itself never does. Picture [1, 3, 144, 256], RGB in 0..1, goes in as `image`; person
probability [1, 1, 144, 256] comes out as `mask`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn
from torch.nn import functional

from scenarios.assets.onnx_files import export, finish, planar
from scenarios.assets.training_scenes import film_scene, training_seed
from scenarios.assets.training_sets import cached, pictures_and_masks

if TYPE_CHECKING:
    from collections.abc import Iterator

HEIGHT, WIDTH = 144, 256
FLIPPED, ZOOMED = 0.5, 0.7
COMMAND = "python -m scenarios.assets.train_segmenter -o scenarios/assets"


class Separable(nn.Module):
    """Depthwise then pointwise convolution, each normalised; a residual where shapes allow."""

    def __init__(
        self, before: int, after: int, *, stride: int = 1, size: int = 3, gap: int = 1
    ) -> None:
        """Take `before` channels to `after`; `gap` is the dilation."""
        super().__init__()
        padding = gap * (size // 2)
        self.residual = stride == 1 and before == after
        self.layers = nn.Sequential(
            nn.Conv2d(before, before, size, stride, padding, gap, before, bias=False),
            nn.BatchNorm2d(before),
            nn.ReLU(),
            nn.Conv2d(before, after, 1, bias=False),
            nn.BatchNorm2d(after),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map [n, before, h, w] to [n, after, h / stride, w / stride]."""
        y = self.layers(x)
        return torch.relu(x + y if self.residual else y)


class Segmenter(nn.Module):
    """A U-Net of separable convolutions, 1/2 to 1/16 of the input's size."""

    def __init__(self) -> None:
        """Build the net."""
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()
        )
        self.down4 = nn.Sequential(Separable(16, 32, stride=2), Separable(32, 32))
        self.down8 = nn.Sequential(
            Separable(32, 64, stride=2), Separable(64, 64), Separable(64, 64)
        )
        self.down16 = nn.Sequential(Separable(64, 128, stride=2), Separable(128, 128))
        self.context = nn.Sequential(
            Separable(128, 128, size=5),
            Separable(128, 128, size=5, gap=2),
            Separable(128, 128, size=3, gap=4),
            Separable(128, 128, size=5),
        )
        self.side16, self.side8 = nn.Conv2d(128, 64, 1), nn.Conv2d(64, 32, 1)
        self.side4, self.up8 = nn.Conv2d(32, 16, 1), Separable(64, 64)
        self.up4, self.up2 = Separable(32, 32), Separable(16, 16)
        self.head = nn.Conv2d(16, 1, 3, 1, 1)

    def logits(self, image: torch.Tensor) -> torch.Tensor:
        """Map [n, 3, h, w] in 0..1 to [n, 1, h / 2, w / 2]."""
        half = self.stem(image * 2.0 - 1.0)
        quarter = self.down4(half)
        eighth = self.down8(quarter)
        deep = self.context(self.down16(eighth))
        eighth = self.up8(twice(self.side16(deep)) + eighth)
        quarter = self.up4(twice(self.side8(eighth)) + quarter)
        half = self.up2(twice(self.side4(quarter)) + half)
        return self.head(half)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map [n, 3, h, w] in 0..1 to person probability [n, 1, h, w]."""
        return torch.sigmoid(twice(self.logits(image)))


def twice(x: torch.Tensor) -> torch.Tensor:
    """Enlarge two times, bilinear."""
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def loss_of(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return cross entropy plus soft IoU loss; the mask is [n, 1, h, w] in 0..1."""
    guess = torch.sigmoid(logits)
    overlap = (guess * mask).sum((1, 2, 3))
    union = (guess + mask - guess * mask).sum((1, 2, 3))
    soft_iou = (overlap + 20.0) / (union + 20.0)
    return functional.binary_cross_entropy_with_logits(logits, mask) + 0.5 * (1 - soft_iou).mean()


def batches(
    pictures: npt.NDArray[np.uint8], masks: npt.NDArray[np.uint8], size: int, seed: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield endless augmented batches: pictures [n, 3, h, w] and masks [n, 1, h, w] in 0..1."""
    rng = np.random.default_rng(seed)
    while True:
        chosen = rng.integers(0, len(pictures), size)
        image = torch.from_numpy(planar(pictures[chosen]))
        mask = torch.from_numpy(masks[chosen].astype(np.float32)[:, None] / 255.0)
        if rng.random() < FLIPPED:
            image, mask = image.flip(3), mask.flip(3)
        gain = torch.from_numpy(rng.uniform(0.75, 1.25, (size, 3, 1, 1)).astype(np.float32))
        shift = torch.from_numpy(rng.normal(0, 0.05, (size, 1, 1, 1)).astype(np.float32))
        image = (image * gain + shift).clamp(0.0, 1.0)
        if rng.random() < ZOOMED:
            image, mask = zoomed(rng, image, mask)
        yield image, mask


def zoomed(
    rng: np.random.Generator, image: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Show another cut, stretch and tilt of every picture; the border repeats."""
    count = len(image)
    zoom = rng.uniform(0.6, 1.15, count)
    stretch = np.exp(rng.normal(0.0, 0.18, count))
    angle = rng.normal(0.0, 0.08, count)
    theta = np.zeros((count, 2, 3), dtype=np.float32)
    theta[:, 0, 0], theta[:, 0, 1] = zoom * stretch, angle
    theta[:, 1, 0], theta[:, 1, 1] = -angle, zoom / stretch
    theta[:, :, 2] = rng.uniform(-0.25, 0.25, (count, 2))
    size = [count, 3, image.shape[2], image.shape[3]]
    grid = functional.affine_grid(torch.from_numpy(theta), size, align_corners=False)
    options = {"padding_mode": "border", "align_corners": False}
    return (
        functional.grid_sample(image, grid, **options),
        functional.grid_sample(mask, grid, **options),
    )


def train(
    model: Segmenter,
    pictures: npt.NDArray[np.uint8],
    masks: npt.NDArray[np.uint8],
    options: argparse.Namespace,
) -> None:
    """Train for a time; the rate falls to zero as the time runs out."""
    model.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=options.rate, weight_decay=1e-4)
    start = time.monotonic()
    for step, (image, mask) in enumerate(batches(pictures, masks, 32, options.seed)):
        spent = (time.monotonic() - start) / (60.0 * options.minutes)
        if spent >= 1.0:
            break
        for group in optimiser.param_groups:
            group["lr"] = (
                options.rate * min(1.0, step / 100.0) * (0.5 + 0.5 * np.cos(np.pi * spent))
            )
        pixels = image.contiguous(memory_format=torch.channels_last)
        loss = loss_of(model.logits(pixels), functional.avg_pool2d(mask, 2))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 100 == 0:
            print(f"step {step} of {spent:.0%}: loss {loss.item():.4f}", flush=True)


def start_from(model: Segmenter, path: Path, pictures: npt.NDArray[np.uint8]) -> None:
    """Take the weights of an exported file, whose norms were folded into the convolutions.

    Every norm is set to undo itself on `pictures` [n, 144, 256, 3] and to add the folded bias, so
    that the model computes what the file computes.
    """
    import onnx

    graph = onnx.load(path).graph
    stored = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    convolutions = [
        [stored[name] for name in node.input[1:]] for node in graph.node if node.op_type == "Conv"
    ]
    rest, biases = iter(convolutions), []

    def fill(layer: nn.Module, _: object) -> None:
        weight, bias = (torch.from_numpy(array.copy()) for array in next(rest))
        layer.weight.data = weight
        if layer.bias is None:
            biases.append(bias)
        else:
            layer.bias.data = bias

    def undo(layer: nn.BatchNorm2d, inputs: tuple[torch.Tensor]) -> None:
        layer.running_mean = inputs[0].mean((0, 2, 3))
        layer.running_var = inputs[0].var((0, 2, 3))
        layer.weight.data = torch.sqrt(layer.running_var + layer.eps)
        layer.bias.data = biases.pop() + layer.running_mean

    hooks = [
        layer.register_forward_pre_hook(undo if isinstance(layer, nn.BatchNorm2d) else fill)
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d | nn.BatchNorm2d)
    ]
    with torch.no_grad():
        model.eval()(torch.from_numpy(planar(pictures)))
    for hook in hooks:
        hook.remove()
    model.train()


class Calibration(CalibrationDataReader):  # type: ignore[misc]  # untyped base
    """Feeds pictures [n, 144, 256, 3] to the quantiser one by one."""

    def __init__(self, pictures: npt.NDArray[np.uint8]) -> None:
        """Keep an iterator over the pictures."""
        self.rest = iter(planar(pictures))

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
        """Return the next input or None at the end."""
        picture = next(self.rest, None)
        return None if picture is None else {"image": picture[None]}


def quantise(source: Path, target: Path, pictures: npt.NDArray[np.uint8]) -> None:
    """Write a static QDQ int8 model, per channel, calibrated on the maker's pictures."""
    import onnx

    folded = target.with_suffix(".folded.onnx")
    quant_pre_process(str(source), str(folded), skip_symbolic_shape=True)
    quantize_static(
        str(folded),
        str(target),
        Calibration(pictures),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        weight_type=QuantType.QInt8,
        activation_type=QuantType.QUInt8,
    )
    folded.unlink()
    note = metadata("int8, static QDQ, per channel, calibrated on 128 training scenes")
    finish(onnx.load(str(target)), target, note)


def metadata(precision: str) -> dict[str, str]:
    """Return what a user of the file must know."""
    return {
        "kind": "segmenter",
        "layout": "NCHW",
        "channels": "RGB",
        "range": "0..1",
        "output": "mask: person probability 0..1",
        "precision": precision,
        "licence": "Apache-2.0",
        "command": COMMAND,
    }


def main() -> None:
    """Render, train, export and quantise; `measure_quality.py` measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=13.0)
    parser.add_argument("--pictures", type=int, default=7000)
    parser.add_argument("--films", type=int, default=0, help="frames of clips to train on besides")
    parser.add_argument("--rate", type=float, default=3e-3, help="highest learning rate")
    parser.add_argument("--start", type=Path, help="exported fp32 file whose weights to start from")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, help="folder that keeps the rendered training set")
    parser.add_argument("-o", "--output", type=Path, default=Path("scenarios/assets"))
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    store = options.cache / f"scenes{options.pictures}.npz" if options.cache else None
    seeds = [training_seed(number) for number in range(options.pictures)]
    pictures, masks = cached(store, lambda: pictures_and_masks(seeds))
    if options.films:
        films = pictures_and_masks([training_seed(n) for n in range(options.films)], 2, film_scene)
        pictures, masks = np.concatenate([pictures, films[0]]), np.concatenate([masks, films[1]])
    model = Segmenter()
    if options.start:
        start_from(model, options.start, pictures[:64])
    train(model, pictures, masks, options)
    full, small = options.output / "segmenter_fp32.onnx", options.output / "segmenter_int8.onnx"
    model.to(memory_format=torch.contiguous_format)
    export(model, {"image": torch.zeros(1, 3, HEIGHT, WIDTH)}, "mask", full, metadata("fp32"))
    quantise(full, small, pictures[:128])


if __name__ == "__main__":
    main()
