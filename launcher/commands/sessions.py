"""The commands for sessions that are there: attach, status, url, logs, stop, scale. Each imports what it needs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from launcher.commands.completing import every_session, live_sessions, platforms
from launcher.commands.options import common, config_option, connection_options, examples

if TYPE_CHECKING:
    from launcher.cluster import Cluster
    from launcher.console.console import Console
    from launcher.laptop.store import Store
    from launcher.model import Session
    from launcher.overview.elsewhere import Place

Command = Callable[..., Any]


def somewhere(command: Command) -> Command:
    """Give a command --platform and --config: where to find a session this computer does not know."""
    where = click.option(
        "--platform", metavar="PLATFORM", shell_complete=platforms, help="Look for it there, not in the records here."
    )
    return where(config_option(command))


def _place(platform: str | None, config: Path | None) -> Place:
    from launcher.overview.elsewhere import Place

    return Place(platform, config)


def _reach(
    name: str | None, console: Console, platform: str | None, config: Path | None
) -> tuple[Cluster, Session, Store]:
    from launcher.laptop.store import Store
    from launcher.overview import elsewhere

    store = Store()
    cluster, session = elsewhere.reach(name, console.asker(), store, _place(platform, config))
    return cluster, session, store


@click.command(
    epilog=examples(
        ("springline attach", "the only session there is"),
        ("springline attach my-session", ""),
        ("springline attach my-session --platform spider", "started on another computer"),
    )
)
@click.argument("session", required=False, shell_complete=live_sessions)
@connection_options
@somewhere
@common
def attach(
    session: str | None,
    console: Console,
    platform: str | None,
    config: Path | None,
    local_port: int | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Come back to SESSION: wait for it, tunnel and open the browser.

    The port of this computer is the same as before where it is free, so that open pages go on. A session that was
    started from another computer is looked for on your platforms.
    """
    from launcher.commands.options import wishes_of
    from launcher.terminal import flows

    cluster, found, store = _reach(session, console, platform, config)
    flows.attach(cluster, found, wishes_of(options, local_port), console, store)


@click.command(
    epilog=examples(
        ("springline status", "the only session there is"),
        ("springline status my-session --json", "for a program"),
        more="Exit codes: 0 while it lives or where it ended well, else 40 to 43 as the job ended.",
    )
)
@click.argument("session", required=False, shell_complete=every_session)
@somewhere
@common
def status(session: str | None, console: Console, platform: str | None, config: Path | None) -> None:
    """Say how SESSION is: its state, node, time left and workers.

    Asks the cluster. Where the session has ended, it says why, and what to do about it.
    """
    from launcher import wiring
    from launcher.console.console import report_error
    from launcher.sessions import ends, lifecycle, report
    from launcher.sessions.workers import waiting_reason

    cluster, found, store = _reach(session, console, platform, config)
    current = lifecycle.status(cluster, found)
    current = lifecycle.remember_end(store, current)
    url = wiring.local_url(current, store) if current.phase == "ready" else None
    said = report.document(current, url, waiting_reason(cluster, current))
    console.result(said, report.sheet(said))
    if ends.ended_badly(current):
        error = ends.end_error(cluster, current)
        report_error(error)  # stdout has its one object already
        sys.exit(error.exit_code)


@click.command(
    epilog=examples(
        ("springline url my-session", ""),
        ("springline url my-session --show-token", "opens without a login"),
        ("springline url my-session --page lab/tree/map.ipynb", ""),
        more="Exit codes: 50 no tunnel is open on this computer.",
    )
)
@click.argument("session", required=False, shell_complete=live_sessions)
@click.option("--page", default="lab", help="What to open, e.g. lab/tree/map.ipynb.")
@click.option("--show-token", is_flag=True, help="Print the address with its token.")
@somewhere
@common
def url(
    session: str | None, console: Console, page: str, show_token: bool, platform: str | None, config: Path | None
) -> None:
    """Print the address of SESSION on this computer.

    It works while `springline up` or `springline attach` holds the tunnel. The token is a password: it is printed only
    with --show-token.
    """
    from launcher import wiring
    from launcher.errors import TunnelError
    from launcher.sessions import lifecycle
    from launcher.tunnels.access import Secrets

    cluster, found, store = _reach(session, console, platform, config)
    address = wiring.local_url(lifecycle.status(cluster, found), store, page)
    if address is None:
        raise TunnelError(
            f"no tunnel to session {found.name} is open on this computer", f"open it: springline attach {found.name}"
        )
    if show_token:
        address += f"?token={Secrets.of(cluster, found).token}"
    console.result({"schema_version": 1, "session": found.name, "url": address}, address)


@click.command(
    epilog=examples(("springline logs my-session", ""), ("springline logs my-session -n 200", "more lines of each"))
)
@click.argument("session", required=False, shell_complete=every_session)
@click.option("-n", "--lines", default=40, type=click.IntRange(1, 100_000), help="Lines of each log.")
@somewhere
@common
def logs(session: str | None, console: Console, lines: int, platform: str | None, config: Path | None) -> None:
    """Print the last lines of SESSION's logs: the job's and JupyterLab's.

    They are read on the cluster, also when the session is over.
    """
    cluster, found, _ = _reach(session, console, platform, config)
    texts = {name: cluster.read(found.directory, name, lines) for name in ("job.log", "jupyter.log")}
    shown = [f"==> {name} <==\n{text.rstrip()}\n" for name, text in texts.items() if text.strip()]
    console.result({"schema_version": 1, "session": found.name, "logs": texts}, "\n".join(shown) or "no logs yet")


@click.command(
    epilog=examples(
        ("springline stop", "the only session there is"),
        ("springline stop my-session", ""),
        ("springline stop --all", "every session of this computer"),
    )
)
@click.argument("session", required=False, shell_complete=live_sessions)
@click.option("--all", "everything", is_flag=True, help="End all sessions of this computer.")
@somewhere
@common
def stop(session: str | None, console: Console, everything: bool, platform: str | None, config: Path | None) -> None:
    """End SESSION: its job and its workers.

    Files stay where they are; what was not saved in a notebook is lost. The command waits until the cluster says that
    the job has ended.
    """
    from launcher.errors import UsageError
    from launcher.laptop.leftkeys import forget_left_keys
    from launcher.sessions import lifecycle, report

    forget_left_keys()
    if everything:
        if session or platform:
            raise UsageError("--all ends every session of this computer", "give no SESSION and no --platform with it")
        return _stop_all(console)
    cluster, found, store = _reach(session, console, platform, config)
    with console.stage(f"stop {found.name}"):
        current = lifecycle.stop(cluster, found, lambda _: None)
    lifecycle.remember_stop(store, current)
    return console.result(report.document(current), f"session {found.name} is {report.sentence(current)}")


def _stop_all(console: Console) -> None:
    """One after the other is told to end, then each is seen to; what goes wrong with one keeps no other alive."""
    from launcher import wiring
    from launcher.console.console import report_error
    from launcher.laptop.store import Store
    from launcher.sessions import lifecycle, report

    store = Store()
    live = [session for session in store.all() if not session.ended]
    names = ", ".join(session.name for session in live)
    if live and console.interactive and not console.asker().confirm(f"End {names}?"):
        return console.result({"schema_version": 1, "sessions": []}, "nothing was ended")
    ended, errors = wiring.stop_all(live, console.asker(), store)
    documents = [report.document(current) for current in ended]
    over = ", ".join(current.session.name for current in ended if current.phase in lifecycle.OVER)
    console.result({"schema_version": 1, "sessions": documents}, f"over: {over}" if over else "no session was ended")
    for error in errors:
        report_error(error)
    if errors:
        sys.exit(max(error.exit_code for error in errors))
    return None


@click.command(
    epilog=examples(
        ("springline scale my-session 4", "four workers"),
        ("springline scale my-session 1:8", "as many as the work needs, one to eight"),
        ("springline scale my-session 2 --preset large", "new ones of another shape"),
    )
)
@click.argument("session", shell_complete=live_sessions)
@click.argument("workers")
@click.option("--preset", help="The shape of workers asked for now and later; `default` as the session began.")
@somewhere
@common
def scale(
    session: str, workers: str, preset: str | None, console: Console, platform: str | None, config: Path | None
) -> None:
    """Give SESSION's Dask cluster so many WORKERS: a number, or MIN:MAX to follow the load.

    Each is a job of its own, and waits in the queue as any other. Workers that are there keep their shape.
    """
    from launcher.sessions import scaling
    from launcher.terminal import flows

    request = scaling.parse(workers)
    cluster, found, _ = _reach(session, console, platform, config)
    with flows.open_session(cluster, found) as (_, opened):
        answer = scaling.scale(opened, request, preset)
    noun = "worker" if workers == "1" else "workers"
    shape = f", new ones as preset {preset}" if preset else ""
    limit = "the session's own job" if answer["limit"] == "cores" else answer["limit"]
    fewer = f"; {limit} allows {answer['granted']}" if answer["granted"] is not None else ""
    console.result({"schema_version": 1, "session": found.name, **answer}, f"asked for {workers} {noun}{shape}{fewer}")


SESSION_COMMANDS = (attach, status, url, logs, stop, scale)
