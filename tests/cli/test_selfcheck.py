"""`liveprobe selfcheck`: liveprobe finds what was added on purpose, and says when it does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collectors.copies import library
from probe import cli, selfchecks
from probe.errors import (
    EXIT_ENVIRONMENT,
    EXIT_FAILED,
    EXIT_OK,
    EXIT_USAGE,
    EnvironmentUnmet,
    NoData,
)
from probe.selfchecks import SelfCheck, Step, extra_copies
from probe.selfchecks.extra_copies import Added, Sizes, expected


def test_checks_are_found_by_walking_their_folder() -> None:
    found = selfchecks.discover()
    assert found["extra-copies"] is extra_copies.CHECK
    assert {name.replace("-", "_") for name in found} == {
        file.stem for file in Path(selfchecks.__path__[0]).glob("[!_]*.py")
    }


def test_what_a_fault_adds_is_worked_out_by_hand() -> None:
    live = Sizes(picture=1280 * 720 * 3 // 2, elements=3 * 144 * 256, itemsize=4, runs=1)
    assert expected("copy-between-stages", live) == (Added("copied[:]", "memcpy", 1_382_400),)
    assert [each.bytes for each in expected("cast-forced", live)] == [884_736, 442_368]
    assert [each.bytes for each in expected("contiguity-lost", live)] == [442_368, 442_368]
    block = Sizes(picture=98_304, elements=3 * 16 * 48 * 64, itemsize=4, runs=6 / 16)
    assert [each.bytes for each in expected("cast-forced", block)] == [442_368, 221_184]


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that puts a check of given steps in the place of all others."""

    def put(*steps: Step | Exception) -> None:
        def run(_folder: Path, say: Any) -> Iterator[Step]:
            say("begins")
            for step in steps:
                if isinstance(step, Exception):
                    raise step
                yield step

        made = SelfCheck("made-up", "Something known", run)
        monkeypatch.setattr(selfchecks, "discover", lambda: {"made-up": made})

    return put


def test_the_table_and_the_exit_code_say_what_held(
    checks: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    checks(Step("one", "5 B", "5 B", passed=True))
    assert cli.execute(["selfcheck"]) == EXIT_OK
    assert "  + one  5 B" in capsys.readouterr().out
    checks(Step("one", "5 B", "5 B", passed=True), Step("two", "6 B", "7 B", passed=False))
    assert cli.execute(["selfcheck", "made-up"]) == EXIT_FAILED
    out = capsys.readouterr().out
    assert "1 of 2" in out
    assert "found: 7 B" in out
    assert cli.execute(["selfcheck", "--json"]) == EXIT_FAILED
    document = json.loads(capsys.readouterr().out)
    assert document["passed"] is False
    assert document["checks"][0]["steps"][1]["found"] == "7 B"


def test_what_cannot_be_checked_here_is_no_failure_of_the_check(checks: Any) -> None:
    checks(EnvironmentUnmet("no interposer", remedy="build it"))
    assert cli.execute(["selfcheck"]) == EXIT_ENVIRONMENT


def test_a_check_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.execute(["selfcheck", "nothing"]) == EXIT_USAGE
    assert "there are: extra-copies" in capsys.readouterr().err


def test_without_the_interposer_it_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "HOME", tmp_path)
    monkeypatch.setattr(extra_copies, "PROGRAMS", {"generate": extra_copies.PROGRAMS["generate"]})
    with pytest.raises(EnvironmentUnmet, match="was not built") as caught:
        list(extra_copies.check(tmp_path / "runs", lambda _text: None))
    assert caught.value.remedy in {library.BUILD, library.BUILD_AGAIN}


def test_added_copies_are_named_with_their_bytes_and_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        library.built()
    except NoData as absent:
        pytest.skip(absent.message)
    code = cli.execute(["selfcheck", "extra-copies", "--json", "-o", str(tmp_path / "runs")])
    document = json.loads(capsys.readouterr().out)
    steps = document["checks"][0]["steps"]
    assert [step for step in steps if not step["passed"]] == []
    assert len(steps) == 14
    assert code == EXIT_OK
    assert len(list((tmp_path / "runs").iterdir())) == 10


@pytest.mark.parametrize(
    ("clip", "model", "more"),
    [
        ("juggle_720p24.mp4", "portrait_sinet320_fp32.onnx", ()),
        ("webcam_sign_book_vga30.mkv", "face_ultraface_rfb320_fp32.onnx",
         ("stage.postprocess.kind=boxes",)),
    ],
)  # fmt: skip
def test_added_copies_are_named_on_real_clips_and_models(
    real_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    clip: str,
    model: str,
    more: tuple[str, ...],
) -> None:
    try:
        library.built()
    except NoData as absent:
        pytest.skip(absent.message)
    name, own = extra_copies.PROGRAMS["live"]
    real = (f"source.clip={real_data / clip}", f"stage.infer.model={real_data / model}")
    programs = {"live": (name, (*own, *real, *more, "run.duration=0.5s"))}
    monkeypatch.setattr(extra_copies, "PROGRAMS", programs)
    steps = list(extra_copies.check(tmp_path, lambda _text: None))
    assert [step for step in steps if not step.passed] == []
    assert len(steps) == 7
