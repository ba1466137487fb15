"""The command that switches the Tab key on."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from launcher.commands.completing import VARIABLE
from launcher.commands.options import examples

SHELLS = {
    "bash": 'eval "$(springline completion bash)"  in ~/.bashrc; needs bash 4.4 or newer',
    "zsh": 'eval "$(springline completion zsh)"  in ~/.zshrc, behind compinit',
    "fish": "source (springline completion fish | psub)  in ~/.config/fish/config.fish",
}


@click.command(
    epilog=examples(
        ("springline completion bash >~/.local/share/bash-completion/completions/springline", ""),
        ("springline completion zsh >~/.zfunc/_springline", ""),
        ("springline completion fish >~/.config/fish/completions/springline.fish", ""),
        more="\b\nOr a line in your shell's own file:\n" + "\n".join(f"  {line}" for line in SHELLS.values()),
    )
)
@click.argument("shell", type=click.Choice(list(SHELLS)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what lets SHELL complete springline's words with the Tab key.

    Commands, options, platforms, sessions, runs and analyses are completed, from files of this computer: nothing
    connects. Put the text where your shell looks for completions, then open a new terminal.
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(ctx.find_root().command, {}, "springline", VARIABLE).source())
