"""The session's state file: one line of JSON, replaced by a rename, read by launchers on any laptop."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .addresses import host_keys, login_name
from .processes import age
from .queues import job_id
from .request import SCHEMA_VERSION, Request

TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def iso(seconds: float) -> str:
    """Return a POSIX time as UTC ISO-8601."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime(TIME_FORMAT)


def seconds_left(ends: str | None, clock: Callable[[], float] = time.time) -> float | None:
    """Return the seconds until a time that ``iso`` wrote, or None without an end."""
    if ends is None:
        return None
    end = datetime.strptime(ends, TIME_FORMAT).replace(tzinfo=timezone.utc)
    return end.timestamp() - clock()


def end_of(request: Request, environ: Mapping[str, str], started: float) -> float | None:
    """Return when the session's time is up (POSIX seconds): as SLURM says, or from the walltime, or None."""
    if environ.get("SLURM_JOB_END_TIME", "").isdigit():
        return float(environ["SLURM_JOB_END_TIME"])
    if request.walltime_seconds is None:
        return None
    # PBS counts from the job's shell, which became this very process; what it loaded before has taken its time.
    return started - (age() if "PBS_JOBID" in environ else 0.0) + request.walltime_seconds


def write_private(path: Path, text: str) -> None:
    """Write a 0600 file that appears whole or not at all."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, path)  # noqa: PTH105 (a Path's own replace says no more)


class StateFile:
    """The one writer of a state file; ``seq`` continues where an earlier run of the job stopped."""

    def __init__(self, path: Path, fields: dict[str, Any], write: Callable[[Path, str], None] = write_private) -> None:
        self.path = path
        self._write = write
        self._lock = threading.Lock()
        self._fields = {"schema_version": SCHEMA_VERSION, "seq": _last_seq(path), **fields}

    def overtaken(self) -> bool:
        """Tell whether a later run of the job has taken the file over."""
        with self._lock:
            return _last_seq(self.path) > int(self._fields["seq"])

    def update(self, **changes: Any) -> None:  # noqa: ANN401
        """Change fields and show the whole, unless a later run of the job (on another node; this one was lost) does."""
        with self._lock:
            if _last_seq(self.path) > self._fields["seq"]:
                return
            self._fields.update(changes)
            self._fields["seq"] += 1
            self._write(self.path, json.dumps(self._fields) + "\n")


def read_state(path: Path) -> dict[str, Any]:
    """Return what a state file says; nothing if there is none, or half of one."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _last_seq(path: Path) -> int:
    seq = read_state(path).get("seq")
    return seq if isinstance(seq, int) else 0


def first_fields(
    request: Request, environ: Mapping[str, str], host: str, address: str, clock: Callable[[], float] = time.time
) -> dict[str, Any]:
    """Return the fields of a session that has just begun."""
    started = clock()
    ends = end_of(request, environ, started)
    return {
        "phase": "starting",  # starting → ready → ending
        "session": request.session,
        "job_id": job_id(environ),
        "pid": os.getpid(),
        "host": host,
        "address": address,
        "user": login_name(),
        "host_keys": host_keys(),
        "access": "",  # the least safe of the doors
        "doors": {},  # those that are open: name → path of the socket, or port
        "jupyter": None,  # {"base_url": "/"} once it answers
        "dask": None,  # {"scheduler": address, "dashboard": path behind Jupyter} once it runs
        "dask_error": None,  # a sentence
        "worker_counts": None,  # {"asked", "wanted", "joined", "waiting"} where the session's own cluster counts them
        "versions": {},
        "started": iso(started),
        "ends": None if ends is None else iso(ends),
        "warning": None,  # how little time is left, in words
        "reason": None,  # failed, terminated, time_limit, shut_down, idle, stopped; of a run: finished
        "message": None,  # a sentence
        "exit_code": None,  # set last of all: everything is released
    }
