"""`liveprobe audit`: judge a Run again, by the rules of this version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from probe.console.chosen_audits import chosen, complete
from probe.console.fail_on import exit_code, fail_on_option, silenced
from probe.console.limit_option import limit_option, parsed
from probe.console.terminal import Terminal, speaking
from probe.errors import EXIT_FAILED, EXIT_OK, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from probe.limits import Limit

FAILED = "failed"


@click.command(short_help="Judge a Run again.")
@click.argument("run", metavar="[RUN]", type=click.Path(path_type=Path), required=False)
@click.option("--no-write", is_flag=True, help="Print the verdict; leave verdict.json as it is.")
@click.option(
    "--only",
    metavar="IDS",
    shell_complete=complete,
    help="Ask these audits alone (commas between), write nothing.",
)
@click.option(
    "--explain",
    metavar="AUDIT",
    shell_complete=complete,
    help="Say what an audit asks, why, by which source, and what to do; needs no RUN.",
)
@limit_option
@fail_on_option(FAILED)
@speaking
def command(
    *,
    terminal: Terminal,
    run: Path | None,
    no_write: bool,
    only: str | None,
    explain: str | None,
    limits: tuple[str, ...],
    fail_on: str,
) -> int:
    """Judge the Run in directory RUN, or all repeats of the series in it: write verdict.json.

    Works on any machine and needs no device. A Run whose measuring was cut short, by a crash or a
    kill, is recovered first. Each --limit is asked beside those of the Run's scenario.
    """
    silent, asked = silenced(fail_on, FAILED), parsed(limits)
    if explain is not None:
        return _explained(terminal, explain)
    if run is None:
        raise click.MissingParameter(param_type="argument", param_hint="RUN")
    if only is not None:
        return exit_code(_some(terminal, run, only, asked), silent, failed=True)
    from probe import judge
    from probe.console import judged, power_text, repeated, series_text, verdict_text

    if paths := repeated.members_at(run):
        found = repeated.again(paths, write=not no_write, limits=asked)
        terminal.result("\n".join(series_text.lines(found)), series_text.document(found))
        failed = any(judge.failed(one.verdict) for one in found.members)
        return exit_code(found.exit_code, silent, failed=failed)
    result = judged.judged(run, write=not no_write, limits=asked)
    power = power_text.lines(result.run, result.verdict)
    lines = verdict_text.lines(result.run.manifest, result.verdict, power)
    terminal.result("\n".join(lines), result.verdict)
    _say_of_siblings(terminal, run, result.verdict)
    return exit_code(result.exit_code, silent, failed=judge.failed(result.verdict))


def _say_of_siblings(terminal: Terminal, run: Path, verdict: Mapping[str, Any]) -> None:
    """Say that the verdicts of the other repeats stay as they are."""
    others = len((verdict["series"] or {}).get("members") or ()) - 1
    if others > 0:
        terminal.say(
            f"the verdict.json of {others} other repeats of its series stays as it is; "
            f"judge them all: liveprobe audit {run.resolve().parent}"
        )


def _explained(terminal: Terminal, ids: str) -> int:
    from probe.console import explain_text

    audits = chosen(ids)
    text = "\n\n\n".join("\n".join(explain_text.lines(audit)) for audit in audits)
    terminal.result(text, {"audits": [explain_text.document(audit) for audit in audits]})
    return EXIT_OK


def _some(terminal: Terminal, run: Path, ids: str, asked: list[Limit]) -> int:
    """Ask some audits; the exit code is 1 where an expected output was wrong, else 0."""
    audits = chosen(ids)
    if asked:
        raise UsageError(
            "--limit asks the whole verdict, --only a part of it",
            remedy="leave one of them out",
        )
    from probe import judge
    from probe.console import explain_text, judged, repeated, verdict_text
    from probe.verdict.evidence import Evidence

    if repeated.members_at(run):
        raise UsageError(f"{run}: a series", remedy="--only asks one Run: give one of its repeats")
    opened = judged.recovered(run)
    found = judge.findings(opened, audits)
    documents = judge.documents(Evidence(opened), found, audits)
    document = {"run": opened.manifest.get("id"), "findings": documents}
    begin = (opened.manifest.get("window") or {}).get("start_ns")
    lines = [*explain_text.findings(found, begin), *verdict_text.disturbed(documents)]
    terminal.result("\n".join(lines), document)
    verdict = {"limits": [], "claims": None, "findings": documents}
    return EXIT_FAILED if judge.failed(verdict) else EXIT_OK
