"""The direct engine: calibrated and denoised cells of a GRD product, with nothing but rasterio, lxml and numpy.

A cell is a block of round(resolution / spacing) lines and samples; what is left at the end is cropped, so that
coordinates are exact. All means are of power:

- `sigma0_raw` is the mean of DN² / A² over the pixels with DN > 0, A the sigma nought look-up table;
- `nesz` is the mean of noise / A² over all pixels of the cell, noise = range × azimuth noise;
- `sigma0` = `sigma0_raw` − `nesz`, not clipped: below the noise it is negative as often as it should be.

Where the processor annotated no noise (zero: products before July 2015, corners of EW without data) `nesz` is NaN and
`sigma0` is `sigma0_raw`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from jobs.errors import InputError, UsageError
from jobs.l1b import geolocation, tables
from jobs.l1b.annotation import amplitude, annotation, calibration, noise, open_xml
from jobs.l1b.heading import heading
from jobs.l1b.measurement import opened, strips
from jobs.l1b.model import Annotation, Cells, Floats, Noise, Safe, Vector
from jobs.l1b.power import cell_sums, power_sums, valid_counts

if TYPE_CHECKING:
    import xarray

MODES = ("IW", "EW", "SM")
AVERAGING = "mean of DN^2 / A^2 over the pixels of a cell with DN > 0, in the power domain, without rounding"
SCALED_SINCE = "002.50"
UNSCALED = {"IW": 75088.7, "EW": 56065.87}
"""The processor's noise factor, which products before IPF 2.50 leave to the reader (ESA, MPC-0243)."""


@dataclass(frozen=True)
class Image:
    """What is needed to calibrate the image of one polarisation."""

    annotation: Annotation
    calibration: tuple[Vector, ...]
    noise: Noise
    path: Path


def read(safe: Safe, resolution: float = 1000.0, polarisations: tuple[str, ...] = ()) -> xarray.Dataset:
    """Cells of about `resolution` [m] as a dataset (pol, line, sample) in memory; no polarisations means all.

    float64 throughout: a product has 10⁵ cells. The facts for the record are its attributes: `averaging`, `denoising`,
    `noise_missing` (by polarisation), `block_lines`, `block_samples`, `line_spacing`, `sample_spacing` [m of a pixel],
    `image_lines`, `image_samples` and `bytes_read`.
    """
    images = [_image(safe, polarisation) for polarisation in _asked(safe, polarisations)]
    first = images[0].annotation
    if any((i.annotation.lines, i.annotation.samples) != (first.lines, first.samples) for i in images):
        raise InputError(f"{safe.name}: its polarisations differ in size", "read one at a time")
    cells = cut(first, resolution)
    return _dataset(images, cells, [_measure(image, cells, safe.name) for image in images])


def cut(image: Annotation, resolution: float) -> Cells:
    """The cells of an image for a resolution [m]: whole pixels, never less than one."""
    lines, samples = (max(1, round(resolution / s)) for s in (image.line_spacing, image.sample_spacing))
    shape = image.lines // lines, image.samples // samples
    if min(shape) < 2:
        size = f"{image.lines * image.line_spacing / 1000:.0f} × {image.samples * image.sample_spacing / 1000:.0f} km"
        raise UsageError(f"{resolution:g} m is too coarse for an image of {size}", "ask for a finer resolution")
    return Cells((lines, samples), shape)


def _asked(safe: Safe, polarisations: tuple[str, ...]) -> tuple[str, ...]:
    if safe.product_type != "GRD" or safe.mode not in MODES:
        what = f"{safe.mode} {safe.product_type}"
        raise InputError(f"{safe.name} is {what}; only GRD of {', '.join(MODES)} are read", "give GRD products")
    missing = [p for p in polarisations if p not in safe.polarisations]
    if missing:
        raise InputError(f"{safe.name} has no {missing[0]}", f"it has {', '.join(safe.polarisations)}")
    return polarisations or safe.polarisations


def _image(safe: Safe, polarisation: str) -> Image:
    about = annotation(open_xml(safe, "product", polarisation))
    xml = open_xml(safe, "calibration", polarisation)
    found = safe.find("measurement", polarisation)
    if found is None:
        raise InputError(f"{safe.name}: the manifest lists no measurement of {polarisation}", "fetch the product again")
    thermal = noise(open_xml(safe, "noise", polarisation))
    if safe.ipf_version < SCALED_SINCE and safe.mode in UNSCALED:
        thermal = tables.scaled(thermal, UNSCALED[safe.mode] * amplitude(xml) ** 2)
    return Image(about, calibration(xml), thermal, Path(safe.path) / found.href)


def _measure(image: Image, cells: Cells, product: str) -> tuple[Floats, Floats, Floats]:
    """sigma0_raw, nesz [1] and valid fraction of all cells, a row of cells at a time."""
    about = image.annotation
    gain, thermal = (tables.table(v, about.samples) for v in (image.calibration, image.noise.range))
    raw, nesz, valid = (np.empty(cells.shape) for _ in range(3))
    (high, wide), pixels = cells.block, cells.block[0] * cells.block[1]
    with opened(image.path, product, (about.lines, about.samples)) as tiff:
        for row, strip in enumerate(strips(tiff, image.path, product, high)):
            lines = np.arange(row * high, (row + 1) * high, dtype=np.float64)
            # A changes by 10⁻⁴ along a cell: its value at the middle line stands for all.
            unit = tables.mean_over(gain, lines) ** -2
            counts = cell_sums(valid_counts(strip), wide, cells.shape[1])
            total = cell_sums(power_sums(strip) * unit, wide, cells.shape[1])
            raw[row] = np.divide(total, counts, out=np.full(len(total), np.nan), where=counts > 0)
            power = tables.noise_over(thermal, image.noise.azimuth, lines)
            nesz[row] = cell_sums(power * unit, wide, cells.shape[1]) / wide
            valid[row] = counts / pixels
    nesz[nesz == 0] = np.nan
    return raw, nesz, valid


def _dataset(images: list[Image], cells: Cells, measured: list[tuple[Floats, Floats, Floats]]) -> xarray.Dataset:
    import xarray as xr

    about = images[0].annotation
    line, sample = cells.centres(0), cells.centres(1)
    longitude, latitude = geolocation.locate(about.grid, line, sample)
    raw, nesz, valid = (np.stack(parts) for parts in zip(*measured, strict=True))
    noise_free = raw - np.nan_to_num(nesz)
    plane, cube = ("line", "sample"), ("pol", "line", "sample")
    variables: dict[str, Any] = {
        "sigma0_raw": (cube, raw),
        "nesz": (cube, nesz),
        "sigma0": (cube, noise_free),
        "valid_fraction": (cube, valid),
        "incidence": (plane, geolocation.interpolate(about.grid, about.grid.incidence, line, sample)),
        "elevation": (plane, geolocation.interpolate(about.grid, about.grid.elevation, line, sample)),
        "longitude": (plane, longitude),
        "latitude": (plane, latitude),
        "ground_heading": (plane, heading(longitude, latitude)),
        "time": (("line",), times(about, line)),
    }
    coords = {"pol": [image.annotation.polarisation for image in images], "line": line, "sample": sample}
    return xr.Dataset(variables, coords, _facts(images, cells))


def times(image: Annotation, line: Floats) -> npt.NDArray[np.datetime64]:
    """Zero-Doppler time of each line [UTC, ns]; lines are equally far apart in time."""
    whole = (image.last - image.first).astype(np.int64)
    return image.first + np.round(line / (image.lines - 1) * whole).astype("timedelta64[ns]")


def _facts(images: list[Image], cells: Cells) -> dict[str, Any]:
    about = images[0].annotation
    missing = [int(image.noise.missing) for image in images]
    return {
        "averaging": AVERAGING,
        "denoising": "none: no noise annotated" if all(missing) else "range noise x azimuth noise subtracted",
        "noise_missing": missing,
        "block_lines": cells.block[0],
        "block_samples": cells.block[1],
        "line_spacing": about.line_spacing,
        "sample_spacing": about.sample_spacing,
        "image_lines": about.lines,
        "image_samples": about.samples,
        "bytes_read": sum(image.path.stat().st_size for image in images),
    }
