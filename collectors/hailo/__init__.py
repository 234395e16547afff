"""How busy and how warm is a Hailo, and which queue of it is full? Hailo-8, 8L and 10H on PCI.

HailoRT writes what its scheduler saw into `/tmp/hmon_files/<pid>` once a second, where the program
was started with `HAILO_MONITOR=1`: this collector puts that into the program's environment (one
more thread of HailoRT's in it). Temperature and power are asked of the chip with `hailo_platform`,
in a process of its own. Not seen on hardware: read as HailoRT's source and recordings show it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from collectors.hailo import lines
from collectors.hailo.chips import TEN, Chip, chips, identified
from collectors.hailo.control import Control
from collectors.hailo.monitor import FOLDER, SHARED, Monitor
from probe.errors import NoData, OtherDevice
from probe.family import Family, family
from probe.model import (
    Device,
    Grade,
    Launch,
    Notice,
    Sample,
    Seen,
    Support,
    Track,
    UtilisationKind,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from collectors.hailo.messages import Document

VARIABLE: Final = "HAILO_MONITOR"
HERE: Final = Device("this machine", Path("/"))
"""Where the program is started; `attach` is not told of any other device."""
MONITORED: Final = (
    "hailo.occupancy",
    "hailo.model_occupancy",
    "hailo.model_rate",
    "hailo.queue",
    "hailo.queue_longest",
)
CONTROLLED: Final = ("hailo.temperature", "hailo.power")
REMEDIES: Final = {
    "hailo.temperature": "see whether `hailortcli fw-control identify` reaches the chip",
    "hailo.power": "log a meter at the supply, and name its file in [power_meter]",
}
NOT_TOLD: Final = ("NOT_IMPLEMENTED", "UNSUPPORTED")
"""What HailoRT's errors are called where a chip or its way there knows no such question."""
LAST_WRITER: Final = "last writer"
SECOND_NS: Final = 1_000_000_000
FIRST_ANSWER_S: Final = 5.0
"""What numpy and HailoRT take to be imported on a Raspberry Pi; nothing runs meanwhile."""


class Hailo:
    """What HailoRT's scheduler and the chip say, once a second each.

    A device is labelled by its architecture (`HAILO8L`), a model by its name, a queue by stream and
    direction (`H2D` into the chip). What other programs do with the chip bears `(other program)`.
    Occupancy is the share of time with any frame in flight: 100 % may be one slow queue. A report
    is of the second before it was written, and is seen up to half a second later.
    """

    name = "hailo"
    tracks = (
        Track("hailo.occupancy", "percent", "Time with a frame in flight on the chip",
              Grade.VENDOR_STATED, UtilisationKind.OCCUPANCY, period_ns=SECOND_NS),
        Track("hailo.model_occupancy", "percent", "Time with a frame of the model in flight",
              Grade.VENDOR_STATED, UtilisationKind.OCCUPANCY, period_ns=SECOND_NS),
        Track("hailo.model_rate", "count/s", "Frames that the model finished", Grade.VENDOR_STATED,
              period_ns=SECOND_NS),
        Track("hailo.queue", "count", "Frames waiting in a stream, on average",
              Grade.VENDOR_STATED, period_ns=SECOND_NS),
        Track("hailo.queue_longest", "count", "Frames waiting in a stream, at most",
              Grade.VENDOR_STATED, period_ns=SECOND_NS),
        Track("hailo.temperature", "celsius", "Temperature of the chip", period_ns=SECOND_NS),
        Track("hailo.power", "watts", "Power of the chip's module", period_ns=SECOND_NS),
    )  # fmt: skip
    period_ns = 500_000_000
    """Twice as often as HailoRT writes, so that no report of it is missed."""
    sensitive = False
    support = (
        Support("Hailo-8, Hailo-8L", MONITORED, f"{FOLDER}/<pid>, {SHARED}", Seen.FORMAT,
                "HailoRT 4.17 or newer in the program itself, not multi_process_service"),
        Support("Hailo-8, Hailo-8L", CONTROLLED, "hailo_platform: chip temperature, power",
                Seen.FORMAT, "python3-hailort (hailo-all); power: a module with an INA231"),
        Support("Hailo-10H", ("hailo.temperature",), "hailo_platform: chip temperature",
                Seen.FORMAT, "python3-h10-hailort (hailo-h10-all)"),
    )  # fmt: skip

    def __init__(self) -> None:
        self._chips: list[Chip] = []
        self._monitor: Monitor | None = None
        self._control: Control | None = None
        self._family: Family | None = None
        self._lacking: dict[str, NoData] = {}
        self._lines: dict[str, set[tuple[str, str]]] = {}
        self._others: set[str] = set()
        self._capacities: dict[str, int] = {}
        self._architectures: set[str] = set()
        self._identity: dict[str, str] = {}

    def attach(self, launch: Launch) -> Mapping[str, str]:
        """Return what makes HailoRT write its reports; raises `OtherDevice` without a Hailo.

        The chip is asked for the first time: what it refuses is known before the run.
        """
        found = chips(HERE)
        if not found:
            raise _no_chip()
        if any(chip.driver for chip in found):
            self._ask(HERE, found, FIRST_ANSWER_S)
        return {} if launch.environment.get(VARIABLE) else {VARIABLE: "1"}

    def start(self, device: Device) -> None:
        """Find the chips; raises `OtherDevice` without any, `NoData` without their driver."""
        self._chips = chips(device)
        if not self._chips:
            raise _no_chip()
        if not any(chip.driver for chip in self._chips):
            package = self._chips[0].package
            raise NoData(
                f"{self._chips[0].name} on PCI, without a driver",
                remedy=f"install it and boot again: sudo apt install {package}",
            )
        self._monitor = Monitor(device)
        self._family = family(device)
        if all(chip.name == TEN for chip in self._chips):
            self._lacking |= dict.fromkeys(MONITORED, _on_the_card())
        if self._control is None and not self._lacking.keys() >= set(CONTROLLED):
            self._ask(device, self._chips, 0.0)
        if self._control is None:
            self._identity = identified(device)

    def lacking(self) -> Mapping[str, NoData]:
        """Return what this chip or this installation cannot tell."""
        return self._lacking

    def sample(self, t_ns: int) -> Iterable[Sample | Notice]:
        """Yield what HailoRT wrote and the chip answered since the last call."""
        if self._monitor is not None:
            yield from self._reports(self._monitor, t_ns)
        if self._control is not None:
            yield from self._control.read(t_ns)

    def facts(self) -> Mapping[str, Any]:
        """Return the chips with their PCIe link, and the capacity of each queue in frames.

        `architectures` tells a Hailo-8 from an 8L, as far as anything said so.
        The clock of the chip is left out: HailoRT states its highest, not the present one.
        """
        return {
            "chips": [chip.facts() for chip in self._chips],
            "architectures": sorted(self._architectures),
            "identity": self._identity,
            "queue_capacity": self._capacities,
        }

    def stop(self) -> None:
        """End the process that asks the chip."""
        if self._control is not None:
            self._architectures |= self._control.architectures
            self._control.close()
            self._control = None
        self._monitor = self._family = None

    def _ask(self, device: Device, found: list[Chip], timeout_s: float) -> None:
        try:
            self._control = Control.found(device, found)
        except NoData as absent:
            self._lacking |= dict.fromkeys(CONTROLLED, absent)
            return
        refused = self._control.begin(timeout_s)
        for track in CONTROLLED:
            why = refused.get(track.removeprefix("hailo."), refused.get("device"))
            if why is not None and len(found) == 1:
                self._lacking[track] = NoData(f"{found[0].name}: {why}", remedy=_remedy(track, why))

    def _reports(self, monitor: Monitor, t_ns: int) -> Iterator[Sample | Notice]:
        ours = {m.pid for m in self._family.members(t_ns)} if self._family is not None else None
        for pid, document in monitor.read(t_ns):
            other = ours is not None and int(pid) not in ours
            if other and document is not None and pid not in self._others:
                self._others.add(pid)
                yield Notice("another program uses the Hailo", {"pid": int(pid)})
            yield from self._of_process(pid, document, other=other)
        for value in monitor.shared(t_ns):
            yield Sample("hailo.occupancy", LAST_WRITER, value)

    def _of_process(self, pid: str, document: Document | None, *, other: bool) -> Iterator[Sample]:
        """Yield the lines of a process; a line that it had before and has no more is None."""
        found = list(lines.samples(document, other=other)) if document is not None else []
        yield from found
        now = {(each.track, each.label) for each in found}
        for track, label in sorted(self._lines.get(pid, set()) - now):
            yield Sample(track, label, None)
        self._lines[pid] = now
        if document is not None:
            self._capacities |= lines.capacities(document)
            named = {each.architecture for each in document.devices}
            self._architectures |= named - {""}


def _no_chip() -> OtherDevice:
    return OtherDevice("no Hailo on PCI (1e60:2864, 1e60:45c4)")


def _remedy(track: str, why: str) -> str:
    """Return what to do; where the chip knows no such question, nothing at the chip helps."""
    if track == "hailo.temperature" and any(each in why for each in NOT_TOLD):
        return "none: this chip and its HailoRT do not tell"
    return REMEDIES[track]


def _on_the_card() -> NoData:
    return NoData(
        f"{TEN}: its scheduler runs on the card, so that HailoRT writes no report on this machine",
        remedy="none but a C++ program of your own: HailoRT's Device::query_performance_stats()",
    )
