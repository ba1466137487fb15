"""Day length where the data bring none: the SI-x toolbox's formula and Daymet's own. All in hours."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
TOOLBOX, DAYMET, FILE = "toolbox", "daymet", "file"


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
    step = (np.trunc(1000.0 * np.radians(np.asarray(latitude, np.float64))) + 0.41) / 1000.0
    declination = -0.4092797 * np.cos((day - 1 + 11.25) * 0.017214)
    half = np.arccos(np.clip(-np.tan(step) * np.tan(declination), -1.0, 1.0))
    seconds: Array = (2.0 * half * 13750.9871).astype(np.float32)
    return seconds.astype(np.float64) / 3600.0


FORMULAS = {TOOLBOX: toolbox, DAYMET: daymet}
