"""The commands for environments: install, show and uninstall. Each imports what it needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from launcher.commands.completing import platforms
from launcher.commands.options import CONTEXT, common, config_option, examples

if TYPE_CHECKING:
    from launcher.console.console import Console
    from launcher.model import Platform
    from launcher.scripts.shell import RemotePath

METHODS = ("auto", "venv", "conda", "image", "existing")
UNCHANGED = "nothing was changed"
prefix_option = click.option(
    "--prefix", metavar="DIR", help="Where it lies over there; default ~/.springline/env/PLATFORM."
)


@click.group("env", context_settings=CONTEXT)
def env_group() -> None:
    """Install what sessions and analyses run in on a platform."""


@env_group.command(
    "install",
    epilog=examples(
        ("springline env install spider", ""),
        ("springline env install spider --dry-run", "what would run over there"),
        ("springline env install spider --extras l1b,stac --requirements mine.txt", ""),
        ("springline env install spider --prefix /project/us/env", "for all who can read it"),
    ),
)
@click.argument("platform", shell_complete=platforms)
@click.option("--method", type=click.Choice(METHODS), default="auto", help="How it is made; default venv where it can.")
@click.option("--python", default="", metavar="VERSION|PATH", help="Python to take over there.")
@prefix_option
@click.option(
    "--extras", default="", metavar="l1b,sdo,stac", help="Analyses whose packages are wanted, too; or gateway."
)
@click.option("--requirements", type=click.Path(dir_okay=False, path_type=Path), help="Your own requirements file.")
@click.option("--image", default="", metavar="ADDRESS|FILE", help="Image, with --method image.")
@click.option("--conda", default="", metavar="PATH", help="micromamba, mamba or conda over there, for --method conda.")
@click.option("--pack", is_flag=True, help="Keep it in one file, unpacked on each node's own disk.")
@click.option(
    "--online/--offline", default=None, help="Whether packages come from the internet there; default: found out."
)
@click.option("--dry-run", is_flag=True, help="Show what would run over there; change nothing.")
@click.option("--no-section", is_flag=True, help="Leave the platform's section as it is.")
@config_option
@common
def env_install(
    platform: str,
    console: Console,
    config: Path | None,
    method: str,
    python: str,
    prefix: str | None,
    extras: str,
    requirements: Path | None,
    image: str,
    conda: str,
    pack: bool,
    online: bool | None,
    dry_run: bool,
    no_section: bool,
) -> None:
    """Install an environment on PLATFORM, without internet over there if need be.

    It holds JupyterLab, Dask and the analyses, in versions that are tested together. Packages are fetched by this
    computer and sent, each once. It replaces an earlier one in one step, at its end: sessions that run keep theirs, and
    a failure changes nothing. The platform's section is told where it is.
    """
    from launcher.environments.base import Wish
    from launcher.environments.install import install
    from launcher.environments.requirements import read

    chosen = _platform(platform, config)
    wanted, limits = read(requirements) if requirements else ("", "")
    wish = Wish(
        chosen,
        _prefix(prefix),
        method=method,
        extras=_extras(extras),
        requirements=wanted,
        constraints=limits,
        python=python,
        online=online,
        pack=pack,
        image=image,
        conda=conda,
    )
    record = install(wish, console, config=config, dry_run=dry_run, section=not no_section)
    if record is not None:
        from launcher.environments import showing

        console.result(showing.document(chosen, record), f"ready; start a session: springline up {platform}")
    elif not dry_run:
        console.result({"schema_version": 1, "platform": platform, "installed": False}, UNCHANGED)


@env_group.command(
    "show",
    epilog=examples(("springline env show spider", ""), ("springline env show spider --json", "with every package")),
)
@click.argument("platform", shell_complete=platforms)
@prefix_option
@config_option
@common
def env_show(platform: str, console: Console, config: Path | None, prefix: str | None) -> None:
    """Say what is installed on PLATFORM, and whether it differs from this computer's springline.

    Reads the record that `env install` left over there: who made it, when, how, and which packages are in it.
    """
    from launcher import wiring
    from launcher.environments import facts, showing
    from launcher.errors import NotFoundError

    chosen = _platform(platform, config)
    transport = wiring.cluster(chosen, console.asker()).transport
    there = facts.look(transport, chosen, _prefix(prefix))
    if there.record is None:
        raise NotFoundError(
            f"{transport.label}: no environment of springline's is in {there.prefix.text}",
            f"install one: springline env install {platform}",
        )
    console.result(showing.document(chosen, there.record), showing.sheet(chosen, there.record))


@env_group.command(
    "uninstall",
    epilog=examples(
        ("springline env uninstall spider", "asks first"),
        ("springline env uninstall spider --yes", "in a script"),
    ),
)
@click.argument("platform", shell_complete=platforms)
@prefix_option
@click.option("--force", is_flag=True, help="Even while jobs may use it.")
@config_option
@common
def env_uninstall(platform: str, console: Console, config: Path | None, prefix: str | None, force: bool) -> None:
    """Remove what `env install` made on PLATFORM, and nothing else.

    Files of others in the same directory stay and are named. While jobs may use it, --force is needed.
    """
    from launcher.environments.uninstall import uninstall

    chosen = _platform(platform, config)
    left = uninstall(chosen, _prefix(prefix), console, config=config, force=force)
    if left is None:
        return console.result({"schema_version": 1, "platform": platform, "removed": False}, UNCHANGED)
    said = f"; not springline's, and left there: {', '.join(left)}" if left else ""
    return console.result({"schema_version": 1, "platform": platform, "removed": True, "left": left}, f"removed{said}")


def _platform(name: str, config: Path | None) -> Platform:
    from launcher.platforms import loading

    return loading.load(config).get(name)


def _prefix(text: str | None) -> RemotePath | None:
    from launcher.errors import UsageError
    from launcher.scripts.shell import RemotePath

    if text is not None and (not text.rstrip("/") or ".." in text.split("/")):
        raise UsageError(
            f"--prefix '{text}': an environment needs a directory of its own", "name one that is not there yet"
        )
    return RemotePath(text.rstrip("/")) if text else None


def _extras(text: str) -> tuple[str, ...]:
    from launcher.environments.base import EXTRAS
    from launcher.errors import UsageError

    chosen = tuple(word.strip() for word in text.split(",") if word.strip())
    for word in chosen:
        if word not in EXTRAS:
            raise UsageError(f"--extras {text}: there is no '{word}'", f"any of {', '.join(EXTRAS)}")
    return chosen
