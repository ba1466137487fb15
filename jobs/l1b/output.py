"""A product as a Zarr v3 store or a NetCDF-4 file: one group, compressed, one chunk for each polarisation."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs import storage
from jobs.l1b.layout import DIGEST, digest

if TYPE_CHECKING:
    import xarray as xr

DEFLATE = {"zlib": True, "complevel": 4, "shuffle": True}


def write(dataset: xr.Dataset, target: str, form: str) -> None:
    """Write a product, all of it at `target`, which must be a scratch place: it may be half there at any moment."""
    if form == "zarr":
        _write_zarr(dataset, target)
    elif storage.is_local(target):
        _write_netcdf(dataset, storage.absolute(target))
    else:
        fs, path = storage.filesystem(target)
        with tempfile.TemporaryDirectory() as scratch:
            _write_netcdf(dataset, f"{scratch}/product.nc")
            fs.put_file(f"{scratch}/product.nc", path)


def open_product(target: str) -> xr.Dataset:
    """A product as it was written, wholly in memory."""
    import xarray as xr

    if target.endswith(".nc"):
        return xr.load_dataset(target, engine="h5netcdf")
    with xr.open_zarr(target, chunks=None) as opened:
        loaded: xr.Dataset = opened.load()
    return loaded


def is_complete(target: str) -> bool:
    """Whether a product is there and every value is the one that was written: a lost chunk would read as zeros."""
    try:
        found = open_product(target)
    except (OSError, ValueError, KeyError, RuntimeError):
        return False
    return bool(found.attrs.get(DIGEST) == digest(found))


def _write_zarr(dataset: xr.Dataset, target: str) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Consolidated metadata is currently not")  # without it, readers are warned
        dataset.to_zarr(target, mode="w", zarr_format=3, consolidated=True, encoding=_encoding(dataset, "chunks", {}))


def _write_netcdf(dataset: xr.Dataset, path: str) -> None:
    Path(path).unlink(missing_ok=True)
    dataset.to_netcdf(path, engine="h5netcdf", encoding=_encoding(dataset, "chunksizes", DEFLATE))


def _encoding(dataset: xr.Dataset, chunks: str, compression: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Whole planes as chunks, exact times, NaN as fill value of fractions only."""
    encoding: dict[str, dict[str, Any]] = {}
    for name, variable in dataset.variables.items():
        if variable.dtype.kind == "O":
            continue
        shape = tuple(1 if dim == "pol" else size for dim, size in zip(variable.dims, variable.shape, strict=True))
        own = {chunks: shape, **compression}
        encoding[str(name)] = own | {"_FillValue": np.float32(np.nan) if variable.dtype == np.float32 else None}
    start = np.datetime64(dataset["time"].values.min(), "s")
    encoding["time"] |= {"units": f"nanoseconds since {str(start).replace('T', ' ')}", "dtype": "int64"}
    return encoding
