"""What a run writes into its state file, beside how far it is."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .addresses import login_name
from .queues import job_id
from .request import Request, SessionDir
from .state import end_of, iso


def end_of_run(request: Request, environ: Mapping[str, str], started: float) -> float | None:
    """Return when the run's time is up (POSIX seconds), or None: without a scheduler nobody ends it."""
    return end_of(request, environ, started) if request.scheduler != "local" else None


def has_workers(request: Request) -> bool:
    """Tell whether the run has worker jobs."""
    return request.scheduler != "local" and request.analysis is not None and not request.analysis.in_allocation


def first_fields(request: Request, environ: Mapping[str, str], host: str, before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a run that has just begun; ``before`` is the state that an earlier job of it left."""
    started = time.time()
    ends = end_of_run(request, environ, started)
    job = job_id(environ)
    return {
        "phase": "starting",  # starting → running → ending
        "run": request.session,
        "job_id": job,
        "jobs": [*before.get("jobs", []), *([job] if job else [])],  # all that worked on it; one twice was requeued
        "next_job_id": None,  # the job that goes on where this one had to stop
        "resubmit": request.analysis is not None and request.analysis.resubmit,
        "finished": before.get("finished"),  # items behind it when an earlier job had to stop
        "pid": os.getpid(),
        "host": host,
        "user": login_name(),
        "workers": 0 if has_workers(request) else None,  # connected; told when the first comes and the last goes
        "dask_error": None,  # a sentence
        "started": iso(started),
        "ends": None if ends is None else iso(ends),
        "reason": None,  # finished, failed, stopped, terminated, time_limit
        "message": None,  # a sentence
        "exit_code": None,  # set last of all: everything is released
    }


def finished(directory: SessionDir) -> int | None:
    """Return how many items are behind the run by now, also those of earlier jobs; None if nobody counts.

    An item that failed is behind it, too: a run that comes to nothing but failures gets on all the same.
    """
    try:
        progress = json.loads((directory.path / "progress.json").read_text(encoding="utf-8"))
        if progress.get("finished") is not None:  # the analysis counts by itself, through all its jobs
            return int(progress["finished"])
        return sum(int(progress[key]) for key in ("done", "skipped")) + int(progress.get("failed") or 0)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def margin(left: float | None) -> float:
    """Return how long (s) before its end a run stops by itself, so that it can do so in order."""
    return 0.0 if left is None else min(60.0, max(5.0, left / 20))


def last_words(log_file: Path) -> str:
    """Return what the analysis said last of why it failed: its own message, else its last line."""
    try:
        lines = log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-40:]
    except OSError:
        return ""
    said = [line.strip() for line in lines if line.strip()]
    ours = [line.partition("springline: ")[2] for line in said if line.startswith("springline: ")]
    return (ours or said or [""])[-1]
