"""Going on in another job: a run whose time is up submits its own batch script again, once."""

from __future__ import annotations

import itertools
import logging
import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from . import workerjobs
from .request import SessionDir
from .state import write_private

log = logging.getLogger("springline")

PAUSES = (0.0, 2.0, 5.0, 10.0)  # s before each attempt; the last again and again while the controller is away
PATIENCE = 20  # s for one command
_JOB_ID = re.compile(r"(?:Submitted batch job )?(\d+)(?:;\S+)?")


class NotSubmitted(Exception):
    """There is no further job; the text is one sentence."""


def submit(
    directory: SessionDir,
    environ: Mapping[str, str],
    told: Callable[[str], None] = log.warning,
    pauses: Sequence[float] = PAUSES,
) -> str:
    """Submit the run's job.sh again and return the new job's id; ``environ`` is that of this job's beginning.

    The queue is asked before each attempt: a job whose submission was not answered is there all the same. A controller
    that is away when the time is up does not end this job either, so it is tried until that returns, and ``told`` hears
    how it stands; what is refused is given up after the pauses.
    """
    ours, name = environ.get("SLURM_JOB_ID", ""), environ.get("SLURM_JOB_NAME", "")
    clean = {key: value for key, value in environ.items() if not key.startswith("SLURM_") or key == "SLURM_CONF"}
    said = "no attempt was made"
    for attempt in itertools.count():
        if attempt >= len(pauses) and not workerjobs.may_pass(said):
            break
        time.sleep(pauses[min(attempt, len(pauses) - 1)])
        if directory.stop.exists():
            said = "it was cancelled meanwhile"
            break
        try:
            found = _other_job(name, ours, clean)
            found = found or _id_in(_answer(["sbatch", "--parsable", "job.sh"], clean, directory))
        except (OSError, subprocess.SubprocessError) as error:
            said = _words(error)
            told(f"It is not yet submitted again: {said}")
            continue
        if found:
            write_private(directory.submission, f"{found}\n")
            return found
        said = "sbatch named no job"
    raise NotSubmitted(f"It could not be submitted again: {said}")


def _other_job(name: str, ours: str, environ: Mapping[str, str]) -> str:
    """Return the living job of the run's unique name that came after this one."""
    listed = _answer(["squeue", "-h", "-u", str(os.getuid()), "-n", name, "-o", "%i"], environ)
    ids = [line.strip() for line in listed.splitlines() if line.strip().isdecimal()]
    return max((other for other in ids if int(other) > int(ours or 0)), key=int, default="")


def _answer(command: Sequence[str], environ: Mapping[str, str], directory: SessionDir | None = None) -> str:
    done = subprocess.run(
        command,
        cwd=directory.path if directory else None,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    return done.stdout


def _id_in(answer: str) -> str:
    found = [match[1] for line in answer.splitlines() if (match := _JOB_ID.fullmatch(line.strip()))]
    return found[-1] if found else ""


def _words(error: Exception) -> str:
    said = getattr(error, "stderr", None) or str(error)
    return next((line.strip() for line in reversed(str(said).splitlines()) if line.strip()), type(error).__name__)
