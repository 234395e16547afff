"""`liveprobe demo`: a live pipeline and a generating one, measured and told apart on one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from probe.console.copies_option import copies_option, copies_override
from probe.console.terminal import Terminal, speaking
from probe.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_PROGRAM

if TYPE_CHECKING:
    from probe.console.judged import Judged

SCENARIOS = ("live-background-blur", "generate-clip")


@click.command(short_help="Measure a live and a generating pipeline; report both.")
@click.option(
    "-o",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder that the two Runs are made in.",
)
@copies_option
@speaking
def command(*, terminal: Terminal, folder: Path, copies: str | None) -> int:
    """Measure a live pipeline and a generating one, and report both side by side (about 1 minute).

    Needs no clip, no model and no network. On a busy or small machine the live one may well be
    judged degraded: the report says so and why, and the exit code stays 0.
    """
    from probe.console import judged

    results: list[Judged] = []
    for name in SCENARIOS:
        results.append(_measured(terminal, name, folder, copies_override(copies)))
        if results[-1].run.manifest["state"] == "interrupted":
            break
    report = results[0].path / judged.REPORT
    judged.write_new(report, judged.render(results), force=False)
    _show(terminal, results, report)
    return _exit_code(results)


def _measured(terminal: Terminal, name: str, folder: Path, overrides: tuple[str, ...]) -> Judged:
    import scenarios
    from probe.console import judged, progress
    from probe.scenario.file import load

    loaded = load(name, folder=scenarios.folder(), overrides=overrides)
    terminal.say(f"{name}: {loaded.scenario.title}")
    with progress.Display(terminal) as display:
        return judged.measured(loaded, folder, display)


def _show(terminal: Terminal, results: list[Judged], report: Path) -> None:
    from probe.console import power_text, verdict_text

    lines = []
    for one in results:
        lines += [f"{one.run.manifest['scenario']['name']}:"]
        power = power_text.lines(one.run, one.verdict)
        lines += [f"  {line}" for line in verdict_text.lines(one.run.manifest, one.verdict, power)]
        lines += [f"    run       {one.path}", ""]
    document = {
        "report": str(report),
        "runs": [{"path": str(one.path), "verdict": one.verdict} for one in results],
    }
    terminal.result("\n".join([*lines, f"report: {report}"]), document)


def _exit_code(results: list[Judged]) -> int:
    """Return 0 unless our own program failed: the demo shows verdicts, and gates nothing."""
    codes = {one.exit_code for one in results}
    return next((code for code in (EXIT_INTERRUPTED, EXIT_PROGRAM) if code in codes), EXIT_OK)
