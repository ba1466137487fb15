"""The command for a Dask client on this computer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from launcher.commands.completing import live_sessions, platforms
from launcher.commands.options import common, config_option, examples

if TYPE_CHECKING:
    from launcher.console.console import Console


@click.command(
    epilog=examples(
        ("springline client my-session", "prints the lines for your Python"),
        ("springline client my-session --local-port 8786", ""),
    )
)
@click.argument("session", required=False, shell_complete=live_sessions)
@click.option("--local-port", type=click.IntRange(1, 65535), help="Port on this computer; default any free one.")
@click.option(
    "--platform",
    metavar="PLATFORM",
    shell_complete=platforms,
    help="Look for the session there, not in the records here.",
)
@config_option
@common
def client(
    session: str | None, local_port: int | None, console: Console, platform: str | None, config: Path | None
) -> None:
    """Use SESSION's Dask workers from a Python on this computer.

    Prints lines for that Python, which needs `distributed` only, and holds a tunnel for them until Ctrl-C. That Python
    should have the versions of Python and Dask that the session has; differences are said.
    """
    from launcher.laptop.store import Store
    from launcher.overview import elsewhere
    from launcher.terminal import daskclient

    store = Store()
    cluster, found = elsewhere.reach(session, console.asker(), store, elsewhere.Place(platform, config))
    daskclient.client(cluster, found, local_port, console, store)
