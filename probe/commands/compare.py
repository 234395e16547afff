"""`liveprobe compare`: is one set of runs better than another, in what, and how sure is that?"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from probe.console.fail_on import exit_code, fail_on_option, silenced
from probe.console.terminal import Terminal, speaking
from probe.errors import EXIT_FAILED, EXIT_INCONCLUSIVE, EXIT_OK, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from probe.comparison import Side

FAILED = "regression"
BETWEEN = "\N{NULL}"
"""Stands for ``--`` between two sides while click reads the arguments; no path can be this."""
LEAST_SIDES = 2


class CompareVerb(click.Command):
    """Lets ``--`` part the sides, wherever options stand."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put a word that is no option in the place of each ``--``."""
        return super().parse_args(ctx, [BETWEEN if word == "--" else word for word in args])


def complete_metric(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[str]:
    """Return the metrics that begin with what was typed."""
    from probe.console.limit_option import metric_names

    return metric_names(incomplete)


@click.command(cls=CompareVerb, short_help="Compare sets of Runs with a base.")
@click.argument("runs", nargs=-1, required=True, metavar="BASE RUN...")
@click.option(
    "--metric",
    "names",
    metavar="METRIC",
    multiple=True,
    shell_complete=complete_metric,
    help="Compare on this metric, not on the usual ones. Repeatable.",
)
@click.option(
    "--vary",
    metavar="CONDITION",
    multiple=True,
    help="This is meant to differ: device, model, stage.infer.threads, ... Repeatable.",
)
@click.option(
    "--min-effect",
    metavar="PERCENT",
    type=click.FloatRange(0, 1000),
    default=0.0,
    help="Call smaller differences none, in percent of the base.",
)
@click.option(
    "-o",
    "output",
    type=click.Path(path_type=Path),
    help="Write the comparison as an HTML report, too.",
)
@click.option("--force", is_flag=True, help="Replace the report if it exists.")
@fail_on_option(FAILED)
@speaking
def command(
    *,
    terminal: Terminal,
    runs: tuple[str, ...],
    names: tuple[str, ...],
    vary: tuple[str, ...],
    min_effect: float,
    output: Path | None,
    force: bool,
    fail_on: str,
) -> int:
    """Compare each RUN with BASE: better, worse, no difference, or not comparable.

    \b
    liveprobe compare runs-of-a runs-of-b runs-of-c      a folder of Runs is one side
    liveprobe compare A1 A2 A3 A4 -- B1 B2 B3 B4         -- parts the sides
    liveprobe compare a b --vary stage.infer.threads     what is meant to differ
    liveprobe compare a b -o comparison.html             the report, beside the lines

    Runs are the samples: at least 4 a side, measured in turn (A B B A), or it says "insufficient
    runs". What differs in the conditions is listed first; another input, model or scenario blocks
    the comparison. Exit code 1: worse in something; 3: nothing could be told.
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    silent = silenced(fail_on, FAILED)
    from probe import comparison
    from probe.console import comparison_text, judged

    if output is not None:
        judged.refuse_existing(output, force=force)
    if math.isnan(min_effect):
        raise UsageError("--min-effect nan: not a number", remedy="give a percentage, as in 2")
    groups = _groups(runs)
    sides = [_side(paths) for paths in groups]
    _check_vary(sides, vary)
    _check_metrics(sides, names)
    document = comparison.compare(
        sides[0], sides[1:], names=names, vary=vary, least_percent=min_effect
    )
    if output is not None:
        from reports import comparison_report

        links = [[_link(output, run) for run in paths] for paths in groups]
        page = comparison_report.render(document, sides, links)
        judged.write_new(output, page, force=force)
        terminal.say(f"report: {output}")
    terminal.result("\n".join(comparison_text.lines(document)), document)
    worse = comparison.regressed(document)
    code = EXIT_FAILED if worse else EXIT_OK
    code = EXIT_INCONCLUSIVE if comparison.undecided(document) else code
    return exit_code(code, silent, failed=worse)


def _groups(words: Sequence[str]) -> list[list[Path]]:
    """Return the Runs of each side as they were given: parted by ``--``, or each argument one."""
    if BETWEEN in words:
        groups: list[list[str]] = [[]]
        for word in words:
            if word == BETWEEN:
                groups.append([])
            else:
                groups[-1].append(word)
    else:
        groups = [[word] for word in words]
    if len(groups) < LEAST_SIDES or not all(groups):
        raise UsageError(
            "a comparison needs a base and at least one side beside it",
            remedy="give two Runs or folders of Runs, or several Runs with -- between the sides",
        )
    return _distinct(groups)


def _distinct(groups: list[list[str]]) -> list[list[Path]]:
    from probe.console.judged import distinct, runs_at

    found = [[run for word in group for run in runs_at(Path(word))] for group in groups]
    distinct(run for group in found for run in group)
    return found


def _side(paths: list[Path]) -> Side:
    from probe.comparison import Side
    from probe.console import judged

    opened = [judged.judged(path, write=False) for path in paths]  # all by the same rules
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    name = (
        f"{paths[0].parent.name}/{paths[0].name}{more}" if paths[0].parent.name else str(paths[0])
    )
    return Side(name, tuple((one.run, one.verdict) for one in opened))


def _link(output: Path, run: Path) -> str | None:
    """Return the address of a Run's report, as seen from `output`.

    None where there is no report, or where the address would name folders that `output` is not in:
    they may say who works here.
    """
    from probe.console.judged import REPORT

    report = (run / REPORT).resolve()
    folder = output.resolve().parent
    if not report.is_file() or not report.is_relative_to(folder):
        return None
    return "/".join(quote(part, safe="") for part in report.relative_to(folder).parts)


def _check_metrics(sides: Sequence[Side], names: Sequence[str]) -> None:
    """Raise `UsageError` for a metric, a stage or a track that no Run has."""
    from probe import limits, metrics
    from probe.verdict.evidence import Evidence
    from probe.verdict.readings import stages
    from probe.verdict.sampled import tracks

    asked = [metrics.find(name) for name in names]
    if all(each.subject is None for each in asked):
        return
    runs = [Evidence(run) for side in sides for run, _ in side.runs]
    limits.check_subjects(
        {f"--metric {each.name}": each for each in asked},
        stages={name for run in runs for name in stages(run)},
        tracks={name for run in runs for name in tracks(run)},
    )


def _check_vary(sides: Sequence[Side], vary: Sequence[str]) -> None:
    """Raise `UsageError` for a condition that no run has."""
    import difflib

    from probe.differences import known

    names: list[Any] = known([side.runs for side in sides])
    for each in vary:
        if not any(name == each or name.startswith(f"{each}.") for name in names):
            near = difflib.get_close_matches(each, names, n=3, cutoff=0.5)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise UsageError(
                f"--vary {each}: no such condition{hint}",
                remedy="name a key of the scenario, or device, model, input, program, liveprobe",
            )
