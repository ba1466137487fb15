"""Opening files and reading rectangles of them, here or in a worker."""

from __future__ import annotations

import contextlib
import functools
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from jobs import storage
from jobs.errors import InputError
from jobs.spring_index.pixels import read_pixel
from jobs.spring_index.source import CSV, ZARR, Slot

if TYPE_CHECKING:
    import xarray as xr
    from fsspec import AbstractFileSystem

Array = npt.NDArray[Any]
HDF5_MAGIC = b"\x89HDF"
BLOCK_BYTES = 4 * 2**20
"""Bytes per request to remote storage."""


@contextmanager
def open_dataset(url: str, kind: str) -> Iterator[xr.Dataset]:
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
    except Exception as error:  # the libraries below raise anything on a damaged file
        raise InputError(
            f"{name} cannot be read: {_first_line(error)}", "Is it complete? Download or copy it again."
        ) from error
    try:
        yield dataset
    finally:
        raw.close()


@contextmanager
def open_slot(slot: Slot) -> Iterator[Reader]:
    """A reader of one variable, its file or store open meanwhile."""
    if slot.kind == CSV:
        yield PointReader(slot)
        return
    fs, path = storage.filesystem(slot.urls[0])
    if slot.kind == ZARR or _magic(fs, path) != HDF5_MAGIC:
        with open_dataset(slot.urls[0], slot.kind) as dataset:
            yield Reader(slot, dataset[slot.variable].variable)
        return
    import h5py

    # Many blocks open the same files: this takes a tenth of the time of opening them as a dataset.
    with contextlib.ExitStack() as stack:
        try:
            target = path if storage.is_local(slot.urls[0]) else stack.enter_context(_remote(fs, path))
            array = stack.enter_context(h5py.File(target, "r"))[slot.variable]
        except (OSError, KeyError) as error:
            raise OSError(f"{storage.basename(slot.urls[0])} cannot be read: {_first_line(error)}") from error
        yield Hdf5Reader(slot, array)


class Reader:
    """A variable of an open dataset: rectangles of it, NaN where missing."""

    def __init__(self, slot: Slot, array: Any) -> None:  # noqa: ANN401 - whatever can be sliced
        self.slot, self.array = slot, array

    def days(self, days: slice, cells: tuple[slice, ...]) -> Array:
        """Days of a rectangle, counted from 1 January and from the grid's first cell: (day, *cells)."""
        first = self.slot.first
        return self._checked((slice(first + days.start, first + days.stop), *self._shift(cells)))

    def plane(self, cells: tuple[slice, ...]) -> Array:
        """A rectangle of a variable that has no time."""
        return self._checked(self._shift(cells))

    def _shift(self, cells: tuple[slice, ...]) -> tuple[slice, ...]:
        offset = self.slot.offset or (0,) * len(cells)
        return tuple(slice(o + c.start, o + c.stop) for o, c in zip(offset, cells, strict=True))

    def _checked(self, key: tuple[slice, ...]) -> Array:
        try:
            values = self._get(key)
        except (OSError, RuntimeError, ValueError) as error:
            name = storage.basename(self.slot.urls[0])
            raise OSError(f"{name}: {self.slot.variable} cannot be read: {_first_line(error)}") from error
        real = values.dtype if values.dtype in (np.float32, np.float64) else np.dtype(np.float64)
        return values.astype(real.newbyteorder("="), copy=False)

    def _get(self, key: tuple[slice, ...]) -> Array:
        return np.asarray(self.array[key].values)


class Hdf5Reader(Reader):
    """A variable of an open HDF5 file, decoded as CF says."""

    def _get(self, key: tuple[slice, ...]) -> Array:
        values, attrs = self.array[key], self.array.attrs
        packed = "scale_factor" in attrs or "add_offset" in attrs
        decoded = values.astype(np.float64) if packed or values.dtype.kind != "f" else values
        for name in ("_FillValue", "missing_value"):
            for fill in np.ravel(attrs.get(name, ())):
                decoded[values == fill] = np.nan
        if packed:
            decoded = decoded * attrs.get("scale_factor", 1.0) + attrs.get("add_offset", 0.0)
        return np.asarray(decoded)


class PointReader(Reader):
    """A variable of many point files."""

    def __init__(self, slot: Slot) -> None:
        super().__init__(slot, None)

    def days(self, days: slice, cells: tuple[slice, ...]) -> Array:
        """Days of some points, counted from 1 January: (day, point)."""
        slot = self.slot
        return np.stack([read_pixel(u).year(slot.first, slot.variable, days) for u in slot.urls[cells[0]]], axis=1)


def read_plane(slot: Slot, cells: tuple[slice, ...]) -> Array:
    """A rectangle of a two-dimensional coordinate."""
    with open_slot(slot) as reader:
        return reader.plane(cells)


def _zarr(url: str) -> xr.Dataset:
    import xarray as xr

    fs, path = storage.filesystem(url)
    document = storage.read_json(f"{url}/zarr.json") or {}
    gathered = bool(document.get("consolidated_metadata")) or fs.exists(f"{path}/.zmetadata")
    raw: xr.Dataset = xr.open_zarr(
        url, chunks=None, consolidated=gathered, decode_cf=False, mask_and_scale=False, decode_times=False
    )
    return raw


def _netcdf(url: str) -> xr.Dataset:
    """The file undecoded, by what its first bytes say it is."""
    import xarray as xr

    from jobs.spring_index import netcdf3

    fs, path = storage.filesystem(url)
    if not fs.exists(path):
        raise InputError(f"{url} does not exist.")
    magic = _magic(fs, path)
    if magic[:3] == netcdf3.MAGIC:
        return netcdf3.open_classic(_map(path) if storage.is_local(url) else fs.cat_file(path))
    if magic != HDF5_MAGIC:
        raise InputError(
            f"{storage.basename(url)} is not a NetCDF file: it begins with {magic!r}.",
            "A download that failed often leaves a web page or an empty file behind.",
        )
    target = path if storage.is_local(url) else _remote(fs, path)
    return xr.open_dataset(target, engine="h5netcdf", decode_cf=False, cache=False)


def _magic(fs: AbstractFileSystem, path: str) -> bytes:
    """The first four bytes of a file."""
    with fs.open(path, "rb") as stream:
        return bytes(stream.read(4))


def _remote(fs: AbstractFileSystem, path: str) -> IO[bytes]:
    """A file of a remote store, read in large pieces."""
    return cast(IO[bytes], fs.open(path, "rb", block_size=BLOCK_BYTES))


@functools.lru_cache(maxsize=16)
def _map(path: str) -> mmap.mmap:
    with Path(path).open("rb") as stream:
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
