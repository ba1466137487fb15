"""Counts that take the same room for ten numbers and for ten million."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, inf, log10

PER_DECADE = 100
SMALLEST, LARGEST = 1e-6, 1e18
WIDTHS = (0.125, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400)
"""Widths of time bins in seconds; each is a multiple of the one before."""


class LogHistogram:
    """Positive numbers counted in 100 bins a decade: quantiles are good to about 1 %."""

    __slots__ = ("bins", "count", "high", "low", "total")

    def __init__(self) -> None:
        self.bins: dict[int, int] = {}
        self.count, self.total, self.low, self.high = 0, 0.0, inf, 0.0

    def add(self, value: float) -> None:
        """Count one number."""
        index = floor(PER_DECADE * log10(min(max(value, SMALLEST), LARGEST)))
        self.bins[index] = self.bins.get(index, 0) + 1
        self.count += 1
        self.total += value
        self.low, self.high = min(self.low, value), max(self.high, value)

    def merge(self, other: LogHistogram) -> None:
        """Count what another histogram has counted."""
        for index, number in other.bins.items():
            self.bins[index] = self.bins.get(index, 0) + number
        self.count, self.total = self.count + other.count, self.total + other.total
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)

    def quantile(self, share: float) -> float:
        """The number below which this share lies; 0 if nothing was counted."""
        left = share * self.count
        for index in sorted(self.bins):
            left -= self.bins[index]
            if left <= 0:
                middle = float(10 ** ((index + 0.5) / PER_DECADE))
                return min(max(middle, self.low), self.high)
        return self.high


@dataclass(frozen=True)
class Bar:
    """What lies between two numbers, of each histogram."""

    low: float
    high: float
    counts: tuple[int, ...]


def bars(histograms: Sequence[LogHistogram], most: int = 40, least: int = 14) -> list[Bar]:
    """The histograms over the same few bins of equal ratio, none left out between; [] if nothing was counted."""
    indices = [index for histogram in histograms for index in histogram.bins]
    if not indices:
        return []
    low, high = min(indices), max(indices)
    step = next(s for s in (1, 2, 5, 10, 20, 25, 50, 100, 10_000) if high // s - low // s < most)
    first, last = low // step, high // step
    missing = max(0, least - (last - first + 1))
    first, last = first - missing // 2, last + missing - missing // 2
    sums = [[0] * (last - first + 1) for _ in histograms]
    for histogram, row in zip(histograms, sums, strict=True):
        for index, number in histogram.bins.items():
            row[index // step - first] += number
    edges = [10 ** (place * step / PER_DECADE) for place in range(first, last + 2)]
    return [Bar(edges[i], edges[i + 1], counts) for i, counts in enumerate(zip(*sums, strict=True))]


class TimeBins:
    """Several kinds of things counted over time; bins are joined as the time grows, so there are never many."""

    def __init__(self, kinds: int, most: int = 160) -> None:
        self.kinds, self.most = kinds, most
        self.level, self.width = 0, float(WIDTHS[0])
        self.bins: dict[int, list[int]] = {}

    def add(self, seconds: float, kind: int, amount: int = 1) -> None:
        """Count something that happened so many seconds from the start."""
        while seconds >= self.width * self.most:
            self._join()
        self.bins.setdefault(int(seconds / self.width), [0] * self.kinds)[kind] += amount

    def _join(self) -> None:
        self.level += 1
        wider = float(WIDTHS[self.level]) if self.level < len(WIDTHS) else self.width * 2
        factor, old = round(wider / self.width), self.bins
        self.width, self.bins = wider, {}
        for index, counts in old.items():
            into = self.bins.setdefault(index // factor, [0] * self.kinds)
            for kind, number in enumerate(counts):
                into[kind] += number
