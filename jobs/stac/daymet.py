"""Daymet v4's daily grids as a catalog: a collection for each region, an item for each of its years."""

from __future__ import annotations

import difflib
from calendar import isleap
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jobs.errors import UsageError

if TYPE_CHECKING:
    import pystac

ROOT = "https://thredds.daac.ornl.gov/thredds/fileServer/ornldaac/2129"
"""The file server of ORNL DAAC for version 4 R1."""
DOI = "https://doi.org/10.3334/ORNLDAAC/2129"
LICENCE = "https://science.nasa.gov/earth-science/earth-science-data/data-information-policy"
NETCDF = "application/x-netcdf"
YEARS = "1980:2022"
Point = tuple[float, float]


@dataclass(frozen=True)
class Region:
    """A region of Daymet."""

    title: str
    bbox: tuple[float, float, float, float]
    """West, south, east, north of its cells with values [degrees]."""
    corners: tuple[Point, ...]
    """Longitude and latitude around its area [degrees]; the grid itself is a rectangle of a Lambert projection."""
    first: int = 1980


def _around(west: float, south: float, east: float, north: float) -> tuple[Point, ...]:
    return (west, south), (east, south), (east, north), (west, north)


NORTH_AMERICA = (-178.1333, 14.0749, -53.0567, 82.9143)
REGIONS = {
    # The grid of North America reaches over the 180th meridian, where it has no values: its area is the box of those.
    "na": Region("North America", NORTH_AMERICA, _around(*NORTH_AMERICA)),
    "hi": Region(
        "Hawaii", (-160.3056, 17.9539, -154.772, 23.5186),
        ((-156.8076, 17.9539), (-154.772, 19.4873), (-158.2363, 23.5186), (-160.3056, 21.8664)),
    ),
    "pr": Region(
        "Puerto Rico", (-67.9928, 16.8444, -64.1196, 19.9382),
        ((-67.9928, 18.0734), (-64.9794, 16.8444), (-64.1196, 18.6648), (-67.1903, 19.9382)), 1950,
    ),
}  # fmt: skip
VARIABLES = {
    "tmin": "daily minimum temperature", "tmax": "daily maximum temperature", "dayl": "day length",
    "prcp": "daily total precipitation", "srad": "incident shortwave radiation", "swe": "snow water equivalent",
    "vp": "vapour pressure",
}  # fmt: skip
DEFAULTS = ("tmin", "tmax", "dayl")


def catalog(options: Mapping[str, Any], years: frozenset[int]) -> pystac.Catalog:
    """The catalog of the regions, years and variables that are asked for, at `root`.

    Raises
    ------
    UsageError
        For one that Daymet does not have.
    """
    import pystac

    regions = _known("regions", options.get("regions"), REGIONS, tuple(REGIONS))
    variables = _known("variables", options.get("variables"), VARIABLES, DEFAULTS)
    root = str(options.get("root") or ROOT).rstrip("/")
    for region in regions:
        if min(years) < REGIONS[region].first:
            raise UsageError(
                f"--years {min(years)}: Daymet has {region} from {REGIONS[region].first} on.",
                "Begin later, or leave the region out.",
            )
    found = pystac.Catalog("daymet-daily-v4", "Daymet v4: daily weather of North America, Hawaii and Puerto Rico, 1 km")
    for region in regions:
        child = _collection(region)
        found.add_child(child)
        for year in sorted(years):
            child.add_item(_item(region, year, variables, root))
        child.update_extent_from_items()
    return found


def _known(option: str, text: str | None, known: Mapping[str, object], default: tuple[str, ...]) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",") if name.strip()] if text else default
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
            raise UsageError(f"--{option}: Daymet has no {name}.", hint)
    return tuple(dict.fromkeys(names))


def whole() -> pystac.Extent:
    """The extent of a collection that has no items yet: everywhere, always."""
    import pystac

    always: list[datetime | None] = [None, None]
    return pystac.Extent(pystac.SpatialExtent([-180.0, -90.0, 180.0, 90.0]), pystac.TemporalExtent(always))


def _collection(region: str) -> pystac.Collection:
    import pystac

    about = REGIONS[region]
    title = f"Daymet daily, {about.title}"
    found = pystac.Collection(
        region, f"Daymet version 4 R1, daily surface weather of {about.title} on a grid of 1 km.", whole(), title,
        license="other", keywords=["Daymet", about.title, "weather", "temperature", "day length"],
        providers=[pystac.Provider("ORNL DAAC", roles=[pystac.ProviderRole.PRODUCER], url=DOI)],
    )  # fmt: skip
    found.add_link(pystac.Link("license", LICENCE, title="EOSDIS Data Use Policy"))
    found.add_link(pystac.Link("cite-as", DOI))
    return found


def _item(region: str, year: int, variables: tuple[str, ...], root: str) -> pystac.Item:
    """A year of a region: always 365 days, stamped at noon, so that a leap year lacks 31 December."""
    import pystac

    about = REGIONS[region]
    first = datetime(year, 1, 1, 12, tzinfo=UTC)
    last = datetime(year, 12, 30 if isleap(year) else 31, 12, tzinfo=UTC)
    ring = [list(point) for point in (*about.corners, about.corners[0])]
    found = pystac.Item(
        f"{region}-{year}", {"type": "Polygon", "coordinates": [ring]}, list(about.bbox), None,
        {"region": region, "title": f"Daymet daily, {about.title}, {year}", "gsd": 1000},
        start_datetime=first, end_datetime=last,
    )  # fmt: skip
    for name in variables:
        href = f"{root}/daymet_v4_daily_{region}_{name}_{year}.nc"
        found.add_asset(name, pystac.Asset(href, VARIABLES[name].capitalize(), media_type=NETCDF, roles=["data"]))
    return found
