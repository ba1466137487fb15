"""The spellings of T_OBS, and UTC from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

MICROSECONDS = "datetime64[us]"
FIRST, END = np.datetime64("1972-01-01", "us"), np.datetime64("2200-01-01", "us")
"""UTC has whole leap seconds since; what stands for a missing T_OBS lies outside: 1958.01.01_00:00:00_TAI."""


def utc(texts: pd.Series[Any]) -> pd.Series[Any]:
    """Times in UTC, NaT where there is none; a time within a leap second counts on into the next day.

    ISO 8601 with Z (AIA), another offset or none, and `2010.05.01_00:12:04_TAI` or `…_UTC` (HMI).
    """
    import pandas as pd

    text = texts.astype("string").str.strip()
    tai = text.str.endswith("TAI").fillna(False).to_numpy(bool)
    text = text.str.replace(r"(Z|_TAI|_UTC|\+00:00)$", "", regex=True)
    iso = (text.str.slice(0, 10).str.replace(".", "-") + "T" + text.str.slice(11)).str.rstrip("T")
    leap = (iso.str.slice(16, 19) == ":60").fillna(False).to_numpy(bool)
    iso = iso.where(~leap, iso.str.slice(0, 17) + "59" + iso.str.slice(19))
    read = pd.to_datetime(iso, format="ISO8601", utc=True, errors="coerce")
    times = read.dt.tz_localize(None).to_numpy().astype(MICROSECONDS)
    times[leap] += np.timedelta64(1, "s")
    times[tai] = _from_tai(times[tai])
    known = (times >= FIRST) & (times < END)
    return pd.Series(np.where(known, times, np.datetime64("NaT", "us")), texts.index)


def _from_tai(times: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """TAI to UTC, with the leap seconds that astropy knows."""
    import erfa  # type: ignore[import-untyped]

    steps = erfa.leap_seconds.get()
    steps = steps[steps["year"] >= 1972]
    begins = np.array([f"{step['year']}-{step['month']:02}" for step in steps], MICROSECONDS)
    ahead = (steps["tai_utc"] * 1_000_000).astype("timedelta64[us]")
    since = np.searchsorted(begins + ahead, times, side="right") - 1
    return np.asarray(times - ahead[np.maximum(since, 0)])
