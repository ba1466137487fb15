"""SYNTHETIC images of the Sun as AIA takes them, in a cloud registry: made up, for demonstrations and tests only.

`python -m jobs.sdo.sample DIR --frames 144` writes Rice-coded FITS files, 20 minutes apart: active regions that turn
with the Sun, a flare for which the exposure is shortened, and an eclipse by the Earth, which QUALITY tells.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float64]
FIRST, STEP = datetime(2020, 2, 17), timedelta(minutes=20)
DATASET, WAVELENGTH = "aia_0094", 94
RADIUS = 0.78
"""Of the disc, in halves of the image's side."""
TURN = 13.2
"""Degrees of longitude in a day."""
REGIONS = ((-40.0, 17.0, 60.0), (8.0, -14.0, 35.0), (-78.0, -21.0, 45.0), (55.0, 24.0, 20.0))
"""Longitude on the first day, latitude [degree], and brightness [DN/s]."""
FLARE, RISE, DECAY = 1.25, 0.012, 0.07
"""Middle of its rise, how fast it rises and fades [day]."""
ECLIPSE = (0.30, 0.345)
"""From when until when the Earth is before the Sun [day]."""
EXPOSURE, SHORT = 2.9, 0.4
"""Usual, and while the flare is bright [s]."""
ECLIPSED, BLANK = 1 << 16, -32768


def flare(day: float) -> float:
    """How bright the flare is, between 0 and about 1."""
    since = day - FLARE
    return float(np.exp(-max(since, 0.0) / DECAY) / (1 + np.exp(-since / (RISE / 4))))


def image(day: float, size: int) -> Image:
    """What the telescope sees some days after the first frame [DN/s]."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j] / RADIUS
    r = np.hypot(x, y)
    limb = np.where(r < 1, 1.0 + 1.6 * r**6, 2.6 * np.exp(-(r - 1) / 0.07))
    sun = 0.6 * limb + 0.15
    height = np.sqrt(np.clip(1 - r**2, 0, None))
    for number, (longitude, latitude, bright) in enumerate(REGIONS):
        lon, lat = np.radians(longitude + TURN * day), np.radians(latitude)
        there = np.array([np.cos(lat) * np.sin(lon), np.sin(lat), np.cos(lat) * np.cos(lon)])
        apart = np.arccos(np.clip(x * there[0] + y * there[1] + height * there[2], -1, 1))
        loops = 1 + 0.6 * np.sin(47 * x + 19 * y) * np.cos(61 * y - 23 * x)
        sun += np.where(r < 1, bright * np.exp(-((apart / 0.13) ** 2)) * loops, 0)
        if number == 0:
            sun += 900 * flare(day) * np.exp(-((x - there[0]) ** 2 + (y - there[1]) ** 2) / 0.05**2)
    return np.asarray(sun)


def write_sample(directory: str | Path, frames: int = 144, size: int = 128) -> Path:
    """Write the images and their registry; returns its catalog.json.

    Parameters
    ----------
    directory
        Is made.
    frames, size
        How many images, 20 minutes apart, and pixels along their sides.
    """
    folder = Path(directory).resolve()
    (folder / "94").mkdir(parents=True, exist_ok=True)
    lines = ["# start, stop, datakey, filesize"]
    for number in range(frames):
        moment = FIRST + number * STEP
        path = folder / f"94/sdo_aia_{moment:%Y%m%dT%H%M%S}_0094.fits"
        _write(path, moment, size, np.random.default_rng(number))
        lines.append(f"{moment:%FT%TZ},{moment + STEP:%FT%TZ},{path},{path.stat().st_size}")
    (folder / f"{DATASET}_{FIRST.year}.csv").write_text("\n".join([*lines, ""]))
    entry = {
        "id": DATASET, "index": f"{folder}/", "title": "SYNTHETIC AIA 94 Å", "indextype": "csv", "filetype": "fits",
        "start": f"{FIRST:%FT%TZ}", "stop": f"{FIRST + frames * STEP:%FT%TZ}",
    }  # fmt: skip
    about = {"Cloudy": "0.4", "name": "SYNTHETIC Sun", "status": {"code": 1200, "message": "OK"}, "catalog": [entry]}
    catalog = folder / "catalog.json"
    catalog.write_text(json.dumps(about, indent=1))
    return catalog


def _write(path: Path, moment: datetime, size: int, rng: np.random.Generator) -> None:
    """One file: counts, in the layout of JSOC's level 1."""
    from astropy.io import fits

    day = (moment - FIRST) / timedelta(days=1)
    exposure = SHORT if flare(day) > 0.15 else EXPOSURE
    eclipsed = ECLIPSE[0] <= day < ECLIPSE[1]
    counts = rng.poisson(image(day, size) * exposure * (0.05 if eclipsed else 1.0)) + rng.normal(0, 0.6, (size, size))
    header = fits.Header()
    header.update(_cards(moment, exposure, ECLIPSED if eclipsed else 0))
    pixels = np.clip(counts.round(), -100, 16383).astype(np.int16)
    header["DATAMEAN"] = float(pixels.mean(dtype=float))
    coded = fits.CompImageHDU(pixels, header, compression_type="RICE_1", tile_shape=(1, size))
    fits.HDUList([fits.PrimaryHDU(), coded]).writeto(path, overwrite=True, checksum=True)


def _cards(moment: datetime, exposure: float, quality: int) -> dict[str, Any]:
    return {
        "TELESCOP": "SYNTHETIC", "INSTRUME": "SYNTHETIC", "T_OBS": f"{moment:%FT%T}.57Z", "WAVELNTH": WAVELENGTH,
        "EXPTIME": exposure, "QUALITY": quality, "BLANK": BLANK, "BUNIT": "DN",
    }  # fmt: skip


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--frames", default=144, show_default=True, help="How many images, 20 minutes apart.")
@click.option("--size", default=128, show_default=True, help="Pixels along their sides.")
def main(directory: Path, frames: int, size: int) -> None:
    """Write SYNTHETIC images of the Sun and their registry into DIRECTORY."""
    click.echo(f"{frames} synthetic images, {write_sample(directory, frames, size)}")


if __name__ == "__main__":
    main()
