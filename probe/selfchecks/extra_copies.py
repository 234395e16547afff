"""Does the ledger name a copy that was added on purpose: its line, and its bytes to the last one?

The reference pipeline runs as it is, and with each fault of `probe.pipeline.faults`, live and
generating. What a fault adds per frame is worked out here from the sizes alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_args

import numpy as np

import scenarios
from probe import engine, opening
from probe.console.judged import ready
from probe.copies.methods import Kind
from probe.errors import EnvironmentUnmet
from probe.ledger import ledger_of
from probe.scenario import Fault
from probe.scenario.file import load
from probe.selfchecks import SelfCheck, Step
from probe.store import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from probe.ledger import Ledger, Line

FILE: Final = "/probe/pipeline/faults.py"
WIDE_BYTES: Final = np.dtype(np.float64).itemsize
COMMON: Final = ('run.collectors=["copies"]', "run.warmup=0s")
PROGRAMS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "live": (
        "live-background-blur",
        # Nothing is dropped, so that every frame has every copy; a second of frames is enough.
        ("run.duration=1s", "source.policy=block", "stage.encode.place=off",
         "stage.render.sink=null"),
    ),
    "generate": (
        "generate-clip",
        # It ends by itself inside the window, so that all of it is measured.
        ("run.duration=60s", "generate.requests=1", "generate.frames=24", "generate.scale=8",
         "stage.encode.place=off"),
    ),
}  # fmt: skip


class Added(NamedTuple):
    """A copy that a fault adds: where, of which kind, and how many bytes for a frame."""

    expression: str
    kind: str
    bytes: float


@dataclass(frozen=True)
class Sizes:
    """What a program works on: bytes of a picture; elements, their bytes, and runs for a frame."""

    picture: int
    elements: int
    itemsize: int
    runs: float


def check(folder: Path, say: Callable[[str], None]) -> Iterator[Step]:
    """Run every case; yield a step for each added copy, and one for each program without any.

    Raises `EnvironmentUnmet` where copies cannot be traced on this machine.
    """
    for mode in PROGRAMS:
        for fault in (None, *get_args(Fault)):
            case = f"{mode}, {fault or 'as it is'}"
            say(case)
            yield from _case(case, _measured(mode, fault, folder), fault)


def _measured(mode: str, fault: str | None, folder: Path) -> Run:
    name, own = PROGRAMS[mode]
    added = () if fault is None else (f'program.faults=["{fault}"]',)
    loaded = load(name, folder=scenarios.folder(), overrides=(*COMMON, *own, *added))
    path = engine.measure(ready(loaded), folder, origin=opening.Origin(loaded.text))
    return Run.open(path)


def _case(case: str, run: Run, fault: str | None) -> Iterator[Step]:
    outcome = run.manifest["program"]["outcome"]
    if outcome != "ended":
        yield Step(case, "the program ends", f"it {outcome}", passed=False)
        return
    ledger = ledger_of(run)
    if ledger is None:
        raise _untraced(run.manifest)
    lines = [line for line in ledger.lines if (line.file or "").endswith(FILE)]
    if fault is None:
        found = ", ".join(line.name for line in lines) or "none"
        yield Step(case, "no line of faults.py", found, passed=not lines)
        return
    for added in expected(fault, _sizes(run.manifest)):
        yield _compared(case, ledger, lines, added)


def expected(fault: str, sizes: Sizes) -> tuple[Added, ...]:
    """Return what a fault adds."""
    elements = sizes.elements * sizes.runs
    tensor = elements * sizes.itemsize
    by_fault = {
        "copy-between-stages": (Added("copied[:]", Kind.MEMCPY, sizes.picture),),
        "stride-padded": (Added("padded[:, :-PADDING]", Kind.MEMCPY, sizes.picture),),
        "cast-forced": (
            Added("tensor.astype(np.float64)", Kind.CONVERT, elements * WIDE_BYTES),
            Added("wide.astype(tensor.dtype)", Kind.CONVERT, tensor),
        ),
        "contiguity-lost": (
            Added('tensor.copy(order="F")', Kind.MATERIALIZE, tensor),
            Added("self.session.run(", Kind.MATERIALIZE, tensor),
        ),
    }
    return by_fault[fault]


def _sizes(manifest: Mapping[str, Any]) -> Sizes:
    facts = manifest["program"]["facts"]
    if manifest["mode"] == "generate":
        said = facts["generate"]
        shape = facts["model"]["inputs"]["x"][1]
        # One run of the model is one step of a block of pictures.
        runs, itemsize = said["steps"] / said["block_frames"], np.dtype(np.float32).itemsize
        return Sizes(_picture(said), int(np.prod(shape)), itemsize, runs)
    height, width = facts["model"]["size"]
    itemsize = np.dtype(facts["model"]["type"]).itemsize
    return Sizes(_picture(facts["source"]), 3 * height * width, itemsize, 1)


def _picture(said: Mapping[str, Any]) -> int:
    """Return the bytes of a picture of 8-bit 4:2:0: a plane, and two of a quarter."""
    return int(said["width"]) * int(said["height"]) * 3 // 2


def _compared(case: str, ledger: Ledger, lines: list[Line], added: Added) -> Step:
    mine = [
        line
        for line in lines
        if line.kind == added.kind and added.expression in (line.expression or "")
    ]
    total = sum(line.total_bytes for line in mine)
    place = f"faults.py:{mine[0].line}, " if mine else ""
    others = ", ".join(f"{line.name} ({line.kind})" for line in lines) or "no line of faults.py"
    found = f"{place}{total / ledger.frames:,.0f} B" if mine and ledger.frames else others
    exact = ledger.frames > 0 and total == round(added.bytes * ledger.frames)
    wanted = f"{added.expression}, {added.kind}, {added.bytes:,.0f} B a frame"
    return Step(case, wanted, found, passed=exact)


def _untraced(manifest: Mapping[str, Any]) -> EnvironmentUnmet:
    entry: dict[str, Any] = next(
        (each for each in manifest["collectors"] if each["name"] == "copies"), {}
    )
    reason = entry.get("reason") or "the interposer left no tape"
    return EnvironmentUnmet(
        f"copies cannot be traced here: {reason}",
        remedy=entry.get("remedy") or "`liveprobe doctor` says what is missing",
    )


CHECK = SelfCheck("extra-copies", "The ledger names copies that were added on purpose", check)
