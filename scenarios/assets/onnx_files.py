"""Write a trained torch module as a small, self-describing ONNX file, and run such files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import onnx
    import onnxruntime as ort
    import torch

OPSET = 17
IR_VERSION = 8
LIMIT_BYTES = 3_000_000


def export(
    model: torch.nn.Module,
    examples: Mapping[str, torch.Tensor],
    output: str,
    target: Path,
    metadata: Mapping[str, str],
) -> None:
    """Export `model` with fixed shapes; `examples` maps input names to example tensors."""
    import onnx
    import torch

    torch.onnx.export(
        model.eval(),
        tuple(examples.values()),
        str(target),
        input_names=list(examples),
        output_names=[output],
        opset_version=OPSET,
        dynamo=False,
    )
    finish(onnx.load(str(target)), target, metadata)


def finish(proto: onnx.ModelProto, target: Path, metadata: Mapping[str, str]) -> None:
    """Set version and metadata, check, and save; too large a file is an error."""
    import onnx

    proto.ir_version = IR_VERSION
    del proto.metadata_props[:]
    for key, value in metadata.items():
        proto.metadata_props.add(key=f"liveprobe.{key}", value=value)
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, str(target))
    size = target.stat().st_size
    if size >= LIMIT_BYTES:
        message = f"{target} has {size} bytes; the limit is {LIMIT_BYTES}, so train a smaller net"
        raise ValueError(message)


def session(path: Path, threads: int = 1, *, quiet: bool = False) -> ort.InferenceSession:
    """Open a model on the CPU; `quiet` hides the runtime's warnings about the file."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    if quiet:
        options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def planar(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Turn [n, height, width, 3] bytes into [n, 3, height, width] floats in 0..1."""
    return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), dtype=np.float32) / np.float32(
        255.0
    )


def mean_iou(
    truth: Sequence[npt.NDArray[np.bool_]], guess: Sequence[npt.NDArray[np.bool_]]
) -> float:
    """Return the mean over pictures of intersection over union; both empty counts as 1."""
    scores = []
    for one, other in zip(truth, guess, strict=True):
        union = np.count_nonzero(one | other)
        scores.append(np.count_nonzero(one & other) / union if union else 1.0)
    return float(np.mean(scores))
