"""The values everything else speaks in. Frozen, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Resources:
    """What the session's own job asks of the scheduler."""

    cores: int = 1
    memory: int | None = None  # bytes for the whole job; None = the scheduler's default
    walltime: int | None = None  # seconds; None = the partition's default
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    reservation: str | None = None
    directives: tuple[str, ...] = ()  # further options, each as on the scheduler's command line


@dataclass(frozen=True)
class Workers:
    """The Dask workers of a session: one job each on a cluster, one process each on `local`."""

    count: int = 0  # worker jobs at start
    cores: int = 1  # per worker job
    memory: int | None = None  # bytes per worker job
    processes: int = 1  # per worker job
    walltime: int = 3600  # seconds
    partition: str | None = None
    local_directory: str | None = None  # spill space on the node; may hold $VARIABLES of the node
    max_jobs: int | None = None  # upper limit for scaling


@dataclass(frozen=True)
class Platform:
    """One section of platforms.ini, with everything it inherits."""

    name: str
    host: str | None = None  # None = this machine
    user: str | None = None
    port: int | None = None
    keypath: str | None = None
    transport: str = "fabric"
    scheduler: str = "slurm"
    resources: Resources = field(default_factory=Resources)
    workers: Workers = field(default_factory=Workers)
    python: str = "python3"
    prologue: tuple[str, ...] = ()  # bash lines run before Python: module load, activate
    image: str | None = None  # Apptainer image that holds Python
    run_dir: str = "~/.springline"
    local_port: int | None = None
    access: str = "auto"  # the way to JupyterLab; auto = the safest that works
    idle_stop: int | None = None  # seconds without work or visitors after which the session ends itself


class JobState(StrEnum):
    """States of a job, one name for all schedulers."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    OUT_OF_MEMORY = "out_of_memory"
    TIME_LIMIT = "time_limit"
    CANCELLED = "cancelled"
    PREEMPTED = "preempted"
    NODE_FAILED = "node_failed"


@dataclass(frozen=True)
class Known:
    """The scheduler lists the job and it is not over."""

    state: JobState
    reason: str = ""  # the scheduler's own word, e.g. Priority
    node: str = ""
    expected_start: str = ""  # the scheduler's estimate, as it printed it


@dataclass(frozen=True)
class Gone:
    """The job is over, and this is the proof."""

    state: JobState
    proof: str


@dataclass(frozen=True)
class Unknown:
    """Nobody could say. Nothing is cancelled, failed or forgotten on this answer."""

    error: str


JobStatus = Known | Gone | Unknown


class SessionPhase(StrEnum):
    """What a user sees as the state of a session."""

    PENDING = "pending"
    STARTING = "starting"
    READY = "ready"
    ENDING = "ending"
    ENDED = "ended"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Session:
    """A submitted session: enough to find it again from this laptop."""

    name: str
    platform: str
    job_name: str  # unique: what a lost submission is looked up by
    created: str  # UTC, ISO-8601
    job_id: str = ""  # empty between the intent and the scheduler's answer
    directory: str = ""  # absolute path of the session's directory on the platform
    config: str = ""  # the --config file it was started with
    login: str = ""  # address of the very login host it was submitted from, where one name stands for several
    port: int | None = None  # the local port it was last reached at, taken again so that an open page recovers
    ended: str = ""  # the final phase, once there was proof

    @property
    def worker_name(self) -> str:
        """The name its worker jobs carry."""
        return f"springline-{self.name}-worker"


@dataclass(frozen=True)
class NodeState:
    """What the node program last wrote to state.json. Fields as documented in `launcher/node/state.py`."""

    phase: str
    seq: int = 0
    host: str = ""
    address: str = ""
    user: str = ""
    host_keys: tuple[str, ...] = ()  # of the node's sshd, each "TYPE BASE64"
    access: str = ""  # the least safe of the open doors
    doors: Mapping[str, str | int] = field(default_factory=dict)  # socket → its path, every other → its port
    dask: dict[str, str] | None = None
    dask_error: str | None = None
    started: str = ""  # another start is another place to go to
    ends: str | None = None
    warning: str | None = None  # how little time is left, in words
    reason: str | None = None
    message: str | None = None
    exit_code: int | None = None  # set last of all: the session's own end marker

    @classmethod
    def parse(cls, document: dict[str, Any]) -> NodeState:
        """Read the node program's document; what this version does not know is ignored."""
        known = {key: document[key] for key in cls.__dataclass_fields__ if document.get(key) is not None}
        known["host_keys"] = tuple(known.get("host_keys", ()))
        return cls(**{**known, "phase": str(document.get("phase", "starting"))})


@dataclass(frozen=True)
class SessionStatus:
    """One look at a session: the scheduler's word and the node program's, and what they mean together."""

    session: Session
    job: JobStatus
    node: NodeState | None = None

    @property
    def phase(self) -> SessionPhase:
        """The state in one word. The session's own end marker counts as proof, silence does not."""
        if isinstance(self.job, Gone):
            return self._phase_when_gone(self.job)
        if self.node and self.node.phase == "ending":
            return SessionPhase.ENDING
        if isinstance(self.job, Unknown):
            return SessionPhase.UNKNOWN
        if self.job.state is JobState.PENDING:
            return SessionPhase.PENDING
        return SessionPhase.READY if self.node and self.node.phase == "ready" else SessionPhase.STARTING

    def _phase_when_gone(self, job: Gone) -> SessionPhase:
        clean = self.node is not None and self.node.reason in ("shut_down", "terminated")
        ended_well = job.state in (JobState.COMPLETED, JobState.CANCELLED) or clean
        return SessionPhase.ENDED if ended_well else SessionPhase.FAILED
