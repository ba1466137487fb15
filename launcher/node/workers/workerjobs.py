"""The workers' jobs: their name, what they ask of SLURM or PBS, how they call Python, and their end in time."""

from __future__ import annotations

import logging
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from .. import addresses, queues
from ..request import Request, Workers
from ..scratch import job_lines
from . import springline_guard

log = logging.getLogger("springline")

# What a scheduler says when it may be different in a moment; after anything else asking again is no use.
_PASSING = re.compile(
    r"timed? ?out|contact|communicat|connect|temporar|authenticat|busy|slurm_|end of file|try again", re.IGNORECASE
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
    return {
        **_options(request, directory, address, preload),
        "walltime": request.workers.walltime,
        "job_script_prologue": _before_python(request),
        "job_directives_skip": ["#SBATCH -e", "#SBATCH -o"],
        "job_extra_directives": directives(request.workers, directory),
    }


def pbs_options(request: Request, directory: Path, address: str, preload: Sequence[str]) -> dict[str, Any]:
    """Return PBSCluster's arguments, all but the security object.

    PBS starts a job without this program's variables and brings its output when it has ended, if at all: so the job
    gets those of Dask's configuration and opens its log by itself.
    """
    workers, name = request.workers, job_name(request)
    log_file = f'{shlex.quote(str(directory))}/workers-"${{PBS_JOBID:-${{SLURM_JOB_ID:-$$}}}}".log'
    exports = [f"export {key}={shlex.quote(text)}" for key, text in os.environ.items() if key.startswith("DASK_")]
    return {
        **_options(request, directory, address, preload),
        "job_name": short_name(name) if names_are_short(directory) else name,
        "queue": workers.reservation or workers.partition,  # a reservation of PBS is a queue
        "walltime": hours(workers.walltime_seconds),
        "resource_spec": workers.resource_spec or resource_spec(workers, pbs_version(os.environ)),
        "job_script_prologue": [f"exec >>{log_file} 2>&1", *sorted(exports), *_before_python(request)],
        "job_directives_skip": ["#PBS -e", "#PBS -o"],
        "job_extra_directives": pbs_directives(workers, name),
    }


def _options(request: Request, directory: Path, address: str, preload: Sequence[str]) -> dict[str, Any]:
    """Return what all kinds of worker jobs have in common."""
    workers = request.workers
    return {
        "name": f"springline-{request.session}",
        "job_name": job_name(request),
        "queue": workers.partition,
        "account": workers.account,
        "cores": workers.cores,
        "memory": workers.memory,
        "processes": workers.processes,
        "python": python_command(request, directory),
        "protocol": "tls://",
        "shared_temp_directory": str(directory),
        "death_timeout": workers.death_timeout or DEATH_TIMEOUT,
        "worker_extra_args": worker_arguments(workers, preload),
        "scheduler_options": {
            "host": address_on(workers.interface) if workers.interface else address,
            "port": 0,
            "dashboard_address": LOOPBACK_ANY_PORT,
        },
        **({"interface": workers.interface} if workers.interface else {}),
    }


def _before_python(request: Request) -> list[str]:
    """Return the lines of a worker's job before it calls Python."""
    return [*request.prologue, *job_lines(request.workers.local_directory), *request.worker_lines(os.environ)]


def address_on(interface: str) -> str:
    """Return this node's address on a network. Raises ValueError where there is no such interface."""
    return str(import_module("distributed.utils").get_ip_interface(interface))


def hours(seconds: int | None) -> str | None:
    """Return a walltime as PBS writes it: it knows no days."""
    return None if seconds is None else f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"


def names_are_short(directory: Path) -> bool:
    """Tell whether this PBS takes 15 letters for a name only: then it took no longer one for the session's job."""
    script = directory / "job.sh"
    return script.exists() and "#PBS -N spring-" in script.read_text(encoding="utf-8")


def short_name(name: str) -> str:
    """Return a worker job's name in 15 letters: the unique part of ``…-0a1b2c-worker``."""
    return f"springw-{name.removesuffix('-worker').rpartition('-')[2]}"[:15]


def pbs_version(environ: Mapping[str, str]) -> str:
    """Return what qsub says of itself; empty where there is none."""
    try:
        done = subprocess.run(
            ["qsub", "--version"], env=dict(environ), capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("qsub: %s", error)
        return ""
    return done.stdout + done.stderr


def resource_spec(workers: Workers, version: str) -> str | None:
    """Return what a worker job asks for, where PBS is Torque; PBS Pro's way is what dask-jobqueue writes by itself."""
    if "pbs_version" in version:
        return None
    size = import_module("dask.utils").parse_bytes(workers.memory) if workers.memory else 0
    return f"nodes=1:ppn={workers.cores}" + (f",mem={-(-size // 1024**2)}mb" if size else "")


def pbs_directives(workers: Workers, name: str) -> list[str]:
    """Return the worker jobs' options of qsub beyond those dask-jobqueue knows; the variable holds the whole name."""
    qos = [f"-l qos={workers.qos}"] if workers.qos else []
    return ["-S /bin/bash", "-r n", "-j oe", "-o /dev/null", f"-v SPRINGLINE_JOB={name}", *qos, *workers.directives]


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
    try:
        queues.say(request.queue.cancel_workers, timeout)
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("The worker jobs were not cancelled: %s", error)


def may_pass(problem: str) -> bool:
    """Tell whether a failed submission of workers is worth another attempt."""
    return _PASSING.search(problem) is not None
