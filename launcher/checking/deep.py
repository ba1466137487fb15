"""A whole session, started and ended, with the seconds of each stage."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from launcher import flows, planning, sessions
from launcher.access import Access
from launcher.checking.model import Outcome, failed, failed_by, ok, skipped
from launcher.checking.nodejob import small
from launcher.cluster import Cluster
from launcher.errors import SpringlineError, StillPending
from launcher.model import Platform, SessionPhase, SessionStatus
from launcher.store import Store
from launcher.units import format_duration

SECONDS = 300  # the time limits of its jobs: SLURM's smallest partitions give as much
WORKER_SECONDS = 120.0  # for one worker to join, in the queue and afterwards
STEP = "deep"


def modest(platform: Platform) -> Platform:
    """The platform with one small worker and short walltimes."""
    workers = replace(platform.workers, count=1, cores=1, processes=1, walltime=SECONDS)
    small_worker = replace(workers, memory=min(workers.memory, 2 << 30) if workers.memory else None)
    return replace(platform, resources=small(platform, SECONDS), workers=small_worker, idle_stop=None, local_port=None)


def check_session(cluster: Cluster, store: Store, wait: float, sleep: Callable[[float], None] = time.sleep) -> Outcome:
    """Start JupyterLab and one worker as `up` does, ask both, and end everything."""
    plan = planning.plan(cluster.platform, cluster.scheduler)
    stages = _Stages()
    try:
        session = flows.submitted(cluster, plan, store)
    except SpringlineError as error:
        return failed_by(STEP, error)
    try:
        stages.done("submitted")
        sessions.wait_until_ready(cluster, session, stages.notice, wait=wait)
        stages.done("JupyterLab started")
        with flows.open_session(cluster, session) as (node, opened):
            opened.verify()
            stages.done(f"reached ({node.access})")
            if not _one_worker(opened, sleep):
                return failed(STEP, f"{stages}; no worker joined", "`springline up` and its Dask panel show why", 31)
        stages.done("one worker joined")
    except StillPending as error:
        return skipped(STEP, f"still in the queue: {error.message}")
    except SpringlineError as error:
        return failed(STEP, f"{stages}; {error.message}", error.hint, error.exit_code)
    finally:
        sessions.stop(cluster, session, lambda _: None)
        store.forget(session.name)
        cluster.discard(session.directory)
    stages.done("stopped")
    return ok(STEP, str(stages))


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
