"""Opening files and reading rectangles of them, here or in a worker."""

from __future__ import annotations

import functools
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs import storage
from jobs.errors import InputError
from jobs.spring_index.pixels import read_pixel
from jobs.spring_index.source import CSV, ZARR, Slot

Array = npt.NDArray[Any]
HDF5_MAGIC = b"\x89HDF"
BLOCK_BYTES = 4 * 2**20
"""Bytes per request to remote storage."""


@contextmanager
def open_dataset(url: str, kind: str) -> Iterator[Any]:
    """An xarray dataset over a NetCDF file or a Zarr store: fill values as NaN, times as plain numbers.

    Raises
    ------
    InputError
        If there is no such file, or it is not what its name says.
    """
    import xarray as xr

    name = storage.basename(url)
    try:
        raw = _zarr(url) if kind == ZARR else _netcdf(url)
        dataset = xr.decode_cf(raw, decode_times=False, decode_coords=False)
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - the libraries below raise anything on a damaged file
        raise InputError(
            f"{name} cannot be read: {_first_line(error)}", "Is it complete? Download or copy it again."
        ) from error
    try:
        yield dataset
    finally:
        raw.close()


def read(slot: Slot, days: slice, cells: tuple[slice, ...]) -> Array:
    """Days (counted from 1 January) of a rectangle of cells as (day, *cells), NaN where missing."""
    if slot.kind == CSV:
        columns = [read_pixel(url).year(slot.first, slot.variable, days) for url in slot.urls[cells[0]]]
        return np.stack(columns, axis=1)
    with open_dataset(slot.urls[0], slot.kind) as dataset:
        return Reader(slot, dataset).days(days, cells)


class Reader:
    """A variable of an open dataset."""

    def __init__(self, slot: Slot, dataset: Any) -> None:
        self.slot, self.array = slot, dataset[slot.variable].variable

    def days(self, days: slice, cells: tuple[slice, ...]) -> Array:
        """Days of a rectangle, counted from 1 January and from the grid's first cell."""
        first = self.slot.first
        return self._get((slice(first + days.start, first + days.stop), *self._shift(cells)))

    def plane(self, cells: tuple[slice, ...]) -> Array:
        """A rectangle of a variable that has no time."""
        return self._get(self._shift(cells))

    def _shift(self, cells: tuple[slice, ...]) -> tuple[slice, ...]:
        offset = self.slot.offset or (0,) * len(cells)
        return tuple(slice(o + c.start, o + c.stop) for o, c in zip(offset, cells, strict=True))

    def _get(self, key: tuple[slice, ...]) -> Array:
        try:
            values = np.asarray(self.array[key].values)
        except (OSError, RuntimeError, ValueError) as error:
            name = storage.basename(self.slot.urls[0])
            raise OSError(f"{name}: {self.slot.variable} cannot be read: {_first_line(error)}") from error
        real = values.dtype if values.dtype in (np.float32, np.float64) else np.dtype(np.float64)
        return values.astype(real.newbyteorder("="), copy=False)


def read_plane(slot: Slot, cells: tuple[slice, ...]) -> Array:
    """A rectangle of a two-dimensional coordinate."""
    with open_dataset(slot.urls[0], slot.kind) as dataset:
        return Reader(slot, dataset).plane(cells)


def _zarr(url: str) -> Any:
    import xarray as xr

    return xr.open_zarr(url, chunks=None, decode_cf=False, mask_and_scale=False, decode_times=False)


def _netcdf(url: str) -> Any:
    """The file undecoded, by what its first bytes say it is."""
    import xarray as xr

    from jobs.spring_index import netcdf3

    fs, path = storage.filesystem(url)
    if not fs.exists(path):
        raise InputError(f"{url} does not exist.")
    with fs.open(path, "rb") as stream:
        magic = stream.read(4)
    if magic[:3] == netcdf3.MAGIC:
        return netcdf3.open_classic(_map(path) if storage.is_local(url) else fs.cat_file(path))
    if magic != HDF5_MAGIC:
        raise InputError(
            f"{storage.basename(url)} is not a NetCDF file: it begins with {magic!r}.",
            "A download that failed often leaves a web page or an empty file behind.",
        )
    target = path if storage.is_local(url) else fs.open(path, "rb", block_size=BLOCK_BYTES)
    return xr.open_dataset(target, engine="h5netcdf", decode_cf=False, cache=False)


@functools.lru_cache(maxsize=16)
def _map(path: str) -> mmap.mmap:
    with Path(path).open("rb") as stream:
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
