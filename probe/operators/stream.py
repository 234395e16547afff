"""Read a JSON array of objects piece by piece, also one that is damaged or has no end.

A profile can have a million events and hundreds of megabytes, and the program may have died while
it wrote: what is whole is yielded, the rest is counted.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from probe.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

CHUNK: Final = 2**20
LONGEST: Final = 2**20
"""Characters of one object; what has not ended by then is damaged."""
BETWEEN: Final = " \t\r\n,"
_DECODER: Final = json.JSONDecoder()


class Objects:
    """The objects of a file that is one JSON array; iterate once.

    `damaged` counts those that are no JSON; `whole` says whether the array's end was reached.
    Iterating raises `InputError` where there is no array, or nothing of it is JSON.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._text = ""
        self._at = 0
        self._over = False
        self.damaged = 0
        self.whole = False
        self._strange = False

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield each object."""
        none = True
        with self._file.open(encoding="utf-8", errors="replace") as stream:
            self._read(stream)
            if not self._text.lstrip().startswith("["):
                raise self._refused("not a list")
            self._at = self._text.index("[") + 1
            for found in self._objects(stream):
                none = False
                yield found
        if none and (self._strange or self.damaged):
            raise self._refused("not JSON")

    def _refused(self, why: str) -> InputError:
        return InputError(
            f"{self._file}: no profile of ONNX Runtime: {why}",
            remedy="give the file that InferenceSession.end_profiling() returned",
        )

    def _objects(self, stream: TextIO) -> Iterator[dict[str, Any]]:
        while True:
            self._skip(stream)
            if self._at >= len(self._text):
                return
            if self._text[self._at] == "]":
                self.whole = True
                return
            found = self._next(stream)
            if isinstance(found, dict):
                yield found

    def _next(self, stream: TextIO) -> Any:  # noqa: ANN401 - JSON
        """Return the next value; None for one that is damaged, which is passed over."""
        while True:
            try:
                found, self._at = _DECODER.raw_decode(self._text, self._at)
            except (ValueError, RecursionError):
                if not self._over and len(self._text) - self._at < LONGEST:
                    self._read(stream)
                    continue
                self._pass_over()
                return None
            return found

    def _skip(self, stream: TextIO) -> None:
        while True:
            while self._at < len(self._text) and self._text[self._at] in BETWEEN:
                self._at += 1
            if self._at < len(self._text) or self._over:
                return
            self._read(stream)

    def _pass_over(self) -> None:
        """Go on with the next line that begins an object; what was cut off by the end is none."""
        self._strange |= self._text[self._at] != "{"
        following = self._text.find("\n{", self._at + 1)
        ended = following < 0
        self.whole = ended and self._over and self._text.rstrip().endswith("]")
        self._at = len(self._text) if ended else following + 1
        self.damaged += self.whole or not (ended and self._over)

    def _read(self, stream: TextIO) -> None:
        more = stream.read(CHUNK)
        self._over = not more
        self._text = self._text[self._at :] + more
        self._at = 0
