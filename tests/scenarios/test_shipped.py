from __future__ import annotations

import re
import shlex
import tomllib

import pytest

import scenarios
from probe.scenario.file import load
from probe.scenario.inputs import resolve

NEED_A_MODEL = {"live-face-boxes"}


def loaded(name: str, *arguments: str) -> object:
    """Load a scenario with the arguments of a command line."""
    options: dict[str, list[str]] = {"--set": [], "--clip": [], "--model": []}
    for option, value in zip(arguments[::2], arguments[1::2], strict=True):
        options[option].append(value)
    model = next(iter(options["--model"]), "m.onnx" if name in NEED_A_MODEL else None)
    clip = next(iter(options["--clip"]), None)
    return load(
        name, folder=scenarios.folder(), overrides=options["--set"], clip=clip, model=model
    ).scenario


def examples(text: str) -> list[list[str]]:
    """Return the arguments of each `liveprobe run` in the comments of a scenario."""
    comments = "\n".join(re.findall(r"^# ?(.*)$", text, re.MULTILINE))
    comments = re.sub(r" *\\\n *", " ", comments)
    found = re.findall(r"^ +liveprobe run(.*?)(?:   .*)?$", comments, re.MULTILINE)
    return [shlex.split(arguments) for arguments in found]


def test_the_issues_four_scenarios_ship() -> None:
    assert scenarios.names() == [
        "generate-clip", "live-background-blur", "live-face-boxes", "live-stylize",
    ]  # fmt: skip


@pytest.mark.parametrize("name", scenarios.names())
def test_a_file_is_named_as_the_scenario_in_it(name: str) -> None:
    document = tomllib.loads((scenarios.folder() / f"{name}.toml").read_text())
    assert document["name"] == name
    assert document["title"]
    assert document["version"] == 1
    assert document["mode"] == ("generate" if name.startswith("generate") else "live")


@pytest.mark.parametrize("name", scenarios.names())
def test_every_example_in_its_comments_is_understood(name: str) -> None:
    for arguments in examples((scenarios.folder() / f"{name}.toml").read_text()):
        reference = name
        if arguments and not arguments[0].startswith("-"):
            reference, *arguments = arguments  # noqa: PLW2901 - the rest of the same line
        assert reference == name
        loaded(reference, *arguments)


def test_the_default_has_examples_of_lists() -> None:
    text = (scenarios.folder() / "live-background-blur.toml").read_text()
    assert any("stage.preprocess.range=[0, 255]" in line for line in examples(text))


def test_a_live_demo_has_frames_enough_for_a_p99() -> None:
    made = load("live-background-blur", folder=scenarios.folder()).scenario
    assert made.run.duration / 1e9 * 30 >= 600
    assert made.run.warmup == 5_000_000_000
    assert made.run.deadline == 50_000_000
    assert made.stage.render.sink == "vsync:60"
    assert made.stage.encode.place == "beside-render"


def test_detections_are_preprocessed_as_ultraface_was_trained() -> None:
    made = load("live-face-boxes", folder=scenarios.folder(), model="m.onnx").scenario
    preprocess = made.stage.preprocess
    assert (preprocess.channels, preprocess.range) == ("RGB", (0.0, 255.0))
    assert (preprocess.mean, preprocess.std, preprocess.size) == ([127.0], [128.0], (240, 320))


def test_the_shipped_inputs_are_named_without_their_suffix() -> None:
    from pathlib import Path

    from scenarios import assets

    builtin = {Path(name).stem: assets.path(name) for name in assets.NAMES}
    for name in set(scenarios.names()) - NEED_A_MODEL:
        made = resolve(load(name, folder=scenarios.folder()).scenario, builtin)
        assert Path(made.stage.infer.model) in builtin.values()
