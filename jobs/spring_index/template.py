"""The arrays of a year: names, dimensions, chunks, attributes and coordinates, without values."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.spring_index.reading.blocks import Plan
from jobs.spring_index.reading.source import Array, Coord, Grid
from jobs.spring_index.science import model

if TYPE_CHECKING:
    import dask.array as da
    import xarray as xr

TITLES = {
    "first_leaf": "day of first leaf",
    "first_bloom": "day of first bloom",
    "leaf_index": "leaf index: mean first leaf of the three plants",
    "bloom_index": "bloom index: mean first bloom of the three plants",
    "last_freeze": "last day with a minimum of −2.2 °C (28 °F) or less",
    "damage": "leaf index minus last freeze: negative where frost followed the leaves",
}
RSDAT_PLANTS = ("lilac", "arnold red", "zabelli", "mean")


def variables(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Name → dimensions of the result variables."""
    space = plan.grid.dims
    if plan.variant.zero_based:
        return {"first-leaf": ("plant", *space), "first-bloom": ("plant", *space)}
    found = {"first_leaf": ("plant", *space), "first_bloom": ("plant", *space), "last_freeze": space}
    if len(plan.plants) == len(model.PLANTS):
        found |= {"leaf_index": space, "bloom_index": space, "damage": space}
    return found


def files(plan: Plan, chunks: tuple[int, ...]) -> dict[str, bytes]:
    """The files of a year without values: the same for all years of a grid."""
    with tempfile.TemporaryDirectory() as scratch:
        _template(plan, chunks).to_zarr(
            scratch, mode="w", compute=False, zarr_format=3, consolidated=False, encoding=_encoding(plan, chunks)
        )
        return {p.relative_to(scratch).as_posix(): p.read_bytes() for p in Path(scratch).rglob("*") if p.is_file()}


def coarse_grid(grid: Grid, size: int) -> Grid:
    """The grid of means of size × size cells; a rest at the far edges is left out."""
    if size == 1:
        return grid
    shape = tuple(n // size for n in grid.shape)
    coords = {
        name: Coord(c.dims, _mean(c.values, size), c.attrs)
        for name, c in grid.coords.items()
        if np.issubdtype(np.asarray(c.values).dtype, np.number)
    }
    return Grid(grid.dims, shape, coords, grid.planes, grid.mapping, grid.latitude, grid.longitude)


def _mean(values: Array, size: int) -> Array:
    means: Array = values[: len(values) // size * size].reshape(-1, size).mean(axis=1)
    return means


def _template(plan: Plan, chunks: tuple[int, ...]) -> xr.Dataset:
    """The year as a lazy dataset without values."""
    import dask.array as da
    import xarray as xr

    grid = coarse_grid(plan.grid, plan.coarsen)
    sizes = dict(zip(grid.dims, grid.shape, strict=True)) | {
        "plant": 4 if plan.variant.zero_based else len(plan.plants)
    }
    chunk = dict(zip(grid.dims, chunks, strict=True)) | {"plant": 1}
    dtype = np.float64 if plan.variant.zero_based else np.float32

    def empty(dims: tuple[str, ...], kind: type[np.floating[Any]]) -> da.Array:
        shape, blocks = [sizes[d] for d in dims], [chunk[d] for d in dims]
        return da.full(shape, np.nan, dtype=kind, chunks=blocks)  # type: ignore[no-any-return]

    data = {n: xr.Variable(d, empty(d, dtype), _attrs(plan, n)) for n, d in variables(plan).items()}
    coords = {n: xr.Variable(c.dims, _portable(c.values), dict(c.attrs)) for n, c in grid.coords.items()}
    coords |= {n: xr.Variable(grid.dims, empty(grid.dims, np.float32), dict(a)) for n, (_, a) in grid.planes.items()}
    plants = RSDAT_PLANTS if plan.variant.zero_based else plan.plants
    coords["plant"] = xr.Variable(
        ("plant",), _portable(np.array(plants)), {"long_name": "plant", "names": _names(plan)}
    )
    if grid.mapping:
        coords[grid.mapping[0]] = xr.Variable((), np.int32(0), dict(grid.mapping[1]))
    return xr.Dataset(data, coords)


def _portable(values: Array) -> Array:
    """Text of variable length, which Zarr v3 specifies; numpy's fixed-width text it does not."""
    array = np.asarray(values)
    return array.astype(object) if array.dtype.kind in "US" else array


def _names(plan: Plan) -> str:
    return "; ".join(f"{p}: {model.PLANT_NAMES[p]}" for p in plan.plants)


def _attrs(plan: Plan, name: str) -> dict[str, Any]:
    """CF attributes of a result variable."""
    days = "day" if name == "damage" else "1"  # xarray turns the plural into timedeltas
    attrs: dict[str, Any] = {"long_name": TITLES[name.replace("-", "_")], "units": days}
    if plan.variant.zero_based:
        attrs["comment"] = "array index as in the RS-DAT tutorial: day of year minus one; NaN: no event"
    elif name != "damage":
        attrs["comment"] = "day of year, 1 = 1 January; NaN: no event in the window, or data missing"
    if plan.grid.mapping:
        attrs["grid_mapping"] = plan.grid.mapping[0]
    return attrs


def _encoding(plan: Plan, chunks: tuple[int, ...]) -> dict[str, Any]:
    """Chunks of the result variables and planes: the blocks of the run."""
    dims = variables(plan) | dict.fromkeys(plan.grid.planes, plan.grid.dims)
    lead = {len(plan.grid.dims): (), len(plan.grid.dims) + 1: (1,)}
    return {name: {"chunks": (*lead[len(d)], *chunks)} for name, d in dims.items()}
