"""What is said about sessions: the public JSON documents and the sentences beside them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from launcher.model import SCHEMA_VERSION, Gone, Known, NodeState, SessionPhase, SessionStatus, Unknown
from launcher.units import format_duration


def document(current: SessionStatus, url: str | None = None, waits: str = "") -> dict[str, Any]:
    """One session as JSON: the same keys in every state; `waits` is why its workers do."""
    session, node = current.session, current.node
    return {
        "schema_version": SCHEMA_VERSION,
        "session": session.name,
        "platform": session.platform,
        "state": current.phase.value,
        "job_id": session.job_id or None,
        "node": (node.host if node else "") or (current.job.node if isinstance(current.job, Known) else "") or None,
        "url": url,
        "access": node.access if node else None,
        "dask": dask_document(current, url),
        "dask_error": node.dask_error if node else None,
        "workers": workers_document(current, waits),
        "created": session.created,
        "ends": node.ends if node else None,
        "message": sentence(current),
    }


def dask_document(current: SessionStatus, url: str | None) -> dict[str, Any] | None:
    """The Dask cluster of a session that is not over; the dashboard through Jupyter's own address, where that is."""
    if not current.node or not current.node.dask or current.phase in _ENDED:
        return None
    dask = current.node.dask
    base, dashboard = url.rpartition("/lab")[0] if url else "", dask.get("dashboard") or ""
    whole = dashboard if "://" in dashboard else base + dashboard if base and dashboard else None
    return {"scheduler": dask.get("scheduler"), "dashboard": whole}


def workers_document(current: SessionStatus, waits: str = "") -> dict[str, Any] | None:
    """The Dask workers of a ready session that counts them."""
    counts = current.node.worker_counts if current.node else None
    if current.phase is not SessionPhase.READY or not counts:
        return None
    return {**counts, "reason": waits or None}


def workers_words(said: dict[str, Any]) -> str:
    """The same in a line: 1 of 2 (1 waiting: why)."""
    if not said["asked"] and not said["joined"]:
        return "none asked for"
    more = [f"{said['waiting']} waiting" + (f": {said['reason']}" if said["reason"] else "")] if said["waiting"] else []
    if said["asked"] > said["wanted"]:
        more.append(f"{said['asked']} asked for, no more are allowed")
    return f"{said['joined']} of {said['wanted']}" + (f" ({'; '.join(more)})" if more else "")


_ENDED = (SessionPhase.ENDING, SessionPhase.ENDED, SessionPhase.FAILED)
_WHAT = {"session": "JupyterLab", "run": "the analysis"}


def sentence(current: SessionStatus) -> str:
    """The state in words, without what only the scheduler could explain."""
    node, job = current.node, current.job
    match current.phase:
        case SessionPhase.PENDING:
            words = "put back in the queue, it starts again by itself" if current.requeued else "waiting in the queue"
            return f"{words}: {job.why or job.reason}{expected(job)}" if isinstance(job, Known) else words
        case SessionPhase.STARTING:
            return f"the job runs, {_WHAT[current.session.noun]} is starting"
        case SessionPhase.RUNNING:
            said = (current.progress.text if current.progress else "") or "running"
            if node is not None and node.workers == 0:
                said = "waiting for its worker jobs"
            return "; ".join([said, *dask_trouble(node)])
        case SessionPhase.READY:
            left = time_left(node.ends if node else None)
            return "; ".join(["ready" + (f", {left} left" if left else ""), *dask_trouble(node)])
        case SessionPhase.ENDING:
            return "ending"
        case SessionPhase.UNKNOWN:
            return _unknown_words(current)
        case _:
            said = (node.message if node else None) or (job.proof if isinstance(job, Gone) else "")
            return f"over: {said}" if said else "over"


def expected(job: Known, now: datetime | None = None) -> str:
    """The scheduler's estimate of the start, to be put behind other words; empty if it has none."""
    start = start_estimate(job, now)
    return f"; expected about {start}, the scheduler estimates" if start else ""


def start_estimate(job: Known, now: datetime | None = None) -> str:
    """When the scheduler thinks the job will start, as this computer's clock will show it; empty if it has no idea."""
    now = now or datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(job.expected_start).replace(tzinfo=UTC)
    except ValueError:
        return ""
    if moment <= now:
        return ""
    there, here = moment.astimezone(now.astimezone().tzinfo), now.astimezone()
    return f"{there:%H:%M}" if there.date() == here.date() else f"{there:%H:%M on %d %B}"


def _unknown_words(current: SessionStatus) -> str:
    job, name = current.job, current.session.name
    if not isinstance(job, Unknown):
        return "nobody could say"
    if job.unlisted:
        return f"{job.error}: nothing proves how it ended; `{current.session.kind.end} {name}` closes it"
    return f"nobody could say: {job.error}"


def dask_trouble(node: NodeState | None) -> list[str]:
    """What is wrong with the Dask cluster, if anything: it is not there, or its first workers are not."""
    if node is None or not node.dask_error:
        return []
    return [f"{'no workers' if node.dask else 'without Dask'}: {node.dask_error}"]


def time_left(ends: str | None, now: datetime | None = None) -> str:
    """The time until a UTC ISO-8601 moment, in words; empty if there is none."""
    if not ends:
        return ""
    seconds = (datetime.fromisoformat(ends) - (now or datetime.now(UTC))).total_seconds()
    return format_duration(max(0.0, seconds))


def sheet(said: dict[str, Any]) -> str:
    """A document as lines of `key: value`, without what is empty or stands in the message, too."""
    told = {**said, "workers": workers_words(said["workers"])} if said.get("workers") else said
    flat = {key: value for key, value in told.items() if not isinstance(value, dict)}
    inner = {
        f"{key} {name}": value for key, part in told.items() if isinstance(part, dict) for name, value in part.items()
    }
    rows = [[f"{key}:", str(value)] for key, value in {**flat, **inner}.items() if value not in (None, "")]
    return table([row for row in rows if row[0] not in ("schema_version:", "dask_error:")])


def skew(theirs: str, ours: str, platform: str, what: str) -> str:
    """That an environment is of another springline than this computer, what it means, and what to type."""
    return (
        f"the environment on {platform} is springline {theirs}'s, this computer has {ours}: {what}\n"
        f"  → bring it up to date: springline env install {platform}"
    )


SESSION_COLUMNS = ("session", "platform", "state", "job_id", "node", "message")


def listing(documents: list[dict[str, Any]]) -> str:
    """Sessions as a table, a line each."""
    rows = [[str(said[column] or "-").partition("\n")[0] for column in SESSION_COLUMNS] for said in documents]
    return table([[column.upper() for column in SESSION_COLUMNS], *rows])


def table(rows: list[list[str]]) -> str:
    """Columns as wide as their longest cell."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
