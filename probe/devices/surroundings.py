"""What around the program helps or hinders a measurement here: room, permissions, clocks, tools?"""

from __future__ import annotations

import importlib.util
import shutil
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from probe.kernel_file import read_integer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from probe.model import Device

TMPFS: Final = "/dev/shm"  # noqa: S108 - tapes belong on tmpfs (DESIGN: the program and its tape)
TMPFS_ROOM_BYTES: Final = 256 * 2**20
"""Ten minutes at 60 fps with eight stages are 25 MB of records; each thread keeps room ahead."""
STEADY_CLOCKS: Final = ("tsc", "arch_sys_counter")
"""Clock sources that a program reads without a system call."""
STEADY_GOVERNOR: Final = "performance"
NO_ACCELERATOR: Final = {"CPUExecutionProvider", "AzureExecutionProvider"}
"""Providers that run on the processor, or on somebody else's."""

OK, LIMITED, MISSING = "ok", "limited", "missing"


class Surrounding(NamedTuple):
    """One line: what was looked at, how it stands, why, and what would better it."""

    name: str
    state: str
    reason: str
    remedy: str | None = None


def surroundings(device: Device, inventory: Mapping[str, Any]) -> list[Surrounding]:
    """Look at what the device's files say of a measurement; nothing is changed or started."""
    looks: tuple[Callable[[], Surrounding], ...] = (
        lambda: _ptrace(device),
        lambda: _clock_source(inventory.get("clocksource")),
        lambda: _governor(inventory.get("governor")),
        lambda: _virtual(inventory.get("virtualised")),
        lambda: _display(inventory.get("displays") or []),
    )
    return [look() for look in looks]


def of_host() -> list[Surrounding]:
    """Look at what this machine brings itself: room for tapes, a runtime, the recorder."""
    return [tmpfs(), _providers(), _recorder()]


def tmpfs(folder: Path = Path(TMPFS)) -> Surrounding:
    """Look at the room for tapes, of which a program writes all that it does."""
    name = "tapes in memory"
    remedy = f"mount a tmpfs of {TMPFS_ROOM_BYTES >> 20} MiB or more at {TMPFS}"
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Surrounding(name, MISSING, f"{folder}: {error.strerror}; tapes go to disk", remedy)
    if free < TMPFS_ROOM_BYTES:
        reason = f"{folder} has {free >> 20} MiB; tapes go to disk"
        return Surrounding(name, LIMITED, reason, remedy)
    return Surrounding(name, OK, f"{folder} has {free >> 20} MiB free")


def _ptrace(device: Device) -> Surrounding:
    """Yama: 0 any process of the same user, 1 only own children, 2 administrators, 3 nobody."""
    scope, name = read_integer(device.path("/proc/sys/kernel/yama/ptrace_scope")), "stack sampling"
    if scope is None:
        return Surrounding(name, OK, "the kernel does not restrict ptrace")
    if scope == 0:
        return Surrounding(name, OK, "ptrace_scope is 0")
    who = {1: "only parents", 2: "only administrators"}.get(scope, "nobody")
    return Surrounding(
        name,
        LIMITED,
        f"ptrace_scope is {scope}: {who} may look into a process",
        "sudo sysctl kernel.yama.ptrace_scope=0",
    )


def _clock_source(found: str | None) -> Surrounding:
    name = "clock source"
    if found is None:
        return Surrounding(name, LIMITED, "the kernel does not say which clock it reads")
    if found in STEADY_CLOCKS:
        return Surrounding(name, OK, f"{found}, read without a system call")
    return Surrounding(
        name,
        LIMITED,
        f"{found}: reading the time may cost a system call",
        "boot with clocksource=tsc where the firmware allows it",
    )


def _governor(found: str | None) -> Surrounding:
    name = "frequency governor"
    if found is None:
        return Surrounding(name, OK, "no cpufreq here: nothing changes the clock that can be seen")
    if found == STEADY_GOVERNOR:
        return Surrounding(name, OK, found)
    return Surrounding(
        name,
        LIMITED,
        f"{found}: the clock follows the load, so short runs vary",
        "sudo cpupower frequency-set -g performance, if the product runs so too",
    )


def _virtual(found: bool | None) -> Surrounding:
    name = "hardware"
    if found:
        reason = "a virtual machine: cores are shared, sensors are hidden"
        return Surrounding(name, LIMITED, reason, "measure on the device itself")
    return Surrounding(name, OK, "no hypervisor below" if found is False else "not known")


def _display(found: list[str]) -> Surrounding:
    name = "display clock"
    if found:
        return Surrounding(name, OK, f"connected: {', '.join(found)}; its refreshes are computed")
    reason = "no screen is connected; refreshes are computed, as they always are"
    return Surrounding(name, OK, reason)


def _providers() -> Surrounding:
    name = "ONNX Runtime"
    try:
        import onnxruntime
    except ImportError as error:
        return Surrounding(name, MISSING, str(error), "pip install onnxruntime")
    found = [str(each) for each in onnxruntime.get_available_providers()]
    text = f"{onnxruntime.__version__}: {', '.join(found)}"
    if set(found) - NO_ACCELERATOR:
        return Surrounding(name, OK, text)
    return Surrounding(
        name, OK, text, "another build of ONNX Runtime brings an accelerator's provider"
    )


def _recorder() -> Surrounding:
    name = "recorder"
    if importlib.util.find_spec("probe.recorder._pen") is not None:
        return Surrounding(name, OK, "the C recorder is built")
    compiler = next(_compilers(), None)
    if compiler is None:
        return Surrounding(
            name,
            LIMITED,
            "recording in Python (no C compiler was found to build the C recorder)",
            "install a C compiler and the headers of Python, then install liveprobe again",
        )
    return Surrounding(
        name, LIMITED, f"recording in Python, though {compiler} is here", "install liveprobe again"
    )


def _compilers() -> Iterator[str]:
    configured = (sysconfig.get_config_var("CC") or "").split()
    for command in (*configured[:1], "cc", "gcc", "clang"):
        found = shutil.which(command)
        if found:
            yield found
