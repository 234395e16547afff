"""How much of the GPUs does the program use? On any Linux whose graphics drivers say so.

Reads what kernel drivers write of each client into `/proc/<pid>/fdinfo` (kernel: Documentation/gpu/
drm-usage-stats): v3d (Raspberry Pi) as it was recorded; amdgpu, i915, xe, msm, panfrost, panthor
and others by that format alone, for it is one for all. Root is not needed for one's own program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collectors.drm.clients import Client, Key, clients, shares
from probe.errors import NoData, OtherDevice
from probe.family import Family, family
from probe.model import Device, Sample, Seen, Support, Track, UtilisationKind

if TYPE_CHECKING:
    from collections.abc import Iterable

CLASSES: Final = ("/sys/class/drm", "/sys/class/accel")


class Drm:
    """Busy time of each engine by the program's work alone, and the GPU memory that it holds.

    Labels are driver, PCI slot where it has one, engine or region: `v3d render`,
    `i915 0000:00:02.0 video`. A client that several processes or descriptors share counts once; one
    that is new has no share yet. Buffers that several clients share count for each of them.
    """

    name = "drm"
    tracks = (
        Track("drm.engine", "percent", "Busy time of GPU engines by the program",
              kind=UtilisationKind.BUSY_TIME),
        Track("drm.memory", "bytes", "Memory of the GPU that the program holds"),
    )  # fmt: skip
    period_ns = 1_000_000_000
    sensitive = False
    support = (
        Support("Raspberry Pi 4, Raspberry Pi 5 (V3D)", ("drm.engine", "drm.memory"),
                "/proc/<pid>/fdinfo", Seen.RECORDINGS),
        Support("GPUs of amdgpu, i915, xe, msm, panfrost, panthor", ("drm.engine", "drm.memory"),
                "/proc/<pid>/fdinfo", Seen.FORMAT),
    )  # fmt: skip

    def __init__(self) -> None:
        self._family: Family | None = None
        self._before: dict[Key, tuple[int, Client]] = {}

    def start(self, device: Device) -> None:
        """Look for a driver and for the right to read of the program.

        Raises `OtherDevice` where no such driver is loaded.
        """
        folders = [device.path(each) for each in CLASSES]
        if not any(entry for folder in folders for entry in folder.glob("*")):
            raise OtherDevice(
                f"no GPU of the kernel's: nothing below {' or '.join(map(str, folders))}",
                remedy="load the GPU's kernel driver (`modprobe v3d` on a Raspberry Pi)",
            )
        if device.program_pid is not None:
            fdinfo = device.path(f"/proc/{device.program_pid}/fdinfo")
            try:
                next(fdinfo.iterdir(), None)
            except PermissionError as error:
                raise NoData(
                    f"{fdinfo}: {error.strerror}",
                    remedy="start liveprobe as the program's user, or as root",
                ) from error
            except OSError:  # it is over already
                pass
        self._family = family(device)

    def sample(self, t_ns: int) -> Iterable[Sample]:
        """Yield the engines' shares since the last call, and the memory now, of all clients."""
        members = self._family.members(t_ns) if self._family is not None else ()
        now = clients(member.folder for member in members)
        busy: dict[str, float] = {}
        held: dict[str, float] = {}
        kept: dict[Key, tuple[int, Client]] = {}
        for key, client in now.items():
            for region, size in client.memory.items():
                label = f"{client.label} {region}"
                held[label] = held.get(label, 0.0) + size
            before = self._before.get(key)
            kept[key] = (t_ns, client if before is None else client.caught_up(before[1]))
            if before is not None and t_ns > before[0]:
                for engine, share in shares(before[1], kept[key][1], t_ns - before[0]).items():
                    label = f"{client.label} {engine}"
                    busy[label] = busy.get(label, 0.0) + share
        self._before = kept
        for label, percent in busy.items():
            yield Sample("drm.engine", label, believable(percent))
        for label, taken in held.items():
            yield Sample("drm.memory", label, taken)

    def stop(self) -> None:
        """Forget the program."""
        self._family, self._before = None, {}


def believable(percent: float) -> float | None:
    """Return a share; one a little over 100 is cut, for a job may be counted when it ends."""
    return min(percent, 100.0) if 0 <= percent <= 200 else None  # noqa: PLR2004 - two periods' work
