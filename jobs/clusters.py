"""The Dask cluster a job runs on: this machine, the session's own, an address, or SLURM."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from jobs.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client

LOCAL, SLURM = "local", "slurm"
CONNECT_SECONDS = 15
WORKER_BYTES = 1_500_000_000
"""Memory a worker of the embedded cluster should have at least."""
INSTALL = "Install the same springline there: pip install 'springline[jobs]=={version}'"


@contextlib.contextmanager
def connect(
    where: str | None, workers: int | None, wait: float, tasks: int, *, threads: bool = False
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
        with _embedded(workers, tasks, threads) as client:
            yield client
    elif where == SLURM:
        with _slurm(workers or 1) as client:
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
    settings: dict[str, Any] = {"dashboard_address": "127.0.0.1:0", "silence_logs": "CRITICAL"}
    if count > 1 and not threads:
        settings |= {"host": "127.0.0.1", "n_workers": count, "threads_per_worker": 1}
    else:
        settings |= {"processes": False, "n_workers": 1, "threads_per_worker": count}
    with _no_interrupts():
        local = LocalCluster(**settings)
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
def _slurm(workers: int) -> Iterator[Client]:
    """Workers as SLURM jobs, described by dask's own configuration."""
    from dask.distributed import Client

    try:
        from dask_jobqueue.slurm import SLURMCluster

        cluster = SLURMCluster()
    except (ImportError, ValueError, TypeError) as error:
        raise ClusterError(
            f"The SLURM workers are not described well enough: {str(error).splitlines()[0]}",
            "Set cores, memory and walltime under jobqueue.slurm in ~/.config/dask/jobqueue.yaml.",
        ) from error
    with cluster, Client(cluster) as client:
        try:
            cluster.scale(workers)
        except (OSError, RuntimeError) as error:
            raise ClusterError(f"The SLURM workers could not be submitted: {error}", "Is sbatch there?") from error
        yield client


@contextlib.contextmanager
def _address(address: str) -> Iterator[Client]:
    """A cluster that is running already."""
    import dask
    from dask.distributed import Client
    from dask.utils import parse_timedelta

    patience = parse_timedelta(dask.config.get("distributed.comm.timeouts.connect", "30s"))
    try:
        client = Client(address, timeout=min(CONNECT_SECONDS, patience))
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
