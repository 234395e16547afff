from __future__ import annotations

import pytest

from reports.page import privacy


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("/home/alice/clips/a.mp4", "~/clips/a.mp4"),
        ("at '/Users/Bob Smith/x', line 3", "at '~ Smith/x', line 3"),
        ("/root/.cache and /rootfs", "~/.cache and /rootfs"),
        ("/sys/class/thermal", "/sys/class/thermal"),
    ],
)
def test_home_folders_are_taken_out(text: str, clean: str) -> None:
    assert privacy.redacted(text) == clean


def test_a_home_folder_may_be_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/data/people/eve")
    assert privacy.redacted("at '/data/people/eve/clip.mp4'") == "at '~/clip.mp4'"
    assert privacy.redacted("/data/people/evelyn") == "/data/people/evelyn"


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
