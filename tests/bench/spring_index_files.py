"""spring-index from compressed NetCDF files: what decoding costs, against the tutorial's reading, and whole runs.

The files are synthetic, in Daymet's layout. `python -m tests.bench.spring_index_files --large DIRECTORY`, or
BENCH_LARGE=DIRECTORY with `make bench`, takes a year of 2000 × 2000 cells in native chunks of 1000 × 1000 instead: 5 GB
there, removed at the end.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.report import goal, table
from tests.bench.usage import family

SMALL, LARGE = (1000, 500, 1000.0), (2000, 1000, 1000.0)
"""Cells along a side, along a chunk's side, and metres along a cell's."""
VARIABLES = ("tmin", "tmax", "dayl")
GOAL_SHARE, GOAL_GROWTH, GOAL_MEMORY = 0.8, 1.15, 500
"""Decoding of all CPU time; a block's cost among four, of its cost alone; MB of a process."""


def cuts(size: int, chunk: int) -> list[tuple[slice, slice]]:
    """The blocks: one column of native chunks each."""
    steps = [slice(at, min(at + chunk, size)) for at in range(0, size, chunk)]
    return [(rows, columns) for rows in steps for columns in steps]


def files(folder: str) -> dict[str, str]:
    """The file of each variable."""
    return {variable: f"{folder}/daymet_v4_daily_na_{variable}_2000.nc" for variable in VARIABLES}


def blocks(folder: str, size: int, chunk: int) -> dict[str, Any]:
    """CPU of blocks one after the other, computed but not written, and of the decoding in them [s]."""
    from jobs.spring_index import output
    from jobs.spring_index.compute import compute_block
    from jobs.spring_index.layout import BATCH_VALUES
    from jobs.spring_index.reading.blocks import Block, Plan
    from jobs.spring_index.reading.chunks import Column
    from jobs.spring_index.reading.source import NETCDF, Grid, Slot
    from jobs.spring_index.science import model
    from jobs.spring_index.science.stream import Units

    spent = {"decode": 0.0, "bytes": 0.0}
    decode = Column.decode

    def timed(self: Column, batch: Any) -> Any:  # noqa: ANN401 - what it is given
        began = time.thread_time()
        values = decode(self, batch)
        spent["decode"] += time.thread_time() - began
        spent["bytes"] += values.nbytes
        return values

    Column.decode = timed  # type: ignore[method-assign]
    output.write_block = lambda *_: None
    slots = {variable: Slot((url,), NETCDF, variable, 0, 365) for variable, url in files(folder).items()}
    lat = {"lat": (Slot(slots["tmin"].urls, NETCDF, "lat"), {})}
    grid = Grid(("y", "x"), (size, size), {}, lat, None, "lat", "lon")
    plan = Plan(grid, Units(), model.CORRECTED, model.PLANTS, "file", 1, BATCH_VALUES // chunk**2, "")
    every = [Block(2000, model.CORRECTED.window, slots, cells) for cells in cuts(size, chunk)]
    compute_block(plan, every[0])  # compiled and warm
    spent.update(dict.fromkeys(spent, 0.0))
    began, cpu = time.process_time(), []
    for block in every:
        compute_block(plan, block)
        cpu.append(time.process_time() - began)
    return spent | {"cpu": cpu, "cells": size * size}


def plain(folder: str, size: int, chunk: int) -> dict[str, Any]:
    """The same with zlib in place of libdeflate."""
    sys.modules["deflate"] = None  # type: ignore[assignment]
    return blocks(folder, size, chunk)


def ours(folder: str, size: int, chunk: int) -> dict[str, Any]:
    """CPU of reading 300 days of all three variables of one block, as blocks do [s]."""
    from jobs.spring_index.reading.ahead import reading
    from jobs.spring_index.reading.source import NETCDF, Slot

    slots = {variable: Slot((url,), NETCDF, variable, 0, 365) for variable, url in files(folder).items()}
    with reading(slots, cuts(size, chunk)[0]) as ahead:
        for variable in VARIABLES:
            ahead.take(variable, slice(0, 1))
        began, total = time.process_time(), 0.0
        for first in range(0, 300, 10):
            for variable in VARIABLES:
                total += float(ahead.take(variable, slice(first, first + 10))[0, 0, 0])
        return {"cpu": time.process_time() - began, "total": total}


def theirs(folder: str, size: int, chunk: int) -> dict[str, Any]:
    """The same by `open_mfdataset` with h5netcdf and the tutorial's chunks."""
    import xarray as xr

    began = time.process_time()
    paths = list(files(folder).values())
    chunks = {"time": 5, "y": chunk, "x": chunk}
    data = xr.open_mfdataset(paths, engine="h5netcdf", chunks=chunks, compat="override", coords="minimal")
    part = data[list(VARIABLES)].isel(time=slice(0, 300), y=slice(0, chunk), x=slice(0, chunk))
    total = 0.0
    for first in range(0, 300, 10):  # as much at once as ours, or the whole block would have to fit into memory
        days = part.isel(time=slice(first, first + 10)).compute()
        total += sum(float(days[variable][0, 0, 0]) for variable in VARIABLES)
    return {"cpu": time.process_time() - began, "total": total}


def child(side: Callable[..., dict[str, Any]], folder: str, size: int, chunk: int) -> dict[str, Any]:
    """One side in a process of its own; also its peak memory [MB]."""
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "tests.bench.spring_index_files",
        side.__name__,
        folder,
        str(size),
        str(chunk),
    ]
    return dict(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))


def run(folder: str) -> dict[str, float]:
    """The command a user would type, on two workers: wall and CPU [s], and the largest process [MB]."""
    command = [sys.executable, "-m", "jobs", "run", "spring-index", "--input", f"{folder}/in", "--json", "--quiet"]
    command += ["--output", f"{folder}/out.zarr", "--dask", "local", "--workers", "2"]
    before, began, peak = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter(), 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            peak = max(peak, *map(highest, family(process.pid)))
            time.sleep(0.2)
        assert process.stdout and process.returncode == 0
        report = json.loads(process.stdout.read())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": time.perf_counter() - began, "cpu": cpu, "peak": peak, "cells": report["cells"]}


def highest(pid: int) -> float:
    """Most memory a process ever had [MB]."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1000
    return 0.0


def main(large: str = os.environ.get("BENCH_LARGE", "")) -> None:
    """Print what decoding, blocks, the tutorial's reading and a whole run cost."""
    from jobs.spring_index.sample import write_sample

    size, chunk, step = LARGE if large else SMALL
    with tempfile.TemporaryDirectory(prefix="springline-bench-", dir=large or None) as folder:
        written = sum(path.stat().st_size for path in write_sample(Path(folder, "in"), [2000], size, step, chunk))
        print(f"365 days × {size} × {size} cells, chunks (1, {chunk}, {chunk}), {written / 1e9:.2f} GB compressed\n")
        compare(f"{folder}/in", size, chunk)
        whole = run(folder)
    print(f"\nA whole run, two workers: {whole['wall']:.1f} s, {whole['cpu']:.1f} s of CPU.")
    print(f"Its largest process had {whole['peak']:.0f} MB.\n")
    goal(f"at most {GOAL_MEMORY} MB in any process", reached=whole["peak"] <= GOAL_MEMORY)


def compare(folder: str, size: int, chunk: int) -> None:
    """Print the parts, each measured in a process of its own."""
    shares, reading = {"libdeflate": child(blocks, folder, size, chunk), "zlib": child(plain, folder, size, chunk)}, {}
    rows = []
    for name, row in shares.items():
        cpu = row["cpu"]
        rate, share = row["bytes"] / row["decode"] / 1e6, row["decode"] / cpu[-1]
        each = [f"{total / count:.2f}" for count, total in enumerate(cpu, 1) if count in (1, 2, 4)]
        rows.append([name, f"{cpu[-1]:.2f}", f"{share:.0%}", f"{rate:.0f}", *each, f"{row['peak']:.0f}"])
    head = ["decoded with", "CPU s", "decoding", "MB/s/core", "s/block of 1", "of 2", "of 4", "peak MB"]
    table(head, rows)
    for side in (ours, theirs):
        reading[side.__name__] = child(side, folder, size, chunk)
    mine, other = (reading[name]["cpu"] / chunk**2 * 1e6 for name in ("ours", "theirs"))
    assert np.isclose(reading["ours"]["total"], reading["theirs"]["total"], equal_nan=True)
    print(
        f"\nReading 300 days of three variables: {mine:.1f} µs/cell; open_mfdataset, h5netcdf: {other:.1f} µs/cell ",
        end="",
    )
    print(f"({other / mine:.1f} times).\n")
    share = {name: row["decode"] / row["cpu"][-1] for name, row in shares.items()}
    goal(f"decoding is at least {GOAL_SHARE:.0%} of the CPU time", reached=share["libdeflate"] >= GOAL_SHARE)
    goal(f"or would be with plain zlib ({share['zlib']:.0%})", reached=share["zlib"] >= GOAL_SHARE)
    cpu = shares["libdeflate"]["cpu"]
    goal(f"a block among four costs at most {GOAL_GROWTH} of one alone", reached=cpu[3] / 4 <= GOAL_GROWTH * cpu[0])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--large"]:
        main(sys.argv[2])
    elif len(sys.argv) > 1:
        sides = {side.__name__: side for side in (blocks, plain, ours, theirs)}
        result = sides[sys.argv[1]](sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
        print(json.dumps(result | {"peak": highest(os.getpid())}))
    else:
        main()
