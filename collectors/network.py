"""What goes over the network where the program lives?

Reads `/proc/<pid>/net/dev` (any Linux). The kernel counts by interface of the program's network
namespace, not by process: on a machine where others use the same interface, their traffic is in the
numbers. `lo` is the machine's own, which a local camera server uses too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from probe.errors import NoData
from probe.kernel_file import KernelFile, integer
from probe.model import Device, Sample, Seen, Support, Track

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FIELDS: Final = 16
"""Counters of an interface: eight of what came in, eight of what went out."""
FILE_BYTES: Final = 64 * 1024


class Counters(NamedTuple):
    """Bytes and lost packets of an interface since it came up."""

    received: int
    sent: int
    lost: int


class Network:
    """Traffic of each interface that moved anything, and packets that it lost, a second."""

    name = "network"
    tracks = (
        Track("network.received", "bytes/s", "Received"),
        Track("network.sent", "bytes/s", "Sent"),
        Track("network.lost", "count/s", "Packets with errors, or dropped"),
    )
    period_ns = 1_000_000_000
    sensitive = False
    support = (
        Support("any Linux", tuple(track.name for track in tracks), "/proc/<pid>/net/dev",
                Seen.HARDWARE),
    )  # fmt: skip

    def __init__(self) -> None:
        self._file: KernelFile | None = None
        self._before: dict[str, tuple[int, Counters]] = {}

    def start(self, device: Device) -> None:
        """Open the counters of the program's namespace; raises `NoData` where there are none."""
        pid = "self" if device.program_pid is None else device.program_pid
        path = device.path(f"/proc/{pid}/net/dev")
        try:
            self._file = KernelFile(path, FILE_BYTES)
        except OSError as error:
            raise NoData(f"{path}: {error.strerror}", remedy="mount /proc") from error

    def sample(self, t_ns: int) -> Iterable[Sample]:
        """Yield what every interface moved since the last reading; nothing of one at rest."""
        text = self._file.read() if self._file is not None else None
        before, self._before = self._before, {}
        for name, now in interfaces(text or "").items():
            self._before[name] = (t_ns, now)
            if name in before and any(now):
                yield from _rates(name, before[name], (t_ns, now))

    def stop(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
        self._file = None


def interfaces(text: str) -> dict[str, Counters]:
    """Parse /proc/net/dev: interface to its counters; a line that is not understood is left out."""
    found = {}
    for line in text.splitlines():
        name, colon, rest = line.partition(":")
        numbers = [integer(word) for word in rest.split()]
        whole = [number for number in numbers if number is not None and number >= 0]
        if colon and len(whole) == len(numbers) == FIELDS:
            lost = whole[2] + whole[3] + whole[10] + whole[11]
            found[name.strip()] = Counters(whole[0], whole[8], lost)
    return found


def _rates(name: str, before: tuple[int, Counters], now: tuple[int, Counters]) -> Iterator[Sample]:
    seconds = (now[0] - before[0]) / 1e9
    if seconds <= 0:
        return
    tracks = (track.name for track in Network.tracks)
    for track, old, new in zip(tracks, before[1], now[1], strict=True):
        yield Sample(track, name, (new - old) / seconds if new >= old else None)
