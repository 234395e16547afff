"""How much do the memory and the program's cores move? From the kernel's performance counters.

Counters of the memory controllers see all that passes: processor, GPU, NPU, cameras. Intel's
(`uncore_imc`), AMD's from Zen 4 on (`amd_umc`) and Rockchip's (`rockchip_ddr`) are counted for
the whole machine. Where there are Arm cores, what the program's threads fetch from outside their
cluster is an estimate of their reads alone: no write, no NPU, camera or PCIe device is in it, nor
prefetches into the L3; a cache of the whole chip, where there is one, counts as memory. None was
seen on hardware. The share of Jetson's memory controller stands with the collector `jetson`.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from collectors.bandwidth.attachment import on_program
from collectors.bandwidth.counter import ANYWHERE, Counter, attributes, open_counter
from collectors.bandwidth.meter import MULTIPLEXED, Line, Meter
from collectors.bandwidth.pmu import pmus
from collectors.bandwidth.refusal import RIGHTS, in_tree, refused
from collectors.bandwidth.sources import (
    CONTROLLERS,
    CORES,
    CPU_READ,
    READ,
    WRITTEN,
    Family,
    Target,
    absent,
    controllers,
    of_arm,
    targets,
    uncounted,
)
from probe.errors import NoData, OtherDevice
from probe.model import Device, Grade, Notice, Sample, Seen, Source, Support, Track
from probe.tool import is_here

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_ROOT: Final = "root, CAP_PERFMON, or kernel.perf_event_paranoid of 0 or less"


class Bandwidth:
    """Mean rates of what memory controllers read and write, and the program's cores fetch.

    Labels are names of PMUs, with a CPU where one PMU stands for several sockets. A count that was
    filled up because counters took turns has its missing share in `bandwidth.multiplexed`.
    """

    name = "bandwidth"
    tracks = (
        Track(READ, "bytes/s", "Memory read, by everything", Grade.DERIVED),
        Track(WRITTEN, "bytes/s", "Memory written, by everything", Grade.DERIVED),
        Track(CPU_READ, "bytes/s", "Memory that the program's cores read", Grade.INFERRED),
        Track(MULTIPLEXED, "percent", "Time in which memory traffic was not counted"),
    )
    period_ns = 250_000_000
    sensitive = False
    support = (
        Support("Intel processors", (READ, WRITTEN, MULTIPLEXED),
                "perf_event_open: uncore_imc_free_running_*, uncore_imc*", Seen.FORMAT, _ROOT),
        Support("AMD processors, Zen 4 and newer", (READ, WRITTEN, MULTIPLEXED),
                "perf_event_open: amd_umc_*", Seen.FORMAT, _ROOT),
        Support("RK3588, RK3568, RK3399", (READ, WRITTEN, MULTIPLEXED),
                "perf_event_open: rockchip_ddr", Seen.FORMAT, f"a mainline kernel; {_ROOT}"),
        Support("Arm cores (Raspberry Pi 5, RK3588)", (CPU_READ, MULTIPLEXED),
                "perf_event_open: armv8_*/l3d_cache_refill/", Seen.FORMAT,
                "kernel.perf_event_paranoid of 2 or less"),
    )  # fmt: skip

    def __init__(self, memory: Sequence[Family] = CONTROLLERS, cores: Family = CORES) -> None:
        self._families = (memory, cores)
        self._open = ExitStack()
        self._meters: list[Meter] = []
        self._lacking: dict[str, NoData] = {}
        self._refused: list[str] = []
        self._counters: list[dict[str, Any]] = []
        self._notices: list[Notice] = []

    def start(self, device: Device) -> None:
        """Open the counters that there are; raises `NoData` where none can be opened."""
        memory, cores = self._families
        whole, own = controllers(device, memory), list(targets(device, cores))
        if is_here(device):
            self._machine(device, whole)
            self._program(device, own)
        else:
            memory_why = in_tree(device, whole) if whole else absent(device)
            self._lacking |= dict.fromkeys((READ, WRITTEN), memory_why)
            self._lacking[CPU_READ] = self._blind(device, own) or in_tree(device, own)
        if not self._meters:
            reasons = list(self._lacking.values())
            raise next((each for each in reasons if not isinstance(each, OtherDevice)), reasons[0])

    def sources(self) -> Mapping[str, Source]:
        """Return the PMUs whose counters are open."""
        pmus: dict[str, list[str]] = {MULTIPLEXED: [each["pmu"] for each in self._counters]}
        for each in self._counters:
            pmus.setdefault(each["track"], []).append(each["pmu"])
        said = {track: ", ".join(dict.fromkeys(names)) for track, names in pmus.items()}
        return {track: Source(f"perf_event_open: {names}") for track, names in said.items()}

    def lacking(self) -> Mapping[str, NoData]:
        """Return why a track has no value here."""
        return self._lacking

    def sample(self, t_ns: int) -> Iterable[Sample | Notice]:
        """Yield the rates since the last call."""
        yield from self._notices
        self._notices = []
        for meter in self._meters:
            yield from meter.sample(t_ns)

    def facts(self) -> Mapping[str, Any]:
        """Return what was counted on which PMU, and which counters could not be opened."""
        return {"counters": self._counters, "refused": self._refused}

    def stop(self) -> None:
        """Close the counters."""
        self._meters = []
        self._open.close()

    def _machine(self, device: Device, found: Sequence[Target]) -> None:
        """Count on each memory controller, once for each CPU that stands for a socket."""
        self._lacking |= dict.fromkeys((READ, WRITTEN), absent(device))
        for target in found:
            for cpu in target.pmu.cpus:
                several = len(target.pmu.cpus) > 1
                label = f"{target.pmu.name} cpu{cpu}" if several else target.pmu.name
                try:
                    line = self._line(target, label, cpu)
                except OSError as error:
                    why = refused(device, error, target.pmu.name, of_program=False)
                    self._refused.append(f"{label} {target.track}: {why.message}")
                    if self._lacking.get(target.track) is not None:
                        self._lacking[target.track] = why
                    continue
                self._add(Meter([line], unsettled=target.unsettled))
                self._lacking.pop(target.track, None)
                self._note(target, cpu=cpu)

    def _program(self, device: Device, found: Sequence[Target]) -> None:
        """Count what the program's threads do on each cluster of cores."""
        blind = self._blind(device, found)
        if blind is not None:
            self._lacking[CPU_READ] = blind
            return
        if device.program_pid is None:
            remedy = "run a program under liveprobe"
            self._lacking[CPU_READ] = NoData("there is no program to count", remedy=remedy)
            return
        pmu = " + ".join(each.pmu.name for each in found)
        try:
            counters, still, user_only = self._on_program(device, found)
        except OSError as error:
            self._lacking[CPU_READ] = refused(device, error, pmu, of_program=True)
            return
        lines = [
            Line(each.track, each.pmu.name, each.bytes_each, own)
            for each, own in zip(found, counters, strict=True)
        ]
        self._add(Meter(lines, may_rest=True))
        for each in found:
            self._note(each, threads=len(counters[0]), kernel=not user_only)
        if not still:
            self._notices.append(Notice("threads that started meanwhile may not be counted"))

    def _blind(self, device: Device, found: Sequence[Target]) -> NoData | None:
        """Say which cores cannot count: without theirs the share of the time is not known."""
        names = {pmu.name for pmu in pmus(device, self._families[1].pmu)}
        blind = ", ".join(sorted(names - {each.pmu.name for each in found}))
        if found and not blind:
            return None
        if not names and of_arm(device):
            return uncounted(device)
        return OtherDevice(f"{blind or 'the processor'} counts no reads from beyond its caches")

    def _on_program(
        self, device: Device, found: Sequence[Target]
    ) -> tuple[list[list[Counter]], bool, bool]:
        """Count the kernel's work for the program too where that is allowed."""
        try:
            return (*on_program(device, found, exclude_kernel=False), False)
        except OSError as error:
            if error.errno not in RIGHTS:
                raise
        return (*on_program(device, found, exclude_kernel=True), True)

    def _line(self, target: Target, label: str, cpu: int) -> Line:
        line = Line(target.track, label, target.bytes_each)
        with ExitStack() as opened:
            opened.callback(line.close)
            for words in target.words:
                attribute = attributes(target.pmu.type, words)
                line.counters.append(open_counter(attribute, tid=ANYWHERE, cpu=cpu))
            opened.pop_all()
        return line

    def _add(self, meter: Meter) -> None:
        self._open.callback(meter.close)
        self._meters.append(meter)

    def _note(self, target: Target, **more: int) -> None:
        self._counters.append({
            "pmu": target.pmu.name, "track": target.track, "events": list(target.events),
            "bytes_each": target.bytes_each, **more,
        })  # fmt: skip
