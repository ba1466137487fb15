"""What travels between the driver, the workers and their item processes: small values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

DONE, FOUND, PERMANENT, TRANSIENT, FULL, LOST = "done", "found", "permanent", "transient", "full", "lost"
"""How an attempt ended: done, already there, an error (see `causes`), or its process was killed or died."""

Task = tuple[str, str, Mapping[str, Any]]
"""Source, target, and the item's own options."""


@dataclass(frozen=True)
class Setup:
    """What is the same for all items of a run."""

    run: str
    """Short name of this run of the driver; scratch names carry it."""
    function: str
    script: str = ""
    """The text of the function's script, so that all items see one version of it."""
    options: Mapping[str, Any] = field(default_factory=dict)
    replace: bool = False
    """Whether a target that is there is written anew."""
    returns_row: bool = False
    one_object: bool = False
    """As in `BatchJob`."""
    prefetch: str = ""
    wall_limit: float | None = None
    """Seconds."""
    memory_limit: float | None = None
    """Bytes; None: a share of the worker's."""
    ended: str = ""
    """A file that is there once this run is over: what it left running must not make targets appear any more."""
    path: str = ""
    """A further place to import modules from: where the driver was started."""


class Outcome(NamedTuple):
    """How one attempt at one item ended."""

    at: int
    """Index of the item in its batch."""
    how: str
    began: float = 0.0
    """POSIX time."""
    seconds: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    peak: int = 0
    """Largest memory of the item's process while it ran [bytes]; 0 where the system does not tell."""
    worker: str = ""
    result: Mapping[str, Any] | None = None
    error: str = ""
    message: str = ""
    traceback: str = ""
