"""Everything the page tells, computed once: dates of each weather by each variant, and what they are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.spring_index.science import daylength
from jobs.spring_index.science.model import CORRECTED, VARIANTS, Variant, Window
from tests.jobs import reference, tutorial
from tests.validation import weather
from tests.validation.weather import Country, Found, StationYears, Weather

Array = npt.NDArray[Any]
ByVariant = Mapping[str, Found]
RSDAT = VARIANTS["rsdat"]
SWITCHES: Mapping[str, Variant] = {
    "days with Tmax < 31 °F left out (`matlab-2015`)": replace(CORRECTED, skip_cold=True),
    "heat for the bloom from the day after the leaf (`npn`)": replace(CORRECTED, bloom_start=1),
    "leaf day counted as day 1 of the bloom (`rsdat`)": replace(CORRECTED, bloom_day_zero=1),
    "extremes not made consistent (`rsdat`)": replace(CORRECTED, lag_check=False),
    "no guards of 0 °F and of days without a range (`rsdat`)": replace(CORRECTED, guards=False),
    "all seven days before the window like its first (`rsdat`)": replace(CORRECTED, edge_padding=True),
    "a missing day after the leaf counts 0 GDH (`rsdat`)": replace(CORRECTED, gap_counts_zero=True),
    "more than 999.5 wanted (`rsdat`)": replace(CORRECTED, strict_trigger=True),
    "search until day 300 (`rsdat`)": replace(CORRECTED, window=Window(1, 300)),
}
"""One switch of the variants at a time."""


@dataclass(frozen=True)
class Light:
    """A day-length formula against the file's own [s], (day, cell)."""

    what: str
    formula: Array
    file: Array


@dataclass(frozen=True)
class Evidence:
    """What was computed."""

    stations: list[StationYears]
    station_dates: list[ByVariant]
    plain: Mapping[str, tuple[Found, Found]]
    """Variant → (springline's, the second implementation's) dates of stations and pixels."""
    tutorial: Mapping[str, tuple[Found, Found]]
    """Kind of cell → (springline's, the tutorial's) dates."""
    switches: Mapping[str, Mapping[str, ByVariant]]
    """Weather → switch → dates; the empty switch is the corrected model."""
    variants: Mapping[str, ByVariant]
    """Weather → variant → dates."""
    light: list[Light]
    light_dates: Mapping[str, Found]
    """Source of the day length of the real pixels → dates."""
    country: Country


def by_variant(what: Weather) -> ByVariant:
    """Dates by each variant."""
    return {name: what.dates(variant) for name, variant in VARIANTS.items()}


def gather(data: Path, size: int) -> Evidence:
    """Compute everything; `size` cells along a side of the synthetic country."""
    stations, pixels = weather.stations(data / "stations"), weather.pixels(data / "daymet")
    real, land = weather.of_pixels(pixels), weather.country(size)
    records = weather.together([s.weather for s in stations])
    rough = weather.rough()
    places = {
        "station records": records, "real Daymet pixels": real, "SYNTHETIC country": land.weather,
        "SYNTHETIC odd cells": weather.together(list(rough.values())),
    }  # fmt: skip
    formulas = {name: weather.of_pixels(pixels, name) for name in (daylength.DAYMET, daylength.TOOLBOX)}
    return Evidence(
        stations=stations,
        station_dates=[by_variant(s.weather) for s in stations],
        plain={name: second_opinion(name, [records, real]) for name in ("corrected", "npn")},
        tutorial={kind: against_tutorial(w) for kind, w in (rough | {"real Daymet pixels": real}).items()},
        switches={
            name: {s: what.dates(v) for s, v in ({"": CORRECTED} | dict(SWITCHES)).items()}
            for name, what in places.items() if what is not real
        },
        variants={name: by_variant(what) for name, what in places.items()},
        light=_light(data, real, formulas[daylength.DAYMET]),
        light_dates={"file": real.dates()} | {name: what.dates() for name, what in formulas.items()},
        country=land,
    )  # fmt: skip


def against_tutorial(what: Weather) -> tuple[Found, Found]:
    """Dates of `rsdat`, and those of the tutorial's own formulas with its day 0 called day 1."""
    import xarray as xr

    arrays = (xr.DataArray(a, dims=("time", "cell")) for a in (what.tmin, what.tmax, what.dayl))
    with np.errstate(divide="ignore", invalid="ignore"):  # its logarithms of hours by day, which it throws away
        leaf, bloom = (dates.values + 1.0 for dates in tutorial.tutorial(*arrays))
    return what.dates(RSDAT), Found(leaf[:3], bloom[:3], leaf[3], bloom[3])


def second_opinion(variant: str, parts: list[Weather]) -> tuple[Found, Found]:
    """Dates by springline's kernels and by a plain Python implementation, one cell at a time."""
    ours = [what.dates(VARIANTS[variant]) for what in parts]
    theirs = [_plain(variant, what) for what in parts]
    return _joined(ours), _joined(theirs)


def _plain(variant: str, what: Weather) -> Found:
    celsius, seconds = what.units.celsius, what.units.dayl_seconds
    fahrenheit = [v * 1.8 + 32.0 if celsius else v for v in (what.tmin, what.tmax)]
    series = (*fahrenheit, what.dayl / (3600.0 if seconds else 1.0))
    last = min(VARIANTS[variant].window.last, len(what.tmin))
    cells = [
        reference.spring(*(a[:last, cell].tolist() for a in series), variant) for cell in range(what.tmin.shape[1])
    ]
    leaf, bloom = (np.array([getattr(c, event) for c in cells]).T for event in ("leaf", "bloom"))
    return Found(leaf, bloom, np.round(leaf.mean(axis=0)), np.round(bloom.mean(axis=0)))


def _joined(parts: list[Found]) -> Found:
    fields = ("leaf", "bloom", "leaf_index", "bloom_index")
    return Found(*(np.concatenate([getattr(p, name) for p in parts], axis=-1) for name in fields))


def _light(data: Path, real: Weather, formula: Weather) -> list[Light]:
    """Daymet's formula on the real grid, on its cells that do not lie on an edge of a bin, and on the pixels."""
    from jobs.spring_index.reading.readers import open_dataset

    with open_dataset(str(data / "daymet/springtime_pydaymet_v4_daily.nc"), "netcdf") as grid:
        there, latitude = np.asarray(grid["dayl"].values), np.asarray(grid["lat"].values)
    ours = np.stack([daylength.daymet(latitude, d) * 3600.0 for d in range(1, len(there) + 1)])
    return [
        Light("real v4 grid, 2019", ours.reshape(len(ours), -1), there.reshape(len(there), -1)),
        Light("real v4 pixels, 2000–2002", formula.dayl, real.dayl),
    ]
