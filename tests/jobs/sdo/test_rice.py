"""The fast way against astropy on hard images; damaged rows never lead it out of its bytes."""

from __future__ import annotations

import io
import multiprocessing
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from jobs.sdo.irradiance import fits, rice
from jobs.sdo.irradiance.fits import Tiles

Pixels = npt.NDArray[np.generic]


def written(image: Pixels, blank: int | None = None, **options: object) -> bytes:
    """The image as astropy writes it, Rice-coded, one row in each tile."""
    from astropy.io import fits as astropy_fits

    header = astropy_fits.Header() if blank is None else astropy_fits.Header([("BLANK", blank)])
    options = {"compression_type": "RICE_1", "tile_shape": (1, image.shape[1])} | options
    hdu = astropy_fits.CompImageHDU(image, header, **options)
    stream = io.BytesIO()
    astropy_fits.HDUList([astropy_fits.PrimaryHDU(), hdu]).writeto(stream, checksum=True)
    return stream.getvalue()


def laid_out(content: bytes) -> Tiles:
    """The layout of what must be for the fast way."""
    tiles = fits.layout(fits.find_image(content))
    assert tiles is not None
    return tiles


def hard(kind: str, width: int, dtype: type[np.signedinteger]) -> Pixels:
    """Seven rows of one kind of image."""
    rng = np.random.default_rng(width)
    most = np.iinfo(dtype).max
    shape = (7, width)
    if kind == "noise":
        return rng.normal(20, 5, shape).astype(dtype)
    if kind == "flat":
        return np.full(shape, -3, dtype)
    if kind == "spikes":  # runs of zeros far longer than a window
        return np.where(rng.random(shape) < 0.01, 16000, rng.integers(0, 3, shape)).astype(dtype)
    if kind == "extremes":  # differences that leave the width
        return rng.choice(np.array([-most - 1, -most, -1, 0, most], dtype), shape)
    return rng.integers(-most - 1, most, shape, dtype, endpoint=True)


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
@pytest.mark.parametrize("width", [1, 3, 31, 32, 33, 769])
@pytest.mark.parametrize("kind", ["noise", "flat", "spikes", "extremes", "any"])
def test_sums_are_those_of_the_pixels(kind: str, width: int, dtype: type[np.signedinteger]) -> None:
    """Sum and count are exact for every kind of block, any width, blank or not."""
    from astropy.io import fits as astropy_fits

    blank = int(np.iinfo(dtype).min)
    content = written(hard(kind, width, dtype), blank)
    with astropy_fits.open(io.BytesIO(content), do_not_scale_image_data=True) as opened:
        pixels = opened[1].data.astype(np.int64)
    valid = pixels != blank
    assert rice.total(content, laid_out(content)) == (pixels[valid].sum(), valid.sum())
    assert rice.total(content, replace(laid_out(content), blank=None)) == (pixels.sum(), pixels.size)


def test_quantised_floats() -> None:
    """Each row has its own scale and zero, and NaN is blank."""
    from astropy.io import fits as astropy_fits

    image = np.random.default_rng(1).normal(100, 9, (50, 300)) * np.arange(1, 51)[:, None]
    image[3, 5:80] = np.nan
    content = written(image.astype(np.float32), quantize_level=16, quantize_method=-1)
    with astropy_fits.open(io.BytesIO(content)) as opened:
        pixels = opened[1].data.astype(np.float64)
    found = rice.total(content, laid_out(content))
    assert found is not None and found[1] == image.size - 75
    assert found[0] == pytest.approx(np.nansum(pixels), rel=1e-9)


def test_what_is_unusual_is_left_to_astropy() -> None:
    """Dithering, other methods and other tiles are not taken for what they are not."""
    floats, whole = np.ones((8, 8), np.float32), np.ones((8, 8), np.int16)
    contents = [
        written(floats, quantize_method=1),
        written(whole, compression_type="GZIP_1"),
        written(whole, tile_shape=(2, 8)),
        written(whole, tile_shape=(2, 4)),  # as many tiles as rows
        written(whole.astype(np.uint8)),
    ]
    assert [fits.layout(fits.find_image(content)) for content in contents] == [None] * 5
    lossless = written(np.random.default_rng(1).normal(size=(8, 8)).astype(np.float32), quantize_method=-1)
    assert rice.total(lossless, laid_out(lossless)) is None  # rows too noisy to quantise are in another column


def read_beside_a_guard() -> None:
    """Decode damaged rows that end before a page no one may read: one byte too far ends the process."""
    import ctypes
    import mmap

    pages, page = mmap.mmap(-1, 3 * mmap.PAGESIZE), mmap.PAGESIZE
    memory = np.frombuffer(pages, np.uint8)
    assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(memory.ctypes.data + 2 * page), page, 0) == 0
    rng = np.random.default_rng(2)
    content = memory[: 2 * page]
    for size in (2, 4):
        for chance in np.linspace(0, 1, 200):
            length = int(rng.integers(size, page))
            row = rng.integers(0, 256, length) * (rng.random(length) < chance)
            start = content.size - rice.SLACK - length
            content[start : start + length] = row
            content[-rice.SLACK :] = rng.choice([0, 255])
            sums, counts, blanks = np.zeros((3, 1), np.int64)
            shape = (1 << 20, 32, *rice.SPLITS[size], 64 - 8 * size)
            address = np.array([memory.ctypes.data + start])
            rice.sum_rows(address, np.array([length]), blanks, *shape, sums, counts)


@pytest.mark.slow
def test_damaged_rows_are_read_within_their_bounds() -> None:
    """Whatever is in a row, nothing beyond its end and the slack is read, and there is an end."""
    process = multiprocessing.get_context("spawn").Process(target=read_beside_a_guard)
    process.start()
    process.join(60)
    assert process.exitcode == 0


def test_rows_must_lie_in_the_heap() -> None:
    """A descriptor that points elsewhere, or a row that ends early or late, is an error."""
    content = written(hard("noise", 100, np.int16))
    tiles = laid_out(content)
    for place, value in ((0, b"\xff"), (3, b"\x01"), (4, b"\x7f"), (7, b"\x05"), (11, b"\xff")):
        damaged = content[: tiles.data + place] + value + content[tiles.data + place + 1 :]
        with pytest.raises(fits.CorruptError, match=r"row \d"):
            rice.total(damaged, tiles)
    assert rice.total(content[: tiles.end], tiles) == rice.total(content, tiles)
