"""spring-index: the tutorial's xarray formulation against ours, on the same float32 arrays in memory.

Each side runs in a process of its own that makes the same grid first, so that peak memory is that side's alone.
CPU counts all threads; time and memory begin when the arrays are there.
"""

from __future__ import annotations

import json
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

DAYS, SIZE, STEP = 300, 300, 1000.0
CHUNK = 150
"""Cells along a side of the tutorial's Dask chunks here; its days per chunk are 5, as published."""
LEAST_CPU, MOST_MEMORY = 20.0, 0.1
Fields = list[npt.NDArray[np.float32]]
Dates = list[npt.NDArray[np.float64]]


def grid(size: int) -> Fields:
    """tmin, tmax [°C] and dayl [s] of 300 days of synthetic land, (day, y, x)."""
    from jobs.spring_index.daylength import daymet

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


def ours(fields: Fields) -> Dates:
    """The same by springline's kernels, on as many threads."""
    from concurrent.futures import ThreadPoolExecutor

    from jobs.spring_index.model import VARIANTS
    from jobs.spring_index.stream import plant_index, spring_dates

    variant = VARIANTS[os.environ.get("BENCH_VARIANT", "rsdat")]
    size, workers = fields[0].shape[1], len(os.sched_getaffinity(0))
    cuts = [slice(size * i // workers, size * (i + 1) // workers) for i in range(workers)]

    def part(rows: slice) -> list[Any]:
        dates = spring_dates(*(f[:, rows] for f in fields), variant)
        both = (np.concatenate([d, plant_index(d)[None]]) for d in (dates.leaf, dates.bloom))
        return [d.reshape(4, -1, size) for d in both]

    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(part, cuts))
    return [np.concatenate([p[i] for p in parts], axis=1) for i in range(2)]


def measure(side: Callable[[Fields], Dates], size: int, target: str) -> dict[str, float]:
    """Wall, CPU [s] and extra memory [MB] of one side, compiled and warm; its dates go to a file."""
    side(grid(16))
    fields = grid(size)
    before, cpu, wall = peak(), time.process_time(), time.perf_counter()
    dates = side(fields)
    took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "memory": (peak() - before) / 1e6}
    np.save(target, np.stack(dates))
    return took


def peak() -> float:
    """Largest memory of this process so far [bytes]; the arrays were the largest when it is first asked."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if platform.system() == "Darwin" else 1024)


def child(side: str, size: int, target: str, **environment: str) -> dict[str, float]:
    """Measure one side in a new process."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.bench.spring_index", side, str(size), target]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | environment)
    return dict(json.loads(done.stdout))


def main(size: int = SIZE) -> None:
    """Print both sides, their ratios and the number of dates that differ."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        them = child("theirs", size, f"{folder}/theirs.npy")
        rows = {"tutorial (xarray + dask)": them, "springline, rsdat": child("ours", size, f"{folder}/ours.npy")}
        a, b = np.load(f"{folder}/theirs.npy"), np.load(f"{folder}/ours.npy")
        rows["springline, corrected"] = child("ours", size, f"{folder}/six.npy", BENCH_VARIANT="corrected")
    differ = int(((a != b) & ~(np.isnan(a) & np.isnan(b))).sum())
    print(f"{DAYS} days × {size} × {size} cells, float32, {os.cpu_count()} cores, {platform.machine()}\n")
    print("| | wall s | CPU s | extra memory MB | cells/s/core | CPU ratio | memory ratio |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name, row in rows.items():
        rate = size * size / row["cpu"]
        ratios = f"{them['cpu'] / row['cpu']:.0f} | {row['memory'] / them['memory']:.3f}"
        print(f"| {name} | {row['wall']:.2f} | {row['cpu']:.2f} | {row['memory']:.0f} | {rate:,.0f} | {ratios} |")
    mine = rows["springline, rsdat"]
    kept = them["cpu"] / mine["cpu"] >= LEAST_CPU and mine["memory"] <= MOST_MEMORY * them["memory"] and not differ
    print(f"\n{differ} of {a.size:,} dates differ from the tutorial's.")
    promise = f"at least {LEAST_CPU:.0f}× less CPU, at most {MOST_MEMORY:.0%} of the memory, every date equal"
    print(f"Promised: {promise}: {'kept' if kept else 'BROKEN'}.")
    if not kept:
        sys.exit(1)


if __name__ == "__main__":
    sides = {"ours": ours, "theirs": theirs}
    print(json.dumps(measure(sides[sys.argv[1]], int(sys.argv[2]), sys.argv[3])))
