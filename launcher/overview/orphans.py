"""Jobs of springline's in a queue that no live session here answers for."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from launcher import wiring
from launcher.errors import SpringlineError
from launcher.kinds import RUN, SESSION
from launcher.model import Platform, Session
from launcher.overview.elsewhere import Place
from launcher.parallel import side_by_side
from launcher.schedulers.base import Queued
from launcher.transports.base import Asker

_JOB = re.compile(r"springline-(run_)?(.+)-[0-9a-f]{6}")
_WORKER_JOB = re.compile(r"springline-(run_)?(.+?)(?:-[0-9a-f]{6})?-worker")  # an older version's had no number


@dataclass(frozen=True)
class Orphan:
    """A job in the queue, why nobody answers for it, and what to do."""

    platform: str
    job_id: str
    job_name: str
    state: str
    node: str
    why: str
    hint: str


def find(ask: Asker, place: Place, records: Collection[Session]) -> tuple[list[Orphan], list[SpringlineError]]:
    """The orphans on all platforms meant, and what kept platforms from answering."""

    def work(platform: Platform) -> Callable[[Asker], list[Orphan]]:
        def look(asker: Asker) -> list[Orphan]:
            cluster = wiring.cluster(platform, asker)
            found = [one for kind in (SESSION, RUN) for one in cluster.sessions(kind=kind)]
            there = {one.session.job_name for one in found if one.session}
            here, program = {session.job_name for session in records}, cluster.scheduler.cancel_program
            return orphans(platform.name, cluster.queue(), there, here, program)

        return look

    outcomes = side_by_side([work(platform) for platform in place.platforms()], ask)
    errors = [outcome for outcome in outcomes if isinstance(outcome, SpringlineError)]
    found = (one for outcome in outcomes if not isinstance(outcome, SpringlineError) for one in outcome)
    return list({(one.job_id, one.job_name): one for one in found}.values()), errors


def orphans(
    platform: str, queue: Iterable[Queued], there: Collection[str], here: Collection[str], cancel: str = "scancel"
) -> list[Orphan]:
    """Sort a queue out; `there` and `here` are the names of session jobs with a directory there and a record here."""
    queue = list(queue)
    jobs = {job.name for job in queue if _JOB.fullmatch(job.name)}
    living = jobs | {name.rpartition("-")[0] for name in jobs}  # an older version's workers say no more
    found = []
    for job in queue:
        why, hint = _trouble(job, platform, living, there, here, f"end it there: {cancel} {job.id}")
        if why:
            found.append(Orphan(platform, job.id, job.name, job.state.lower(), job.node, why, hint))
    return found


def _trouble(
    job: Queued, platform: str, living: Collection[str], there: Collection[str], here: Collection[str], cancel: str
) -> tuple[str, str]:
    """Why nobody answers for a job, and what to do; empty where somebody does."""
    match = _WORKER_JOB.fullmatch(job.name) or _JOB.fullmatch(job.name)
    if match is None:
        return "", ""  # not a name that springline gives
    kind = RUN if match[1] else SESSION
    if job.name.endswith("-worker"):
        over = job.name.removesuffix("-worker") not in living
        return (f"a worker, and {kind.noun} {match[2]} is over", cancel) if over else ("", "")
    if job.name not in there:
        return f"{kind.noun} {match[2]} has no directory there any more, so nobody can enter it", cancel
    if job.name in here:
        return "", ""
    options = f"{match[2]} --platform {platform}"
    return (
        f"{kind.noun} {match[2]} was started from another computer",
        f"use it: {kind.join} {options}; end it: {kind.end} {options}",
    )


def document(orphan: Orphan) -> dict[str, Any]:
    """One orphan as JSON."""
    return {**asdict(orphan), "node": orphan.node or None}
