"""What is vendored is what its own description says, byte for byte."""

from __future__ import annotations

import hashlib
import tomllib

from reports.page.document import UPLOT


def test_vendored_files_are_those_that_were_verified() -> None:
    text = (UPLOT / "VENDOR.toml").read_text(encoding="utf-8")
    said = tomllib.loads(text)
    assert said["license"] == "MIT"
    assert said["integrity"].startswith("sha512-")
    assert "://" not in text
    found = {file.name for file in UPLOT.iterdir()} - {"VENDOR.toml"}
    assert found == set(said["sha256"])
    for name, digest in said["sha256"].items():
        assert hashlib.sha256((UPLOT / name).read_bytes()).hexdigest() == digest


def test_the_banner_of_the_author_is_kept() -> None:
    script = (UPLOT / "uPlot.iife.min.js").read_text(encoding="utf-8")
    assert script.startswith("/*! https://github.com/leeoniya/uPlot")
    assert "</script" not in script
    assert "Copyright" in (UPLOT / "LICENSE").read_text(encoding="utf-8")
