"""From a folder of recordings to the tables of a Run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from probe import store
from probe.stacks import speedscope
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
        ("C:\\Users\\eve\\app.py", "app.py"),
        ("", ""),
    ],
)
def test_files_are_shown_without_folders_of_people(file: str, shown: str) -> None:
    assert speedscope.short(file) == shown


def test_names_are_shown_without_folders_of_people() -> None:
    assert speedscope.readable("f (/home/eve/libx.so)") == "f (libx.so)"
    assert speedscope.readable("operator/") == "operator/"


def test_addresses_without_symbols_have_one_name() -> None:
    assert speedscope.readable("0x7f22378a3f16") == speedscope.readable("0x7F22378A4193")
    assert speedscope.readable("0x7f_main") == "0x7f_main"
