"""What is the machine under test? Its inventory, read below its root without any privilege.

No serial number, host name or user name is read: what is in here goes into reports.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from probe.clock_ranges import held
from probe.devices.accelerators import accelerators, device_tree_list
from probe.devices.codecs import is_camera
from probe.devices.gpus import gpus
from probe.devices.power_mode import power_mode
from probe.devices.processors import clock_limits_hz, governors, processor
from probe.devices.virtual import DMI, virtualised
from probe.kernel_file import integer, matches, read_integer, read_text

if TYPE_CHECKING:
    from pathlib import Path

    from probe.model import Device

FILLERS: Final = frozenset(
    {"", "default string", "to be filled by o.e.m.", "system product name", "system version",
     "system manufacturer", "not specified", "not applicable", "none", "n/a", "o.e.m.", "unknown",
     "type1productconfigid", "product name", "invalid", "0", "1.0"}
)  # fmt: skip
"""What makers leave in DMI fields that they did not fill in."""
SERIAL: Final = re.compile(r"(?:[0-9a-f]{4,}-){2,}[0-9a-f]+|[0-9a-f]{12,}|\d{7,}", re.IGNORECASE)
"""A word like this is a serial number or an UUID that a maker put in the wrong field."""
TEGRA: Final = "nvidia,tegra"
NAME_LENGTH: Final = 40
SENSOR: Final = re.compile(r"(?:imx|ov|ar|gc|s5k|hi|sc|arducam)[0-9a-z_]*\d[0-9a-z_]*(?: |$)")
"""How the names of image sensors begin, such as `imx708_wide` and `ov5647 10-0036`."""


def inventory(device: Device) -> dict[str, Any]:
    """Return the device's entry in run.json; what the machine does not say is None.

    `name` is a short word for folders (`raspberry-pi-5`); `clock_limit_hz` has one number a cpufreq
    policy; `clocks_held` says that cores and GPU can have one clock alone (`jetson_clocks` sets
    them so), `power_mode` is a Jetson's; `accelerators` are those of `probe.devices.accelerators`,
    `gpus` the other ones of `probe.devices.gpus`; `cameras` and `displays` are names.
    """
    chip, board = processor(device), _board(device)
    virtual, found = virtualised(device), accelerators(device)
    return {
        "name": _name(board, chip.model, virtual=bool(virtual)),
        "board": board,
        "soc": _soc(device),
        "cpu": chip.model,
        "cores": chip.cores,
        "physical_cores": chip.physical,
        "cores_present": chip.present,
        "clock_limit_hz": clock_limits_hz(device),
        "memory_bytes": _memory_bytes(device),
        "os": _os(device),
        "kernel": read_text(device.path("/proc/sys/kernel/osrelease")),
        "governor": governors(device),
        "clocks_held": held(device),
        "power_mode": _power_mode(device),
        "clocksource": read_text(
            device.path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
        ),
        "virtualised": virtual,
        "accelerators": [dict(each) for each in found],
        "gpus": [dict(each) for each in gpus(device, {each["driver"] for each in found})],
        "cameras": _cameras(device),
        "displays": _displays(device),
    }


def _board(device: Device) -> str | None:
    """Return the board's model: of the device tree, else maker and product of DMI."""
    models = device_tree_list(device, "model")
    if models:
        return _words(models[0])
    folder = device.path(DMI)
    maker = _stated(folder / "sys_vendor")
    # Lenovo keeps its marketing name in the version and a part number in the name.
    order = ("product_version", "product_name") if maker == "LENOVO" else ("product_name",)
    product = next(filter(None, (_stated(folder / field) for field in order)), None)
    if product is None:
        maker, product = _stated(folder / "board_vendor"), _stated(folder / "board_name")
    if product is None:
        return None
    known = maker is None or product.lower().startswith(maker.lower())
    return product if known else f"{maker} {product}"


def _stated(file: Path) -> str | None:
    """Return what a DMI field says, None for a filler or what looks like a serial number."""
    words = _words(read_text(file) or "")
    if words is None or words.lower() in FILLERS or any(map(SERIAL.fullmatch, words.split())):
        return None
    return words


def _words(text: str) -> str | None:
    return " ".join(re.sub(r"[^\x20-\x7e]", " ", text).split())[:80] or None


def _power_mode(device: Device) -> str | None:
    """Return the mode of a Jetson; nobody else is asked."""
    if not any(each.startswith(TEGRA) for each in device_tree_list(device, "compatible")):
        return None
    mode: str | None = power_mode(device)["power_mode"]
    return mode


def _soc(device: Device) -> str | None:
    """Return the system-on-chip: the last, most general entry of the tree's `compatible`."""
    compatible = device_tree_list(device, "compatible")
    if compatible:
        return _words(compatible[-1])
    return _words(read_text(device.path("/sys/devices/soc0/soc_id")) or "")


def _memory_bytes(device: Device) -> int | None:
    found = re.search(
        r"^MemTotal:\s*(\d+) kB$", read_text(device.path("/proc/meminfo")) or "", re.MULTILINE
    )
    kibibytes = integer(found[1]) if found else None
    return None if kibibytes is None else kibibytes * 1024


def _os(device: Device) -> str | None:
    for place in ("/etc/os-release", "/usr/lib/os-release"):
        text = read_text(device.path(place)) or ""
        found = re.search(r"^PRETTY_NAME=[\"']?(.*?)[\"']?$", text, re.MULTILINE)
        if found:
            return _words(found[1])
    return None


def _cameras(device: Device) -> list[str]:
    """Return the names of the V4L2 devices that start a camera, and of sensors behind an ISP.

    Nodes of metadata, of codecs and of an ISP's stages are none; sensors are nodes of their own.
    """
    nodes = matches(device.path("/sys/class/video4linux"), "video*")
    first = [node for node in nodes if read_integer(node / "index") in {0, None}]
    sensors = matches(device.path("/sys/class/video4linux"), "v4l-subdev*")
    names = [words for node in first if (words := _words(read_text(node / "name") or ""))]
    behind = [words for node in sensors if (words := _words(read_text(node / "name") or ""))]
    return [
        *(name for name in names if is_camera(name)),
        *(name for name in behind if SENSOR.match(name)),
    ]


def _displays(device: Device) -> list[str]:
    """Return the connectors with a screen: `HDMI-A-1`."""
    connectors = matches(device.path("/sys/class/drm"), "card*-*")
    return [
        each.name.partition("-")[2]
        for each in connectors
        if read_text(each / "status") == "connected"
    ]


def _name(board: str | None, cpu: str | None, *, virtual: bool) -> str:
    """Return a short word for folders: the board without its revision, or what runs a machine."""
    if virtual:
        return _slug(f"vm {cpu or ''}")
    plain = re.sub(r"\b(?:rev(?:ision)?\.? ?[\d.]+|model b(?: plus)?|developer kit)\b", " ",
                   board or cpu or "linux", flags=re.IGNORECASE)  # fmt: skip
    return _slug(plain)


def _slug(text: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    while len(words) > NAME_LENGTH and "-" in words:
        words = words.rpartition("-")[0]
    return words[:NAME_LENGTH].strip("-") or "linux"
