"""Why a session's worker jobs wait, which the scheduler alone knows."""

from __future__ import annotations

from launcher.cluster import Cluster
from launcher.errors import ConnectError
from launcher.model import JobRef, JobState, Known, SessionPhase, SessionStatus


def waiting_reason(cluster: Cluster, current: SessionStatus) -> str:
    """Why the first of them that waits does so, in words; empty where none waits, and where nobody could say."""
    counts = current.node.worker_counts if current.node else None
    if current.phase is not SessionPhase.READY or not counts or not counts["waiting"]:
        return ""
    try:
        jobs = [JobRef(one.id, one.name) for one in cluster.queue(current.session.worker_name)]
        if not jobs:
            return ""
        answer = cluster.transport.run(cluster.scheduler.status_command(jobs))
    except ConnectError:
        return ""
    said = [one for one in cluster.scheduler.parse_status(answer, jobs).values() if isinstance(one, Known)]
    pending = (one.reason for one in said if one.state is JobState.PENDING and one.reason)
    begun = "its job has begun" if said else ""
    return next((cluster.scheduler.explain_pending(reason) for reason in pending), begun)
