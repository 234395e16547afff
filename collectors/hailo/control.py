"""How warm is a chip, and how many watts does it take? Asked of `hailo_platform`, once a second.

No call of the collector waits for an answer: what came is read at the next one.
"""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from collectors.hailo.process import PACKAGE, Asked, Process, Recorded, python
from probe.celsius import COLDEST, HOTTEST
from probe.errors import NoData
from probe.labels import numbered
from probe.model import Device, Notice, Sample
from probe.tool import ask, is_here

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collectors.hailo.chips import Chip

PERIOD_NS: Final = 900_000_000
"""Once a second, with room for the engine's own jitter."""
FIRST_NS: Final = 20_000_000_000
"""The first answer comes after numpy and HailoRT are imported and the chip is opened."""
LATER_NS: Final = 3_000_000_000
LEAST_WATTS, MOST_WATTS = 0.1, 100.0
"""At or below the first stands a sensor that has not settled (HailoRT's own tool drops it too)."""


class Answer(NamedTuple):
    """What a chip said: values that it refused or that mean nothing are None."""

    address: str
    architecture: str | None
    ts0: float | None
    ts1: float | None
    watts: float | None
    errors: dict[str, str]


class Control:
    """The chips' own answers, labelled `HAILO8L ts0`."""

    def __init__(self, asked: Asked, chips: list[Chip]) -> None:
        self._asked: Asked | None = asked
        self._names = {chip.address: chip.name for chip in chips}
        self._asked_ns: int | None = None
        self._waiting = False
        self._answered = False
        self._early: list[str] = []
        self._known: dict[str, str] = {}
        self._lines: set[tuple[str, str]] = set()
        self._refused: set[tuple[str, str]] = set()
        self.architectures: set[str] = set()

    @classmethod
    def found(cls, device: Device, chips: list[Chip]) -> Control:
        """Return who can be asked; raises `NoData` where `hailo_platform` is not installed."""
        addresses = [chip.address for chip in chips]
        if not is_here(device):
            return cls(Recorded(_recorded(device)), chips)
        return cls(Process(python(chips[0].package), addresses), chips)

    def begin(self, timeout_s: float) -> dict[str, str]:
        """Ask for the first time; return what a chip refuses and why, as far as it is known then.

        Keys are quantities: `temperature`, `power`, or `device` where the chip cannot be opened.
        """
        if self._asked is None:
            return {}
        with suppress(EOFError, OSError):  # the next reading tells that it ended
            self._asked.ask()
            self._waiting = True
            self._asked.wait(timeout_s)
            self._early += self._asked.lines()
        found = [each for line in self._early for each in answers(line)[1]]
        self._known = {what: why for each in found for what, why in each.errors.items()}
        return self._known

    def read(self, t_ns: int) -> Iterator[Sample | Notice]:
        """Yield what came since the last call, and ask anew."""
        if self._asked is None:
            return
        if self._waiting and self._asked_ns is None:
            self._asked_ns = t_ns
        try:
            early, self._early = self._early, []
            for line in (*early, *self._asked.lines()):
                self._waiting, self._answered = False, True
                yield from self._told(line)
            if not self._waiting and (self._asked_ns is None or t_ns - self._asked_ns >= PERIOD_NS):
                self._asked.ask()
                self._waiting, self._asked_ns = True, t_ns
        except (EOFError, OSError):
            yield from self._lost(f"{PACKAGE} ended, and is not asked again")
            return
        limit = LATER_NS if self._answered else FIRST_NS
        if self._waiting and self._asked_ns is not None and t_ns - self._asked_ns > limit:
            yield from self._lost(f"{PACKAGE} gave no answer in {limit / 1e9:g} s")

    def close(self) -> None:
        """End it."""
        if self._asked is not None:
            self._asked.close()
            self._asked = None

    def _lost(self, why: str) -> Iterator[Sample | Notice]:
        self.close()
        yield Notice(why)
        for track, label in sorted(self._lines):
            yield Sample(track, label, None)

    def _told(self, line: str) -> Iterator[Sample | Notice]:
        t_ns, found = answers(line)
        t_ns = t_ns if self._asked is not None and self._asked.timed else None
        names = [each.architecture or self._names.get(each.address, "Hailo") for each in found]
        for label, each in zip(numbered(names), found, strict=True):
            if each.architecture:
                self.architectures.add(each.architecture)
            values = (
                ("hailo.temperature", f"{label} ts0", each.ts0),
                ("hailo.temperature", f"{label} ts1", each.ts1),
                ("hailo.power", label, each.watts),
            )
            for track, line_label, value in values:
                if value is not None or (track, line_label) in self._lines:
                    self._lines.add((track, line_label))
                    yield Sample(track, line_label, value, t_ns)
            for quantity, why in each.errors.items():
                if (label, quantity) not in self._refused and self._known.get(quantity) != why:
                    self._refused.add((label, quantity))
                    yield Notice(f"{label} gives no {quantity}", {"reason": why}, t_ns)


def _recorded(device: Device) -> str:
    try:
        return ask(device, (PACKAGE,))
    except NoData as absent:
        raise NoData(
            f"{device.root} is a captured tree without an answer of {PACKAGE}",
            remedy="run liveprobe on the device itself",
        ) from absent


def answers(line: str) -> tuple[int | None, list[Answer]]:
    """Parse a line of `asked.py`: the time of the reading, and the chips by address."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None, []
    if not isinstance(document, dict) or not isinstance(document.get("chips"), dict):
        return None, []
    t_ns = document.get("t_ns")
    known = isinstance(t_ns, int) and not isinstance(t_ns, bool) and 0 <= t_ns < 1 << 63
    chips = sorted(document["chips"].items())
    return (t_ns if known else None), [
        _answer(address, said) for address, said in chips if isinstance(said, dict)
    ]


def _answer(address: str, said: dict[str, Any]) -> Answer:
    architecture, errors = said.get("architecture"), said.get("errors")
    return Answer(
        address,
        architecture[:40] if isinstance(architecture, str) and architecture.isalnum() else None,
        _between(said.get("ts0"), COLDEST, HOTTEST),
        _between(said.get("ts1"), COLDEST, HOTTEST),
        _between(said.get("watts"), math.nextafter(LEAST_WATTS, 1), MOST_WATTS),
        {str(key)[:40]: str(why)[:200] for key, why in errors.items()}
        if isinstance(errors, dict)
        else {},
    )


def _between(value: object, least: float, most: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if least <= value <= most else None
