"""Which days of which years the steps of a time axis are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.errors import InputError

Array = npt.NDArray[Any]
UNITS = re.compile(r"(day|hour|minute|second)s?\s+since\s+(\d{1,4}-\d{1,2}-\d{1,2})(?:[T ](\d{1,2}:\d{2}(?::\d{2})?))?")
SECONDS = {"day": 86400, "hour": 3600, "minute": 60, "second": 1}
REAL = ("standard", "gregorian", "proleptic_gregorian")
NO_LEAP = ("noleap", "365_day")


@dataclass(frozen=True)
class YearDays:
    """Where a year lies on a time axis: index of 1 January, and how many days follow without a hole."""

    first: int
    days: int


def days_of_years(values: Array, units: str, calendar: str, where: str) -> dict[int, YearDays]:
    """Year → its days on the axis `values` [`units`].

    Raises
    ------
    InputError
        If the calendar is not one of real days, or a year does not begin on 1 January and run without holes.
    """
    year, doy = _dates(np.asarray(values, np.float64), units, calendar.lower(), where)
    found = {}
    for y in np.unique(year):
        at = np.flatnonzero(year == y)
        expected = np.arange(1, len(at) + 1)
        if np.any(doy[at] != expected) or np.any(np.diff(at) != 1):
            bad = int(np.argmax(doy[at] != expected))
            raise InputError(
                f"{where}: the days of {y} are not 1, 2, 3, …: step {bad + 1} is day {doy[at][bad]}.",
                "spring-index needs every day from 1 January on, each once, in order.",
            )
        found[int(y)] = YearDays(int(at[0]), len(at))
    return found


def _dates(values: Array, units: str, calendar: str, where: str) -> tuple[Array, Array]:
    """Year and day of year of every step."""
    match = UNITS.match(units.strip())
    if not match or not np.isfinite(values).all():
        raise InputError(f"{where}: the time axis has units {units!r}.", "Expected 'days since YYYY-MM-DD'.")
    if calendar not in REAL + NO_LEAP:
        raise InputError(
            f"{where}: the calendar is {calendar!r}, whose days are not days of real years.",
            f"spring-index reads the calendars {', '.join(REAL + NO_LEAP)}; convert with "
            "`ds.convert_calendar('standard')` in xarray.",
        )
    part, date, clock = match.groups()
    year, month, day = (int(p) for p in date.split("-"))
    seconds = np.round(values * SECONDS[part]).astype("int64")
    if calendar in NO_LEAP:
        ahead = np.datetime64(f"2001-{month:02}-{day:02}") - np.datetime64("2001-01-01")
        count = year * 365 + int(ahead.astype(int)) + (seconds + _seconds(clock)) // 86400
        return count // 365, count % 365 + 1
    start = np.datetime64(f"{year:04}-{month:02}-{day:02}T{clock or '00:00'}", "s")
    dates = (start + seconds.astype("m8[s]")).astype("M8[D]")
    years = dates.astype("M8[Y]")
    return years.astype(int) + 1970, (dates - years.astype("M8[D]")).astype(int) + 1


def _seconds(clock: str | None) -> int:
    """Seconds since midnight."""
    parts = [int(p) for p in (clock or "0:0").split(":")]
    return parts[0] * 3600 + parts[1] * 60 + (parts[2] if len(parts) > 2 else 0)
