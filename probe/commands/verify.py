"""`liveprobe verify`: does what somebody claims hold here, statement by statement?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from probe.console.fail_on import exit_code, fail_on_option, silenced
from probe.console.terminal import Terminal, speaking
from probe.errors import EXIT_FAILED, EXIT_INCONCLUSIVE, EXIT_OK, PRECEDENCE, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from probe.claims.file import Claim, Claims
    from probe.console.claims_measured import Measured
    from probe.console.judged import Judged

FAILED = "refuted"
HTML = (".html", ".htm")


def complete_claims(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[str]:
    """Return the shipped files of claims that begin with what was typed."""
    import scenarios
    from probe.claims.file import names

    return [name for name in names(scenarios.claims()) if name.startswith(incomplete)]


@click.command(short_help="Check claims, by Runs or by measuring.")
@click.argument("claims", shell_complete=complete_claims)
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--claim",
    "chosen",
    metavar="ID",
    multiple=True,
    help="Check this claim of the file only. Repeatable.",
)
@click.option(
    "--repeat",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="Measure each scenario so often; all must agree.",
)
@click.option(
    "-o",
    "output",
    type=click.Path(path_type=Path),
    help="Also write the HTML report of the claims: NAME.html.",
)
@click.option("--force", is_flag=True, help="Replace the report if it exists.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder that Runs are made in.",
)
@fail_on_option(FAILED)
@speaking
def command(
    *,
    terminal: Terminal,
    claims: str,
    runs: tuple[Path, ...],
    chosen: tuple[str, ...],
    repeat: int,
    output: Path | None,
    force: bool,
    folder: Path,
    fail_on: str,
) -> int:
    """Check the claims in the file CLAIMS: supported, partly, refuted, inconclusive, not testable.

    \b
    liveprobe verify default-demo                   measures what the claims name
    liveprobe verify mine.toml runs/<run> ...       reads Runs (or folders of Runs)
    liveprobe verify mine.toml -o claims.html       writes a report to pass on, too

    Each statement is answered with its limit, what was observed, and what would be needed to tell.
    Where a claim was made under other conditions, that is listed, and counts. CLAIMS is a TOML
    file, or one that ships: default-demo, pi5-ai-hat.
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    silent = silenced(fail_on, FAILED)
    import scenarios
    from probe.claims import file, judging
    from probe.console import claims_measured, claims_text

    _check_output(output, force=force)
    loaded = file.load(claims, scenarios.claims())
    base = file.located(claims, scenarios.claims()).parent
    made = claims_measured.Measured(terminal, folder, repeat, base)
    given = _opened(runs)
    asked = _chosen(loaded, chosen)
    if not runs:
        made.check(claim for claim in asked if _measurable(claim, made))
    found = [_judge(claim, given if runs else None, made, meant=len(asked) == 1) for claim in asked]
    document = judging.document(found, _origin(claims, loaded))
    lines = claims_text.lines(document)
    if output is not None:
        _report(output, document, force=force)
        lines += ["", f"report: {output}"]
    terminal.result("\n".join(lines), document)
    worse = judging.refuted(document)
    code = EXIT_FAILED if worse else EXIT_OK
    code = EXIT_INCONCLUSIVE if judging.undecided(document) else code
    stands = [exit_code(code, silent, failed=worse), *made.exit_codes]
    return next((each for each in PRECEDENCE if each in stands), EXIT_OK)


def _check_output(output: Path | None, *, force: bool) -> None:
    """Raise `UsageError` where no report can be written, before anything is measured."""
    if output is None:
        return
    from probe.console.judged import refuse_existing

    if output.suffix.lower() not in HTML:
        raise UsageError(
            f"-o {output}: the report is an HTML file",
            remedy=f"give -o {output.name or 'claims'}.html; --folder says where Runs are made",
        )
    refuse_existing(output, force=force)


def _report(output: Path, document: Mapping[str, Any], *, force: bool) -> None:
    from probe.console.judged import write_new
    from reports import claims_report

    write_new(output, claims_report.render(document), force=force)


def _origin(reference: str, loaded: Claims) -> dict[str, Any]:
    """Return the name, the title and the hash of the file of claims.

    A file that ships is named as it is called; of another only the file's own name is told.
    """
    import scenarios
    from probe.claims import file
    from probe.provenance import file_hash

    path = file.located(reference, scenarios.claims())
    shipped = path.parent == scenarios.claims()
    return {
        "name": reference if shipped else path.name,
        "title": loaded.title,
        "sha256": file_hash(path),
    }


def _opened(runs: Sequence[Path]) -> list[Judged]:
    """Return the Runs, judged by the rules of this version whatever their verdict.json says."""
    from probe.console import judged

    paths = judged.distinct(path for each in runs for path in judged.runs_at(each))
    return [judged.judged(path, write=False) for path in paths]


def _chosen(loaded: Claims, chosen: Sequence[str]) -> list[Claim]:
    """Return the claims of these ids, all where none is given; raises `UsageError` for others."""
    known = {each.id: each for each in loaded.claim}
    unknown = [each for each in chosen if each not in known]
    if unknown:
        raise UsageError(
            f"--claim {unknown[0]}: no such claim in this file",
            remedy=f"there are: {', '.join(known)}",
        )
    return [known[each] for each in chosen] or list(known.values())


def _measurable(claim: Claim, made: Measured) -> bool:
    """Say whether the claim names a scenario, and is about a device such as this one."""
    from probe.claims.deviations import of_device

    return claim.conditions.scenario is not None and not of_device(claim.conditions, made.device)


def _judge(
    claim: Claim, given: list[Judged] | None, made: Measured, *, meant: bool
) -> dict[str, Any]:
    """Judge a claim by the Runs that were given, or by what is measured for it.

    A claim that names no scenario takes Runs only where they can be `meant` for no other.
    """
    from probe.claims import judging
    from probe.claims.deviations import of_device

    if given is not None:
        name = made.name(claim.conditions)
        mine = [one for one in given if _scenario(one) == name or (name is None and meant)]
        pairs = [(one.run, one.verdict) for one in mine]
        missing = "say that the Runs are of this claim: --claim " + claim.id
        if name is not None:
            missing = f"none of the Runs is one of {name}"
        return judging.judge(claim, pairs, missing=missing)
    if not _measurable(claim, made):
        away = of_device(claim.conditions, made.device)
        missing = "give Runs of a program that does this: liveprobe run -- COMMAND measures one"
        return judging.judge(claim, (), found=away, missing=missing)
    measured = made.runs(claim.conditions)
    missing = "not measured: the measuring was stopped before"
    return judging.judge(claim, [(one.run, one.verdict) for one in measured], missing=missing)


def _scenario(one: Judged) -> str | None:
    scenario: Mapping[str, Any] = one.run.manifest.get("scenario") or {}
    return scenario.get("name")
