"""Classic NetCDF (what Daymet's subset services send): the header parsed, the arrays left on disk."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from mmap import mmap
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import xarray as xr

MAGIC = b"CDF"
TYPES = {
    1: "i1", 2: "S1", 3: ">i2", 4: ">i4", 5: ">f4", 6: ">f8",
    7: "u1", 8: ">u2", 9: ">u4", 10: ">i8", 11: ">u8",
}  # fmt: skip


@dataclass
class _Cursor:
    """A place in the header."""

    data: bytes | mmap
    at: int
    wide_counts: bool
    wide_offsets: bool

    def take(self, form: str) -> int:
        value = struct.unpack_from(form, self.data, self.at)[0]
        self.at += struct.calcsize(form)
        return int(value)

    def count(self) -> int:
        return self.take(">q" if self.wide_counts else ">i")

    def offset(self) -> int:
        return self.take(">q" if self.wide_offsets else ">i")

    def raw(self, size: int) -> bytes:
        chunk = bytes(self.data[self.at : self.at + size])
        if len(chunk) < size:
            raise ValueError("the file ends inside its header")
        self.at += (size + 3) // 4 * 4
        return chunk

    def name(self) -> str:
        return self.raw(self.count()).decode()

    def list_length(self) -> int:
        self.take(">i")
        return self.count()


def _attributes(cursor: _Cursor) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(cursor.list_length()):
        name, kind = cursor.name(), cursor.take(">i")
        dtype = np.dtype(TYPES[kind])
        content = cursor.raw(cursor.count() * dtype.itemsize)
        if kind == 2:
            found[name] = content.rstrip(b"\0").decode("utf-8", "replace")
        else:
            values = np.frombuffer(content, dtype).astype(dtype.newbyteorder("="))
            found[name] = values[0] if len(values) == 1 else values
    return found


def open_classic(data: bytes | mmap) -> xr.Dataset:
    """An undecoded xarray dataset over a classic NetCDF file, given as bytes or a memory map of them.

    Raises
    ------
    ValueError
        If the bytes are not such a file or end too early.
    """
    import xarray as xr

    if bytes(data[:3]) != MAGIC or data[3] not in (1, 2, 5):
        raise ValueError("not a classic NetCDF file")
    cursor = _Cursor(data, 4, wide_counts=data[3] == 5, wide_offsets=data[3] != 1)
    try:
        records = cursor.count()
        dims = [(cursor.name(), cursor.count()) for _ in range(cursor.list_length())]
        attributes = _attributes(cursor)
        headers = [_variable(cursor) for _ in range(cursor.list_length())]
    except (struct.error, KeyError) as error:
        raise ValueError(f"the header is damaged ({error})") from error
    record_size = sum(h["vsize"] for h in headers if _is_record(h, dims))
    single = sum(_is_record(h, dims) for h in headers) == 1
    variables = {}
    for header in headers:
        array = _array(data, header, dims, records, record_size, single)
        variables[header["name"]] = ([dims[i][0] for i in header["dims"]], array, header["attributes"])
    return xr.Dataset({name: xr.Variable(*parts) for name, parts in variables.items()}, attrs=attributes)


def _variable(cursor: _Cursor) -> dict[str, Any]:
    name = cursor.name()
    dims = [cursor.count() for _ in range(cursor.count())]
    attributes, kind = _attributes(cursor), cursor.take(">i")
    return {
        "name": name, "dims": dims, "attributes": attributes, "dtype": np.dtype(TYPES[kind]),
        "vsize": cursor.count(), "begin": cursor.offset(),
    }  # fmt: skip


def _is_record(header: dict[str, Any], dims: list[tuple[str, int]]) -> bool:
    return bool(header["dims"]) and dims[header["dims"][0]][1] == 0


def _array(
    data: bytes | mmap,
    header: dict[str, Any],
    dims: list[tuple[str, int]],
    records: int,
    record_size: int,
    single: bool,
) -> npt.NDArray[Any]:
    """The variable as a strided view of the file; the records of several variables are interleaved."""
    dtype, shape = header["dtype"], tuple(dims[i][1] for i in header["dims"])
    strides = list(np.cumprod((dtype.itemsize, *shape[:0:-1]))[::-1]) if shape else []
    if _is_record(header, dims):
        shape = (records, *shape[1:])
        strides[0] = strides[0] if single else record_size
    last = header["begin"] + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) + dtype.itemsize
    if 0 not in shape and last > len(data):
        raise ValueError(f"{header['name']} is cut off: the file has {len(data):,} bytes of at least {last:,}")
    return np.ndarray(shape, dtype, buffer=data, offset=header["begin"], strides=tuple(int(s) for s in strides))
