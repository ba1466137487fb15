"""What springline's jobs are for: sessions, and runs of analyses. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """What a job of springline's is for: the words for it, where its files lie, and the commands a user has for it."""

    noun: str
    directory: str  # below `run_dir` there, and below springline's own state here
    prefix: str  # of the names of its jobs; a session's own name holds no underscore
    begin: str
    join: str
    end: str
    look: str
    list: str


SESSION = Kind(
    "session",
    "sessions",
    "springline-",
    begin="springline up",
    join="springline attach",
    end="springline stop",
    look="springline status",
    list="springline ls",
)
RUN = Kind(
    "run",
    "runs",
    "springline-run_",
    begin="springline run",
    join="springline watch",
    end="springline cancel",
    look="springline runs",
    list="springline runs",
)
KINDS = {kind.noun: kind for kind in (SESSION, RUN)}
