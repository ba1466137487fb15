"""The jobs that are installed: springline's own and those other packages plug in."""

from __future__ import annotations

import difflib
from importlib.metadata import EntryPoint, entry_points

from jobs.errors import NotFoundError
from jobs.model import BatchJob, Job

GROUP = "springline.jobs"
MAP = "map"
"""The job that takes any function."""
MAP_SUMMARY = (
    "Your own function f(source, target, …) over many items: map package.module:function or script.py:function."
)


def names() -> list[str]:
    """Names of all jobs, sorted."""
    return sorted({*_points(), MAP})


def function_job(text: str) -> Job:
    """A job made of nothing but a function, written "package.module:function" or "script.py:function"."""
    from jobs.batch.functions import as_job

    return _job(as_job(MAP, text))


def load(name: str) -> Job:
    """The job called `name`.

    Raises
    ------
    NotFoundError
        If there is none, or its package cannot be imported.
    """
    points = _points()
    if name not in points:
        near = difflib.get_close_matches(name.lower(), names(), n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(names())}."
        raise NotFoundError(f"There is no job called {name!r}.", hint)
    try:
        job = points[name].load()
    except (ImportError, AttributeError) as error:
        raise NotFoundError(
            f"The job {name!r} ({points[name].value}) cannot be loaded: {error}",
            "Is its package installed here? springline's own jobs need: pip install 'springline[jobs]'",
        ) from error
    if callable(job) and not isinstance(job, (Job, BatchJob)):
        from jobs.batch.functions import as_job

        job = as_job(name, points[name].value)
    if not isinstance(job, (Job, BatchJob)):
        raise NotFoundError(
            f"{points[name].value} is not a springline job but a {type(job).__name__}.",
            "Name a function, or a Job or BatchJob.",
        )
    return _job(job)


def _job(job: Job | BatchJob) -> Job:
    if isinstance(job, Job):
        return job
    from jobs.batch import job as batch

    return batch.as_job(job)


def _points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
