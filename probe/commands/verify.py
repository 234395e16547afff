"""`liveprobe verify`: does what somebody claims hold here, statement by statement?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from probe.console.fail_on import exit_code, fail_on_option, silenced
from probe.console.terminal import Terminal, speaking
from probe.errors import EXIT_FAILED, EXIT_INCONCLUSIVE, EXIT_OK, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from probe.claims.file import Claim, Claims
    from probe.console.judged import Judged

FAILED = "refuted"


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
    "folder",
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
    folder: Path,
    fail_on: str,
) -> int:
    """Check the claims in the file CLAIMS: supported, partly, refuted, inconclusive, not testable.

    \b
    liveprobe verify default-demo                   measures what the claims name
    liveprobe verify mine.toml runs/<run> ...       reads Runs (or folders of Runs)

    Each statement is answered with its limit, what was observed, and what would be needed to tell.
    Where a claim was made under other conditions, that is listed, and counts. CLAIMS is a TOML
    file, or one that ships: default-demo, pi5-ai-hat.
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    silent = silenced(fail_on, FAILED)
    import scenarios
    from probe.claims import file, judging
    from probe.console import claims_text

    loaded = file.load(claims, scenarios.claims())
    made = _Measured(terminal, folder, repeat)
    given = _opened(runs)
    asked = _chosen(loaded, chosen)
    found = [_judge(claim, given if runs else None, made, meant=len(asked) == 1) for claim in asked]
    document = judging.document(found)
    terminal.result("\n".join(claims_text.lines(document)), document)
    worse = judging.refuted(document)
    code = EXIT_FAILED if worse else EXIT_OK
    code = EXIT_INCONCLUSIVE if judging.undecided(document) else code
    return exit_code(code, silent, failed=worse)


def _opened(runs: Sequence[Path]) -> list[Judged]:
    from probe.console import judged

    return [judged.opened(path) for each in runs for path in judged.runs_at(each)]


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


def _judge(
    claim: Claim, given: list[Judged] | None, made: _Measured, *, meant: bool
) -> dict[str, Any]:
    """Judge a claim by the Runs that were given, or by what is measured for it.

    A claim that names no scenario takes Runs only where they can be `meant` for no other.
    """
    from probe.claims import judging
    from probe.claims.deviations import of_device

    scenario = claim.conditions.scenario
    if given is not None:
        name = None if scenario is None else Path(scenario).stem
        mine = [one for one in given if _scenario(one) == name or (name is None and meant)]
        pairs = [(one.run, one.verdict) for one in mine]
        missing = "say that the Runs are of this claim: --claim " + claim.id
        if name is not None:
            missing = f"none of the Runs is one of {name}"
        return judging.judge(claim, pairs, missing=missing)
    away = of_device(claim.conditions, made.device)
    if scenario is None or away:
        missing = "give Runs of a program that does this: liveprobe run -- COMMAND measures one"
        return judging.judge(claim, (), found=away, missing=missing)
    measured = made.runs(scenario, judging.overrides(claim.conditions))
    return judging.judge(claim, [(one.run, one.verdict) for one in measured])


def _scenario(one: Judged) -> str | None:
    scenario: Mapping[str, Any] = one.run.manifest.get("scenario") or {}
    return scenario.get("name")


class _Measured:
    """Measures each scenario once for all claims that ask for it."""

    def __init__(self, terminal: Terminal, folder: Path, repeat: int) -> None:
        self._terminal, self._folder, self._repeat = terminal, folder, repeat
        self._made: dict[tuple[str, tuple[str, ...]], list[Judged]] = {}

    @property
    def device(self) -> dict[str, Any]:
        """This machine's inventory."""
        from probe.devices import local
        from probe.model import Device

        return local.inventory(Device("local"))

    def runs(self, scenario: str, overrides: tuple[str, ...]) -> list[Judged]:
        """Measure `scenario` as often as was asked, or return what was measured before."""
        import scenarios
        from probe.console import judged, progress
        from probe.scenario.file import load

        key = (scenario, overrides)
        if key not in self._made:
            loaded = load(scenario, folder=scenarios.folder(), overrides=overrides)
            self._made[key] = []
            for _ in range(self._repeat):
                self._terminal.say(f"{scenario}: {loaded.scenario.title}")
                with progress.Display(self._terminal) as display:
                    self._made[key].append(judged.measured(loaded, self._folder, display))
        return self._made[key]
