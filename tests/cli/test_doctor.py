"""`liveprobe doctor` as a user calls it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from probe.errors import EXIT_USAGE

Liveprobe = Callable[..., subprocess.CompletedProcess[str]]
DEVICES = Path(__file__).parents[1] / "devices"
ROOT = "LIVEPROBE_DEVICE_ROOT"


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Choose a captured tree, as a user does."""
    monkeypatch.delenv("COLUMNS", raising=False)
    return lambda name: monkeypatch.setenv(ROOT, str(DEVICES / name))


def test_a_captured_tree_is_looked_at_in_place_of_this_machine(
    liveprobe: Liveprobe, board: Callable[[str], None]
) -> None:
    board("raspberry-pi-5")
    done = liveprobe("doctor")
    assert done.returncode == 0, done.stderr
    first, second, *_ = done.stdout.splitlines()
    assert first == "raspberry-pi-5: Raspberry Pi 5 Model B Rev 1.0, brcm,bcm2712"
    assert second.startswith(f"  a captured tree, not this machine: {DEVICES / 'raspberry-pi-5'}")
    assert "Hailo-8L: driver hailo 4.20.0, firmware 4.20.0, /dev/hailo0" in done.stdout
    assert "  not for this device (--all lists them): " in done.stdout
    assert os.uname().release not in done.stdout


@pytest.mark.parametrize("verb", [("run", "--dry-run"), ("calibrate",), ("demo",), ("selfcheck",)])
def test_no_verb_that_measures_takes_a_captured_tree_for_this_machine(
    liveprobe: Liveprobe, board: Callable[[str], None], verb: tuple[str, ...], tmp_path: Path
) -> None:
    board("raspberry-pi-5")
    done = liveprobe(*verb)
    assert done.returncode == EXIT_USAGE
    assert f"{ROOT}={DEVICES / 'raspberry-pi-5'}: `liveprobe {verb[0]}` measures" in done.stderr
    assert f"what to do: unset {ROOT}" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_verb_that_reads_runs_says_that_a_captured_tree_changes_nothing(
    liveprobe: Liveprobe, board: Callable[[str], None]
) -> None:
    board("raspberry-pi-5")
    done = liveprobe("ls")
    assert done.stderr.startswith(f"{ROOT} is set, and changes nothing here")
    assert ROOT not in liveprobe("ls", "-q").stderr


def test_all_names_the_tracks_of_other_devices(
    liveprobe: Liveprobe, board: Callable[[str], None]
) -> None:
    board("bare-vm")
    done = liveprobe("doctor", "--all")
    assert "other device: not a Raspberry Pi" in done.stdout
    assert "not for this device" not in done.stdout


def test_json_keeps_the_schema_that_is_printed(
    liveprobe: Liveprobe, board: Callable[[str], None]
) -> None:
    board("jetson-orin-nano")
    document = json.loads(liveprobe("doctor", "--json").stdout)
    schema = json.loads(liveprobe("schema", "doctor").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)
    assert document["tree"] == str(DEVICES / "jetson-orin-nano")
    assert document["device"]["accelerators"][0]["version"] == "R36.4.4"


def test_a_wide_terminal_gets_a_table_and_a_narrow_one_lines(
    liveprobe: Liveprobe, board: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    board("laptop-ryzen-ai")
    monkeypatch.setenv("COLUMNS", "140")
    table = liveprobe("doctor").stdout
    assert "read from, or why not" in table
    assert max(map(len, table.splitlines())) <= 140
    monkeypatch.setenv("COLUMNS", "60")
    lines = liveprobe("doctor").stdout
    assert "read from, or why not" not in lines
    assert "  + thermal.temperature" in lines
    assert [line for line in lines.splitlines() if len(line) > 60 and "/" not in line] == []


@pytest.mark.parametrize(
    ("name", "said"), [("no-such-board", "does not exist"), ("README.md", "is no folder")]
)
def test_what_is_no_tree_is_wrong_usage(
    liveprobe: Liveprobe, board: Callable[[str], None], name: str, said: str
) -> None:
    board(name)
    done = liveprobe("doctor")
    assert done.returncode == 2
    assert f"{ROOT}={DEVICES / name}: {said}" in done.stderr
    assert "what to do:" in done.stderr
    assert done.stdout == ""


def test_this_machine_is_examined(liveprobe: Liveprobe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ROOT, raising=False)
    done = liveprobe("doctor", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["tree"] is None
    assert document["device"]["kernel"] == os.uname().release
    states = {row["track"]: row["state"] for row in document["tracks"]}
    assert states["cpu.core"] == states["memory.rss"] == "measured"
