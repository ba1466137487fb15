"""Which cells of a grid lie in a box of longitudes and latitudes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from jobs.errors import UsageError
from jobs.spring_index.reading.readers import read_plane
from jobs.spring_index.reading.source import CSV, Array, Collection, Grid

Box = tuple[float, float, float, float]
UNIT_METRES = {"km": 1000.0, "kilometer": 1000.0, "kilometre": 1000.0, "kilometers": 1000.0, "kilometres": 1000.0}


def clip(collection: Collection, box: Box) -> Collection:
    """The smallest rectangle of cells that holds the box (points: those inside).

    Raises
    ------
    UsageError
        If nothing is in it, or the grid does not tell where it is.
    """
    grid = collection.grid
    if grid.is_points:
        return _clip_points(collection, box)
    inside = _projected(grid, box) or _by_degrees(grid, box)
    if inside is None:
        raise UsageError("--bbox: the input has neither a map projection nor latitude and longitude.", "Leave it out.")
    rows, columns = inside
    if not (rows.any() and columns.any()):
        raise UsageError(
            f"--bbox {','.join(f'{b:g}' for b in box)} holds no cell of the input.", "Check its order: W,S,E,N."
        )
    return collection.cut((_span(rows), _span(columns)))


def _span(inside: Array) -> slice:
    at = np.flatnonzero(inside)
    return slice(int(at[0]), int(at[-1]) + 1)


def _projected(grid: Grid, box: Box) -> tuple[Array, Array] | None:
    """Rows and columns, from the projection of the grid."""
    if grid.mapping is None or not {"x", "y"} <= set(grid.coords):
        return None
    from pyproj import CRS, Transformer

    forward = Transformer.from_crs("EPSG:4326", CRS.from_cf(dict(grid.mapping[1])), always_xy=True)
    left, bottom, right, top = forward.transform_bounds(*box)
    return _between(grid, "y", bottom, top), _between(grid, "x", left, right)


def metres(grid: Grid, name: str) -> Array:
    """A projected coordinate in metres."""
    coord = grid.coords[name]
    return np.asarray(coord.values, np.float64) * UNIT_METRES.get(str(coord.attrs.get("units", "m")).lower(), 1.0)


def _between(grid: Grid, name: str, low: float, high: float) -> Array:
    """Cells whose area touches [low, high]."""
    at = metres(grid, name)
    half = abs(at[1] - at[0]) / 2 if len(at) > 1 else 0.0
    inside: Array = (at > low - half) & (at < high + half)
    return inside


def _by_degrees(grid: Grid, box: Box) -> tuple[Array, Array] | None:
    """Rows and columns, from latitude and longitude of the cells."""
    if not (grid.latitude and grid.longitude):
        return None
    full = tuple(slice(0, n) for n in grid.shape)
    if grid.latitude in grid.planes:
        lat, lon = (read_plane(grid.planes[n][0], full) for n in (grid.latitude, grid.longitude))
    else:
        lat, lon = np.meshgrid(grid.coords[grid.latitude].values, grid.coords[grid.longitude].values, indexing="ij")
    inside = _inside(lat, lon, box)
    return np.asarray(inside.any(axis=1)), np.asarray(inside.any(axis=0))


def _inside(lat: Array, lon: Array, box: Box) -> Array:
    west, south, east, north = box
    lon = (np.asarray(lon) + 180.0) % 360.0 - 180.0
    return (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)


def _clip_points(collection: Collection, box: Box) -> Collection:
    """The points inside the box."""
    grid = collection.grid
    if not (grid.latitude and grid.longitude):
        raise UsageError("--bbox: the points have no latitude and longitude.", "Leave it out.")
    keep = _inside(grid.coords[grid.latitude].values, grid.coords[grid.longitude].values, box)
    slots = next(iter(collection.years.values())).values()
    if not keep.any() or any(slot.kind != CSV for slot in slots):
        raise UsageError("--bbox holds no point, or the points come in one store.", "Select them before the run.")
    coords = {name: replace(c, values=np.asarray(c.values)[keep]) for name, c in grid.coords.items()}
    years = {
        y: {v: replace(s, urls=tuple(u for u, k in zip(s.urls, keep, strict=True) if k)) for v, s in slots.items()}
        for y, slots in collection.years.items()
    }
    return replace(collection, grid=replace(grid, shape=(int(keep.sum()),), coords=coords), years=years)
