"""The optional engine xsar, the library of the original page, with cures for what is wrong in it today.

The same grid as `direct`, with xsar's own averaging and noise. What is cured: whole pixels per cell, so that the
coordinates fit the data at the far edges; variables that share one dask key are computed one by one; no dask actor is
made, which would wait for a free worker for ever; heading from the geometry. What is not: GDAL rounds averages of DN to
whole numbers, noise vectors all get the pixel grid of the first, and longitude is interpolated in degrees.
"""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from jobs.errors import UsageError
from jobs.l1b.heading import heading
from jobs.l1b.model import Safe

if TYPE_CHECKING:
    import xarray as xr

PINS = ("xsar==2026.8.31", "xarray-safe-s1==2026.1.23", "mapraster==2026.1.6")
NEEDS = ("xsar", "safe_s1", "mapraster", "scipy", "geopandas", "rioxarray", "jmespath")
GEOMETRY = ("longitude", "latitude", "incidence", "elevation")
RADIOMETRY = ("sigma0", "sigma0_raw", "nesz")


def require(names: tuple[str, ...] = NEEDS) -> None:
    """Make sure that xsar can be imported here.

    Raises
    ------
    UsageError
        Saying how to install it: its source package asks for GDAL's, which it never imports.
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"--engine xsar needs {missing[0]}, which is not installed here.",
            f"pip install 'springline[l1b-xsar]' && pip install --no-deps {' '.join(PINS)}",
        )


def read(safe: Safe, resolution: int, polarisations: tuple[str, ...]) -> xr.Dataset:
    """A product on the grid of about `resolution` metres, in the layout of `direct.read`.

    Parameters
    ----------
    resolution : int
        Side of a cell [m], rounded to whole pixels.
    """
    require()
    os.environ.setdefault("GDAL_CACHEMAX", "128")  # megabytes; else 5 % of the memory, for each process
    import dask

    with warnings.catch_warnings(), _without_actors(), dask.config.set(scheduler="synchronous"):
        warnings.simplefilter("ignore")  # of deprecated calls in xsar, which its user cannot mend
        import xsar

        logging.getLogger("xsar").setLevel(logging.ERROR)
        meta = xsar.Sentinel1Meta(safe.path)
        cells = {"line": _cells(meta, "azimuthPixelSpacing", resolution),
                 "sample": _cells(meta, "groundRangePixelSpacing", resolution)}  # fmt: skip
        opened = xsar.open_dataset(meta, resolution=cells)
        return _collect(opened, safe, cells, polarisations)


def _cells(meta: Any, spacing: str, resolution: int) -> int:  # noqa: ANN401 - xsar has no types
    """Whole pixels in a cell; as an int, which is what makes xsar's coordinates exact."""
    return max(1, round(resolution / float(meta.image[spacing])))


def _collect(opened: xr.Dataset, safe: Safe, cells: dict[str, int], polarisations: tuple[str, ...]) -> xr.Dataset:
    """Compute what is wanted, in the order that keeps it right, and name how it was averaged."""
    import xarray as xr

    chosen = opened.sel(pol=list(polarisations))
    # These have one dask key in common: computed together, all get the values of one of them.
    plane = {name: np.asarray(chosen[name].values, dtype=float) for name in GEOMETRY}
    cube = chosen[list(RADIOMETRY)].compute()
    cube["nesz"] = cube["nesz"].where(cube["nesz"] != 0)  # zero stands for no noise annotated
    data: dict[str, Any] = {name: (("pol", "line", "sample"), cube[name].values) for name in RADIOMETRY}
    data |= {name: (("line", "sample"), values) for name, values in plane.items()}
    data["ground_heading"] = (("line", "sample"), heading(plane["longitude"], plane["latitude"]))
    data["time"] = (("line",), chosen["time"].values)
    coords = {"pol": list(polarisations), "line": chosen["line"].values, "sample": chosen["sample"].values}
    return xr.Dataset(data, coords, {"averaging": _averaging(safe, polarisations, cells), "denoising": DENOISING})


DENOISING = (
    "range noise x azimuth noise subtracted; xsar: constant between range vectors, on the grid of the first, taken "
    "at the middle of the cell, none where no azimuth noise is annotated"
)


def _averaging(safe: Safe, polarisations: tuple[str, ...], cells: dict[str, int]) -> str:
    """What GDAL did, in words: from its overviews where the file has some, which is not a mean of all pixels."""
    import rasterio

    text = f"GDAL root mean square of DN over {cells['line']} lines x {cells['sample']} samples, rounded to whole DN"
    for polarisation in polarisations:
        listed = safe.find("measurement", polarisation)
        with rasterio.open(Path(safe.path, listed.href if listed else "")) as file:
            if file.overviews(1):
                return f"{text}; taken from the overviews in the file, not from its full resolution"
    return text


@contextlib.contextmanager
def _without_actors() -> Iterator[None]:
    """Keep xsar from handing the metadata to a dask worker: inside one, that fails or waits for itself."""
    import xsar.utils

    def nobody(*args: object, **kwargs: object) -> NoReturn:
        raise ValueError("no client here")

    before = xsar.utils.get_client
    xsar.utils.get_client = nobody
    try:
        yield
    finally:
        xsar.utils.get_client = before
