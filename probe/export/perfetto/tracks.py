"""Where do events stand? The tree of tracks below the program, in the schema's own messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = 1
LARGEST_ID: Final = 2**31 - 1
"""Process and thread ids are int32 in the schema."""
_UNITS: Final = {
    "ns": pb.CounterDescriptor.UNIT_TIME_NS,
    "bytes": pb.CounterDescriptor.UNIT_SIZE_BYTES,
    "count": pb.CounterDescriptor.UNIT_COUNT,
    "frames": pb.CounterDescriptor.UNIT_COUNT,
    "1": pb.CounterDescriptor.UNIT_COUNT,
}
_SIGNS: Final = {"celsius": "°C", "percent": "%", "hertz": "Hz", "watts": "W", "volts": "V"}


class Tracks:
    """Makes tracks and remembers their descriptions, in the order in which they are made.

    `pid` is the program's; without one (a damaged Run) tracks stand below a plain track.
    """

    def __init__(self, name: str, pid: int | None, labels: list[str]) -> None:
        self.descriptions: list[pb.TrackDescriptor] = []
        self._threads: dict[int, int] = {}
        self._pid = pid if isinstance(pid, int) and 0 < pid <= LARGEST_ID else None
        root = self._described(name, None)
        if self._pid is not None:
            root.ClearField("name")
            root.process.pid = self._pid
            root.process.process_name = clean(name)
            root.process.process_labels.extend(clean(label) for label in labels)

    def group(self, name: str) -> int:
        """Add a track that holds others, in the order in which they are made; return its uuid."""
        track = self._described(name, ROOT)
        track.child_ordering = pb.TrackDescriptor.ChildTracksOrdering.EXPLICIT
        return int(track.uuid)

    def line(self, name: str, parent: int = ROOT) -> int:
        """Add a track of slices or instants below `parent`; return its uuid."""
        track = self._described(name, parent)
        track.sibling_order_rank = len(self.descriptions)
        track.sibling_merge_behavior = (
            pb.TrackDescriptor.SiblingMergeBehavior.SIBLING_MERGE_BEHAVIOR_NONE
        )
        return int(track.uuid)

    def counter(self, name: str, unit: str | None, parent: int) -> int:
        """Add a track of numbers below `parent`; return its uuid. `unit` is a track's (or None)."""
        track = self._described(name, parent)
        track.sibling_order_rank = len(self.descriptions)
        if unit in _UNITS:
            track.counter.unit = _UNITS[unit]
        elif unit is None:
            track.counter.unit = pb.CounterDescriptor.UNIT_UNSPECIFIED
        else:
            track.counter.unit_name = clean(_SIGNS.get(unit, unit))
        return int(track.uuid)

    def thread(self, label: str) -> int | None:
        """Return the track of a thread of the program, named once; `label` is `name:tid`.

        None for other texts, and where the program is not known.
        """
        name, _, digits = label.rpartition(":")
        if self._pid is None or not (digits.isascii() and digits.isdigit()):
            return None
        tid = int(digits[:20])
        if not 0 < tid <= LARGEST_ID:
            return None
        if tid not in self._threads:
            track = self._described("", ROOT)
            track.ClearField("name")
            track.thread.pid = self._pid
            track.thread.tid = tid
            track.thread.thread_name = clean(name)
            self._threads[tid] = int(track.uuid)
        return self._threads[tid]

    def _described(self, name: str, parent: int | None) -> pb.TrackDescriptor:
        track = pb.TrackDescriptor(uuid=len(self.descriptions) + ROOT, name=clean(name))
        if parent is not None:
            track.parent_uuid = parent
        self.descriptions.append(track)
        return track


def clean(text: Any) -> str:  # noqa: ANN401 - a manifest may hold anything
    """Return text that UTF-8 can hold; a lone surrogate becomes `?`."""
    return str(text).encode("utf-8", "replace").decode("utf-8")


def units(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return the unit of each track that a collector of the Run declared."""
    return {
        str(track["name"]): str(track["unit"])
        for collector in manifest.get("collectors") or []
        for track in collector.get("tracks") or []
    }
