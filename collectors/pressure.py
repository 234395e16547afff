"""Who waits for processor, memory or disk? Pressure stall information of the whole machine.

Reads `/proc/pressure/{cpu,memory,io}` (Linux 4.20 and later): `some` is the time in which at least
one task waited, `full` the time in which all that were not idle did. The shares come from the
cumulative `total`, not from the kernel's own averages, whose shortest window is 10 s. A machine
cannot be `full` of waiting for the processor, so the kernel's zero there is left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from probe.errors import NoData
from probe.kernel_file import KernelFile
from probe.model import Device, Sample, Seen, Support, Track
from probe.raspberry_pi import is_raspberry_pi

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FOLDER: Final = "/proc/pressure"
RESOURCES: Final = ("cpu", "io", "memory")
LINE: Final = re.compile(
    r"^(some|full) avg10=\S+ avg60=\S+ avg300=\S+ total=([0-9]{1,20})$", re.MULTILINE
)


PI: Final = "add psi=1 to the line of /boot/firmware/cmdline.txt, and boot again"
BOOT: Final = "boot with psi=1 on the kernel's command line; its kernel needs CONFIG_PSI"


class Pressure:
    """Percent of the time since the last reading in which tasks were stalled, by resource.

    Labels are `cpu some`, `memory some`, `memory full`, `io some`, `io full`.
    """

    name = "pressure"
    tracks = (Track("pressure.stalled", "percent", "Time in which tasks waited"),)
    period_ns = 1_000_000_000
    sensitive = False
    support = (
        Support("Linux 4.20 and later", ("pressure.stalled",), f"{FOLDER}/*", Seen.HARDWARE,
                "a kernel with CONFIG_PSI, booted without psi=0"),
    )  # fmt: skip

    def __init__(self) -> None:
        self._files: dict[str, KernelFile] = {}
        self._before: dict[str, tuple[int, int]] = {}

    def start(self, device: Device) -> None:
        """Open the files; raises `NoData` where the kernel keeps none, or may not be asked."""
        refused = "no such file"
        for resource in RESOURCES:
            try:
                self._files[resource] = KernelFile(device.path(f"{FOLDER}/{resource}"))
            except OSError as error:
                refused = error.strerror or str(error)
                continue
            if self._files[resource].read() is None:  # opened, but refused: booted with psi=0
                refused = "it cannot be read"
                self._files.pop(resource).close()
        if not self._files:
            raise NoData(
                f"{device.path(FOLDER)}: {refused}",
                remedy=PI if is_raspberry_pi(device) else BOOT,
            )

    def sample(self, t_ns: int) -> Iterable[Sample]:
        """Yield the shares since the last reading; the first has none to compare with."""
        for resource, file in self._files.items():
            totals = stalls_us(file.read() or "")
            for kind in ("some", "full"):
                if (resource, kind) != ("cpu", "full"):
                    yield from self._share(f"{resource} {kind}", totals.get(kind), t_ns)

    def stop(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _share(self, label: str, total_us: int | None, t_ns: int) -> Iterator[Sample]:
        before = self._before.get(label)
        if total_us is None:
            self._before.pop(label, None)
            if before is not None:
                yield Sample("pressure.stalled", label, None)
            return
        self._before[label] = (t_ns, total_us)
        if before is not None and t_ns > before[0]:
            share = 100 * (total_us - before[1]) * 1000 / (t_ns - before[0])
            yield Sample("pressure.stalled", label, share if share >= 0 else None)


def stalls_us(text: str) -> dict[str, int]:
    """Parse a file of /proc/pressure: cumulative microseconds by `some` and `full`."""
    return {kind: int(total) for kind, total in LINE.findall(text)}
