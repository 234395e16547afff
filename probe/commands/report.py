"""`liveprobe report`: render the report of a Run again."""

from __future__ import annotations

from pathlib import Path

import click

from probe.console.terminal import Terminal, speaking
from probe.errors import UsageError

MOST_RUNS = 2


@click.command(short_help="Write the report of one Run, or two side by side.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "output",
    type=click.Path(path_type=Path),
    help="The HTML file.  [default: report.html in the first Run]",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@speaking
def command(*, terminal: Terminal, runs: tuple[Path, ...], output: Path | None, force: bool) -> int:
    """Write the report of one Run, or of a live and a generating one side by side.

    One HTML file that opens anywhere, without a network. Needs no device. Of the folder of a
    series, one in each of its repeats.
    """
    from probe.console import judged, repeated

    if len(runs) == 1 and (members := repeated.members_at(runs[0])):
        return _of_series(terminal, members, output, force=force)
    if len(runs) > MOST_RUNS:
        raise UsageError(f"{len(runs)} Runs given", remedy="a report shows one Run, or two")
    file = output or runs[0] / judged.REPORT
    opened = [judged.opened(run) for run in runs]
    judged.refuse_existing(file, force=force)
    judged.write_new(file, judged.render(opened), force=force)
    document = {"report": str(file), "runs": [str(one.path) for one in opened]}
    terminal.result(str(file), document)
    return 0


def _of_series(terminal: Terminal, members: list[Path], output: Path | None, *, force: bool) -> int:
    """Write the report of each repeat into its Run."""
    from probe.console import judged

    if output is not None:
        raise UsageError(
            f"-o names one file, the series has {len(members)} repeats",
            remedy="leave -o out: each report is written into its Run; or give one repeat",
        )
    files = [member / judged.REPORT for member in members]
    for file in files:
        judged.refuse_existing(file, force=force)
    opened = [judged.opened(member) for member in members]
    for file, one in zip(files, opened, strict=True):
        judged.write_new(file, judged.render([one]), force=force)
    document = {
        "reports": [str(file) for file in files], "runs": [str(one.path) for one in opened],
    }  # fmt: skip
    terminal.result("\n".join(map(str, files)), document)
    return 0
