"""The scenarios that ship with liveprobe: one TOML file each."""

from __future__ import annotations

from pathlib import Path


def folder() -> Path:
    """Return the folder that holds the shipped scenarios."""
    return Path(__file__).resolve().parent


def names() -> list[str]:
    """Return the names of the shipped scenarios, sorted."""
    return sorted(file.stem for file in folder().glob("*.toml"))


def claims() -> Path:
    """Return the folder that holds the shipped files of claims."""
    return folder() / "claims"
