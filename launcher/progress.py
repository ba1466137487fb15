"""How far a run of an analysis is. Frozen, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """How far a run is: what its engine last wrote to progress.json."""

    text: str = ""  # one line, without a bar
    state: str = ""  # planning | waiting | running | ended
    unit: str = ""
    total: int | None = None
    done: int | None = None
    failed: int | None = None
    skipped: int | None = None
    retried: int | None = None
    workers: int | None = None
    items_per_minute: float | None = None
    bytes_per_second: float | None = None
    eta_seconds: float | None = None
    notes: tuple[tuple[int, str], ...] = ()  # the newest, each with its number
    run_dir: str = ""  # where ledger and reports lie, over there
    output: str = ""
    updated: float = 0.0  # POSIX seconds

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Progress:
        """Read the engine's document; what this version does not know is ignored."""
        known = {key: document[key] for key in cls.__dataclass_fields__ if document.get(key) is not None}
        known["notes"] = tuple((int(note["number"]), str(note["text"])) for note in document.get("notes") or ())
        return cls(**known)
