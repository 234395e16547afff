from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import scenarios
from probe.scenario import Scenario
from probe.scenario.file import load
from probe.scenario.problems import known_paths
from probe.scenario.template import TEMPLATES, template


@pytest.mark.parametrize("mode", TEMPLATES)
def test_a_template_is_a_scenario_as_it_stands(mode: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(template(mode, "mine"))
    made = load(str(file), folder=scenarios.folder()).scenario
    assert (made.name, made.mode) == ("mine", mode)


@pytest.mark.parametrize("mode", TEMPLATES)
def test_every_default_behind_a_number_sign_is_the_default(mode: str) -> None:
    text = template(mode, "mine")
    uncommented = re.sub(r"^# (\w+ = \S)", r"\1", text, flags=re.MULTILINE)
    assert uncommented != text
    with_defaults = Scenario.model_validate(tomllib.loads(uncommented))
    assert with_defaults == Scenario.model_validate(tomllib.loads(text))


def test_the_live_template_has_every_key_of_its_mode() -> None:
    text = template("live", "mine")
    tables = {path.rpartition(".")[0] for path in known_paths()}
    keys = [path for path in known_paths() if path.startswith(("run", "source", "stage"))]
    leaves = {path.rpartition(".")[2] for path in keys if path not in tables}
    assert len(leaves) > 30
    for leaf in leaves:
        assert re.search(rf"^(# )?{leaf} =", text, re.MULTILINE), leaf


def test_no_line_is_wider_than_a_terminal() -> None:
    assert max(map(len, template("live", "mine").splitlines())) <= 100
