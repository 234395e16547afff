"""`liveprobe doctor`: what can be measured on this machine, and what would enable the rest?"""

from __future__ import annotations

import click

from probe.console.terminal import Terminal, speaking


@click.command(short_help="Say what can be measured on this machine.")
@click.option(
    "--all", "everything", is_flag=True, help="Also tracks that other kinds of device have."
)
@speaking
def command(*, terminal: Terminal, everything: bool) -> int:
    """Say what this machine lets liveprobe measure: sensors, permissions, clocks, accelerators.

    Every collector is tried once. LIVEPROBE_DEVICE_ROOT=FOLDER looks at a captured tree of another
    device instead (tests/devices/README.md), and at nothing of this machine.
    """
    from probe.console import doctor_text
    from probe.devices import doctor, tree

    document = doctor.examine(tree.chosen())
    terminal.result(doctor_text.text(document, terminal.width, everything=everything), document)
    return 0
