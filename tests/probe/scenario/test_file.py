from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scenarios
from probe.errors import ScenarioError, UsageError
from probe.scenario.file import Loaded, line_numbers, load
from probe.scenario.problems import known_paths

DEFAULT = "live-background-blur"


def loaded(reference: str | Path | None = DEFAULT, *overrides: str, **inputs: str) -> Loaded:
    where = None if reference is None else str(reference)
    return load(where, folder=scenarios.folder(), overrides=overrides, **inputs)


def problems(reference: str | Path = DEFAULT, *overrides: str, **inputs: str) -> dict[str, str]:
    with pytest.raises(ScenarioError) as caught:
        loaded(reference, *overrides, **inputs)
    assert caught.value.remedy
    return dict(caught.value.problems)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.toml"


def test_a_shipped_scenario_is_not_custom() -> None:
    got = loaded()
    assert not got.custom
    assert got.overrides == ()
    assert got.scenario.name == DEFAULT
    assert tomllib.loads(got.text)["name"] == DEFAULT


def test_a_copy_of_a_shipped_scenario_is_not_custom_and_an_edited_one_is(file: Path) -> None:
    text = loaded().text
    file.write_text(text)
    assert not loaded(file).custom
    file.write_text(text.replace("50ms", "80ms"))
    assert loaded(file).custom


def test_any_key_is_overridden_by_its_path() -> None:
    got = loaded(
        DEFAULT,
        "stage.infer.threads=2",
        "run.duration=6s",
        "run.warmup = 2s",
        "source.fps=60",
        "stage.preprocess.mean=[102.890434, 111.25247, 126.91212]",
        "stage.encode.place=off",
        'title="x = 1"',
        "stage.infer.spinning=true",
    )
    assert got.custom
    made = got.scenario
    assert (made.stage.infer.threads, made.source.fps, made.title) == (2, 60.0, "x = 1")
    assert (made.run.duration, made.run.warmup) == (6_000_000_000, 2_000_000_000)
    assert made.stage.preprocess.mean == [102.890434, 111.25247, 126.91212]
    assert made.stage.encode.place == "off"
    assert made.stage.infer.spinning
    assert got.overrides[:3] == ("stage.infer.threads=2", "run.duration=6s", "run.warmup=2s")


def test_the_last_of_two_overrides_holds() -> None:
    assert loaded(DEFAULT, "run.seed=1", "run.seed=2").scenario.run.seed == 2


def test_clip_and_model_replace_and_are_relative_to_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    got = loaded("live-face-boxes", clip="talk.mp4", model="nets/faces.onnx")
    assert got.scenario.source.clip == str(tmp_path / "talk.mp4")
    assert got.scenario.stage.infer.model == str(tmp_path / "nets/faces.onnx")
    assert got.overrides == ("source.clip=talk.mp4", "stage.infer.model=faces.onnx")


def test_a_given_clip_replaces_a_camera(file: Path) -> None:
    file.write_text('name = "t"\n[source]\nkind = "camera"\n')
    assert loaded(file, clip="a.mp4").scenario.source.kind == "clip"


def test_paths_in_a_file_are_relative_to_the_file(file: Path) -> None:
    file.write_text(
        'name = "t"\n[source]\nclip = "clips/a.mp4"\n[stage.infer]\nmodel = "../m.onnx"'
    )
    made = loaded(file).scenario
    assert made.source.clip == str(file.parent / "clips/a.mp4")
    assert made.stage.infer.model == str(file.parent.parent / "m.onnx")


def test_built_in_names_and_absolute_paths_stay(file: Path) -> None:
    file.write_text('name = "t"\n[source]\nclip = "/a.mp4"\n[stage.infer]\nmodel = "builtin:x"')
    made = loaded(file).scenario
    assert (made.source.clip, made.stage.infer.model) == ("/a.mp4", "builtin:x")


def test_a_command_needs_no_scenario_and_has_no_end_unless_asked() -> None:
    got = load(None, folder=scenarios.folder(), command=["sleep", "1"])
    assert got.scenario.mode == "command"
    assert got.scenario.program.command == ["sleep", "1"]
    assert "duration" not in got.scenario.run.model_fields_set
    bounded = load(
        None, folder=scenarios.folder(), overrides=["run.duration=3s"], command=["sleep", "1"]
    )
    assert "duration" in bounded.scenario.run.model_fields_set


def test_all_problems_are_told_at_once_with_their_lines(file: Path) -> None:
    file.write_text(
        'name = "Bad Name"\n\n[run]\nduration = -1\ndurration = 3\n[source]\nfps = 0\n'
        'size = [\n  640,\n  "480",\n]\n[stage.upscale]\nx = 2\n[[expect]]\nsource_index = 0\n'
        "tolerance = 2\n"
    )
    told = problems(file, "stage.infer.threads=many", "stage.encode.codec=h265")
    assert set(told) == {
        "name", "run.duration", "run.durration", "source.fps", "source.size[1]", "stage.upscale",
        "expect[0].tolerance", "stage.infer.threads", "stage.encode.codec",
    }  # fmt: skip
    assert "did you mean run.duration?" in told["run.durration"]
    assert told["run.durration"].endswith("(line 5)")
    assert "given -1" in told["run.duration"]
    assert told["source.size[1]"].endswith('given the text "480" (line 8)')
    assert 'one of "h264", "mjpeg"' in told["stage.encode.codec"]
    assert told["stage.encode.codec"].endswith("(from --set)")
    assert "a whole number from 1 to 256" in told["stage.infer.threads"]
    assert "decode, preprocess, infer" in told["stage.upscale"]


def test_two_renders_are_one_too_many(file: Path) -> None:
    file.write_text(
        'name = "t"\n[[stage.render]]\nsink = "null"\n[[stage.render]]\nsink = "file"\n'
    )
    assert "write [stage.render] once" in problems(file)["stage.render"]
    file.write_text('name = "t"\n[stage.render]\nsink = "null"\n[stage.render]\nsink = "file"\n')
    with pytest.raises(ScenarioError, match=r"twice \(at line 4, column 14\)"):
        loaded(file)


def test_a_scenario_without_a_model_of_its_own_asks_for_one() -> None:
    assert "add --model FILE" in problems("live-face-boxes")["stage.infer.model"]


@pytest.mark.parametrize(
    ("mode", "table", "key"),
    [
        ("live", "[generate]\nsteps = 2", "generate"),
        ("generate", "[source]\nfps = 30", "source"),
        ("generate", "[stage.decode]\nthreads = 2", "stage.decode"),
        ("command", "[source]\nfps = 30", "source"),
        ("command", "program.faults = []", "program.faults"),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(
    file: Path, mode: str, table: str, key: str
) -> None:
    file.write_text(f'name = "t"\nmode = "{mode}"\n{table}\n')
    assert "does not use this" in problems(file)[key]
    assert problems(file)[key].endswith("(line 3)")


@pytest.mark.parametrize("part", ["copies", "operators"])
def test_reports_of_other_tools_are_relative_to_who_named_them(
    part: str, file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file.write_text(f'name = "t"\n[{part}]\nread = ["cupti.sqlite", "/abs/profile.json"]\n')
    got = loaded(file).scenario.document()[part]["read"]
    assert got == [str(tmp_path / "cupti.sqlite"), "/abs/profile.json"]
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    changed = loaded(file, f'{part}.read=["my/own.json"]')
    assert changed.scenario.document()[part]["read"] == [str(tmp_path / "here/my/own.json")]
    assert changed.overrides == (f'{part}.read=["own.json"]',), "folders are private"


def test_a_list_of_choices_reads_as_one() -> None:
    said = problems(DEFAULT, "program.faults=3")["program.faults"]
    assert said.startswith('must be a list of any of "contiguity-lost", ')


def test_a_clip_for_a_generating_scenario_is_refused() -> None:
    assert "from --clip" in problems("generate-clip", clip="a.mp4")["source"]


@pytest.mark.parametrize("item", ["", "=", "=1", "run.duration", "stage.infer.threads:2"])
def test_an_override_that_is_none_is_refused(item: str) -> None:
    with pytest.raises(UsageError, match="KEY=VALUE"):
        loaded(DEFAULT, item)


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("threads=2", "stage.infer.threads"),
        ("stage.infer=2", "is a table"),
        ("stage.infer.threads.x=2", "unknown key"),
        ("run..duration=6s", "unknown key"),
        ("stage.infer.threads=1\n[run]\nseed=3", "whole number"),
    ],
)
def test_an_override_of_no_key_is_refused(item: str, said: str) -> None:
    assert said in str(problems(DEFAULT, item))


@pytest.mark.parametrize("reference", ["x" * 300, f"{__file__}/x"])
def test_a_name_that_the_system_refuses_is_an_error(reference: str) -> None:
    with pytest.raises(ScenarioError, match=r"too long|Not a directory"):
        loaded(reference)


def test_names_that_are_nearly_right_and_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="did you mean live-background-blur"):
        loaded("live-blur")
    with pytest.raises(ScenarioError, match="no scenario and no file"):
        loaded(tmp_path / "missing.toml")
    with pytest.raises(ScenarioError, match="a directory"):
        loaded(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ScenarioError, match="not a regular file"):
        loaded(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"name = \n", r"line 1, column 8"),
        (b'name = "t"\n\xff\n', r"not UTF-8 text \(line 2, byte 0xff\)"),
        (b"# x\n" * 100_000, "larger than 256 KiB"),
        (b"x = " + b"[" * 20_000, "nested too deeply"),
        (b"run = {seed = " + b"9" * 5_000 + b"}", "not TOML"),
        (b'name = "t"\nname = "u"\n', "line 2"),
        (b"\x00", "not TOML"),
    ],
)
def test_what_is_no_toml_says_where(file: Path, data: bytes, said: str) -> None:
    file.write_bytes(data)
    with pytest.raises(ScenarioError, match=said) as caught:
        loaded(file)
    assert caught.value.remedy


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(file: Path) -> None:
    file.write_bytes(b'\xef\xbb\xbfname = "t"\r\n[run]\r\nduration = "6s"\r\n')
    assert loaded(file).scenario.run.duration == 6_000_000_000


def test_enormous_values_are_told_and_not_printed(file: Path) -> None:
    file.write_text(
        f'name = "{"n" * 9999}"\n[run]\nduration = 0x{"f" * 9000}\nseed = 0x{"f" * 9000}\n'
        f"[source]\nfps = 0x{'f' * 9000}\nclip = {{a = 1}}\n"
    )
    told = problems(file)
    assert set(told) == {"name", "run.duration", "run.seed", "source.fps", "source.clip"}
    assert all(len(text) < 300 for text in told.values())
    assert "an enormous number" in told["run.seed"]


def test_control_characters_do_not_reach_the_message(file: Path) -> None:
    file.write_text('name = "a\\u001b[2J"\ntitle = "\\u0007"\n"\\u001b[31m" = 1\n')
    told = problems(file)
    assert set(told) >= {"name", "title"}
    assert "\x1b" not in told["name"] + told["title"]


@pytest.mark.parametrize("key", known_paths())
def test_line_numbers_are_those_of_the_shipped_scenarios(key: str) -> None:
    parts = tuple(key.split("."))
    for name in scenarios.names():
        text = (scenarios.folder() / f"{name}.toml").read_text()
        found = line_numbers(text, [parts]).get(parts)
        if found is not None:
            line = text.splitlines()[found - 1]
            assert line.startswith((f"[{key}", parts[-1])), (name, key, line)


def test_lines_of_values_over_many_lines_and_of_texts_that_look_like_keys() -> None:
    text = 'a = """\nb = 1\n"""\n\n# b = 2\nb = [\n  1,\n]\n[t]\nb = 3\n'
    keys = [("a",), ("b",), ("t",), ("t", "b"), ("b", 0), ("c",)]
    assert line_numbers(text, keys) == {
        ("a",): 1,
        ("b",): 6,
        ("t",): 9,
        ("t", "b"): 10,
        ("b", 0): 6,
    }


TOML_VALUES = st.recursive(
    st.one_of(
        st.integers(-(2**70), 2**70).map(str),
        st.floats().map(str),
        st.booleans().map(lambda value: str(value).lower()),
        st.text(st.characters(exclude_characters="'\n\r", exclude_categories=("Cc", "Cs"))).map(
            lambda text: f"'{text}'"
        ),
        st.just("1979-05-27T07:32:00Z"),
        st.just("07:32:00"),
    ),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]")
        | inner.map(lambda value: f"{{ a = {value} }}")
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=200)
@given(key=st.sampled_from(known_paths()), value=st.one_of(TOML_VALUES, st.text()))
def test_any_override_gives_a_scenario_or_an_error_that_names_its_key(key: str, value: str) -> None:
    try:
        got = loaded(DEFAULT, f"{key}={value}")
    except ScenarioError as error:
        assert error.problems  # noqa: PT017 - either outcome is right; this one must say why
        for _, text in error.problems:
            assert len(text) < 600
            assert "\x1b" not in text
    else:
        assert got.custom
        assert (
            got.scenario.document() == got.scenario.of_document(got.scenario.document()).document()
        )


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=200))
def test_any_override_text_is_refused_or_taken(item: str) -> None:
    try:
        loaded(DEFAULT, item)
    except UsageError as error:
        assert error.message  # noqa: PT017 - either outcome is right


KEYS = st.sampled_from([*known_paths(), "x", "run.x", "stage.x.y", "expect"])


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(KEYS, TOML_VALUES), max_size=12, unique_by=lambda pair: pair[0]))
def test_any_toml_is_a_scenario_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_text("".join(f"{key} = {value}\n" for key, value in pairs), encoding="utf-8")
    try:
        assert loaded(file).custom
    except ScenarioError as error:
        assert error.message  # noqa: PT017 - either outcome is right


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=300))
def test_bytes_that_are_no_scenario_are_an_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "garbage.toml"
    file.write_bytes(data)
    with pytest.raises(ScenarioError):
        loaded(file)
