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
    said = (cluster.scheduler.parse_status(answer, jobs)[job] for job in jobs)
    pending = (one.reason for one in said if isinstance(one, Known) and one.state is JobState.PENDING)
    return next((cluster.scheduler.explain_pending(reason) for reason in pending), "")
