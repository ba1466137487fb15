"""Opening files and reading rectangles of them, here or in a worker."""

from __future__ import annotations

import contextlib
import functools
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from jobs import causes, doors, storage
from jobs.errors import InputError
from jobs.spring_index.reading import ranges
from jobs.spring_index.reading.chunks import Batch, Column, Index, chunk_index
from jobs.spring_index.reading.pixels import read_pixel
from jobs.spring_index.reading.source import CSV, ZARR, Slot

if TYPE_CHECKING:
    import h5py
    import xarray as xr

Array = npt.NDArray[Any]
HDF5_MAGIC = b"\x89HDF"


class DamagedError(InputError):
    """A file that is not whole, or not what its name says; others may be."""


@contextmanager
def open_dataset(url: str, kind: str) -> Iterator[xr.Dataset]:
    """An xarray dataset over a NetCDF file or a Zarr store: fill values as NaN, times as plain numbers.

    Raises
    ------
    InputError
        If there is no such file, or somebody denies it.
    DamagedError
        If it is not what its name says.
    """
    import xarray as xr

    with contextlib.ExitStack() as stack:
        try:
            raw = _zarr(url) if kind == ZARR else _netcdf(url, stack)
            stack.callback(raw.close)
            dataset = xr.decode_cf(raw, decode_times=False, decode_coords=False)
        except InputError:
            raise
        except Exception as error:  # the libraries below raise anything on a damaged file
            raise unread(url, error) from error
        yield dataset


def unread(url: str, error: Exception) -> InputError:
    """What a library's error says of a file: somebody denies it, or it is damaged."""
    if doors.trouble(error, url) or causes.may_pass(error):
        return storage.unread(url, error)
    said = f"{storage.basename(url)} cannot be read: {_first_line(error)}"
    return DamagedError(said, "Is it complete? Download or copy it again.")


@contextmanager
def open_slot(slot: Slot, *, once: bool = False) -> Iterator[Reader]:
    """A reader of one variable, its file or store open meanwhile; one that starts sooner where it reads only once."""
    if slot.kind == CSV:
        yield PointReader(slot)
        return
    with contextlib.ExitStack() as stack:
        if slot.kind == ZARR or once:
            dataset = stack.enter_context(open_dataset(slot.urls[0], slot.kind))
            yield Reader(slot, dataset[slot.variable].variable)
            return
        try:
            reader = _reader(slot, stack)
        except (OSError, KeyError, ValueError) as error:
            raise OSError(f"{storage.basename(slot.urls[0])} cannot be read: {_first_line(error)}") from error
        yield reader


def _reader(slot: Slot, stack: contextlib.ExitStack) -> Reader:
    """The reader of a NetCDF file, whichever kind; what it opens is closed with the stack."""
    source = stack.enter_context(ranges.opened(slot.urls[0]))
    if source.begin() != HDF5_MAGIC:
        return Reader(slot, stack.enter_context(open_dataset(slot.urls[0], slot.kind))[slot.variable].variable)
    index = _index(slot.urls[0], slot.variable, source.stamp)
    if index is not None:
        return ChunkReader(slot, source, index)
    # Many blocks open the same files: this takes a tenth of the time of opening them as a dataset.
    return Hdf5Reader(slot, stack.enter_context(_hdf5(source))[slot.variable])


@functools.lru_cache(maxsize=256)
def _index(url: str, variable: str, stamp: tuple[str, ...]) -> Index | None:
    """Where the chunks of a variable lie: read once by a process, and again once the file is another."""
    with ranges.opened(url) as source, _hdf5(source) as handle:
        index = chunk_index(handle[variable])
    return index if source.stamp == stamp else None


def _hdf5(source: ranges.Source) -> h5py.File:
    """An open HDF5 file."""
    import h5py

    return h5py.File(source.file(), "r")


class Reader:
    """A variable of an open dataset: rectangles of it, NaN where missing."""

    def __init__(self, slot: Slot, array: Any) -> None:  # noqa: ANN401 - whatever can be sliced
        self.slot, self.array = slot, array

    def fetch(self, days: slice, cells: tuple[slice, ...]) -> Any:  # noqa: ANN401 - what `values` takes
        """Days of a rectangle, counted from 1 January and from the grid's first cell, as `values` wants them.

        May run in another thread than `values`, one batch ahead of it.
        """
        first = self.slot.first
        return self._checked((slice(first + days.start, first + days.stop), *self._shift(cells)))

    def values(self, fetched: Any) -> Array:  # noqa: ANN401 - what `fetch` gave
        """What was fetched, as numbers: (day, *cells); good until the next call."""
        return np.asarray(fetched)

    def days(self, days: slice, cells: tuple[slice, ...]) -> Array:
        """Fetch and values in one."""
        return self.values(self.fetch(days, cells))

    def forget(self) -> None:
        """Let go of what is kept for the next days."""

    def plane(self, cells: tuple[slice, ...]) -> Array:
        """A rectangle of a variable that has no time."""
        return self._checked(self._shift(cells))

    def _shift(self, cells: tuple[slice, ...]) -> tuple[slice, ...]:
        offset = self.slot.offset or (0,) * len(cells)
        return tuple(slice(o + c.start, o + c.stop) for o, c in zip(offset, cells, strict=True))

    def _checked(self, key: tuple[slice, ...]) -> Array:
        with self._named():
            values = self._get(key)
        native = values.dtype.newbyteorder("=")
        return values.astype(native if native in (np.float32, np.float64) else np.float64, copy=False)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Say of an error which file and variable it is about."""
        try:
            yield
        except (OSError, RuntimeError, ValueError) as error:
            name = storage.basename(self.slot.urls[0])
            raise OSError(f"{name}: {self.slot.variable} cannot be read: {_first_line(error)}") from error

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


class ChunkReader(Reader):
    """A variable of an HDF5 file, read by its chunks: their bytes are fetched, then decoded without HDF5's lock."""

    def __init__(self, slot: Slot, source: ranges.Source, index: Index) -> None:
        super().__init__(slot, None)
        self.source, self.index = source, index
        self.columns: dict[str, Column] = {}

    def forget(self) -> None:
        """Let go of the chunks that hold the next days, too."""
        self.columns.clear()

    def fetch(self, days: slice, cells: tuple[slice, ...]) -> tuple[Column, Batch]:
        """The bytes of some days, with whoever knows how to decode them."""
        place = self._shift(cells)
        column = self.columns.setdefault(str(place), Column(self.source, self.index, place))
        with self._named():
            return column, column.fetch(slice(self.slot.first + days.start, self.slot.first + days.stop))

    def values(self, fetched: tuple[Column, Batch]) -> Array:
        """The values of bytes that were fetched; good until the next call."""
        column, batch = fetched
        with self._named():
            return column.decode(batch)


class PointReader(Reader):
    """A variable of many point files."""

    def __init__(self, slot: Slot) -> None:
        super().__init__(slot, None)

    def fetch(self, days: slice, cells: tuple[slice, ...]) -> Array:
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


def _netcdf(url: str, stack: contextlib.ExitStack) -> xr.Dataset:
    """The file undecoded, by what its first bytes say it is."""
    import xarray as xr

    from jobs.spring_index.reading import netcdf3

    try:
        source = stack.enter_context(ranges.opened(url))
    except FileNotFoundError as error:  # which HTTP says of all that is not there for us
        if doors.trouble(error, url) or causes.may_pass(error):
            raise
        raise InputError(f"{url} does not exist.", "Correct --input.") from None
    magic = source.begin()
    if magic[:3] == netcdf3.MAGIC:
        return netcdf3.open_classic(_map(url, source.stamp))
    if magic != HDF5_MAGIC:
        raise DamagedError(
            f"{storage.basename(url)} is not a NetCDF file: it begins with {magic!r}.",
            "A download that failed often leaves a web page or an empty file behind.",
        )
    return xr.open_dataset(source.file(), engine="h5netcdf", decode_cf=False, cache=False)


@functools.lru_cache(maxsize=16)
def _map(url: str, stamp: tuple[str, ...]) -> mmap.mmap:
    """A file in memory as it is read: a remote one is copied first."""
    with contextlib.ExitStack() as stack:
        local = storage.is_local(url)
        stream = stack.enter_context(Path(storage.filesystem(url)[1]).open("rb")) if local else ranges.whole(url, stamp)
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
