"""The result store: Zarr v3, a group per year that appears only when all its blocks are written."""

from __future__ import annotations

import hashlib
import json
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs import storage
from jobs.errors import OutputError
from jobs.spring_index import model
from jobs.spring_index.source import Array, Coord, Grid

if TYPE_CHECKING:
    import dask.array as da
    import xarray as xr

    from jobs.spring_index.blocks import Block, Plan

MARKER = "zarr.json"
"""A Zarr v3 group is there once this file is: it is written last, and is the year's commit."""
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


def prepare(output: str, signature: str, overwrite: bool) -> None:
    """Make sure the store is one this run may write into, or replace with `overwrite`; changes nothing yet.

    Raises
    ------
    OutputError
        If there is something else, or a result of other options, and `overwrite` is not set.
    """
    fs, path = storage.filesystem(output)
    if not fs.exists(path) or (fs.isdir(path) and not fs.ls(path)):
        return
    if not storage.is_zarr(output):
        raise OutputError(f"{output} exists and is not a Zarr store.", "Choose another --output.")
    attrs = (storage.read_json(f"{output}/{MARKER}") or {}).get("attributes", {})
    if "springline_signature" not in attrs:
        raise OutputError(f"{output} is a Zarr store that springline did not make.", "Choose another --output.")
    if not overwrite and attrs["springline_signature"] != signature:
        raise OutputError(
            f"{output} exists and was made with other options or inputs.",
            "Add --overwrite to replace it, or choose another --output.",
        )


def start_store(output: str, attrs: Mapping[str, Any], replace: bool) -> None:
    """Write the root group, in place of the old store with `replace`."""
    if replace:
        storage.remove(output)
    document = {"zarr_format": 3, "node_type": "group", "attributes": dict(attrs)}
    storage.write_json(f"{output}/{MARKER}", document)


def consolidate(output: str) -> None:
    """Gather the metadata of all complete years at the root, where xarray looks for it first."""
    import zarr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that version 3 of Zarr does not specify it yet; readers may ignore it
        try:
            zarr.consolidate_metadata(output, zarr_format=3)
        except OSError as error:
            raise OutputError(f"{output} cannot be written: {error}", "The same command goes on from here.") from error


def year_done(output: str, year: int) -> dict[str, Any] | None:
    """Attributes of a year that is complete, else None."""
    document = storage.read_json(f"{output}/{year}/{MARKER}")
    return None if document is None else dict(document.get("attributes", {}))


def start_year(plan: Plan, year: int, chunks: tuple[int, ...], attrs: Mapping[str, Any]) -> bytes:
    """Lay out a year's arrays, empty; returns the marker that makes the group appear."""
    target = f"{plan.output}/{year}"
    storage.remove(target)
    with tempfile.TemporaryDirectory() as scratch:
        _template(plan, chunks, attrs).to_zarr(
            scratch, mode="w", compute=False, zarr_format=3, consolidated=False, encoding=_encoding(plan, chunks)
        )
        files = {p.relative_to(scratch).as_posix(): p.read_bytes() for p in Path(scratch).rglob("*") if p.is_file()}
    marker = files.pop(MARKER)
    for name, content in files.items():
        storage.write_bytes(f"{target}/{name}", content)
    return marker


def write_block(plan: Plan, block: Block, arrays: Mapping[str, Array]) -> None:
    """Put the arrays of a block in their place; blocks and chunks coincide, so no two tasks touch one chunk."""
    import zarr

    group = f"{plan.output.rstrip('/')}/{block.year}"
    for name, values in arrays.items():
        lead = (slice(None),) * (values.ndim - len(block.cells))
        zarr.open_array(f"{group}/{name}", mode="r+")[(*lead, *block.cells)] = values


def finish_year(output: str, year: int, marker: bytes, facts: Mapping[str, Any]) -> None:
    """Make a year appear, with what was found while computing it."""
    document = json.loads(marker)
    document["attributes"] |= dict(facts)
    storage.write_json(f"{output}/{year}/{MARKER}", document)


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


def _template(plan: Plan, chunks: tuple[int, ...], attrs: Mapping[str, Any]) -> xr.Dataset:
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
    return xr.Dataset(data, coords, dict(attrs))


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


def signature(values: Mapping[str, Any]) -> str:
    """A short name for what must not change between runs into one store."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]
