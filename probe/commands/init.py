"""`liveprobe init`: a commented scenario to begin with."""

from __future__ import annotations

import re
from pathlib import Path

import click

from probe.console.terminal import Terminal, speaking


@click.command(short_help="Write a commented scenario to begin with.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--template",
    "mode",
    type=click.Choice(["live", "generate"]),
    default="live",
    show_default=True,
    help="What the scenario is for.",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@speaking
def command(*, terminal: Terminal, file: Path, mode: str, force: bool) -> int:
    """Write a scenario to FILE: every key there is, with its default and what it allows."""
    from probe.console import judged
    from probe.scenario.template import template

    name = re.sub(r"[^a-z0-9]+", "-", file.stem.lower()).strip("-")[:64] or "scenario"
    judged.write_new(file, template(mode, name), force=force)
    terminal.result(str(file), {"scenario": str(file)})
    terminal.say(f"edit it, then: liveprobe run {file}")
    return 0
