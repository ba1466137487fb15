"""What this program's own job tells it, and how it speaks to the scheduler: in the words the launcher sent along."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

# One row for each scheduler. SLURM's qsub, which speaks PBS, sets SLURM's variables: so they are all looked for.
JOB_IDS = ("SLURM_JOB_ID", "PBS_JOBID")
_OF_A_JOB = ("SLURM_", "PBS_", "SPRINGLINE_JOB")
_OF_THE_CLUSTER = ("SLURM_CONF", "PBS_CONF_FILE", "PBS_EXEC", "PBS_SERVER", "PBS_DEFAULT")

_SUBMITTED = re.compile(r"(?:Submitted batch job )?(\d+(?:\.[\w.-]+)?)(?:;\S+)?")
_LISTED = re.compile(r"(\d+(?:\.[\w.-]+)?)(?:\|.*)?")


def job_id(environ: Mapping[str, str]) -> str | None:
    """Return the id of this very job, as its submission named it."""
    return next((environ[name] for name in JOB_IDS if environ.get(name)), None)


def without_job(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without this job's own, which would confuse the jobs they are handed on to."""
    kept = {name: value for name, value in environ.items() if not name.startswith(_OF_A_JOB)}
    return {**kept, **{name: environ[name] for name in _OF_THE_CLUSTER if name in environ}}


def say(script: str, timeout: float, environ: Mapping[str, str] | None = None, directory: Path | None = None) -> str:
    """Run the launcher's words to the scheduler and return the answer. Raises OSError or SubprocessError."""
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=directory,
        env=None if environ is None else dict(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=True,
    )
    return done.stdout


def submitted(answer: str) -> str:
    """Return the id that a submission was answered with."""
    found = [match[1] for line in answer.splitlines() if (match := _SUBMITTED.fullmatch(line.strip()))]
    return found[-1] if found else ""


def listed(answer: str) -> list[str]:
    """Return the ids in a list, below a line ``COMMAND CODE``. Raises OSError where the scheduler could not say."""
    head, *lines = answer.splitlines() or [""]
    if not head.endswith(" 0"):
        raise OSError(next((line.strip() for line in reversed(lines) if line.strip()), "no answer"))
    return [match[1] for line in lines if (match := _LISTED.fullmatch(line.strip()))]


def number(job: str) -> int:
    """Return the number of a job: a later one has a larger one."""
    digits = re.match(r"\d+", job)
    return int(digits[0]) if digits else 0
