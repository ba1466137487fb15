"""Implausible results fail by name: what xsar's shared dask key does to coordinates would have been caught."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.l1b import direct, quality
from jobs.l1b.model import Safe
from jobs.l1b.safe import read_safe

Products = Callable[..., Path]


@pytest.fixture(scope="module")
def safe(products: Products) -> Safe:
    """The manifest of a small product."""
    return read_safe(str(products("9550")))


@pytest.fixture(scope="module")
def grid(safe: Safe) -> Any:  # noqa: ANN401 - a Dataset
    """Its grid."""
    return direct.read(safe, 2000, safe.polarisations)


def refused(grid: Any, safe: Safe, **wrong: Any) -> str:  # noqa: ANN401
    """The message about a grid in which something is replaced."""
    changed = {name: (grid[name].dims, np.broadcast_to(values, grid[name].shape)) for name, values in wrong.items()}
    with pytest.raises(quality.QualityError, match="was not written") as caught:
        quality.check(grid.assign(changed), safe)
    assert safe.name in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("tail", ["9550", "BB15", "6D00", "FEC3", "4B8B"])
def test_real_geometry_passes(products: Products, tail: str) -> None:
    """Products of every mode pass; the numbers are those of the product."""
    safe = read_safe(str(products(tail)))
    numbers = quality.check(direct.read(safe, 4000, safe.polarisations), safe)
    assert numbers["outside_km"] < 2
    assert 15 < numbers["incidence_min"] < numbers["incidence_max"] < 50
    assert all(numbers[f"finite_{polarisation}"] > 0.9 for polarisation in safe.polarisations)


def test_coordinates_elsewhere(grid: Any, safe: Safe) -> None:  # noqa: ANN401
    """Altitudes for longitudes, swapped axes, a shift by a tenth of a degree and NaN are all found."""
    height = np.linspace(78, 541, grid["longitude"].size).reshape(grid["longitude"].shape)
    assert "outside the footprint" in refused(grid, safe, longitude=height, latitude=height)
    assert "outside" in refused(grid, safe, longitude=grid["latitude"].values, latitude=grid["longitude"].values)
    assert "outside" in refused(grid, safe, latitude=grid["latitude"].values + 0.1)
    assert "outside" in refused(grid, safe, latitude=np.nan)


def test_incidence(grid: Any, safe: Safe) -> None:  # noqa: ANN401
    """An incidence in radians, or none, is found."""
    assert "incidence goes from" in refused(grid, safe, incidence=np.radians(grid["incidence"].values))
    assert "incidence" in refused(grid, safe, incidence=np.nan)


def test_radiometry(grid: Any, safe: Safe) -> None:  # noqa: ANN401
    """Mostly empty, zero, decibels for linear values, and uncalibrated DN are found, with the polarisation."""
    assert "0.0% of the cells of VV" in refused(grid, safe, sigma0=np.nan)
    assert "sigma0_raw of VV has median -inf" in refused(grid, safe, sigma0_raw=0.0)
    assert "sigma0_raw of VV" in refused(grid, safe, sigma0_raw=10 * np.log10(grid["sigma0_raw"].values))
    assert "sigma0_raw of VV" in refused(grid, safe, sigma0_raw=grid["sigma0_raw"].values * 500**2)
