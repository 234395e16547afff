"""The option ``--fail-on``, of every verb that judges: which outcomes make its exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click

from probe.errors import EXIT_FAILED, EXIT_INCONCLUSIVE, EXIT_OK, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., object]")


def fail_on_option(failed: str) -> Callable[[F], F]:
    """Return the option of a verb whose failing outcome (exit code 1) is called `failed`."""
    return click.option(
        "--fail-on",
        default=f"{failed},inconclusive",
        show_default=True,
        help=f"Outcomes with a non-zero exit code: {failed} (1), inconclusive (3), or never.",
    )


def silenced(fail_on: str, failed: str) -> frozenset[int]:
    """Return the exit codes that ``--fail-on`` leaves out; raises `UsageError` for other words."""
    codes = {failed: EXIT_FAILED, "inconclusive": EXIT_INCONCLUSIVE}
    words = [word.strip() for word in fail_on.split(",")]
    wanted = set() if words == ["never"] else set(words)
    unknown = wanted - set(codes)
    if unknown:
        raise UsageError(
            f"--fail-on {', '.join(sorted(unknown))}: no such outcome",
            remedy=f"one or more of {', '.join(codes)}, with commas between, or never",
        )
    return frozenset(code for name, code in codes.items() if name not in wanted)


def exit_code(code: int, silent: frozenset[int], *, failed: bool) -> int:
    """Return `code` unless it is silenced; behind an inconclusive one a failed one may stand."""
    if code == EXIT_INCONCLUSIVE and code in silent and failed:
        code = EXIT_FAILED
    return EXIT_OK if code in silent else code
