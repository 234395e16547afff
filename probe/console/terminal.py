"""What a verb says: its result on stdout, everything else on stderr."""

from __future__ import annotations

import functools
import json
import os
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import click

from probe.console import device_root
from probe.errors import EnvironmentUnmet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.console import Console

P = ParamSpec("P")
R = TypeVar("R")

PROGRESS: Final = ("auto", "plain", "off")
_CONTROL: Final = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))}
"""Control characters could repaint the terminal: names in scenarios and Runs are foreign text."""


@dataclass(frozen=True)
class Terminal:
    """How much is said and where: `verbosity` is -1 quiet, 0, or 1 verbose."""

    json: bool = False
    verbosity: int = 0
    color: bool = True
    progress: str = "auto"

    def result(self, text: str, document: Mapping[str, Any]) -> None:
        """Print the result: with ``--json`` the document, else the text. Once a command."""
        said = json.dumps(document, indent=1, allow_nan=False) if self.json else harmless(text)
        if not said:
            return
        try:
            click.echo(said)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise EnvironmentUnmet(
                f"stdout: cannot be written: {error.strerror or error}",
                remedy="send it to a place with room",
            ) from error

    def say(self, text: str) -> None:
        """Say on stderr what happens, unless quiet."""
        if self.verbosity >= 0:
            self._print(text, "")

    def detail(self, text: str) -> None:
        """Say on stderr what only ``--verbose`` asks for."""
        if self.verbosity > 0:
            self._print(text, "dim")

    def error(self, text: str, details: tuple[str, ...] = (), remedy: str | None = None) -> None:
        """Say on stderr what went wrong, where, and what to do."""
        self._print(f"error: {text}", "bold red")
        for line in details:
            self._print(f"  {line}", "")
        if remedy:
            self._print(f"what to do: {remedy}", "")

    @functools.cached_property
    def console(self) -> Console:
        """The console on stderr; rich is imported when somebody first speaks."""
        from rich.console import Console

        plain = True if not self.color or os.environ.get("NO_COLOR") else None
        return Console(stderr=True, no_color=plain, highlight=False, markup=False, emoji=False)

    @property
    def width(self) -> int | None:
        """How many characters a line of stdout has (COLUMNS says otherwise); None for a file."""
        return shutil.get_terminal_size((0, 0)).columns or None

    @property
    def live(self) -> bool:
        """Say whether somebody watches, so that a line may be redrawn."""
        return sys.stderr.isatty() and not os.environ.get("CI")

    def _print(self, text: str, style: str) -> None:
        self.console.print(harmless(text), style=style or None, soft_wrap=True)


def harmless(text: str) -> str:
    """Return text with control characters written out, and what is no Unicode replaced."""
    return text.translate(_CONTROL).encode("utf-8", "backslashreplace").decode("utf-8")


def speaking(verb: Callable[..., R]) -> Callable[..., R]:
    """Give a verb the options that all have, and pass them to it as `terminal`."""

    @functools.wraps(verb)
    def speaker(
        *arguments: Any,
        as_json: bool,
        quiet: bool,
        verbose: bool,
        color: bool,
        progress: str,
        **options: Any,
    ) -> R:
        level = -1 if quiet else int(verbose)
        terminal = Terminal(as_json, level, color, progress)
        device_root.check(terminal)
        return verb(*arguments, terminal=terminal, **options)

    for option in reversed(_OPTIONS):
        speaker = option(speaker)
    return speaker


_OPTIONS: Final = (
    click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout."),
    click.option("-q", "--quiet", is_flag=True, help="Only errors and warnings on stderr."),
    click.option("-v", "--verbose", is_flag=True, help="More on stderr; tracebacks of our bugs."),
    click.option("--color/--no-color", default=True, help="Colours on a terminal (or NO_COLOR)."),
    click.option(
        "--progress",
        type=click.Choice(PROGRESS),
        default="auto",
        help="auto: none while measuring; plain: a line every 10 s throughout.",
    ),
)
