"""The commands for runs of analyses on a platform: run --on, runs, watch, fetch, cancel. Each imports what it needs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from launcher.commands.completing import every_run, live_runs, live_sessions, platforms
from launcher.commands.options import CONTEXT, common, config_option, examples
from launcher.commands.sessions import somewhere

if TYPE_CHECKING:
    from launcher.cluster import Cluster
    from launcher.console.console import Console
    from launcher.laptop.store import Store
    from launcher.model import Session, SessionStatus


def goes_elsewhere(words: Sequence[str]) -> bool:
    """True if the words of `run` name a platform; behind `--` they are the analysis's own."""
    own = words[: words.index("--")] if "--" in words else words
    return any(word == "--on" or word.startswith("--on=") for word in own)


@click.command(
    "run",
    context_settings={**CONTEXT, "ignore_unknown_options": True},
    epilog=examples(
        ("springline run spring-index --input daymet/ --output spring.zarr --plot", ""),
        ("springline run map mine.py:smooth --inputs 'raw/*.nc' --target 'out/{stem}.zarr'", ""),
        ("springline run l1b '/data/S1*.SAFE' --output l1b --on spider --workers 1:20", ""),
        ("springline run --session demo spring-index --input daymet/ --output spring.zarr", ""),
        more="Exit codes: 0 all items are done, 1 some failed; else as the analysis or its job ended.",
    ),
)
@click.option("--on", "platform", metavar="PLATFORM", shell_complete=platforms, help="Run it there; without it here.")
@click.option("--session", metavar="SESSION", shell_complete=live_sessions, help="Run it here, on this session's Dask.")
@click.option("--workers", metavar="N|MIN:MAX", help="Worker jobs; MIN:MAX follows the work.")
@click.option("--in-allocation", is_flag=True, help="No worker jobs: everything in one job, on its --cores.")
@click.option("--detach", is_flag=True, help="Leave when it is submitted; `springline watch` comes back.")
@click.option("--resubmit", is_flag=True, help="When its walltime is up, go on in another job, until it is done.")
@click.option("--chdir", default="~", metavar="DIR", help="Where relative paths begin over there; default your home.")
@click.option("--name", help="Name of the run; default JOB-xxxx.")
@click.option("--partition", help="Partition of the run's own job.")
@click.option("--account", help="Account to charge.")
@click.option("--qos", help="Quality of service.")
@click.option("--reservation", help="Reservation.")
@click.option("--walltime", help="Walltime of the run's own job, HH:MM:SS or D-HH:MM:SS.")
@click.option("--cores", help="CPU cores of the run's own job.")
@click.option("--memory", help="Memory of the run's own job, e.g. 8GB.")
@click.option("--show-script", is_flag=True, help="Show the batch script and every remote command; run nothing.")
@click.argument("arguments", metavar="JOB [OPTIONS OF THE JOB]...", nargs=-1, type=click.UNPROCESSED)
@config_option
@common
def run_elsewhere(
    arguments: tuple[str, ...],
    platform: str,
    console: Console,
    config: Path | None,
    show_script: bool,
    detach: bool,
    workers: str | None,
    in_allocation: bool,
    resubmit: bool,
    chdir: str,
    name: str | None,
    session: str | None,
    **options: Any,  # noqa: ANN401
) -> int:
    """Run an analysis: here, or on PLATFORM with --on, followed live until its end.

    Each item is done once. The same command goes on where an earlier one stopped, whatever stopped it; a report lies
    beside the output. The options below may stand anywhere among the job's own (`springline run JOB --help`); all but
    --session mean this only with --on, and what stands behind `--` is the job's in any case. With --on, Ctrl-C asks
    whether to detach or to cancel.
    """
    from launcher import wiring
    from launcher.errors import UsageError
    from launcher.kinds import RUN
    from launcher.laptop.store import Store
    from launcher.platforms import loading
    from launcher.runs import plans
    from launcher.terminal import following

    if session:
        raise UsageError("--session is a session here, --on a platform", "give one of them")
    chosen = loading.override(loading.load(config).get(platform), options)
    cluster = wiring.cluster(chosen, console.asker())
    wish = plans.Wish(arguments, name, workers, in_allocation, resubmit, chdir, str(config.resolve()) if config else "")
    plan = plans.plan(chosen, cluster.scheduler, wish)
    if show_script:
        steps = cluster.rehearse(plan.session, plan.files)
        shown = "\n".join(f"# --- {title}\n{text}" for title, text in steps.items())
        console.result({"schema_version": 1, "platform": platform, "steps": steps}, shown)
        return 0
    return following.start(cluster, plan, console, Store(kind=RUN), detach=detach)


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
