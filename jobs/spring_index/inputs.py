"""From files, directories, globs, URLs and stores to a checked collection of years on one grid."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs import storage
from jobs.errors import InputError
from jobs.spring_index import daylength
from jobs.spring_index.calendars import YearDays, days_of_years
from jobs.spring_index.pixels import Pixel, read_pixel
from jobs.spring_index.readers import open_dataset
from jobs.spring_index.source import CSV, NETCDF, ZARR, Collection, Coord, Grid, Slot
from jobs.spring_index.stream import Units

if TYPE_CHECKING:
    import xarray as xr

SUFFIXES = (".nc", ".nc4", ".csv")
VARIABLES = ("tmin", "tmax", "dayl")
DAYMET_NAME = re.compile(r"daymet_v\d+_daily_\w+?_([a-z]+)_(\d{4})\.nc4?$")
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


def open_collection(inputs: Iterable[str], years: frozenset[int] | None) -> Collection:
    """Look into the inputs and check that they belong together.

    Raises
    ------
    InputError
        Naming the file, what is wrong with it and what to do.
    """
    urls = [u for u in storage.expand(inputs, SUFFIXES) if _wanted(u, years)]
    tables = [u for u in urls if u.lower().endswith(".csv")]
    if tables and len(tables) < len(urls):
        raise InputError(
            f"The inputs mix CSV files ({storage.basename(tables[0])}, …) with grids.",
            "Run them separately: points and grids go to different outputs.",
        )
    if not urls:
        asked = ", ".join(map(str, sorted(years or ())))
        raise InputError(f"No input file holds {asked or 'any year'}.", "Check --years and the file names.")
    collection = _points(tables) if tables else _grids([_part(u) for u in urls], years)
    return _only(collection, years)


def _wanted(url: str, years: frozenset[int] | None) -> bool:
    """Whether a file can matter; Daymet's file names tell variable and year."""
    match = DAYMET_NAME.search(storage.basename(url))
    if not match:
        return True
    return match[1] in VARIABLES and (years is None or int(match[2]) in years)


def _only(collection: Collection, years: frozenset[int] | None) -> Collection:
    """The years asked for."""
    have = sorted(collection.years)
    missing = sorted((years or frozenset()) - set(have))
    if missing:
        raise InputError(
            f"The input has no data for {', '.join(map(str, missing))}.", "Change --years or add the files."
        )
    kept = {y: collection.years[y] for y in have if years is None or y in years}
    return Collection(**{**collection.__dict__, "years": kept})


def _points(urls: list[str]) -> Collection:
    """A list of places, one per file."""
    pixels = [read_pixel(url) for url in urls]
    coords = {
        "point": Coord(("point",), np.array([_point_name(p) for p in pixels]), {"long_name": "input file"}),
        "lat": Coord(("point",), np.array([p.latitude for p in pixels]), _degrees("latitude", "north")),
        "lon": Coord(("point",), np.array([p.longitude for p in pixels]), _degrees("longitude", "east")),
    }
    grid = Grid(("point",), (len(urls),), coords, {}, latitude="lat", longitude="lon")
    years = sorted({year for pixel in pixels for year in pixel.days})
    slots = {
        y: {
            v: Slot(tuple(urls), CSV, v, y, max(len(p.days[y]["tmin"]) for p in pixels if y in p.days))
            for v in VARIABLES
        }
        for y in years
    }
    sources = sorted({p.source for p in pixels})
    return Collection(grid, slots, Units(), daylength.FILE, "; ".join(s for s in sources if s))


def _point_name(pixel: Pixel) -> str:
    return pixel.name.rsplit(".", 1)[0]


def _degrees(name: str, towards: str) -> dict[str, str]:
    return {"standard_name": name, "long_name": name, "units": f"degrees_{towards}"}


def _part(url: str) -> Part:
    """Look into one file or store."""
    kind = ZARR if storage.is_zarr(url) else NETCDF
    name = storage.basename(url)
    with open_dataset(url, kind) as dataset:
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


def _grids(parts: list[Part], wanted: frozenset[int] | None) -> Collection:
    """Files or stores on one grid."""
    first = parts[0]
    for part in parts[1:]:
        _same_grid(first, part)
    years = _years(parts, wanted)
    units = _units(parts)
    source = first.source
    has_dayl = [y for y, slots in years.items() if "dayl" in slots]
    if has_dayl and len(has_dayl) < len(years):
        lacking = sorted(set(years) - set(has_dayl))
        raise InputError(
            f"Day length (dayl) is there for some years but not for {', '.join(map(str, lacking))}.",
            "Add the missing dayl files, or leave all of them out: day length is then computed.",
        )
    if not has_dayl and not first.grid.latitude:
        raise InputError(
            f"{storage.basename(first.url)}: there is neither day length (dayl) nor latitude (lat).",
            "Add the dayl files, or a variable lat [degrees_north] on the grid.",
        )
    formula = daylength.DAYMET if "Daymet" in source else daylength.TOOLBOX
    return Collection(first.grid, years, units, daylength.FILE if has_dayl else formula, source, first.chunks)


def _same_grid(first: Part, part: Part) -> None:
    a, b = first.grid, part.grid
    names = f"{storage.basename(first.url)} and {storage.basename(part.url)}"
    hint = "All files of a run must lie on one grid; run other regions separately."
    if a.dims != b.dims or a.shape != b.shape:
        raise InputError(f"{names} have different grids: {a.shape} and {b.shape} cells.", hint)
    for dim in a.dims:
        if dim in a.coords and dim in b.coords and not np.array_equal(a.coords[dim].values, b.coords[dim].values):
            raise InputError(f"{names} have different grids: the {dim} coordinates differ.", hint)


def _years(parts: list[Part], wanted: frozenset[int] | None) -> dict[int, dict[str, Slot]]:
    years: dict[int, dict[str, Slot]] = {}
    for part in parts:
        for year, days in part.years.items():
            if wanted is not None and year not in wanted:
                continue
            for variable in part.variables:
                slots = years.setdefault(year, {})
                if variable in slots:
                    both = f"{storage.basename(slots[variable].urls[0])} and {storage.basename(part.url)}"
                    raise InputError(f"{both} both hold {variable} of {year}.", "Give each file once.")
                slots[variable] = Slot((part.url,), part.kind, variable, days.first, days.days)
    for year, slots in sorted(years.items()):
        for variable in ("tmin", "tmax"):
            if variable not in slots:
                have = ", ".join(storage.basename(s.urls[0]) for s in slots.values())
                raise InputError(f"{year} has no {variable} (only {have}).", "Add its file, or leave the year out.")
        if len({s.days for s in slots.values()}) > 1:
            raise InputError(f"The files of {year} have different numbers of days.", "Is one of them cut off?")
    return dict(sorted(years.items()))


def _units(parts: list[Part]) -> Units:
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
    return Units(celsius.pop(), seconds.pop() if seconds else True)


def _choose(unit: str, yes: set[str], no: set[str], what: str, known: str) -> bool:
    if unit in yes or unit in no:
        return unit in yes
    kelvin = " (Kelvin: subtract 273.15)" if unit in {"k", "kelvin", "degk", "degrees k", "deg k"} else ""
    raise InputError(f"{what}; spring-index reads {known}.", f"Convert it and set its units attribute{kelvin}.")
