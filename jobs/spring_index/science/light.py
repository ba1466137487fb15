"""Day lengths that cells share: groups of cells with one length a day, from a formula or from the data's own days.

The hours of a day depend on its length alone, so what cells share is computed once for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.spring_index.science import daylength

Array = npt.NDArray[Any]
WORTH = 8
"""Neighbours of one group, on average, from which on sharing pays."""
DAYS = 366


@dataclass(frozen=True)
class Light:
    """Groups of cells that share their day lengths."""

    groups: Array
    """(cell,) int32: the group of each cell, a column of `lengths`."""
    lengths: Array | None = None
    """(day of year − 1, group): day lengths in the unit and type of the input's own, NaN = unknown; without it the
    groups are only what the days handed to `Stream.advance` are expected, and checked, to share."""

    @cached_property
    def cells(self) -> Array:
        """A cell of each group."""
        return _first_cells(self.groups)

    def day(self, day: int) -> Array:
        """Day length of every cell on a day of year, counted from 1, in the unit and type of the input's own."""
        assert self.lengths is not None
        values: Array = self.lengths[day - 1][self.groups]
        return values

    def errors(self, dayl: Array, day: int, seconds: bool = True) -> Array:
        """How far the groups are from these day lengths, one per cell, of a day of year [s]; NaN where either is."""
        off: Array = np.abs(np.asarray(dayl, np.float64).ravel() - self.day(day)) * (1.0 if seconds else 3600.0)
        return off


def by_value(values: Array) -> Light | None:
    """Groups of cells that have the same value on one day; None where too few neighbours do.

    Parameters
    ----------
    values
        Day lengths of one day, or whatever else decides on them, in any shape.
    """
    groups = _numbered(np.ravel(values))
    return None if groups is None else Light(groups)


def by_latitude(latitude: Array, source: str, dtype: npt.DTypeLike = np.float32, seconds: bool = True) -> Light | None:
    """Groups by a formula of `daylength`; None where too few neighbours share a latitude, or Daymet's step of one.

    Parameters
    ----------
    latitude
        [degrees north], in any shape.
    source
        `daylength.DAYMET` or `daylength.TOOLBOX`.
    dtype, seconds
        Type of the input's arrays, and whether its day lengths are in seconds or hours.
    """
    flat = np.ravel(latitude)
    groups = _numbered(daylength.daymet_step(flat) if source == daylength.DAYMET else flat)
    if groups is None:
        return None
    one = flat[_first_cells(groups)]
    return Light(groups, _table(lambda day: daylength.FORMULAS[source](one, day), dtype, seconds))


def by_daymet_day(dayl: Array, day: int, dtype: npt.DTypeLike = np.float32, seconds: bool = True) -> Light | None:
    """Groups by Daymet's steps of latitude, told by one day of its day lengths; cells without one have none ever.

    None where the values are not Daymet version 4's, or do not tell: near an equinox, in polar day and night.

    Parameters
    ----------
    dayl
        Day lengths of that day, in any shape.
    day
        Day of year from 1, best near a solstice.
    """
    steps = daylength.daymet_step_of(np.ravel(dayl).astype(np.float64) * (1.0 if seconds else 3600.0), day)
    if steps is None:
        return None
    groups = _numbered(steps)
    if groups is None:
        return None
    one = steps[_first_cells(groups)]
    return Light(groups, _table(lambda d: daylength.daymet_of_step(one, d), dtype, seconds))


def in_patches(groups: Array, empty: Array, width: int, tile: int) -> Array:
    """The order of cells (uint32) in which every `tile` of them are a compact patch of land, one group after the other.

    The `empty` ones, as at sea, come last, so that no patch of land waits for them. `width` cells are a row.
    """
    rows = len(groups) // width
    high = min(math.isqrt(tile), rows)
    down, across = np.arange(rows) // high, np.arange(width) // (tile // high)
    patch = (down[:, None] * (across[-1] + 1) + across).ravel() + empty * np.int64(len(groups))
    order: Array = np.argsort(patch * (groups.max() + 1) + groups, kind="stable").astype(np.uint32)
    return order


def runs(groups: Array, tile: int) -> tuple[Array, Array]:
    """Where neighbours of one group begin (with the end of all), and the first such run of every tile (and the last).

    Runs end where tiles of `tile` cells do.
    """
    edge = np.ones(len(groups) + 1, bool)
    edge[1:-1] = groups[1:] != groups[:-1]
    edge[::tile] = True
    starts = np.flatnonzero(edge)
    tiles = np.minimum(np.arange(0, len(groups) + tile, tile), len(groups))
    return starts, np.searchsorted(starts, tiles)


def _table(hours: Callable[[int], Array], dtype: npt.DTypeLike, seconds: bool) -> Array:
    """Day lengths of a year, (day, group), as the input would have them."""
    factor = 3600.0 if seconds else 1.0
    table: Array = np.stack([hours(day) * factor for day in range(1, DAYS + 1)]).astype(dtype)
    return table


def _first_cells(groups: Array) -> Array:
    """A cell of each group."""
    cells = np.empty(groups.max() + 1, np.int64)
    cells[groups[::-1]] = np.arange(len(groups) - 1, -1, -1)
    return cells


def _numbered(values: Array) -> Array | None:
    """Distinct values (NaN is one) numbered from 0; None where neighbours seldom share one."""
    if len(values) == 0:
        return None
    same = (values[1:] == values[:-1]) | ((values[1:] != values[1:]) & (values[:-1] != values[:-1]))
    if (len(values) - int(same.sum())) * WORTH > len(values) and len(values) > WORTH:
        return None
    heads = np.concatenate([values[:1], values[1:][~same]])
    number = np.unique(heads, return_inverse=True)[1].astype(np.int32)
    groups: Array = number[np.cumsum(np.concatenate([[False], ~same]))]
    return groups
