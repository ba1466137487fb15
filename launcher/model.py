"""The values everything else speaks in. Frozen, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from launcher.daskkinds import Dask
from launcher.kinds import KINDS, SESSION, Kind
from launcher.progress import Progress

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
    resource_spec: str | None = None  # in place of cores and memory, as PBS writes it: select=1:ncpus=4:mem=8gb
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
    resource_spec: str | None = None  # of PBS, for what the job gets; cores and memory are what Dask makes of it
    interface: str | None = None  # of the network between workers, e.g. ib0; None = the node's address
    death_timeout: int | None = None  # seconds a worker waits for a scheduler that is gone


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
    dask: Dask = field(default_factory=Dask)
    python: str = "python3"
    prologue: tuple[str, ...] = ()  # bash lines run before Python: module load, activate
    image: str | None = None  # Apptainer image that holds Python
    run_dir: str = "~/.springline"
    local_port: int | None = None
    access: str = "auto"  # the way to JupyterLab; auto = the safest that works
    idle_stop: int | None = None  # seconds without work or visitors after which the session ends itself


@dataclass(frozen=True)
class JobRef:
    """A job as it is asked for. An id alone is not believed: schedulers use ids again, the name is unique."""

    id: str
    name: str
    directory: str = ""  # of its session, for a scheduler that keeps its records there


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
    NOT_LAUNCHED = "not_launched"  # it got a node, which could not start it


@dataclass(frozen=True)
class Known:
    """The scheduler lists the job and it is not over."""

    state: JobState
    reason: str = ""  # the scheduler's own word, e.g. Priority
    node: str = ""
    expected_start: str = ""  # the scheduler's estimate, in UTC and ISO-8601 without a zone
    why: str = field(default="", compare=False)  # the reason in words, with what to do about it


@dataclass(frozen=True)
class Gone:
    """The job is over, and this is the proof."""

    state: JobState
    proof: str
    replaced: bool = False  # another of its name has its directory


@dataclass(frozen=True)
class Unknown:
    """Nobody could say. Nothing is cancelled, failed or forgotten on this answer."""

    error: str
    unlisted: bool = False  # all who could know answered, and none of them has such a job


JobStatus = Known | Gone | Unknown

ENDED_WELL = ("shut_down", "idle", "stopped")  # the reasons of an end that was wished for
FINISHED = "finished"  # an analysis came to its own end; its exit code says which
FINAL = (*ENDED_WELL, FINISHED, "failed")  # after these the job is not run again

# What a reason in an end marker says of the job.
_MARKED = {
    "time_limit": JobState.TIME_LIMIT,
    "shut_down": JobState.COMPLETED,
    "idle": JobState.COMPLETED,
    "terminated": JobState.CANCELLED,
}


class SessionPhase(StrEnum):
    """What a user sees as the state of a session."""

    PENDING = "pending"
    STARTING = "starting"
    READY = "ready"
    RUNNING = "running"  # a run's analysis works
    ENDING = "ending"
    ENDED = "ended"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Session:
    """A submitted session, or run of an analysis: enough to find it again from this laptop."""

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
    noun: str = SESSION.noun  # its kind's
    analysis: str = ""  # what a run runs, e.g. map

    @property
    def kind(self) -> Kind:
        """What it is."""
        return KINDS[self.noun]

    @property
    def worker_name(self) -> str:
        """The name its worker jobs carry: unique as its own is, for its short name may be used again."""
        return f"{self.job_name}-worker"

    @property
    def job(self) -> JobRef:
        """Its job, as the scheduler is asked for it."""
        return JobRef(self.job_id, self.job_name, self.directory)


@dataclass(frozen=True)
class NodeState:
    """What the node program last wrote to state.json. Fields as documented in `launcher/node/state.py`."""

    phase: str
    seq: int = 0
    job_id: str = ""  # of the job that wrote it; a run that was submitted again has had several
    resubmit: bool = False  # a run that goes on in another job when its time is up
    next_job_id: str = ""  # the job that goes on where this one had to stop
    host: str = ""
    address: str = ""
    user: str = ""
    host_keys: tuple[str, ...] = ()  # of the node's sshd, each "TYPE BASE64"
    access: str = ""  # the least safe of the open doors
    doors: Mapping[str, str | int] = field(default_factory=dict)  # socket → its path, every other → its port
    dask: dict[str, str] | None = None
    dask_error: str | None = None
    worker_counts: Mapping[str, int] | None = None  # of a session: asked, wanted, joined, waiting
    workers: int | None = None  # of a run with worker jobs: 0 while it waits for the first
    started: str = ""  # another start is another place to go to
    ends: str | None = None
    versions: Mapping[str, str | None] = field(default_factory=dict)  # of Python and what the session is made of
    warning: str | None = None  # how little time is left, in words
    reason: str | None = None
    message: str | None = None
    exit_code: int | None = None  # set last of all: the session's own end marker

    @classmethod
    def parse(cls, document: dict[str, Any]) -> NodeState:
        """Read the node program's document; what this version does not know is ignored."""
        known = {key: document[key] for key in cls.__dataclass_fields__ if document.get(key) is not None}
        return cls(**{"phase": "starting", **known, "host_keys": tuple(known.get("host_keys", ()))})

    def is_of(self, session: Session) -> bool:
        """False for what an earlier or later job of a run wrote."""
        return session.kind is SESSION or self.job_id in ("", session.job_id)

    def followed(self, session: Session) -> Session:
        """The session; a run as it goes on in another job, which this says."""
        newest = self.next_job_id or self.job_id
        moved = session.kind is not SESSION and newest not in ("", session.job_id)
        return replace(session, job_id=newest) if moved else session


@dataclass(frozen=True)
class SessionStatus:
    """One look at a session: the scheduler's word and the node program's, and what they mean together."""

    session: Session
    job: JobStatus
    node: NodeState | None = None
    progress: Progress | None = None  # of a run

    @property
    def phase(self) -> SessionPhase:
        """The state in one word. The session's own end marker counts as proof, silence does not."""
        if isinstance(self.job, Gone):
            return self._phase_when_gone(self.job)
        if isinstance(self.job, Known) and self.job.state is JobState.PENDING:
            return SessionPhase.PENDING  # whatever an earlier run of a requeued job wrote
        if self.node and self.node.phase == "ending":
            return SessionPhase.ENDING
        if isinstance(self.job, Unknown):
            return SessionPhase.UNKNOWN
        working = {"ready": SessionPhase.READY, "running": SessionPhase.RUNNING}
        return working.get(self.node.phase, SessionPhase.STARTING) if self.node else SessionPhase.STARTING

    @property
    def requeued(self) -> bool:
        """True while the job waits for another run: the state file is of an earlier one."""
        return self.phase is SessionPhase.PENDING and self.node is not None

    @property
    def own_code(self) -> int | None:
        """The exit code with which a run's analysis came to its own end; None where it did not."""
        if not isinstance(self.job, Gone) or self.node is None or self.node.reason != FINISHED:
            return None
        return self.node.exit_code

    def _phase_when_gone(self, job: Gone) -> SessionPhase:
        reason = self.node.reason if self.node else None
        if reason == FINISHED:  # that some items failed is a result
            return SessionPhase.ENDED if self.own_code in (0, 1) else SessionPhase.FAILED
        told_to = job.state is JobState.FAILED and reason == "terminated"  # ended by a signal, with that exit code
        well = job.state in (JobState.COMPLETED, JobState.CANCELLED) or reason in ENDED_WELL or told_to
        return SessionPhase.ENDED if well else SessionPhase.FAILED


def settled(job: JobStatus, node: NodeState | None) -> JobStatus:
    """Take a session's own end marker as proof where the scheduler has no record left."""
    if not isinstance(job, Unknown) or not job.unlisted:
        return job
    if node is None or node.phase != "ending" or node.exit_code is None:
        return Unknown(f"{job.error}, and the session left no end marker", unlisted=True)
    state = _MARKED.get(node.reason or "", JobState.FAILED)
    return Gone(state, f"its own end marker: {node.reason or 'no reason'}, exit code {node.exit_code}; {job.error}")
