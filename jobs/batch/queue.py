"""What comes next: items in their order, retries when their pause is over, suspects alone. Pure."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from itertools import count, islice

from jobs.batch.items import Item
from jobs.batch.verdict import Work

MOST_WAITING = 10_000
"""Retries that may wait; beyond, no new items are begun."""


class Queue:
    """Hands out batches."""

    def __init__(self, items: Iterator[Item], total: int) -> None:
        self._items = items
        self._new = total
        self._alone: deque[Work] = deque()
        self._later: list[tuple[float, int, Work]] = []
        self._last: deque[Work] = deque()
        self._numbers = count()

    def __len__(self) -> int:
        """Items not handed out, or given back."""
        return self._new + len(self._alone) + len(self._later) + len(self._last)

    def batch(self, size: int, now: float) -> list[Work]:
        """The next items to go together; empty if there is nothing to do yet.

        Parameters
        ----------
        now
            On the clock that `later` is told.
        """
        if self._alone:
            return [self._alone.popleft()]
        due: list[Work] = []
        while self._later and self._later[0][0] <= now and len(due) < size:
            due.append(heapq.heappop(self._later)[2])
        if due or len(self._later) >= MOST_WAITING:
            return due
        fresh = [Work(item) for item in islice(self._items, size)]
        self._new = max(0, self._new - len(fresh)) if fresh else 0
        return fresh or [self._last.popleft() for _ in range(min(size, len(self._last)))]

    def later(self, work: Work, when: float) -> None:
        """Give an item back, to be handed out at `when` or after."""
        heapq.heappush(self._later, (when, next(self._numbers), work))

    def last(self, work: Work) -> None:
        """Give an item back, to be handed out when there is nothing else."""
        self._last.append(work)

    def alone(self, work: Work) -> None:
        """Give an item back, to go next and in a batch of its own: it may have killed a worker."""
        self._alone.append(work)

    def next_due(self) -> float | None:
        """When the first of those that wait is to go."""
        return self._later[0][0] if self._later else None
