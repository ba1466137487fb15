"""The weather the model is tried on: real stations and pixels, a rough grid for the odd cases, a synthetic country."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.spring_index import sample
from jobs.spring_index.reading.pixels import Pixel, read_pixel
from jobs.spring_index.science import daylength
from jobs.spring_index.science.model import CORRECTED, Variant
from jobs.spring_index.science.stream import Units, plant_index, spring_dates
from tests.jobs.stations import SEASON, filled, read_stations

Array = npt.NDArray[Any]
CELSIUS, FAHRENHEIT = Units(), Units(celsius=False, dayl_seconds=False)
YEAR = 2000
"""The synthetic country's year."""


@dataclass(frozen=True)
class Found:
    """Days of year from 1, whatever the variant counts from; NaN without an event."""

    leaf: Array
    """(plant, cell)"""
    bloom: Array
    leaf_index: Array
    """(cell)"""
    bloom_index: Array


@dataclass(frozen=True)
class Weather:
    """Temperatures and day lengths, (day, cell), from 1 January."""

    tmin: Array
    tmax: Array
    dayl: Array
    units: Units = CELSIUS

    def dates(self, variant: Variant = CORRECTED) -> Found:
        """What springline makes of it."""
        found = spring_dates(self.tmin, self.tmax, self.dayl, variant, units=self.units)
        first = 1.0 if variant.zero_based else 0.0
        indices = (plant_index(found.leaf) + first, plant_index(found.bloom) + first)
        return Found(found.leaf + first, found.bloom + first, *indices)


@dataclass(frozen=True)
class StationYears:
    """The years of a station that the toolbox accepts, as cells, and the toolbox's own indices."""

    latitude: float
    years: Array
    weather: Weather
    leaf_index: Array
    bloom_index: Array


def stations(folder: Path) -> list[StationYears]:
    """Station records in °F, gaps filled as the toolbox does, with the toolbox's day length."""
    found = []
    for station in read_stations(folder):
        both = [(filled(low), filled(high)) for low, high in zip(station.tmin, station.tmax, strict=True)]
        kept = [i for i, (low, high) in enumerate(both) if low is not None and high is not None]
        tmin, tmax = (np.array([both[i][k] for i in kept]).T for k in (0, 1))
        hours = np.array([daylength.toolbox(np.full(len(kept), station.latitude), d) for d in range(1, SEASON + 1)])
        weather = Weather(tmin, tmax, hours, FAHRENHEIT)
        years = np.array(kept) + 1850
        indices = (station.leaf_index[kept], station.bloom_index[kept])
        found.append(StationYears(station.latitude, years, weather, *indices))
    return found


def together(parts: list[Weather]) -> Weather:
    """Several as one."""
    tmin, tmax, dayl = (np.concatenate([getattr(p, n) for p in parts], axis=1) for n in ("tmin", "tmax", "dayl"))
    return Weather(tmin, tmax, dayl, parts[0].units)


def pixels(folder: Path) -> list[Pixel]:
    """Daymet's pixels."""
    return [read_pixel(str(path)) for path in sorted(folder.glob("*.csv"))]


def of_pixels(found: list[Pixel], formula: str = "") -> Weather:
    """All years of pixels as cells, pixel by pixel; day length of the file, or by a formula."""
    cells = [(pixel.latitude, days) for pixel in found for days in pixel.days.values()]
    tmin, tmax, dayl = (np.stack([days[v] for _, days in cells], axis=1) for v in ("tmin", "tmax", "dayl"))
    if formula:
        latitude = np.array([latitude for latitude, _ in cells])
        dayl = np.stack([daylength.FORMULAS[formula](latitude, d) * 3600.0 for d in range(1, len(tmin) + 1)])
    return Weather(tmin, tmax, dayl)


KINDS = (
    "ordinary",
    "polar day and night",
    "sea",
    "Tmax = Tmin",
    "Tmax < Tmin on some days",
    "a missing day",
    "ten missing days",
)


def rough(each: int = 150, days: int = 300) -> dict[str, Weather]:
    """SYNTHETIC float32 weather in °C and s, `each` cells of every kind, from the tropics to the Arctic."""
    rng = np.random.default_rng(11)
    return {kind: _kind(kind, each, days, rng) for kind in KINDS}


def _kind(kind: str, cells: int, days: int, rng: np.random.Generator) -> Weather:
    south, north = (67.0, 80.0) if kind.startswith("polar") else (18.0, 60.0)
    day, lat = np.arange(1, days + 1)[:, None], np.linspace(south, north, cells)[None]
    middle = 27 - 0.55 * (lat - 18) - (4 + 0.3 * (lat - 18)) * np.cos(2 * np.pi * (day - 20) / 365)
    middle = middle + rng.normal(0, 3, (days, cells)) + (8 if kind.startswith("polar") else 0)
    half = rng.uniform(0, 8, (days, cells))
    if kind == "Tmax = Tmin":
        half[:] = 0
    if kind.startswith("Tmax <"):
        half *= rng.choice([-0.3, 1.0], (days, cells), p=(0.1, 0.9))
    tmin, tmax = (middle - half).astype(np.float32), (middle + half).astype(np.float32)
    for length, name in ((days, "sea"), (1, "a missing day"), (10, "ten missing days")):
        if kind == name:
            first = rng.integers(0, 180, cells) if length < days else np.zeros(cells, int)
            for cell in range(cells):
                tmin[first[cell] : first[cell] + length, cell] = tmax[first[cell] : first[cell] + length, cell] = np.nan
    dayl = np.concatenate([daylength.daymet(lat, int(d)) * 3600 for d in day[:, 0]]).astype(np.float32)
    return Weather(tmin, tmax, dayl)


@dataclass(frozen=True)
class Country:
    """The SYNTHETIC sample in memory: its places and its weather, cells in rows."""

    land: sample.Land
    weather: Weather

    def grid(self, cells: Array) -> Array:
        """Values of cells as a map."""
        return np.reshape(cells, self.land.lat.shape)


def country(size: int = 150) -> Country:
    """The sample of `python -m jobs.spring_index.sample`, 1200 km wide, until day 300."""
    land = sample.land(size, 1_200_000.0 / size)
    fields = [np.empty((300, size * size), np.float32) for _ in range(3)]
    for day, values in zip(range(300), sample.days(land, YEAR), strict=False):
        for field, value in zip(fields, values, strict=True):
            field[day] = value.ravel()
    return Country(land, Weather(*fields))


def toolbox_minus_daymet(latitude: Array) -> Array:
    """How far the two day-length formulas are apart [h], (day, latitude)."""
    return np.stack([daylength.toolbox(latitude, d) - daylength.daymet(latitude, d) for d in range(1, 366)])
