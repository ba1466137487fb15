"""Sessions: start, look, wait, hold, stop. The session's own state file and the scheduler are asked, never a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from launcher.cluster import Cluster, Placed
from launcher.errors import (
    AuthenticationError,
    ConnectError,
    HostKeyError,
    JobFailed,
    NotFoundError,
    SpringlineError,
    StartTimeout,
    StillPending,
    SubmissionRefused,
    UsageError,
)
from launcher.laptop.store import Store
from launcher.model import Gone, JobState, NodeState, Session, SessionPhase, SessionStatus, Unknown
from launcher.scripts.preparation import DirectoryExists
from launcher.sessions.ends import STOPPED, end_error, hopeless, pending_words
from launcher.sessions.planning import Plan
from launcher.sessions.watcher import Notice, Watcher, refuse_another
from launcher.units import format_duration

START_SECONDS = 300.0
FRESH_SECONDS = 30.0  # after its submission a request that can never be met is taken back
STOP_SECONDS = 60.0
OVER = (SessionPhase.ENDED, SessionPhase.FAILED)


def start(cluster: Cluster, plan: Plan, store: Store, placed_at: Callable[[Placed], None] = lambda _: None) -> Session:
    """Submit once: the intent is recorded before, the id after; `placed_at` hears what else the host said."""
    _check_name_is_free(cluster, plan.session, store)
    store.save(plan.session)
    try:
        placed = _submit(cluster, plan)
    except SpringlineError as error:
        if error.exit_code != 21:  # after a doubt the record stays: the job may exist
            _forget(store, plan.session)
        raise
    placed_at(placed)
    session = replace(plan.session, job_id=placed.job_id, directory=placed.directory, login=placed.login)
    store.save(session)
    return session


def _forget(store: Store, session: Session) -> None:
    """Remove the record, unless somebody else wrote one of that name meanwhile."""
    kept = store.get(session.name)
    if kept is not None and kept.job_name == session.job_name:
        store.forget(session.name)


def recovered(cluster: Cluster, session: Session, store: Store) -> Session:
    """The session itself; one whose submission stayed in doubt is looked for first."""
    found = session if session.job_id else find(cluster, session, store)
    if found is None:
        raise NotFoundError(
            f"{session.noun} {session.name} was never submitted: the scheduler has no job '{session.job_name}'",
            f"start it again: {session.kind.begin}",
        )
    return found


def find(cluster: Cluster, session: Session, store: Store) -> Session | None:
    """Look a submission up whose answer did not arrive; None, and forgotten, if the scheduler does not have it."""
    job_id, directory = cluster.find(session)
    if job_id is None:
        cluster.discard(directory)
        store.forget(session.name)
        return None
    session = replace(session, job_id=job_id, directory=directory)
    store.save(session)
    return session


def status(cluster: Cluster, session: Session) -> SessionStatus:
    """One look, or the reason why nobody can; raises NotFoundError where another has taken its name and place."""
    current = statuses(cluster, [session])[0]
    refuse_another(session, current.job)
    return current


def statuses(cluster: Cluster, sessions: Sequence[Session]) -> list[SessionStatus]:
    """One look at all sessions of a cluster, in one remote command."""
    asked = [session for session in sessions if session.job_id]
    try:
        found = _looked(cluster, asked)
        followed = [one.node.followed(one.session) for one in found.values() if one.node]
        later = [session for session in followed if session not in found]
        newest = {session.name: current for session, current in _looked(cluster, later).items()}
    except (AuthenticationError, HostKeyError):
        raise
    except ConnectError as error:
        return [SessionStatus(session, Unknown(error.message)) for session in sessions]
    lost = Unknown("the answer to its submission was lost")
    return [_own(newest.get(one.name) or found.get(one) or SessionStatus(one, lost)) for one in sessions]


def _looked(cluster: Cluster, sessions: Sequence[Session]) -> dict[Session, SessionStatus]:
    looks = zip(sessions, cluster.look(sessions), strict=True) if sessions else ()
    return {session: SessionStatus(session, look.job, look.node, look.progress) for session, look in looks}


def _own(current: SessionStatus) -> SessionStatus:
    """Without what another job of a run wrote."""
    return current if current.node is None or current.node.is_of(current.session) else replace(current, node=None)


def wait_until_ready(
    cluster: Cluster,
    session: Session,
    notice: Notice,
    *,
    wait: float | None = None,
    fresh: bool = True,
    watcher: Watcher | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> NodeState:
    """Wait in the queue (for `wait` seconds at most, if given), then 5 min at most for JupyterLab.

    Returns the ready state. Raises StillPending, StartTimeout, or what ended the job; none of them cancels it. Only a
    `fresh` job, just submitted, that can never start is withdrawn: the limits of a partition may change for a while.
    """
    watcher = watcher or Watcher(cluster, session, notice, sleep)
    began, running_since = clock(), None
    while True:
        if running_since is None:
            current = watcher.next() if wait is None else watcher.next(wait - (clock() - began))
        else:
            current = watcher.next(max(1.0, START_SECONDS - (clock() - running_since)))
        if current.phase is SessionPhase.READY and current.node:
            return current.node
        if current.phase is SessionPhase.PENDING:  # again, perhaps: the job may be requeued
            running_since = None
        if current.phase in OVER:
            raise end_error(cluster, current)
        if hopeless(cluster, current) and fresh and clock() - began < FRESH_SECONDS:
            raise withdrawn(cluster, current)
        if current.phase is SessionPhase.STARTING:
            running_since = clock() if running_since is None else running_since
            if clock() - running_since >= START_SECONDS:  # silence alone never says so
                raise _start_timeout(session)
        if wait is not None and running_since is None and clock() - began >= wait:
            raise _still_pending(cluster, current, wait)


def hold(
    cluster: Cluster,
    session: Session,
    notice: Notice,
    *,
    watcher: Watcher | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> SessionStatus:
    """Watch a ready session until there is proof that it is over; a requeued one gets ready again."""
    watcher = watcher or Watcher(cluster, session, notice, sleep, pace=15.0)
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
    cluster.cancel(session)
    return see_end(cluster, session, notice, clock=clock, sleep=sleep)


def see_end(
    cluster: Cluster,
    session: Session,
    notice: Notice,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> SessionStatus:
    """Wait for the end of a session that was told to end, for a minute at most."""
    watcher = Watcher(cluster, session, notice, sleep, pace=1.0)
    give_up = clock() + STOP_SECONDS
    while (current := watcher.next(5)).phase not in OVER:
        if isinstance(current.job, Unknown) and current.job.unlisted and _nowhere(cluster, session):
            return _closed(current)
        if clock() > give_up:
            raise _not_ended(current)
    return current


def _nowhere(cluster: Cluster, session: Session) -> bool:
    """True if the queue has no job of the session's unique name, whatever its id."""
    try:
        return cluster.find(session)[0] is None
    except SpringlineError:
        return False


def _closed(current: SessionStatus) -> SessionStatus:
    """A session whose job is in no record any more: there was nothing to stop."""
    job_id, name = current.session.job_id, current.session.job_name
    proof = f"the scheduler has neither job {job_id} nor one called {name}; it counts as stopped"
    return replace(current, job=Gone(JobState.CANCELLED, proof))


def _not_ended(current: SessionStatus) -> SpringlineError:
    job_id, hint = current.session.job_id, f"look again with `{current.session.kind.look}`"
    if isinstance(current.job, Unknown):
        return ConnectError(
            f"job {job_id} was told to end, but nobody could say that it did: {current.job.error}", hint
        )
    return JobFailed(f"job {job_id} was told to end but is still listed", hint)


def withdrawn(cluster: Cluster, current: SessionStatus) -> SubmissionRefused:
    """Cancel a job that can never start: left alone it would wait for ever."""
    cluster.cancel(current.session)
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


def as_recorded(store: Store, current: SessionStatus) -> SessionStatus:
    """A status with what another command of this laptop wrote down about the session meanwhile."""
    record = store.get(current.session.name)
    ours = record is not None and record.job_name == current.session.job_name
    return replace(current, session=replace(record, job_id=current.session.job_id)) if record and ours else current


def remember_end(store: Store, current: SessionStatus) -> SessionStatus:
    """Write down that a session is over, once there is proof; returns the status with what is recorded."""
    current = as_recorded(store, current)
    if current.phase in OVER:
        remember(store, current.session, current.phase.value)
    return current


def remember(store: Store, session: Session, ended: str) -> None:
    """Write an end down; what another command of this laptop wrote first stays."""
    record = store.get(session.name)
    if record is None or record.job_name != session.job_name or not record.ended:
        store.save(replace(session, ended=ended))


def _submit(cluster: Cluster, plan: Plan) -> Placed:
    try:
        return cluster.submit(plan.session, plan.files)
    except DirectoryExists:
        raise UsageError(
            f"there is a {plan.session.noun} '{plan.session.name}' on {plan.session.platform} already",
            "give another --name, or leave it out for a new one",
        ) from None


def _check_name_is_free(cluster: Cluster, session: Session, store: Store) -> None:
    """A name may be used again once its session is over; the old directory is kept beside the new one."""
    old = store.get(session.name)
    if old is None:
        return
    if not old.ended and (old.platform != session.platform or statuses(cluster, [old])[0].phase not in OVER):
        raise UsageError(
            f"{old.noun} '{old.name}' on {old.platform} is not over",
            f"use it: {old.kind.join} {old.name}; end it: {old.kind.end} {old.name}; or give another --name",
        )
    if old.platform == session.platform:
        cluster.set_aside(old)
