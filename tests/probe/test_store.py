from __future__ import annotations

from pathlib import Path

import pytest

from probe import store


@pytest.mark.parametrize(
    ("folder", "gone"),
    [
        ("memory/liveprobe-mine-abc", True),
        ("run/tapes", True),
        ("memory/liveprobe-another-abc", False),
        ("memory/something", False),
        ("other/tapes", False),
        ("elsewhere", False),
    ],
)
def test_only_a_runs_own_tapes_are_removed(
    folder: str, gone: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SHARED_MEMORY", tmp_path / "memory")
    tapes = tmp_path / folder
    tapes.mkdir(parents=True)
    (tapes.parent / store.MANIFEST).write_text("{}")
    store.discard_tapes(tmp_path / "run", "mine", tapes)
    assert tapes.exists() is not gone
