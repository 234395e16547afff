"""The option ``--copies``, which every verb that measures has."""

from __future__ import annotations

from typing import Final

import click

MODES: Final = ("off", "on", "deep")

copies_option = click.option(
    "--copies",
    type=click.Choice(MODES),
    help="Trace every copy (on, the default), check it against written pages (deep), or not (off).",
)


def copies_override(mode: str | None) -> tuple[str, ...]:
    """Return the change of the scenario that the option stands for: none where it was not given."""
    return () if mode is None else (f"copies.mode={mode}",)
