"""A whole session, started and ended, with the seconds of each stage."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from launcher.checking.model import Outcome, failed, failed_by, ok, skipped, warning
from launcher.checking.nodejob import small
from launcher.cluster import Cluster
from launcher.errors import Interrupted, SpringlineError, StillPending
from launcher.laptop.store import Store
from launcher.model import Platform, Session, SessionPhase, SessionStatus
from launcher.scripts.shell import RemotePath
from launcher.sessions import lifecycle, planning
from launcher.terminal import flows
from launcher.tunnels.access import Access
from launcher.units import format_duration

SECONDS = 300  # the time limits of its jobs: SLURM's smallest partitions give as much
ALONE_SECONDS = 60  # then a session that nobody has come to ends by itself
WORKER_SECONDS = 120.0  # for one worker to join, in the queue and afterwards
STEP = "deep"


def modest(platform: Platform) -> Platform:
    """The platform with one small worker and short walltimes."""
    workers = replace(platform.workers, count=1, cores=1, processes=1, walltime=SECONDS)
    small_worker = replace(workers, memory=min(workers.memory, 2 << 30) if workers.memory else None)
    return replace(
        platform, resources=small(platform, SECONDS), workers=small_worker, idle_stop=ALONE_SECONDS, local_port=None
    )


def check_session(cluster: Cluster, store: Store, wait: float, sleep: Callable[[float], None] = time.sleep) -> Outcome:
    """Start JupyterLab and one worker as `up` does, ask both, and end everything."""
    plan = planning.plan(cluster.platform, cluster.scheduler)
    stages = _Stages()
    try:
        session = flows.submitted(cluster, plan, store)
    except Interrupted:
        raise
    except SpringlineError as error:
        return failed_by(STEP, error)
    stages.done("submitted")
    try:
        found = _walk(cluster, session, stages, wait, sleep)
    except StillPending as error:
        found = skipped(STEP, f"still in the queue, and cancelled: {error.message.partition(': ')[2]}")
    except SpringlineError as error:
        found = failed(STEP, f"{stages}; then: {error.message}", error.hint, error.exit_code)
    finally:
        end = _ended(cluster, session, store)
    if end is not None:
        return failed(STEP, f"{stages}; it could not be ended: {end.message}", end.hint, end.exit_code)
    stages.done("stopped")
    return replace(found, seen=found.seen or str(stages))


def _walk(cluster: Cluster, session: Session, stages: _Stages, wait: float, sleep: Callable[[float], None]) -> Outcome:
    """Through the stages of a session."""
    lifecycle.wait_until_ready(cluster, session, stages.notice, wait=wait)
    stages.done("JupyterLab started")
    with flows.open_session(cluster, session) as (node, opened):
        opened.verify()
        stages.done(f"reached ({node.access})")
        if not _one_worker(opened, sleep):
            why = f"{stages}; no worker joined in {format_duration(WORKER_SECONDS)}"
            if said := _workers_words(cluster, session):
                return failed(
                    STEP, f"{why}; its job said: {said}", "see the section's `worker_…` keys and `prologue`", 40
                )
            return warning(STEP, why, "its job may wait in the queue; `springline up` shows it in the Dask panel")
    stages.done("one worker joined")
    return ok(STEP, "")


def _ended(cluster: Cluster, session: Session, store: Store) -> SpringlineError | None:
    """End it and leave nothing behind; what went wrong with that."""
    try:
        lifecycle.stop(cluster, session, lambda _: None)
        cluster.discard(session.directory)
    except SpringlineError as error:
        return error
    store.forget(session.name)
    return None


def _workers_words(cluster: Cluster, session: Session) -> str:
    """The last line that a worker's job wrote."""
    logs = f"cd {RemotePath(session.directory).quoted()} && tail -qn 5 workers-*.log 2>/dev/null | grep . | tail -n 1"
    return cluster.transport.run(logs).text.strip()


def _one_worker(opened: Access, sleep: Callable[[float], None]) -> bool:
    give_up = time.monotonic() + WORKER_SECONDS
    while time.monotonic() < give_up:
        clusters = opened.request("GET", "/dask/clusters")
        if clusters and clusters[0].get("workers"):
            return True
        sleep(0.5)
    return False


class _Stages:
    """How long each stage took, in words."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._last = time.monotonic()
        self._queued = False

    def done(self, name: str) -> None:
        now = time.monotonic()
        self._words.append(f"{name} {format_duration(now - self._last)}")
        self._last = now

    def notice(self, current: SessionStatus) -> None:
        """The first time that it runs ends its time in the queue."""
        if not self._queued and current.phase in (SessionPhase.STARTING, SessionPhase.READY):
            self._queued = True
            self.done("queue")

    def __str__(self) -> str:
        return ", ".join(self._words)
