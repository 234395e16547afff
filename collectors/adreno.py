"""How busy is a Qualcomm Adreno GPU? On kernels with Qualcomm's own driver (KGSL).

Reads `/sys/class/kgsl/kgsl-3d0` (`gpubusy`, else `gpu_busy_percentage`, and `gpuclk`), which often
only root may. Upstream's driver (msm) has no such folder: there the collector `drm` reads what the
program uses. Not seen on hardware: read as documented.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from probe.errors import NoData, OtherDevice
from probe.kernel_file import KernelFile
from probe.model import Device, Grade, Sample, Seen, Support, Track, UtilisationKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

FOLDER: Final = "/sys/class/kgsl/kgsl-3d0"
PAIR: Final = re.compile(r"(\d{1,12})\s+(\d{1,12})", re.ASCII)
PERCENTAGE: Final = re.compile(r"(\d{1,6})\s*%?", re.ASCII)
FASTEST_HERTZ: Final = 20_000_000_000
"""No GPU has a clock beyond it."""
LABEL: Final = "gpu"


class Adreno:
    """Share of the driver's last window (about a second) in which the GPU was busy, and its clock.

    A GPU that sleeps is 0 % busy: the driver then says `0 0`.
    """

    name = "adreno"
    tracks = (
        Track("adreno.utilisation", "percent", "Busy time of the GPU",
              Grade.VENDOR_STATED, UtilisationKind.BUSY_TIME),
        Track("adreno.clock", "hertz", "Clock of the GPU"),
    )  # fmt: skip
    period_ns = 1_000_000_000
    sensitive = False
    support = (
        Support("Qualcomm Adreno (KGSL)", ("adreno.utilisation", "adreno.clock"),
                f"{FOLDER}/gpubusy, gpu_busy_percentage, gpuclk", Seen.FORMAT, "often root"),
    )  # fmt: skip

    def __init__(self) -> None:
        self._busy: KernelFile | None = None
        self._told: Callable[[str | None], float | None] = busy_percent
        self._clock: KernelFile | None = None
        self._lacking: dict[str, NoData] = {}

    def start(self, device: Device) -> None:
        """Open the files; raises `OtherDevice` without KGSL, `NoData` where none may be read."""
        folder = device.path(FOLDER)
        try:
            folder.stat()
        except PermissionError:
            pass  # SELinux: the files say so each
        except OSError as error:
            raise OtherDevice(
                f"no Adreno GPU under Qualcomm's driver: no {folder}",
                remedy="with upstream's driver (msm) see the collector drm",
            ) from error
        refused: dict[str, str] = {}

        def opened(name: str) -> KernelFile | None:
            try:
                return KernelFile(folder / name)
            except OSError as error:
                refused[name] = f"{folder / name}: {error.strerror}"
                return None

        self._busy, self._told = opened("gpubusy"), busy_percent
        if self._busy is None:
            self._busy, self._told = opened("gpu_busy_percentage"), stated_percent
        self._clock = opened("gpuclk")
        remedy = "start liveprobe as root; on Android SELinux may hide these files from a shell"
        if self._busy is None:
            said = f"{refused['gpubusy']}; {refused['gpu_busy_percentage']}"
            self._lacking["adreno.utilisation"] = NoData(said, remedy=remedy)
        if self._clock is None:
            self._lacking["adreno.clock"] = NoData(refused["gpuclk"], remedy=remedy)
        if self._busy is None and self._clock is None:
            raise NoData("; ".join(refused.values()), remedy=remedy)

    def lacking(self) -> Mapping[str, NoData]:
        """Return which of the two may not be read."""
        return self._lacking

    def sample(self, t_ns: int) -> Iterable[Sample]:  # noqa: ARG002 - the protocol's
        """Yield the share and the clock, null where the driver gives none."""
        if self._busy is not None:
            yield Sample("adreno.utilisation", LABEL, self._told(self._busy.read()))
        if self._clock is not None:
            hertz = self._clock.read_integer()
            known = hertz is not None and 0 <= hertz <= FASTEST_HERTZ
            yield Sample("adreno.clock", LABEL, float(hertz or 0) if known else None)

    def stop(self) -> None:
        """Close the files."""
        for file in (self._busy, self._clock):
            if file is not None:
                file.close()
        self._busy = self._clock = None


def busy_percent(text: str | None) -> float | None:
    """Parse `gpubusy`: busy and total of the window; `0 0` is a GPU that sleeps."""
    found = PAIR.fullmatch(text or "")
    if found is None:
        return None
    busy, total = int(found[1]), int(found[2])
    if busy > total:
        return None
    return 100 * busy / total if total else 0.0


def stated_percent(text: str | None) -> float | None:
    """Parse `gpu_busy_percentage`: ``12 %``."""
    found = PERCENTAGE.fullmatch(text or "")
    percent = None if found is None else int(found[1])
    return float(percent) if percent is not None and percent <= 100 else None  # noqa: PLR2004 - %
