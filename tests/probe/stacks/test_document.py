"""From a folder of recordings to the tables of a Run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from probe import store
from probe.stacks import places, speedscope
from probe.stacks.document import NOTES, Stacks, stacks_of

START = 10**12
WINDOW = {"start_ns": START + 10**7, "end_ns": START + 10**9}


def frames(*functions: str) -> list[tuple[str, str, int]]:
    return [(name, "/home/eve/app.py", 10 + k) for k, name in enumerate(functions)]


def recording(changes: list[tuple[int, str]], end_us: int, tid: int = 9) -> str:
    """Return what py-spy writes for one thread: at each time the function that it is in."""
    head = [('process 7:"python /home/eve/app.py"', "", 0), (f"thread ({tid}): main", "", 0)]
    events: list[dict[str, Any]] = []
    before: list[tuple[str, str, int]] = []
    for t_us, function in [*changes, (end_us, "")]:
        now = [*head, *frames("loop", function)] if function else []
        events += [event("E", each, t_us) for each in reversed(before)]
        events += [event("B", each, t_us) for each in now]
        before = now
    return json.dumps(events)


def event(ph: str, frame: tuple[str, str, int], t_us: int) -> dict[str, Any]:
    name, file, line = frame
    arguments = {"filename": file, "line": line}
    return {"args": arguments, "ph": ph, "name": name, "pid": 7, "tid": 1404, "ts": t_us}


def notes(folder: Path, *names: str, **more: Any) -> None:
    said = {"started_ns": START, "threads_ns": START + 1000, "log": "x Samples: 40 Errors: 2\n"}
    document = {"mode": "nonblocking", "rate_hz": 100,
                "recordings": [{"file": name, **said} for name in names], **more}  # fmt: skip
    (folder / NOTES).write_text(json.dumps(document), encoding="utf-8")


def spans(*rows: tuple[str, int, int]) -> pd.DataFrame:
    table = [
        {"frame": k, "stage": stage, "thread": "MainThread:9", "start_ns": START + a * 1000,
         "end_ns": START + b * 1000}
        for k, (stage, a, b) in enumerate(rows)
    ]  # fmt: skip
    return store.as_table("spans", pd.DataFrame(table))


def sampled(folder: Path) -> Stacks:
    changes = [(20_000, "wait"), (30_000, "decode"), (50_000, "infer"), (80_000, "wait")]
    (folder / "pyspy-1.json").write_text(recording(changes, 100_000), encoding="utf-8")
    notes(folder, "pyspy-1.json", seen={"7:9": START + 10**12})
    told = spans(("decode", 25_000, 45_000), ("infer", 45_000, 75_000))
    return stacks_of(folder, told, WINDOW)


def test_a_sample_belongs_to_the_stage_of_its_thread_at_its_time(tmp_path: Path) -> None:
    found = sampled(tmp_path)
    table = store.as_table("stack_samples", found.tables["stack_samples"])
    assert table["stage"].astype("object").where(table["stage"].notna(), None).tolist() == [
        None, "decode", "infer", None,
    ]  # fmt: skip
    assert table["frame"].tolist() == [pd.NA, 0, 1, pd.NA]
    assert table["held_ns"].tolist() == [10**7, 2 * 10**7, 3 * 10**7, 2 * 10**7]
    assert set(table["thread"]) == {"MainThread:9"}
    assert table["measured"].all()
    assert found.summary is not None
    assert (found.summary["samples"], found.summary["errors"]) == (40, 2)
    assert found.summary["uncertainty_ns"] == 1000
    assert found.summary["not_read"] == []


def test_a_sample_at_the_edge_goes_where_its_stack_is_at_home(tmp_path: Path) -> None:
    spread = [(1000 * k, "decode" if 30 <= k <= 60 else "wait") for k in range(20, 90, 2)]
    lines = [(t, f) for t, f in spread]
    text = json.dumps([each for t, f in lines for each in json.loads(recording([(t, f)], t + 1))])
    (tmp_path / "pyspy-1.json").write_text(text, encoding="utf-8")
    notes(tmp_path, "pyspy-1.json")
    found = stacks_of(tmp_path, spans(("decode", 29_500, 59_500)), WINDOW)  # the last is late
    stages = found.tables["stack_samples"].set_index("t_ns")["stage"]
    assert stages.notna().sum() == 16
    assert stages[stages.notna()].index.max() > stages.index[0] + 39_000_000
    assert found.summary is not None
    assert found.summary["agreement"] > 0.9


def test_a_thread_that_ended_holds_its_last_stack_no_longer(tmp_path: Path) -> None:
    (tmp_path / "pyspy-1.json").write_text(recording([(20_000, "f")], 9_000_000), encoding="utf-8")
    notes(tmp_path, "pyspy-1.json", seen={"7:9": START + 500_000_000})
    held = stacks_of(tmp_path, spans(), WINDOW).tables["stack_samples"]["held_ns"]
    assert 479_000_000 <= held.item() <= 480_000_000
    notes(tmp_path, "pyspy-1.json", seen={"7:1": START})
    held = stacks_of(tmp_path, spans(), WINDOW).tables["stack_samples"]["held_ns"]
    assert held.item() == 10_000_000


def test_what_left_no_file_is_told(tmp_path: Path) -> None:
    lost = [{"from_ns": START, "to_ns": START + 5, "why": "killed"}, 7, {"to_ns": "x"}]
    notes(tmp_path, lost=lost)
    found = stacks_of(tmp_path, spans(), WINDOW)
    assert found.summary is not None
    assert found.summary["lost"] == [
        {"from_ns": START, "to_ns": START + 5, "why": "killed"},
        {"from_ns": None, "to_ns": None, "why": "None"},
    ]


def test_no_more_is_read_of_all_recordings_than_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for k in (1, 2, 3):
        text = recording([(20_000 * k, "f"), (20_000 * k + 5000, "g")], 100_000)
        (tmp_path / f"pyspy-{k}.json").write_text(text, encoding="utf-8")
    monkeypatch.setattr("probe.stacks.document.MOST_BYTES_IN_ALL", len(text) + 9)
    notes(tmp_path, "pyspy-1.json", "pyspy-2.json", "pyspy-3.json")
    found = stacks_of(tmp_path, spans(), WINDOW)
    assert len(found.tables["stack_samples"]) == 2
    assert found.summary is not None
    assert found.summary["cut_short"] == 1
    assert [each[0] for each in found.summary["not_read"]] == ["pyspy-3.json"]


def test_no_home_folder_is_in_the_tables(tmp_path: Path) -> None:
    files = ["/home/eve/work/app.py", "/home/eve/work/parts/a.py", "/home/eve/lib/b.py",
             "/usr/lib/python3.11/threading.py", "/opt/c.py"]  # fmt: skip
    events = [
        {"args": {"filename": file, "line": 3}, "ph": "B", "pid": 7, "tid": 1, "ts": 9,
         "name": "<module>" if k == 0 else f"f (/home/eve/{k}.so)"}
        for k, file in enumerate(files)
    ]  # fmt: skip
    (tmp_path / "pyspy-1.json").write_text(json.dumps(events), encoding="utf-8")
    notes(tmp_path, "pyspy-1.json")
    table = stacks_of(tmp_path, spans(), WINDOW).tables["stacks"]
    assert not table["frames"].str.contains("eve").any()
    (text,) = table["frames"]
    placed = [file for file, _, _ in reversed(json.loads(text))]
    assert placed == ["app.py", "parts/a.py", "~/lib/b.py", "threading.py", "/opt/c.py"]
    assert [places.short(each) for each in placed[1:3]] == ["parts/a.py", "b.py"]


def test_a_profile_that_would_be_too_long_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speedscope, "MOST_NUMBERS", 7)
    tables = sampled(tmp_path).tables
    (profile,) = speedscope.document(tables["stack_samples"], tables["stacks"], "x")["profiles"]
    assert profile["name"] == "MainThread:9 (the first 2 of 4 samples)"
    assert len(profile["samples"]) == len(profile["weights"]) == 2


def test_without_notes_nothing_was_asked_for(tmp_path: Path) -> None:
    assert stacks_of(tmp_path, spans(), WINDOW) == Stacks({}, None)


@pytest.mark.parametrize("text", ["", "[", "[]", "null", "{}", '{"recordings": 1}', "\xff"])
def test_notes_that_are_none_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / NOTES).write_bytes(text.encode("latin-1"))
    assert stacks_of(tmp_path, spans(), WINDOW) == Stacks({}, None)


@pytest.mark.parametrize("name", ["../pyspy-1.json", "/etc/passwd", "pyspy-2.json", 7, None])
def test_a_recording_that_cannot_be_read_is_named(tmp_path: Path, name: Any) -> None:
    sampled(tmp_path)
    notes(tmp_path, "pyspy-1.json", name)
    found = stacks_of(tmp_path, spans(), WINDOW)
    assert found.summary is not None
    assert [each[0] for each in found.summary["not_read"]] == [str(name)]
    assert found.summary["recordings"] == 1


def test_an_empty_recording_is_no_sample(tmp_path: Path) -> None:
    (tmp_path / "pyspy-1.json").write_text("[]\n", encoding="utf-8")
    notes(tmp_path, "pyspy-1.json")
    found = stacks_of(tmp_path, spans(("decode", 1, 2)), WINDOW)
    assert not len(found.tables["stack_samples"])


def test_the_speedscope_file_is_valid_and_has_no_folder(tmp_path: Path) -> None:
    tables = sampled(tmp_path).tables
    found = speedscope.document(tables["stack_samples"], tables["stacks"], "a run")
    file = tmp_path / speedscope.FILE
    speedscope.write(file, found)
    text = file.read_text(encoding="utf-8")
    assert "eve" not in text
    assert "/home" not in text
    (profile,) = json.loads(text)["profiles"]
    listed = [each["name"] for each in found["shared"]["frames"]]
    named = [[listed[k] for k in stack] for stack in profile["samples"]]
    assert named == [
        ["outside of stages", "loop", "wait"],
        ["stage decode", "loop", "decode"],
        ["stage infer", "loop", "infer"],
        ["outside of stages", "loop", "wait"],
    ]
    assert profile["endValue"] - profile["startValue"] == sum(profile["weights"]) == 80_000_000
    assert profile["unit"] == "nanoseconds"


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        ("/home/eve/app/main.py", "main.py"),
        ("/home/eve/.venv/lib/python3.11/site-packages/numpy/core.py", "numpy/core.py"),
        ("/home/eve/.pyenv/versions/3.11.7/lib/python3.11/threading.py", "threading.py"),
        ("/home/eve/.venv/lib/python3.12/json/decoder.py", "json/decoder.py"),
        ("libx.so", "libx.so"),
        ("parts/a.py", "parts/a.py"),
        ("../eve/a.py", "a.py"),
        ("C:\\Users\\eve\\app.py", "app.py"),
        ("", ""),
    ],
)
def test_files_are_shown_without_folders_of_people(file: str, shown: str) -> None:
    assert places.short(file) == shown


def test_names_are_shown_without_folders_of_people() -> None:
    assert places.readable("f (/home/eve/libx.so)") == "f (libx.so)"
    assert places.readable("operator/") == "operator/"


def test_addresses_without_symbols_have_one_name() -> None:
    assert places.readable("0x7f22378a3f16") == places.readable("0x7F22378A4193")
    assert places.readable("0x7f_main") == "0x7f_main"
