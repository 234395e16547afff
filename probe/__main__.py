"""``python -m probe`` is the command ``liveprobe``."""

from __future__ import annotations

import sys
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]


def main() -> None:
    """Run the command line with our own packages in view.

    ``python -m`` puts the working directory first: a folder `reports` there would hide ours.
    """
    if Path(sys.path[0]).resolve() != HOME:
        del sys.path[0]
    from probe import cli

    cli.main()


if __name__ == "__main__":
    main()
