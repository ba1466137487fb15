"""The jobs that are installed: springline's own and those other packages plug in."""

from __future__ import annotations

import difflib
from importlib.metadata import EntryPoint, entry_points

from jobs.errors import NotFoundError
from jobs.model import Job

GROUP = "springline.jobs"


def names() -> list[str]:
    """Names of all jobs, sorted."""
    return sorted(_points())


def load(name: str) -> Job:
    """The job called `name`.

    Raises
    ------
    NotFoundError
        If there is none, or its package cannot be imported.
    """
    points = _points()
    if name not in points:
        near = difflib.get_close_matches(name, points, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(sorted(points)) or 'none'}."
        raise NotFoundError(f"There is no job called {name!r}.", hint)
    try:
        job = points[name].load()
    except (ImportError, AttributeError) as error:
        raise NotFoundError(
            f"The job {name!r} ({points[name].value}) cannot be loaded: {error}",
            "Is its package installed here? springline's own jobs need: pip install 'springline[jobs]'",
        ) from error
    if not isinstance(job, Job):
        raise NotFoundError(f"{points[name].value} is not a springline job but a {type(job).__name__}.")
    return job


def _points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
