from __future__ import annotations

import io
from dataclasses import dataclass

import pytest
from rich.console import Console

from probe.console.progress import Display, text
from probe.console.terminal import Terminal, harmless
from probe.course import Phase, Progress

S = 10**9
STORY = [
    *(Progress(Phase.COOLING, n * S, 300 * S, "soc 61.0 C, idle 40.0 C") for n in range(3)),
    *(Progress(Phase.SOAKING, n * S, 300 * S) for n in range(3)),
    *(Progress(Phase.LOADING, n * S, None) for n in range(2)),
    *(Progress(Phase.WARM_UP, n * S, 5 * S) for n in range(5)),
    *(Progress(Phase.MEASURING, n * S, 24 * S) for n in range(24)),
    Progress(Phase.DRAINING, 0, 2 * S),
    Progress(Phase.FINALISING, 0, None),
]


@dataclass(frozen=True)
class Watched(Terminal):
    """A terminal whose stderr is a text, watched by somebody or by nobody."""

    watched: bool = False

    @property
    def live(self) -> bool:
        return self.watched


def told(monkeypatch: pytest.MonkeyPatch, terminal: Watched) -> list[str]:
    """Return what is written for each progress of the story, a second apart."""
    clock = iter(range(10_000))
    monkeypatch.setattr("probe.console.progress.time.monotonic", lambda: float(next(clock)))
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal.watched, width=200, highlight=False)
    terminal.__dict__["console"] = console
    pieces = []
    with Display(terminal) as display:
        for progress in STORY:
            display(progress)
            pieces.append(stream.getvalue())
            stream.seek(0)
            stream.truncate()
    return pieces


def measuring(pieces: list[str]) -> list[str]:
    return [piece for piece, at in zip(pieces, STORY, strict=True) if at.phase is Phase.MEASURING]


@pytest.mark.parametrize("watched", [True, False])
def test_nothing_is_drawn_while_it_measures(monkeypatch: pytest.MonkeyPatch, watched: bool) -> None:
    first, *rest = measuring(told(monkeypatch, Watched(watched=watched)))
    assert "measuring for 24 s, quietly" in first
    assert set(rest) == {""}


def test_a_watcher_sees_the_warm_up_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "warm-up 3 of 5 s" in "".join(told(monkeypatch, Watched(watched=True)))


def test_a_log_has_a_line_for_each_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "".join(told(monkeypatch, Watched())).splitlines()
    assert [line.split()[0] for line in lines] == [phase.value for phase in Phase]


def test_plain_has_lines_every_ten_seconds_while_it_measures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = "".join(measuring(told(monkeypatch, Watched(progress="plain")))).splitlines()
    assert [line for line in lines if "of 24 s" in line] == lines
    assert len(lines) == 3


@pytest.mark.parametrize("terminal", [Watched(progress="off"), Watched(verbosity=-1, watched=True)])
def test_off_and_quiet_say_nothing(monkeypatch: pytest.MonkeyPatch, terminal: Watched) -> None:
    assert "".join(told(monkeypatch, terminal)) == ""


def test_a_progress_in_words() -> None:
    assert text(Progress(Phase.LOADING, 3 * S, None)) == "loading 3 s"
    assert text(Progress(Phase.WARM_UP, 3 * S, 5 * S)) == "warm-up 3 of 5 s"
    soak = Progress(Phase.SOAKING, 62 * S, 300 * S, "soc 61.2 C, moved +1.4 C a minute", (2, 5))
    assert text(soak) == "repeat 2 of 5: soak 62 of 300 s: soc 61.2 C, moved +1.4 C a minute"


def test_the_same_phase_of_the_next_repeat_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    terminal = Watched()
    terminal.__dict__["console"] = Console(file=stream, width=200, highlight=False)
    monkeypatch.setattr("probe.console.progress.time.monotonic", lambda: 0.0)
    with Display(terminal) as display:
        for repeat in ((1, 2), (1, 2), (2, 2)):
            display(Progress(Phase.MEASURING, 0, 3 * S, repeat=repeat))
    lines = stream.getvalue().splitlines()
    assert [line[:13] for line in lines] == ["repeat 1 of 2", "repeat 2 of 2"]


def test_what_is_harmless_stays_and_what_is_not_is_written_out() -> None:
    assert harmless("Größe 日本 [red]\n\tx") == "Größe 日本 [red]\n\tx"
    assert harmless("\x1b[2J\x07\x9b\udc80") == "\\x1b[2J\\x07\\x9b\\udc80"
