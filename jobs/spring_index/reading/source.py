"""What the inputs hold, as values that travel to a worker: grid, years, units, and where each day lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.spring_index.science.stream import Units

Array = npt.NDArray[Any]
NETCDF, ZARR, CSV = "netcdf", "zarr", "csv"


@dataclass(frozen=True)
class Coord:
    """A coordinate kept in memory: all one-dimensional ones, and none that are two-dimensional."""

    dims: tuple[str, ...]
    values: Array
    attrs: Mapping[str, Any]


@dataclass(frozen=True)
class Slot:
    """A variable's place: one file or store, or one file per point."""

    urls: tuple[str, ...]
    kind: str
    variable: str
    first: int = 0
    """Index of 1 January on the file's time axis (a point file: the year itself)."""
    days: int = 0
    """Days the year has from there on."""
    offset: tuple[int, ...] = ()
    """Index of the grid's first cell in the file."""
    is_seen: bool = True
    """False: what it holds is known from its name; it has to be looked into before it is read."""


@dataclass(frozen=True)
class Grid:
    """The cells: names and sizes of the space dimensions, coordinates, map projection."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    coords: Mapping[str, Coord]
    planes: Mapping[str, tuple[Slot, Mapping[str, Any]]]
    """Two-dimensional latitude and longitude: read block by block."""
    mapping: tuple[str, Mapping[str, Any]] | None = None
    latitude: str = ""
    longitude: str = ""

    @property
    def is_points(self) -> bool:
        """Whether the input is a list of places instead of a grid."""
        return self.dims == ("point",)

    @property
    def cells(self) -> int:
        """Number of cells."""
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class Collection:
    """All that a run reads."""

    grid: Grid
    years: Mapping[int, Mapping[str, Slot]]
    """Year → variable (`tmin`, `tmax`, `dayl` unless computed) → place."""
    units: Units
    dayl_source: str
    """`file`, or the name of a formula in `daylength`."""
    source: str = ""
    """What the data say they are."""
    chunks: tuple[int, ...] = ()
    """Chunks of the space dimensions on disk."""

    def cut(self, window: tuple[slice, ...]) -> Collection:
        """The collection restricted to a rectangle of its cells."""
        years = {y: {v: cut_slot(s, window) for v, s in slots.items()} for y, slots in self.years.items()}
        return replace(self, grid=cut_grid(self.grid, window), years=years)


def cut_slot(slot: Slot, window: tuple[slice, ...]) -> Slot:
    """The same variable, beginning at another cell."""
    if slot.kind == CSV:
        return replace(slot, urls=slot.urls[window[0]])
    before = slot.offset or (0,) * len(window)
    return replace(slot, offset=tuple(o + w.start for o, w in zip(before, window, strict=True)))


def cut_grid(grid: Grid, window: tuple[slice, ...]) -> Grid:
    """The same grid, restricted to a rectangle of its cells."""
    by_dim = dict(zip(grid.dims, window, strict=True))
    coords = {
        name: replace(coord, values=coord.values[tuple(by_dim[d] for d in coord.dims)])
        for name, coord in grid.coords.items()
    }
    planes = {name: (cut_slot(slot, window), attrs) for name, (slot, attrs) in grid.planes.items()}
    shape = tuple(len(range(n)[w]) for n, w in zip(grid.shape, window, strict=True))
    return replace(grid, coords=coords, planes=planes, shape=shape)
