"""The commands for runs that are on a platform: runs, watch, fetch, cancel. Each imports what it needs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from launcher.commands.completing import every_run, live_runs, platforms
from launcher.commands.options import common, config_option, examples
from launcher.commands.sessions import somewhere

if TYPE_CHECKING:
    from launcher.cluster import Cluster
    from launcher.console.console import Console
    from launcher.laptop.store import Store
    from launcher.model import Session, SessionStatus


def _reach(
    name: str | None, console: Console, platform: str | None, config: Path | None
) -> tuple[Cluster, Session, Store]:
    from launcher.kinds import RUN
    from launcher.laptop.store import Store
    from launcher.overview import elsewhere

    store = Store(kind=RUN)
    cluster, session = elsewhere.reach(name, console.asker(), store, elsewhere.Place(platform, config))
    return cluster, session, store


@click.command(
    epilog=examples(
        ("springline runs", ""),
        ("springline runs --all", "those that are over, too"),
        ("springline runs --platform spider", "from whichever computer"),
    )
)
@click.option("--all", "everything", is_flag=True, help="Show those that are over, too.")
@click.option(
    "--platform", metavar="PLATFORM", shell_complete=platforms, help="List all runs there, from whichever computer."
)
@config_option
@common
def runs(console: Console, everything: bool, platform: str | None, config: Path | None) -> None:
    """List your runs of analyses, and how far they are.

    Runs are what `springline run --on PLATFORM` submitted; their platforms are asked.
    """
    from launcher.kinds import RUN
    from launcher.laptop.store import Store
    from launcher.runs import report as runreport

    if platform is not None:
        current = _listed_there(console, platform, config, everything)
    else:
        current = _listed_here(console, Store(kind=RUN), everything)
    documents = [runreport.document(one) for one in current]
    none = f"no runs{f' on {platform}' if platform else ''}" + (
        "" if everything else "; --all shows those that are over"
    )
    console.result({"schema_version": 1, "runs": documents}, runreport.listing(documents) if documents else none)


def _listed_here(console: Console, store: Store, everything: bool) -> list[SessionStatus]:
    import time

    from launcher import wiring
    from launcher.sessions import lifecycle

    store.purge(time.time())
    found = wiring.statuses([run for run in store.all() if everything or not run.ended], console.asker())
    return [lifecycle.remember_end(store, current) for current in found]


def _listed_there(console: Console, platform: str, config: Path | None, everything: bool) -> list[SessionStatus]:
    from launcher.errors import SpringlineError
    from launcher.kinds import RUN
    from launcher.overview import elsewhere
    from launcher.sessions import lifecycle

    ((_, there),) = elsewhere.listed(console.asker(), elsewhere.Place(platform, config), RUN)
    if isinstance(there, SpringlineError):
        raise there
    return [one for one in there if everything or one.phase not in lifecycle.OVER]


@click.command(
    epilog=examples(
        ("springline watch", "the only run there is"),
        ("springline watch map-1a2b", ""),
        more="Exit codes: that of the analysis (0 all done, 1 some items failed), else 40 to 43 as its job ended.",
    )
)
@click.argument("run", required=False, shell_complete=every_run)
@somewhere
@common
def watch(run: str | None, console: Console, platform: str | None, config: Path | None) -> None:
    """Follow RUN live to its end.

    Shows how far it is and says what fails, as it happens. Ctrl-C asks whether to leave it running or to cancel it. A
    run that was started from another computer is looked for on your platforms.
    """
    from launcher.terminal import following

    cluster, found, store = _reach(run, console, platform, config)
    sys.exit(following.watch(cluster, found, console, store))


@click.command(epilog=examples(("springline cancel", "the only run there is"), ("springline cancel map-1a2b", "")))
@click.argument("run", required=False, shell_complete=live_runs)
@somewhere
@common
def cancel(run: str | None, console: Console, platform: str | None, config: Path | None) -> None:
    """End RUN: its job and its workers.

    What is done stays, and the same command goes on with the rest.
    """
    from launcher.runs import report as runreport
    from launcher.sessions import lifecycle, report

    cluster, found, store = _reach(run, console, platform, config)
    current = lifecycle.status(cluster, found)
    if current.phase not in lifecycle.OVER:
        with console.stage(f"cancel {found.name}"):
            current = lifecycle.stop(cluster, current.session, lambda _: None)
        lifecycle.remember_stop(store, current)
    console.result(runreport.document(current), f"run {found.name} is {report.sentence(current)}")


@click.command(
    epilog=examples(
        ("springline fetch map-1a2b", "into ./map-1a2b"),
        ("springline fetch map-1a2b --results --output ~/here", "the output, too"),
    )
)
@click.argument("run", shell_complete=every_run)
@click.option("--output", type=click.Path(path_type=Path), help="Directory on this computer; default ./RUN.")
@click.option("--results", is_flag=True, help="Bring the output itself, too.")
@somewhere
@common
def fetch(
    run: str, console: Console, output: Path | None, results: bool, platform: str | None, config: Path | None
) -> None:
    """Bring RUN's report, list of failures, ledger and log to this computer.

    With --results its output comes, too, whole or not at all; for that the run must be over.
    """
    from launcher.errors import ConnectError, UsageError
    from launcher.model import Unknown
    from launcher.progress import Progress
    from launcher.runs import fetching
    from launcher.sessions import lifecycle
    from launcher.units import format_size

    cluster, found, _ = _reach(run, console, platform, config)
    current = lifecycle.status(cluster, found)
    if isinstance(current.job, Unknown) and current.progress is None:
        raise ConnectError(f"run {run}: {current.job.error}", "try again")
    if results and current.phase not in lifecycle.OVER:
        raise UsageError(f"run {run} is not over, so its output is not whole", f"wait for it: springline watch {run}")
    received = 0

    def tell(size: int) -> None:
        nonlocal received
        received = size

    with console.stage("fetch"), console.live(lambda _: f"  {format_size(received)}"):
        got = fetching.fetch(
            cluster, current.session, current.progress or Progress(), output or Path(run), results=results, tell=tell
        )
    said = {"schema_version": 1, "run": run, "directory": str(got.directory.resolve()), "names": list(got.names)}
    console.result({**said, "bytes": got.received}, "\n".join(str(got.directory / name) for name in got.names))


RUN_COMMANDS = (runs, watch, fetch, cancel)
