"""How many items travel together. Pure."""

from __future__ import annotations

from dataclasses import dataclass

BATCH_SECONDS = 2.0
"""A batch should take about so long: long against Dask's cost of a task, short for who watches or loses it."""
LARGEST = 1000
GROWTH = 8
"""A batch is at most so many times the one before: the first items may not be like the others."""


@dataclass
class Pace:
    """Learns what an item takes."""

    mean: float = 0.0
    """Seconds per item, lately."""
    largest: int = 1

    def learn(self, items: int, seconds: float) -> None:
        """Take in how long a batch took."""
        each = seconds / max(items, 1)
        self.mean = each if not self.mean else 0.7 * self.mean + 0.3 * each
        self.largest = min(LARGEST, max(self.largest, items * GROWTH))

    def size(self, left: int, workers: int) -> int:
        """Items of the next batch; towards the end they shrink, so that no worker is left with nothing to do."""
        if not self.mean:
            return 1
        fitting = int(BATCH_SECONDS / self.mean)
        return max(1, min(fitting, self.largest, left // (2 * max(workers, 1))))
