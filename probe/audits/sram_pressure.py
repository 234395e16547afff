"""Do a model's tensors fit in the accelerator's on-chip memory, and what traffic if they do not?

The estimate, in bytes, with `S` the on-chip memory as the device's inventory states it
(`device.accelerators[k].sram_bytes` in run.json):

- weights `W`: the model's file. It holds little else, and quantised weights barely compress.
- working set `T`: the most that one operator has to hold, the output of the one before and its own,
  over the operators of the graph pass (table `ops`); without one only the larger of the model's
  input and output, which is a lower bound.
- a tile is half of `S`: while one half is computed on, the other is filled. So `T` takes
  `ceil(T / (S/2))` tiles; one where `T` fits in `S/2`.
- everything stays on the chip where `W + T <= S`. Else the weights are read again for each
  inference, and an output over `S/2` is written out and read back.
- traffic of an inference: input + output + (W, where not all stays) + 2 x outputs over S/2; times
  the inferences per second of the window (spans of the stage `infer`; the frame rate where there
  are none) for bytes per second.

Weights that are read once a tile, halos of tiles and a compiler's fusion are left out: the first
two add traffic, the last takes some away. So this is inferred, warns, and fails nobody.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from probe import cases, cases_device, measured, stated
from probe.model import Audit, Case, Finding, FindingOutcome, Grade

if TYPE_CHECKING:
    from collections.abc import Mapping

    from probe.store import Run

ID: Final = "sram_pressure"
TITLE: Final = "Tensors against on-chip memory"
REMEDY: Final = (
    "keep weights and working set within the on-chip memory: int8 instead of float, a smaller "
    "input, fewer channels in the widest layer, or a compiler that fuses layers into tiles; frames "
    "that do not fit are best reduced before they reach the accelerator"
)
PROCESSOR: Final = "CPUExecutionProvider"
INFER: Final = "infer"
ELEMENT_BYTES: Final = {
    "float": 4, "float16": 2, "bfloat16": 2, "double": 8, "int8": 1, "uint8": 1, "int16": 2,
    "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "uint64": 8, "bool": 1,
}  # fmt: skip
PIXEL_BYTES: Final = {
    "yuv420p": 1.5, "yuvj420p": 1.5, "nv12": 1.5, "yuyv422": 2.0, "yuv422p": 2.0,
    "yuvj422p": 2.0, "rgb24": 3.0, "bgr24": 3.0, "yuv444p": 3.0, "gray": 1.0,
}  # fmt: skip
MB: Final = 1e6


class Need(NamedTuple):
    """Bytes that one inference holds and moves; `outputs` are those of its operators, in order."""

    weights: int
    given: int
    taken: int
    outputs: tuple[int, ...]

    @property
    def working(self) -> int:
        """The most that one operator holds: what it reads and what it writes."""
        if not self.outputs:
            return max(self.given, self.taken)
        before = (self.given, *self.outputs[:-1])
        return max(read + written for read, written in zip(before, self.outputs, strict=True))

    def stays(self, sram: int) -> bool:
        """Say whether weights and working set stay on the chip."""
        return self.weights + self.working <= sram

    def traffic(self, sram: int) -> int:
        """Return the bytes that one inference moves to and from the chip."""
        crossing = self.given + self.taken
        if self.stays(sram):
            return crossing
        return crossing + self.weights + 2 * sum(out for out in self.outputs if 2 * out > sram)


def judge(run: Run) -> list[Finding]:
    """Estimate tiles and traffic for each accelerator that states its on-chip memory."""
    device = run.manifest.get("device") or {}
    known = [
        (str(each.get("name")), size)
        for each in device.get("accelerators") or ()
        if (size := stated.count(each.get("sram_bytes")))
    ]
    if not known:
        return [_unknown(
            "no accelerator states its on-chip memory",
            "write sram_bytes beside the accelerator's name in device.accelerators of run.json, "
            "from its data sheet, and audit again",
        )]  # fmt: skip
    said = stated.providers(run.manifest)
    if said is not None and set(said[1]) == {PROCESSOR}:
        return [_unknown(
            "the model ran on the processor, no accelerator was used",
            "ask for the accelerator's provider: stage.infer.providers",
        )]  # fmt: skip
    need = _need(run)
    if need is None:
        return [_unknown(
            "the program does not state its model's bytes and shapes",
            'state them: probe.mark("fact:model", text=\'{"bytes": n, "inputs": {"x": '
            '["tensor(uint8)", [1, 3, 256, 256]]}, "outputs": {...}}\')',
        )]  # fmt: skip
    return [_found(run, name, sram, need) for name, sram in known]


def _unknown(why: str, remedy: str) -> Finding:
    return Finding(ID, f"{TITLE}: {why}", FindingOutcome.NOT_MEASURED, {}, remedy)


def _need(run: Run) -> Need | None:
    said = stated.table(run.manifest, "model")
    weights = stated.count(said.get("bytes"))
    given, taken = (_tensors(said.get(name)) for name in ("inputs", "outputs"))
    if weights is None or given is None or taken is None:
        return None
    ops = run.table("ops").dropna(subset=["output_bytes"]).sort_values("start_ns", kind="stable")
    once = ops.drop_duplicates("node")
    return Need(weights, given, taken, tuple(measured.integers(once["output_bytes"]).tolist()))


def _tensors(said: object) -> int | None:
    """Return the bytes of tensors {name: [type, shape]}; an open batch counts as 1."""
    if not isinstance(said, dict) or not said:
        return None
    sizes = [_tensor(each) for each in said.values()]
    return sum(size for size in sizes if size) if all(sizes) else None


def _tensor(said: object) -> int | None:
    if not isinstance(said, list) or len(said) != 2 or not isinstance(said[1], list):  # noqa: PLR2004 - type and shape
        return None
    kind, shape = str(said[0]).removeprefix("tensor(").removesuffix(")"), said[1]
    sizes = [stated.count(size) for size in shape]
    if sizes and sizes[0] is None:
        sizes[0] = 1
    known = [size for size in sizes if size is not None]
    if kind not in ELEMENT_BYTES or len(known) < len(sizes):
        return None
    return stated.count(ELEMENT_BYTES[kind] * math.prod(known))


def _frame_bytes(manifest: Mapping[str, Any]) -> int | None:
    source = stated.table(manifest, "source")
    width, height = (stated.count(source.get(name)) for name in ("width", "height"))
    each = PIXEL_BYTES.get(str(source.get("pixel_format")))
    return None if width is None or height is None or each is None else round(width * height * each)


def _rate(run: Run) -> float | None:
    """Return the inferences per second; None where neither they nor frames are known."""
    spans, window = measured.spans_of(run), measured.window_of(run.manifest)
    if INFER in spans.stages and window is not None and window.length_ns > 0:
        began = spans.start_ns[np.equal(spans.stage, spans.stages.index(INFER))]
        inside = (began >= window.start_ns) & (began < window.end_ns)
        return float(np.count_nonzero(inside)) * 1e9 / window.length_ns
    period = measured.frames_of(run).period_ns
    return None if period is None else 1e9 / period


def _found(run: Run, name: str, sram: int, need: Need) -> Finding:
    rate, frame = _rate(run), _frame_bytes(run.manifest)
    per_inference, stays = need.traffic(sram), need.stays(sram)
    per_second = None if rate is None else per_inference * rate
    tiles = _tiles(need.working, sram)
    proof: dict[str, Any] = {
        "accelerator": name,
        "sram_bytes": sram,
        "weight_bytes": need.weights,
        "working_bytes": need.working,
        "lower_bound": not need.outputs,
        "tiles": tiles,
        "frame_bytes": frame,
        "frame_tiles": None if frame is None else _tiles(frame, sram),
        "inferences_per_s": rate,
        "traffic_bytes_per_inference": per_inference,
        "traffic_bytes_per_s": per_second,
    }
    moved = "" if per_second is None else f", {per_second / MB:.0f} MB/s to and from it"
    held = f"{need.weights / MB:.1f} MB of weights and {need.working / MB:.1f} MB of tensors"
    what = "stay" if stays else f"do not stay ({tiles} {'tile' if tiles == 1 else 'tiles'})"
    return Finding(
        audit=ID,
        title=f"{TITLE}: {held} {what} in {sram / MB:.1f} MB of {name}{moved}",
        outcome=FindingOutcome.PASSED if stays else FindingOutcome.WARNING,
        evidence=proof,
        remedy=REMEDY,
        cost_bytes_per_frame=float(per_inference),
        stage=INFER,
        grade=Grade.INFERRED,
    )


def _tiles(size: int, sram: int) -> int:
    return max(1, math.ceil(size / (sram / 2)))


_MIB: Final = 2**20

AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="An accelerator is as fast as advertised while its data stays on the chip; what does not "
    "fit goes through the memory that processor, display and camera share, at every frame.",
    source="The estimate as described; tiles in two buffers are the usual scheme of such chips. "
    "The size of the memory is the vendor's statement",
    requires=("frames",),
    optional=("ops", "spans"),
    related=("provider_mismatch",),
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case(
            "weights and tensors fit",
            lambda: cases_device.modelled_run(sram_bytes=8 * _MIB, model_bytes=2 * _MIB),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "weights that are read again for each frame",
            lambda: cases_device.modelled_run(sram_bytes=8 * _MIB, model_bytes=20 * _MIB),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "a wide layer in tiles",
            lambda: cases_device.modelled_run(
                sram_bytes=_MIB, model_bytes=100_000, output_bytes=(4 * _MIB, 4 * _MIB, 65_536)
            ),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "the accelerator does not state its memory",
            lambda: cases_device.modelled_run(sram_bytes=None, model_bytes=2 * _MIB),
            (FindingOutcome.NOT_MEASURED,),
        ),
        Case(
            "a model that ran on the processor uses no such memory",
            lambda: cases_device.modelled_run(
                sram_bytes=_MIB, model_bytes=20 * _MIB, got=PROCESSOR
            ),
            (FindingOutcome.NOT_MEASURED,),
        ),
        Case("no accelerator is known", cases.silent_run, (FindingOutcome.NOT_MEASURED,)),
    ),
)
