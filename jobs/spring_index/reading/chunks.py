"""Native chunks of an HDF5 variable: where their bytes lie, and their values without the HDF5 library's lock.

Only what Daymet and its like are made of is read here: (time, y, x) of little-endian floats, deflate and shuffle or
neither, every chunk there. `chunk_index` says None of anything else, which h5py then reads.
"""

from __future__ import annotations

import functools
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from jobs.spring_index.reading.ranges import Source

if TYPE_CHECKING:
    import h5py

Array = npt.NDArray[Any]
Box = tuple[int, int, int]
DEFLATE, SHUFFLE = 1, 2
"""Numbers of HDF5's filters."""
FILTERS: tuple[tuple[int, ...], ...] = ((), (DEFLATE,), (SHUFFLE, DEFLATE))


@dataclass(frozen=True)
class Index:
    """The chunks of a variable."""

    shape: Box
    chunk: Box
    dtype: np.dtype[Any]
    filters: tuple[int, ...]
    fills: Array
    """Values that stand for a missing one."""
    starts: Array
    """First byte in the file, by number of the chunk along each axis."""
    sizes: Array
    """Bytes in the file."""


def chunk_index(dataset: h5py.Dataset) -> Index | None:
    """The index of a variable, if its chunks can be read without HDF5."""
    properties = dataset.id.get_create_plist()
    filters = tuple(properties.get_filter(i)[0] for i in range(properties.get_nfilters()))
    attributes = dataset.attrs
    if (
        dataset.ndim != 3
        or dataset.chunks is None
        or filters not in FILTERS
        or dataset.dtype.str not in ("<f4", "<f8")
        or sys.byteorder != "little"
        or dataset.file.userblock_size
        or "scale_factor" in attributes
        or "add_offset" in attributes
        or not hasattr(dataset.id, "chunk_iter")
    ):
        return None
    found: list[Any] = []
    dataset.id.chunk_iter(found.append)
    counts = [-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True)]
    if len(found) != np.prod(counts) or any(chunk.filter_mask for chunk in found):
        return None
    starts, sizes = np.zeros(counts, np.int64), np.zeros(counts, np.int64)
    for chunk in found:
        number = tuple(o // c for o, c in zip(chunk.chunk_offset, dataset.chunks, strict=True))
        starts[number], sizes[number] = chunk.byte_offset, chunk.size
    names = [name for name in ("_FillValue", "missing_value") if name in attributes]
    fills = [np.ravel(attributes[name]).astype(np.float64) for name in names]
    known = np.unique(np.concatenate(fills)) if fills else np.empty(0)
    return Index(dataset.shape, dataset.chunks, dataset.dtype, filters, known[~np.isnan(known)], starts, sizes)


@dataclass(frozen=True)
class Batch:
    """Days of a rectangle as they lie in the file."""

    days: slice
    pieces: dict[Box, memoryview]
    """Chunk → its bytes; without those an earlier batch brought."""


class Column:
    """A rectangle of a variable read from its first day on, batch by batch: each chunk is fetched and decoded once."""

    def __init__(self, source: Source, index: Index, cells: tuple[slice, ...]) -> None:
        self.source, self.index, self.cells = source, index, cells
        self.room = np.empty((0, *(c.stop - c.start for c in cells)), index.dtype)
        self.fetched = -1
        self.decoded: dict[Box, Array] = {}

    def fetch(self, days: slice) -> Batch:
        """Get the bytes of some days; may run in another thread than `decode`."""
        first = days.start
        if first == self.fetched:  # the chunk that day lies in came with the days before, unless it begins here
            first = -(-first // self.index.chunk[0]) * self.index.chunk[0]
        self.fetched = days.stop
        chunks = list(self._chunks(slice(first, days.stop))) if first < days.stop else []
        wanted = [(int(self.index.starts[c]), int(self.index.sizes[c])) for c in chunks]
        return Batch(days, dict(zip(chunks, self.source.pieces(wanted), strict=True)))

    def decode(self, batch: Batch) -> Array:
        """The values of the days that were fetched: (day, y, x), NaN where missing; good until the next call.

        The next days take the same memory: new memory costs a quarter of the time of all this.
        """
        from jobs.spring_index.reading import decode

        index, box, days = self.index, (batch.days, *self.cells), batch.days.stop - batch.days.start
        if len(self.room) < days:
            self.room = np.empty((days, *self.room.shape[1:]), index.dtype)
        out = self.room[:days]
        before, self.decoded = self.decoded, {}
        for chunk in self._chunks(batch.days):
            raw = self._raw(chunk, batch.pieces.pop(chunk)) if chunk in batch.pieces else before.pop(chunk)
            if (chunk[0] + 1) * index.chunk[0] > batch.days.stop:
                self.decoded[chunk] = raw
            place(raw, chunk, index, box, out)
        if index.fills.size:
            decode.mask(out.reshape(-1), index.fills)
        return out

    def _chunks(self, days: slice) -> Iterator[Box]:
        """Numbers of the chunks that hold some days of the rectangle."""
        spans = zip((days, *self.cells), self.index.chunk, strict=True)
        yield from product(*(range(s.start // c, -(-s.stop // c)) for s, c in spans))

    def _raw(self, chunk: Box, stored: memoryview) -> Array:
        """The bytes of a chunk as they were before they were deflated."""
        size = int(np.prod(self.index.chunk)) * self.index.dtype.itemsize
        try:
            raw = inflater()(stored, size) if DEFLATE in self.index.filters else stored
        except Exception as error:  # each library has its own
            raise self._damaged(chunk, "cannot be decompressed") from error
        if len(raw) != size:
            raise self._damaged(chunk, f"holds {len(raw):,} bytes instead of {size:,}")
        return np.frombuffer(memoryview(raw).toreadonly(), np.uint8)

    def _damaged(self, chunk: Box, what: str) -> OSError:
        day, start = chunk[0] * self.index.chunk[0] + 1, int(self.index.starts[chunk])
        return OSError(f"the chunk of day {day} at byte {start:,} {what}: damaged? Copy or download the file again")


def place(raw: Array, chunk: Box, index: Index, box: tuple[slice, ...], out: Array) -> None:
    """Put what a chunk has of a box of the variable into the array of that box."""
    from jobs.spring_index.reading import decode

    corner = [i * c for i, c in zip(chunk, index.chunk, strict=True)]
    low = [max(a, s.start) for a, s in zip(corner, box, strict=True)]
    high = [min(a + c, s.stop) for a, c, s in zip(corner, index.chunk, box, strict=True)]
    begin = tuple(a - b for a, b in zip(low, corner, strict=True))
    to = tuple(a - s.start for a, s in zip(low, box, strict=True))
    size = tuple(b - a for a, b in zip(low, high, strict=True))
    if SHUFFLE in index.filters:
        join, whole = (decode.join4, np.uint32) if index.dtype.itemsize == 4 else (decode.join8, np.uint64)
        join(raw, index.chunk, begin, out.view(whole), to, size)
        return
    values = raw.view(index.dtype).reshape(index.chunk)
    source, target = (tuple(slice(a, a + n) for a, n in zip(first, size, strict=True)) for first in (begin, to))
    out[target] = values[source]


@functools.cache
def inflater() -> Callable[[Any, int], Any]:
    """The fastest way here to decompress: (bytes, size of the result) → bytes, its checksum compared."""
    try:
        import deflate
    except ImportError:
        return lambda stored, size: zlib.decompress(stored, bufsize=size)
    inflate: Callable[[Any, int], Any] = deflate.zlib_decompress
    return inflate
