from __future__ import annotations

from pathlib import Path

from probe.hwmon import chips
from probe.model import Device


def chip(root: Path, number: int, name: str | None, place: str) -> None:
    folder = root / "sys" / "devices" / place / "hwmon" / f"hwmon{number}"
    folder.mkdir(parents=True)
    if name is not None:
        (folder / "name").write_text(f"{name}\n")
    listed = root / "sys" / "class" / "hwmon"
    listed.mkdir(parents=True, exist_ok=True)
    (listed / folder.name).symlink_to(folder)


def test_chips_stand_by_their_place_whatever_their_numbers(tmp_path: Path) -> None:
    for root, numbers in (("one", (2, 10, 3)), ("two", (7, 1, 4))):
        chip(tmp_path / root, numbers[0], "nvme", "pci/0000:02:00.0")
        chip(tmp_path / root, numbers[1], "nvme", "pci/0000:01:00.0")
        chip(tmp_path / root, numbers[2], None, "pci/0000:00:00.0")
    found = [chips(Device("tree", tmp_path / root)) for root in ("one", "two")]
    assert [[name for name, _ in each] for each in found] == [["nvme", "nvme"]] * 2
    assert [[folder.name for _, folder in each] for each in found] == [
        ["hwmon10", "hwmon2"], ["hwmon1", "hwmon7"],
    ]  # fmt: skip


def test_a_captured_tree_has_numbers_alone(tmp_path: Path) -> None:
    for number in (10, 2):
        folder = tmp_path / "sys" / "class" / "hwmon" / f"hwmon{number}"
        folder.mkdir(parents=True)
        (folder / "name").write_text("ina3221")
    assert [folder.name for _, folder in chips(Device("tree", tmp_path))] == ["hwmon2", "hwmon10"]


def test_links_in_a_circle_are_no_chip(tmp_path: Path) -> None:
    listed = tmp_path / "sys" / "class" / "hwmon"
    listed.mkdir(parents=True)
    (listed / "hwmon0").symlink_to(listed / "hwmon1")
    (listed / "hwmon1").symlink_to(listed / "hwmon0")
    assert chips(Device("tree", tmp_path)) == []
    assert chips(Device("tree", tmp_path / "nothing")) == []
