"""One task: read a block of cells batch by batch, run the model, write its part of the year once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs import storage
from jobs.spring_index import daylength, model, output
from jobs.spring_index.ahead import Ahead, reading
from jobs.spring_index.daylight import DayLength, day_length
from jobs.spring_index.model import Variant, Window
from jobs.spring_index.source import Grid, Slot
from jobs.spring_index.stream import Dates, Stream, Units, plant_index
from jobs.spring_index.values import check_values, coarsened, fine_cells, read_coordinate

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Plan:
    """What all blocks of a run have in common."""

    grid: Grid
    """At the resolution of the input."""
    units: Units
    variant: Variant
    plants: tuple[str, ...]
    dayl_source: str
    coarsen: int
    batch: int
    """Days read at once."""
    output: str
    single_input: bool = True

    @property
    def dtype(self) -> type[np.floating[Any]]:
        """Type of the input's arrays."""
        return np.float32 if self.single_input else np.float64


@dataclass(frozen=True)
class Block:
    """A rectangle of output cells of one year."""

    year: int
    window: Window
    slots: dict[str, Slot]
    cells: tuple[slice, ...]
    """In output cells."""
    waiting: str = ""
    """URL of a file that is there as long as the block is wanted."""


@dataclass(frozen=True)
class Done:
    """What a block came to."""

    year: int
    cells: int
    valid: int
    gaps: int
    seconds: float
    sums: dict[str, tuple[float, int]]
    """Product → sum and number of its dates, for a summary."""
    day_length: str = daylength.FILE
    """Where the day lengths came from: `file`, or the name of a formula in `daylength`."""


def warm_up(plan: Plan) -> None:
    """Compile the kernels, or load them, before many processes would each do so."""
    from jobs.spring_index import decode, stream

    stream.warm_up(plan.variant, plan.dtype)
    decode.warm_up(plan.dtype)


class Days:
    """The days of a block as the model takes them: (day, cell), coarsened, in units they can be in."""

    def __init__(self, plan: Plan, block: Block, ahead: Ahead) -> None:
        self.plan, self.block, self.ahead = plan, block, ahead
        self.checked: set[str] = set()

    def get(self, variable: str, days: slice, following: slice | None = None) -> Array:
        """Some days, counted from 0, good until the next are got; those that follow begin to be fetched."""
        values = coarsened(self.ahead.take(variable, days, following), self.plan.coarsen, self.plan.variant.single)
        if variable not in self.checked:
            where = storage.basename(self.block.slots[variable].urls[0])
            check_values(variable, values, self.plan.units, where)
            self.checked.add(variable)
        return np.ascontiguousarray(values.reshape(len(values), -1))


def compute_block(plan: Plan, block: Block) -> Done:
    """Read, compute and write one block; runs in a worker."""
    started = time.perf_counter()
    shape = tuple(c.stop - c.start for c in block.cells)
    dates, source = _dates(plan, block, int(np.prod(shape)))
    products = block_products(dates, plan.variant, plan.plants, shape)
    planes = {name: read_coordinate(plan.grid, name, block.cells, plan.coarsen) for name in plan.grid.planes}
    output.write_block(plan, block, products | planes)
    sums = {name: (float(np.nansum(values)), int(np.isfinite(values).sum())) for name, values in products.items()}
    seconds = time.perf_counter() - started
    return Done(block.year, int(np.prod(shape)), dates.valid_cells, dates.gap_cells, seconds, sums, source)


def _dates(plan: Plan, block: Block, cells: int) -> tuple[Dates, str]:
    """Read and compute a block; also says where its day lengths came from."""
    stream, source = _carried(plan, block, cells)
    return stream.result(), source  # what was read is gone: less memory


def _carried(plan: Plan, block: Block, cells: int) -> tuple[Stream, str]:
    """The state of a block after all its days, and where their lengths came from."""
    with reading(block.slots, fine_cells(block.cells, plan.coarsen)) as ahead:
        days = Days(plan, block, ahead)
        light = day_length(plan, block, days)
        stream = Stream(plan.variant, block.window, cells, plan.units, plan.dtype, light.groups)
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
