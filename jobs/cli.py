"""`python -m jobs`: the command line of the analyses; the only place here that prints or exits."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from jobs import registry, running
from jobs.errors import JobError, OutputError, UsageError
from jobs.model import Job, Progress, Report
from jobs.progress import Snapshot, Together, folded
from jobs.running import PROGRAM

FOLLOW = "SPRINGLINE_FOLLOW"
"""Names a directory for a copy of progress.json, where a launcher far away looks for it."""
MAP_EXAMPLES = f"""\b
Examples:
  {PROGRAM} run map mine.py:smooth --help     its own options, and those of every batch job
  {PROGRAM} run map mine.py:smooth --inputs 'raw/*.nc' --target 'out/{{stem}}.zarr' --window 7
  {PROGRAM} run map package.module:function --items table.csv --target '{{dir}}/{{stem}}.nc'"""
CODES = "Exit codes: 0 all is done, 1 some items are not, 2 usage, input or cluster, 60 not found, 130 stopped."
OUTPUT_HELP = "Where the result goes."
DASK_HELP = "Where to compute; default: the session's cluster, else this machine."
WAIT_HELP = "How long to wait for the first worker of a cluster (600)."
UNWRITTEN = "Free some space, or look at your quota, or send the answer elsewhere; what was done stays done."
COMMON = ("input", "output", "overwrite", "dask", "workers", "wait", "json", "quiet")


class JobGroup(click.Group):
    """`run`: one subcommand per job, built when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the jobs."""
        return registry.names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """The command of a job."""
        if cmd_name == registry.MAP:
            return click.Command(cmd_name, help=registry.MAP_SUMMARY, epilog=MAP_EXAMPLES)
        try:
            return job_command(registry.load(cmd_name))
        except JobError as error:
            fail(error)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of a job; that of `map` depends on the function named next, whose options it has."""
        if args[0] != registry.MAP or len(args) == 1 or args[1].startswith("-"):
            if args[0] == registry.MAP and args[1:] not in (["-h"], ["--help"]):
                fail(UsageError("map: which function?", f"{PROGRAM} run map package.module:function --help"))
            return super().resolve_command(ctx, args)
        try:
            return f"map {args[1]}", job_command(registry.function_job(args[1]), f"map {args[1]}"), args[2:]
        except JobError as error:
            fail(error)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="springline", prog_name="springline")
def cli() -> None:
    """Run packaged analyses, here or on a Dask cluster."""


@cli.group(cls=JobGroup, name="run")
def run_group() -> None:
    """Run a job: `run JOB --help` shows its options and examples."""


@cli.command("list", epilog=f"\b\nExamples:\n  {PROGRAM} list\n  {PROGRAM} list --json")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def list_jobs(as_json: bool) -> None:
    """Every job that can be run."""
    guard(lambda: _list_jobs(as_json))


def _list_jobs(as_json: bool) -> None:
    found = []
    for name in registry.names():
        if name == registry.MAP:
            found.append({"name": name, "summary": registry.MAP_SUMMARY})
            continue
        try:
            found.append({"name": name, "summary": registry.load(name).summary})
        except JobError as error:
            found.append({"name": name, "summary": "", "error": error.message})
    if as_json:
        answer(json.dumps({"schema_version": 1, "jobs": found}))
        return
    answer("\n".join(f"{job['name']:<16} {job['summary'] or 'cannot be loaded: ' + job['error']}" for job in found))


@cli.command(epilog=f"\b\nExamples:\n  {PROGRAM} report spring.zarr.run")
@click.argument("run_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
def report(run_dir: Path) -> None:
    """Write report.html and failed.csv of RUN_DIR anew, also while its run goes on or after it was killed."""
    from jobs.batch.closing import write_pages

    if not (run_dir / "ledger.jsonl").exists():
        fail(UsageError(f"{run_dir} holds no ledger.jsonl.", "Name the directory beside the output that ends in .run."))
    guard(lambda: answer(write_pages(run_dir.absolute().name.removesuffix(".run"), run_dir)))


def job_command(job: Job, name: str = "") -> click.Command:
    """The click command of a job: the options all jobs share, then its own."""
    name = name or job.name
    params: list[click.Parameter] = [
        click.Option(["--input", "--inputs", "-i"], multiple=True, metavar="PATH|URL", help=job.input_help),
        *(
            [click.Option(["--output", "-o", *job.output_aliases], required=job.needs_output, metavar="PATH|URL",
                          help=OUTPUT_HELP)]
            if job.has_output else []
        ),
        *(running.click_option(option) for option in job.options),
        click.Option(["--overwrite"], is_flag=True, help="Replace an existing output."),
        click.Option(["--dask"], metavar="local|slurm|ADDRESS", help=DASK_HELP),
        click.Option(["--workers"], metavar="N|MIN:MAX", help="Dask workers to start; on SLURM as many jobs."),
        click.Option(["--wait"], type=click.FloatRange(0), default=600, metavar="SECONDS", help=WAIT_HELP),
        click.Option(["--json"], is_flag=True, help="Report as one JSON object on stdout."),
        click.Option(["--quiet", "-q"], is_flag=True, help="No progress."),
        click.Argument(["more"], nargs=-1, metavar="[MORE INPUTS]..."),
    ]  # fmt: skip
    examples = "\b\nExamples:\n" + "\n".join(f"  {PROGRAM} run {name} {example}" for example in job.examples)
    epilog = f"{examples}\n\n{CODES}" if job.examples else CODES
    about = f"{job.summary}\n\n{job.about}"
    return click.Command(name, params=params, callback=partial(run_job, job), help=about, epilog=epilog)


def run_job(job: Job, more: tuple[str, ...], **values: Any) -> None:  # noqa: ANN401 - click passes what the options hold
    """Run a job and report on stdout."""
    guard(lambda: _run_job(job, more, values))


def _run_job(job: Job, more: tuple[str, ...], values: Mapping[str, Any]) -> None:
    from jobs.clusters import Workers, connect

    options = {name: value for name, value in values.items() if name not in COMMON}
    inputs, output = (*values["input"], *more), str(values.get("output") or "")
    means = partial(connect, values["dask"], Workers.parse(values["workers"]), values["wait"])
    progress = _progress(job.name, output, values["quiet"])
    request = running.request(job, inputs, output, options, progress, means, values["overwrite"])
    _finish(job.run(request), values["json"])


def _finish(report: Report, as_json: bool) -> None:
    """Print the report; items that failed make exit code 1."""
    if follow := os.environ.get(FOLLOW):
        told = {"schema_version": 1, "values": report.values, "lines": report.lines}
        Path(follow, "report.json").write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
    answer(json.dumps(report.values, ensure_ascii=False) if as_json else "\n".join(report.lines))
    if error := running.failure(report):
        raise error


def _progress(job: str, output: str, quiet: bool) -> Progress:
    shown = running.progress(quiet)
    follow = os.environ.get(FOLLOW)
    if not follow:
        return shown
    from jobs.storage import absolute

    return Together(shown, Snapshot(Path(follow), job, absolute(output) if output else ""))


def answer(text: object) -> None:
    """Print an answer on stdout. Raises OutputError where that cannot be written."""
    try:
        click.echo(text)
    except BrokenPipeError:  # who reads has enough
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python tries again at its own end
        raise OutputError(f"The answer cannot be written to stdout: {error.strerror}.", UNWRITTEN) from error


def guard(action: Callable[[], None]) -> None:
    """Run `action`; known failures end in one message and their exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    if not os.environ.get("SPRINGLINE_DEBUG"):  # Dask's own tracebacks, above all those of an interruption
        for name in ("distributed", "tornado.application", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        warnings.filterwarnings("ignore", "Couldn't detect a suitable IP address")  # Dask's, of a laptop on a train
    try:
        action()
    except JobError as error:
        fail(error)
    except KeyboardInterrupt:
        fail_with(130, "Stopped.", "The same command goes on where this one stopped.")
    except BrokenPipeError:
        os._exit(1)
    except Exception as error:  # the last line of defence against tracebacks
        if os.environ.get("SPRINGLINE_DEBUG"):
            raise
        where = f"{type(error).__name__}: {error}"
        fail_with(70, f"This is a mistake in springline: {where}", "SPRINGLINE_DEBUG=1 shows where; please report it.")


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # SLURM and a launcher may both say it; once is enough
    raise KeyboardInterrupt


def fail(error: JobError) -> NoReturn:
    """Print a known failure and exit with its code."""
    fail_with(error.exit_code, error.message, error.hint)


def fail_with(code: int, message: str, hint: str = "") -> NoReturn:
    """Print what happened and what to do, on stderr, and exit."""
    said = f"springline: {message}" + (f"\n  → {hint}" if hint else "")
    click.echo(folded(said) if sys.stderr.isatty() else said, err=True)
    sys.exit(code)


def main() -> None:
    """Entry point of `python -m jobs`."""
    guard(_main)


def _main() -> None:
    try:
        cli(prog_name=PROGRAM)
    except OSError:  # of the help and the version, which click prints? Then it is the same for one more line.
        answer("")
        raise
