"""The command line: parse, make one call, print. The only place that exits; each command imports what it needs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from launcher.options import CONTEXT, Springline, common, config_option, connection_options, wishes_of

if TYPE_CHECKING:
    from launcher.console import Console


@click.group(cls=Springline, context_settings=CONTEXT)
@click.version_option(package_name="springline", prog_name="springline")
def main() -> None:
    """Tie this laptop to a SLURM cluster: JupyterLab, Dask and packaged analyses over there, reached from here.

    \b
    springline up                   a session on this computer, to try it out
    springline up spider            a session on a cluster
    springline run spring-index -h  an analysis and its options
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
    local_port: int | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Start a session on PLATFORM, wait for it, and open JupyterLab.

    \b
    springline up                                      on this computer
    springline up spider --walltime 08:00:00           on a cluster
    springline up spider --detach --json               in a script
    """
    from launcher import flows, planning, platforms, wiring
    from launcher.access import runs_here
    from launcher.store import Store

    wishes = wishes_of(options, local_port)
    chosen = platforms.override(platforms.load(config).get(platform), options)
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
    )
    if dry_run:
        steps = cluster.rehearse(plan.session.name, plan.files)
        shown = "\n".join(f"# --- {title}\n{text}" for title, text in steps.items())
        return console.result({"schema_version": 1, "platform": platform, "steps": steps}, shown)
    return flows.up(cluster, plan, wishes, console, Store())


@main.command()
@click.argument("session", required=False)
@connection_options
@common
def attach(session: str | None, console: Console, local_port: int | None, **options: Any) -> None:  # noqa: ANN401
    """Come back to SESSION: wait for it, tunnel and open the browser."""
    from launcher import flows, wiring
    from launcher.store import Store

    store = Store()
    cluster, found = wiring.reach(session, console.asker(), store)
    flows.attach(cluster, found, wishes_of(options, local_port), console, store)


@main.command()
@click.argument("session", required=False)
@common
def status(session: str | None, console: Console) -> None:
    """Say how SESSION is: its state, node, time left. Exits with the code of what ended it."""
    from launcher import report, sessions, wiring
    from launcher.console import report_error
    from launcher.store import Store

    store = Store()
    cluster, found = wiring.reach(session, console.asker(), store)
    current = sessions.status(cluster, found)
    sessions.remember_end(store, current)
    url = wiring.local_url(found) if current.phase == "ready" else None
    said = report.document(current, url)
    console.result(said, report.sheet(said))
    if sessions.ended_badly(current):
        error = sessions.end_error(cluster, current)
        report_error(error, json_output=False)  # stdout has its one object already
        sys.exit(error.exit_code)


@main.command()
@click.option("--all", "everything", is_flag=True, help="Show those that are over, too.")
@common
def ls(console: Console, everything: bool) -> None:
    """List your sessions."""
    from launcher import report, sessions, wiring
    from launcher.store import Store

    store = Store()
    documents = []
    for current in wiring.statuses([s for s in store.all() if everything or not s.ended], console.asker()):
        session = current.session
        sessions.remember_end(store, current)
        documents.append(report.document(current, wiring.local_url(session) if current.phase == "ready" else None))
    text = report.listing(documents) if documents else "no sessions; start one: springline up"
    console.result({"schema_version": 1, "sessions": documents}, text)


@main.command()
@click.argument("session", required=False)
@click.option("--page", default="lab", help="What to open, e.g. lab/tree/map.ipynb.")
@click.option("--show-token", is_flag=True, help="Print the address with its token.")
@common
def url(session: str | None, console: Console, page: str, show_token: bool) -> None:
    """Print the address of SESSION on this computer."""
    from launcher import wiring
    from launcher.access import Secrets
    from launcher.errors import TunnelError
    from launcher.store import Store

    found = Store().find(session)
    address = wiring.local_url(found, page)
    if address is None:
        raise TunnelError(
            f"no tunnel to session {found.name} is open on this computer", f"open it: springline attach {found.name}"
        )
    if show_token:
        address += f"?token={Secrets.of(wiring.cluster_of(found, console.asker()), found).token}"
    console.result({"schema_version": 1, "session": found.name, "url": address}, address)


@main.command()
@click.argument("session", required=False)
@click.option("-n", "--lines", default=40, type=click.IntRange(1, 100_000), help="Lines of each log.")
@common
def logs(session: str | None, console: Console, lines: int) -> None:
    """Print the last lines of SESSION's logs: the job's and JupyterLab's."""
    from launcher import wiring
    from launcher.store import Store

    cluster, found = wiring.reach(session, console.asker(), Store())
    texts = {name: cluster.read(found.directory, name, lines) for name in ("job.log", "jupyter.log")}
    shown = [f"==> {name} <==\n{text.rstrip()}\n" for name, text in texts.items() if text.strip()]
    console.result({"schema_version": 1, "session": found.name, "logs": texts}, "\n".join(shown) or "no logs yet")


@main.command()
@click.argument("session", required=False)
@common
def stop(session: str | None, console: Console) -> None:
    """End SESSION: its job and its workers."""
    from launcher import sessions, wiring
    from launcher.report import document
    from launcher.store import Store

    store = Store()
    cluster, found = wiring.reach(session, console.asker(), store)
    with console.stage(f"stop {found.name}"):
        current = sessions.stop(cluster, found, lambda _: None)
    sessions.remember_stop(store, current)
    console.result(document(current), f"session {found.name} is over")


@main.command()
@click.argument("session")
@click.argument("workers")
@common
def scale(session: str, workers: str, console: Console) -> None:
    """Give SESSION's Dask cluster WORKERS worker jobs: a number, or MIN:MAX to follow the load."""
    from launcher import flows, scaling, wiring
    from launcher.store import Store

    request = scaling.parse(workers)
    cluster, found = wiring.reach(session, console.asker(), Store())
    with flows.open_session(cluster, found) as (_, opened):
        answer = scaling.scale(opened, request)
    console.result({"schema_version": 1, "session": found.name, **answer}, f"asked for {workers} worker jobs")


@main.group(context_settings=CONTEXT)
def platform() -> None:
    """Look at the platforms springline knows."""


@platform.command("list")
@config_option
@common
def platform_list(console: Console, config: Path | None) -> None:
    """List all platforms."""
    from launcher import platforms, report

    known = platforms.load(config)
    found = {name: known.values(name) for name in known.names}
    hosts = [[name, values["host"].text if "host" in values else "this computer"] for name, values in found.items()]
    console.result({"schema_version": 1, "platforms": known.names}, report.table([["PLATFORM", "HOST"], *hosts]))


@platform.command("show")
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


_PASS_ON = {"ignore_unknown_options": True, "help_option_names": []}


@main.command(context_settings=_PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def jobs(arguments: tuple[str, ...]) -> None:
    """List every analysis that can be run."""
    from launcher import wiring

    sys.exit(wiring.run_jobs(["list", *arguments], dict(os.environ)))


@main.command(context_settings=_PASS_ON)
@click.option("--session", help="Run on the Dask cluster of this session.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(session: str | None, arguments: tuple[str, ...]) -> None:
    """Run an analysis here, or on a session's Dask cluster: springline run JOB [OPTIONS].

    `springline run JOB --help` shows its options.
    """
    from launcher import wiring

    environment = dict(os.environ)
    if session:
        from launcher.console import Console
        from launcher.scaling import dask_environment
        from launcher.store import Store

        environment.update(dask_environment(*wiring.reach(session, Console().asker(), Store())))
    sys.exit(wiring.run_jobs(["run", *arguments], environment))


if __name__ == "__main__":
    main()
