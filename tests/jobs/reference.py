"""The model written down a second time: one cell, plain Python, every rule where the papers put it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEAF = {
    "lilac": (3.306, 13.878, 0.201, 0.153, 0),
    "arnold_red": (4.266, 20.899, 0.000, 0.248, 1),
    "zabeli": (2.802, 21.433, 0.266, 0.000, 0),
}
BLOOM = {"lilac": (-23.934, 0.116), "arnold_red": (-24.825, 0.127), "zabeli": (-11.368, 0.096)}
NAN = math.nan


@dataclass(frozen=True)
class Result:
    """Days of year of one cell, NaN = never."""

    leaf: list[float]
    bloom: list[float]
    freeze: float


def degree_hours(tmin: float, tmax: float, hours: float) -> float:
    """GDH of one day above 31 °F, hour by hour from sunrise."""
    if not all(math.isfinite(v) for v in (tmin, tmax, hours)):
        return NAN
    total = 0.0
    for h in range(24):
        if h <= math.floor(hours):
            t = tmin + (tmax - tmin) * math.sin(math.pi * h / (hours + 4))
        else:
            sunset = tmin + (tmax - tmin) * math.sin(math.pi * hours / (hours + 4))
            t = sunset - (sunset - tmin) * math.log(h - math.floor(hours)) / math.log(24 - hours)
        total += max(0.0, t - 31.0)
    return total


def consistent(tmin: Sequence[float], tmax: Sequence[float]) -> tuple[list[float], list[float]]:
    """The lag check and the guards; a day that lacks one extreme lacks both."""
    low = [NAN if math.isnan(b) else a for a, b in zip(tmin, tmax, strict=True)]
    high = [NAN if math.isnan(a) else b for a, b in zip(tmin, tmax, strict=True)]
    for d in range(1, len(low)):
        high[d] = low[d - 1] if high[d] < low[d - 1] else high[d]
        low[d] = high[d - 1] if low[d] > high[d - 1] else low[d]
    low = [0.01 if v == 0 else v for v in low]
    return low, [b + 0.01 if a == b else b for a, b in zip(low, high, strict=True)]


def spring(tmin: Sequence[float], tmax: Sequence[float], hours: Sequence[float], variant: str) -> Result:
    """Leaf, bloom and last freeze of one cell for `corrected`, `npn` or `rsdat` (as days of year) [°F, h]."""
    tutorial = variant == "rsdat"
    low, high = (list(tmin), list(tmax)) if tutorial else consistent(tmin, tmax)
    gdh = [degree_hours(a, b, c) for a, b, c in zip(low, high, hours, strict=True)]
    leaf = [first_leaf(gdh, tutorial, *LEAF[p]) for p in LEAF]
    bloom = [first_bloom(gdh, day, variant, *BLOOM[p]) for p, day in zip(BLOOM, leaf, strict=True)]
    # The last day that froze, or may have: a missing day after the last known freeze leaves the date open.
    freezes = [NAN if v != v else d for d, v in enumerate(tmin, start=1) if not v > 28.0]
    return Result(leaf, bloom, freezes[-1] if freezes else NAN)


def reached(value: float, tutorial: bool) -> bool:
    """Whether the weighted sum triggers the event."""
    return value > 999.5 if tutorial else value >= 999.5


def first_leaf(gdh: list[float], tutorial: bool, mds: float, syn: float, dde: float, dd: float, shift: int) -> float:
    """First leaf of one plant from its weights."""

    def at(day: int) -> float:
        if day >= 1:
            return gdh[day - 1]
        return gdh[0] if tutorial or day >= -1 else 0.0

    spells = 0
    for d in range(1, len(gdh) + 1):
        dde2 = at(d) + at(d - 1) + at(d - 2)
        dd57 = at(d - 5) + at(d - 6) + at(d - 7)
        if tutorial:
            dd57 = math.fsum(at(d - k) for k in range(8)) - math.fsum(at(d - k) for k in range(5))
        spells += dde2 >= 637.0
        if reached(mds * (d - 1) + syn * spells + dde * dde2 + dd * dd57, tutorial):
            return d + shift
    return NAN


def first_bloom(gdh: list[float], leaf: float, variant: str, mds: float, agdh: float) -> float:
    """First bloom of one plant from its weights and its own leaf day."""
    if math.isnan(leaf):
        return NAN
    start = int(leaf) + (variant == "npn")
    total = 0.0
    for d in range(start, len(gdh) + 1):
        gain = gdh[d - 1]
        total += 0.0 if variant == "rsdat" and math.isnan(gain) else gain
        age = d - start + (variant == "rsdat")
        if reached(mds * age + agdh * total, variant == "rsdat"):
            return d
    return NAN
