"""Which GPUs are there, what does each tell, and is it still there?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from collectors.nvidia.library import Nvml, Refusal
from collectors.nvidia.readings import Reading, readings
from probe.errors import NoData
from probe.labels import numbered
from probe.model import Notice, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from collectors.nvidia.readings import Question

EARLY_NS: Final = 125_000_000
"""A call may come earlier than its period says, by half of the collector's own."""


@dataclass
class _Kept:
    """A reading that this GPU answers: by which question, and when it was asked last."""

    reading: Reading
    question: Question
    asked_ns: int | None = None

    def is_due(self, t_ns: int) -> bool:
        return self.asked_ns is None or t_ns - self.asked_ns >= self.reading.period_ns - EARLY_NS


class Gpu:
    """A GPU, or an instance of one that is partitioned (MIG).

    `refused` is why it does not tell a track, `tracks` what it tells.
    """

    def __init__(self, nvml: Nvml, handle: Any, label: str) -> None:  # noqa: ANN401 - NVML's
        self.handle = handle
        self.label = label
        self.lost = False
        self.refused: dict[str, Refusal] = {}
        self._refused_lines: dict[str, str] = {}
        self._nvml = nvml
        self._kept = [kept for kept in map(self._try, readings()) if kept is not None]
        for track in self.tracks:
            self.refused.pop(track, None)

    @property
    def tracks(self) -> set[str]:
        """The tracks of which it tells at least one line."""
        return {track for kept in self._kept for track, _ in kept.reading.lines}

    def ask(self, question: Question) -> Any:  # noqa: ANN401 - NVML's answer
        """Ask of this GPU; returns a `Refusal` where there is no answer."""
        return self._nvml.ask(lambda nvml: question(nvml, self.handle))

    def read(self, t_ns: int) -> Iterator[Sample | Notice]:
        """Yield what is due; null where there was no answer, and for all once the GPU is lost."""
        for kept in self._kept:
            if not kept.is_due(t_ns):
                continue
            kept.asked_ns = t_ns
            answer = Refusal("", "") if self.lost else self.ask(kept.question)
            if isinstance(answer, Refusal):
                if answer.gone:
                    self.lost = True
                    yield Notice(f"{self.label}: {answer.text}", {"gpu": self.label})
                values: tuple[float | None, ...] = (None,) * len(kept.reading.lines)
            else:
                values = kept.reading.tell(answer)
            for (track, part), value in zip(kept.reading.lines, values, strict=True):
                yield Sample(track, f"{self.label} {part}".rstrip(), value)

    def facts(self) -> dict[str, Any]:
        """Return JSON of what it is, None where it does not say; never its serial number."""
        memory = self._fact(lambda nvml, gpu: nvml.nvmlDeviceGetMemoryInfo(gpu))
        limit = self._fact(lambda nvml, gpu: nvml.nvmlDeviceGetEnforcedPowerLimit(gpu))
        highest = self._fact(
            lambda nvml, gpu: nvml.nvmlDeviceGetMaxClockInfo(gpu, nvml.NVML_CLOCK_SM)
        )
        return {
            "label": self.label,
            "memory_bytes": None if memory is None else memory.total,
            "power_limit_watts": None if limit is None else limit / 1000,
            "max_sm_clock_hertz": None if highest is None else highest * 1_000_000,
            "pcie_generation": self._fact(
                lambda nvml, gpu: nvml.nvmlDeviceGetCurrPcieLinkGeneration(gpu)
            ),
            "pcie_lanes": self._fact(lambda nvml, gpu: nvml.nvmlDeviceGetCurrPcieLinkWidth(gpu)),
            "refused": self._refused_lines,
        }

    def _fact(self, question: Question) -> Any:  # noqa: ANN401 - NVML's answer
        return self._nvml.fact(lambda nvml: question(nvml, self.handle))

    def _try(self, reading: Reading) -> _Kept | None:
        """Find the question that this GPU answers; what it refuses for good is not asked again."""
        for question in reading.questions:
            answer = self.ask(question)
            if not isinstance(answer, Refusal) or not answer.for_good:
                return _Kept(reading, question)
            for track, part in reading.lines:
                self.refused.setdefault(track, answer)
                self._refused_lines.setdefault(f"{track} {part}".rstrip(), answer.text)
        return None


def gpus(nvml: Nvml) -> list[Gpu]:
    """Return all GPUs, and the instances of those that are partitioned; `NoData` without any."""
    count = nvml.ask(lambda pynvml: pynvml.nvmlDeviceGetCount())
    if isinstance(count, Refusal):
        raise NoData(f"NVML: {count.text}", remedy=count.remedy)
    handles = [nvml.ask(_numbered("nvmlDeviceGetHandleByIndex", k)) for k in range(count)]
    answering = [handle for handle in handles if not isinstance(handle, Refusal)]
    if not answering:
        said = ", ".join(sorted({each.text for each in handles if isinstance(each, Refusal)}))
        raise NoData(
            f"NVML lists {count} GPUs{': ' if said else ''}{said}",
            remedy="try `nvidia-smi`; a GPU that is lost comes back after a reboot",
        )
    everything = [each for handle in answering for each in (handle, *_instances(nvml, handle))]
    labels = _labels([_name(nvml, handle) for handle in everything])
    return [Gpu(nvml, handle, label) for handle, label in zip(everything, labels, strict=True)]


def _instances(nvml: Nvml, handle: Any) -> list[Any]:  # noqa: ANN401 - NVML's handle
    """Return the instances of a GPU that is partitioned now."""
    mode = nvml.fact(lambda pynvml: pynvml.nvmlDeviceGetMigMode(handle))
    if mode is None or mode[0] != 1:
        return []
    most = nvml.fact(lambda pynvml: pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)) or 0
    asked = [
        nvml.fact(_numbered("nvmlDeviceGetMigDeviceHandleByIndex", handle, k)) for k in range(most)
    ]
    return [instance for instance in asked if instance is not None]


def _name(nvml: Nvml, handle: Any) -> tuple[str, str]:  # noqa: ANN401 - NVML's handle
    """Return a GPU's name and its PCI slot, as text."""
    name = nvml.fact(lambda pynvml: pynvml.nvmlDeviceGetName(handle)) or "NVIDIA GPU"
    slot = nvml.fact(lambda pynvml: pynvml.nvmlDeviceGetPciInfo(handle).busId) or ""
    return _text(name), _text(slot)


def _labels(named: list[tuple[str, str]]) -> list[str]:
    """Return the names; with the slot where several have one, numbered where that is not enough."""
    several = Counter(name for name, _ in named)
    return numbered(f"{name} {slot}".strip() if several[name] > 1 else name for name, slot in named)


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _numbered(function: str, *arguments: Any) -> Callable[[Any], Any]:
    return lambda pynvml: getattr(pynvml, function)(*arguments)
