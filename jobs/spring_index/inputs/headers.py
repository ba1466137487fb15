"""A look into one file or store: its grid, variables, units and years. No values are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs import storage
from jobs.errors import InputError
from jobs.spring_index.inputs.calendars import YearDays, days_of_years
from jobs.spring_index.reading.readers import open_dataset, unread
from jobs.spring_index.reading.source import NETCDF, ZARR, Coord, Grid, Slot
from jobs.spring_index.science.stream import Units

if TYPE_CHECKING:
    import xarray as xr

VARIABLES = ("tmin", "tmax", "dayl")
CELSIUS = {"degrees c", "degree c", "deg c", "degc", "c", "°c", "celsius", "degrees celsius", "degree celsius"}
FAHRENHEIT = {
    "degrees f",
    "degree f",
    "deg f",
    "degf",
    "f",
    "°f",
    "fahrenheit",
    "degrees fahrenheit",
    "degree fahrenheit",
}
SECONDS, HOURS = {"s", "sec", "second", "seconds"}, {"h", "hr", "hour", "hours"}


@dataclass(frozen=True)
class Part:
    """What one file or store brings."""

    url: str
    kind: str
    grid: Grid
    variables: dict[str, str]
    """Variable → its units."""
    years: dict[int, YearDays]
    source: str
    chunks: tuple[int, ...]
    is_seen: bool = True
    """False: taken to be like another one, by its name."""


def look_into(url: str) -> Part:
    """Look into one file or store.

    Raises
    ------
    InputError
        If it cannot be used.
    DamagedError
        If it is not whole.
    """
    kind = ZARR if storage.is_zarr(url) else NETCDF
    with open_dataset(url, kind) as dataset:
        try:
            return _part(dataset, url, kind)
        except (OSError, RuntimeError) as error:  # coordinates are read here
            raise unread(url, error) from error


def _part(dataset: xr.Dataset, url: str, kind: str) -> Part:
    name = storage.basename(url)
    found = [v for v in VARIABLES if v in dataset.data_vars]
    if not found:
        raise InputError(
            f"{name} holds none of tmin, tmax and dayl, but: {', '.join(map(str, dataset)) or 'nothing'}.",
            "Give spring-index only files it can use, or rename the variables.",
        )
    array = dataset[found[0]]
    grid = _grid(dataset, array, url, kind)
    time = dataset[array.dims[0]]
    attrs = time.attrs
    years = days_of_years(time.values, attrs.get("units", ""), attrs.get("calendar", "standard"), name)
    units = {v: str(dataset[v].attrs.get("units", "")) for v in found}
    source = str(dataset.attrs.get("source", dataset.attrs.get("title", "")))
    return Part(url, kind, grid, units, years, source, _chunks(array))


_look_once = lru_cache(16)(look_into)


def check_unseen(slot: Slot, year: int, grid: Grid, units: Units) -> None:
    """Look into a file that was planned by its name alone; once in a process, before its first block is read.

    Raises
    ------
    InputError
        If it is not what the plan took it to be.
    """
    if slot.is_seen:
        return
    part, name = _look_once(slot.urls[0]), storage.basename(slot.urls[0])
    if slot.variable not in part.variables:
        raise InputError(f"{name} holds no {slot.variable}, but: {', '.join(part.variables)}.", "Is it the right file?")
    if part.years.get(year) != YearDays(slot.first, slot.days):
        raise InputError(f"{name} does not hold the {slot.days} days of {year}.", "Is it cut off, or of another year?")
    for dim, offset, size in zip(grid.dims, slot.offset or (0,) * len(grid.dims), grid.shape, strict=True):
        ours, theirs = grid.coords.get(dim), part.grid.coords.get(dim)
        values = np.arange(part.grid.shape[grid.dims.index(dim)]) if theirs is None else theirs.values
        cut = values[offset : offset + size]
        if len(cut) != size or (ours and theirs and not np.array_equal(cut, ours.values)):
            raise InputError(
                f"{name} lies on another grid: its {dim} is not that of the other files.", "Take it out, or cut it."
            )
    theirs_too = units_of([replace(part, variables={slot.variable: part.variables[slot.variable]})])
    field = "dayl_seconds" if slot.variable == "dayl" else "celsius"
    if getattr(theirs_too, field) != getattr(units, field):
        raise InputError(f"{name} is in other units than the other files.", "Convert it first.")


def _chunks(array: xr.DataArray) -> tuple[int, ...]:
    """Chunks on disk, time first; empty if not chunked."""
    chunks = array.encoding.get("chunksizes") or array.encoding.get("chunks") or ()
    return tuple(int(c) for c in chunks)


def _grid(dataset: xr.Dataset, array: xr.DataArray, url: str, kind: str) -> Grid:
    """Space dimensions and coordinates of a variable (time, …)."""
    dims = tuple(map(str, array.dims))
    if dims[0] not in ("time", "day") or len(dims) not in (2, 3):
        raise InputError(
            f"{storage.basename(url)}: {array.name} has dimensions ({', '.join(dims)}).",
            "spring-index reads (time, y, x), (time, lat, lon) or (time, point).",
        )
    ours = ("y", "x") if len(dims) == 3 else ("point",)
    rename = dict(zip(dims[1:], ours, strict=True))
    coords, planes, names = {}, {}, {}
    for variable in dataset.variables:
        values = dataset[variable]
        over = tuple(rename.get(str(d), "") for d in values.dims)
        if not over or "" in over:
            continue
        for axis in ("latitude", "longitude"):
            if axis in (values.attrs.get("standard_name"), values.attrs.get("long_name")) or variable in (
                axis,
                axis[:3],
            ):
                names[axis] = rename.get(str(variable), str(variable)) if len(over) == 1 else str(variable)
        if len(over) == 1:
            coords[rename.get(str(variable), str(variable))] = Coord(over, values.values, _clean(values.attrs))
        elif str(variable) in names.values():
            planes[str(variable)] = (Slot((url,), kind, str(variable)), _clean(values.attrs))
    mapping = str(array.attrs.get("grid_mapping", ""))
    projection = (mapping, _clean(dataset[mapping].attrs)) if mapping in dataset.variables else None
    shape = tuple(int(n) for n in array.shape[1:])
    return Grid(ours, shape, coords, planes, projection, names.get("latitude", ""), names.get("longitude", ""))


def _clean(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Attributes as JSON values, without the ones that belong to the storage."""
    gone = ("_FillValue", "missing_value", "_ChunkSizes", "coordinates", "grid_mapping", "bounds", "DIMENSION_LABELS")
    return {k: v.tolist() if hasattr(v, "tolist") else v for k, v in attrs.items() if k not in gone}


def units_of(parts: Iterable[Part]) -> Units:
    """Units of the input, all files alike."""
    celsius, seconds = set(), set()
    for part in parts:
        for variable, text in part.variables.items():
            where, unit = storage.basename(part.url), text.strip().lower().replace("_", " ")
            if variable == "dayl":
                seconds.add(_choose(unit or "s", SECONDS, HOURS, f"{where}: dayl is in {text!r}", "s or h"))
            else:
                celsius.add(
                    _choose(unit or "c", CELSIUS, FAHRENHEIT, f"{where}: {variable} is in {text!r}", "degC or degF")
                )
    if len(celsius) > 1 or len(seconds) > 1:
        raise InputError("The files are in different units.", "Convert them to degrees Celsius and seconds first.")
    return Units(celsius.pop() if celsius else True, seconds.pop() if seconds else True)


def _choose(unit: str, yes: set[str], no: set[str], what: str, known: str) -> bool:
    if unit in yes or unit in no:
        return unit in yes
    kelvin = " (Kelvin: subtract 273.15)" if unit in {"k", "kelvin", "degk", "degrees k", "deg k"} else ""
    raise InputError(f"{what}; spring-index reads {known}.", f"Convert it and set its units attribute{kelvin}.")
