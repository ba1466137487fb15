"""The direct engine against the simulated truth, against pixels taken one by one, and against damaged files."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import xarray as xr
from pyproj import Geod

from jobs.errors import InputError, UsageError
from jobs.l1b.annotation import annotation, calibration, open_xml
from jobs.l1b.direct import read
from jobs.l1b.model import Grid
from jobs.l1b.safe import read_safe

Products = Callable[..., Path]
Truth = Callable[[Path], dict[str, np.ndarray]]
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
WGS84 = Geod(ellps="WGS84")
MODES = ("9550", "BB15", "6D00", "4B8B")
"""IW, EW over the ice at 80° N, IW with the noise of an old processor, Stripmap."""


def opened(path: Path, *polarisations: str, resolution: float = 1000.0) -> xr.Dataset:
    """A product through the direct engine."""
    return read(read_safe(str(path)), resolution, polarisations)


@pytest.mark.parametrize("tail", MODES)
def test_values_are_the_truth(products: Products, truth: Truth, tail: str) -> None:
    """nesz is the simulated one, nearly everywhere to 0.001 dB; sigma0 is unbiased and its scatter is the speckle's."""
    dataset, true = opened(products(tail)), truth(products(tail))
    block = dataset.attrs["block_lines"] * dataset.attrs["block_samples"]
    assert list(true["block"]) == [dataset.attrs["block_lines"], dataset.attrs["block_samples"]]
    for pol in dataset["pol"].values:
        one = dataset.sel(pol=pol)
        nesz, noise = one["nesz"].values, true[f"{pol}_nesz"]
        np.testing.assert_array_equal(np.isnan(nesz), noise == 0)
        error = np.abs(10 * np.log10(nesz[noise > 0] / noise[noise > 0]))
        assert error.max() < 0.03  # where numbers made small let blocks of azimuth noise overlap by a line: EW only
        assert np.mean(error < 0.001) > 0.99
        full = one["valid_fraction"].values == 1
        sigma0, sought = one["sigma0"].values[full], true[f"{pol}_sigma0"][full]
        noisy = sought + noise[full]
        speckle = np.sqrt(2.25 / (2.7 * block))  # correlated neighbours; of the fewest looks, 2.7
        assert np.sqrt(np.mean(((sigma0 - sought) / noisy) ** 2)) < 1.3 * speckle
        assert abs(np.mean((sigma0 - sought) / noisy)) < 6 * speckle / np.sqrt(sigma0.size) + 1e-3
        assert full.mean() > 0.95
        np.testing.assert_array_equal(one["sigma0"].values, one["sigma0_raw"].values - np.nan_to_num(nesz))


def test_values_are_those_of_the_pixels(products: Products) -> None:
    """A cell is the mean of its pixels' DN² / A², each with the table at its own line and sample."""
    safe = read_safe(str(products("9550")))
    dataset = opened(products("9550"), "VH")
    vectors = calibration(open_xml(safe, "calibration", "VH"))
    tiff = safe.find("measurement", "VH")
    assert tiff is not None
    with rasterio.open(Path(safe.path, tiff.href)) as image:
        dn = image.read(1)[:1000, :1500].astype(float)
    by_vector = np.stack([np.interp(np.arange(1500), v.pixel, v.value) for v in vectors])
    lines = [v.line for v in vectors]
    factor = np.stack([np.interp(np.arange(1000), lines, column) for column in by_vector.T], axis=1)
    power, valid = (v.reshape(100, 10, 150, 10) for v in ((dn / factor) ** 2, dn > 0))
    with np.errstate(invalid="ignore"):  # cells without data
        expected = power.sum(axis=(1, 3)) / valid.sum(axis=(1, 3))
    part = dataset["sigma0_raw"].values[0, :100, :150]
    np.testing.assert_allclose(part, expected, rtol=1e-5)
    np.testing.assert_array_equal(dataset["valid_fraction"].values[0, :100, :150], valid.mean(axis=(1, 3)))


@pytest.mark.parametrize("tail", MODES)
def test_places_are_exact_to_the_last_cell(products: Products, tail: str) -> None:
    """Cells lie where their middle pixel is in the geolocation grid, in the last row and column as in the first."""
    safe = read_safe(str(products(tail)))
    dataset, image = opened(products(tail)), annotation(open_xml(safe, "product", safe.polarisations[0]))
    line, sample = (_middles(dataset, name) for name in ("line", "sample"))
    np.testing.assert_array_equal(dataset["line"].values, line)
    np.testing.assert_array_equal(dataset["sample"].values, sample)
    places = [bilinear(image.grid, field, line, sample) for field in (image.grid.longitude, image.grid.latitude)]
    # Degrees are not linear along a great circle: 1.7 m off between the points of an IW grid, more by the pole.
    off = WGS84.inv(*places, dataset["longitude"].values, dataset["latitude"].values)[2]
    assert off.max() < (80 if tail == "BB15" else 5)
    for name, field in (("incidence", image.grid.incidence), ("elevation", image.grid.elevation)):
        np.testing.assert_allclose(dataset[name].values, bilinear(image.grid, field, line, sample), rtol=1e-12)
    seconds = (dataset["time"].values - image.first) / np.timedelta64(1, "s")
    whole = (image.last - image.first) / np.timedelta64(1, "s")
    np.testing.assert_allclose(seconds, line / (image.lines - 1) * whole, atol=2e-9)


def _middles(dataset: xr.Dataset, name: str) -> np.ndarray:
    """The middles of whole blocks of pixels, counted from the centre of the first."""
    block, pixels = dataset.attrs[f"block_{name}s"], dataset.attrs[f"image_{name}s"]
    return np.array([(first + first + block - 1) / 2 for first in range(0, pixels - block + 1, block)])


def bilinear(grid: Grid, field: np.ndarray, line: np.ndarray, sample: np.ndarray) -> np.ndarray:
    """A field of the grid, one axis after the other."""
    along = np.stack([np.interp(line, grid.line, column) for column in field.T], axis=1)
    return np.stack([np.interp(sample, grid.pixel, row) for row in along])


@pytest.mark.parametrize(("tail", "lowest", "highest"), [("9550", -14, -9), ("BB15", -170, -135), ("4B8B", -20, -5)])
def test_heading_is_the_way_of_the_satellite(products: Products, tail: str, lowest: float, highest: float) -> None:
    """Ground heading agrees with pyproj on the product's own places within 0.1°, and with the pass."""
    dataset = opened(products(tail), read_safe(str(products(tail))).polarisations[0])
    lon, lat, found = (dataset[name].values for name in ("longitude", "latitude", "ground_heading"))
    there, back, _ = WGS84.inv(lon[:-2], lat[:-2], lon[2:], lat[2:])
    ends = np.asarray(there), np.asarray(back) + 180
    middle = ends[0] + ((ends[1] - ends[0] + 180) % 360 - 180) / 2
    assert np.abs((found[1:-1] - middle + 180) % 360 - 180).max() < 0.1
    assert lowest < np.median(found) < highest


def test_cog_gives_the_same(product: Path) -> None:
    """A compressed, tiled COG with overviews is read at full resolution: every value is that of the plain file."""
    plain = opened(product, "VV")
    tiff = next(product.glob("measurement/*-vv-*"))
    plain_tiff = tiff.rename(tiff.with_suffix(".plain"))
    rasterio.shutil.copy(plain_tiff, tiff, driver="COG", compress="ZSTD", level=1, overview_resampling="rms")
    with rasterio.open(tiff) as image:
        assert image.overviews(1)
        assert image.block_shapes == [(512, 512)]
    xr.testing.assert_equal(plain, opened(product, "VV"))


def test_noise_that_is_not_annotated(products: Products) -> None:
    """A product of 2015 without noise says so: nesz is NaN, sigma0 is not denoised."""
    dataset = opened(products("FEC3"))
    assert dataset.attrs["noise_missing"] == [1, 1]
    assert dataset.attrs["denoising"] == "none: no noise annotated"
    assert np.isnan(dataset["nesz"].values).all()
    np.testing.assert_array_equal(dataset["sigma0"].values, dataset["sigma0_raw"].values)


def test_noise_of_old_processors_is_scaled(products: Products, tmp_path: Path) -> None:
    """Before IPF 2.50 the annotated noise lacks the processor's factor and the square of the DN's."""
    path = Path(shutil.copytree(products("FEC3"), tmp_path / products("FEC3").name))
    for file in path.glob("annotation/calibration/noise*.xml"):
        file.write_text(file.read_text().replace("0.000000e+00", "1.000000e-07"))
    dataset = opened(path, "VV")
    factor = calibration(open_xml(read_safe(str(path)), "calibration", "VV"))[0].value[0]
    expected = 1e-7 * 75088.7 * 474**2 / factor**2
    assert abs(float(dataset["nesz"][0, 0, 0]) / expected - 1) < 0.01


def test_what_is_asked_for(products: Products) -> None:
    """One polarisation of a product that lacks the other, another resolution, and what cannot be had."""
    only = opened(products("5371"), "VV", resolution=2000)
    assert list(only["pol"].values) == ["VV"]
    assert (only.attrs["block_lines"], only.attrs["block_samples"]) == (20, 20)
    with pytest.raises(InputError, match=r"annotation s1b-iw-grd-vh-.* is not there"):
        opened(products("5371"))
    with pytest.raises(InputError, match="has no HH"):
        opened(products("9550"), "HH")
    with pytest.raises(UsageError, match="too coarse"):
        opened(products("9550"), resolution=200_000)


def test_no_data_is_no_number(product: Path) -> None:
    """A cell without a single DN above 0 is NaN in sigma0, and cells with few count only those."""
    tiff = next(product.glob("measurement/*-vv-*"))
    with rasterio.open(tiff) as image:
        dn, profile = image.read(1), image.profile
    before = opened(product, "VV")
    dn[:25, :] = 0
    with rasterio.open(tiff, "w", **{k: profile[k] for k in ("driver", "width", "height", "count", "dtype")}) as image:
        image.write(dn, 1)
    after = opened(product, "VV")
    assert np.isnan(after["sigma0"].values[0, :2]).all()
    assert (after["valid_fraction"].values[0, :2] == 0).all()
    assert (after["valid_fraction"].values[0, 2, 5:-5] == 0.5).all()
    ratio = after["sigma0_raw"].values[0, 2, 5:-5] / before["sigma0_raw"].values[0, 2, 5:-5]
    assert abs(np.median(ratio) - 1) < 0.1
    np.testing.assert_array_equal(after["sigma0"].values[0, 3:], before["sigma0"].values[0, 3:])


def cut_off(file: Path) -> None:
    """Leave 60 % of a file."""
    os.truncate(file, file.stat().st_size * 6 // 10)


def emptied(file: Path) -> None:
    """Leave nothing of a file."""
    os.truncate(file, 0)


def never_finished(file: Path) -> None:
    """Leave a TIFF as a writer that was killed does: valid, its later strips not there."""
    with rasterio.open(file) as image:
        size = image.profile
    with rasterio.open(
        file, "w", driver="GTiff", dtype="uint16", count=1, width=size["width"], height=size["height"], sparse_ok=True
    ):
        pass


def of_another_size(file: Path) -> None:
    """A TIFF that is not the annotated image."""
    with rasterio.open(file, "w", driver="GTiff", dtype="uint16", count=1, width=100, height=90) as image:
        image.write(np.ones((90, 100), "u2"), 1)


def of_another_type(file: Path) -> None:
    """A TIFF of complex numbers, as an SLC has."""
    with rasterio.open(file, "w", driver="GTiff", dtype="complex64", count=1, width=2524, height=1677):
        pass


def noise_in_bytes(file: Path) -> None:
    """Bytes that are no TIFF."""
    file.write_bytes(b"<html>503 Service Unavailable</html>" * 1000)


def removed(file: Path) -> None:
    """Take a file away."""
    file.unlink()


DAMAGE = [
    (cut_off, "measurement/*-vh-*", "is cut off: .* bytes of"),
    (emptied, "measurement/*-vh-*", "is empty"),
    (removed, "measurement/*-vh-*", "is not there"),
    (never_finished, "measurement/*-vh-*", "never written to its end"),
    (of_another_size, "measurement/*-vh-*", "has 90 × 100 pixels, annotated are 1677 × 2524"),
    (of_another_type, "measurement/*-vh-*", "has 1 band.* of complex64"),
    (noise_in_bytes, "measurement/*-vh-*", "is damaged"),
    *[
        (damage, f"annotation/{file}", words)
        for file in ("s1a-*-vh-*.xml", "calibration/calibration-*-vh-*.xml", "calibration/noise-*-vh-*.xml")
        for damage, words in ((removed, "is not there"), (emptied, "is empty"), (cut_off, "is not well-formed XML"))
    ],
]


@pytest.mark.parametrize(("damage", "file", "words"), DAMAGE)
def test_damaged_files_are_errors(product: Path, damage: Callable[[Path], None], file: str, words: str) -> None:
    """A damaged or missing file is a permanent error that names product, file and cause; it never gives numbers."""
    victim = next(product.glob(file))
    damage(victim)
    with pytest.raises(InputError, match=words) as caught:
        opened(product)
    assert product.name.removesuffix(".SAFE") in str(caught.value)
    assert victim.name in str(caught.value)
    assert str(product.parent) not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("file", "pattern", "replacement", "words"),
    [
        ("calibration/calibration-*-vh-*.xml", r"(<sigmaNought[^>]*>)\S+", r"\1-3.0", "not positive"),
        ("calibration/calibration-*-vh-*.xml", r"(<sigmaNought[^>]*>)\S+", r"\1", "numbers in pixel and"),
        ("calibration/noise-*-vh-*.xml", r"(<noiseRangeLut [^>]*>)\S+", r"\1nan", "not finite"),
        ("calibration/noise-*-vh-*.xml", r"(<noiseRangeLut [^>]*>)\S+", r"\1a,b", "something else than numbers"),
        ("calibration/noise-*-vh-*.xml", r"(<pixel [^>]*>)0 ", r"\g<1>99999 ", "do not increase"),
        ("s1a-*-vh-*.xml", r"<longitude>[^<]*", "<longitude>east", "not a number"),
        ("s1a-*-vh-*.xml", r"<pixel>126<", "<pixel>127<", "not a regular grid"),
        ("s1a-*-vh-*.xml", r"<azimuthPixelSpacing>[^<]*", "<azimuthPixelSpacing>0", "pixel spacing of 0.0 m"),
    ],
)
def test_wrong_numbers_are_errors(product: Path, file: str, pattern: str, replacement: str, words: str) -> None:
    """Well-formed XML whose numbers cannot be right is refused too."""
    victim = next((product / "annotation").glob(file))
    text = victim.read_text()
    changed = re.sub(pattern, replacement, text, count=1)
    assert changed != text
    victim.write_text(changed)
    with pytest.raises(InputError, match=words):
        opened(product, "VH")


@pytest.mark.parametrize("file", ["measurement/*-vh-*", "annotation/s1a-*-vh-*.xml", "annotation/calibration/n*-vh-*"])
@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs a file that gives EIO")  # noqa: PTH110
def test_errors_that_may_pass_come_through(product: Path, file: str) -> None:
    """An I/O error of the file system stays the OSError it is, also through GDAL, so that it is retried."""
    victim = next(product.glob(file))
    victim.unlink()
    victim.symlink_to("/proc/self/mem")
    with pytest.raises(OSError, match="Input/output error") as caught:
        opened(product)
    assert caught.value.errno == 5
