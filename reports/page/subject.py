"""What does a report speak about? A Run and its verdict, freed of private words, in page units."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from reports.page.privacy import file_name, redacted_document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from probe.store import Run

NS = 1e9
MS_NS = 1e6


@dataclass(frozen=True)
class Subject:
    """A Run with its verdict. Moments are seconds from the start of the measured window."""

    run: Run
    manifest: Mapping[str, Any]
    verdict: Mapping[str, Any]

    @classmethod
    def of(cls, pair: tuple[Run, Mapping[str, Any]]) -> Subject:
        """Take the private words out of the manifest and the verdict."""
        run, verdict = pair
        manifest = redacted_document(dict(run.manifest))
        return cls(run, manifest, redacted_document(dict(verdict)))

    def part(self, *keys: str) -> dict[str, Any]:
        """Return a table inside the manifest, empty where it is null or absent."""
        found: Any = self.manifest
        for key in keys:
            found = (found or {}).get(key)
        return found if isinstance(found, dict) else {}

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What the program stated about itself."""
        return self.part("program", "facts")

    def fact(self, *keys: str) -> Any:  # noqa: ANN401  a JSON value
        """Return one stated fact, or None."""
        found: Any = self.facts
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found

    @property
    def mode(self) -> str:
        """live, generate or command."""
        return str(self.manifest.get("mode", "command"))

    @property
    def name(self) -> str:
        """The scenario's name, "custom" beside it where it was changed."""
        return str(self.part("scenario").get("name") or self.mode)

    @property
    def device(self) -> str:
        """The name of the board."""
        return str(self.part("device").get("name") or "an unnamed device")

    @cached_property
    def window_ns(self) -> tuple[int, int] | None:
        """Start and end of the measured window."""
        window = self.part("window")
        start, end = window.get("start_ns"), window.get("end_ns")
        return None if start is None or end is None else (int(start), int(end))

    @cached_property
    def origin_ns(self) -> int:
        """The moment that the page calls 0:00: the start of the window, else of the run."""
        if self.window_ns is not None:
            return self.window_ns[0]
        return int(self.part("clocks").get("start_monotonic_ns") or 0)

    @property
    def window_s(self) -> float | None:
        """Length of the measured window."""
        return None if self.window_ns is None else (self.window_ns[1] - self.window_ns[0]) / NS

    @property
    def length_s(self) -> float:
        """Length of what a time axis shows: the window, or the whole run without one."""
        if self.window_s is not None:
            return self.window_s
        clocks = self.part("clocks")
        start, end = clocks.get("start_monotonic_ns"), clocks.get("end_monotonic_ns")
        return 0.0 if start is None or end is None else (int(end) - int(start)) / NS

    def moment(self, t_ns: float) -> float:
        """Return a time as seconds from the origin."""
        return (t_ns - self.origin_ns) / NS

    @property
    def deadline_ms(self) -> float | None:
        """The deadline of a response."""
        found = self.verdict.get("deadline_ms")
        if found is not None:
            return float(found)
        stated = self.manifest.get("deadline_ns")
        return None if stated is None else int(stated) / MS_NS

    @property
    def source_fps(self) -> float | None:
        """The rate at which frames were offered."""
        stated = self.fact("source", "fps")
        return float(stated) if isinstance(stated, (int, float)) and stated > 0 else None

    @property
    def picture(self) -> str | None:
        """The source as ``720p30``, or ``641x479 at 23.98 fps`` where that is not common."""
        height, width, fps = (self.fact("source", key) for key in ("height", "width", "fps"))
        if not isinstance(height, int) or not isinstance(width, int):
            return None
        usual = width * 9 == height * 16 or width * 3 == height * 4
        size = f"{height}p" if usual else f"{width}x{height}"
        if not isinstance(fps, (int, float)):
            return size
        return f"{size}{fps:g}" if usual and float(fps).is_integer() else f"{size} at {fps:.4g} fps"

    @property
    def model(self) -> str | None:
        """The file name of the model, without its folder."""
        infer = self.part("scenario", "resolved", "stage", "infer")
        asked = infer.get("model")
        return file_name(str(asked)).removeprefix("builtin:") if asked else None
