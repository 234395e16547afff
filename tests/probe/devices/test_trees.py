"""What the doctor says of every captured board; it changes only with LIVEPROBE_ACCEPT=1."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from probe.console import doctor_text
from probe.devices import answer, tree
from probe.devices.doctor import OTHER_DEVICE, examine
from probe.devices.processors import processor
from probe.kernel_file import read_text
from probe.model import Device

DEVICES = Path(__file__).parents[2] / "devices"
GOLDEN = Path(__file__).parent / "golden"
BOARDS = sorted(each.name for each in DEVICES.iterdir() if (each / "proc").is_dir())
WANTED = {
    "raspberry-pi-5", "raspberry-pi-5-hailo10h", "rock-5b", "jetson-orin-nano",
    "laptop-core-ultra", "laptop-ryzen-ai", "pc-nvidia", "raspberry-pi-coral", "bare-vm",
}  # fmt: skip
SHOWN = "TREE"
SECRETS = (
    "5ec7e70123456789", "0badc0de12345678", "0BADC0DE12345678", "studio-of-somebody", "PF5ABC12",
    "01234567-89ab-cdef-0123-456789abcdef",
)  # fmt: skip


@pytest.fixture(scope="module", params=BOARDS)
def looked(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Return a board and the doctor's document of it, its place replaced by a word."""
    root = DEVICES / request.param
    before = entries(root)
    document = examine(Device("tree", root, tree.program(root)), wait_s=0)
    assert entries(root) == before, "nothing is written into a tree"
    return request.param, json.loads(json.dumps(document).replace(str(root), SHOWN))


def entries(root: Path) -> list[str]:
    return sorted(str(path) for path in root.rglob("*"))


def golden(board: str, document: dict[str, Any]) -> dict[str, Any]:
    """Return the document without what all boards share, and what its text has beside it.

    All boards share titles, units and rows of the matrix; the text has values and sources.
    """
    tracks = {
        row["track"]: {key: row[key] for key in ("state", "lines", "reason", "remedy")}
        for row in document["tracks"]
    }
    return {"board": board, **document, "tracks": tracks}


def test_every_board_that_was_asked_for_is_there() -> None:
    assert set(BOARDS) >= WANTED


def test_a_board_gets_its_golden_answer(looked: tuple[str, dict[str, Any]]) -> None:
    board, document = looked
    found = json.dumps(golden(board, document), indent=1) + "\n"
    text = doctor_text.text(document, None) + "\n"
    files = {GOLDEN / f"{board}.json": found, GOLDEN / f"{board}.txt": text}
    if os.environ.get("LIVEPROBE_ACCEPT") == "1":
        GOLDEN.mkdir(exist_ok=True)
        for file, said in files.items():
            file.write_text(said, encoding="utf-8")
    for file, said in files.items():
        assert said == file.read_text(encoding="utf-8")


def test_the_answer_keeps_its_schema(looked: tuple[str, dict[str, Any]]) -> None:
    jsonschema.Draft202012Validator(answer.schema()).validate(looked[1])


def test_nothing_of_this_machine_is_in_it(looked: tuple[str, dict[str, Any]]) -> None:
    board, document = looked
    text = json.dumps(document)
    here = {platform.release(), processor(Device("here")).model}
    known = {document["device"]["kernel"], document["device"]["cpu"]}
    for each in here - known - {None}:
        assert str(each) not in text
    boot_id = read_text(Path("/proc/sys/kernel/random/boot_id"))
    assert boot_id is None or boot_id not in text
    assert str(DEVICES / board) not in text
    assert document["leaving_tree"] == []
    assert document["codecs"]["pyav"] is None


def test_no_serial_number_and_no_host_name_is_in_it(looked: tuple[str, dict[str, Any]]) -> None:
    text = json.dumps(looked[1])
    assert not any(secret in text for secret in SECRETS)


def test_no_collector_fails_on_a_board(looked: tuple[str, dict[str, Any]]) -> None:
    failed = [row for row in looked[1]["tracks"] if row["state"] == "failed"]
    assert failed == []


def test_what_is_missing_has_a_reason(looked: tuple[str, dict[str, Any]]) -> None:
    for row in looked[1]["tracks"]:
        assert row["reason"], row["track"]
        if row["state"] == "no data" and "the tree" not in row["reason"]:
            assert row["remedy"], row["track"]


@pytest.mark.parametrize("width", [60, 80, 100, 140, 200])
def test_the_text_fits_every_terminal(looked: tuple[str, dict[str, Any]], width: int) -> None:
    text = doctor_text.text(looked[1], width)
    long = [line for line in text.splitlines() if len(line) > width and " " in line.strip()]
    assert [line for line in long if max(map(len, line.split())) < width - 12] == []
    squeezed = "".join(text.split())
    for row in looked[1]["tracks"]:
        assert row["state"] == OTHER_DEVICE or row["track"] in squeezed


def test_all_also_shows_the_tracks_of_other_devices(looked: tuple[str, dict[str, Any]]) -> None:
    text = doctor_text.text(looked[1], None, everything=True)
    assert "not for this device" not in text
    assert all(row["track"] in text for row in looked[1]["tracks"])
