"""How far a run is, in numbers and in one line. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class Tally:
    """Counts of one run; rates and what is left come from the whole of it, so that they do not jump."""

    total: int
    """Items, those that were done before too."""
    skipped: int = 0
    done: int = 0
    missed: int = 0
    """Failed when they were tried."""
    refused: int = 0
    """Failed in the look before."""
    retried: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    workers: int = 0
    clock: Callable[[], float] = time.monotonic
    began: float = 0.0

    def __post_init__(self) -> None:
        """Start the clock."""
        self.restart()

    def restart(self) -> None:
        """Count time from now: the workers are there."""
        self.began = self.clock()

    @property
    def failed(self) -> int:
        """Items that failed, in whatever way."""
        return self.missed + self.refused

    @property
    def left(self) -> int:
        """Items that are neither done nor failed."""
        return self.total - self.skipped - self.done - self.failed

    def seconds(self) -> float:
        """Seconds since the start."""
        return self.clock() - self.began

    def values(self) -> dict[str, Any]:
        """The numbers of progress.json."""
        seconds = max(self.seconds(), 1e-9)
        tried = self.done + self.missed
        return {
            "unit": "items", "total": self.total, "done": self.done, "failed": self.failed, "skipped": self.skipped,
            "retried": self.retried, "workers": self.workers, "seconds": round(seconds, 1),
            "items_per_minute": round(60 * tried / seconds, 2),
            "bytes_in": self.bytes_in, "bytes_out": self.bytes_out,
            "bytes_per_second": round(self.bytes_in / seconds),
            "eta_seconds": round(self.left * seconds / tried, 1) if tried else None,
        }  # fmt: skip

    def text(self) -> str:
        """The same in one line."""
        values = self.values()
        parts = [f"{self.done:,} of {self.total:,} done"]
        parts += [f"{count:,} {name}" for count, name in ((self.failed, "failed"), (self.skipped, "skipped")) if count]
        parts.append(f"{duration(values['seconds'])} so far")
        if values["eta_seconds"] is not None and self.left:
            parts.append(f"{duration(values['eta_seconds'])} left")
        if self.done + self.missed:
            parts.append(f"{per_minute(values['items_per_minute'])} items/min")
        if values["bytes_per_second"] >= 1e5:
            parts.append(f"{values['bytes_per_second'] / 1e9:.3g} GB/s")
        parts.append("no worker yet" if not self.workers else f"{self.workers} worker{'s' * (self.workers > 1)}")
        return ", ".join(parts)


def per_minute(rate: float) -> str:
    """A rate with as many digits as matter."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


def duration(seconds: float) -> str:
    """4000 → 1:06:40."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
