"""The commands for platforms: list and show. Each imports what it needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from launcher.options import CONTEXT, common, config_option

if TYPE_CHECKING:
    from launcher.console import Console


@click.group("platform", context_settings=CONTEXT)
def platform_group() -> None:
    """Look at the platforms springline knows."""


@platform_group.command("list")
@config_option
@common
def platform_list(console: Console, config: Path | None) -> None:
    """List all platforms."""
    from launcher import platforms, report

    known = platforms.load(config)
    found = {name: known.values(name) for name in known.names}
    hosts = [[name, values["host"].text if "host" in values else "this computer"] for name, values in found.items()]
    console.result({"schema_version": 1, "platforms": known.names}, report.table([["PLATFORM", "HOST"], *hosts]))


@platform_group.command("show")
@click.argument("name")
@click.option("--origin", is_flag=True, help="Say which file set what.")
@config_option
@common
def platform_show(name: str, console: Console, config: Path | None, origin: bool) -> None:
    """Print all keys of platform NAME, those it inherits too."""
    from launcher import platforms, report

    known = platforms.load(config)
    known.get(name)
    rows = [
        [key, "=", v.text.replace("\n", " | "), *([f"# {v.place}"] if origin else [])]
        for key, v in known.values(name).items()
    ]
    values = {key: value.text for key, value in known.values(name).items()}
    console.result(
        {"schema_version": 1, "platform": name, "values": values}, f"[{name}]\n{report.table(rows or [['']])}"
    )
