"""Is a result plausible? A product whose numbers cannot be right fails instead of being written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jobs.errors import InputError
from jobs.l1b import footprint
from jobs.l1b.model import Safe

if TYPE_CHECKING:
    import xarray as xr

MARGIN = 5.0
"""How far a cell may lie outside the manifest's four corners [km]; real products: up to 1.03 km."""
INCIDENCE = (15.0, 50.0)
"""Of all modes of Sentinel-1 [degrees]."""
LEAST_FINITE = 0.5
"""Least share of cells with a value, in each polarisation."""
MEDIAN_DB = (-60.0, 10.0)
"""Where the median of sigma0_raw may lie [dB]; the noise floor is near -30, cities are near 0."""
HIGHEST_DB = 40.0
"""What no cell of a kilometre reaches [dB]."""


class QualityError(InputError):
    """A computed product is implausible and was not written."""


def check(dataset: xr.Dataset, safe: Safe) -> dict[str, float]:
    """Numbers on the quality of a product, for the ledger.

    Raises
    ------
    QualityError
        Naming the product, the variable and the number.
    """
    numbers = {**_geometry(dataset, safe)}
    for polarisation in dataset["pol"].values:
        numbers |= _radiometry(dataset.sel(pol=polarisation), safe, str(polarisation))
    return {name: round(value, 5) for name, value in numbers.items()}


def _geometry(dataset: xr.Dataset, safe: Safe) -> dict[str, float]:
    """Every cell lies where the manifest says, under an angle the instrument has."""
    longitude, latitude = dataset["longitude"].values, dataset["latitude"].values
    outside = footprint.distance_outside(safe.footprint, longitude, latitude)
    if not outside <= MARGIN or np.abs(latitude).max() > 90:
        raise _wrong(safe, f"longitude and latitude lie up to {outside:.1f} km outside the footprint of the manifest")
    incidence = dataset["incidence"].values
    low, high = float(incidence.min()), float(incidence.max())
    if not (INCIDENCE[0] <= low and high <= INCIDENCE[1]):
        raise _wrong(safe, f"incidence goes from {low:.2f} to {high:.2f} degrees, not within {INCIDENCE}")
    return {"outside_km": outside, "incidence_min": low, "incidence_max": high}


def _radiometry(dataset: xr.Dataset, safe: Safe, polarisation: str) -> dict[str, float]:
    """Enough cells have a value, and the values are those of a radar cross-section."""
    raw, sigma0 = dataset["sigma0_raw"].values, dataset["sigma0"].values
    share = float(np.isfinite(sigma0).mean())
    if not share >= LEAST_FINITE:
        raise _wrong(safe, f"only {share:.1%} of the cells of {polarisation} have a sigma0")
    with np.errstate(divide="ignore", invalid="ignore"):
        median, highest = (float(10 * np.log10(f(raw))) for f in (np.nanmedian, np.nanmax))
    if not (MEDIAN_DB[0] <= median <= MEDIAN_DB[1] and highest <= HIGHEST_DB):
        raise _wrong(safe, f"sigma0_raw of {polarisation} has median {median:.1f} dB and maximum {highest:.1f} dB")
    return {f"finite_{polarisation}": share, f"median_db_{polarisation}": median, f"max_db_{polarisation}": highest}


def _wrong(safe: Safe, words: str) -> QualityError:
    return QualityError(
        f"{safe.name}: {words}: the result is implausible and was not written.",
        "Look at the product; if it is right, please report this.",
    )
