"""What do graphics drivers say of each client in /proc/<pid>/fdinfo?"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from probe.kernel_file import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

NODES: Final = ("/dev/dri/", "/dev/accel/")
NUMBER: Final = re.compile(r"(\d{1,20})(?: +(ns|KiB|MiB))?", re.ASCII)
SCALE: Final = {None: 1, "KiB": 2**10, "MiB": 2**20}
MOST_BYTES: Final = 2**50
"""No GPU has a pebibyte."""

Key = tuple[str, str, int]
"""Driver, PCI slot, and the client's number, which is unique within the driver."""


@dataclass(frozen=True)
class Client:
    """One open GPU: `engines` to nanoseconds of work, `cycles` to (of work, of the engine's clock).

    All counters are cumulative. `capacity` says how many of an engine there are, where it is not
    one; `memory` is in bytes by region.
    """

    driver: str
    slot: str
    number: int
    engines: dict[str, int] = field(default_factory=dict)
    cycles: dict[str, tuple[int, int]] = field(default_factory=dict)
    capacity: dict[str, int] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """What tells it from every other client."""
        return self.driver, self.slot, self.number

    @property
    def label(self) -> str:
        """Driver and PCI slot."""
        return f"{self.driver} {self.slot}".rstrip()

    def caught_up(self, before: Client) -> Client:
        """Return it with no counter below `before`.

        A driver may report less for a while; the larger value then stays (drm-usage-stats).
        """
        return replace(self, engines={
            name: max(value, before.engines.get(name, 0)) for name, value in self.engines.items()
        })  # fmt: skip


def clients(processes: Iterable[Path]) -> dict[Key, Client]:
    """Return the clients of processes, given as folders of /proc; each once, whoever shares it."""
    found = (client_of(text) for folder in processes for text in _texts(folder))
    return {client.key: client for client in found if client is not None}


def client_of(text: str) -> Client | None:
    """Parse a file of fdinfo; None where it is no GPU's. What is not understood is left out."""
    said = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon and key.startswith("drm-"):
            said[key.removeprefix("drm-")] = value.strip(" \t")
    number = NUMBER.fullmatch(said.get("client-id", ""))
    driver = said.get("driver", "")
    if not driver or number is None or number[2] is not None:
        return None
    engines = {
        name.removeprefix("engine-"): value
        for name, value in _numbers(said, "ns")
        if name.startswith("engine-")
    }
    plain = dict(_numbers(said, None))
    cycles = {
        name.removeprefix("cycles-"): (value, plain[f"total-{name}"])
        for name, value in plain.items()
        if name.startswith("cycles-") and f"total-{name}" in plain
    }
    capacity = {
        name.removeprefix("engine-capacity-"): value
        for name, value in plain.items()
        if name.startswith("engine-capacity-") and value > 0
    }
    slot = said.get("pdev", "")
    return Client(driver, slot, int(number[1]), engines, cycles, capacity, _memory(said))


def shares(before: Client, now: Client, elapsed_ns: int) -> dict[str, float]:
    """Return percent of each engine's time between two readings of a client, not yet bounded.

    An engine that is new, or whose clock stood still or went back, has none.
    """
    found = {}
    for name, value in now.engines.items():
        if name in before.engines:
            worked = value - before.engines[name]
            found[name] = 100 * worked / elapsed_ns / now.capacity.get(name, 1)
    for name, (cycles, total) in now.cycles.items():
        first = before.cycles.get(name)
        if name not in found and first is not None and total > first[1] and cycles >= first[0]:
            part = (cycles - first[0]) / (total - first[1])
            found[name] = 100 * part / now.capacity.get(name, 1)
    return found


def _memory(said: dict[str, str]) -> dict[str, int]:
    """Return the bytes that are resident by region; older drivers say `memory-`."""
    regions: dict[str, int] = {}
    for prefix in ("memory-", "resident-"):
        for key, text in said.items():
            found = NUMBER.fullmatch(text)
            if key.startswith(prefix) and found is not None and found[2] != "ns":
                size = int(found[1]) * SCALE[found[2]]
                if size < MOST_BYTES:
                    regions[key.removeprefix(prefix)] = size
    return regions


def _numbers(said: dict[str, str], unit: str | None) -> Iterator[tuple[str, int]]:
    for key, text in said.items():
        found = NUMBER.fullmatch(text)
        if found is not None and found[2] == unit:
            yield key, int(found[1])


def _texts(process: Path) -> Iterator[str]:
    """Yield what the kernel says of each descriptor of a process that is an open GPU."""
    try:
        files = list((process / "fdinfo").iterdir())
    except OSError:  # it is over, or another user's
        return
    for file in files:
        if _may_be_gpu(process / "fd" / file.name):
            text = read_text(file)
            if text is not None:
                yield text


def _may_be_gpu(link: Path) -> bool:
    """Say whether a descriptor can be a GPU's; where it is not said what it is, it may."""
    try:
        return str(link.readlink()).startswith(NODES)
    except OSError:
        return True
