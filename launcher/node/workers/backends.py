"""Which Dask cluster a session gets: workers as jobs of the scheduler, or as processes beside Dask's own."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .. import addresses
from ..lab.jupyter import missing
from ..request import Request, SessionDir
from ..scratch import job_lines, keep_to, users_own
from . import workerjobs

Make = Callable[[SessionDir, Request, str], Any]  # directory, request, this node's address → a distributed Cluster
# Gives the workers a cluster is asked for from now on the shape in the request: cluster, and what made it.
Shape = Callable[[Any, SessionDir, Request, str], None]
JobOptions = Callable[[Request, Path, str, Sequence[str]], dict[str, Any]]
OF_THE_CLUSTER = ("name", "protocol", "shared_temp_directory", "scheduler_options")  # of JobOptions, not of a job


class DaskError(Exception):
    """The cluster cannot do it; the text is one sentence for the user."""


class NotStarted(DaskError):
    """Workers were asked for, and whoever gives them refused or did not answer."""


@dataclass(frozen=True)
class Backend:
    """A kind of Dask cluster."""

    make: Make
    shape: Shape
    needs: tuple[str, ...] = ("distributed",)  # modules of this Python
    jobs: bool = False  # its workers are jobs of the scheduler, with a walltime of their own


def backend_of(request: Request) -> Backend:
    """Return the kind of cluster a request asks for."""
    return BACKENDS[request.backend]


def check(needs: Sequence[str]) -> None:
    """Raise DaskError where this Python lacks a module."""
    absent = [name for name in needs if find_spec(name) is None]
    if absent:
        raise DaskError(missing(*absent))


def make(directory: SessionDir, request: Request, address: str) -> Any:  # noqa: ANN401
    """Start the session's cluster, without workers yet. Raises DaskError."""
    backend = backend_of(request)
    check(backend.needs)
    return backend.make(directory, request, address)


def local_options(request: Request, preload: Sequence[str]) -> dict[str, Any]:
    """Return LocalCluster's arguments, all but the security object."""
    return {
        "name": f"springline-{request.session}",
        "n_workers": 0,
        "threads_per_worker": request.workers.cores,
        "memory_limit": request.workers.memory or "auto",
        "processes": True,
        "protocol": "tls://",
        "host": addresses.LOOPBACK,
        "scheduler_port": 0,
        "dashboard_address": workerjobs.LOOPBACK_ANY_PORT,
        "preload": list(preload),
    }


def _local(directory: SessionDir, request: Request, _address: str) -> Any:  # noqa: ANN401
    keep_to(directory.scratch.resolve())
    distributed = import_module("distributed")
    return distributed.LocalCluster(security=security(directory), **local_options(request, _preload()))


def _shape_local(cluster: Any, _directory: SessionDir, request: Request, _address: str) -> None:  # noqa: ANN401
    workers = request.workers
    options = {"nthreads": workers.cores, "memory_limit": workers.memory or "auto"}
    cluster.new_spec = {**cluster.new_spec, "options": {**cluster.new_spec["options"], **options}}


def _worker_jobs(cluster_class: str, options: JobOptions) -> Backend:
    """Return the backend of one of dask-jobqueue's cluster classes."""

    def make(directory: SessionDir, request: Request, address: str) -> Any:  # noqa: ANN401
        request = _with_users_own(request)
        keep_to(directory.scratch.resolve())
        made = options(request, directory.path, address, _preload())
        return getattr(_jobqueue(), cluster_class)(security=security(directory), **made)

    def shape(cluster: Any, directory: SessionDir, request: Request, address: str) -> None:  # noqa: ANN401
        made = options(_with_users_own(request), directory.path, address, _preload())
        job = {name: value for name, value in made.items() if name not in OF_THE_CLUSTER}
        cluster._job_kwargs = {**cluster._job_kwargs, **job}
        group = {"group": [f"-{i}" for i in range(job["processes"])]} if job["processes"] > 1 else {}
        cluster.new_spec = {"cls": cluster.job_cls, "options": cluster._job_kwargs, **group}

    return Backend(make, shape, ("distributed", "dask_jobqueue"), jobs=True)


def security(directory: SessionDir) -> Any:  # noqa: ANN401
    """Return TLS with the session's own certificate for everybody."""
    names = ("client", "scheduler", "worker")
    certificates = {f"tls_{name}_cert": str(directory.certificate) for name in names}
    keys = {f"tls_{name}_key": str(directory.key) for name in names}
    return import_module("distributed").Security(
        require_encryption=True, tls_ca_file=str(directory.certificate), **certificates, **keys
    )


def _preload() -> list[str]:
    import_module("distributed")  # whose settings are there only when it is
    return workerjobs.preloads(import_module("dask").config.get("distributed.worker.preload"))


def _with_users_own(request: Request) -> Request:
    """Where the request does not say it, let the workers' files lie where the user's Dask configuration says."""
    base = request.workers.local_directory or users_own()
    try:
        job_lines(base)
    except ValueError as error:
        raise DaskError(f"The workers' local directory {base!r} cannot be used: {error}.") from error
    return replace(request, workers=replace(request.workers, local_directory=base))


def _jobqueue() -> Any:  # noqa: ANN401
    """Import dask-jobqueue, which on import takes SIGINT: only a main thread may, and it is ours."""
    install = signal.signal
    signal.signal = lambda *_: None
    try:
        return import_module("dask_jobqueue")
    finally:
        signal.signal = install


BACKENDS: Mapping[str, Backend] = {
    "local": Backend(_local, _shape_local),
    "slurm": _worker_jobs("SLURMCluster", workerjobs.slurm_options),
    "pbs": _worker_jobs("PBSCluster", workerjobs.pbs_options),
}
