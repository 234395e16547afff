"""How much of the GPUs do the program's processes use, as far as the driver says?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from collectors.nvidia.library import Nvml, Refusal
from collectors.nvidia.readings import WINDOW_NS, percent, within
from probe.model import Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from collectors.nvidia.gpus import Gpu
    from collectors.nvidia.readings import Question
    from probe.family import Family

BUSY: Final = "nvidia.process"
MEMORY: Final = "nvidia.process_memory"
EARLY_NS: Final = 125_000_000
MOST_BYTES: Final = 2**50
"""No GPU has a pebibyte; the sentinel of 64 bits is beyond."""
LISTS: Final[tuple[Question, ...]] = (
    lambda nvml, gpu: nvml.nvmlDeviceGetComputeRunningProcesses(gpu),
    lambda nvml, gpu: nvml.nvmlDeviceGetGraphicsRunningProcesses(gpu),
)


class Processes:
    """Busy time and memory by process, once a second; labels are `name:pid on <GPU>`."""

    def __init__(self, nvml: Nvml, gpus: Sequence[Gpu], family: Family) -> None:
        self._nvml = nvml
        self._family = family
        self._asked_ns: int | None = None
        self.refused: dict[str, Refusal] = {}
        self._seen_us: dict[int, int] = {}
        self._busy = [(k, gpu) for k, gpu in enumerate(gpus) if self._tells_busy(k, gpu)]
        self._memory = [gpu for gpu in gpus if self._tells_memory(gpu)]

    @property
    def tracks(self) -> set[str]:
        """What at least one GPU tells."""
        return {track for track, told in ((BUSY, self._busy), (MEMORY, self._memory)) if told}

    def read(self, t_ns: int) -> Iterator[Sample]:
        """Yield what the driver knows of the program's processes; others are none of ours."""
        if self._asked_ns is not None and t_ns - self._asked_ns < WINDOW_NS - EARLY_NS:
            return
        self._asked_ns = t_ns
        labels = {member.pid: member.label for member in self._family.members(t_ns)}
        for k, gpu in self._busy:
            for pid, value in busy_by_process(self._samples(k, gpu)).items():
                if pid in labels:
                    yield Sample(BUSY, f"{labels[pid]} on {gpu.label}", value)
        for gpu in self._memory:
            for pid, taken in memory_by_process(_listed(gpu)).items():
                if pid in labels:
                    yield Sample(MEMORY, f"{labels[pid]} on {gpu.label}", taken)

    def _tells_busy(self, k: int, gpu: Gpu) -> bool:
        """Ask once: what happened before is left, and who is refused is not asked again."""
        self._seen_us[k] = 0
        answer = self._ask(k, gpu)
        if isinstance(answer, Refusal):
            if answer.for_good:
                self.refused[BUSY] = answer
            return not answer.for_good
        self._since(k, answer)
        return True

    def _tells_memory(self, gpu: Gpu) -> bool:
        answers = [gpu.ask(question) for question in LISTS]
        refused = [each for each in answers if isinstance(each, Refusal) and each.for_good]
        if len(refused) == len(answers):
            self.refused[MEMORY] = refused[0]
            return False
        return True

    def _ask(self, k: int, gpu: Gpu) -> Any:  # noqa: ANN401 - NVML's answer
        since = self._seen_us[k]
        return gpu.ask(lambda nvml, handle: nvml.nvmlDeviceGetProcessUtilization(handle, since))

    def _samples(self, k: int, gpu: Gpu) -> Iterable[Any]:
        """Return the driver's samples since the last question; a refusal means that it has none."""
        answer = () if gpu.lost else self._ask(k, gpu)
        return () if isinstance(answer, Refusal) else self._since(k, answer)

    def _since(self, k: int, answer: Iterable[Any]) -> list[Any]:
        """Return what is new; the times are the driver's own, in microseconds."""
        samples = [each for each in answer if each.timeStamp > self._seen_us[k]]
        self._seen_us[k] = max((each.timeStamp for each in samples), default=self._seen_us[k])
        return samples


def busy_by_process(samples: Iterable[Any]) -> Mapping[int, float | None]:
    """Return pid to the mean of its samples in percent; None where none of them is a share."""
    shares: dict[int, list[float | None]] = {}
    for each in samples:
        shares.setdefault(int(each.pid), []).append(percent(each.smUtil))
    means = {}
    for pid, values in shares.items():
        known = [value for value in values if value is not None]
        means[pid] = sum(known) / len(known) if known else None
    return means


def memory_by_process(listed: Iterable[Any]) -> Mapping[int, float | None]:
    """Return pid to bytes; a process that both computes and draws is listed twice, with the same.

    None where the driver does not say how much.
    """
    taken: dict[int, float | None] = {}
    for each in listed:
        said = each.usedGpuMemory
        value = None if said is None else within(said, MOST_BYTES)
        before = taken.get(int(each.pid))
        taken[int(each.pid)] = value if before is None or value is None else max(before, value)
    return taken


def _listed(gpu: Gpu) -> Iterator[Any]:
    for question in LISTS if not gpu.lost else ():
        answer = gpu.ask(question)
        if not isinstance(answer, Refusal):
            yield from answer
