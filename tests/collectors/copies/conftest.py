"""The interposer, built from the tree once a session; programs run under it, and their tapes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

from probe import tape
from probe.errors import TapeError

SOURCES = Path(__file__).parents[3] / "collectors" / "copies"
PROGRAMS = Path(__file__).parent / "programs"
FLAGS = [
    "-O2", "-std=c11", "-Wall", "-Wextra", "-fPIC", "-shared", "-fvisibility=hidden",
    "-fno-builtin", "-U_FORTIFY_SOURCE", "-fno-lto", "-ftls-model=initial-exec",
    "-fasynchronous-unwind-tables",
]  # fmt: skip

Traced = Callable[..., tuple[subprocess.CompletedProcess[str], list[tape.Tape]]]
Compiled = Callable[..., str]
Run = Callable[..., "Outcome"]


def compiler() -> str:
    found = shutil.which("gcc") or shutil.which("cc")
    if found is None:
        pytest.skip("no C compiler is installed")
    return found


@pytest.fixture(scope="session")
def interposer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interposer as its sources are now; without a compiler, as it was built."""
    built = sorted(SOURCES.glob("_interposer*.so"))
    if built and not (shutil.which("gcc") or shutil.which("cc")):
        return built[0]
    target = tmp_path_factory.mktemp("interposer") / "interposer.so"
    sources = sorted(str(path) for path in SOURCES.glob("*.c"))
    command = [compiler(), *FLAGS, "-o", str(target), *sources, "-ldl", "-lpthread"]
    subprocess.run(command, check=True, timeout=120)
    return target


@pytest.fixture
def compiled(tmp_path: Path) -> Compiled:
    """Return a function that compiles one of `programs/` and returns its path."""

    def build(name: str, *options: str, target: str | None = None) -> str:
        path = tmp_path / (target or Path(name).stem)
        command = [compiler(), "-O1", "-fno-builtin", "-Wall", "-pthread", "-o", str(path)]
        libraries = [each for each in options if each.startswith("-l")]
        others = [each for each in options if not each.startswith("-l")]
        command += [*others, str(PROGRAMS / name), *libraries, "-ldl"]
        subprocess.run(command, check=True, timeout=60)
        return str(path)

    return build


def environment(interposer: Path, tapes: Path) -> dict[str, str]:
    return {
        **os.environ,
        "LIVEPROBE_TAPE": str(tapes),
        "LIVEPROBE_COPIES": "on",
        "LD_PRELOAD": str(interposer),
    }


@dataclass(frozen=True)
class Seen:
    """A copy as its record says, with its shape, its site and what its tape counted."""

    method: int
    bytes: int
    flags: int
    destination: int
    source: int
    start_ns: int
    end_ns: int
    faults: int | None
    domains: tuple[int, int]
    shape: tuple[int, int, int, int] | None
    detail: str
    site: int
    module: str
    address: int
    tid: int
    stack: str


def of_kind(records: NDArray[Any], kind: int) -> NDArray[Any]:
    return records[records["kind"] == kind]


def copies_on(one: tape.Tape) -> list[Seen]:
    """Return the copies of one tape, in order."""
    shapes = {int(each["c"]): each for each in of_kind(one.records, tape.SHAPE)}
    sites = {int(each["name"]): each for each in of_kind(one.records, tape.SITE)}
    seen = []
    for each in of_kind(one.records, tape.COPY):
        shape, site = shapes.get(int(each["sequence"])), sites.get(int(each["name"]))
        packed = int(each["c"])
        faults = packed & 0xFFFFFFFF
        seen.append(
            Seen(
                method=int(each["part"]),
                bytes=int(each["frame"]),
                flags=int(each["flags"]),
                destination=int(each["a"]),
                source=int(each["b"]),
                start_ns=int(each["t0"]),
                end_ns=int(each["t1"]),
                faults=None if faults == 0xFFFFFFFF else faults,
                domains=(packed >> 32 & 0xFF, packed >> 40 & 0xFF),
                shape=None
                if shape is None
                else (int(shape["t0"]), int(shape["t1"]), int(shape["frame"]), int(shape["a"])),
                detail="" if shape is None else one.names[int(shape["b"])],
                site=int(each["name"]),
                module="" if site is None else one.names[int(site["t1"])],
                address=0 if site is None else int(site["t0"]),
                tid=one.header.tid,
                stack="" if site is None else one.names[int(site["b"])],
            )
        )
    return seen


def counters_of(one: tape.Tape) -> dict[str, int]:
    names = ("small", "small_bytes", "copies", "bytes", "passed", "untracked", "rows")
    with one.path.open("rb") as file:
        header = file.read(tape.HEADER_BYTES)
    counted = tape.COUNTERS.unpack_from(header, tape.COUNTERS_OFFSET)
    return {**dict(zip(names, counted, strict=True)), "lost": one.header.lost}


@dataclass(frozen=True)
class Outcome:
    """How a program ended under the interposer, and what its tapes say."""

    code: int
    out: str
    err: str
    tapes: list[tape.Tape]

    @property
    def copies(self) -> list[Seen]:
        return [each for one in self.tapes for each in copies_on(one)]

    @property
    def counters(self) -> dict[str, int]:
        """Return what the headers of all its tapes count together."""
        total: Counter[str] = Counter()
        for one in self.tapes:
            total.update(counters_of(one))
        return dict(total)

    @property
    def torn(self) -> int:
        return sum(one.torn for one in self.tapes)

    def notes(self, key: str) -> list[dict[str, Any]]:
        """Return the notes with this key, of all its tapes."""
        return [
            json.loads(one.names[int(each["a"])])
            for one in self.tapes
            for each in of_kind(one.records, tape.NOTE)
            if one.names[int(each["name"])] == key
        ]


@pytest.fixture
def traced(interposer: Path, tmp_path: Path) -> Traced:
    """Return a function that runs a command under the interposer: (how it ended, its tapes)."""

    def run(
        command: Sequence[str], *, env: dict[str, str] | None = None, timeout: float = 60
    ) -> tuple[subprocess.CompletedProcess[str], list[tape.Tape]]:
        number = sum(1 for _ in tmp_path.glob("tapes-*"))
        folder = tmp_path / f"tapes-{number}"
        folder.mkdir()
        done = subprocess.run(
            command,
            env=environment(interposer, folder) | (env or {}),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        tapes, rejected = tape.read_all(folder)
        if rejected:
            raise TapeError(str(rejected))
        return done, tapes

    return run


@pytest.fixture
def run(traced: Traced) -> Run:
    """Return a function that runs a command as `traced` does, and reads what its tapes say."""

    def outcome(*command: str, timeout: float = 60, **env: str) -> Outcome:
        done, tapes = traced(command, env=env, timeout=timeout)
        return Outcome(done.returncode, done.stdout, done.stderr, tapes)

    return outcome


@pytest.fixture(scope="session")
def flags() -> list[str]:
    """Return the options of the compiler that the package's own build uses."""
    return FLAGS


@pytest.fixture
def copies_of() -> Callable[[tape.Tape], list[Seen]]:
    """Return a function that reads the copies of one tape."""
    return copies_on
