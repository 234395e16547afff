"""The option ``--sample``: is the code sampled while it is measured?"""

from __future__ import annotations

from typing import Final

import click

MODES: Final = {"off": "off", "on": "nonblocking", "native": "native"}
"""Words of the option, and the modes of the scenario's table `pyspy`."""

sample_option = click.option(
    "--sample",
    type=click.Choice(tuple(MODES)),
    help="Sample where the code is: not (off, the default), without pausing it (on), or with C"
    " functions, which disturbs it (native).",
)


def sample_override(mode: str | None) -> tuple[str, ...]:
    """Return the change of the scenario that the option stands for: none where it was not given."""
    return () if mode is None else (f"pyspy.mode={MODES[mode]}",)
