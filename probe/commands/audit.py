"""`liveprobe audit`: judge a Run again, by the rules of this version."""

from __future__ import annotations

from pathlib import Path

import click

from probe.console.terminal import Terminal, speaking


@click.command(short_help="Judge a Run again.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--no-write", is_flag=True, help="Print the verdict; leave verdict.json as it is.")
@speaking
def command(*, terminal: Terminal, run: Path, no_write: bool) -> int:
    """Judge the Run in directory RUN, and write its verdict.json.

    Works on any machine and needs no device. A Run whose measuring was cut short, by a crash or a
    kill, is recovered first.
    """
    from probe.console import judged, verdict_text

    result = judged.judged(run, write=not no_write)
    lines = verdict_text.lines(result.run.manifest, result.verdict)
    terminal.result("\n".join(lines), result.verdict)
    return result.exit_code
