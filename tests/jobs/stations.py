"""Station records as the published toolbox prepares them: gaps filled by the month, bad years left out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
YEARS = range(1850, 2051)
SEASON, BLOCK, FEWEST, MOST_ZEROS = 240, 30, 20, 10


@dataclass(frozen=True)
class Station:
    """One station: °F from 1 January, (year, day), and what the toolbox made of it, per year."""

    latitude: float
    tmin: Array
    tmax: Array
    leaf_index: Array
    bloom_index: Array


def read_stations(folder: Path) -> list[Station]:
    """The three stations for which the toolbox's own results are known."""
    tmin, tmax = (
        np.genfromtxt(folder / f"{v}.csv", delimiter=",").reshape(len(YEARS), 6, 366) for v in ("tmin", "tmax")
    )
    latitudes = np.genfromtxt(folder / "lat.csv", delimiter=",")
    names = ((f"station_{i}.csv", f"station_{i}_bloom.csv") for i in (1, 2, 3))
    results = [[np.genfromtxt(folder / name) for name in pair] for pair in names]
    return [Station(float(latitudes[i]), tmin[:, i], tmax[:, i], *results[i]) for i in range(3)]


def filled(year: Array) -> Array | None:
    """Days 1 to 240 of one year without gaps, or None where too much is missing.

    In each block of 30 days, missing and impossible values become the mean of the others.
    """
    year = year[:SEASON].copy()
    for first in range(0, SEASON, BLOCK):
        block = year[first : first + BLOCK]
        if np.isfinite(block).sum() < FEWEST or (block == 0).sum() > MOST_ZEROS:
            return None
        bad = ~np.isfinite(block) | (block < -99) | (block > 125)
        block[bad] = block[~bad].mean()
    return year
