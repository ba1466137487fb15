"""Jobs of springline's in a queue that no live session here answers for."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from launcher import wiring
from launcher.elsewhere import Place
from launcher.errors import SpringlineError
from launcher.model import Platform, Session
from launcher.parallel import side_by_side
from launcher.schedulers.base import Queued
from launcher.transports.base import Asker

_SESSION_JOB = re.compile(r"springline-(.+)-[0-9a-f]{6}")
_WORKER_JOB = re.compile(r"springline-(.+)-worker")


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
            there = {found.session.job_name for found in cluster.sessions() if found.session}
            return orphans(platform.name, cluster.queue(), there, {session.job_name for session in records})

        return look

    outcomes = side_by_side([work(platform) for platform in place.platforms()], ask)
    errors = [outcome for outcome in outcomes if isinstance(outcome, SpringlineError)]
    found = (one for outcome in outcomes if not isinstance(outcome, SpringlineError) for one in outcome)
    return list({(one.job_id, one.job_name): one for one in found}.values()), errors


def orphans(platform: str, queue: Iterable[Queued], there: Collection[str], here: Collection[str]) -> list[Orphan]:
    """Sort a queue out; `there` and `here` are the names of session jobs with a directory there and a record here."""
    queue = list(queue)
    living = {match[1] for job in queue if (match := _SESSION_JOB.fullmatch(job.name))}
    found = []
    for job in queue:
        why, hint = _trouble(job, platform, living, there, here)
        if why:
            found.append(Orphan(platform, job.id, job.name, job.state.lower(), job.node, why, hint))
    return found


def _trouble(
    job: Queued, platform: str, living: Collection[str], there: Collection[str], here: Collection[str]
) -> tuple[str, str]:
    """Why nobody answers for a job, and what to do; empty where somebody does."""
    cancel = f"end it there: scancel {job.id}"
    worker, session = _WORKER_JOB.fullmatch(job.name), _SESSION_JOB.fullmatch(job.name)
    if worker:
        return ("", "") if worker[1] in living else (f"a worker, and session {worker[1]} is over", cancel)
    if session is None:
        return "", ""  # not a name that springline gives
    if job.name not in there:
        return f"session {session[1]} has no directory there any more, so nobody can enter it", cancel
    if job.name in here:
        return "", ""
    options = f"{session[1]} --platform {platform}"
    return (
        f"session {session[1]} was started from another computer",
        f"use it: springline attach {options}; end it: springline stop {options}",
    )


def document(orphan: Orphan) -> dict[str, Any]:
    """One orphan as JSON."""
    return {**asdict(orphan), "node": orphan.node or None}
