"""Two sets of dates against each other: arrays in, numbers and table rows out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """How one set of dates differs from another [d]; places where neither has one are not counted."""

    dates: int
    same: int
    near: int
    """The same, or a day apart."""
    alone: int
    """A date on one side only."""
    mean: float
    """First − second, where both have a date."""
    mean_absolute: float
    largest: float
    """The difference that is farthest from 0."""

    @property
    def exact(self) -> bool:
        """Whether there are dates, and none differs."""
        return self.dates > 0 and self.same == self.dates


def difference(first: Array, second: Array) -> Difference:
    """Compare dates, NaN where there is no event; the arrays have one shape."""
    if first.shape != second.shape:
        raise ValueError(f"{first.shape} dates cannot be compared with {second.shape}")
    one, other = np.isfinite(first), np.isfinite(second)
    apart = (first - second)[one & other]
    size = np.abs(apart)
    return Difference(
        dates=int((one | other).sum()), same=int((size == 0).sum()), near=int((size <= 1).sum()),
        alone=int((one ^ other).sum()),
        mean=float(apart.mean()) if apart.size else 0.0, mean_absolute=float(size.mean()) if apart.size else 0.0,
        largest=float(apart[size.argmax()]) if apart.size else 0.0,
    )  # fmt: skip


def share(part: int, whole: int) -> str:
    """`342 of 344 (99.4 %)`; a share is 100 % only where nothing is missing."""
    if not whole:
        return "–"
    percent = "100" if part == whole else f"{min(100 * part / whole, 99.9):.1f}"
    return f"{part:,} of {whole:,} ({percent} %)"


def days(value: float, signed: bool = True, digits: int = 2) -> str:
    """Days with their sign; a nought has none."""
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")


def agreement(found: Difference) -> list[str]:
    """Cells of a table: exact, within a day, mean absolute error."""
    return [share(found.same, found.dates), share(found.near, found.dates), days(found.mean_absolute, signed=False)]


def change(found: Difference) -> list[str]:
    """Cells of a table: the share that changes, mean change, largest change, dates on one side only."""
    changed = found.dates - found.same
    alone = f"{found.alone:,}" if found.alone else "–"
    if not changed:
        return ["none", "–", "–", alone]
    return [share(changed, found.dates), days(found.mean), days(found.largest, digits=0), alone]


def brief(found: Difference) -> str:
    """One cell: the share that changes, and the largest change."""
    changed = found.dates - found.same
    if not changed:
        return "none"
    alone = f", {found.alone:,} on one side" if found.alone else ""
    return f"{100 * changed / found.dates:.1f} % ({days(found.largest, digits=0)} d{alone})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """A Markdown table; the first `words` columns are words, the others numbers."""
    rule = ["---"] * words + ["--:"] * (len(head) - words)
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *rows))
