"""The options ``--by`` and ``--top``, of verbs that print a table of a Run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    F = TypeVar("F", bound="Callable[..., object]")


def table_options(groups: Sequence[str]) -> Callable[[F], F]:
    """Return what gives a verb ``--by``, one of `groups` (the first unless said), and ``--top``."""
    by = click.option(
        "--by",
        type=click.Choice(groups),
        default=groups[0],
        show_default=True,
        help="What a row of the table is.",
    )
    top = click.option(
        "--top",
        type=click.IntRange(min=0),
        default=20,
        show_default=True,
        metavar="N",
        help="Rows that are shown; 0 is all.",
    )
    return lambda verb: by(top(verb))
