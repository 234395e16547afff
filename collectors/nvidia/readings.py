"""Which questions is a GPU asked, and what do the answers mean in base units?

Meanings as of NVML's API reference. Answers beyond what they can mean (UINT32_MAX stands for
"unknown" in several) are None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from probe.celsius import believed

if TYPE_CHECKING:
    from collections.abc import Callable

    Line = tuple[str, str]
    Question = Callable[[Any, Any], Any]

MEGAHERTZ: Final = 1_000_000
KILOBYTE: Final = 1000
"""NVML says "KB/s" and not which; in doubt it is the smaller one."""
MOST_WATTS: Final = 20_000.0
UNKNOWN: Final = 2**32 - 1
MOST_HERTZ: Final = 100_000_000_000.0
WINDOW_NS: Final = 1_000_000_000
"""A utilisation is of a window of up to a second."""
PCIE_NS: Final = 2_000_000_000
"""A question for the bus's traffic waits for 20 ms."""
HELD: Final = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "thermal slowdown by software",
    0x40: "thermal slowdown by hardware",
    0x80: "power brake",
    0x200: "board limit",
    0x400: "reliability",
}
SET: Final = {0x2: "set clock", 0x10: "sync boost", 0x100: "display clock"}
"""Reasons that hold the clock down, by their bits (nvmlClocksEventReasons, and the two that only
nvmlClocksThrottleReasons has): what the GPU cannot do, and what somebody set (`nvidia-smi -lgc`, a
group of GPUs that wait for each other). Bit 0 says that the GPU idles: nothing holds it."""
REASONS: Final = {"nvidia.throttle": HELD, "nvidia.clock_setting": SET}


@dataclass(frozen=True)
class Reading:
    """A question, and the lines (track, what of the GPU) that its answer gives, in this order.

    `questions` are asked in turn until one is not refused for good.
    """

    lines: tuple[Line, ...]
    questions: tuple[Question, ...]
    tell: Callable[[Any], tuple[float | None, ...]]
    period_ns: int = 0


class Energy:
    """Joules since the first reading; nothing after a counter that went back (driver reloaded)."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._last = 0

    def __call__(self, millijoules: int) -> tuple[float | None]:
        """Return the joules."""
        if self._first is None:
            self._first = self._last = millijoules
        if millijoules < self._last:
            return (None,)
        self._last = millijoules
        return ((millijoules - self._first) / 1000,)


def readings() -> list[Reading]:
    """Return every reading of one GPU, with a state of its own."""
    return [
        Reading(
            (("nvidia.utilisation", ""), ("nvidia.memory_busy", "")),
            (lambda nvml, gpu: nvml.nvmlDeviceGetUtilizationRates(gpu),),
            lambda rates: (percent(rates.gpu), percent(rates.memory)),
            WINDOW_NS,
        ),
        *_engines(),
        Reading(
            (("nvidia.memory", ""),),
            (
                lambda nvml, gpu: nvml.nvmlDeviceGetMemoryInfo(gpu, version=nvml.nvmlMemory_v2),
                lambda nvml, gpu: nvml.nvmlDeviceGetMemoryInfo(gpu),
            ),
            lambda memory: (within(memory.used, memory.total),),
        ),
        *_clocks(),
        *_temperatures(),
        Reading(
            (("nvidia.power", ""),),
            (
                lambda nvml, gpu: field(nvml, gpu, nvml.NVML_FI_DEV_POWER_INSTANT).uiVal,
                lambda nvml, gpu: nvml.nvmlDeviceGetPowerUsage(gpu),
            ),
            lambda milliwatts: (within(milliwatts / 1000, MOST_WATTS),),
        ),
        Reading(
            (("nvidia.energy", ""),),
            (lambda nvml, gpu: nvml.nvmlDeviceGetTotalEnergyConsumption(gpu),),
            Energy(),
        ),
        Reading(
            tuple((track, name) for track, bits in REASONS.items() for name in bits.values()),
            (
                lambda nvml, gpu: nvml.nvmlDeviceGetCurrentClocksEventReasons(gpu),
                lambda nvml, gpu: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(gpu),
            ),
            held,
        ),
        *_traffic(),
    ]


def held(bits: int) -> tuple[float, ...]:
    """Return 1 for each of `REASONS` that holds the clock down, 0 for each that does not."""
    return tuple(float(bool(bits & bit)) for reasons in REASONS.values() for bit in reasons)


def percent(value: int) -> float | None:
    """Return a share, None for what is none."""
    return within(value, 100)


def within(value: float, most: float) -> float | None:
    """Return a value from 0 to the most that it can be, None beyond."""
    return float(value) if 0 <= value <= most else None


def field(nvml: Any, gpu: Any, number: int) -> Any:  # noqa: ANN401 - NVML's own types
    """Ask for one of NVML's fields; raises its error where that field is refused."""
    (answer,) = nvml.nvmlDeviceGetFieldValues(gpu, [number])
    if answer.nvmlReturn != nvml.NVML_SUCCESS:
        raise nvml.NVMLError(answer.nvmlReturn)
    return answer.value


def _engines() -> list[Reading]:
    engines: dict[str, Question] = {
        "encoder": lambda nvml, gpu: nvml.nvmlDeviceGetEncoderUtilization(gpu),
        "decoder": lambda nvml, gpu: nvml.nvmlDeviceGetDecoderUtilization(gpu),
        "jpeg": lambda nvml, gpu: nvml.nvmlDeviceGetJpgUtilization(gpu),
        "optical flow": lambda nvml, gpu: nvml.nvmlDeviceGetOfaUtilization(gpu),
    }
    return [
        Reading((("nvidia.engine", name),), (ask,), lambda said: (percent(said[0]),), WINDOW_NS)
        for name, ask in engines.items()
    ]


def _clocks() -> list[Reading]:
    clocks: dict[str, Question] = {
        "graphics": lambda nvml, gpu: nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_GRAPHICS),
        "sm": lambda nvml, gpu: nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_SM),
        "memory": lambda nvml, gpu: nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_MEM),
        "video": lambda nvml, gpu: nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_VIDEO),
    }
    return [
        Reading(
            (("nvidia.clock", name),), (ask,), lambda mhz: (within(mhz * MEGAHERTZ, MOST_HERTZ),)
        )
        for name, ask in clocks.items()
    ]


def _temperatures() -> list[Reading]:
    return [
        Reading(
            (("nvidia.temperature", ""),),
            (
                lambda nvml, gpu: nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU),
                lambda nvml, gpu: nvml.nvmlDeviceGetTemperatureV(gpu, nvml.NVML_TEMPERATURE_GPU),
            ),
            lambda said: (believed(said),),
        ),
        Reading(
            (("nvidia.temperature", "memory"),),
            (lambda nvml, gpu: field(nvml, gpu, nvml.NVML_FI_DEV_MEMORY_TEMP).uiVal,),
            lambda said: (believed(said) or None,),  # 0: this memory has no sensor
        ),
    ]


def _traffic() -> list[Reading]:
    ways: dict[str, Question] = {
        "sent": lambda nvml, gpu: nvml.nvmlDeviceGetPcieThroughput(
            gpu, nvml.NVML_PCIE_UTIL_TX_BYTES
        ),
        "received": lambda nvml, gpu: nvml.nvmlDeviceGetPcieThroughput(
            gpu, nvml.NVML_PCIE_UTIL_RX_BYTES
        ),
    }
    return [
        Reading((("nvidia.pcie", way),), (ask,), bytes_per_second, PCIE_NS)
        for way, ask in ways.items()
    ]


def bytes_per_second(kilobytes: int) -> tuple[float | None]:
    """Return what went over the bus; None for the sentinel of 32 bits."""
    return (None,) if kilobytes >= UNKNOWN else (float(kilobytes * KILOBYTE),)
