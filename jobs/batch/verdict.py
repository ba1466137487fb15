"""What follows from how an attempt ended. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.batch.items import Item
from jobs.batch.work import DONE, FOUND, FULL, LOST, TRANSIENT

DEATHS = 2
"""Processes or workers that may die under an item before the item is blamed."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before the next attempt at something transient; each pause is twice the one before."""


@dataclass
class Work:
    """An item on its way."""

    item: Item
    attempt: int = 1
    deaths: int = 0
    full_at: float = 0.0
    """When it found no room on the disk, on the driver's clock."""


@dataclass(frozen=True)
class Rules:
    """How patient a run is."""

    retries: int = 2
    """Further attempts at something transient."""
    max_failures: int | None = None


@dataclass(frozen=True)
class Verdict:
    """What to do with an item."""

    state: str
    """done, failed or retry"""
    pause: float = 0.0
    """Seconds until the next attempt."""


def verdict(work: Work, how: str, rules: Rules) -> Verdict:
    """Judge an attempt; `work` still has the counts from before it.

    No room on the disk is nobody's fault: it costs no attempt.
    """
    if how in (DONE, FOUND):
        return Verdict("done")
    if how == FULL:
        return Verdict("retry")
    if how == LOST and work.deaths + 1 < min(DEATHS, rules.retries + 1):
        return Verdict("retry")
    if how == TRANSIENT and work.attempt <= rules.retries:
        return Verdict("retry", min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (work.attempt - 1)))
    return Verdict("failed")
