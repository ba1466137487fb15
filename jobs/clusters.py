"""The Dask cluster a job runs on: this machine, the session's own, an address, or SLURM."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.errors import ClusterError, UsageError

if TYPE_CHECKING:
    from distributed import Client

LOCAL, SLURM = "local", "slurm"
CONNECT_SECONDS = 15
WORKER_BYTES = 1_500_000_000
"""Memory a worker of the embedded cluster should have at least."""
PRIVATE = ('export DASK_TEMPORARY_DIRECTORY="$(mktemp -d)"', "trap 'rm -rf \"$DASK_TEMPORARY_DIRECTORY\"' EXIT")
"""Shell lines that give a worker job a directory that only its user can enter."""
BLAME = {"distributed.scheduler.allowed-failures": 0}
"""A worker's death is told at once, and not tried on further workers."""
INSTALL = "Install the same springline there: pip install 'springline[jobs]=={version}'"


@dataclass(frozen=True)
class Workers:
    """How many workers to start, as many as there are tasks between two numbers: jobs on SLURM, else processes."""

    least: int
    most: int

    @classmethod
    def parse(cls, text: str | None) -> Workers | None:
        """N or MIN:MAX."""
        if text is None:
            return None
        match = re.fullmatch(r"(?:(\d{1,5}):)?(\d{1,5})", text.strip())
        least, most = (int(match[1] or match[2]), int(match[2])) if match else (1, 0)
        if most < 1 or least > most:
            raise UsageError(f"--workers {text} is no number of workers.", "Write a number such as 4, or MIN:MAX.")
        return cls(least, most)


@contextlib.contextmanager
def connect(
    where: str | None, workers: Workers | None, wait: float, tasks: int, *, threads: bool = False
) -> Iterator[Client]:
    """A client of the cluster `where` means, for the time of a run of `tasks` tasks.

    Parameters
    ----------
    where
        None: the session's own cluster if there is one, else this machine. `local`, `slurm` or an address.
    workers
        How many workers to start; None: as many as make sense here, one on SLURM.
    wait
        Seconds to wait for the first worker of a foreign cluster.
    threads
        Whether threads of this process do as workers here: for tasks that only wait for processes of their own.
    """
    import dask

    where = where or os.environ.get("DASK_SCHEDULER_ADDRESS") or dask.config.get("scheduler-address", None) or LOCAL
    if where == LOCAL:
        with _embedded(workers.most if workers else None, tasks, threads) as client:
            yield client
    elif where == SLURM:
        with _slurm(workers or Workers(1, 1), tasks) as client:
            _first_worker(client, wait, "SLURM started no worker")
            yield client
    else:
        with _address(where) as client:
            _first_worker(client, wait, f"The scheduler at {where} has no worker")
            yield client


@contextlib.contextmanager
def _embedded(workers: int | None, tasks: int, threads: bool) -> Iterator[Client]:
    """A cluster of processes on this machine; threads in this process where there is hardly anything to do."""
    from dask.distributed import Client, LocalCluster
    from dask.system import CPU_COUNT
    from distributed.system import MEMORY_LIMIT

    fit = max(1, min(CPU_COUNT, int(MEMORY_LIMIT // WORKER_BYTES)))
    count = min(workers or fit, max(tasks, 1))
    pages = {"dashboard_address": "127.0.0.1:0", "worker_dashboard_address": "127.0.0.1:0"}
    settings: dict[str, Any] = {**pages, "silence_logs": "CRITICAL"}
    if count > 1 and not threads:
        # With TLS: others on this machine could make the processes run code of theirs.
        settings |= {"security": True, "host": "127.0.0.1", "n_workers": count, "threads_per_worker": 1}
    else:
        settings |= {"processes": False, "n_workers": 1, "threads_per_worker": count}
    # A directory of our own: in the one that Dask takes, others could put files in the place of ours.
    with tempfile.TemporaryDirectory(prefix="springline-", ignore_cleanup_errors=True) as scratch:
        with _no_interrupts():
            local = LocalCluster(local_directory=scratch, **settings)
        _hush()
        with local as cluster, Client(cluster) as client:
            yield client


@contextlib.contextmanager
def _no_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back for a moment: processes started meanwhile never hear it and leave the word to this one."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _slurm(workers: Workers, tasks: int) -> Iterator[Client]:
    """Workers as SLURM jobs, described by dask's own configuration; they and this process speak TLS.

    Without it everybody on the cluster's network could make the workers run code of theirs.
    """
    import dask
    from dask.distributed import Client

    scratch = Path.home() / ".springline" / "dask"
    try:
        from dask_jobqueue.slurm import SLURMCluster

        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        walltime = dask.config.get("jobqueue.slurm.walltime", None) or "00:30:00"
        extra = [*(dask.config.get("jobqueue.slurm.worker-extra-args", None) or []), *_lifetime(walltime)]
        with dask.config.set(BLAME):
            cluster = SLURMCluster(
                security=True, shared_temp_directory=str(scratch), worker_extra_args=extra,
                job_script_prologue=[*(dask.config.get("jobqueue.slurm.job-script-prologue", None) or []), *PRIVATE],
                scheduler_options={"dashboard": False},
            )  # fmt: skip
    except (ImportError, ValueError, TypeError, OSError) as error:
        raise ClusterError(
            f"The SLURM workers are not described well enough: {str(error).splitlines()[0]}",
            "Set cores, memory and walltime under jobqueue.slurm in ~/.config/dask/jobqueue.yaml.",
        ) from error
    with cluster, Client(cluster) as client:
        try:
            # Not dask's own adapting: it sees the few batches that are on their way, and would never ask for more.
            cluster.scale(jobs=max(workers.least, min(workers.most, tasks)))
        except (OSError, RuntimeError) as error:
            raise ClusterError(f"The SLURM workers could not be submitted: {error}", "Is sbatch there?") from error
        yield client


def _hush() -> None:
    """Let Dask's own tracebacks, which it prints beside our words, only be seen when they are asked for."""
    if not os.environ.get("SPRINGLINE_DEBUG"):
        for name in ("distributed", "distributed.client", "distributed.worker", "distributed.scheduler"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


def _lifetime(walltime: str) -> list[str]:
    """Let workers leave in good order before SLURM ends them, and not all at once."""
    days, _, clock = str(walltime).rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    if len(parts) == 1:  # SLURM reads a bare number as minutes
        parts = [*parts, 0]
    seconds = int(days or 0) * 86400 + sum(part * 60**power for power, part in enumerate(reversed(parts)))
    stagger = min(max(60, seconds // 20), 300, seconds // 4)
    return ["--no-dashboard", "--lifetime", f"{seconds - 2 * stagger}s", "--lifetime-stagger", f"{stagger}s"]


@contextlib.contextmanager
def _address(address: str) -> Iterator[Client]:
    """A cluster that is running already."""
    import dask
    from dask.distributed import Client
    from dask.utils import parse_timedelta

    patience = parse_timedelta(dask.config.get("distributed.comm.timeouts.connect", "30s"))
    try:
        client = Client(address, timeout=min(CONNECT_SECONDS, patience))
        _hush()
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        raise ClusterError(
            f"There is no Dask scheduler to be reached at {address}: {str(error).splitlines()[0]}",
            "Is it running, and is the address right? tls:// needs distributed.comm.tls in dask's configuration.",
        ) from error
    with client:
        yield client


def _first_worker(client: Client, wait: float, what: str) -> None:
    """Wait for a worker, then make sure it has the same springline."""
    try:
        client.wait_for_workers(1, timeout=wait)
    except TimeoutError as error:
        raise ClusterError(
            f"{what} within {wait:.0f} s.", "Look at the queue, start workers, or wait longer with --wait SECONDS."
        ) from error
    ours = version("springline")

    def installed() -> str:  # by value: it has to run where springline may be missing
        import importlib.metadata
        import importlib.util

        try:
            return importlib.metadata.version("springline") if importlib.util.find_spec("jobs") else ""
        except importlib.metadata.PackageNotFoundError:
            return ""

    for worker, theirs in client.run(installed).items():
        if theirs != ours:
            has = f"springline {theirs}" if theirs else "no springline"
            raise ClusterError(f"The worker {worker} has {has}, this is {ours}.", INSTALL.format(version=ours))
