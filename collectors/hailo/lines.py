"""Which lines of which tracks does a report of HailoRT give?"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from probe.labels import nth
from probe.model import Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from collectors.hailo.messages import Document, Queue

OTHER: Final = " (other program)"
UNNAMED: Final = "Hailo"


def samples(document: Document, *, other: bool = False) -> Iterator[Sample]:
    """Yield every line once; a second chip or stream of one name becomes `#2`."""
    suffix = OTHER if other else ""
    seen: Counter[tuple[str, str]] = Counter()
    for track, label, value in _values(document):
        full = f"{label}{suffix}"
        seen[track, full] += 1
        yield Sample(track, nth(full, seen[track, full]), value)


def capacities(document: Document) -> dict[str, int]:
    """Return for how many frames each queue has room, by its label."""
    return {_label(each): each.capacity for each in document.queues if each.capacity is not None}


def _values(document: Document) -> Iterable[tuple[str, str, float | None]]:
    for chip in sorted(document.devices, key=lambda each: each.address):
        yield "hailo.occupancy", chip.architecture or UNNAMED, chip.occupancy
    for model in document.models:
        yield "hailo.model_occupancy", model.name, model.occupancy
        yield "hailo.model_rate", model.name, model.rate
    for queue in document.queues:
        yield "hailo.queue", _label(queue), queue.mean
        yield "hailo.queue_longest", _label(queue), queue.longest


def _label(queue: Queue) -> str:
    """Return `yolov8s/input_layer1 H2D`; a stream's name mostly begins with its model's."""
    named = queue.stream.startswith(queue.model)
    stream = queue.stream if named else f"{queue.model} {queue.stream}"
    return f"{stream} {'H2D' if queue.into_chip else 'D2H'}"
