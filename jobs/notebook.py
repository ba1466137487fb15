"""Jobs from a notebook or a script: `run("spring-index", "daymet/", output="spring.zarr", years="1980:1982")`."""

from __future__ import annotations

import contextlib
import csv
import difflib
import itertools
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from os import PathLike, fspath, sep
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs import registry, running
from jobs.errors import ItemsFailedError, UsageError
from jobs.model import Job, Option, Report
from jobs.stac import filters

if TYPE_CHECKING:
    from distributed import Client

NAMED = 5
"""Failed items that are named with their reasons."""


def run(
    job: str,
    *inputs: str | PathLike[str],
    output: str | PathLike[str] | None = None,
    overwrite: bool = False,
    dask: str | Client | None = None,
    workers: int | str | None = None,
    wait: float = 600,
    quiet: bool = False,
    **options: Any,  # noqa: ANN401 - each job has its own
) -> dict[str, Any]:
    """Run a job as `springline run JOB` does.

    Parameters
    ----------
    job
        Its name. For `map` the function comes first among the inputs: `run("map", "mine.py:smooth", "raw/*.nc", …)`.
    inputs, output, overwrite, workers, wait, quiet
        As on the command line; progress goes to stderr.
    dask
        As on the command line, or a Dask client that is there already.
    options
        The job's own, with underscores for hyphens; further spellings too, such as `to` for stac-stage's `output`.
        Lists and tuples may stand where the command line takes commas.

    Returns
    -------
    dict
        What the command line says with --json.

    Raises
    ------
    JobError
        As the command line says it. Where items failed an `ItemsFailedError` names them; its `values` are the report.
    """
    found, rest = _job(job, inputs)
    where = fspath(_one_of(found, {"output": output, **_taken(options, found.output_aliases)}) or "")
    request = running.request(
        found, rest, where, _options(found, options), running.progress(quiet), _connect(dask, workers, wait), overwrite
    )
    report = found.run(request)
    if error := running.failure(report):
        raise ItemsFailedError(_with_names(error.message, report), error.hint, report.values)
    if not quiet:
        print(_from_here("\n".join(report.lines)))
    return dict(report.values)


def _job(name: str, inputs: tuple[str | PathLike[str], ...]) -> tuple[Job, tuple[str, ...]]:
    """The job, and what is left of the inputs."""
    for given in inputs:
        if not isinstance(given, str | PathLike):
            raise UsageError(f"{name}: {given!r} is neither text nor a path.", _instead(given))
    texts = tuple(fspath(text) for text in inputs)
    if name != registry.MAP:
        return registry.load(name), texts
    if not texts:
        raise UsageError("map: which function?", 'run("map", "package.module:function", …)')
    return registry.function_job(texts[0]), texts[1:]


def _instead(given: object) -> str:
    """How to write what was given."""
    if callable(given):
        where = getattr(given, "__module__", "module")
        named = f"{'mine.py' if where == '__main__' else where}:{getattr(given, '__qualname__', 'function')}"
        return f'Workers import it by its name: write it to a file, and name it "{named}".'
    return "Each input stands for itself: run(JOB, first, second, …)."


def _taken(options: dict[str, Any], aliases: tuple[str, ...]) -> dict[str, Any]:
    """What was given under further spellings of an option, which is not among the options then any more."""
    names = [alias.lstrip("-").replace("-", "_") for alias in aliases]
    return {name: options.pop(name) for name in names if name in options}


def _one_of(job: Job, spellings: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever the person wrote
    """The value that was given under one of several names."""
    given = [name for name, value in spellings.items() if value is not None]
    if len(given) > 1:
        raise UsageError(f"{job.name}: {' and '.join(given)} are the same.", "Give one of them.")
    return spellings[given[0]] if given else None


def _options(job: Job, given: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a job, with their defaults and of their types, as the command line makes them."""
    known = {option.name.replace("-", "_"): option for option in job.options}
    rest = dict(given)
    values = {
        name: _one_of(job, {name: rest.pop(name, None), **_taken(rest, option.aliases)})
        for name, option in known.items()
    }
    for name in rest:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(sorted(known))}."
            raise UsageError(f"{job.name} has no option {name!r}.", hint)
    return {name: _value(job, option, values[name]) for name, option in known.items()}


def _value(job: Job, option: Option, given: Any) -> Any:  # noqa: ANN401 - whatever the person wrote
    """One option's value; `None` stands for its default."""
    import click

    parameter = running.click_option(option)
    context = click.Context(click.Command(job.name))
    try:
        if given is None:
            given = parameter.get_default(context)
        return parameter.process_value(context, _text(option, given))
    except click.UsageError as error:
        raise UsageError(f"{job.name}: {error.format_message()}") from error


def _text(option: Option, given: Any) -> Any:  # noqa: ANN401
    """Paths as text, and lists as the command line writes them."""
    if isinstance(given, PathLike):
        return fspath(given)
    if isinstance(given, Iterable) and not isinstance(given, str):
        if option.multiple:
            return list(map(str, given))
        return filters.listed(map(str, given)) if option.name in filters.LISTS else ",".join(map(str, given))
    return [given] if option.multiple and given is not None else given


def _connect(dask: str | Client | None, workers: int | str | None, wait: float) -> Callable[..., Any]:
    """What opens the cluster of a run; a client that is given stays open."""
    if dask is not None and not isinstance(dask, str):
        return lambda tasks, **_: contextlib.nullcontext(dask)
    from jobs.clusters import Workers, connect

    return partial(connect, dask, Workers.parse(None if workers is None else str(workers)), wait)


def _with_names(message: str, report: Report) -> str:
    """The message of a run with failed items, with the first of them by name where it has none."""
    listed = report.values.get("failed_list")
    if report.failed or not listed:
        return message
    with Path(listed).open(encoding="utf-8", newline="") as stream:
        rows = [f"{row['source']}: {row['message']}" for row in itertools.islice(csv.DictReader(stream), NAMED)]
    more = report.unfinished - len(rows)
    return _from_here("\n  ".join([message, *rows, *([f"and {more:,} more, see {listed}"] if more > 0 else [])]))


def _from_here(text: str) -> str:
    """With paths as seen from the working directory: a notebook is shown to people on other computers."""
    return text.replace(f"{Path.cwd()}{sep}", "")
