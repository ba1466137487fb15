"""How sessions and runs end and what they wait for, in words, with what to do about it and the exit code."""

from __future__ import annotations

import re
from datetime import datetime

from launcher.cluster import STOP_NOTE, Cluster
from launcher.errors import ConnectError, JobCancelled, JobFailed, JobOutOfMemory, JobStopped, JobTimeLimit
from launcher.kinds import RUN, SESSION
from launcher.model import ENDED_WELL, FINISHED, Gone, JobState, Known, Session, SessionStatus
from launcher.sessions.report import expected

STOPPED = "stopped"  # in a record: ended by the user's own `stop` or `cancel`
READ_LINES, TOLD_LINES = 40, 5  # of the job's log

_KINDS: dict[JobState, tuple[type[JobFailed], str]] = {
    JobState.OUT_OF_MEMORY: (JobOutOfMemory, "ask for more --memory"),
    JobState.TIME_LIMIT: (JobTimeLimit, "ask for more --walltime; what was saved in files is still there"),
    JobState.CANCELLED: (JobCancelled, "somebody, or the cluster, cancelled it; start again: {begin}"),
    JobState.PREEMPTED: (
        JobCancelled,
        "a job of higher priority took its place; start again, or take another --partition or --qos",
    ),
    JobState.NODE_FAILED: (JobFailed, "the node broke, not your work; start again: {begin}"),
    JobState.NOT_LAUNCHED: (
        JobFailed,
        "the node could not enter {directory} or write there: is it removed, full, or not shared with all nodes? "
        "Set `run_dir` of [{platform}] to a directory of yours that they share",
    ),
}

# A run lost nothing that was done: its own hints say so.
_GOES_ON = "the same command goes on where it stopped"
_AGAIN_IN_VAIN = f"{_GOES_ON}; ask for more --walltime"  # where --resubmit did not help
_OF_RUNS = {
    JobState.TIME_LIMIT: f"{_GOES_ON}; ask for more --walltime, or let --resubmit do it by itself",
    JobState.CANCELLED: f"somebody, or the cluster, cancelled it; {_GOES_ON}",
    JobState.PREEMPTED: f"a job of higher priority took its place; {_GOES_ON}",
    JobState.NODE_FAILED: f"the node broke, not your work; {_GOES_ON}",
    JobState.OUT_OF_MEMORY: f"ask for more --memory; {_GOES_ON}",
}

# What slurmstepd or PBS writes when it, or the kernel, ends a job for its memory. What the job itself prints tells
# nothing.
_MEMORY = re.compile(
    r"slurmstepd.*(?:exceeded (?:job|step)?\s*memory limit|oom[-_ ]?kill|out[- ]of[- ]memory)"
    r"|=>> PBS: job killed: [pv]*mem .*exceeded limit",
    re.IGNORECASE,
)


def verdict(current: SessionStatus) -> JobState | None:
    """How the job ended, by the scheduler's word and the session's own together; None while there is no proof."""
    if not isinstance(current.job, Gone):
        return None
    state, reason = current.job.state, current.node.reason if current.node else None
    if reason in (*ENDED_WELL, FINISHED):
        return JobState.COMPLETED
    if state in (JobState.COMPLETED, JobState.FAILED):
        return {"time_limit": JobState.TIME_LIMIT, "terminated": JobState.CANCELLED}.get(reason or "", state)
    return state


def ended_badly(current: SessionStatus) -> bool:
    """True unless the session lives, JupyterLab was shut down, nobody used it any more, or this laptop stopped it."""
    return current.session.ended != STOPPED and verdict(current) not in (None, JobState.COMPLETED)


def end_error(cluster: Cluster, current: SessionStatus) -> JobFailed:
    """What ended the session, as an error with the last words of its log."""
    session, node = current.session, current.node
    if verdict(current) is JobState.CANCELLED and _noted_stop(cluster, session):
        return JobStopped(f"{session.noun} {session.name} was stopped with `{session.kind.end}`")
    lines = _last_lines(cluster, session)
    state = _explained(verdict(current) or JobState.FAILED, current, lines)
    kind, hint = _KINDS.get(state, (JobFailed, _more(session)))
    if session.kind is RUN:
        in_vain = state is JobState.TIME_LIMIT and node is not None and node.resubmit
        hint = _AGAIN_IN_VAIN if in_vain else _OF_RUNS.get(state, hint)
    begin = f"{session.kind.begin} {session.platform}" if session.kind is SESSION else "the same command goes on"
    hint = hint.format(platform=session.platform, directory=session.directory, begin=begin)
    proof = f" ({current.job.proof})" if isinstance(current.job, Gone) else ""
    said = (node.message if node else None) or ("" if lines else "it left no message")
    told = [line for line in lines if line not in said][-TOLD_LINES:]
    message = f"{session.noun} {session.name} ended{proof}" + (f": {said}" if said else "")
    return kind("\n".join([message, *(f"  | {line}" for line in told)]), hint)


def _more(session: Session) -> str:
    if session.kind is RUN:
        return f"`springline fetch {session.name}` brings its log, analysis.log"
    return f"`springline logs {session.name}` shows more"


def _explained(state: JobState, current: SessionStatus, lines: list[str]) -> JobState:
    """What a failure was, by what it left behind. SLURM calls a job it killed for its memory a launch failure, too."""
    if state not in (JobState.FAILED, JobState.NOT_LAUNCHED):
        return state
    if any(_MEMORY.match(line) for line in lines):
        return JobState.OUT_OF_MEMORY
    return JobState.FAILED if lines or current.node else state


def _noted_stop(cluster: Cluster, session: Session) -> bool:
    try:
        return cluster.read(session.directory, STOP_NOTE, 1).strip() == STOP_NOTE
    except ConnectError:
        return False


def _last_lines(cluster: Cluster, session: Session) -> list[str]:
    """The lines of the job's log that tell something; none if it cannot be read."""
    try:
        text = "\n".join(cluster.read(session.directory, name, READ_LINES) for name in cluster.scheduler.logs)
    except ConnectError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip() and " INFO " not in line]


def pending_words(cluster: Cluster, current: SessionStatus, now: datetime | None = None) -> str:
    """Why the job waits, in words, and when it may start."""
    return pending_reason(cluster, current) + (expected(current.job, now) if isinstance(current.job, Known) else "")


def pending_reason(cluster: Cluster, current: SessionStatus) -> str:
    """Why the job waits, in words."""
    if not isinstance(current.job, Known):
        return "nobody could say why"
    words = cluster.scheduler.explain_pending(current.job.reason)
    return f"it was put back in the queue and starts again by itself; {words}" if current.requeued else words


def hopeless(cluster: Cluster, current: SessionStatus) -> bool:
    """True if no waiting can help the job."""
    return isinstance(current.job, Known) and cluster.scheduler.never_starts(current.job.reason)
