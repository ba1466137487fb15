"""Where a block's day lengths come from: a formula where it is the data's own, else the days of the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.errors import InputError
from jobs.spring_index.reading.ahead import Days
from jobs.spring_index.reading.blocks import Block, Plan
from jobs.spring_index.reading.values import read_coordinate
from jobs.spring_index.science import daylength, light
from jobs.spring_index.science.light import Light

Array = npt.NDArray[Any]
SAMPLE = (170, 100, 0, 265)
"""Days, counted from 0, on which the file's day lengths are compared with a formula. The first tells the groups; the
second where the sun does not set on the first."""
CLOSE = 0.02
"""Most by which a day length that the formula made may differ from the file [s]: float32 has steps of 0.008 s."""


@dataclass(frozen=True)
class DayLength:
    """How a block knows its day lengths."""

    source: str
    """`file`, or the formula of `daylength` that was used."""
    groups: Light | None = None
    latitude: Array | None = None
    """Of cells that share no day lengths and have none in the file."""

    @property
    def is_read(self) -> bool:
        """Whether the file's day lengths are needed day by day."""
        return self.source == daylength.FILE

    def days(self, days: slice, plan: Plan) -> Array | None:
        """Day lengths of a batch, (day, cell), in the unit of the input's own; None where the groups know them."""
        if self.latitude is None:
            return None
        formula, factor = daylength.FORMULAS[self.source], 3600.0 if plan.units.dayl_seconds else 1.0
        hours = np.stack([formula(self.latitude, day + 1) for day in range(days.start, days.stop)])
        return np.ascontiguousarray((hours * factor).reshape(len(hours), -1).astype(plan.dtype))


def day_length(plan: Plan, block: Block, days: Days) -> DayLength:
    """Find out what the day lengths of a block are; reads a few days of them."""
    if plan.dayl_source != daylength.FILE:
        return _computed(plan, block)
    if plan.grid.is_points:
        return DayLength(daylength.FILE)
    sample = _sample(plan, block.slots["dayl"].days, days)
    days.ahead.forget("dayl")
    if not sample:
        return DayLength(daylength.FILE)
    seconds = plan.units.dayl_seconds
    for day, values in sample.items() if plan.coarsen == 1 else ():
        found = light.by_daymet_day(values, day + 1, plan.dtype, seconds)
        if found and all(_fits(found, other, known + 1, seconds) for known, other in sample.items()):
            return DayLength(daylength.DAYMET, found)
    return DayLength(daylength.FILE, light.by_value(sample.get(SAMPLE[1], sample[min(sample)])))


def _sample(plan: Plan, last: int, days: Days) -> dict[int, Array]:
    """The file's day lengths on the days of the sample it has; days that lie together on disk are read once."""
    if plan.batch > max(SAMPLE[:2]):
        together = days.get("dayl", slice(0, min(plan.batch, last)))
        return {day: together[day].copy() for day in SAMPLE if day < len(together)}
    return {day: days.get("dayl", slice(day, day + 1))[0].copy() for day in SAMPLE if day < last}


def _fits(found: Light, dayl: Array, day: int, seconds: bool) -> bool:
    """Whether a formula gives the day lengths of a day, all cells of which it says NaN included."""
    errors = found.errors(dayl, day, seconds)
    missing = np.isnan(dayl) & np.isnan(found.day(day))
    return bool(((errors <= CLOSE) | missing).all())


def _computed(plan: Plan, block: Block) -> DayLength:
    """Day lengths from the latitude of the block's cells."""
    latitude = read_coordinate(plan.grid, plan.grid.latitude, block.cells, plan.coarsen)
    refuse_south(plan, latitude)
    found = light.by_latitude(latitude, plan.dayl_source, plan.dtype, plan.units.dayl_seconds)
    return DayLength(plan.dayl_source, found, None if found else latitude)


def refuse_south(plan: Plan, latitude: Array) -> None:
    """Refuse latitudes for which day length cannot be computed.

    Raises
    ------
    InputError
        If the toolbox's formula is needed south of the equator.
    """
    if plan.dayl_source == daylength.TOOLBOX and np.nanmin(latitude) < 0:
        raise InputError(
            "The input reaches south of the equator, where the toolbox's day length does not hold.",
            "Give day length (dayl) with the data, or choose a --bbox in the north.",
        )
