"""xsar with its cures against the direct engine and the simulated truth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from jobs.errors import UsageError
from jobs.l1b import direct, xsar_engine
from jobs.l1b.safe import read_safe

pytest.importorskip("xsar", reason="xsar is not installed; docs/l1b.md says how")
Products = Callable[..., Path]
Truth = Callable[[Path], dict[str, np.ndarray]]


def rms(values: np.ndarray) -> float:
    """Root of the mean square of what is finite."""
    return float(np.sqrt(np.mean(values[np.isfinite(values)] ** 2)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tail", "metres", "degrees", "decibels"),
    [("9550", 1.0, 0.01, 0.05), ("6D00", 5.0, 0.05, 0.1), ("BB15", 100.0, 1.0, 0.25)],
)
def test_engines_agree(
    products: Products, truth: Truth, tail: str, metres: float, degrees: float, decibels: float
) -> None:
    """Same grid, same angles; positions differ by the kind of interpolation only, sigma0 by what is known of xsar.

    xsar interpolates longitude and latitude themselves between grid points, which at 80 degrees north is metres off.
    """
    safe = read_safe(str(products(tail)))
    ours, theirs = (engine.read(safe, 1000, safe.polarisations) for engine in (direct, xsar_engine))
    assert ours["pol"].equals(theirs["pol"])
    for name in ("line", "sample"):
        assert (ours[name].values == theirs[name].values).all()
    for name in ("incidence", "elevation"):
        assert np.abs(ours[name] - theirs[name]).max() < 1e-9
    assert np.abs((ours["ground_heading"] - theirs["ground_heading"] + 180) % 360 - 180).max() < degrees
    north = np.radians(ours["latitude"] - theirs["latitude"])
    east = np.radians(ours["longitude"] - theirs["longitude"]) * np.cos(np.radians(ours["latitude"]))
    assert float(np.hypot(north, east).max()) * 6371e3 < metres
    true = truth(products(tail))
    for polarisation in safe.polarisations:
        bright = true[f"{polarisation}_sigma0"] > 10 * true[f"{polarisation}_nesz"]
        bright[:2] = bright[-2:] = bright[:, :2] = bright[:, -2:] = False
        with np.errstate(invalid="ignore", divide="ignore"):
            a, b = (
                10 * np.log10(d.sel(pol=polarisation)["sigma0"].values / true[f"{polarisation}_sigma0"])[bright]
                for d in (ours, theirs)
            )
        assert rms(a) <= rms(b) + 0.001
        assert rms(a - b) < decibels
        assert abs(np.nanmedian(a - b)) < 0.02


@pytest.mark.slow
def test_in_a_dask_worker_it_ends(products: Products) -> None:
    """Two products at once on two one-thread workers: the actor of xsar would wait for itself for ever."""
    from distributed import Client

    safe = read_safe(str(products("9550")))
    with Client(processes=False, n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as client:
        futures = [client.submit(xsar_engine.read, safe, size, ("VV",), pure=False) for size in (4000, 5000)]
        found = [float(future.result(timeout=60)["longitude"].max()) for future in futures]
    assert found == pytest.approx([-1.7, -1.7], abs=0.05)


def test_zero_noise_is_no_noise(products: Products) -> None:
    """Where the processor wrote zeros xsar has no noise either: NaN, as in the direct engine."""
    safe = read_safe(str(products("FEC3")))
    found = xsar_engine.read(safe, 5000, ("VV",))
    assert np.isnan(found["nesz"].values).all()
    assert (found["sigma0"] == found["sigma0_raw"]).all()


def test_averages_from_overviews_are_said(product: Path) -> None:
    """GDAL answers from the overviews in a file, which is no mean of all pixels: the product says so."""
    import rasterio

    safe = read_safe(str(product))
    assert "overviews" not in xsar_engine.read(safe, 5000, ("VV",)).attrs["averaging"]
    with rasterio.open(next(product.glob("measurement/*-vv-*.tiff")), "r+") as file:
        file.build_overviews([4, 16])
    assert "overviews" in xsar_engine.read(safe, 5000, ("VV",)).attrs["averaging"]


def test_missing_package_says_how_to_install() -> None:
    """Without xsar the user gets the commands that install it without GDAL."""
    with pytest.raises(UsageError, match="no_such_module") as caught:
        xsar_engine.require(("xsar", "no_such_module"))
    assert "pip install --no-deps xsar==" in caught.value.hint
