from __future__ import annotations

import pytest

from probe.homes import without_homes
from probe.store import Run
from reports.page import privacy
from reports.page.subject import Subject
from reports.sections import method


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("/home/alice/clips/a.mp4", "~/clips/a.mp4"),
        ("at '/Users/Bob Smith/x', line 3", "at '~/x', line 3"),
        ("/Users/Bob and /home/eve", "~ and ~"),
        ("/root/.cache and /rootfs", "~/.cache and /rootfs"),
        ("/proc/1/root/etc", "/proc/1/root/etc"),
        ("/sys/class/thermal", "/sys/class/thermal"),
        ("rtsp://eve:secret@10.0.0.2/cam", "rtsp://10.0.0.2/cam"),
    ],
)
def test_home_folders_are_taken_out(text: str, clean: str) -> None:
    assert privacy.redacted(text) == clean


def test_a_home_folder_may_be_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/data/people/eve")
    assert privacy.redacted("at '/data/people/eve/clip.mp4'") == "at '~/clip.mp4'"
    assert privacy.redacted("/data/people/evelyn") == "/data/people/evelyn"
    assert "eve" not in privacy.redacted("/host/data/people/eve/clip.mp4 (/data/people/eve).")
    assert privacy.redacted("/data/people/eve.old") == "/data/people/eve.old"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("/data/clips and /database", "~/clips and /database"),
        ("/mnt/data/models/x", "/mnt/data/models/x"),
        ("/sys/class/net/data", "/sys/class/net/data"),
        ("file:///data/x", "file://~/x"),
    ],
)
def test_a_home_of_one_folder_is_no_other_of_its_name(
    text: str, clean: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/data")
    assert without_homes(text) == clean


def test_a_process_without_a_home_loses_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/")
    assert privacy.redacted("/sys/class/thermal") == "/sys/class/thermal"


def test_the_name_of_the_user_is_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privacy.getpass, "getuser", lambda: "magdalena")
    assert privacy.redacted("/data/magdalena/run") == "/data/USER/run"
    assert privacy.redacted("magdalenas") == "magdalenas"


def test_a_document_is_cleaned_in_keys_and_depths() -> None:
    found = privacy.redacted_document({"/home/eve/k": [{"a": ("/home/eve/v", 3, None)}]})
    assert found == {"~/k": [{"a": ["~/v", 3, None]}]}


def test_a_path_is_cut_to_its_file() -> None:
    assert privacy.file_name("/home/eve/films/my clip.mp4") == "my clip.mp4"
    assert privacy.file_name("C:\\Users\\eve\\clip.mp4") == "clip.mp4"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ('File "/srv/clients/Secret Corp/mary.smith/x.py", line 3', 'File "x.py", line 3'),
        ("cannot open /mnt/mary/clip.mp4: gone", "cannot open clip.mp4: gone"),
        ("~/work/clip.mp4", "clip.mp4"),
        ("/sys/class/thermal/zone0 is not there", "/sys/class/thermal/zone0 is not there"),
        ("ratio 3/4 and/or http://a/b", "ratio 3/4 and/or http://a/b"),
    ],
)
def test_folders_are_cut_from_what_a_program_says(text: str, clean: str) -> None:
    assert privacy.without_folders(text) == clean


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["/usr/bin/python3", "/srv/eve/live.py", "--key", "SECRET"], "python3 live.py ..."),
        (["sh", "-c", "token=SECRET123 ./run"], "sh ..."),
        (["/opt/eve/player"], "player"),
    ],
)
def test_a_command_is_shown_without_what_it_was_told(command: list[str], shown: str) -> None:
    subject = Subject.of((Run.of({"mode": "command", "program": {"command": command}}, {}), {}))
    assert method.rerun(subject) == f"liveprobe run -- {shown}"
