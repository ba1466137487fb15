"""The measurement TIFF, strip by strip at full resolution; a file that is not whole is an error, never zeros."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from jobs.errors import InputError
from jobs.l1b.xml import FETCH_AGAIN

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

CACHE_MB = "64"
"""Holds a row of a COG's tiles; GDAL would take 5 % of the machine for every process."""
# Uncompressed strips are read into place, past the cache; no look around for side-car files on a slow file system.
OPTIONS = {"GTIFF_DIRECT_IO": "YES", "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_CACHEMAX": int(CACHE_MB)}
PROBE = 8 << 20
Answer = TypeVar("Answer")
Strip = npt.NDArray[np.uint16]


@contextmanager
def opened(path: Path, product: str, shape: tuple[int, int]) -> Iterator[DatasetReader]:
    """The image of this shape (lines, samples), found whole."""
    os.environ.setdefault("GDAL_CACHEMAX", CACHE_MB)  # read once by GDAL, when it comes into the process
    import rasterio

    def first() -> DatasetReader:
        # Without this option GDAL answers a decimated read of a COG from an overview (8 dB off at edges).
        return rasterio.open(path, OVERVIEW_LEVEL="NONE")

    with rasterio.Env(**OPTIONS), _twice(first, path, product) as image:
        _check(image, path, product, shape)
        yield image


def strips(image: DatasetReader, path: Path, product: str, lines: int) -> Iterator[Strip]:
    """Whole strips of so many lines; the array is used again for the next."""
    from rasterio.windows import Window

    strip = np.empty((lines, image.width), np.uint16)

    def fill(first: int) -> None:
        image.read(1, window=Window(0, first, image.width, lines), out=strip)

    for first in range(0, image.height - lines + 1, lines):
        _twice(partial(fill, first), path, product)
        yield strip


def _twice(read: Callable[[], Answer], path: Path, product: str) -> Answer:
    """Read; where GDAL fails ask the file system, which has the better word, and read once more.

    GDAL hides errno. An error that may pass (EIO, ESTALE, ETIMEDOUT) comes through from the probe as the OSError it is,
    so that it is retried; a file that reads well as bytes and still not as an image is damaged.
    """
    from rasterio.errors import RasterioIOError

    try:
        return read()
    except RasterioIOError:
        _probe(path, product)
    try:
        return read()
    except RasterioIOError as error:
        detail = str(error.__cause__ or error).replace(str(path), path.name)
        raise InputError(f"{product}: measurement {path.name} is damaged: {detail}", FETCH_AGAIN) from error


def _probe(path: Path, product: str) -> None:
    """Read all bytes of a file, for the errors of the file system."""
    try:
        with path.open("rb") as file:
            got = len(file.read(PROBE))
            while file.read(PROBE):
                pass
    except FileNotFoundError as error:
        raise InputError(f"{product}: measurement {path.name} is not there", FETCH_AGAIN) from error
    if not got:
        raise InputError(f"{product}: measurement {path.name} is empty", FETCH_AGAIN)


def _check(image: DatasetReader, path: Path, product: str, shape: tuple[int, int]) -> None:
    """Refuse an image that is not the annotated one, and one whose file ends before its last block."""
    if image.count != 1 or image.dtypes[0] != "uint16":
        kind = f"{image.count} band(s) of {image.dtypes[0]}"
        raise InputError(f"{product}: measurement {path.name} has {kind}; a GRD has one of uint16", FETCH_AGAIN)
    if image.shape != shape:
        words = f"{product}: measurement {path.name} has {image.height} × {image.width} pixels"
        raise InputError(f"{words}, annotated are {shape[0]} × {shape[1]}", FETCH_AGAIN)
    size = path.stat().st_size
    sparse = image.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG"  # may leave out blocks of zeros
    starts = {_tag(image, f"BLOCK_OFFSET_{block}"): block for block in _blocks(image)}
    if 0 in starts and not sparse:
        raise InputError(f"{product}: measurement {path.name} was never written to its end", FETCH_AGAIN)
    last = max(starts)
    if (end := last + _tag(image, f"BLOCK_SIZE_{starts[last]}")) > size:
        words = f"{product}: measurement {path.name} is cut off: {size:,} bytes of {end:,}"
        raise InputError(words, FETCH_AGAIN)


def _blocks(image: DatasetReader) -> Iterator[str]:
    """GDAL's names of the blocks, COLUMN_ROW."""
    high, wide = image.block_shapes[0]
    return (f"{column}_{row}" for row in range(-(-image.height // high)) for column in range(-(-image.width // wide)))


def _tag(image: DatasetReader, name: str) -> int:
    return int(image.get_tag_item(name, "TIFF", bidx=1) or 0)
