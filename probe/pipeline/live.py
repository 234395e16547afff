"""Build the live program of a scenario, warm it, and state what it is."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from probe.errors import InputError
from probe.pipeline import encode as encoding
from probe.pipeline import faults, graph_pass, rehearsal
from probe.pipeline import infer as inference
from probe.pipeline.arrivals import Arrivals
from probe.pipeline.capture import ArrivalSource, ClipSource
from probe.pipeline.decode import Decode
from probe.pipeline.display import Clock, Display
from probe.pipeline.encode import Encode, Film
from probe.pipeline.infer import Infer
from probe.pipeline.item import InvalidFrame, Item, Stage
from probe.pipeline.ledger import Ledger
from probe.pipeline.model_input import inspect
from probe.pipeline.pacing import now_ns
from probe.pipeline.postprocess import Postprocess, choose
from probe.pipeline.preprocess import Preprocess
from probe.pipeline.render import FilmSink, Nowhere, Render, Sink
from probe.pipeline.runner import Program
from probe.pipeline.statement import settle, state_all
from probe.pipeline.upright import Upright, clockwise
from probe.scenario import Scenario, drain_ns

if TYPE_CHECKING:
    import threading

    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

    from probe.pipeline.clip import Clip

_WARM_ROUNDS: Final = 5
_BESIDE: Final = 2
"""Frames that hold a model's input at once besides those in the queue: one made, one inferred."""


class Live:
    """The live program of a scenario: its stages, loaded and warm.

    Raises `InputError` when the source or the model cannot be used. `free` takes the frames of a
    clip as fast as they can be worked on, for benches.
    """

    def __init__(self, scenario: Scenario, out: Path, *, free: bool = False) -> None:
        self.scenario = scenario
        begun_ns = now_ns()
        self._source(free=free)
        loaded_ns = now_ns()
        self.model = inference.load(scenario.stage.infer)
        self._stages()
        built_ns = now_ns()
        self._warm()
        self._sink(out)
        warmed_ns = now_ns()
        spec = self.preprocess.spec
        shapes = {spec.name: spec.shape}
        graph_pass.profile(self.model, scenario.stage.infer, shapes, self._first_input())
        self.load = {
            "source_ns": loaded_ns - begun_ns,
            "model_ns": built_ns - loaded_ns,
            "warm_ns": warmed_ns - built_ns,
            "warm_rounds": _WARM_ROUNDS,
            "graph_pass_ns": now_ns() - warmed_ns,
        }

    def program(self) -> Program:
        """Return the stages as a program that can be run once."""
        source = self.scenario.source
        pictures = faults.Pictures(self.scenario.program.faults)
        prepare = faults.Before(self.preprocess, pictures) if pictures else self.preprocess
        stages: list[Stage] = [self.decode, prepare, self.infer, self.postprocess]
        if self.place == "before-render" and self.encode is not None:
            stages.append(self.encode)
        stages.append(self.render)
        return Program(
            self.source,
            stages,
            self.ledger,
            beside=self.encode if self.place == "beside-render" else None,
            capacity=source.queue,
            policy=source.policy,
            start_after=self.clock.start_after if self.clock is not None else int,
        )

    def length_ns(self) -> int:
        """Return how long the source runs: warm-up, window, and the frames after it."""
        run = self.scenario.run
        return run.warmup + run.duration + drain_ns(self.scenario)

    def facts(self) -> dict[str, Any]:
        """Return what the Run says about this program before it runs."""
        spec = self.preprocess.spec
        stage = self.scenario.stage
        context = self.encode.context if self.encode is not None else None
        facts: dict[str, Any] = {
            "source": self.source_fact,
            "model": {
                **self.model.fact(),
                "layout": spec.layout,
                "size": [spec.height, spec.width],
                "type": str(spec.dtype),
            },
            "providers": self.model.providers(),
            "encode": encoding.fact(stage.encode, self.place, context),
            "load": self.load,
        }
        if self.scenario.program.faults:
            facts["faults"] = list(self.scenario.program.faults)
        if self.clock is not None:
            facts["display"] = {
                "refresh_hz": float(self.clock.rate),
                "phase_ns": self.clock.phase_ns,
            }
        return facts

    def _source(self, *, free: bool) -> None:
        part, threads = self.scenario.source, self.scenario.stage.decode.threads
        self.ledger = Ledger()
        self.source: ClipSource | ArrivalSource
        if part.kind == "clip":
            clip = rehearsal.load(Path(part.clip), threads)
            self.source = ClipSource(clip, fps=part.fps, loop=part.loop, free=free)
            self.picture = Upright()(clip.first_picture())
            self.source_fact = _clip_fact(clip, self.picture, part.fps)
            context: VideoCodecContext = clip.context
            self.rate = Fraction(part.fps or clip.rate).limit_denominator(1_000_000)
        else:
            arrivals = Arrivals(part, threads)
            self.source = ArrivalSource(arrivals)
            self.source_fact = arrivals.fact()
            context = arrivals.context
            self.rate = arrivals.rate or Fraction(30)
            self.picture = arrivals.blank()
        self.decode = Decode(context, self.ledger, Upright())

    def _stages(self) -> None:
        stage = self.scenario.stage
        picture = self.picture
        size = (picture.height, picture.width)
        spec = inspect(self.model.inputs, stage.preprocess, size, str(self.model.path))
        buffers = self.scenario.source.queue + _BESIDE
        self.preprocess = Preprocess(spec, stage.preprocess, buffers)
        self.infer = Infer(faults.treated(self.model, self.scenario.program.faults), spec.name)
        if stage.postprocess.kind != "raw":
            inference.require_pictures(self.model)
        outcome = choose(stage.postprocess, self.preprocess, self.model.outputs)
        self.postprocess = Postprocess(outcome, self.model.outputs, self.preprocess)

    def _sink(self, out: Path) -> None:
        scenario = self.scenario
        part, asked = scenario.stage.encode, scenario.stage.render
        kind, _, hertz = asked.sink.partition(":")
        self.clock = Clock.seeded(hertz, scenario.run.seed) if kind == "vsync" else None
        self.place = "before-render" if kind == "file" else part.place
        sink: Sink = Nowhere(self.ledger)
        self.encode: Encode | None = None
        if kind == "file":
            film = Film(out / (asked.path or "output.mp4"), part, self.picture, self.rate)
            sink = FilmSink(film, self.ledger)
            self.encode = Encode(film.context)
        elif self.place != "off":
            self.encode = Encode(encoding.open_encoder(part, self.picture, self.rate))
        if self.clock is not None:
            sink = Display(self.clock, self.ledger)
        self.render = Render(sink, self.ledger)

    def _first_input(self) -> dict[str, NDArray[Any]]:
        """Return the first picture as the model takes it."""
        item = Item(None, picture=self.picture)
        self.preprocess.work(item)
        if item.tensor is None:
            return {}
        tensor = item.tensor.copy()
        item.release()
        return {self.preprocess.spec.name: tensor}

    def _warm(self) -> None:
        """Run the model and its neighbours on the first picture, before anything is measured."""
        for _ in range(_WARM_ROUNDS):
            item = Item(None, picture=self.picture)
            try:
                for stage in (self.preprocess, self.infer, self.postprocess):
                    stage.work(item)
            except InvalidFrame as why:
                raise InputError(
                    f"{self.model.path}: its outputs cannot be shown: {why}",
                    remedy="set stage.postprocess.kind and its keys to what the model gives",
                ) from why
            except inference.ORT_ERRORS as error:
                raise InputError(
                    f"{self.model.path}: cannot take a picture of "
                    f"{self.preprocess.spec.height} x {self.preprocess.spec.width}: "
                    f"{str(error).splitlines()[0]}",
                    remedy="set stage.preprocess.size to a size that the model takes",
                ) from error


def run(scenario: Scenario, out: Path, stop: threading.Event, *, free: bool = False) -> bool:
    """Build, warm and run the live program; False when a stage failed. `free` as in `Live`."""
    live = Live(scenario, out, free=free)
    program = live.program()
    program.stop = stop
    state_all({**live.facts(), "queues": program.queues()})
    settle()
    whole = program.run(live.length_ns())
    sink = {**live.render.sink.fact(), "left_out_beside": live.ledger.left_out}
    state_all({"sink": sink, "providers": live.model.providers()})
    return whole


def _clip_fact(clip: Clip, picture: VideoFrame, fps: float | None) -> dict[str, Any]:
    fact = clip.fact()
    turned = clockwise(clip.first) if clip.first is not None else 0
    return {
        **fact,
        "width": picture.width,
        "height": picture.height,
        "fps": float(fps or clip.rate),
        "retimed": fps is not None,
        "rotation_applied": turned,
    }
