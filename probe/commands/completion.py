"""`liveprobe completion`: what a shell needs to complete verbs, options and scenarios."""

from __future__ import annotations

import click

from probe.console.terminal import Terminal, speaking

SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
@speaking
def command(context: click.Context, *, terminal: Terminal, shell: str) -> int:
    """Print the completion script of SHELL.

    \b
    bash: liveprobe completion bash >> ~/.bashrc
    zsh:  liveprobe completion zsh >> ~/.zshrc
    fish: liveprobe completion fish > ~/.config/fish/completions/liveprobe.fish
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None  # noqa: S101 - click has each of SHELLS
    script = found(context.find_root().command, {}, "liveprobe", "_LIVEPROBE_COMPLETE")
    text = script.source_template % script.source_vars()
    terminal.result(text, {"shell": shell, "script": text})
    return 0
