"""The command `run`: an analysis on a platform with --on, else here, where the words are passed on; and its Tab key."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from launcher.commands.completing import VARIABLE, analyses, jobs, live_sessions, platforms
from launcher.commands.options import CONTEXT, common, config_option, examples
from launcher.errors import SpringlineError

if TYPE_CHECKING:
    from launcher.console.console import Console

_PASS_ON = {"ignore_unknown_options": True, "help_option_names": []}


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
    _check_name(arguments, console)
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


def _check_name(words: Sequence[str], console: Console) -> None:
    """Refuse an analysis that is not known here, unless the user insists that the cluster has it."""
    from launcher.errors import NotFoundError
    from launcher.platforms.sections import nearest

    known = [name for name, _ in analyses()]
    if not words or words[0].startswith("-") or words[0] in known:
        return
    said = f"there is no analysis '{words[0]}' here{nearest(words[0].lower(), known)}"
    if console.confirm(f"{said}. Submit it all the same?"):
        return
    meant = (
        f"a function is run by map: springline run map {words[0]}" if ":" in words[0] else f"any of {', '.join(known)}"
    )
    raise NotFoundError(said, f"{meant}; if the platform has one of that name, --yes submits it")


def words_of_run(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """A job first; then the name of a platform behind --on, else files."""
    typed: list[str] = context.obj or []
    if typed and typed[-1] == "--on":
        return platforms(context, parameter, incomplete)
    return [CompletionItem(incomplete, type="file")] if typed else jobs(context, parameter, incomplete)


class RunCommand(click.Command):
    """`run`: keeps its words as they were typed, in the context's `obj`, and completes the analyses' options, too."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the words, then parse them."""
        ctx.obj = list(args)
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The options beside --on and, asked of the analyses themselves, the job's own."""
        own = run_elsewhere.shell_complete(click.Context(run_elsewhere), incomplete)
        # A file of `map` would be executed: it is not asked.
        if ctx.obj and ctx.obj[0] in [item.value for item in jobs(ctx, self.params[0], "") if item.value != "map"]:
            with contextlib.suppress(SpringlineError):  # the analyses are not installed
                return _with_those_of_the_job(ctx.find_root().command, own)
        return own


def _with_those_of_the_job(main: click.Command, own: list[CompletionItem]) -> list[CompletionItem]:
    """Print ours; then the other half, which may take this process's place, completes the same line for the shell."""
    from launcher import wiring

    kind = get_completion_class(os.environ[VARIABLE].partition("_")[0])
    assert kind is not None
    shell = kind(main, {}, "springline", VARIABLE)
    click.echo("\n".join(shell.format_completion(item) for item in own))
    sys.stdout.flush()
    wiring.run_jobs([], dict(os.environ))
    return []


@click.command(cls=RunCommand, context_settings=_PASS_ON, epilog=run_elsewhere.epilog)
@click.option("--session", shell_complete=live_sessions, help="Run on the Dask cluster of this session.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, shell_complete=words_of_run)
@click.pass_obj
def run(typed: list[str], session: str | None, arguments: tuple[str, ...]) -> None:
    """Run an analysis, here or, with --on, on a platform. `springline run JOB --help` shows the job's own options."""
    from launcher import wiring

    if not typed:
        raise click.UsageError("Missing argument 'JOB'.", click.Context(run_elsewhere, info_name="springline run"))
    if goes_elsewhere(typed) or typed[0] in ("-h", "--help"):
        sys.exit(run_elsewhere.main(typed, prog_name="springline run", standalone_mode=False))
    environment = dict(os.environ)
    if session:
        from launcher.console.console import Console
        from launcher.laptop.store import Store
        from launcher.sessions.scaling import dask_environment

        environment.update(dask_environment(*wiring.reach(session, Console().asker(), Store())))
    sys.exit(wiring.run_jobs(["run", *arguments], environment))
