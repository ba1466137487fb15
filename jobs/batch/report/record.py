"""One line of a ledger, read so that a missing or odd value never stops a report."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

Record = Mapping[str, Any]
FINAL = ("done", "failed", "skipped")


def number(record: Record, key: str) -> float:
    """A number that is not negative; 0 where there is none."""
    value = record.get(key)
    if isinstance(value, int | float) and value > 0:
        value = float(value) if value < 1e300 else 0.0
        return value if isfinite(value) else 0.0
    return 0.0


def whole(record: Record, key: str) -> int:
    """A whole number that is not negative; 0 where there is none."""
    return int(number(record, key))


def text(record: Record, key: str) -> str:
    """A text; empty where there is none."""
    value = record.get(key)
    return value if isinstance(value, str) else "" if value is None else str(value)


def identity(record: Record) -> str:
    """What makes an item that item: no two may write one target."""
    return text(record, "target") or text(record, "item")


def ended(record: Record) -> float:
    """When an attempt ended (POSIX seconds)."""
    return number(record, "time") + number(record, "seconds")


def place(record: Record) -> str:
    """The worker's name without its protocol."""
    return text(record, "worker").rpartition("://")[2]


def node(worker: str) -> str:
    """node1:123 → node1."""
    return worker.rpartition(":")[0] or worker
