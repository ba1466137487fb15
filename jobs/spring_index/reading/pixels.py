"""Daymet's single-pixel CSV files: a place, a few lines about it, and its days."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs import storage
from jobs.errors import InputError

Array = npt.NDArray[Any]
COLUMNS = {"dayl": "dayl (s)", "tmax": "tmax (deg c)", "tmin": "tmin (deg c)"}
PLACE = re.compile(r"Latitude:\s*(-?[\d.]+)\s+Longitude:\s*(-?[\d.]+)", re.IGNORECASE)
ELEVATION = re.compile(r"Elevation:\s*(-?[\d.]+)", re.IGNORECASE)
FILL = -9999.0


@dataclass(frozen=True)
class Pixel:
    """One place and its days."""

    name: str
    latitude: float
    longitude: float
    elevation: float
    """[m], NaN if the file does not tell."""
    source: str
    days: dict[int, dict[str, Array]]
    """Year → variable → values from 1 January, in the file's units (°C, s)."""

    def year(self, year: int, variable: str, days: slice) -> Array:
        """Days of one year, counted from 1 January; NaN where the file has none."""
        found = np.full(days.stop - days.start, np.nan)
        if year in self.days:
            values = self.days[year][variable][days]
            found[: len(values)] = values
        return found


@functools.lru_cache(maxsize=128)
def read_pixel(url: str) -> Pixel:
    """Read one file.

    Raises
    ------
    InputError
        If it is not such a file, lacks a column, has other units, or its days have holes.
    """
    name = storage.basename(url)
    fs, path = storage.filesystem(url)
    try:
        lines = fs.cat_file(path).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name} cannot be read as text: {error}", "Download it again as CSV.") from error
    at = next((i for i, line in enumerate(lines) if line.lower().startswith("year,yday")), None)
    place = PLACE.search("\n".join(lines[:at] if at is not None else lines[:10]))
    if at is None or place is None:
        raise InputError(
            f"{name} is not a Daymet single-pixel file: it has no line 'year,yday,…' under 'Latitude: … Longitude: …'.",
            "Get one at https://daymet.ornl.gov/single-pixel/ with tmin, tmax and dayl.",
        )
    head = "\n".join(lines[:at])
    elevation = ELEVATION.search(head)
    source = re.search(r"Daymet Software Version [\d.]+", head)
    return Pixel(
        name, float(place[1]), float(place[2]), float(elevation[1]) if elevation else float("nan"),
        source[0] if source else "", _days(name, lines[at], lines[at + 1 :]),
    )  # fmt: skip


def _days(name: str, header: str, lines: list[str]) -> dict[int, dict[str, Array]]:
    columns = [column.strip().lower() for column in header.split(",")]
    for variable, column in COLUMNS.items():
        if column not in columns:
            near = [c for c in columns if c.startswith(variable)]
            what = f"{near[0]!r} instead of {column!r}" if near else f"no column {column!r}"
            raise InputError(f"{name} has {what}.", "spring-index needs tmin and tmax in deg c and dayl in s.")
    try:
        table = np.array([line.split(",") for line in lines if line.strip()], dtype=np.float64)
    except ValueError as error:
        raise InputError(f"{name} is damaged: {error}", "Download it again.") from error
    if table.ndim != 2 or table.shape[1] != len(columns):
        raise InputError(f"{name} is cut off: its last line is incomplete or it has no days.", "Download it again.")
    table[table == FILL] = np.nan
    days = {}
    for year in np.unique(table[:, 0]):
        rows = table[table[:, 0] == year]
        if np.any(rows[:, 1] != np.arange(1, len(rows) + 1)):
            raise InputError(
                f"{name}: the days of {year:.0f} are not 1, 2, 3, … without a hole.", "Download that year again."
            )
        days[int(year)] = {v: rows[:, columns.index(c)] for v, c in COLUMNS.items()}
    return days
