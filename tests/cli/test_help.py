from __future__ import annotations

import importlib
import os
import resource
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from probe import __version__, cli

GENEROUS_CPU_S = 0.5
"""tests/bench/bench_cli.py holds the real bound; here only a heavy import would show."""
HEAVY = ("numpy", "pandas", "pydantic", "rich", "av", "onnxruntime", "matplotlib", "pyarrow")


def cpu_of(*arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "probe", *arguments],
        check=True,
        capture_output=True,
        timeout=60,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_is_cheap() -> None:
    assert min(cpu_of("--help") for _ in range(3)) < GENEROUS_CPU_S


@pytest.mark.parametrize("arguments", [["--help"], *([verb, "--help"] for verb in cli.VERBS)])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom probe import cli\n"
        f"code = cli.execute({arguments!r})\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(f'imports {heavy}' if heavy else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: liveprobe")


def test_the_verbs_are_the_files_of_commands() -> None:
    from probe import commands

    files = {file.stem for file in Path(commands.__path__[0]).glob("*.py")} - {"__init__"}
    assert files == set(cli.VERBS)


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_has_help_and_the_options_of_all(verb: str) -> None:
    command = importlib.import_module(f"probe.commands.{verb}").command
    assert isinstance(command, click.Command)
    assert command.help
    assert command.short_help
    options = {option for parameter in command.params for option in parameter.opts}
    assert options >= {"--json", "--quiet", "--verbose", "--progress", "--color"}


def test_every_verb_is_listed_without_being_cut_short() -> None:
    text = CliRunner().invoke(cli.liveprobe, ["--help"], terminal_width=80).output
    for verb in cli.VERBS:
        assert f"\n  {verb} " in text
    assert "..." not in text.partition("Commands:")[2]


def test_the_version_is_that_of_the_package() -> None:
    done = CliRunner().invoke(cli.liveprobe, ["--version"])
    assert done.output == f"liveprobe, version {__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell: str) -> None:
    done = CliRunner().invoke(cli.liveprobe, ["completion", shell], standalone_mode=False)
    assert "_LIVEPROBE_COMPLETE" in done.output


def test_the_shell_is_told_verbs_and_scenarios() -> None:
    def completed(words: str, index: int) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-m", "probe"],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env={
                **os.environ,
                "_LIVEPROBE_COMPLETE": "bash_complete",
                "COMP_WORDS": words,
                "COMP_CWORD": str(index),
            },
        )
        return [line.partition(",")[2] for line in done.stdout.splitlines()]

    assert completed("liveprobe ", 1) == list(cli.VERBS)
    assert "live-background-blur" in completed("liveprobe run live-", 2)
    assert completed("liveprobe export --to perf", 3) == ["perfetto"]
    assert completed("liveprobe run --copies d", 3) == ["deep"]
    assert completed("liveprobe copies --by st", 3) == ["stage"]
    assert completed("liveprobe verify def", 2) == ["default-demo"]
    assert "rate.period" in completed("liveprobe compare --metric rate", 3)
    assert "latency.p99" in completed("liveprobe run --limit latency.p", 3)
    assert completed("liveprobe selfcheck ext", 2) == ["extra-copies"]


def test_a_folder_of_the_user_does_not_hide_our_packages(tmp_path: Path) -> None:
    for name in ("scenarios", "reports", "collectors"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('hidden')\n")
    done = subprocess.run(
        [sys.executable, "-m", "probe", "run", "--dry-run"],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "live-background-blur" in done.stdout
