"""A block of cells carried through its days, batch by batch: memory holds a state per cell, never a year."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.spring_index.science import model
from jobs.spring_index.science.light import Light, by_value, in_patches, runs
from jobs.spring_index.science.model import Variant, Window

Array = npt.NDArray[Any]
TILE = 3072
"""Cells that go through a batch together: their state (0.14 MB) stays in the processor's cache, and the weather of
neighbours is much alike, which the kernels make use of."""
ROWS = 8
"""A tile of fewer rows than these is a strip, not a patch, and worth gathering from elsewhere; see `in_patches`."""


@dataclass(frozen=True)
class Units:
    """Units of the input: `celsius` or °F for temperatures, seconds per unit of day length."""

    celsius: bool = True
    dayl_seconds: bool = True


@dataclass(frozen=True)
class Dates:
    """What the model says of a block: float64 days of year from 1 (NaN = no event), cells along the last axis."""

    leaf: Array
    """(plant, cell)"""
    bloom: Array
    """(plant, cell)"""
    last_freeze: Array
    """(cell)"""
    seen: Array
    """(cell) bit 1: had a value, bit 2: had a missing day before its last bloom"""

    @property
    def gap_cells(self) -> int:
        """Cells with data in which at least one day was missing before the last bloom."""
        return int((self.seen == 3).sum())

    @property
    def valid_cells(self) -> int:
        """Cells that had at least one complete day."""
        return int(((self.seen & 1) == 1).sum())


def plant_index(dates: Array) -> Array:
    """Mean of the three plants (first axis), rounded to whole days; NaN where a plant has no date."""
    index: Array = np.round(dates.mean(axis=0))
    return index


class Stream:
    """The state of a block of cells between two batches of days.

    Parameters
    ----------
    variant, window
        The formulation and the days of year it looks at.
    cells
        Number of cells in the block.
    units
        Units of the arrays handed to `advance`.
    dtype
        Type of the input arrays; decides the arithmetic of variants with `single`.
    light
        Day lengths that cells share; with its `lengths`, `advance` needs none.
    width
        Cells of a row of the block, if they lie in rows.
    """

    def __init__(
        self,
        variant: Variant,
        window: Window,
        cells: int,
        units: Units = Units(),
        dtype: npt.DTypeLike = np.float32,
        light: Light | None = None,
        width: int | None = None,
    ) -> None:
        from jobs.spring_index.science import kernel

        self.kernel, self.light, self.width = kernel, light, width or cells
        self.variant, self.window, self.day = variant, window, window.first
        self.state = kernel.new_state(cells, TILE)
        real = np.float32 if variant.single and np.dtype(dtype) == np.float32 else np.float64
        scale, offset = (1.8, 32.0) if units.celsius else (1.0, 0.0)
        self.units = (real(scale), real(offset), real(3600.0 if units.dayl_seconds else 1.0))
        self.rule = kernel.Rule(*(getattr(variant, name) for name in kernel.Rule._fields))
        # v >= t and v > (the number just below t) are the same test; the kernels know only the second.
        self.above = model.TRIGGER if variant.strict_trigger else math.nextafter(model.TRIGGER, -math.inf)
        self.in_order = self.width * ROWS <= TILE or self.width == cells
        self.shared, self.own, self.search = self._runs(), light is None, light is None

    def _runs(self) -> tuple[Array, ...]:
        """The runs of cells that share a day length, as `kernel.Runs` has them."""
        if self.light is None:
            none = np.zeros(0, np.int64)
            return none, none.astype(np.int32), none, none  # of the types they have else: one kernel serves both
        groups = self.light.groups[self.state.order]
        starts, tiles = runs(groups, TILE)
        return starts, groups[starts[:-1]], tiles, self.light.cells

    def _arrange(self, tmin: Array) -> None:
        """On the first days: make patches of the cells."""
        groups = self.light.groups if self.light else np.zeros(self.state.cells, np.int32)
        self.state.order[:] = in_patches(groups, np.logical_and.reduce(np.isnan(tmin)), self.width, TILE)
        self.kernel.block_needs(tmin, self.variant.gap_counts_zero, self.state)

    def needs_heat(self, tmin: Array) -> bool:
        """Whether the batch that begins with these minima, (day, cell), needs maxima and day lengths too."""
        self.kernel.block_needs(np.ascontiguousarray(tmin), self.variant.gap_counts_zero, self.state)
        return bool((self.state.needs == self.kernel.COMPUTE).any())

    def advance(self, tmin: Array, tmax: Array | None, dayl: Array | None) -> None:
        """Take the block through the days of these arrays, (day, cell); `needs_heat` says if one is enough.

        Day lengths may be None where the `light` of the stream has its own; those given count, whatever it has.
        """
        kernel, day, told = self.kernel, self.day, dayl is not None
        low = np.ascontiguousarray(tmin)
        high, length = (low if days is None else np.ascontiguousarray(days) for days in (tmax, dayl))
        searched, self.search = self.search and told, self.search and not told
        if searched:
            self.light = by_value(length[0])
        arranged = day == self.window.first and not self.in_order
        if arranged:
            self._arrange(low)
        if searched or arranged:
            self.shared = self._runs()
        if not self.variant.zero_based:
            kernel.block_freezes(day, low, _highest_freezing(low.dtype, self.units), self.state)
        light = kernel.Runs(self.light is not None, told, *self.shared)
        batch = kernel.Batch(
            day, self.window.first, self.in_order, low, high, length, self.units, self.rule, light,
            LEAF_WEIGHTS, BLOOM_WEIGHTS, self.above,
        )  # fmt: skip
        kernel.block_days(batch, self._lengths(length, told), self.state)
        self.day += len(low)
        # Cells of a group may part, as after a polar night: the next batch tells which stay together.
        strange = self.state.counts[:, kernel.STRANGE]
        self.search |= self.own and bool(strange.any())
        strange[:] = 0

    def _lengths(self, dayl: Array, told: bool) -> Array:
        """Day lengths of the groups on the days of a batch."""
        if self.light is None or self.light.lengths is None or told:
            return np.ascontiguousarray(dayl[:, self.shared[3]])  # numpy gives columns: kernels for them, too
        return self.light.lengths[self.day - 1 : self.day - 1 + len(dayl)]

    @property
    def finished(self) -> bool:
        """Whether no day to come can change a date, as of the last `needs_heat`."""
        return self.variant.zero_based and not (self.state.needs != 0).any()

    def result(self) -> Dates:
        """The dates found so far."""
        k = self.kernel
        dates = k.block_dates(self.state)
        found = np.concatenate([dates[: k.SEEN], self.state.freeze[None]]).astype(np.float64)
        found[found <= 0] = np.nan
        if self.variant.zero_based:
            found -= 1.0
        seen = dates[k.SEEN] | self.state.holes * np.int16(k.SEEN_GAP)
        return Dates(found[k.LEAF : k.LEAF + 3], found[k.BLOOM : k.BLOOM + 3], found[-1], seen)


def _highest_freezing(dtype: np.dtype[Any], units: tuple[Any, ...]) -> Any:  # noqa: ANN401 - of that type
    """The highest minimum that is a hard freeze, as the kernels' arithmetic would have it."""
    real = dtype.type if dtype.kind == "f" else np.float64
    limit = real((28.0 - units[1]) / units[0])
    while np.float64(limit * units[0] + units[1]) > 28.0:
        limit = np.nextafter(limit, real(-np.inf))
    while np.float64(np.nextafter(limit, real(np.inf)) * units[0] + units[1]) <= 28.0:
        limit = np.nextafter(limit, real(np.inf))
    return limit


LEAF_WEIGHTS = np.array(model.LEAF_WEIGHTS)
BLOOM_WEIGHTS = np.array(model.BLOOM_WEIGHTS)


def spring_dates(
    tmin: Array,
    tmax: Array,
    dayl: Array,
    variant: Variant = model.CORRECTED,
    window: Window | None = None,
    units: Units = Units(),
    batch: int = 16,
) -> Dates:
    """Leaf, bloom and freeze dates of whole arrays.

    Parameters
    ----------
    tmin, tmax, dayl
        (day, ...) from 1 January: temperatures and day lengths in `units`.
    batch
        Days per step; the dates do not depend on it.

    Returns
    -------
    Dates
        With all axes but the first flattened into cells.
    """
    window = window or variant.window
    window = Window(window.first, min(window.last, len(tmin)))
    low, high, light = (np.reshape(a, (len(a), -1)) for a in (tmin, tmax, dayl))
    stream = Stream(variant, window, low.shape[1], units, low.dtype, width=np.shape(tmin)[-1])
    for first in range(window.first - 1, window.last, batch):
        days = slice(first, min(first + batch, window.last))
        if stream.needs_heat(low[days]):
            stream.advance(low[days], high[days], light[days])
        elif stream.finished:
            break
        else:
            stream.advance(low[days], None, None)
    return stream.result()


def warm_up(variant: Variant, dtype: npt.DTypeLike) -> None:
    """Compile the kernels, or load them, before many processes would each do so."""
    days = np.zeros((9, 1), dtype)
    spring_dates(days, days + 10, days + 40_000, variant)
