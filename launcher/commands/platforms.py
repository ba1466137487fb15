"""The commands for platforms: add, list and show. Each imports what it needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from launcher.commands.completing import platforms
from launcher.commands.options import CONTEXT, Command, common, config_option, examples
from launcher.platforms.keys import KEYS

if TYPE_CHECKING:
    from launcher.console.console import Console
    from launcher.platforms.loading import Platforms
    from launcher.platforms.sections import Value


@click.group("platform", context_settings=CONTEXT)
def platform_group() -> None:
    """Look at the platforms springline knows, and add your own."""


_LINES = ("prologue", "sbatch", "qsub")  # their values may have several


def _key_options(command: Command) -> Command:
    """An option for every key of a section, in their order."""
    for key, about in reversed(list(KEYS.items())):
        if not about.target:
            continue
        names = [f"--{key.replace('_', '-')}", *(["--key"] if key == "keypath" else []), key]
        several = ". May be given again." if key in _LINES else "."
        command = click.option(*names, multiple=key in _LINES, help=about.help + several)(command)
    return command


@platform_group.command(
    "add",
    epilog=examples(
        ("springline platform add", "asks for everything"),
        ("springline platform add mine --host login.example.org --user me", ""),
        ("springline platform add mine --host login.example.org --user me --yes", "in a script"),
    ),
)
@click.argument("name", required=False)
@click.option("--dry-run", is_flag=True, help="Look and propose; write nothing.")
@_key_options
@config_option
@common
def platform_add(name: str | None, console: Console, config: Path | None, dry_run: bool, **options: Any) -> None:  # noqa: ANN401
    """Look around on a cluster, propose a section for it, and write that to your platforms.ini.

    It logs in and asks the scheduler for partitions, limits and accounts, and looks for a Python with JupyterLab and
    Dask. You see the section before it is written, and may change its lines. Options below set keys beforehand.
    """
    from launcher.platforms import loading
    from launcher.terminal import adding

    texts = {key: "\n".join(value) if key in _LINES else value for key, value in options.items()}
    given = {key: text for key, text in texts.items() if text}
    adding.add(name, given, config or loading.user_file(), console, dry_run=dry_run)


@platform_group.command(
    "list", epilog=examples(("springline platform list", ""), ("springline platform list --json", "for a program"))
)
@config_option
@common
def platform_list(console: Console, config: Path | None) -> None:
    """List all platforms: those that are shipped and your own.

    ORIGIN says whose a platform is, FILE where it was changed last; what is wrong with one is said below the table.
    """
    from launcher.platforms import loading
    from launcher.sessions import report

    known = loading.load(config)
    known.refuse()
    found = [_row(known, name) for name in known.names]
    others = [one for one in known.mistakes if one.section not in known.names]
    found += [{**dict.fromkeys(_COLUMNS), "name": one.section or "?", "error": one.error.message} for one in others]
    shown = [[str(row[column] or "-") for column in _COLUMNS] for row in found]
    wrong = [f"{row['name']}: {row['error']}" for row in found if row["error"]]
    table = report.table([[column.upper() for column in _COLUMNS], *shown])
    console.result({"schema_version": 1, "platforms": found}, "\n".join([table, *wrong]))


_COLUMNS = ("name", "host", "scheduler", "transport", "origin", "file")


def _row(known: Platforms, name: str) -> dict[str, str | None]:
    """One platform as JSON: the same keys for each, and what is wrong with it."""
    from launcher.errors import SpringlineError
    from launcher.platforms import loading

    row: dict[str, str | None] = dict.fromkeys((*_COLUMNS, "error"))
    row["name"] = name
    files = known.files(name)
    row["file"] = str(files[-1])
    shipped = files[0] == loading.shipped_file()
    row["origin"] = ("shipped" if len(files) == 1 else "shipped, changed by you") if shipped else "yours"
    try:
        platform = known.get(name)
    except SpringlineError as error:
        return {**row, "error": error.message}
    host = platform.host or "this computer"
    return {**row, "host": host, "scheduler": platform.scheduler, "transport": platform.transport}


@platform_group.command(
    "show",
    epilog=examples(
        ("springline platform show spider", ""),
        ("springline platform show spider --origin", "which file and line set what"),
    ),
)
@click.argument("name", shell_complete=platforms)
@click.option("--origin", is_flag=True, help="Say which file set what.")
@config_option
@common
def platform_show(name: str, console: Console, config: Path | None, origin: bool) -> None:
    """Print all keys of platform NAME, those it inherits too, and its presets.

    What is printed is a section of platforms.ini, and could stand in one.
    """
    from launcher.platforms import loading
    from launcher.platforms.sections import PRESET

    known = loading.load(config)
    known.get(name)
    for mistake in known.mistakes:
        if mistake.section.startswith(f"{name}{PRESET}"):
            console.say(mistake.error.message)
    sections = {name: known.values(name)} | {
        f"{name}{PRESET}{preset}": values for preset, values in known.presets(name).items()
    }
    document = {
        "schema_version": 1,
        "platform": name,
        "values": _texts(known.values(name)),
        "origin": _places(known.values(name)),
        "presets": {preset: _texts(values) for preset, values in known.presets(name).items()},
        "presets_origin": {preset: _places(values) for preset, values in known.presets(name).items()},
    }
    console.result(document, "\n\n".join(_section(title, values, origin) for title, values in sections.items()))


def _texts(values: dict[str, Value]) -> dict[str, str]:
    return {key: value.text for key, value in values.items()}


def _places(values: dict[str, Value]) -> dict[str, dict[str, str | int]]:
    return {key: {"file": str(v.file), "line": v.line, "section": v.section} for key, v in values.items()}


def _section(title: str, values: dict[str, Value], origin: bool) -> str:
    from launcher.sessions import report

    rows = [
        [key, "=", value.text.replace("\n", " | "), *([f"# {value.place}"] if origin else [])]
        for key, value in values.items()
    ]
    return f"[{title}]\n{report.table(rows or [['']])}"
