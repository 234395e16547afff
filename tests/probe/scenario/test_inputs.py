from __future__ import annotations

import os
from pathlib import Path

import pytest

import scenarios
from probe.errors import InputError
from probe.scenario import Scenario
from probe.scenario.file import load
from probe.scenario.inputs import resolve
from scenarios import assets

BUILTIN = {Path(name).stem: assets.path(name) for name in assets.NAMES}


def scenario(clip: Path | str, mode: str = "live") -> Scenario:
    return Scenario.model_validate({"name": "t", "mode": mode, "source": {"clip": str(clip)}})


def refusal(clip: Path | str) -> InputError:
    with pytest.raises(InputError) as caught:
        resolve(scenario(clip), BUILTIN)
    assert "--clip" in str(caught.value.remedy)
    return caught.value


@pytest.mark.parametrize("name", sorted(set(scenarios.names()) - {"live-face-boxes"}))
def test_the_inputs_of_shipped_scenarios_are_there(name: str) -> None:
    made = resolve(load(name, folder=scenarios.folder()).scenario, BUILTIN)
    assert Path(made.stage.infer.model).is_file()
    if made.mode == "live":
        assert Path(made.source.clip).is_file()


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    clip = tmp_path / "a.mp4"
    clip.write_bytes(b"x")
    assert resolve(scenario(clip), BUILTIN).source.clip == str(clip)


def test_what_is_not_there_says_what_is_near(tmp_path: Path) -> None:
    (tmp_path / "holiday.mp4").write_bytes(b"x")
    assert "did you mean holiday.mp4" in refusal(tmp_path / "hoilday.mp4").message
    assert "no such file" in refusal(tmp_path / "gone" / "a.mp4").message


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert "a directory" in refusal(tmp_path).message
    (tmp_path / "empty.mp4").touch()
    assert "empty" in refusal(tmp_path / "empty.mp4").message
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refusal(tmp_path / "pipe").message


def test_a_built_in_that_does_not_exist_lists_those_that_do() -> None:
    assert "builtin:people_720p30" in refusal("builtin:poeple").message


def test_a_mode_looks_only_for_what_it_reads() -> None:
    assert resolve(scenario("/nowhere.mp4", "generate"), BUILTIN).source.clip == "/nowhere.mp4"
    command = Scenario.model_validate(
        {"name": "t", "mode": "command", "program": {"command": ["true"]}}
    )
    assert resolve(command, BUILTIN) is command
