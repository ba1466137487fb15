"""The session directory: the request the launcher wrote into it, and where everything else in it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

SCHEMA_VERSION = 1
DEFAULT = "default"  # the shape of workers that a session began with, beside the names of presets
DOORS = ("socket", "loopback", "node-tls", "node-http")  # the safest first

T = TypeVar("T")


class RequestError(Exception):
    """The request cannot be carried out as it stands; the text says why."""


@dataclass(frozen=True)
class Workers:
    """What one Dask worker job gets, and how many to start with."""

    count: int = 0
    cores: int = 1  # per job
    memory: str | None = None  # per job
    processes: int = 1  # Dask workers per job
    walltime: str | None = None  # as SLURM writes it
    walltime_seconds: int | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    reservation: str | None = None
    local_directory: str | None = None  # expanded by the shell of the worker's job
    max_jobs: int | None = None
    resource_spec: str | None = None  # of PBS
    interface: str | None = None  # of the network between workers
    death_timeout: int | None = None  # s
    directives: tuple[str, ...] = ()

    def most(self) -> int | None:
        """Return the largest number of Dask workers allowed, or None without a limit."""
        return None if self.max_jobs is None else self.max_jobs * self.processes


@dataclass(frozen=True)
class Queue:
    """What to say to the scheduler, as scripts of /bin/sh; all do nothing where there is none."""

    submit: str = "false"  # the job of this directory once more; it answers with the new id
    find: str = "echo none 0"  # list the jobs of this session's or run's own name
    cancel_workers: str = "true"  # end the worker jobs, whoever submitted them


@dataclass(frozen=True)
class Analysis:
    """What a run runs, in place of JupyterLab: ``python -m jobs ARGUMENTS`` in a directory."""

    arguments: tuple[str, ...]
    directory: str = "~"  # a leading ~ and $VARIABLES are filled in here
    script_at: int | None = None  # the argument that names a file sent along with the run
    in_allocation: bool = False  # everything in this job, no worker jobs
    processes: int | None = None  # of a run in this job; None: as many as its cores
    minimum: int | None = None  # worker jobs, where their number follows the work
    maximum: int | None = None
    resubmit: bool = False  # submit the job again when its time is up and there is work left


@dataclass(frozen=True)
class Request:
    """What the launcher asked for."""

    session: str
    doors: tuple[str, ...] = ("socket",)  # to open at the start; the first is Jupyter's own listener
    port: int = 0  # of the loopback door; 0: any free one
    root_dir: str = "~"
    scheduler: str = "local"  # local | slurm | pbs
    walltime_seconds: int | None = None
    idle_stop_seconds: int | None = None  # end after so long without work or visitors
    python: str | None = None  # in the image; without one the workers use the Python that runs this
    prologue: tuple[str, ...] = ()
    image: str | None = None
    umask: str | None = None  # octal, for what the user's work writes; None: as SPRINGLINE_UMASK says
    queue: Queue = Queue()
    workers: Workers = Workers()
    worker_name: str | None = None  # of the worker jobs in the queue; old requests have none
    presets: Mapping[str, Workers] = field(default_factory=dict)  # further shapes that workers can be asked for in
    dask: str | None = (
        None  # who gives workers: a backend's name, or a scheduler's address; None: as the scheduler does
    )
    gateway_address: str | None = None  # None: as dask-gateway's own configuration says
    tls_ca: str | None = None  # of a scheduler that is there already; a leading ~ and $VARIABLES are filled in here
    tls_cert: str | None = None
    tls_key: str | None = None
    analysis: Analysis | None = None  # a run's; a session has none

    @property
    def backend(self) -> str:
        """Return who gives workers, in one word."""
        kind = self.dask or self.scheduler
        return "address" if "://" in kind else kind

    def umask_of(self, environ: Mapping[str, str]) -> str | None:
        """Return the umask of the user's own files, octal."""
        return self.umask or environ.get("SPRINGLINE_UMASK")

    def worker_lines(self, environ: Mapping[str, str]) -> list[str]:
        """Return what a worker's job does last before Python: a run's results are as open as all the user writes."""
        umask = self.umask_of(environ) if self.analysis else None
        return [f"umask {umask}"] if umask else []


@dataclass(frozen=True)
class SessionDir:
    """The paths of one session."""

    path: Path

    @property
    def state(self) -> Path:
        """The state file, rewritten by renaming."""
        return self.path / "state.json"

    @property
    def stop(self) -> Path:
        """The note that `springline stop` leaves before the signal."""
        return self.path / "stop"

    @property
    def report(self) -> Path:
        """What an analysis reported at its end."""
        return self.path / "report.json"

    @property
    def log(self) -> Path:
        """What an analysis printed."""
        return self.path / "analysis.log"

    @property
    def submission(self) -> Path:
        """What the scheduler answered to the submission: the id of the newest job."""
        return self.path / "submission"

    @property
    def token(self) -> Path:
        """The token that opens Jupyter."""
        return self.path / "token"

    @property
    def doors(self) -> Path:
        """The doors that were asked for, one a line; launchers add to it."""
        return self.path / "doors"

    @property
    def certificate(self) -> Path:
        """The session's certificate, its own authority."""
        return self.path / "tls.crt"

    @property
    def key(self) -> Path:
        """The key of the session's certificate."""
        return self.path / "tls.key"

    @property
    def gateway_certificate(self) -> Path:
        """The certificate of the session's cluster at a dask-gateway server."""
        return self.path / "gateway.crt"

    @property
    def gateway_key(self) -> Path:
        """The key of that certificate."""
        return self.path / "gateway.key"

    @property
    def config(self) -> Path:
        """Settings for JupyterLab beside the user's own."""
        return self.path / "jupyter-config"

    @property
    def templates(self) -> Path:
        """Templates of Jupyter's pages for this session's JupyterLab."""
        return self.config / "templates"

    @property
    def labextensions(self) -> Path:
        """The session's own addition to JupyterLab's pages."""
        return self.config / "labextensions"

    @property
    def runtime(self) -> Path:
        """Points at where Jupyter keeps what it knows about itself, the token included: a directory of the node."""
        return self.path / "jupyter"

    @property
    def scratch(self) -> Path:
        """Where this node program's own part of Dask keeps files."""
        return self.runtime / "scratch"

    @property
    def dask(self) -> Path:
        """The directory of the Dask configuration every process of the session reads."""
        return self.path / "dask"


def socket_of(runtime: Path) -> Path:
    """Return the path of Jupyter's socket in its runtime directory."""
    return runtime / "jupyter.sock"


def read(directory: SessionDir) -> Request:
    """Read the request of a session; keys this version does not know are left alone."""
    try:
        raw = json.loads((directory.path / "request.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RequestError(f"The request of this session cannot be read: {error}") from error
    return parse(raw)


def parse(raw: dict[str, Any]) -> Request:
    """Return the request in a JSON object."""
    if raw.get("schema_version") != SCHEMA_VERSION:
        version = raw.get("schema_version")
        raise RequestError(f"The request has schema version {version!r}; this node program reads {SCHEMA_VERSION}.")
    values = _known(Request, raw)
    values["queue"] = Queue(**_known(Queue, raw.get("queue") or {}))
    values["workers"] = Workers(**_known(Workers, raw.get("workers") or {}))
    presets = raw.get("presets") or {}
    values["presets"] = {name: Workers(**_known(Workers, shape)) for name, shape in presets.items()}
    try:
        if raw.get("analysis"):
            values["analysis"] = Analysis(**_known(Analysis, raw["analysis"]))
        request = Request(**values)
    except TypeError as error:
        raise RequestError(f"The request is incomplete: {error}.") from error
    if not request.doors and request.analysis is None:
        raise RequestError("The request names no door.")
    _check("doors", request.doors, DOORS)
    _check("scheduler", (request.scheduler,), ("local", "slurm", "pbs"))
    return request


def _check(name: str, values: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    for value in values:
        if value not in allowed:
            raise RequestError(f"The request's {name}: {value!r} is not one of {', '.join(allowed)}.")


def _known(cls: type[T], raw: dict[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    return {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items() if key in names}
