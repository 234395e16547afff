from __future__ import annotations

import resource
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from probe import spent, tool
from probe.errors import NoData
from probe.model import Device

HERE = Device("here")


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def script(folder: Path, name: str, text: str, mode: int = 0o755) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    (folder / name).chmod(mode)


def test_a_tool_answers_in_the_c_locale(on_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    script(on_path, "asked", 'echo "$LC_ALL $1"; cat')
    assert tool.ask(HERE, ["asked", "a b;c"]) == "C a b;c"


def test_a_tool_that_is_not_there_is_named() -> None:
    with pytest.raises(NoData, match="no-such-tool: no such tool"):
        tool.ask(HERE, ["no-such-tool", "x"])


def test_a_tool_that_fails_is_quoted(on_path: Path) -> None:
    script(on_path, "failing", "echo first; echo 'no permission' >&2; exit 3")
    with pytest.raises(NoData, match="failing now: exit status 3: no permission"):
        tool.ask(HERE, ["failing", "now"])


def test_a_file_that_is_no_program_is_no_crash(on_path: Path) -> None:
    (on_path / "broken").write_bytes(b"\x7fELFnothing")
    (on_path / "broken").chmod(0o755)
    with pytest.raises(NoData, match="broken: Exec format error"):
        tool.ask(HERE, ["broken"])


def test_a_tool_that_hangs_is_ended_with_its_children(on_path: Path) -> None:
    script(on_path, "hanging", f"sleep 600 & echo $! > {on_path}/child; wait")
    begun = time.monotonic()
    with pytest.raises(NoData, match="no answer within 1 s"):
        tool.ask(HERE, ["hanging"], timeout_s=1.0)
    assert time.monotonic() - begun < 60
    child = int((on_path / "child").read_text(encoding="utf-8"))
    deadline = time.monotonic() + 30
    while psutil.pid_exists(child) and time.monotonic() < deadline:
        if psutil.Process(child).status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.01)
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_a_tool_that_prints_without_end_is_ended(on_path: Path) -> None:
    script(on_path, "endless", "exec yes")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.monotonic()
    with pytest.raises(NoData, match="endless: it printed more than 4 MiB") as told:
        tool.ask(HERE, ["endless"], timeout_s=300.0)
    assert time.monotonic() - begun < 200
    assert "by hand" in (told.value.remedy or "")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # KiB


def test_a_captured_tree_answers_with_recordings_and_runs_nothing(
    on_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("tree")
    script(on_path, "vcgencmd", "echo from this machine")
    with pytest.raises(NoData, match="not recorded"):
        tool.ask(Device("pi", root=root), ["vcgencmd", "get_throttled"])
    (root / "recorded").mkdir()
    (root / "recorded" / tool.recording(["vcgencmd", "get_throttled"])).write_text(
        "throttled=0x0\n", encoding="utf-8"
    )
    assert tool.ask(Device("pi", root=root), ["vcgencmd", "get_throttled"]) == "throttled=0x0"


def test_what_a_tool_that_is_tried_complains_of_and_costs_is_known(on_path: Path) -> None:
    script(on_path, "moaning", 'echo aside; echo "no $WORD" >&2; exit 3')
    script(on_path, "hanging", "exec sleep 600")
    bill = spent.Bill()
    with spent.paid_by(bill):
        moaned = tool.tried([str(on_path / "moaning")], 60.0, {"WORD": "luck"})
        assert moaned == (3, "no luck\n")
        assert bill.cpu_ns > 0
        with pytest.raises(subprocess.TimeoutExpired):
            tool.tried([str(on_path / "hanging")], 0.2)


def test_a_path_among_the_words_is_no_folder() -> None:
    assert tool.recording(["cat", "/dev/x"]) == "cat _dev_x.txt"
