"""`liveprobe run`: measure a scenario, judge it, and write its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from probe.console.copies_option import copies_option, copies_override
from probe.console.fail_on import exit_code, fail_on_option, silenced
from probe.console.limit_option import check_tracks, limit_option, parsed
from probe.console.sample_option import sample_option, sample_override
from probe.console.terminal import Terminal, speaking
from probe.console.tier_option import repeats_override, tier_options, tier_overrides
from probe.errors import EXIT_OK, Interrupted, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from probe.console.judged import Judged
    from probe.console.repeated import Repeated
    from probe.scenario import Scenario
    from probe.scenario.file import Loaded

DEFAULT = "live-background-blur"
FAILED = "failed"
LONG_NS = 60 * 10**9
"""A measurement of this length says before how long it may take."""
COMMAND = "liveprobe.command"
"""Key of click's context: what stood behind ``--``."""


class RunVerb(click.Command):
    """Keeps what stands behind ``--`` as it is: it is the command of a program."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the program's command from the arguments before click reads them."""
        own, command = args, None
        if "--" in args:
            at = args.index("--")
            own, command = args[:at], args[at + 1 :]
        ctx.meta[COMMAND] = command
        return super().parse_args(ctx, own)


def complete_scenario(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[str]:
    """Return the shipped scenarios that begin with what was typed."""
    import scenarios

    return [name for name in scenarios.names() if name.startswith(incomplete)]


@click.command(
    cls=RunVerb,
    short_help="Measure a scenario, or a command behind --.",
    options_metavar="[OPTIONS]",
    epilog="Every key of a scenario: liveprobe schema scenario",
)
@click.argument("scenario", required=False, shell_complete=complete_scenario)
@click.option("--clip", metavar="FILE", help="Play this clip instead of the scenario's.")
@click.option("--model", metavar="FILE", help="Run this ONNX model instead of the scenario's.")
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change any key by its path: stage.infer.threads=2. Repeatable.",
)
@click.option("--duration", metavar="TIME", help="Short for --set run.duration=TIME.")
@tier_options
@copies_option
@sample_option
@limit_option
@click.option(
    "-o",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder that the Run's directory is made in.",
)
@click.option("--no-report", is_flag=True, help="Write no report.html.")
@click.option("--dry-run", is_flag=True, help="Say what would be measured, and stop.")
@fail_on_option(FAILED)
@click.pass_context
@speaking
def command(
    context: click.Context,
    *,
    terminal: Terminal,
    scenario: str | None,
    clip: str | None,
    model: str | None,
    overrides: tuple[str, ...],
    duration: str | None,
    repeats: int | None,
    tier: str | None,
    copies: str | None,
    sample: str | None,
    limits: tuple[str, ...],
    folder: Path,
    no_report: bool,
    dry_run: bool,
    fail_on: str,
) -> int:
    """Measure SCENARIO: one that ships (`live-background-blur` if none is named), or a TOML file.

    \b
    liveprobe run live-face-boxes --clip talk.mp4 --model faces.onnx
    liveprobe run --set run.duration=10m --set stage.infer.threads=2
    liveprobe run --limit 'latency.p99<50ms' --limit 'rate>=29.7fps'
    liveprobe run --tier certified               five repeats of 600 s, each after a soak
    liveprobe run --set run.duration=30s -- python my_program.py

    Behind `--` stands any command: it is measured as the program under test, as far as it speaks
    (`import probe`), and watched from outside where it does not.
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    silent = silenced(fail_on, FAILED)
    behind: list[str] | None = context.meta[COMMAND]
    if duration is not None:
        overrides += (f"run.duration={duration}",)
    overrides += (*repeats_override(repeats), *copies_override(copies), *sample_override(sample))
    loaded = _loaded(scenario, overrides, inputs=(clip, model), behind=behind, limits=limits)
    if tier is not None and (more := tier_overrides(loaded.scenario, tier, overrides)):
        overrides += more
        loaded = _loaded(scenario, overrides, inputs=(clip, model), behind=behind, limits=limits)
    check_tracks(parsed(loaded.scenario.limits))
    if dry_run:
        return _would_measure(terminal, loaded, folder)
    found = _measured(terminal, loaded, folder)
    reports = [] if no_report else _reports(found)
    _show(terminal, found, reports)
    if found.left is not None:
        terminal.error(found.left.message, remedy=found.left.remedy)
    if found.complaint is not None:
        terminal.error(found.complaint.message, remedy=found.complaint.remedy)
    return _exit_code(found, silent)


def _measured(terminal: Terminal, loaded: Loaded, folder: Path) -> Repeated:
    from probe import series
    from probe.console import progress, repeated, series_text

    run = loaded.scenario.run
    longest = series.longest(loaded.scenario)
    if longest.total_ns >= LONG_NS or run.repeats > 1:
        terminal.say(f"it takes {series_text.longest(longest, repeats=run.repeats)}")
    with progress.Display(terminal) as display:

        def told(one: Judged) -> None:
            if run.repeats > 1:
                terminal.say(series_text.line(one))

        return repeated.measured(loaded, folder, display, told)


def _reports(found: Repeated) -> list[Path]:
    """Write the report of each Run, and return where they are."""
    from probe.console import judged

    paths = [one.path / judged.REPORT for one in found.members]
    for path, one in zip(paths, found.members, strict=True):
        try:
            judged.write_new(path, judged.render([one]), force=False)
        except KeyboardInterrupt as stop:
            when = "before its report was written"
            raise Interrupted(when, one.path, whole=True, verb="report") from stop
    return paths


def _loaded(
    scenario: str | None,
    overrides: Sequence[str],
    *,
    inputs: tuple[str | None, str | None],
    behind: list[str] | None,
    limits: Sequence[str],
) -> Loaded:
    import scenarios
    from probe.scenario.file import load

    asked = [each.text for each in parsed(limits)]
    if behind is None:
        scenario = scenario or DEFAULT
    else:
        _refuse_no_program(behind)
    return load(
        scenario,
        folder=scenarios.folder(),
        overrides=overrides,
        clip=inputs[0],
        model=inputs[1],
        command=behind or (),
        limits=asked,
    )


def _refuse_no_program(command: list[str]) -> None:
    import shutil

    if not command:
        raise UsageError(
            "nothing behind --", remedy="write a command there: liveprobe run -- python program.py"
        )
    if shutil.which(command[0]) is None:
        raise UsageError(
            f"{command[0]}: no such command",
            remedy="give a program that is on the PATH, or its path, behind --",
        )


def _would_measure(terminal: Terminal, loaded: Loaded, folder: Path) -> int:
    from probe.console import judged

    scenario = judged.ready(loaded)
    run = scenario.run
    inputs = {"model": scenario.stage.infer.model}
    if scenario.mode == "live":
        source = scenario.source
        place = {"clip": source.clip, "camera": source.device, "stream": source.url}
        inputs[source.kind] = str(place[source.kind])
    if scenario.mode == "command":
        inputs = {"command": " ".join(scenario.program.command or ())}
    lines = [
        f"would measure {scenario.name} ({scenario.mode})" + (", custom" if loaded.custom else ""),
        f"  warm-up   {run.warmup / 1e9:g} s, then {_length(scenario)}",
        *_preparation(scenario),
        *(f"  {name:<9} {value}" for name, value in inputs.items()),
        *(f"  changed   {item}" for item in loaded.overrides),
        *(f"  limit     {item}" for item in scenario.limits),
        f"  into      {folder}",
    ]
    document: dict[str, Any] = {
        "scenario": scenario.document(),
        "overrides": list(loaded.overrides),
        "custom": loaded.custom,
        "folder": str(folder),
    }
    terminal.result("\n".join(lines), document)
    return EXIT_OK


def _preparation(scenario: Scenario) -> list[str]:
    from probe import series
    from probe.console import series_text

    run = scenario.run
    if run.repeats == 1 and not run.soak:
        return []
    soaked = ", each after a soak" if run.soak else ""
    longest = series_text.longest(series.longest(scenario), repeats=run.repeats)
    return [f"  repeats   {run.repeats}{soaked}", f"  takes     {longest}"]


def _length(scenario: Scenario) -> str:
    if scenario.mode == "command" and "duration" not in scenario.run.model_fields_set:
        return "measured until the command ends"
    return f"{scenario.run.duration / 1e9:g} s measured"


def _show(terminal: Terminal, found: Repeated, reports: list[Path]) -> None:
    from probe.console import power_text, series_text, verdict_text

    first = found.members[0]
    if found.of > 1:
        more = [f"  series    {first.path.parent}"]
        if reports:
            more.append(f"  reports   {reports[0].name} in each")
        lines, document = series_text.lines(found), series_text.document(found)
    else:
        more = [f"  run       {first.path}", *(f"  report    {path}" for path in reports)]
        power = power_text.lines(first.run, first.verdict)
        lines = verdict_text.lines(first.run.manifest, first.verdict, power)
        document = first.verdict
    terminal.result("\n".join([*lines, *more]), document)
    if terminal.json:
        for line in more:
            terminal.say(line.strip())


def _exit_code(found: Repeated, silent: frozenset[int]) -> int:
    from probe import judge

    failed = any(judge.failed(one.verdict) for one in found.members)
    return exit_code(found.exit_code, silent, failed=failed)
