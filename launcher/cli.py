"""The command line: parse, make one call, print. The only place that exits; each command imports what it needs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from launcher.commands.check import platform_check
from launcher.commands.client import client
from launcher.commands.environments import env_group
from launcher.commands.options import CONTEXT, Springline, common, config_option, connection_options, wishes_of
from launcher.commands.platforms import platform_group
from launcher.commands.runs import RUN_COMMANDS, goes_elsewhere, run_elsewhere
from launcher.commands.sessions import SESSION_COMMANDS

if TYPE_CHECKING:
    from launcher.terminal.console import Console


@click.group(cls=Springline, context_settings=CONTEXT)
@click.version_option(package_name="springline", prog_name="springline")
def main() -> None:
    """Tie this laptop to a SLURM cluster: JupyterLab, Dask and packaged analyses over there, reached from here.

    \b
    springline up                   a session on this computer, to try it out
    springline up spider            a session on a cluster
    springline run spring-index -h  an analysis and its options; --on spider runs it on a cluster
    """


@main.command()
@click.argument("platform", default="local")
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

    \b
    springline up                                      on this computer
    springline up spider --walltime 08:00:00           on a cluster
    springline up spider --detach --json               in a script
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


for command in (*SESSION_COMMANDS, client, platform_group, env_group):
    main.add_command(command)
platform_group.add_command(platform_check)


_PASS_ON = {"ignore_unknown_options": True, "help_option_names": []}


@main.command(context_settings=_PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def jobs(arguments: tuple[str, ...]) -> None:
    """List every analysis that can be run."""
    from launcher import wiring

    sys.exit(wiring.run_jobs(["list", *arguments], dict(os.environ)))


class AsTyped(click.Command):
    """A command that keeps its words as they were typed, in the context's `obj`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the words, then parse them."""
        ctx.obj = list(args)
        return super().parse_args(ctx, args)


@main.command(cls=AsTyped, context_settings=_PASS_ON)
@click.option("--session", help="Run on the Dask cluster of this session.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def run(typed: list[str], session: str | None, arguments: tuple[str, ...]) -> None:
    """Run an analysis: springline run JOB [OPTIONS] [--on PLATFORM].

    `springline run --help` shows the options with --on, `springline run JOB --help` those of the job.
    """
    from launcher import wiring

    if goes_elsewhere(typed) or not typed or typed[0] in ("-h", "--help"):
        sys.exit(run_elsewhere.main(typed or ["--help"], prog_name="springline run", standalone_mode=False))
    environment = dict(os.environ)
    if session:
        from launcher.laptop.store import Store
        from launcher.sessions.scaling import dask_environment
        from launcher.terminal.console import Console

        environment.update(dask_environment(*wiring.reach(session, Console().asker(), Store())))
    sys.exit(wiring.run_jobs(["run", *arguments], environment))


for command in RUN_COMMANDS:
    main.add_command(command)


if __name__ == "__main__":
    main()
