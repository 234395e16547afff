"""Answer requests with generated clips, a block of frames at a time; nothing about it is live."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

import probe
from probe.pipeline import encode as encoding
from probe.pipeline import faults, graph_pass
from probe.pipeline import infer as inference
from probe.pipeline.encode import Encode, Film
from probe.pipeline.generator import Generator, understand
from probe.pipeline.images import Painter
from probe.pipeline.item import Item
from probe.pipeline.ledger import Ledger
from probe.pipeline.pacing import now_ns, nth_ns
from probe.pipeline.planes import Sizes
from probe.pipeline.statement import settle, state_all
from probe.scenario import Scenario, drain_ns

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from pathlib import Path

    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

MOST_FILES: Final = 100
"""Requests whose clip is kept in the Run; later ones are encoded all the same, and let go."""


class Generate:
    """The generating program of a scenario, loaded and warm.

    Raises `InputError` when the model is not a generator.
    """

    def __init__(self, scenario: Scenario, out: Path) -> None:
        self.scenario = scenario
        self._out = out
        begun_ns = now_ns()
        asked = scenario.program.faults
        model = faults.treated(inference.load(scenario.stage.infer), asked)
        self.generator: Generator = understand(model, scenario.generate.steps)
        self._faulty = faults.Pictures(asked)
        self._painter = Painter(*self.generator.range, "NCHW", "RGB")
        self._scaler = VideoReformatter()
        self.sizes = Sizes()
        self._rate = Fraction(scenario.generate.fps).limit_denominator(1_000_000)
        loaded_ns = now_ns()
        self._ledger = Ledger()
        self._first = self._warm()
        warmed_ns = now_ns()
        graph_pass.profile(self.generator.model, scenario.stage.infer)
        self.load = {
            "model_ns": loaded_ns - begun_ns,
            "warm_ns": warmed_ns - loaded_ns,
            "graph_pass_ns": now_ns() - warmed_ns,
        }
        self.blocks = -(-scenario.generate.frames // self.generator.frames)

    def facts(self) -> dict[str, Any]:
        """Return what the Run says about this program before it runs."""
        part, encode = self.scenario.generate, self.scenario.stage.encode
        model = self.generator.model
        facts: dict[str, Any] = {
            "generate": {
                "frames": self.blocks * self.generator.frames,
                "block_frames": self.generator.frames,
                "blocks": self.blocks,
                "steps": part.steps,
                "times": self.generator.times,
                "fps": part.fps,
                "width": self._first.width,
                "height": self._first.height,
            },
            "model": model.fact(),
            "providers": model.providers(),
            "encode": encoding.fact(encode, self._place(), None),
            "load": self.load,
        }
        if self.scenario.program.faults:
            facts["faults"] = list(self.scenario.program.faults)
        return facts

    def answer(self, request: int, until_ns: int, stop: threading.Event) -> None:
        """Make one clip; a request that is not done at `until_ns` ends with its current block."""
        rng = np.random.default_rng([self.scenario.run.seed, request])
        probe.mark("request", frame=request)
        wish = self.generator.wish(rng)
        before: NDArray[np.float32] | None = None
        with closing(_Reel(self, request)) as reel:
            for block_number in range(self.blocks):
                block = self._block(request, rng, wish, before, stop)
                if stop.is_set():
                    return
                before = np.array(self.generator.planes(block, -1))
                start = block_number * self.generator.frames
                for place, picture in enumerate(self._pictures(request, block)):
                    reel.take(picture, start + place)
                if now_ns() > until_ns:
                    return

    def _block(
        self,
        request: int,
        rng: np.random.Generator,
        wish: NDArray[np.float32] | None,
        before: NDArray[np.float32] | None,
        stop: threading.Event,
    ) -> NDArray[np.float32]:
        block = self.generator.noise(rng)
        steps = self.generator.steps(block, wish, before)
        for _ in range(len(self.generator.times) - 1):
            with probe.stage("infer", frame=request, bytes_in=block.nbytes, bytes_out=block.nbytes):
                next(steps)
            if stop.is_set():
                break
        return block

    def _pictures(self, request: int, block: NDArray[np.float32]) -> list[VideoFrame]:
        with probe.stage("postprocess", frame=request, bytes_in=block.nbytes) as span:
            pictures = [
                self._picture(self.generator.planes(block, frame))
                for frame in range(self.generator.frames)
            ]
            span.bytes_out = sum(self.sizes.of(picture) for picture in pictures)
        return pictures

    def _picture(self, planes: NDArray[np.float32]) -> VideoFrame:
        painted = self._painter.paint(planes)
        scale = self.scenario.generate.scale
        picture = self._scaler.reformat(
            painted,
            width=painted.width * scale,
            height=painted.height * scale,
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation="BICUBIC",
            threads=1,
        )
        return self._faulty(picture)

    def _place(self) -> str:
        return "off" if self.scenario.stage.encode.place == "off" else "before-render"

    def _warm(self) -> VideoFrame:
        rng = np.random.default_rng(self.scenario.run.seed)
        block = self.generator.noise(rng)
        next(self.generator.steps(block, self.generator.wish(rng), None))
        return self._picture(self.generator.planes(block, 0))

    def reel(self, request: int) -> tuple[Encode | None, Film | None]:
        """Return an encoder for one request's clip, and the file that it goes into, if any."""
        part, asked = self.scenario.stage.encode, self.scenario.stage.render.path
        if part.place == "off":
            return None, None
        if request >= MOST_FILES:
            return Encode(encoding.open_encoder(part, self._first, self._rate)), None
        stem = (asked or "output.mp4").removesuffix(".mp4")
        film = Film(self._out / f"{stem}-{request:04d}.mp4", part, self._first, self._rate)
        return Encode(film.context), film

    @property
    def ledger(self) -> Ledger:
        """The account of outputs."""
        return self._ledger

    def media_ns(self, place: int) -> int:
        """Return when picture `place` of a clip plays, in ns after its first."""
        return nth_ns(place, self._rate)


class _Reel:
    """One request's pictures on their way out: encoded, written, delivered, presented."""

    def __init__(self, program: Generate, request: int) -> None:
        self._program = program
        self._request = request
        self._encode, self._film = program.reel(request)

    def take(self, picture: VideoFrame, place: int) -> None:
        """Take picture number `place` of the clip."""
        ledger, request = self._program.ledger, self._request
        item = Item(
            request,
            self._program.media_ns(place),
            picture=picture,
            bytes=self._program.sizes.of(picture),
        )
        if self._encode is not None:
            with probe.stage("encode", frame=request, bytes_in=item.bytes) as span:
                self._encode.work(item)
                span.bytes_out = item.bytes
        with probe.stage("render", frame=request, bytes_in=item.bytes):
            _, output = ledger.delivered(item)
            if self._film is not None:
                self._film.write(item.coded)
            ledger.presented(request, output, now_ns(), 0)

    def close(self) -> None:
        """Finish the file."""
        if self._film is not None:
            self._film.close()


def run(scenario: Scenario, out: Path, stop: threading.Event) -> bool:
    """Answer requests until warm-up and duration are over, or all that were asked for are done."""
    program = Generate(scenario, out)
    state_all(program.facts())
    settle()
    end_ns = now_ns() + scenario.run.warmup + scenario.run.duration
    for request in _requests(scenario.generate.requests):
        if stop.is_set() or now_ns() >= end_ns:
            break
        program.answer(request, end_ns + drain_ns(scenario), stop)
    said = program.generator.model.providers()
    state_all({"sink": {"pictures": program.ledger.outputs}, "providers": said})
    return True


def _requests(count: int | None) -> Iterator[int]:
    request = 0
    while count is None or request < count:
        yield request
        request += 1
