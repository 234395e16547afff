"""Slices, instants and counters: columns of a table turned into the bytes of their packets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as pb

from probe.export.perfetto import packets
from probe.export.perfetto.packets import Piece, fixed, message, number, varying, width_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from probe.export.perfetto.packets import Bytes
    from probe.export.perfetto.words import Words

SEQUENCE: Final = 1
NEEDS_STATE: Final = int(pb.TracePacket.SEQ_NEEDS_INCREMENTAL_STATE)
_PACKET: Final = pb.Trace.PACKET_FIELD_NUMBER
_EVENT: Final = pb.TracePacket.TRACK_EVENT_FIELD_NUMBER
FLOW: Final = pb.TrackEvent.FLOW_IDS_FIELD_NUMBER
FLOW_ENDS: Final = pb.TrackEvent.TERMINATING_FLOW_IDS_FIELD_NUMBER


@dataclass(frozen=True)
class Column:
    """Numbers of a table with what is missing: `values` holds anything where not `present`.

    `text` marks numbers of interned texts. `flow` marks numbers of flows, which no reader sees: the
    field that holds them, `FLOW` or `FLOW_ENDS`.
    """

    values: NDArray[np.int64]
    present: NDArray[np.bool_]
    text: bool = False
    flow: int = 0

    @classmethod
    def of(cls, series: pd.Series[Any]) -> Column:
        """Take a nullable column of integers."""
        return cls(series.to_numpy(dtype=np.int64, na_value=0), series.notna().to_numpy(dtype=bool))

    @classmethod
    def words(cls, numbers: NDArray[np.int64]) -> Column:
        """Take numbers of interned texts, 0 for missing."""
        return cls(numbers, numbers > 0, text=True)

    @classmethod
    def flows(cls, series: pd.Series[Any]) -> Column:
        """Take a nullable column of frames or requests as the flows that follow them."""
        column = cls.of(series)
        return cls(column.values + 1, column.present, flow=FLOW)  # flow 0 is none


@dataclass(frozen=True)
class Line:
    """A track, its category, and the words that its events use."""

    track: int
    category: str
    words: Words

    def slices(
        self,
        names: NDArray[np.int64],
        starts: NDArray[np.int64],
        ends: NDArray[np.int64],
        said: dict[str, Column],
    ) -> Bytes:
        """Return a begin and an end for each row; rows stand in order and do not overlap.

        `names` are numbers of interned names; `said` are annotations by name, and flows.
        """
        widths = {"start": width_of(starts), "end": width_of(ends)}
        title = varying(pb.TrackEvent.NAME_IID_FIELD_NUMBER, "name", width_of(names))
        groups = []
        for places, columns, about in self._patterns(said):
            begin = self._event(pb.TrackEvent.TYPE_SLICE_BEGIN, title + about)
            end = self._event(pb.TrackEvent.TYPE_SLICE_END, [])
            pieces = [*_packet("start", widths, begin), *_packet("end", widths, end)]
            columns |= {"start": starts[places], "end": ends[places], "name": names[places]}
            groups.append((places, packets.Template(pieces).fill(columns)))
        return packets.interleaved(groups)

    def instants(
        self, names: NDArray[np.int64], times: NDArray[np.int64], said: dict[str, Column]
    ) -> Bytes:
        """Return an instant for each row; `names` and `said` are as those of slices."""
        widths = {"time": width_of(times), "name": width_of(names)}
        title = varying(pb.TrackEvent.NAME_IID_FIELD_NUMBER, "name", widths["name"])
        groups = []
        for places, columns, about in self._patterns(said):
            event = self._event(pb.TrackEvent.TYPE_INSTANT, title + about)
            columns |= {"time": times[places], "name": names[places]}
            template = packets.Template(_packet("time", widths, event))
            groups.append((places, template.fill(columns)))
        return packets.interleaved(groups)

    def _event(self, kind: int, parts: list[Piece]) -> list[Piece]:
        category = self.words.one("categories", self.category)
        return message(
            _EVENT,
            number(pb.TrackEvent.TYPE_FIELD_NUMBER, kind),
            number(pb.TrackEvent.TRACK_UUID_FIELD_NUMBER, self.track),
            number(pb.TrackEvent.CATEGORY_IIDS_FIELD_NUMBER, category),
            parts,
        )

    def _patterns(
        self, said: Mapping[str, Column]
    ) -> Iterator[tuple[NDArray[np.intp], dict[str, NDArray[Any]], list[Piece]]]:
        """Yield the rows that lack the same annotations: places, columns, pieces of an event."""
        present = np.column_stack([column.present for column in said.values()])
        codes = present @ (1 << np.arange(len(said)))
        for code in np.unique(codes):
            places = np.flatnonzero(codes == code)
            known = {name: c for k, (name, c) in enumerate(said.items()) if code >> k & 1}
            columns: dict[str, NDArray[Any]] = {n: c.values[places] for n, c in known.items()}
            about: list[Piece] = []
            for name, column in known.items():
                about += fixed(column.flow, name) if column.flow else self._annotation(name, column)
            yield places, columns, about

    def _annotation(self, name: str, column: Column) -> list[Piece]:
        annotation = pb.DebugAnnotation
        field = annotation.INT_VALUE_FIELD_NUMBER
        if column.text:
            field = annotation.STRING_VALUE_IID_FIELD_NUMBER
        title = self.words.one("annotations", name)
        return message(
            pb.TrackEvent.DEBUG_ANNOTATIONS_FIELD_NUMBER,
            number(annotation.NAME_IID_FIELD_NUMBER, title),
            varying(field, name, width_of(column.values)),
        )


def counts(track: int, times: NDArray[np.int64], values: NDArray[np.float64]) -> Bytes:
    """Return a packet of a counter for each row."""
    event = message(
        _EVENT,
        number(pb.TrackEvent.TYPE_FIELD_NUMBER, pb.TrackEvent.TYPE_COUNTER),
        number(pb.TrackEvent.TRACK_UUID_FIELD_NUMBER, track),
        fixed(pb.TrackEvent.DOUBLE_COUNTER_VALUE_FIELD_NUMBER, "value"),
    )
    template = packets.Template(_packet("time", {"time": width_of(times)}, event))
    return template.fill({"time": times, "value": values}).reshape(-1)


def _packet(time: str, widths: Mapping[str, int], event: list[Piece]) -> list[Piece]:
    packet = pb.TracePacket
    return message(
        _PACKET,
        varying(packet.TIMESTAMP_FIELD_NUMBER, time, widths[time]),
        number(packet.TRUSTED_PACKET_SEQUENCE_ID_FIELD_NUMBER, SEQUENCE),
        number(packet.SEQUENCE_FLAGS_FIELD_NUMBER, NEEDS_STATE),
        event,
    )
