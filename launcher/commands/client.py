"""The command for a Dask client on this computer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from launcher.commands.options import common, config_option

if TYPE_CHECKING:
    from launcher.terminal.console import Console


@click.command()
@click.argument("session", required=False)
@click.option("--local-port", type=click.IntRange(1, 65535), help="Port on this computer; default any free one.")
@click.option("--platform", metavar="PLATFORM", help="Look for the session there, not in the records here.")
@config_option
@common
def client(
    session: str | None, local_port: int | None, console: Console, platform: str | None, config: Path | None
) -> None:
    """Use SESSION's Dask workers from a Python on this computer.

    Prints lines for that Python, which needs `distributed` only, and holds a tunnel for them until Ctrl-C.
    """
    from launcher.laptop.store import Store
    from launcher.sessions import daskclient, elsewhere

    store = Store()
    cluster, found = elsewhere.reach(session, console.asker(), store, elsewhere.Place(platform, config))
    daskclient.client(cluster, found, local_port, console, store)
