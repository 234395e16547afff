"""What many tests share: tapes written record by record, Runs made from them, the real inputs."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import pytest

from probe import tape

hypothesis.settings.register_profile("shared", deadline=None)  # other work holds the cores
hypothesis.settings.load_profile("shared")


@pytest.fixture(autouse=True, scope="session")
def _no_state_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the calibrations of whoever runs the tests out of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIVEPROBE_STATE", str(tmp_path_factory.mktemp("state")))
        yield


@dataclass
class TapeMaker:
    """Writes a tape with exact times, one record a call, without the recorder."""

    path: Path
    thread: str = "main"
    tid: int = 1
    state: int = tape.CLOSED
    lost: int = 0
    records: list[bytes] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)

    def _add(self, body: bytes) -> None:
        self.records.append(body + tape.SEQUENCE.pack(len(self.records) + 1))

    def name(self, text: str) -> int:
        if text and text not in self.names:
            self.names[text] = len(self.names) + 1
            data = text.encode()
            for part in range(max(1, -(-len(data) // 40))):
                chunk = data[40 * part : 40 * part + 40].ljust(40, b"\0")
                number = self.names[text]
                self._add(tape.DEFINITION.pack(tape.DEFINE, 0, part, number, chunk, len(data)))
        return self.names.get(text, 0)

    def span(self, stage: str, start: int, end: int, frame: int, queue: int = 0) -> None:
        values = (start, end, frame, queue, tape.NULL, tape.NULL)
        self._add(tape.BODY.pack(tape.SPAN, 0, 0, self.name(stage), *values))

    def frame(self, k: int, scheduled: int | None, captured: int) -> None:
        when = tape.NULL if scheduled is None else scheduled
        self._add(tape.BODY.pack(tape.FRAME, 0, 0, 0, when, captured, k, tape.NULL, k, tape.NULL))

    def mark(self, name: str, t_ns: int, frame: int | None = None, **said: Any) -> None:
        stage, text = self.name(said.get("stage", "")), self.name(said.get("text", ""))
        value, output = said.get("value", tape.NULL), said.get("output", tape.NULL)
        k = tape.NULL if frame is None else frame
        values = (t_ns, value, k, stage, text, output)
        self._add(tape.BODY.pack(tape.MARK, 0, 0, self.name(name), *values))

    def save(self) -> Path:
        header = tape.HEADER.pack(
            tape.MAGIC, tape.VERSION, tape.HEADER_BYTES, tape.RECORD_BYTES, os.getpid(), self.tid,
            0, 0, self.lost, self.state, tape.WRITER_PYTHON, self.thread.encode(),
        )  # fmt: skip
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(header.ljust(tape.HEADER_BYTES, b"\0") + b"".join(self.records))
        return self.path


@pytest.fixture
def tape_maker() -> type[TapeMaker]:
    return TapeMaker


def _load(name: str) -> ModuleType:
    file = Path(__file__).parent / "runs" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def make_runs() -> ModuleType:
    """Return `tests/runs/make_runs.py`: the maker of Runs with exact times."""
    return _load("make_runs")


@pytest.fixture(scope="session")
def maker() -> ModuleType:
    """Return `tests/runs/interposer_tapes.py`: the maker of a copy interposer's tapes."""
    return _load("interposer_tapes")


@pytest.fixture(scope="session")
def made_run(
    make_runs: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Return a function from kind and conditions to a Run, made once: do not change it."""
    made: dict[tuple[Any, ...], Path] = {}

    def make(kind: str, **conditions: Any) -> Path:
        key = (kind, *sorted(conditions.items()))
        if key not in made:
            folder = tmp_path_factory.mktemp("made-runs")
            made[key] = make_runs.make_run(kind, folder / kind, **conditions)
        return made[key]

    return make


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real clips and models, or skip."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("LIVEPROBE_DATA", beside))
    if not folder.is_dir():
        pytest.skip("the real clips and models are not here (LIVEPROBE_DATA says where)")
    return folder
