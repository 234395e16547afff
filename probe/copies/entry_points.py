"""Who is inside a library at a moment? Its hooked entry points, the threads in them, their stages.

An entry point belongs to the library that implements it, known by the name of its file: `sws_*` to
libswscale, `avcodec_*` to libavcodec, `OrtRun` to ONNX Runtime. An event happens in a library when
its native caller, the module of its site, is a file of that name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe.copies.methods import METHODS
from probe.copies.records import groups

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from probe.copies.records import Copies, Entries

LIBRARIES: Final = {"sws_": "swscale", "avcodec_": "avcodec", "Ort": "onnxruntime"}
"""Libraries that have workers: the beginning of an entry point's name, and of the file name of its
library after "lib". libavutil has none: what it copies on another thread is somebody else's."""
NO_LIBRARY: Final = -1
CODECS: Final = list(LIBRARIES).index("avcodec_")
"""The library whose workers go on when its calls have returned."""
STAGES: Final = {
    "VIDIOC_DQBUF": "capture",
    "avcodec_send_packet": "decode",
    "avcodec_receive_frame": "decode",
    "sws_scale": "preprocess",
    "sws_scale_frame": "preprocess",
    "OrtRun": "infer",
    "avcodec_send_frame": "encode",
    "avcodec_receive_packet": "encode",
    "eglSwapBuffers": "render",
}
"""What a black box is at while it is inside an entry point."""
RECEIVE_FRAME: Final = next(
    number for number, method in METHODS.items() if method.name == "avcodec_receive_frame"
)
SCALERS: Final = [
    number for number, method in METHODS.items() if method.name in {"sws_scale", "sws_scale_frame"}
]


def _library_of(method: str) -> int:
    return next(
        (number for number, begin in enumerate(LIBRARIES) if method.startswith(begin)), NO_LIBRARY
    )


LIBRARY_OF_METHOD: Final = np.full(2**16, NO_LIBRARY, dtype=np.int8)
for _number, _method in METHODS.items():
    LIBRARY_OF_METHOD[_number] = _library_of(_method.name)


def library_of_module(path: str) -> int:
    """Return the number of the library (in `LIBRARIES`) that a file is; `NO_LIBRARY` for others."""
    name = path.rpartition("/")[2].removeprefix("lib")
    return next(
        (number for number, begin in enumerate(LIBRARIES.values()) if name.startswith(begin)),
        NO_LIBRARY,
    )


class Lives:
    """Intervals [start, end): how many hold a moment?"""

    def __init__(self, start: NDArray[np.int64], end: NDArray[np.int64]) -> None:
        self._begun, self._ended = np.sort(start), np.sort(end)

    def count(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many hold each time."""
        return np.searchsorted(self._begun, times, "right") - np.searchsorted(
            self._ended, times, "right"
        )

    def any(self, start: int, end: int) -> bool:
        """Say whether one of them has a moment in [start, end)."""
        return bool(
            np.searchsorted(self._begun, end) > np.searchsorted(self._ended, start, "right")
        )


class Inside(Lives):
    """Calls of one library's entry points: when exactly one thread is inside, which call is it?

    `number`, `thread`, `start` and `end` have one entry a call; calls of a thread inside its own
    calls count as one, the outermost. A moment t is inside [start, end).
    """

    def __init__(
        self,
        number: NDArray[np.int64],
        thread: NDArray[Any],
        start: NDArray[np.int64],
        end: NDArray[np.int64],
    ) -> None:
        outermost = np.array(list(_outermost(thread, start, end)), dtype=np.int64)
        number, begun, ended = number[outermost], start[outermost], end[outermost]
        super().__init__(begun, ended)
        by_start, by_end = np.argsort(begun, kind="stable"), np.argsort(ended, kind="stable")
        # Of the calls begun less those ended one is left: so is its number of the sums of numbers.
        self._begun_sum = np.concatenate(([0], np.cumsum(number[by_start])))
        self._ended_sum = np.concatenate(([0], np.cumsum(number[by_end])))

    def only(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of the call that the only thread inside made; -1 for none or more."""
        begun = np.searchsorted(self._begun, times, "right")
        ended = np.searchsorted(self._ended, times, "right")
        return np.where(begun - ended == 1, self._begun_sum[begun] - self._ended_sum[ended], -1)


def _outermost(
    thread: NDArray[Any], start: NDArray[np.int64], end: NDArray[np.int64]
) -> Iterator[int]:
    """Yield the calls that begin in no other call of their thread."""
    order = np.lexsort((-end, start, thread))
    last, until = None, 0
    columns = (thread[order].tolist(), start[order].tolist(), end[order].tolist())
    for number, who, begin, finish in zip(order.tolist(), *columns, strict=True):
        if begin < finish and (who != last or begin >= until):
            yield number
            last, until = who, finish


class Calls:
    """Every call of an entry point, also of those that count their own bytes as a copy.

    `counts` marks calls of those whose library has workers that move these bytes: of the ones that
    are hooked the scalers alone.
    """

    def __init__(self, copies: Copies, entries: Entries) -> None:
        counting = np.flatnonzero(LIBRARY_OF_METHOD[copies.method] != NO_LIBRARY)
        own = copies.rows(counting)
        self.tape = np.concatenate((entries.tape, own.tape))
        self.method = np.concatenate((entries.method, own.method))
        self.start = np.concatenate((entries.start, own.start))
        self.end = np.concatenate((entries.end, own.end))
        self._handle = np.concatenate((entries.handle, np.zeros_like(own.start)))
        self.counts = np.isin(self.method, SCALERS)

    def chosen(self, numbers: NDArray[Any]) -> Inside:
        """Return who is inside the chosen calls (row numbers)."""
        return Inside(numbers, self.tape[numbers], self.start[numbers], self.end[numbers])

    def codecs(self, process: NDArray[np.int64]) -> dict[int, Lives]:
        """Return the codecs that are open, by process: from first to last call of each."""
        rows = np.flatnonzero(LIBRARY_OF_METHOD[self.method] == CODECS)
        return {
            pid: Lives(*self._lives(rows[mine])) for pid, mine in groups(process[self.tape[rows]])
        }

    def _lives(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        codecs = [rows[mine] for _, mine in groups(self._handle[rows])]
        start = [int(self.start[each].min()) for each in codecs]
        end = [int(self.end[each].max()) for each in codecs]
        return np.array(start, dtype=np.int64), np.array(end, dtype=np.int64)

    def stages(self, names: Iterable[str]) -> NDArray[np.int64]:
        """Return for each call the place in `names` of what a black box is at; -1 for none."""
        place = {name: number for number, name in enumerate(names)}
        stage_of = np.full(2**16, -1, dtype=np.int64)
        for number, method in METHODS.items():
            stage_of[number] = place.get(STAGES.get(method.name, ""), -1)
        return stage_of[self.method]
