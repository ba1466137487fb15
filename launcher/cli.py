"""The command line: parse, make one call, print. The only place that exits; each command imports what it needs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from launcher.commands.check import platform_check
from launcher.commands.client import client
from launcher.commands.completing import commands, platforms
from launcher.commands.completion import completion
from launcher.commands.environments import env_group
from launcher.commands.listing import ls
from launcher.commands.options import (
    CODES,
    CONTEXT,
    Springline,
    common,
    config_option,
    connection_options,
    examples,
    wishes_of,
)
from launcher.commands.platforms import platform_group
from launcher.commands.run import run
from launcher.commands.runs import RUN_COMMANDS
from launcher.commands.sessions import SESSION_COMMANDS

if TYPE_CHECKING:
    from launcher.console.console import Console


@click.group(
    cls=Springline,
    context_settings=CONTEXT,
    epilog=examples(
        ("springline up", "a session on this computer, to try it out"),
        ("springline up spider", "a session on a cluster"),
        ("springline run spring-index -h", "an analysis and its options"),
        ("springline help up", "what a command does, with examples"),
        more=CODES,
    ),
)
@click.version_option(package_name="springline", prog_name="springline")
def main() -> None:
    """Tie this laptop to a SLURM cluster: JupyterLab, Dask and packaged analyses over there, reached from here.

    A session is JupyterLab and a Dask cluster in a job, open in your browser. A run is an analysis of many files in a
    job. Both go on without this computer. Results are written to stdout, progress to stderr.
    """


@main.command(
    epilog=examples(
        ("springline up", "on this computer"),
        ("springline up spider --walltime 08:00:00 --workers 4", "on a cluster"),
        ("springline up spider --preset large --dry-run", "what would be sent there"),
        ("springline up spider --detach --json", "in a script"),
        more="Exit codes: 20 the cluster refused the job, 30 still in the queue after --wait, 31 JupyterLab did not "
        "start, 40 to 43 the job ended by itself, 50 no tunnel, 130 you left or stopped it.",
    )
)
@click.argument("platform", default="local", shell_complete=platforms)
@click.option("--name", help="Name of the session; default PLATFORM-xxxx.")
@click.option("--partition", help="Partition of the session's job.")
@click.option("--account", help="Account to charge.")
@click.option("--qos", help="Quality of service.")
@click.option("--reservation", help="Reservation.")
@click.option("--walltime", help="Walltime, HH:MM:SS or D-HH:MM:SS.")
@click.option("--cores", help="CPU cores.")
@click.option("--memory", help="Memory, e.g. 8GB.")
@click.option("--workers", help="Worker jobs to start with.")
@click.option("--preset", help="A preset of the platform: a section [PLATFORM:PRESET].")
@click.option("--dask", metavar="KIND", help="Who gives workers: slurm, pbs, local, gateway, or a scheduler's address.")
@click.option("--idle-stop", help="End the session after this time without work or visitors, HH:MM:SS.")
@click.option("--root", default="~", help="Directory that JupyterLab shows; default your home there.")
@click.option("--dry-run", is_flag=True, help="Show the batch script and every remote command; run nothing.")
@connection_options
@config_option
@common
def up(
    platform: str,
    console: Console,
    config: Path | None,
    dry_run: bool,
    name: str | None,
    root: str,
    preset: str | None,
    local_port: int | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Start a session on PLATFORM, wait for it, and open JupyterLab.

    A job is submitted that runs JupyterLab and a Dask cluster. When it has started, a tunnel brings JupyterLab to a
    port of this computer, and your browser opens it. The command holds that tunnel, through lost connections too,
    until the session ends. Ctrl-C asks whether to leave the session running or to stop it; `springline attach` comes
    back. Without PLATFORM the session is on this computer.
    """
    from launcher import wiring
    from launcher.laptop.leftkeys import forget_left_keys
    from launcher.laptop.store import Store
    from launcher.platforms import loading, presets
    from launcher.sessions import planning
    from launcher.terminal import flows
    from launcher.tunnels.access import runs_here

    wishes = wishes_of(options, local_port)
    chosen, shapes = presets.chosen(loading.load(config), platform, preset, options)
    if chosen.dask.is_open:
        console.say(f"{chosen.dask.kind} has no TLS: whoever reaches it can read and run what you do there")
    cluster = wiring.cluster(chosen, console.asker())
    here = runs_here(cluster)
    plan = planning.plan(
        chosen,
        cluster.scheduler,
        name,
        config=str(config.resolve()) if config else "",
        port=(local_port or chosen.local_port or 0) if here else 0,
        root=os.path.abspath(os.path.expanduser(root)) if here else root,  # noqa: PTH100, PTH111
        insecure_http=wishes.insecure_http,
        shapes=shapes,
    )
    if dry_run:
        steps = cluster.rehearse(plan.session, plan.files)
        shown = "\n".join(f"# --- {title}\n{text}" for title, text in steps.items())
        return console.result({"schema_version": 1, "platform": platform, "steps": steps}, shown)
    forget_left_keys()
    return flows.up(cluster, plan, wishes, console, Store())


for command in (*SESSION_COMMANDS, ls, client, platform_group, env_group, completion):
    main.add_command(command)
platform_group.add_command(platform_check)


@main.command("help", epilog=examples(("springline help up", ""), ("springline help run spring-index", "")))
@click.argument("words", nargs=-1, metavar="[COMMAND]...", shell_complete=commands)
def show_help(words: tuple[str, ...]) -> None:
    """Show what a command does, as its --help."""
    command: click.Command = main
    for number, word in enumerate(words):
        found = command.commands.get(word) if isinstance(command, click.Group) else None
        if found is None and number and command is not run:  # what stands behind `run` is the analyses' own
            raise click.UsageError(f"'{' '.join(words[:number])}' has no command '{word}'.")
        command = found or command
    sys.exit(main.code_of(args=[*words, "--help"], prog_name="springline"))


@main.command(epilog=examples(("springline jobs", ""), ("springline jobs --json", "for a program")))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def jobs(as_json: bool) -> None:
    """List every analysis that can be run.

    Those of springline and those that other packages plug in; `springline run JOB --help` explains one.
    """
    from launcher import wiring

    sys.exit(wiring.run_jobs(["list", *(["--json"] if as_json else [])], dict(os.environ)))


for command in (run, *RUN_COMMANDS):
    main.add_command(command)


if __name__ == "__main__":
    main()
