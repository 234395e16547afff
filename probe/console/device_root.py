"""What does `LIVEPROBE_DEVICE_ROOT` mean to a verb? Only the doctor looks at a captured tree."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import click

from probe.errors import UsageError

if TYPE_CHECKING:
    from probe.console.terminal import Terminal

ROOT: Final = "LIVEPROBE_DEVICE_ROOT"
MEASURING: Final = ("run", "demo", "calibrate", "selfcheck")
INDIFFERENT: Final = ("doctor", "verify", "init", "schema", "completion")
"""Those that look at it, or ask for themselves, and those of which nobody expects it."""


def check(terminal: Terminal) -> None:
    """Say that the verb looks at no tree; raises `UsageError` for one that measures."""
    context = click.get_current_context(silent=True)
    verb = context.info_name if context is not None else None
    if not _named() or verb is None or verb in INDIFFERENT:
        return
    if verb in MEASURING:
        refuse(verb)
    terminal.say(f"{ROOT} is set, and changes nothing here: only `liveprobe doctor` looks at it")


def refuse(verb: str) -> None:
    """Raise `UsageError` where a captured tree is named: nothing can be measured on it."""
    if _named():
        raise UsageError(
            f"{ROOT}={os.environ[ROOT]}: `liveprobe {verb}` measures this machine, and no program"
            " runs on a captured tree",
            remedy=f"unset {ROOT}: only `liveprobe doctor` looks at a tree",
        )


def _named() -> bool:
    named = os.environ.get(ROOT, "")
    return bool(named) and os.path.realpath(named) != "/"
