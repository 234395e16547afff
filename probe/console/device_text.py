"""What is the device? Its inventory as lines, one thing a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from probe.console import reading_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAMES: Final = 18
WITH_HAT: Final = "Raspberry Pi 5"
NO_HAT: Final = (
    "; a HAT that is fitted and not here: look at its ribbon cable, at `lspci`, and for "
    "dtparam=pciex1 in /boot/firmware/config.txt"
)
"""What keeps a HAT from being seen (Raspberry Pi: documentation of the PCIe connector)."""


def head(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the device's name, and where the answer is of a captured tree."""
    device = document["device"]
    yield f"{device['name']}: {listed(device['board'], device['soc']) or 'board not stated'}"
    if document["tree"] is not None:
        pid = document["program_pid"]
        has = f"its program is process {pid}" if pid else "it has no program"
        yield f"  a captured tree, not this machine: {document['tree']}; {has}"
    leaving = document["leaving_tree"]
    if leaving:
        many = "1 link leads" if len(leaving) == 1 else f"{len(leaving)} links lead"
        yield f"  {many} out of the tree, to this machine: {leaving[0]} ..."


def inventory(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the parts, the system and the codecs."""
    device, codecs = document["device"], document["codecs"]
    yield from _system(device)
    for each in device["accelerators"]:
        yield _line("accelerator", accelerator(each))
    if not device["accelerators"]:
        hat = NO_HAT if str(device["board"]).startswith(WITH_HAT) else ""
        yield _line("accelerators", f"none seen{hat}")
    for each in device["gpus"]:
        yield _line("GPU", gpu(each))
    for name in ("cameras", "displays"):
        yield _line(name, ", ".join(device[name]) or "none seen")
    hardware = [f"{each['name']}: {each['does']}" for each in codecs["hardware"]]
    yield _line("codecs (inferred)", "; ".join(hardware) or "no hardware codec seen")
    if codecs["pyav"]:
        yield _line("codecs of PyAV", pyav(codecs["pyav"]))


def accelerator(part: Mapping[str, Any]) -> str:
    """Return an accelerator in words, with what its driver needs where it has none."""
    if part["driver"] is None:
        return f"{part['name']}: no driver; {part['remedy'] or 'none is known here'}"
    driver = listed(part["driver"], part["version"], between=" ")
    firmware = f"firmware {part['firmware']}" if part["firmware"] else None
    memory = None
    if part["sram_bytes"] is not None:
        memory = f"{part['sram_bytes'] / 1e6:.1f} MB on the chip ({part['sram_source']})"
    words = listed(f"driver {driver}", firmware, part["node"], part["link"], memory)
    return f"{part['name']}: {words}"


def gpu(part: Mapping[str, Any]) -> str:
    """Return a GPU in words: what it is, as far as sysfs says, and who drives it."""
    called = listed(part["name"], part["chip"]) or "not named"
    return f"{called}: {listed('driver ' + part['driver'], part['node'])}"


def pyav(found: Mapping[str, Any]) -> str:
    """Return what PyAV brings, in words."""
    ways = sorted({name.rpartition("_")[2] for name in found["hardware"]})
    compiled = ", ".join(ways) or "none"
    kinds = ", ".join(found["hwaccel"]) or "none"
    return (
        f"{found['version']}: {', '.join(found['software'])}; compiled in, be the hardware here or "
        f"not: {compiled}; kinds of device: {kinds}"
    )


def cores(device: Mapping[str, Any]) -> str | None:
    """Return `8 cores, 16 threads`, or `7 of 8 cores online`."""
    online, physical, present = (
        device[name] for name in ("cores", "physical_cores", "cores_present")
    )
    if not online:
        return None
    threads = physical is not None and physical < online
    name = "threads" if threads else "core" if max(online, present or 0) == 1 else "cores"
    count = f"{online} of {present} {name} online" if (present or 0) > online else (
        f"{online} {name}")  # fmt: skip
    if not threads:
        return count
    return f"{physical} {'core' if physical == 1 else 'cores'}, {count}"


def listed(*words: str | None, between: str = ", ") -> str:
    """Return the words that there are."""
    return between.join(word for word in words if word)


def _system(device: Mapping[str, Any]) -> Iterator[str]:
    clocks = sorted({f"{hertz / 1e9:.2f} GHz" for hertz in device["clock_limit_hz"]})
    words = listed(device["cpu"], cores(device), ", ".join(clocks))
    yield _line("processor", words or "not stated")
    memory = device["memory_bytes"]
    yield _line("memory", _memory(memory) if memory else "not stated")
    kernel = f"Linux {device['kernel']}" if device["kernel"] else None
    virtual = "a virtual machine" if device["virtualised"] else None
    yield _line("system", listed(device["os"], kernel, virtual) or "not stated")
    held = "clocks held" if device["clocks_held"] else None
    yield _line("governor", listed(device["governor"] or "no cpufreq", held))
    if device["power_mode"]:
        yield _line("power mode", device["power_mode"])


def _memory(count: int) -> str:
    """Return it as the report says it, and as it is sold."""
    return f"{reading_text.size(count)} ({count / 2**30:.1f} GiB)"


def _line(name: str, value: str) -> str:
    return f"  {name:<{NAMES}} {value}"
