"""One image out of an NPZ file. Pure: bytes in, array out."""

from __future__ import annotations

import io
import zipfile
import zlib

import numpy as np
import numpy.typing as npt

MEMBER = "x.npy"


class DamagedError(Exception):
    """The file is not what it should be; the message says why."""


def image(content: bytes, size: tuple[int, int] | None = None) -> npt.NDArray[np.float32]:
    """The image under the key `x`, of half or single precision, as float32.

    Parameters
    ----------
    size
        Rows and columns it must have; None: any.

    Raises
    ------
    DamagedError
        If there is none.
    """
    try:
        found = np.lib.format.read_array(io.BytesIO(_member(content)), allow_pickle=False)
    except DamagedError:
        raise
    except Exception as error:  # the bytes are in memory: whatever zipfile, its codecs and numpy raise, they are wrong
        raise DamagedError(f"damaged: {str(error) or type(error).__name__}") from error
    if found.dtype.kind != "f":
        raise DamagedError(f"its values are {found.dtype}, not floating point")
    if found.ndim != 2 or (size and found.shape != size):
        raise DamagedError(f"its shape is {found.shape}, not {size or 'that of an image'}")
    if np.isnan(found).all():
        raise DamagedError("every value is NaN")
    return found.astype(np.float32, copy=False)


def _member(content: bytes) -> bytes:
    """The bytes of the array, unpacked by one call where zipfile would take many, and checked."""
    archive = zipfile.ZipFile(io.BytesIO(content))
    names = archive.namelist()
    if MEMBER not in names:
        raise DamagedError(f"no key x; it has: {', '.join(name.removesuffix('.npy') for name in names) or 'none'}")
    entry = archive.getinfo(MEMBER)
    if entry.compress_type != zipfile.ZIP_DEFLATED or entry.flag_bits & 1:
        return archive.read(entry)
    at = entry.header_offset
    begin = at + 30 + int.from_bytes(content[at + 26 : at + 28], "little")
    begin += int.from_bytes(content[at + 28 : at + 30], "little")
    found = zlib.decompress(memoryview(content)[begin : begin + entry.compress_size], -15, max(1, entry.file_size))
    if zlib.crc32(found) != entry.CRC:
        raise zipfile.BadZipFile(f"bad CRC-32 of {MEMBER}")
    return found
