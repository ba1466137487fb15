"""One task: read a block of cells batch by batch, run the model, write its part of the year once."""

from __future__ import annotations

import contextlib
import ctypes
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.spring_index import output
from jobs.spring_index.reading.ahead import Days, reading
from jobs.spring_index.reading.blocks import Block, Done, Plan
from jobs.spring_index.reading.daylight import DayLength, day_length
from jobs.spring_index.reading.values import fine_cells, read_coordinate
from jobs.spring_index.science import model
from jobs.spring_index.science.model import Variant, Window
from jobs.spring_index.science.stream import Dates, Stream, plant_index

Array = npt.NDArray[Any]


def warm_up(plan: Plan) -> None:
    """Compile the kernels, or load them, before many processes would each do so."""
    from jobs.spring_index.reading import decode
    from jobs.spring_index.science import stream

    stream.warm_up(plan.variant, plan.dtype)
    decode.warm_up(plan.dtype)


def is_compiled() -> bool:
    """Whether the kernels seem to be compiled on this machine; loads nothing to tell."""
    source = Path(__file__).with_name("science") / "kernel.py"
    found = source.parent.glob("__pycache__/kernel.block_days-*.nbi")
    return any(index.stat().st_mtime >= source.stat().st_mtime for index in found)


def compute_block(plan: Plan, block: Block) -> Done:
    """Read, compute and write one block; runs in a worker."""
    started = time.perf_counter()
    shape = tuple(c.stop - c.start for c in block.cells)
    dates, source = _dates(plan, block, shape)
    products = block_products(dates, plan.variant, plan.plants, shape)
    planes = {name: read_coordinate(plan.grid, name, block.cells, plan.coarsen) for name in plan.grid.planes}
    written = output.write_block(plan, block, products | planes)
    sums = {name: (float(np.nansum(values)), int(np.isfinite(values).sum())) for name, values in products.items()}
    seconds = time.perf_counter() - started
    return Done(block.year, int(np.prod(shape)), dates.valid_cells, dates.gap_cells, seconds, sums, written, source)


def _dates(plan: Plan, block: Block, shape: tuple[int, ...]) -> tuple[Dates, str]:
    """Read and compute a block; also says where its day lengths came from."""
    stream, source = _carried(plan, block, shape)
    return_memory()  # of what was read
    return stream.result(), source


def _carried(plan: Plan, block: Block, shape: tuple[int, ...]) -> tuple[Stream, str]:
    """The state of a block after all its days, and where their lengths came from."""
    with reading(block.slots, fine_cells(block.cells, plan.coarsen)) as ahead:
        days = Days(plan, block, ahead)
        light = day_length(plan, block, days)
        return_memory()
        stream = Stream(
            plan.variant, block.window, int(np.prod(shape)), plan.units, plan.dtype, light.groups, shape[-1]
        )
        _advance(plan, block, days, stream, light)
    return stream, light.source


def block_products(dates: Dates, variant: Variant, plants: tuple[str, ...], shape: tuple[int, ...]) -> dict[str, Array]:
    """The variables of the output for one block, in the shape of its cells."""
    leaf, bloom = plant_index(dates.leaf), plant_index(dates.bloom)
    if variant.zero_based:
        layers = {"first-leaf": (dates.leaf, leaf), "first-bloom": (dates.bloom, bloom)}
        return {name: np.concatenate([a, b[None]]).reshape(4, *shape) for name, (a, b) in layers.items()}
    rows = [model.PLANTS.index(plant) for plant in plants]
    products = {"first_leaf": dates.leaf[rows], "first_bloom": dates.bloom[rows], "last_freeze": dates.last_freeze}
    if len(plants) == len(model.PLANTS):
        products |= {"leaf_index": leaf, "bloom_index": bloom, "damage": leaf - dates.last_freeze}
    return {name: values.astype(np.float32).reshape(*values.shape[:-1], *shape) for name, values in products.items()}


def _batches(window: Window, size: int) -> Iterator[slice]:
    """Days of the window, counted from 0, a batch at a time."""
    for first in range(window.first - 1, window.last, size):
        yield slice(first, min(first + size, window.last))


def _advance(plan: Plan, block: Block, days: Days, stream: Stream, light: DayLength) -> None:
    """Take the block through its days, reading no more of them than can change a date."""
    batches = list(_batches(block.window, plan.batch))
    for batch, following in zip(batches, [*batches[1:], None], strict=True):
        tmin = days.get("tmin", batch, following)
        if stream.needs_heat(tmin):
            dayl = days.get("dayl", batch, following) if light.is_read else light.days(batch, plan)
            stream.advance(tmin, days.get("tmax", batch, following), dayl)
        elif stream.finished:
            return
        else:
            stream.advance(tmin, None, None)


def return_memory() -> None:
    """Give freed memory back to the system: the C library keeps 100 MB of it, which count for a worker's limit."""
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # only the GNU library has it
            ctypes.CDLL(None).malloc_trim(0)
