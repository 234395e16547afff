"""Fetch uPlot from npm, verify it, and rewrite `reports/_vendor/uplot`: `vendor.py VERSION`.

`npm pack` brings the archive from whatever registry npm is configured with; the archive must have
the sha512 that npm announces for it, and, where VENDOR.toml already pins this version, the pinned
one. No registry address is written anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "reports" / "_vendor" / "uplot"
KEPT = {
    "package/dist/uPlot.iife.min.js": "uPlot.iife.min.js",
    "package/dist/uPlot.min.css": "uPlot.min.css",
    "package/LICENSE": "LICENSE",
}


def integrity(data: bytes) -> str:
    """Return the subresource integrity of `data` as npm writes it: ``sha512-<base64>``."""
    return "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode("ascii")


def pack(version: str, folder: Path) -> tuple[bytes, str]:
    """Let npm put the package into `folder`; return the archive and the announced integrity."""
    command = ["npm", "pack", f"uplot@{version}", "--json", "--pack-destination", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    (said,) = json.loads(done.stdout)
    return (folder / said["filename"]).read_bytes(), str(said["integrity"])


def pinned(version: str) -> str | None:
    """Return the integrity that VENDOR.toml pins for this version, if it does."""
    file = TARGET / "VENDOR.toml"
    if not file.exists():
        return None
    known = tomllib.loads(file.read_text(encoding="utf-8"))
    return str(known["integrity"]) if known["version"] == version else None


def extract(archive: Path) -> dict[str, bytes]:
    """Return the files that we keep, by their name here; nothing else leaves the archive."""
    with tarfile.open(archive) as tar:
        members = {name: tar.extractfile(source) for source, name in KEPT.items()}
        return {name: file.read() for name, file in members.items() if file is not None}


def description(version: str, checked: str, files: dict[str, bytes]) -> str:
    """Return the text of VENDOR.toml."""
    lines = [
        "# Written by tools/vendor.py; a test hashes the files again.",
        'name = "uplot"',
        f'version = "{version}"',
        'license = "MIT"',
        f'integrity = "{checked}"',
        "",
        "[sha256]",
    ]
    lines += [f'"{name}" = "{hashlib.sha256(data).hexdigest()}"' for name, data in files.items()]
    return "\n".join(lines) + "\n"


def main(version: str) -> int:
    """Vendor this version; return the exit code."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        data, announced = pack(version, folder)
        for expected in (announced, pinned(version)):
            if expected is not None and integrity(data) != expected:
                print(f"uplot@{version} is {integrity(data)}, expected {expected}", file=sys.stderr)
                return 1
        files = extract(next(folder.glob("*.tgz")))
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (TARGET / name).write_bytes(content)
    text = description(version, integrity(data), files)
    (TARGET / "VENDOR.toml").write_text(text, encoding="utf-8")
    print(f"uplot {version} in {TARGET}")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004  the program and the version
        sys.exit("usage: vendor.py VERSION, for example 1.6.32")
    sys.exit(main(sys.argv[1]))
