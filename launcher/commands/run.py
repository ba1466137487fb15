"""The command `run`: passes on what is typed, to the analyses here or to `run --on`; completes the words of both."""

from __future__ import annotations

import contextlib
import os
import sys

import click
from click.shell_completion import CompletionItem, get_completion_class

from launcher.commands.completing import VARIABLE, jobs, live_sessions, platforms
from launcher.commands.runs import goes_elsewhere, run_elsewhere
from launcher.errors import SpringlineError

_PASS_ON = {"ignore_unknown_options": True, "help_option_names": []}


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

    if goes_elsewhere(typed) or not typed or typed[0] in ("-h", "--help"):
        sys.exit(run_elsewhere.main(typed or ["--help"], prog_name="springline run", standalone_mode=False))
    environment = dict(os.environ)
    if session:
        from launcher.console.console import Console
        from launcher.laptop.store import Store
        from launcher.sessions.scaling import dask_environment

        environment.update(dask_environment(*wiring.reach(session, Console().asker(), Store())))
    sys.exit(wiring.run_jobs(["run", *arguments], environment))
