"""What is said about runs: the public JSON documents, the live line, and the sentences beside them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from launcher.model import SCHEMA_VERSION, Known, SessionPhase, SessionStatus
from launcher.progress import Progress
from launcher.sessions.report import sentence, table

BAR, SHORT_BAR = 16, 6  # characters; the short one where the terminal has fewer columns than
WIDE = 100
_EIGHTHS = " ▏▎▍▌▋▊▉"
_NUMBERS = ("unit", "total", "done", "failed", "skipped", "retried", "workers")
_RATES = ("items_per_minute", "bytes_per_second", "eta_seconds")
COLUMNS = ("run", "platform", "analysis", "state", "job_id", "done", "failed", "total", "message")


def document(current: SessionStatus, report: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """One run as JSON: the same keys in every state. `report` is what the analysis reported at its end."""
    session, node, job = current.session, current.node, current.job
    progress = current.progress or Progress()
    running = current.phase is SessionPhase.RUNNING
    return {
        "schema_version": SCHEMA_VERSION,
        "run": session.name,
        "platform": session.platform,
        "analysis": session.analysis or None,
        "state": current.phase.value,
        "job_id": session.job_id or None,
        "node": (node.host if node else "") or (job.node if isinstance(job, Known) else "") or None,
        "exit_code": current.own_code,
        **{key: getattr(progress, key) if getattr(progress, key) != "" else None for key in _NUMBERS},
        **{key: getattr(progress, key) if running else None for key in _RATES},
        "output": progress.output or None,
        "run_dir": progress.run_dir or None,
        "directory": session.directory or None,
        "created": session.created,
        "ends": node.ends if node else None,
        "message": sentence(current),
        "report": report or None,
    }


def listing(documents: Sequence[Mapping[str, Any]]) -> str:
    """Runs as a table, a line each."""
    rows = [
        [str("-" if said[column] is None else said[column]).partition("\n")[0] for column in COLUMNS]
        for said in documents
    ]
    return table([[column.upper() for column in COLUMNS], *rows])


def bar(fraction: float, width: int) -> str:
    """A bar of so many characters, filled to an eighth of one."""
    eighths = round(max(0.0, min(1.0, fraction)) * width * 8)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(width)


def bar_width(columns: int) -> int:
    """How long a bar may be on a terminal of so many columns, so that the numbers behind it are seen."""
    return BAR if columns >= WIDE else SHORT_BAR


def line(label: str, progress: Progress, width: int = 0) -> str:
    """How far a run is, in one line; with a bar of that width where it can be drawn."""
    if not progress.total:
        return f"{label}  {progress.text}" if progress.text else ""
    over = sum(count or 0 for count in (progress.done, progress.failed, progress.skipped))
    share = over / progress.total
    return f"{label} {100 * share:3.0f} %" + (f" {bar(share, width)}" if width else "") + f"  {progress.text}"


def is_since(progress: Progress | None, started: str) -> bool:
    """True if the progress is not what an earlier job of the run had left; `started` is a node's word, in ISO-8601."""
    try:
        return progress is not None and progress.updated >= datetime.fromisoformat(started).timestamp()
    except ValueError:
        return False


def news(progress: Progress | None, seen: int) -> tuple[list[str], int]:
    """The notes that came after number `seen`, and the newest number; says how many were missed."""
    fresh = [(number, text) for number, text in (progress.notes if progress else ()) if number > seen]
    if not fresh:
        return [], seen
    missed = fresh[0][0] - seen - 1 if seen else 0
    words = [f"… {missed} more notes, see analysis.log"] if missed > 0 else []
    return [*words, *(text for _, text in fresh)], fresh[-1][0]
