"""A first look at values, before anything is scheduled: what is wrong with all files is said at once."""

from __future__ import annotations

import contextlib

from jobs import storage
from jobs.spring_index.planning import Run
from jobs.spring_index.reading.blocks import Block
from jobs.spring_index.reading.daylight import refuse_south
from jobs.spring_index.reading.readers import open_slot
from jobs.spring_index.reading.values import check_values, fine_cells
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
            grid = region.plan.grid
            if latitude := grid.coords.get(grid.latitude):
                refuse_south(region.plan, latitude.values)
            _refuse_units(region, region.block(year, names[len(names) // 2]))


def _refuse_units(region: Region, block: Block) -> None:
    day = slice(block.window.first - 1, block.window.first)
    for variable, slot in block.slots.items():
        with contextlib.suppress(OSError), open_slot(slot, once=True) as reader:  # damage is told of, block by block
            values = reader.days(day, fine_cells(block.cells, region.plan.coarsen))
            check_values(variable, values, region.plan.units, storage.basename(slot.urls[0]))
