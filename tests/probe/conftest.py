"""A device whose temperatures change while it is looked at."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from probe.model import Device


class Board:
    """A captured tree whose temperatures a thread changes."""

    def __init__(self, root: Path, **celsius: float) -> None:
        self.device = Device("board", root)
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._zones = {}
        for number, (kind, value) in enumerate(celsius.items()):
            folder = root / f"sys/class/thermal/thermal_zone{number}"
            folder.mkdir(parents=True)
            (folder / "type").write_text(f"{kind}\n")
            self._zones[kind] = folder / "temp"
            self.set(kind, value)

    def set(self, kind: str, celsius: float) -> None:
        # one write of the same length: a reader never sees half of it
        with self._zones[kind].open("r+" if self._zones[kind].exists() else "w") as file:
            file.write(f"{round(celsius * 1000):6d}\n")

    def drive(self, kind: str, values: Callable[[], Iterator[float]]) -> None:
        """Set a temperature from a thread, every 20 ms."""

        def run() -> None:
            for value in values():
                if self._over.wait(0.02):
                    return
                self.set(kind, value)

        self._threads.append(threading.Thread(target=run))
        self._threads[-1].start()

    def close(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(20)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Callable[..., Board]]:
    made: list[Board] = []

    def make(**celsius: float) -> Board:
        made.append(Board(tmp_path / f"board{len(made)}", **celsius))
        return made[-1]

    yield make
    for each in made:
        each.close()
