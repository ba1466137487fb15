"""Going on in another job: a run whose time is up submits its own batch script again, once."""

from __future__ import annotations

import itertools
import logging
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from . import queues
from .request import Queue, SessionDir
from .state import write_private
from .workers import workerjobs

log = logging.getLogger("springline")

PAUSES = (0.0, 2.0, 5.0, 10.0)  # s before each attempt; the last again and again while the controller is away
PATIENCE = 20  # s for one command


class NotSubmitted(Exception):
    """There is no further job; the text is one sentence."""


def submit(
    directory: SessionDir,
    queue: Queue,
    environ: Mapping[str, str],
    told: Callable[[str], None] = log.warning,
    pauses: Sequence[float] = PAUSES,
) -> str:
    """Submit the run's job.sh again and return the new job's id; ``environ`` is that of this job's beginning.

    The queue is asked before each attempt: a job whose submission was not answered is there all the same. A controller
    that is away when the time is up does not end this job either, so it is tried until that returns, and ``told`` hears
    how it stands; what is refused is given up after the pauses.
    """
    ours, clean = queues.job_id(environ) or "", queues.without_job(environ)
    said = "no attempt was made"
    for attempt in itertools.count():
        if attempt >= len(pauses) and not workerjobs.may_pass(said):
            break
        time.sleep(pauses[min(attempt, len(pauses) - 1)])
        if directory.stop.exists():
            said = "it was cancelled meanwhile"
            break
        try:
            found = _other_job(queue, ours, clean)
            found = found or queues.submitted(queues.say(queue.submit, PATIENCE, clean, directory.path))
        except (OSError, subprocess.SubprocessError) as error:
            said = _words(error)
            told(f"It is not yet submitted again: {said}")
            continue
        if found:
            write_private(directory.submission, f"{found}\n")
            return found
        said = "the scheduler named no job"
    raise NotSubmitted(f"It could not be submitted again: {said}")


def _other_job(queue: Queue, ours: str, environ: Mapping[str, str]) -> str:
    """Return the job of the run's unique name that came after this one."""
    ids = queues.listed(queues.say(queue.find, PATIENCE, environ))
    return max((other for other in ids if queues.number(other) > queues.number(ours)), key=queues.number, default="")


def _words(error: Exception) -> str:
    said = getattr(error, "stderr", None) or str(error)
    return next((line.strip() for line in reversed(str(said).splitlines()) if line.strip()), type(error).__name__)
