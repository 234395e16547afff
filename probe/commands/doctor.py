"""`liveprobe doctor`: what can be measured on this machine, and what would enable the rest?"""

from __future__ import annotations

import click

from probe.console.terminal import Terminal, speaking


@click.command(short_help="Say what can be measured on this machine.")
@speaking
def command(*, terminal: Terminal) -> int:
    """Say what this machine lets liveprobe measure: sensors, permissions, clocks, accelerators."""
    from probe.devices import doctor
    from probe.model import Device

    document = doctor.examine(Device("local"))
    terminal.result("\n".join(doctor.lines(document)), document)
    return 0
