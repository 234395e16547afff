"""What are the controlled conditions of a run? The tables and keys of a scenario, as types.

Durations are written ``"500ms"``, ``"6s"``, ``"10m"`` or a number of seconds, and are held in
nanoseconds. Paths of keys (``stage.infer.threads``) are those of the TOML file, which
`probe.scenario.file` reads.
"""

from __future__ import annotations

from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from probe import limits
from probe.errors import UsageError
from probe.preparation import COOL_LONGEST_NS
from probe.scenario.types import (
    NANOSECONDS,
    Box,
    Channels,
    Duration,
    FileName,
    Interval,
    LimitText,
    Location,
    PositiveDuration,
    Sink,
    Size,
)

SCENARIO_VERSION: Final = 1
Fault = Literal["contiguity-lost", "stride-padded", "cast-forced", "copy-between-stages"]
"""A copy that the reference program makes for nothing (`probe.pipeline.faults`)."""
BUILTIN: Final = "builtin:"
"""Prefix of a clip or a model that ships with liveprobe, as in ``builtin:people_720p30``."""


class Part(BaseModel):
    """One table of a scenario: unknown keys are errors, types do not bend, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class RunPart(Part):
    """How long, how often, against which deadline."""

    duration: PositiveDuration = Field(default=30 * 10**9, description="the measured window")
    warmup: Duration = Field(
        default=5 * 10**9, description="before it: excluded, and reported apart"
    )
    deadline: PositiveDuration = Field(
        default=50 * 10**6,
        description="a frame is on time if shown within this of its scheduled time",
    )
    seed: int = Field(
        default=7, ge=0, lt=2**32, description="of everything that is drawn by chance"
    )
    repeats: int = Field(default=1, ge=1, le=100, description="runs, with a cool-down between")
    soak: bool = Field(
        default=False, description="load the device before each run until it is evenly hot"
    )
    cool_down: Duration = Field(
        default=COOL_LONGEST_NS,
        description="longest wait between repeats; without a sensor all of it",
    )
    hang: PositiveDuration = Field(
        default=20 * 10**9, description="no record for this long: the program hangs"
    )
    load: PositiveDuration = Field(
        default=120 * 10**9, description="longest time from start to the first frame"
    )
    collectors: list[str] | None = Field(
        default=None, description="their names; not given: all there are"
    )


class SourcePart(Part):
    """Where frames come from. A clip is played at its own times unless `fps` retimes it."""

    kind: Literal["clip", "camera", "stream"] = "clip"
    clip: Location = Field(
        default=BUILTIN + "people_720p30", min_length=1, description="path or builtin:NAME"
    )
    device: Location = Field(
        default="/dev/video0", min_length=1, description="a camera's V4L2 node"
    )
    url: Location | None = Field(default=None, description="a network stream: rtsp, udp, tcp, http")
    format: str | None = Field(
        default=None, description="a camera's pixel format or codec, as in mjpeg"
    )
    size: Size | None = Field(default=None, description="a camera's width and height")
    fps: float | None = Field(
        default=None, gt=0, le=1000, description="retimes a clip; asks a camera"
    )
    loop: bool = Field(default=True, description="begin a clip again when it ends")
    policy: Literal["latest", "block"] = Field(
        default="latest", description="what a full queue does: give up its oldest frame, or wait"
    )
    queue: int = Field(default=2, ge=1, le=256, description="frames between two stages")
    timeout: PositiveDuration = Field(
        default=10 * 10**9,
        description="a camera or stream that gives nothing for this long has failed",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind == "stream" and not self.url:
            raise ValueError('kind "stream" needs source.url, as in "rtsp://camera.local/1"')
        if "://" in self.clip:
            raise ValueError(
                'clip is a file; for a network address set source.kind = "stream" and source.url'
            )
        return self


class DecodePart(Part):
    """Frame threading is never used: it would delay every picture by its depth."""

    threads: int = Field(default=1, ge=1, le=64, description="slice threads")


class PreprocessPart(Part):
    """How a picture becomes the model's input: ``(pixel in `range` - mean) / std``.

    `mean` and `std` have one value, or one for each channel in the order of `channels`.
    """

    layout: Literal["auto", "NCHW", "NHWC"] = Field(
        default="auto", description="of the model's input"
    )
    size: Size | None = Field(
        default=None, description="height and width, for a model of dynamic size"
    )
    channels: Literal["RGB", "BGR", "GRAY"] = "RGB"
    range: Interval = Field(
        default=(0.0, 1.0), description="what black and white become, before mean, std"
    )
    mean: Channels = Field(default=[0.0], description="one value, or one a channel")
    std: Channels = Field(default=[1.0], description="one value, or one a channel")
    resize: Literal["bilinear", "bicubic", "area", "nearest"] = "bilinear"
    fit: Literal["stretch", "letterbox"] = "stretch"

    @model_validator(mode="after")
    def _possible(self) -> Self:
        planes = 1 if self.channels == "GRAY" else 3
        for name in ("mean", "std"):
            if len(getattr(self, name)) not in (1, planes):
                wanted = "1 value" if planes == 1 else f"1 or {planes} values"
                raise ValueError(f"{name} must have {wanted} for {self.channels}")
        if 0.0 in self.std:
            raise ValueError("std must not be 0")
        if self.range[0] >= self.range[1]:
            raise ValueError("range must rise, as in [0, 1] or [0, 255]")
        return self


class InferPart(Part):
    """The model and how ONNX Runtime is asked to run it."""

    model: Location = Field(
        default=BUILTIN + "segmenter_fp32", min_length=1, description="path or builtin:NAME"
    )
    providers: list[str] = Field(
        default=["CPUExecutionProvider"],
        min_length=1,
        description="asked for, in order of preference",
    )
    threads: int = Field(default=1, ge=1, le=256, description="intra-op threads")
    inter_threads: int = Field(default=1, ge=1, le=256, description="inter-op threads")
    optimization: Literal["disable", "basic", "extended", "all"] = "all"
    spinning: bool = Field(
        default=False, description="let idle pool threads spin: faster alone, unkind"
    )


class PostprocessPart(Part):
    """What becomes of the model's outputs."""

    kind: Literal["background-blur", "mask", "boxes", "image", "raw"] = "raw"
    output: str | None = Field(
        default=None, description="which output holds the mask or the image; not given: the first"
    )
    channel: int = Field(
        default=-1, ge=-1, le=4096, description="the mask's channel; -1 is the last"
    )
    threshold: float = Field(
        default=0.5, ge=0, le=1, description="for a mask, or the score of a box"
    )
    iou: float = Field(default=0.45, gt=0, le=1, description="boxes that overlap more are one")
    scores: str = Field(default="scores", description="the output with scores, for boxes")
    boxes: str = Field(
        default="boxes", description="the output with boxes (x1, y1, x2, y2 in 0..1)"
    )
    range: Interval = Field(default=(0.0, 1.0), description="black and white of an image output")
    blur: int = Field(default=24, ge=2, le=256, description="background blur: radius in pixels")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.range[0] >= self.range[1]:
            raise ValueError("range must rise, as in [0, 1] or [-1, 1]")
        return self


class EncodePart(Part):
    """Live x264 is ultrafast, zerolatency, without B-frames, one thread."""

    place: Literal["before-render", "beside-render", "off"] = Field(
        default="beside-render",
        description="in the way of the picture, on a branch beside it, or nowhere",
    )
    codec: Literal["h264", "mjpeg"] = "h264"
    crf: int = Field(
        default=26, ge=0, le=51, description="quality of h264: 0 is lossless, 51 the worst"
    )


class RenderPart(Part):
    """Where pictures go: ``null``, ``file``, or a display clock such as ``vsync:60``."""

    sink: Sink = Field(default="vsync:60", description="null, file, or a display clock: vsync:HZ")
    path: FileName | None = Field(
        default=None, description="the file's name inside the Run, for sink file; else output.mp4"
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.path is not None and self.sink != "file":
            raise ValueError('path is only for sink = "file"')
        return self


class Stages(Part):
    """The stages of the reference program, in their order."""

    decode: DecodePart = DecodePart()
    preprocess: PreprocessPart = PreprocessPart()
    infer: InferPart = InferPart()
    postprocess: PostprocessPart = PostprocessPart()
    encode: EncodePart = EncodePart()
    render: RenderPart = RenderPart()


class GeneratePart(Part):
    """A generative program: requests, each answered by blocks of frames."""

    requests: int | None = Field(
        default=None, ge=1, le=100_000, description="how many; not given: until the time is up"
    )
    frames: int = Field(
        default=96, ge=1, le=100_000, description="frames of one clip, in whole blocks"
    )
    steps: int = Field(default=4, ge=1, le=1000, description="denoising steps of a block")
    fps: float = Field(default=24.0, gt=0, le=1000, description="rate at which the clip plays")
    scale: int = Field(default=4, ge=1, le=16, description="enlargement before encoding")


class ProgramPart(Part):
    """The process under test."""

    command: list[str] | None = Field(
        default=None,
        min_length=1,
        description='argv of mode "command"; not given: the reference program',
    )
    switch_interval: PositiveDuration = Field(
        default=500_000, description="of the reference program's interpreter"
    )
    faults: list[Fault] = Field(
        default=[], max_length=4, description="copies added to the reference program on purpose"
    )

    @model_validator(mode="after")
    def _once(self) -> Self:
        if len(set(self.faults)) != len(self.faults):
            raise ValueError("faults names one twice")
        return self


class CopiesPart(Part):
    """Which copies are traced, by the interposer inside the program and from others' reports."""

    mode: Literal["off", "on", "deep"] = Field(
        default="on",
        description="every copy; deep also checks what was written against what was seen",
    )
    every: int = Field(
        default=60, ge=1, le=1_000_000, description="deep: one frame in so many is checked"
    )
    bytes: int = Field(
        default=16_384,
        ge=256,
        le=2**30,
        description="shortest copy that is recorded by itself; shorter ones are counted",
    )
    read: list[Location] = Field(
        default=[], max_length=100, description="reports of other tools to read in, as of CUPTI"
    )


class PyspyPart(Part):
    """Whether the code is sampled, by py-spy: where in it the time of each stage is."""

    mode: Literal["off", "nonblocking", "native"] = Field(
        default="off",
        description="Python's stacks while it runs on; native pauses it for C functions, too",
    )
    rate: int = Field(default=100, ge=1, le=1000, description="samples per second")


class OperatorsPart(Part):
    """Which operators of the model are looked at: in a pass before the run, or in its profile."""

    inferences: int = Field(
        default=30,
        ge=0,
        le=10_000,
        description="profiled before a run of the reference program, within a second; 0: none",
    )
    read: list[Location] = Field(
        default=[],
        max_length=100,
        description="profiles to read in: of ONNX Runtime, QNN's CSV, LiteRT's printout",
    )


class PowerPart(Part):
    """Which line of the device's own sensors stands for all of it."""

    total: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description='the label of a line, as in "ina226 0x40"; not given: the widest known',
    )


class PowerMeterPart(Part):
    """An external meter, whose own program writes a CSV while the run goes.

    A column is given by its name in the first line, or by its position from 1.
    """

    path: Location | None = Field(default=None, description="the CSV file")
    time: str | None = Field(
        default=None, max_length=200, description="column of the time; not given: time"
    )
    clock: Literal["auto", "s", "ms", "us", "ns", "iso", "monotonic"] = Field(
        default="auto",
        description="unit of epoch times, ISO 8601, or ns of CLOCK_MONOTONIC; auto: epoch or ISO",
    )
    offset_s: float | None = Field(
        default=None,
        ge=-1e6,
        le=1e6,
        description="added to the meter's times; with it times without a zone count as UTC",
    )
    watts: str | None = Field(default=None, max_length=200, description="column; else watts")
    volts: str | None = Field(default=None, max_length=200, description="column; else volts")
    amps: str | None = Field(default=None, max_length=200, description="column; else amps")
    milli: list[Literal["watts", "volts", "amps"]] = Field(
        default=[], max_length=3, description="columns that are in thousandths, as mW"
    )
    decimal: Literal[".", ","] = Field(default=".", description="what parts the decimals")


class DeliveryPart(Part):
    """How a model reaches the device: stated, as no run can measure it (audit `model_delivery`)."""

    network_bps: float | None = Field(
        default=None, gt=0, description="rate of the download, in bits per second"
    )
    store_limit_bytes: int | None = Field(
        default=None, ge=1, description="the largest package that the app's store takes"
    )
    device_limit_bytes: int | None = Field(
        default=None, ge=1, description="the most that a model may take on the device"
    )


class Expectation(Part):
    """What an output must be, checked while it is timed (`source_index` counts from 0).

    One of `box` (x1, y1, x2, y2 in pixels of the source, met at IoU `tolerance` or more) and
    `area` (share of the picture over the threshold, met within `tolerance`).
    """

    source_index: int = Field(ge=0, description="which picture of the clip, from 0")
    box: Box | None = Field(default=None, description="x1, y1, x2, y2 in pixels of the source")
    area: float | None = Field(
        default=None, ge=0, le=1, description="share of the picture in the mask"
    )
    tolerance: float = Field(gt=0, le=1, description="least IoU of a box, most error of an area")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.box is None) == (self.area is None):
            raise ValueError("give box or area, one of them")
        if self.box and (self.box[0] >= self.box[2] or self.box[1] >= self.box[3]):
            raise ValueError("box is x1, y1, x2, y2 with x1 < x2 and y1 < y2")
        return self


class Scenario(Part):
    """The controlled conditions of a run, resolved and immutable."""

    version: int = Field(default=SCENARIO_VERSION, ge=1, le=SCENARIO_VERSION)
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", description="small letters, digits, -")
    title: str = Field(default="", max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
    mode: Literal["live", "generate", "command"] = Field(
        default="live", description="a live source, requests without one, or a command of yours"
    )
    run: RunPart = RunPart()
    source: SourcePart = SourcePart()
    stage: Stages = Stages()
    generate: GeneratePart = GeneratePart()
    program: ProgramPart = ProgramPart()
    copies: CopiesPart = CopiesPart()
    pyspy: PyspyPart = PyspyPart()
    operators: OperatorsPart = OperatorsPart()
    power: PowerPart = PowerPart()
    power_meter: PowerMeterPart = PowerMeterPart()
    delivery: DeliveryPart = DeliveryPart()
    expect: list[Expectation] = Field(default=[], max_length=10_000)
    limits: list[LimitText] = Field(
        default=[], max_length=100, description='requirements, as in "latency.p99<50ms"'
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.mode == "command") != (self.program.command is not None):
            raise ValueError('mode "command" and program.command belong together')
        kind = self.stage.postprocess.kind
        if self.mode == "generate" and kind not in ("image", "raw"):
            raise ValueError(
                f'mode "generate" makes pictures: postprocess kind "{kind}" needs live'
            )
        _expectable(self.expect, self.mode, kind)
        _limited_stages(self.limits, self.mode)
        return self

    def document(self) -> dict[str, Any]:
        """Return the scenario as JSON values, durations in nanoseconds."""
        return self.model_dump(mode="json")

    @classmethod
    def of_document(cls, document: dict[str, Any]) -> Self:
        """Read back what `document` gave; raises `pydantic.ValidationError` for anything else."""
        return cls.model_validate(document, context=NANOSECONDS)


def drain_ns(scenario: Scenario) -> int:
    """Return how long a source goes on after the window: max(2 s, 10 deadlines) (METHOD rule 5)."""
    return max(2 * 10**9, 10 * scenario.run.deadline)


def _expectable(expected: list[Expectation], mode: str, kind: str) -> None:
    if expected and mode != "live":
        raise ValueError(f'expect is for live mode: mode "{mode}" has no source pictures to check')
    for number, expectation in enumerate(expected):
        wanted = ("boxes",) if expectation.box else ("mask", "background-blur")
        if kind not in wanted:
            raise ValueError(f'expect[{number}] needs stage.postprocess.kind "{wanted[0]}"')


def _limited_stages(texts: list[str], mode: str) -> None:
    """Refuse a limit on a stage that the reference program does not have."""
    if mode == "command":
        return
    try:
        limits.check_names(
            map(limits.parse, texts), stages=("capture", *Stages.model_fields), tracks=None
        )
    except UsageError as error:
        raise ValueError(f"{error.message} ({error.remedy})") from error
