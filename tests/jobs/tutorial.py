"""The RS-DAT tutorial's formulation rebuilt in plain xarray: whole arrays, a 24-hour axis, lazy over chunks."""

from __future__ import annotations

import numpy as np
import xarray as xr

PLANTS = ["lilac", "arnold red", "zabelli"]
LEAF = xr.DataArray(
    [[3.306, 13.878, 0.201, 0.153], [4.266, 20.899, 0.0, 0.248], [2.802, 21.433, 0.266, 0.0]],
    dims=("plant", "term"), coords={"plant": PLANTS},
)  # fmt: skip
BLOOM = xr.DataArray(
    [[-23.934, 0.116], [-24.825, 0.127], [-11.368, 0.096]], dims=("plant", "term"), coords={"plant": PLANTS}
)
SHIFT = xr.DataArray([0, 1, 0], dims="plant", coords={"plant": PLANTS})


def degree_hours(tmin: xr.DataArray, tmax: xr.DataArray, dayl: xr.DataArray) -> xr.DataArray:
    """Sum over 24 hours of the temperature above 31 °F, each hour an element of a new axis."""
    hour = xr.DataArray(np.arange(24), dims="hour")
    if tmin.chunks:
        hour = hour.chunk()
    spread = tmax - tmin
    sunset = np.sin(np.pi / (dayl + 4) * dayl) * spread
    by_day = np.sin(hour * np.pi / (dayl + 4)) * spread
    by_night = (1 - np.log(hour - np.floor(dayl)) / np.log(24 - dayl)) * sunset
    above = xr.where(np.isfinite(by_night), by_night, by_day) + tmin - 31.0
    return above.clip(min=0).sum("hour", skipna=False)


def first_day(reached: xr.DataArray) -> xr.DataArray:
    """Index of the first true day, NaN without one."""
    return reached.argmax("time").where(reached.any("time"))


def first_leaf(gdh: xr.DataArray) -> xr.DataArray:
    """Array index of the first leaf of each plant."""
    day = xr.DataArray(np.arange(1, gdh.sizes["time"] + 1), dims="time")
    padded = gdh.pad(time=(7, 0), mode="edge")
    sums = {n: padded.rolling(time=n).sum().isel(time=slice(7, None)) for n in (3, 5, 8)}
    dde2, dd57 = sums[3], sums[8] - sums[5]
    spells = (dde2 >= 637).cumsum("time")
    total = (
        LEAF.isel(term=0) * (day - 1) + LEAF.isel(term=1) * spells + LEAF.isel(term=2) * dde2 + LEAF.isel(term=3) * dd57
    )
    return first_day(total > 999.5) + SHIFT


def first_bloom(gdh: xr.DataArray, leaf: xr.DataArray) -> xr.DataArray:
    """Array index of the first bloom of each plant."""
    since = xr.DataArray(np.arange(1, gdh.sizes["time"] + 1), dims="time") - leaf
    after = since > 0
    age = xr.where(after, np.floor(since), 0.0)
    heat = gdh.where(after, 0.0).cumsum("time")
    return first_day(BLOOM.isel(term=0) * age + BLOOM.isel(term=1) * heat > 999.5)


def with_mean(dates: xr.DataArray) -> xr.DataArray:
    """The plants and, as a fourth, their rounded mean."""
    mean = dates.mean("plant", skipna=False).round().expand_dims(plant=["mean"])
    return xr.concat([dates, mean], "plant")


def tutorial(
    tmin: xr.DataArray, tmax: xr.DataArray, dayl: xr.DataArray, days: int = 300
) -> tuple[xr.DataArray, xr.DataArray]:
    """First leaf and first bloom (plant, …) from °C and s, dims (time, …), lazy if the input is."""
    tmin, tmax, dayl = (a.isel(time=slice(0, days)) for a in (tmin, tmax, dayl))
    gdh = degree_hours(tmin * 1.8 + 32, tmax * 1.8 + 32, dayl / 3600)
    if gdh.chunks:
        gdh = gdh.chunk({"time": -1})
    leaf = first_leaf(gdh)
    return with_mean(leaf), with_mean(first_bloom(gdh, leaf))
