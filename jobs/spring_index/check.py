"""A first look at values, before anything is scheduled: what is wrong with all files is said at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np

from jobs import storage
from jobs.errors import InputError
from jobs.spring_index import daylength
from jobs.spring_index.blocks import Block
from jobs.spring_index.planning import Run
from jobs.spring_index.readers import PointReader, Reader, open_dataset
from jobs.spring_index.source import CSV, Slot
from jobs.spring_index.values import check_values, fine_cells
from jobs.spring_index.work import Region


def refuse_unusable(run: Run) -> None:
    """Look at a day of one block of each region, and at its latitudes; each block is checked as it is read.

    Raises
    ------
    InputError
        For values that cannot be in the units the files claim, and where day length cannot be computed.
    """
    seen = set()
    for region, year, known in run.years():
        if known.attrs is None and region.name not in seen and all(slot.is_seen for slot in year.slots.values()):
            seen.add(region.name)
            names = [name for name, _ in region.blocks()]
            _refuse_south(region)
            _refuse_units(region, region.block(year, names[len(names) // 2]))


def _refuse_units(region: Region, block: Block) -> None:
    day = slice(block.window.first - 1, block.window.first)
    for variable, slot in block.slots.items():
        with contextlib.suppress(OSError), _reader(slot) as reader:  # damage is told of, block by block
            values = reader.days(day, fine_cells(block.cells, region.plan.coarsen))
            check_values(variable, values, region.plan.units, storage.basename(slot.urls[0]))


@contextlib.contextmanager
def _reader(slot: Slot) -> Iterator[Reader]:
    """One that starts sooner than the one that reads many days."""
    if slot.kind == CSV:
        yield PointReader(slot)
        return
    with open_dataset(slot.urls[0], slot.kind) as dataset:
        yield Reader(slot, dataset[slot.variable].variable)


def _refuse_south(region: Region) -> None:
    plan = region.plan
    latitude = plan.grid.coords.get(plan.grid.latitude)
    if plan.dayl_source == daylength.TOOLBOX and latitude and np.nanmin(latitude.values) < 0:
        raise InputError(
            "The input reaches south of the equator, where the toolbox's day length does not hold.",
            "Give day length (dayl) with the data, or choose a --bbox in the north.",
        )
