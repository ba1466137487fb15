"""From files and stores to checked collections of years, each on one grid: one for each region."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from jobs import storage
from jobs.errors import InputError
from jobs.model import Row
from jobs.spring_index.inputs.calendars import YearDays
from jobs.spring_index.inputs.headers import VARIABLES, Part, look_into, units_of
from jobs.spring_index.inputs.listing import Given, Years
from jobs.spring_index.reading.pixels import Pixel, read_pixel
from jobs.spring_index.reading.readers import DamagedError
from jobs.spring_index.reading.source import CSV, Collection, Coord, Grid, Slot
from jobs.spring_index.science import daylength
from jobs.spring_index.science.stream import Units


def open_collections(found: list[Given], years: Years, problems: list[Row]) -> dict[str, Collection]:
    """Look into the inputs and check that they belong together; region → its years, "" where there is only one.

    Parameters
    ----------
    problems
        Inputs that are known to be missing; those that cannot be read are added. Years they leave incomplete are
        left out.

    Raises
    ------
    InputError
        Naming the file, what is wrong with it and what to do.
    """
    if found[0].url.lower().endswith(".csv"):
        return {"": _only({"": _points([one.url for one in found])}, years, problems)[""]}
    regions = sorted({one.region for one in found})
    if "" in regions:  # names that tell nothing: all must be on one grid
        regions = [""]
    members = {name: [one for one in found if name in ("", one.region)] for name in regions}
    opened = {name: _parts(ones, problems) for name, ones in members.items()}
    grids = {name: _grids(parts, lost, years, bool(problems)) for name, (parts, lost) in opened.items() if parts}
    return _only(grids, years, problems)


def _parts(found: list[Given], problems: list[Row]) -> tuple[list[Part], set[int]]:
    """A look into each; of remote files whose names say what they hold, into the first of each variable.

    The others, and files that are not whole, are taken to be like it until their own blocks are read: opening takes
    a second each, and what is wrong with one file concerns its own blocks. Also tells the years that cannot be
    planned even so.
    """
    parts, first, lost = list[Part](), dict[str, Part](), set[int]()
    damaged: list[tuple[Given, DamagedError]] = []
    for one in found:
        leader = first.get(one.variable)
        if one.is_known and leader and not storage.is_local(one.url):
            parts.append(_like(leader, one))
            continue
        try:
            part = look_into(one.url)
        except DamagedError as error:
            damaged.append((one, error))
            continue
        if one.is_known and set(part.years) == {one.year} and set(part.variables) == {one.variable}:
            first.setdefault(one.variable, part)
        parts.append(part)
    for one, why in damaged:
        if one.is_known and one.variable in first:
            parts.append(_like(first[one.variable], one))
        else:
            problems.append(Row(one.url, problem=f"{why.message} {why.hint}"))
            lost |= {one.year} if one.year else set()
    return parts, lost


def _like(leader: Part, one: Given) -> Part:
    """What a file holds if it is what its name says."""
    days = next(iter(leader.years.values()))
    return replace(leader, url=one.url, years={one.year or 0: days}, is_seen=False)


def _only(collections: dict[str, Collection], years: Years, problems: list[Row]) -> dict[str, Collection]:
    """The years asked for; each has to be there for one region at least, if no input is known to be missing."""
    have = {year for collection in collections.values() for year in collection.years}
    missing = sorted((years or frozenset()) - have)
    if problems and not have:
        raise InputError(problems[0].problem)
    if missing and not problems:
        raise InputError(
            f"The input has no data for {', '.join(map(str, missing))}.", "Change --years or add the files."
        )
    wanted = have if years is None else years
    kept = {
        name: replace(c, years={year: slots for year, slots in c.years.items() if year in wanted})
        for name, c in collections.items()
    }
    return {name: collection for name, collection in kept.items() if collection.years}


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
    places = tuple(urls)
    slots = {
        y: {
            v: Slot(places, CSV, v, y, max(len(p.days[y]["tmin"]) for p in pixels if y in p.days))
            for v in VARIABLES
        }
        for y in years
    }  # fmt: skip
    sources = sorted({p.source for p in pixels})
    return Collection(grid, slots, Units(), daylength.FILE, "; ".join(s for s in sources if s))


def _point_name(pixel: Pixel) -> str:
    return pixel.name.rsplit(".", 1)[0]


def _degrees(name: str, towards: str) -> dict[str, str]:
    return {"standard_name": name, "long_name": name, "units": f"degrees_{towards}"}


def _grids(parts: list[Part], lost: set[int], wanted: Years, partly: bool) -> Collection:
    """Files or stores on one grid, without years of which a file is lost."""
    first = parts[0]
    for part in parts[1:]:
        _same_grid(first, part)
    years = {year: slots for year, slots in _years(parts, wanted, partly).items() if year not in lost}
    has_dayl = [y for y, slots in years.items() if "dayl" in slots]
    if partly and has_dayl:
        years = {year: years[year] for year in has_dayl}
    if has_dayl and len(has_dayl) < len(years):
        lacking = sorted(set(years) - set(has_dayl))
        raise InputError(
            f"Day length (dayl) is there for some years but not for {', '.join(map(str, lacking))}.",
            "Add the missing dayl files, or leave all of them out: day length is then computed.",
        )
    if years and not has_dayl and not first.grid.latitude:
        raise InputError(
            f"{storage.basename(first.url)}: there is neither day length (dayl) nor latitude (lat).",
            "Add the dayl files, or a variable lat [degrees_north] on the grid.",
        )
    formula = daylength.DAYMET if "Daymet" in first.source else daylength.TOOLBOX
    dayl_source = daylength.FILE if has_dayl else formula
    return Collection(first.grid, years, units_of(parts), dayl_source, first.source, first.chunks)


def _same_grid(first: Part, part: Part) -> None:
    a, b = first.grid, part.grid
    names = f"{storage.basename(first.url)} and {storage.basename(part.url)}"
    hint = "All files of a run must lie on one grid; run other regions separately."
    if a.dims != b.dims or a.shape != b.shape:
        raise InputError(f"{names} have different grids: {a.shape} and {b.shape} cells.", hint)
    for dim in a.dims:
        if dim in a.coords and dim in b.coords and not np.array_equal(a.coords[dim].values, b.coords[dim].values):
            raise InputError(f"{names} have different grids: the {dim} coordinates differ.", hint)


def _years(parts: Iterable[Part], wanted: Years, partly: bool) -> dict[int, dict[str, Slot]]:
    years: dict[int, dict[str, Slot]] = {}
    for part in parts:
        for year, days in part.years.items():
            if wanted is None or year in wanted:
                _add(years.setdefault(year, {}), part, year, days)
    return {year: slots for year, slots in sorted(years.items()) if _is_whole(year, slots, partly)}


def _add(slots: dict[str, Slot], part: Part, year: int, days: YearDays) -> None:
    for variable in part.variables:
        if variable in slots:
            both = f"{storage.basename(slots[variable].urls[0])} and {storage.basename(part.url)}"
            raise InputError(f"{both} both hold {variable} of {year}.", "Give each file once.")
        slots[variable] = Slot((part.url,), part.kind, variable, days.first, days.days, is_seen=part.is_seen)


def _is_whole(year: int, slots: dict[str, Slot], partly: bool) -> bool:
    """Whether a year has what it needs."""
    for variable in ("tmin", "tmax"):
        if variable not in slots:
            if partly:
                return False
            have = ", ".join(storage.basename(s.urls[0]) for s in slots.values())
            raise InputError(f"{year} has no {variable} (only {have}).", "Add its file, or leave the year out.")
    if len({s.days for s in slots.values()}) > 1:
        raise InputError(f"The files of {year} have different numbers of days.", "Is one of them cut off?")
    return True
