"""Failures grouped by what caused them: numbers, paths and names folded, so that one cause is one group."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from jobs.batch.report.record import Record, ended, node, number, place, text, whole
from jobs.batch.report.text import one_line, shorten

MOST_CAUSES, MOST_EXAMPLES, MOST_NODES = 300, 8, 50
LONGEST_MESSAGE, LONGEST_TRACEBACK, LONGEST_NAME = 400, 8000, 300
OTHER = "(other messages)"
TELLING = r"(?<!Errno )(?<!HTTP )(?<!status )(?<!code )(?<!signal )"
"""Numbers after these words say what went wrong."""
FOLDS = (
    (re.compile(r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z?)?"), "‹time›"),
    (re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>]+", re.IGNORECASE), "‹url›"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b0x[0-9a-f]+\b", re.IGNORECASE), "‹id›"),
    (re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{10,}\b", re.IGNORECASE), "‹id›"),
    (re.compile(r"(?:\b[A-Za-z]:)?(?:(?<![\w‹›])[~.]{0,2}[/\\]|\b[\w.+-]+/(?=\S*[./\d]))[^\s'\"<>,;:()]+"), "‹path›"),
    (re.compile(rf"{TELLING}(?<![A-Za-z\d])[-+]?\d+(?:[_,.]\d+)*(?:e[-+]?\d+)?|(?<=[A-Za-z_])\d{{3,}}"), "#"),
    (re.compile(r"#(?:[\s,;:x×]+#){2,}"), "# …"),
)


def normalised(message: str, item: str = "", target: str = "") -> str:
    """What two messages of one cause have in common."""
    folded = shorten(one_line(message.strip().partition("\n")[0]), LONGEST_MESSAGE)
    for name in sorted(_names(item) | _names(target), key=len, reverse=True):
        folded = folded.replace(name, "‹item›")
    for pattern, instead in FOLDS:
        folded = pattern.sub(instead, folded)
    return folded.rstrip(".,; ")


def _names(path: str) -> set[str]:
    """The ways in which a message may name a path."""
    base = re.split(r"[/\\]", path.rstrip("/\\"))[-1]
    return {name for name in (path, base, base.partition(".")[0]) if len(name) >= 4}


@dataclass(frozen=True)
class Example:
    """One item that failed."""

    item: str
    message: str
    attempts: int
    worker: str
    seconds: float


@dataclass
class Cause:
    """Items that failed for one reason."""

    error: str
    folded: str
    message: str = ""
    alike: bool = True
    """Whether every message is this message, word for word."""
    count: int = 0
    preflight: bool = True
    first: float = 0.0
    last: float = 0.0
    traceback: str = ""
    examples: dict[int, Example] = field(default_factory=dict)
    nodes: Counter[str] = field(default_factory=Counter)

    def add(self, key: int, record: Record) -> None:
        """Count one failure."""
        message = shorten(text(record, "message").strip(), LONGEST_MESSAGE)
        self.alike = self.alike and message == (self.message or message)
        self.message = self.message or message
        self.count += 1
        self.preflight = self.preflight and record.get("attempt") == 0
        self.last = ended(record)
        self.first = self.first or self.last
        self.traceback = shorten(text(record, "traceback"), LONGEST_TRACEBACK) or self.traceback
        where = node(place(record))
        if where in self.nodes or len(self.nodes) < MOST_NODES:
            self.nodes[where] += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples[key] = _example(record, message)

    def remove(self, key: int) -> None:
        """An item of this cause was done later, or failed for another."""
        self.count -= 1
        self.examples.pop(key, None)

    @property
    def title(self) -> str:
        """The message if all have the same, or what they have in common."""
        return one_line(self.message) if self.alike else self.folded


def _example(record: Record, message: str) -> Example:
    item = shorten(text(record, "item") or "(no name)", LONGEST_NAME)
    return Example(item, message, whole(record, "attempt"), place(record), number(record, "seconds"))


class Causes:
    """All causes of a run, never more than a few hundred."""

    def __init__(self) -> None:
        self.by_name: dict[tuple[str, str], Cause] = {}

    def add(self, key: int, record: Record) -> Cause:
        """Count one failure with its cause."""
        error = shorten(text(record, "error") or "Error", 100)
        cause = self._cause(error, normalised(text(record, "message"), text(record, "item"), text(record, "target")))
        cause.add(key, record)
        return cause

    def _cause(self, error: str, folded: str) -> Cause:
        for name in ((error, folded), (error, OTHER), ("Other errors", OTHER)):
            if name in self.by_name or len(self.by_name) < MOST_CAUSES + (name[1] == OTHER) * 50:
                return self.by_name.setdefault(name, Cause(*name))
        return self.by_name.setdefault(name, Cause(*name))

    def __iter__(self) -> Iterator[Cause]:
        """The causes that items still fail for, most items first."""
        return iter(sorted((c for c in self.by_name.values() if c.count > 0), key=lambda c: -c.count))
