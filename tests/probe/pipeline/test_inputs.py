"""Inputs are checked before the program is started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from onnx import TensorProto

from probe.errors import InputError
from probe.pipeline.inputs import check
from probe.scenario import Scenario

if TYPE_CHECKING:
    from pathlib import Path


def scenario(clip: Path, model: Path, **parts: Any) -> Scenario:
    stage = {"infer": {"model": str(model)}}
    return Scenario.model_validate(
        {"name": "t", "source": {"clip": str(clip)}, "stage": stage, **parts}
    )


def test_what_can_be_used_passes(clips: Any, models: Any) -> None:
    check(scenario(clips.make(), models.identity()))
    check(scenario(clips.make(), models.identity(["n", 3, "h", "w"], name="free.onnx")))


def test_a_clip_that_cannot(clips: Any, models: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        check(scenario(tmp_path / "absent.mp4", models.identity()))


def test_a_model_that_cannot(clips: Any, models: Any) -> None:
    with pytest.raises(InputError, match="string"):
        check(scenario(clips.make(), models.identity(kind=TensorProto.STRING)))


def test_a_generator_is_asked_for(clips: Any, models: Any) -> None:
    with pytest.raises(InputError, match="not a generator"):
        check(scenario(clips.make(), models.identity(), mode="generate"))


def test_a_command_brings_its_own(tmp_path: Path) -> None:
    check(
        scenario(
            tmp_path / "absent",
            tmp_path / "absent",
            mode="command",
            program={"command": ["true"]},
        )
    )
