"""What around the program helps or hinders a measurement here: room, permissions, clocks, tools?"""

from __future__ import annotations

import importlib.util
import re
import shutil
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from probe.devices.local import TEGRA
from probe.devices.virtual import INSTEAD
from probe.kernel_file import read_integer, read_text
from probe.tool import is_here

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
PERFORMANCE: Final = (
    "echo performance | sudo tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor"
)
"""What needs nothing to be installed: cpupower is a package of its own on every system."""
JETSON_CLOCKS: Final = "sudo jetson_clocks"
PARENTS: Final = 1
NOBODY: Final = 3
SYS_PTRACE: Final = 1 << 19
"""The bit of CAP_SYS_PTRACE (linux/capability.h)."""
PTRACE: Final = {
    2: ("only administrators", "run as root, or sudo sysctl kernel.yama.ptrace_scope=1"),
    NOBODY: ("nobody", "boot without kernel.yama.ptrace_scope=3: it cannot be taken back before"),
}
"""By Yama's ptrace_scope: who may, and what to do (kernel: admin-guide/LSM/Yama.rst)."""
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
        lambda: _governor(inventory),
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
    return Surrounding(name, OK, f"{folder} has {free / 1e9:.1f} GB free")


def _ptrace(device: Device) -> Surrounding:
    """Yama: 0 any process of the same user, 1 only own children, 2 administrators, 3 nobody."""
    scope, name = read_integer(device.path("/proc/sys/kernel/yama/ptrace_scope")), "stack sampling"
    if scope is None:
        return Surrounding(name, OK, "the kernel does not restrict ptrace")
    if scope == 0:
        return Surrounding(name, OK, "ptrace_scope is 0")
    if scope < NOBODY and is_here(device) and _may_trace(device):
        return Surrounding(name, OK, f"ptrace_scope is {scope}, and liveprobe has CAP_SYS_PTRACE")
    if scope == PARENTS:  # docs/hot-functions.md: "Who may look"
        let_in = "a program lets the sampler in by `import probe`, or by --copies on (the default)"
        return Surrounding(name, OK, f"ptrace_scope is {scope}: {let_in}")
    who, remedy = PTRACE.get(scope, PTRACE[NOBODY])
    return Surrounding(
        name, LIMITED, f"ptrace_scope is {scope}: {who} may look into a process", remedy
    )


def _may_trace(device: Device) -> bool:
    """Say whether this process may look into any that Yama has not closed to everybody."""
    status = read_text(device.path("/proc/self/status")) or ""
    found = re.search(r"^CapEff:\s*([0-9a-f]{1,16})$", status, re.MULTILINE)
    return found is not None and bool(int(found[1], 16) & SYS_PTRACE)


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


def _governor(inventory: Mapping[str, Any]) -> Surrounding:
    name, found = "frequency governor", inventory.get("governor")
    if found is None:
        return Surrounding(name, OK, "no cpufreq here: nothing changes the clock that can be seen")
    if found == STEADY_GOVERNOR:
        return Surrounding(name, OK, found)
    if inventory.get("clocks_held"):
        return Surrounding(name, OK, f"{found}, with one clock to choose from")
    jetson = str(inventory.get("soc")).startswith(TEGRA)
    return Surrounding(
        name,
        LIMITED,
        f"{found}: the clock follows the load, so short runs vary",
        f"{JETSON_CLOCKS if jetson else PERFORMANCE}, if the product runs so too",
    )


def _virtual(found: bool | None) -> Surrounding:
    name = "hardware"
    if found:
        reason = "a virtual machine: cores are shared, sensors are hidden"
        return Surrounding(name, LIMITED, reason, INSTEAD)
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
