"""One task: read a block of cells batch by batch, run the model, write its part of the year once."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs import storage
from jobs.errors import InputError
from jobs.spring_index import daylength, model, output
from jobs.spring_index.model import Variant, Window
from jobs.spring_index.readers import Reader, open_slot, read_plane
from jobs.spring_index.source import Grid, Slot
from jobs.spring_index.stream import Dates, Stream, Units, plant_index

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


def compute_block(plan: Plan, block: Block) -> Done:
    """Read, compute and write one block; runs in a worker."""
    started = time.perf_counter()
    latitude = _latitude(plan, block)
    shape = tuple(c.stop - c.start for c in block.cells)
    stream = Stream(plan.variant, block.window, int(np.prod(shape)), plan.units, dtype(plan))
    with _readers(block.slots) as readers:
        for days in _batches(block.window, plan.batch):
            if not _advance(plan, block, readers, days, stream, latitude):
                break
    dates = stream.result()
    products = block_products(dates, plan.variant, plan.plants, shape)
    planes = {name: read_coordinate(plan.grid, name, block.cells, plan.coarsen) for name in plan.grid.planes}
    output.write_block(plan, block, products | planes)
    sums = {name: (float(np.nansum(values)), int(np.isfinite(values).sum())) for name, values in products.items()}
    seconds = time.perf_counter() - started
    return Done(block.year, int(np.prod(shape)), dates.valid_cells, dates.gap_cells, seconds, sums)


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


def dtype(plan: Plan) -> type[np.floating[Any]]:
    """Type of the input of a run."""
    return np.float32 if plan.single_input else np.float64


def _batches(window: Window, size: int) -> Iterator[slice]:
    """Days of the window, counted from 0, a batch at a time."""
    for first in range(window.first - 1, window.last, size):
        yield slice(first, min(first + size, window.last))


@contextlib.contextmanager
def _readers(slots: dict[str, Slot]) -> Iterator[dict[str, Reader]]:
    """A reader of each variable; files stay open meanwhile."""
    with contextlib.ExitStack() as stack:
        yield {variable: stack.enter_context(open_slot(slot)) for variable, slot in slots.items()}


def _advance(
    plan: Plan, block: Block, readers: dict[str, Reader], days: slice, stream: Stream, latitude: Array | None
) -> bool:
    """One batch; False once nothing in it or after it can change a date."""
    fine = fine_cells(block.cells, plan.coarsen)
    first = days.start == block.window.first - 1

    def get(variable: str) -> Array:
        values = coarsened(readers[variable].days(days, fine), plan.coarsen, plan.variant.single)
        if first:
            check_values(variable, values, plan.units, storage.basename(block.slots[variable].urls[0]))
        return np.ascontiguousarray(values.reshape(len(values), -1))

    tmin = get("tmin")
    if stream.needs_heat(tmin):
        dayl = get("dayl") if latitude is None else computed_dayl(latitude, days, plan)
        stream.advance(tmin, get("tmax"), dayl)
    else:
        if stream.finished:
            return False
        stream.advance(tmin, None, None)
    return True


def fine_cells(cells: tuple[slice, ...], coarsen: int) -> tuple[slice, ...]:
    """Input cells that belong to output cells."""
    return tuple(slice(c.start * coarsen, c.stop * coarsen) for c in cells)


def coarsened(values: Array, size: int, single: bool) -> Array:
    """Mean of size × size cells of the last two axes, missing cells left out."""
    if size == 1:
        return values
    *lead, rows, columns = values.shape
    boxes = values.reshape(*lead, rows // size, size, columns // size, size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # boxes without any value: NaN is what is wanted
        mean: Array = np.nanmean(boxes, axis=(-3, -1), dtype=values.dtype if single else np.float64)
    return mean.astype(values.dtype)


def check_values(variable: str, values: Array, units: Units, where: str) -> None:
    """Refuse values that cannot be in the units the file claims.

    Raises
    ------
    InputError
        Saying which units they look like.
    """
    known = np.isfinite(values)
    top = float(np.max(values, initial=-np.inf, where=known))
    if not np.isfinite(top):
        return
    if variable == "dayl":
        if units.dayl_seconds and 0 < top <= 24:
            raise InputError(
                f"{where}: dayl is said to be in seconds, but reaches only {top:.1f}: hours?", "Set its units to 'h'."
            )
        if top > (86_500 if units.dayl_seconds else 24.1):
            raise InputError(
                f"{where}: dayl reaches {top:.0f}, which is longer than a day.", "Check its units: s or h."
            )
    elif top > (70 if units.celsius else 160):
        raise InputError(
            f"{where}: {variable} reaches {top:.0f}, too hot for {'°C' if units.celsius else '°F'}: Kelvin or °F?",
            "Convert it to degrees Celsius and set its units attribute to 'degC'.",
        )
    least = float(np.min(values, initial=np.inf, where=known))
    if least < (-100 if variable != "dayl" and units.celsius else -150 if variable != "dayl" else 0):
        raise InputError(
            f"{where}: {variable} falls to {least:.0f}, which cannot be: a mark for missing values?",
            f"Set _FillValue to {least:g} in the file, so that such values count as missing.",
        )


def computed_dayl(latitude: Array, days: slice, plan: Plan) -> Array:
    """Day length of a batch from latitude, (day, cell), in the unit of the input's own [s or h]."""
    formula = daylength.FORMULAS[plan.dayl_source]
    factor = 3600.0 if plan.units.dayl_seconds else 1.0
    hours = np.stack([formula(latitude, day + 1) for day in range(days.start, days.stop)])
    return np.ascontiguousarray((hours * factor).reshape(len(hours), -1).astype(dtype(plan)))


def read_coordinate(grid: Grid, name: str, cells: tuple[slice, ...], coarsen: int) -> Array:
    """Latitude or longitude of a block, in the block's shape."""
    fine = fine_cells(cells, coarsen)
    if name in grid.planes:
        return coarsened(read_plane(grid.planes[name][0], fine), coarsen, True)
    coord = grid.coords[name]
    values = np.asarray(coord.values)[tuple(fine[grid.dims.index(d)] for d in coord.dims)]
    along = [slice(None) if d in coord.dims else None for d in grid.dims]
    full = np.broadcast_to(values[tuple(along)], tuple(c.stop - c.start for c in fine))
    return coarsened(full, coarsen, True)


def _latitude(plan: Plan, block: Block) -> Array | None:
    """Latitude of the block's cells where day length has to be computed from it."""
    if plan.dayl_source == daylength.FILE:
        return None
    latitude = read_coordinate(plan.grid, plan.grid.latitude, block.cells, plan.coarsen)
    if plan.dayl_source == daylength.TOOLBOX and np.nanmin(latitude) < 0:
        raise InputError(
            "The input reaches south of the equator, where the toolbox's day length does not hold.",
            "Give day length (dayl) with the data, or choose a --bbox in the north.",
        )
    return latitude
