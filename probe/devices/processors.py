"""Which processor is it? Names of cores and clocks, from /proc/cpuinfo and the device tree."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from probe.kernel_file import matches, read_integer, read_text

if TYPE_CHECKING:
    from probe.model import Device

CPU: Final = "/sys/devices/system/cpu"
PRESENT: Final = re.compile(r"\d{1,5}(?:-\d{1,5})?(?:,\d{1,5}(?:-\d{1,5})?)*", re.ASCII)
ARM: Final = "0x41"
ARM_PARTS: Final = {
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1",
    "0xd0d": "Cortex-A77",
    "0xd40": "Neoverse-V1",
    "0xd41": "Cortex-A78",
    "0xd42": "Cortex-A78AE",
    "0xd44": "Cortex-X1",
    "0xd46": "Cortex-A510",
    "0xd47": "Cortex-A710",
    "0xd48": "Cortex-X2",
    "0xd49": "Neoverse-N2",
    "0xd4d": "Cortex-A715",
    "0xd4e": "Cortex-X3",
    "0xd4f": "Neoverse-V2",
    "0xd80": "Cortex-A520",
    "0xd81": "Cortex-A720",
    "0xd82": "Cortex-X4",
}
"""Part numbers of the main id register (Arm's technical reference manual of each core)."""


class Processor(NamedTuple):
    """The model in words (None: not said), its cores, and the cpuinfo flags.

    `cores` are those online as the kernel counts them, threads where there is SMT; `physical` are
    the cores below them (None: the kernel does not say, as on Arm); `present` counts those that are
    switched off as well.
    """

    model: str | None
    cores: int | None
    physical: int | None
    present: int | None
    flags: frozenset[str] | None


def processor(device: Device) -> Processor:
    """Read what /proc/cpuinfo says; serial numbers there are never looked at."""
    fields = _fields(read_text(device.path("/proc/cpuinfo"), 2**20) or "")
    flags = fields.get("flags")
    return Processor(
        _model(fields),
        len(fields.get("processor", ())) or None,
        _physical(fields),
        _present(device),
        frozenset(flags[0].split()) if flags else None,
    )


def governors(device: Device) -> str | None:
    """Return the governors of all cpufreq policies, such as `ondemand, powersave`."""
    policies = matches(device.path(f"{CPU}/cpufreq"), "policy*")
    found = [read_text(policy / "scaling_governor") for policy in policies]
    return ", ".join(dict.fromkeys(name for name in found if name)) or None


def clock_limits_hz(device: Device) -> list[int]:
    """Return the highest clock of each cpufreq policy that the hardware knows, in hertz."""
    policies = matches(device.path(f"{CPU}/cpufreq"), "policy*")
    found = [read_integer(policy / "cpuinfo_max_freq") for policy in policies]
    return [kilohertz * 1000 for kilohertz in found if kilohertz]


def _fields(cpuinfo: str) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for line in cpuinfo.splitlines():
        key, colon, value = line.partition(":")
        if colon and key.strip() in {
            "processor", "model name", "flags", "CPU implementer", "CPU part", "uarch", "isa",
            "physical id", "core id",
        }:  # fmt: skip
            fields.setdefault(key.strip(), []).append(value.strip())
    return fields


def _physical(fields: dict[str, list[str]]) -> int | None:
    """Count the cores by package and id; x86 alone writes them."""
    packages, cores = fields.get("physical id", []), fields.get("core id", [])
    alike = len(packages) == len(cores) == len(fields.get("processor", ()))
    return len(set(zip(packages, cores, strict=True))) or None if alike else None


def _present(device: Device) -> int | None:
    """Count the cores of a list such as `0-5,7`; None for what is no such list."""
    text = read_text(device.path(f"{CPU}/present")) or ""
    if not PRESENT.fullmatch(text):
        return None
    ends = [[int(end) for end in part.split("-")] for part in text.split(",")]
    return sum(max(0, part[-1] - part[0] + 1) for part in ends) or None


def _model(fields: dict[str, list[str]]) -> str | None:
    if fields.get("model name"):
        return _plain(fields["model name"][0])
    makers, parts = fields.get("CPU implementer", []), fields.get("CPU part", [])
    cores = Counter(
        ARM_PARTS.get(part.lower(), f"Arm part {part}") if maker == ARM else f"{maker} part {part}"
        for maker, part in zip(makers, parts, strict=False)
    )
    return " + ".join(f"{number}x {name}" for name, number in cores.items()) or None


def _plain(model: str) -> str | None:
    """Drop trade marks, the nominal clock and padding from an x86 model name."""
    words = re.sub(r"\((?:R|TM)\)|@.*$|\bCPU\b|\b\d+-Core\b|\bProcessor\b", " ", model)
    return " ".join(words.split()) or None
