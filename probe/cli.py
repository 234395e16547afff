"""The command `liveprobe`: the list of verbs, and the one place that prints errors and exits."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Final, NoReturn

import click

from probe import __version__
from probe.console.terminal import Terminal
from probe.errors import (
    EXIT_BUG,
    EXIT_INTERRUPTED,
    EXIT_OK,
    Interrupted,
    ProbeError,
    ScenarioError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

VERBS: Final = (
    "demo",
    "run",
    "audit",
    "compare",
    "verify",
    "report",
    "copies",
    "ops",
    "hot",
    "export",
    "ls",
    "doctor",
    "selfcheck",
    "calibrate",
    "init",
    "schema",
    "completion",
)
EXIT_PIPE: Final = 141
"""What a program killed by SIGPIPE leaves: the reader of our stdout went away."""
VARIABLE: Final = "_LIVEPROBE_COMPLETE"


class Verbs(click.Group):
    """Verbs are imported when they are used: `liveprobe --help` costs no numpy and no pandas."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the verbs, those that one meets first in front."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the file of a verb, and return its command; None for what is no verb."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"probe.commands.{cmd_name}").command
        return command


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Begin with `liveprobe demo`, or `liveprobe run --clip F --model F`.",
)
@click.version_option(__version__, prog_name="liveprobe")
def liveprobe() -> None:
    """Is this on-device video AI live, or only fast? Measure it, and get the evidence.

    \b
    Exit codes: 0 measured; 1 a limit or a claim failed, or worse; 2 wrong usage or input;
    3 the measurement is invalid or inconclusive; 4 the machine lacks what was asked
    for; 5 the program under test failed; 70 our own bug; 130 interrupted.
    """  # noqa: D301 - \b is click's mark for lines that stay as they are


def main() -> NoReturn:
    """Run the command line, and exit with its code."""
    # Whoever started us may ignore it, and then the kernel keeps no program's end for us.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    code = execute(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError:  # told already, if anybody listens
        code = max(code, _reader_gone())
    sys.exit(code)


def execute(arguments: Sequence[str]) -> int:
    """Run the command line with `arguments`; print what goes wrong, and return the exit code."""
    terminal = _terminal(arguments)
    try:
        code = _invoke(arguments)
    except click.ClickException as error:
        return _misused(terminal, error)
    except ProbeError as error:
        return _refuse(terminal, error.message, error.remedy, error.exit_code, _problems(error))
    except (click.Abort, KeyboardInterrupt) as stop:
        kept = stop if isinstance(stop, Interrupted) else None
        text, remedy = (kept.message, kept.remedy) if kept else ("interrupted", None)
        return _refuse(terminal, text, remedy, EXIT_INTERRUPTED)
    except BrokenPipeError:
        return _reader_gone()
    except Exception as error:  # noqa: BLE001 - the outermost place: a bug of ours becomes exit 70
        return _confess(terminal, error)
    return code if isinstance(code, int) else EXIT_OK


def _invoke(arguments: Sequence[str]) -> object:
    """Call the verb; as `click.Command.main` does, less its own ways of ending the process."""
    if VARIABLE in os.environ:
        from click.shell_completion import shell_complete

        return shell_complete(liveprobe, {}, "liveprobe", VARIABLE, os.environ[VARIABLE])
    try:
        with liveprobe.make_context("liveprobe", list(arguments)) as context:
            return liveprobe.invoke(context)
    except click.exceptions.Exit as error:
        return error.exit_code


def _terminal(arguments: Sequence[str]) -> Terminal:
    """Return how to speak of errors: known even where the arguments cannot be parsed."""
    own = list(arguments)
    if own[:1] == ["run"] and "--" in own:  # what follows belongs to the program
        own = own[: own.index("--")]
    verbose = "-v" in own or "--verbose" in own
    return Terminal(json="--json" in own, verbosity=int(verbose), color="--no-color" not in own)


def _refuse(
    terminal: Terminal,
    text: str,
    remedy: str | None,
    code: int,
    problems: Sequence[tuple[str, str]] = (),
) -> int:
    terminal.error(text, tuple(f"{key}: {what}" for key, what in problems), remedy)
    if terminal.json:
        listed = [{"key": key, "problem": what} for key, what in problems]
        error = {"what": text, "problems": listed, "remedy": remedy, "exit_code": code}
        terminal.result("", {"error": error})
    return code


def _problems(error: ProbeError) -> Sequence[tuple[str, str]]:
    return error.problems if isinstance(error, ScenarioError) else ()


def _misused(terminal: Terminal, error: click.ClickException) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context is not None else "liveprobe"
    text = f"{path}: {error.format_message()}"
    return _refuse(terminal, text, f"`{path} --help` says what may stand there", error.exit_code)


def _confess(terminal: Terminal, error: Exception) -> int:
    if terminal.verbosity > 0:
        import traceback

        terminal.error("".join(traceback.format_exception(error)).rstrip())
    remedy = "run it again with -v, and report what it prints; Runs that were measured are kept"
    text = f"a bug of liveprobe {__version__}: {type(error).__name__}: {error}"
    return _refuse(terminal, text, remedy, EXIT_BUG)


def _reader_gone() -> int:
    """Keep the interpreter from complaining, at its end, of a stdout that nobody reads."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_PIPE
