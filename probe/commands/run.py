"""`liveprobe run`: measure a scenario, judge it, and write its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from probe.console.copies_option import copies_option, copies_override
from probe.console.fail_on import exit_code, fail_on_option, silenced
from probe.console.limit_option import check_tracks, limit_option, parsed
from probe.console.terminal import Terminal, speaking
from probe.errors import EXIT_OK, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from probe.console.judged import Judged
    from probe.scenario import Scenario
    from probe.scenario.file import Loaded

DEFAULT = "live-background-blur"
FAILED = "failed"
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
@copies_option
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
    copies: str | None,
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
    liveprobe run --set run.duration=30s -- python my_program.py

    Behind `--` stands any command: it is measured as the program under test, as far as it speaks
    (`import probe`), and watched from outside where it does not.
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    silent = silenced(fail_on, FAILED)
    behind: list[str] | None = context.meta[COMMAND]
    if duration is not None:
        overrides += (f"run.duration={duration}",)
    overrides += copies_override(copies)
    loaded = _loaded(scenario, overrides, inputs=(clip, model), behind=behind, limits=limits)
    check_tracks(parsed(loaded.scenario.limits))
    if dry_run:
        return _would_measure(terminal, loaded, folder)
    from probe.console import judged, progress

    with progress.Display(terminal) as display:
        result = judged.measured(loaded, folder, display)
    lines = [f"  run       {result.path}"]
    if not no_report:
        report = result.path / judged.REPORT
        judged.write_new(report, judged.render([result]), force=False)
        lines.append(f"  report    {report}")
    _show(terminal, result, lines)
    if result.complaint is not None:
        terminal.error(result.complaint.message, remedy=result.complaint.remedy)
    return _exit_code(result, silent)


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


def _length(scenario: Scenario) -> str:
    if scenario.mode == "command" and "duration" not in scenario.run.model_fields_set:
        return "measured until the command ends"
    return f"{scenario.run.duration / 1e9:g} s measured"


def _show(terminal: Terminal, result: Judged, more: list[str]) -> None:
    from probe.console import verdict_text

    lines = verdict_text.lines(result.run.manifest, result.verdict)
    terminal.result("\n".join([*lines, *more]), result.verdict)
    if terminal.json:
        for line in more:
            terminal.say(line.strip())


def _exit_code(result: Judged, silent: frozenset[int]) -> int:
    from probe import judge

    return exit_code(result.exit_code, silent, failed=judge.failed(result.verdict))
