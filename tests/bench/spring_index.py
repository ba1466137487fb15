"""spring-index: the tutorial's xarray formulation against ours, on the same float32 arrays in one process.

CPU counts all threads, after both sides were warmed up on a small grid; ours is the best of several runs, theirs is
run once. Reading is a plain maximum over all of tmin, tmax and dayl that were given. Peak memory is of other
processes, one for each side, so that it is that side's alone; it begins when the arrays are there.
"""

from __future__ import annotations

import functools
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

DAYS, SIZE = 300, 300
CHUNK = 150
"""Cells along a side of the tutorial's Dask chunks here; its days per chunk are 5, as published."""
RUNS = 5
LEAST_CPU, MOST_READING, MOST_MEMORY = 300.0, 8.0, 0.1
Fields = list[npt.NDArray[np.float32]]
Dates = list[npt.NDArray[np.float64]]


def grid(size: int) -> Fields:
    """tmin, tmax [°C] and dayl [s] of 300 days of synthetic land, (day, y, x)."""
    from jobs.spring_index.science.daylength import daymet

    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:size, 0:size]
    lat = 40.8 - 3.2 * y / size + 0.15 * np.sin(x / size)
    height = 0.3 + 0.3 * np.sin(x / 17) * np.cos(y / 23)
    fields = [np.empty((DAYS, size, size), np.float32) for _ in range(3)]
    for d in range(DAYS):
        season = np.cos(2 * np.pi * (d - 19) / 365)
        mean = 13 - 0.9 * (lat - 38) - 6 * height - 12 * season + rng.normal(0, 3) + rng.normal(0, 0.4, lat.shape)
        half = 5.5 + rng.normal(0, 1) + rng.normal(0, 0.2, lat.shape)
        fields[0][d], fields[1][d], fields[2][d] = mean - half, mean + half, daymet(lat, d + 1) * 3600
    return fields


def theirs(fields: Fields) -> Dates:
    """First leaf and bloom by the tutorial's formulas: lazy xarray on Dask's threads."""
    import dask
    import xarray as xr

    from tests.jobs.tutorial import tutorial

    chunks = {"time": 5, "y": CHUNK, "x": CHUNK}
    arrays = [xr.DataArray(f, dims=("time", "y", "x")).chunk(chunks) for f in fields]
    with dask.config.set(scheduler="threads"):
        leaf, bloom = dask.compute(*tutorial(*arrays))
    return [a.transpose("plant", "y", "x").values for a in (leaf, bloom)]


def ours(fields: Fields, variant: str = "rsdat") -> Dates:
    """The same by springline's kernels."""
    from jobs.spring_index.science.model import VARIANTS
    from jobs.spring_index.science.stream import plant_index, spring_dates

    dates = spring_dates(*fields, VARIANTS[variant])
    both = (np.concatenate([d, plant_index(d)[None]]) for d in (dates.leaf, dates.bloom))
    return [d.reshape(4, *fields[0].shape[1:]) for d in both]


def read(fields: Fields) -> float:
    """A plain pass over all that was given."""
    return sum(float(field.max()) for field in fields)


SIDES: dict[str, Callable[[Fields], Any]] = {
    "tutorial (xarray + dask)": theirs,
    "springline, rsdat": ours,
    "springline, corrected": functools.partial(ours, variant="corrected"),
    "reading the arrays": read,
}


def measure(side: Callable[[Fields], Any], fields: Fields, runs: int) -> tuple[float, float, Any]:
    """Least wall and CPU seconds of some runs of one side, compiled and warm, and what it yields."""
    side(grid(16))
    walls, cpus, found = [], [], None
    for _ in range(runs):
        cpu, wall = time.process_time(), time.perf_counter()
        found = side(fields)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return min(walls), min(cpus), found


def peak() -> float:
    """Largest memory of this process so far [bytes]; the arrays were the largest when it is first asked."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if platform.system() == "Darwin" else 1024)


def memory(side: str, size: int) -> float:
    """Extra memory [MB] of one side in a new process."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.bench.spring_index", side, str(size)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def extra(side: Callable[[Fields], Any], size: int) -> float:
    """Extra memory [MB] of one side in this process."""
    side(grid(16))
    fields = grid(size)
    before = peak()
    side(fields)
    return (peak() - before) / 1e6


def differing(one: Dates, other: Dates) -> int:
    """How many dates are not the same."""
    a, b = np.stack(one), np.stack(other)
    return int(((a != b) & ~(np.isnan(a) & np.isnan(b))).sum())


def main(size: int = SIZE) -> None:
    """Print both sides, their ratios and the number of dates that differ."""
    extras = {name: memory(name, size) for name in SIDES}  # first: Linux counts the parent's peak with its children's
    fields = grid(size)
    rows = {name: measure(side, fields, 1 if side is theirs else RUNS) for name, side in SIDES.items()}
    (_, them, dates), (_, us, mine), *_, (_, reading, _) = rows.values()
    print(f"{DAYS} days × {size} × {size} cells, float32, {os.cpu_count()} cores, {platform.machine()}, one process\n")
    print("| | wall s | CPU s | ns per cell and day given | extra memory MB | times less CPU | × reading |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name, (wall, cpu, _) in rows.items():
        each = f"{cpu / fields[0].size * 1e9:.1f} | {extras[name]:.0f} | {them / cpu:.0f} | {cpu / reading:.1f}"
        print(f"| {name} | {wall:.3f} | {cpu:.3f} | {each} |")
    differ = differing(dates, mine)
    used = extras["springline, rsdat"] / extras["tutorial (xarray + dask)"]
    kept = them / us >= LEAST_CPU and us <= MOST_READING * reading and used <= MOST_MEMORY and not differ
    print(f"\n{differ} of {np.stack(dates).size:,} dates differ from the tutorial's.")
    print(
        f"Promised: at least {LEAST_CPU:.0f}× less CPU, within {MOST_READING:.0f}× of reading, at most"
        f" {MOST_MEMORY:.0%} of the memory, every date equal: {'kept' if kept else 'BROKEN'}."
    )
    if not kept:
        sys.exit(1)


if __name__ == "__main__":
    if len(sys.argv) == 3:  # one side in a process of its own
        print(extra(SIDES[sys.argv[1]], int(sys.argv[2])))
    else:
        main()
