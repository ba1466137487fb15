"""The command line: parse, make one call, print. The only place that exits; each command imports what it needs."""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from launcher.errors import SpringlineError

if TYPE_CHECKING:
    from launcher.console import Console
    from launcher.flows import Wishes

Command = Callable[..., Any]
_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class _Springline(click.Group):
    """The one place where errors become messages and exit codes."""

    def main(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        arguments = list(options.get("args") or (args[0] if args else None) or sys.argv[1:])
        try:
            return super().main(*args, **options)
        except SpringlineError as error:
            from launcher.console import report_error

            report_error(error, json_output="--json" in arguments)
            sys.exit(error.exit_code)
        except Exception:  # noqa: BLE001 - a bug of ours: the user gets a file to send, not a traceback
            sys.exit(_report_bug(arguments))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they are met, not the alphabet's."""
        return list(self.commands)


def _report_bug(arguments: list[str]) -> int:
    from launcher.store import state_home, write_private

    file = state_home() / "last-error.txt"
    write_private(file, f"springline {' '.join(arguments)}\n\n{traceback.format_exc()}")
    click.echo(f"springline: internal error: {sys.exception()!r}\n  → please report it with {file}", err=True)
    return 70


@click.group(cls=_Springline, context_settings=_CONTEXT)
@click.version_option(package_name="springline", prog_name="springline")
def main() -> None:
    """Tie this laptop to a SLURM cluster: JupyterLab, Dask and packaged analyses over there, reached from here.

    \b
    springline up                   a session on this computer, to try it out
    springline up spider            a session on a cluster
    springline run spring-index -h  an analysis and its options
    """


def _common(command: Command) -> Command:
    @click.option("--json", "json_output", is_flag=True, help="Print one JSON object.")
    @click.option("--yes", is_flag=True, help="Accept an unknown host key without asking (never a changed one).")
    @functools.wraps(command)
    def wrapped(*args: Any, json_output: bool, yes: bool, **options: Any) -> Any:  # noqa: ANN401
        from launcher.console import Console

        return command(*args, console=Console(json_output=json_output, yes=yes), **options)

    return wrapped


_config = click.option(
    "--config", type=click.Path(path_type=Path), help="Read this platforms.ini in place of your own."
)


def _connection_options(command: Command) -> Command:
    for option in (
        click.option("--local-port", type=click.IntRange(1, 65535), help="Port on this computer; default any free."),
        click.option("--wait", type=click.FloatRange(0), metavar="SECONDS", help="Longest wait in the queue."),
        click.option("--detach", is_flag=True, help="Leave when the session is ready; it lives on."),
        click.option("--no-browser", is_flag=True, help="Do not open a browser."),
        click.option("--page", default="lab", help="What to open, e.g. lab/tree/map.ipynb."),
        click.option("--show-token", is_flag=True, help="Print the address with its token."),
    ):
        command = option(command)
    return command


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
@click.option("--dry-run", is_flag=True, help="Show the batch script and every remote command; run nothing.")
@_connection_options
@_config
@_common
def up(
    platform: str,
    console: Console,
    config: Path | None,
    dry_run: bool,
    name: str | None,
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

    wishes = _wishes(options, local_port)
    chosen = platforms.override(platforms.load(config).get(platform), options)
    cluster = wiring.cluster(chosen, console.asker())
    port = (local_port or chosen.local_port or 0) if runs_here(cluster) else 0
    plan = planning.plan(chosen, cluster.scheduler, name, config=str(config.resolve()) if config else "", port=port)
    if dry_run:
        steps = cluster.rehearse(plan.session.name, plan.files)
        shown = "\n".join(f"# --- {title}\n{text}" for title, text in steps.items())
        return console.result({"schema_version": 1, "platform": platform, "steps": steps}, shown)
    return flows.up(cluster, plan, wishes, console, Store())


@main.command()
@click.argument("session", required=False)
@_connection_options
@_common
def attach(session: str | None, console: Console, local_port: int | None, **options: Any) -> None:  # noqa: ANN401
    """Come back to SESSION: wait for it, tunnel and open the browser."""
    from launcher import flows, wiring
    from launcher.store import Store

    store = Store()
    found = store.find(session)
    flows.attach(wiring.cluster_of(found, console.asker()), found, _wishes(options, local_port), console, store)


@main.command()
@click.argument("session", required=False)
@_common
def status(session: str | None, console: Console) -> None:
    """Say how SESSION is: its state, node, time left. Exits with the code of what ended it."""
    from launcher import report, sessions, wiring
    from launcher.store import Store

    store = Store()
    found = store.find(session)
    current = sessions.status(wiring.cluster_of(found, console.asker()), found)
    sessions.remember_end(store, current)
    url = wiring.local_url(found) if current.phase == "ready" else None
    said = report.document(current, url)
    lines = [[f"{key}:", str(value)] for key, value in said.items() if value is not None and key != "schema_version"]
    console.result(said, report.table(lines))
    if current.phase == "failed":
        raise sessions.end_error(wiring.cluster_of(found, console.asker()), current)


@main.command()
@click.option("--all", "everything", is_flag=True, help="Show those that are over, too.")
@_common
def ls(console: Console, everything: bool) -> None:
    """List your sessions."""
    from launcher import report, sessions, wiring
    from launcher.store import Store

    store = Store()
    documents = []
    for session in store.all():
        if session.ended and not everything:
            continue
        current = sessions.status(wiring.cluster_of(session, console.asker()), session)
        sessions.remember_end(store, current)
        documents.append(report.document(current, wiring.local_url(session) if current.phase == "ready" else None))
    columns = ("session", "platform", "state", "job_id", "node", "message")
    rows = [[column.upper() for column in columns], *([str(d[c] or "-") for c in columns] for d in documents)]
    text = report.table(rows) if documents else "no sessions; start one: springline up"
    console.result({"schema_version": 1, "sessions": documents}, text)


@main.command()
@click.argument("session", required=False)
@click.option("--show-token", is_flag=True, help="Print the address with its token.")
@_common
def url(session: str | None, console: Console, show_token: bool) -> None:
    """Print the address of SESSION on this computer."""
    from launcher import wiring
    from launcher.access import Secrets
    from launcher.errors import TunnelError
    from launcher.store import Store

    found = Store().find(session)
    address = wiring.local_url(found)
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
@_common
def logs(session: str | None, console: Console, lines: int) -> None:
    """Print the last lines of SESSION's logs: the job's, the node program's, JupyterLab's."""
    from launcher import wiring
    from launcher.store import Store

    found = Store().find(session)
    cluster = wiring.cluster_of(found, console.asker())
    texts = {name: cluster.read(found.directory, name, lines) for name in ("job.log", "node.log", "jupyter.log")}
    shown = [f"==> {name} <==\n{text.rstrip()}\n" for name, text in texts.items() if text.strip()]
    console.result({"schema_version": 1, "session": found.name, "logs": texts}, "\n".join(shown) or "no logs yet")


@main.command()
@click.argument("session", required=False)
@_common
def stop(session: str | None, console: Console) -> None:
    """End SESSION: its job and its workers."""
    from launcher import sessions, wiring
    from launcher.report import document
    from launcher.store import Store

    store = Store()
    found = store.find(session)
    cluster = wiring.cluster_of(found, console.asker())
    with console.stage(f"stop {found.name}"):
        current = sessions.stop(cluster, found, lambda _: None)
    sessions.remember_end(store, current)
    console.result(document(current), f"session {found.name} is over")


@main.command()
@click.argument("session")
@click.argument("workers")
@_common
def scale(session: str, workers: str, console: Console) -> None:
    """Give SESSION's Dask cluster WORKERS worker jobs: a number, or MIN:MAX to follow the load."""
    from launcher import flows, scaling, wiring
    from launcher.store import Store

    request = scaling.parse(workers)
    found = Store().find(session)
    with flows.open_session(wiring.cluster_of(found, console.asker()), found) as (_, opened):
        answer = scaling.scale(opened, request)
    console.result({"schema_version": 1, "session": found.name, **answer}, f"asked for {workers} worker jobs")


@main.group(context_settings=_CONTEXT)
def platform() -> None:
    """Look at the platforms springline knows."""


@platform.command("list")
@_config
@_common
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
@_config
@_common
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

        found = Store().find(session)
        environment.update(dask_environment(wiring.cluster_of(found, Console().asker()), found))
    sys.exit(wiring.run_jobs(["run", *arguments], environment))


def _wishes(options: dict[str, Any], local_port: int | None) -> Wishes:
    from launcher.flows import Wishes

    return Wishes(
        local_port=local_port,
        detach=options["detach"],
        wait=options["wait"],
        browser=not options["no_browser"],
        show_token=options["show_token"],
        page=options["page"],
    )


if __name__ == "__main__":
    main()
