"""Sessions: start, look, wait, hold, stop. The session's own state file and the scheduler are asked, never a log."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from launcher.cluster import Cluster, DirectoryExists
from launcher.errors import (
    AuthenticationError,
    ConnectError,
    HostKeyError,
    JobCancelled,
    JobFailed,
    JobOutOfMemory,
    JobTimeLimit,
    NotFoundError,
    SpringlineError,
    StartTimeout,
    StillPending,
    SubmissionRefused,
    UsageError,
)
from launcher.model import Gone, JobState, Known, NodeState, Session, SessionPhase, SessionStatus, Unknown
from launcher.planning import Plan
from launcher.store import Store
from launcher.units import format_duration
from launcher.watcher import Notice, Watcher

START_SECONDS = 300.0
STOP_SECONDS = 60.0
STOPPED = "stopped"  # in a record: ended by `springline stop`
OVER = (SessionPhase.ENDED, SessionPhase.FAILED)


def start(cluster: Cluster, plan: Plan, store: Store) -> Session:
    """Submit once: the intent is recorded before, the id after."""
    _check_name_is_free(cluster, plan.session, store)
    store.save(plan.session)
    try:
        job_id, directory = _submit(cluster, plan)
    except SpringlineError as error:
        if error.exit_code != 21:  # after a doubt the record stays: the job may exist
            store.forget(plan.session.name)
        raise
    session = replace(plan.session, job_id=job_id, directory=directory)
    store.save(session)
    return session


def recovered(cluster: Cluster, session: Session, store: Store) -> Session:
    """The session itself; one whose submission stayed in doubt is looked for first."""
    found = session if session.job_id else find(cluster, session, store)
    if found is None:
        raise NotFoundError(
            f"session {session.name} was never submitted: the scheduler has no job '{session.job_name}'",
            f"start it again: springline up {session.platform}",
        )
    return found


def find(cluster: Cluster, session: Session, store: Store) -> Session | None:
    """Look a submission up whose answer did not arrive; None, and forgotten, if the scheduler does not have it."""
    job_id, directory = cluster.find(session.name, session.job_name)
    if job_id is None:
        cluster.discard(directory)
        store.forget(session.name)
        return None
    session = replace(session, job_id=job_id, directory=directory)
    store.save(session)
    return session


def status(cluster: Cluster, session: Session) -> SessionStatus:
    """One look, with the reason in place of an answer where the cluster cannot be asked."""
    if not session.job_id:
        return SessionStatus(session, Unknown("the answer to its submission was lost"))
    try:
        look = cluster.look(session.job_id, session.directory)
    except (AuthenticationError, HostKeyError):
        raise
    except ConnectError as error:
        return SessionStatus(session, Unknown(error.message))
    return SessionStatus(session, look.job, look.node)


def wait_until_ready(
    cluster: Cluster,
    session: Session,
    notice: Notice,
    *,
    wait: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> NodeState:
    """Wait in the queue (for `wait` seconds at most, if given), then 5 min at most for JupyterLab.

    Returns the ready state. Raises StillPending, StartTimeout, or what ended the job; none of them cancels it.
    """
    watcher = Watcher(cluster, session, notice, sleep)
    began, running_since = clock(), None
    while True:
        if running_since is None:
            current = watcher.next() if wait is None else watcher.next(wait - (clock() - began))
        else:
            current = watcher.next(max(1.0, START_SECONDS - (clock() - running_since)))
        if current.phase is SessionPhase.READY and current.node:
            return current.node
        if current.phase in OVER:
            raise end_error(cluster, current)
        if isinstance(current.job, Known) and cluster.scheduler.never_starts(current.job.reason):
            raise _withdrawn(cluster, current)
        if current.phase is SessionPhase.STARTING:
            running_since = clock() if running_since is None else running_since
            if clock() - running_since >= START_SECONDS:  # silence alone never says so
                raise _start_timeout(session)
        if wait is not None and running_since is None and clock() - began >= wait:
            raise _still_pending(cluster, current, wait)


def hold(
    cluster: Cluster, session: Session, notice: Notice, *, sleep: Callable[[float], None] = time.sleep
) -> SessionStatus:
    """Watch a ready session until it is over."""
    watcher = Watcher(cluster, session, notice, sleep, pace=15.0)
    while (current := watcher.next()).phase not in OVER:
        pass
    return current


def stop(
    cluster: Cluster,
    session: Session,
    notice: Notice,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> SessionStatus:
    """End the job and its workers, and see it end."""
    cluster.cancel(session.job_id, session.worker_name)
    watcher = Watcher(cluster, session, notice, sleep, pace=1.0)
    give_up = clock() + STOP_SECONDS
    while (current := watcher.next(5)).phase not in OVER:
        if clock() > give_up:
            raise _not_ended(current)
    return current


def _not_ended(current: SessionStatus) -> SpringlineError:
    job_id, hint = current.session.job_id, "look again with `springline status`"
    if isinstance(current.job, Unknown):
        return ConnectError(
            f"job {job_id} was told to end, but nobody could say that it did: {current.job.error}", hint
        )
    return JobFailed(f"job {job_id} was told to end but is still listed", hint)


def _withdrawn(cluster: Cluster, current: SessionStatus) -> SubmissionRefused:
    """Cancel a job that can never start: left alone it would wait for ever."""
    cluster.cancel(current.session.job_id, current.session.worker_name)
    return SubmissionRefused(
        f"{cluster.platform.name}: job {current.session.job_id} could never start and was withdrawn: "
        + pending_words(cluster, current),
        "ask for less: --walltime, --cores, --memory; or take another --partition",
    )


def _start_timeout(session: Session) -> StartTimeout:
    return StartTimeout(
        f"session {session.name} runs but was not ready after {format_duration(START_SECONDS)}",
        f"`springline logs {session.name}` shows why; `springline stop {session.name}` ends it",
    )


def _still_pending(cluster: Cluster, current: SessionStatus, wait: float) -> StillPending:
    name = current.session.name
    return StillPending(
        f"session {name} still waits after {format_duration(wait)}: {pending_words(cluster, current)}",
        f"it stays in the queue: `springline attach {name}` waits on, `springline stop {name}` gives it up",
    )


def remember_stop(store: Store, current: SessionStatus) -> None:
    """Write down that this laptop ended a session, which is no failure."""
    store.save(replace(current.session, ended=STOPPED))


def ended_badly(current: SessionStatus) -> bool:
    """True unless the session lives, JupyterLab was shut down, or this laptop stopped it."""
    shut_down = current.node is not None and current.node.reason == "shut_down"
    cancelled = isinstance(current.job, Gone) and current.job.state is JobState.CANCELLED and not shut_down
    return current.session.ended != STOPPED and (current.phase is SessionPhase.FAILED or cancelled)


def remember_end(store: Store, current: SessionStatus) -> None:
    """Write down that a session is over, once there is proof."""
    if current.phase in OVER and not current.session.ended:
        store.save(replace(current.session, ended=current.phase.value))


def pending_words(cluster: Cluster, current: SessionStatus) -> str:
    """Why the job waits, in words, and when it may start."""
    if not isinstance(current.job, Known):
        return "nobody could say why"
    words = cluster.scheduler.explain_pending(current.job.reason)
    start = current.job.expected_start
    return f"{words} (the scheduler expects to start it at {start})" if start else words


def end_error(cluster: Cluster, current: SessionStatus) -> JobFailed:
    """What ended the session, as an error with the last words of its log."""
    job, node, name = current.job, current.node, current.session.name
    state = job.state if isinstance(job, Gone) else JobState.FAILED
    kinds: dict[JobState, tuple[type[JobFailed], str]] = {
        JobState.OUT_OF_MEMORY: (JobOutOfMemory, "ask for more --memory"),
        JobState.TIME_LIMIT: (JobTimeLimit, "ask for more --walltime"),
        JobState.CANCELLED: (JobCancelled, "somebody, or the cluster, cancelled it; start again: springline up"),
        JobState.PREEMPTED: (JobCancelled, "a job of higher priority took its place; start again, or elsewhere"),
        JobState.NODE_FAILED: (JobFailed, "the node broke; start again: springline up"),
    }
    kind, hint = kinds.get(state, (JobFailed, f"`springline logs {name}` shows more"))
    if node and node.reason == "time_limit":
        kind, hint = kinds[JobState.TIME_LIMIT]
    proof = job.proof if isinstance(job, Gone) else ""
    said = (node.message if node else None) or _last_line(cluster, current.session) or "it left no message"
    return kind(f"session {name} ended ({proof}): {said}", hint)


def _last_line(cluster: Cluster, session: Session) -> str:
    try:
        lines = cluster.read(session.directory, "job.log", 5).strip().splitlines()
    except ConnectError:
        return ""
    telling = [line for line in lines if " INFO " not in line]
    return telling[-1] if telling else ""


def _submit(cluster: Cluster, plan: Plan) -> tuple[str, str]:
    try:
        return cluster.submit(plan.session.name, plan.session.job_name, plan.files)
    except DirectoryExists:
        raise UsageError(
            f"there is a session '{plan.session.name}' on {plan.session.platform} already",
            "give another --name, or leave it out for a new one",
        ) from None


def _check_name_is_free(cluster: Cluster, session: Session, store: Store) -> None:
    """A name may be used again once its session is over; the old directory is kept beside the new one."""
    old = store.get(session.name)
    if old is None:
        return
    if not old.ended and (old.platform != session.platform or status(cluster, old).phase not in OVER):
        raise UsageError(
            f"session '{old.name}' on {old.platform} is not over",
            f"use it: springline attach {old.name}; end it: springline stop {old.name}; or give another --name",
        )
    if old.platform == session.platform:
        cluster.set_aside(session.name)
