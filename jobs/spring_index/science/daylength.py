"""Day length where the data bring none: the SI-x toolbox's formula and Daymet's own. All in hours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
TOOLBOX, DAYMET, FILE = "toolbox", "daymet", "file"
RADIAN = 13750.9871
"""Seconds per radian of the earth's turn, as Daymet has it."""


def toolbox(latitude: Array, day: int) -> Array:
    """Day length of the MATLAB toolbox [h], Northern Hemisphere, clipped to 1–23 h.

    Parameters
    ----------
    latitude
        [degrees north], not negative.
    day
        Day of year from 1.
    """
    count = day + 306 if day <= 60 else day - 60
    season, slope = np.cos(0.0172 * count - 1.95), np.tan(np.radians(latitude))
    south, north = 12.14 + 3.34 * slope * season, 12.25 + (1.6164 + 1.7643 * slope**2) * season
    hours: Array = np.clip(np.where(latitude < 40.0, south, north), 1.0, 23.0)
    return hours


def daymet(latitude: Array, day: int) -> Array:
    """Day length of Daymet version 4 [h], as its files round it: latitude in steps of a milliradian, float32 seconds.

    Parameters
    ----------
    latitude
        [degrees north].
    day
        Day of year from 1.
    """
    return daymet_of_step(daymet_step(latitude), day)


def daymet_step(latitude: Array) -> Array:
    """The whole milliradian of latitude that decides on Daymet's day length."""
    step: Array = np.trunc(1000.0 * np.radians(np.asarray(latitude, np.float64)))
    return step


def daymet_of_step(step: Array, day: int) -> Array:
    """Day length of Daymet version 4 [h] of a `daymet_step`."""
    half = np.arccos(np.clip(-np.tan((step + 0.41) / 1000.0) * np.tan(_declination(day)), -1.0, 1.0))
    seconds: Array = (2.0 * half * RADIAN).astype(np.float32)
    return seconds.astype(np.float64) / 3600.0


def daymet_step_of(seconds: Array, day: int) -> Array | None:
    """The `daymet_step` of cells with these day lengths [s]; None where they are not Daymet's or do not tell it.

    Missing day lengths give NaN. Near the equinoxes, and in polar day and night, nothing can be told.
    """
    exact = 1000.0 * np.arctan(-np.cos(seconds / (2.0 * RADIAN)) / math.tan(_declination(day))) - 0.41
    step: Array = np.round(exact)
    known = np.isfinite(seconds)
    polar = (seconds < 1.0) | (seconds > 86399.0)
    return None if (known & (polar | (np.abs(exact - step) > 0.01))).any() else step


def _declination(day: int) -> float:
    """Declination of the sun in Daymet's formula [rad]."""
    return -0.4092797 * math.cos((day - 1 + 11.25) * 0.017214)


FORMULAS = {TOOLBOX: toolbox, DAYMET: daymet}
