"""The workers' jobs: their name, what they ask of SLURM, how they call Python, and their end in time."""

from __future__ import annotations

import logging
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import addresses, springline_guard
from .request import Request, Workers
from .scratch import job_lines

log = logging.getLogger("springline")

# What sbatch says when it may be different in a moment; after anything else asking again is no use.
_PASSING = re.compile(
    r"timed? ?out|contact|communicat|connect|temporar|authenticat|busy|slurm_|try again", re.IGNORECASE
)

DEATH_TIMEOUT = 60  # s a worker waits for a scheduler that is gone
APPTAINER = '"$(command -v apptainer || echo singularity)"'
LOOPBACK_ANY_PORT = f"{addresses.LOOPBACK}:0"


def job_name(request: Request) -> str:
    """Return the name of the worker jobs in the queue."""
    return request.worker_name or f"springline-{request.session}-worker"


def lifetime(walltime: int) -> tuple[int, int]:
    """Return a worker's lifetime and its stagger (s): the latest ends a margin before the walltime, not all at once."""
    step = min(max(60, walltime // 20), 300, walltime // 4)
    return walltime - 2 * step, step


def slurm_options(request: Request, directory: Path, address: str, preload: Sequence[str]) -> dict[str, Any]:
    """Return SLURMCluster's arguments, all but the security object."""
    workers = request.workers
    return {
        "name": f"springline-{request.session}",
        "job_name": job_name(request),
        "queue": workers.partition,
        "account": workers.account,
        "cores": workers.cores,
        "memory": workers.memory,
        "processes": workers.processes,
        "walltime": workers.walltime,
        "python": python_command(request, directory),
        "protocol": "tls://",
        "shared_temp_directory": str(directory),
        "death_timeout": DEATH_TIMEOUT,
        "job_script_prologue": [
            *request.prologue,
            *job_lines(workers.local_directory),
            *request.worker_lines(os.environ),
        ],
        "job_directives_skip": ["#SBATCH -e", "#SBATCH -o"],
        "job_extra_directives": directives(workers, directory),
        "worker_extra_args": worker_arguments(workers, preload),
        "scheduler_options": {"host": address, "port": 0, "dashboard_address": LOOPBACK_ANY_PORT},
    }


def python_command(request: Request, directory: Path) -> str:
    """Return how a worker's job calls Python: this very one, or the one in the image."""
    if request.image is None:
        return shlex.quote(python_of_every_node(Path(sys.prefix), sys.executable))
    image = os.path.expanduser(os.path.expandvars(request.image))  # noqa: PTH111
    words = ("--bind", str(directory), image, request.python or "python3")
    # The worker's own directory too (see job_lines); its shell knows where it is, and what runs images.
    return f'{APPTAINER} exec --bind "$DASK_TEMPORARY_DIRECTORY" {shlex.join(words)}'


def python_of_every_node(prefix: Path, executable: str) -> str:
    """Return what starts this Python on other nodes: of a packed environment, not the copy on this node's own disk."""
    try:
        return (prefix.parent / "springline-launcher").read_text(encoding="utf-8").strip()
    except OSError:
        return executable


def directives(workers: Workers, directory: Path) -> list[str]:
    """Return the worker jobs' options beyond those dask-jobqueue knows."""
    named = {"--qos": workers.qos, "--reservation": workers.reservation}
    ours = [f"{name}={value}" for name, value in named.items() if value]
    return [*ours, f"--output={directory}/workers-%j.log", "--open-mode=append", "--no-requeue", *workers.directives]


def preloads(theirs: Sequence[str]) -> list[str]:
    """Return what a worker loads first: what keeps others from its pages, then what the user's configuration says."""
    return [springline_guard.__file__, *theirs]


def worker_arguments(workers: Workers, preload: Sequence[str]) -> list[str]:
    """Return the dask worker's options: an end before the job's, and no dashboard others could read."""
    arguments = ["--no-dashboard", "--dashboard-address", LOOPBACK_ANY_PORT]
    for each in preload:
        arguments += ["--preload", shlex.quote(each)]
    if workers.walltime_seconds:
        seconds, stagger = lifetime(workers.walltime_seconds)
        arguments += ["--lifetime", f"{seconds}s", "--lifetime-stagger", f"{stagger}s"]
    return arguments


def cancel_workers(request: Request, timeout: float) -> None:
    """Cancel the worker jobs of a session or run by their name, whoever submitted them."""
    command = ["scancel", f"--user={os.getuid()}", f"--name={job_name(request)}"]
    try:
        subprocess.run(command, timeout=timeout, check=True, capture_output=True)
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("scancel: %s", error)


def may_pass(problem: str) -> bool:
    """Tell whether a failed submission of workers is worth another attempt."""
    return _PASSING.search(problem) is not None
