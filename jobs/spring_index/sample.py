"""SYNTHETIC daily temperatures in the layout of Daymet v4: made up, for demonstrations and tests only.

`python -m jobs.spring_index.sample DIR --years 2000:2001 --size 150` writes tmin, tmax and dayl of each year:
a coast, a mountain range, a gradient from south to north, passing weather, and years that differ.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import numpy.typing as npt

from jobs.spring_index.science.daylength import daymet_of_step, daymet_step

if TYPE_CHECKING:
    import h5netcdf
    import h5py

Array = npt.NDArray[Any]
DAYS = 365
FILL = np.float32(-9999.0)
CHUNK = 1000
"""Cells along each side of Daymet's native chunks."""
CENTRE = (1_450_000.0, -350_000.0)
"""Middle of the sample on Daymet's map [m]: the east of North America, mountains and sea."""
SIDE = 1_200_000.0
"""Of the whole country, unless the cells' size is given [m]."""
PROJECTION = {
    "grid_mapping_name": "lambert_conformal_conic",
    "longitude_of_central_meridian": -100.0,
    "latitude_of_projection_origin": 42.5,
    "false_easting": 0.0,
    "false_northing": 0.0,
    "standard_parallel": np.array([25.0, 60.0]),
    "semi_major_axis": 6378137.0,
    "inverse_flattening": 298.257223563,
}
NAMES = {
    "tmin": ("daily minimum temperature", "degrees C", "area: mean time: minimum"),
    "tmax": ("daily maximum temperature", "degrees C", "area: mean time: maximum"),
    "dayl": ("daylength", "s", "area: mean"),
}


@dataclass(frozen=True)
class Land:
    """The place of the sample: (y, x) fields."""

    x: Array
    y: Array
    lat: Array
    lon: Array
    height: Array
    """[km], NaN at sea"""
    waves: Array
    """(mode, y, x): shapes in which weather passes over"""


def land(size: int, step: float) -> Land:
    """A square of `size` cells of `step` metres."""
    from pyproj import CRS, Transformer

    half = (size - 1) / 2 * step
    x, y = CENTRE[0] + np.linspace(-half, half, size), CENTRE[1] - np.linspace(-half, half, size)
    back = Transformer.from_crs(CRS.from_cf(PROJECTION), "EPSG:4326", always_xy=True)
    lon, lat = back.transform(*np.meshgrid(x, y))
    u, v = np.meshgrid(np.linspace(-1, 1, size), np.linspace(1, -1, size))
    rough = _rough(size, seed=4)
    ridge = np.exp(-(((u - 0.55 * v + 0.12 + 0.10 * np.sin(3 * v)) / 0.20) ** 2))
    height = 0.22 + 1.05 * ridge * (0.8 + 0.9 * rough) + 0.30 * rough
    coast = u - 0.45 * v - 0.50 - 0.10 * np.sin(5.0 * v) - 0.16 * rough
    height = np.where(coast > 0, np.nan, np.maximum(height * np.clip(-coast * 6, 0.03, 1), 0))
    waves = np.stack([np.cos(a * u + b * v + c) for a, b, c in ((2, 1, 0), (1, -2, 1), (3, 1, 2), (0.5, 0.5, 0))])
    return Land(x, y, lat, lon, height, waves)


def _rough(size: int, seed: int) -> Array:
    """Fractal noise between about −1 and 1: hills on hills."""
    rng = np.random.default_rng(seed)
    grid = 512  # drawn on one fixed grid, so that the country is the same whatever its resolution
    waves = np.fft.fft2(rng.normal(size=(grid, grid)))
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(grid), np.fft.fftfreq(grid))) * grid
    field = np.fft.ifft2(waves * np.where(k > 1.5, np.maximum(k, 1.0) ** -1.75, 0.0)).real
    at = np.linspace(0, grid - 1, size).round().astype(int)
    return np.asarray(field[np.ix_(at, at)] / np.abs(field).max())


def days(place: Land, year: int) -> Iterator[tuple[Array, Array, Array]]:
    """(tmin, tmax [°C], dayl [s]) of each day of a year, float32, NaN at sea."""
    rng = np.random.default_rng(year)
    shift, warm, late = rng.normal(0, 1.2), rng.normal(0, 0.5), rng.normal(0, 5)
    weather = np.zeros(len(place.waves))
    mean = 13.5 - 0.85 * (place.lat - 38.0) - 6.0 * place.height + warm
    amplitude = 11.5 + 0.35 * (place.lat - 38.0)
    steps, step = np.unique(daymet_step(place.lat.astype(np.float32)), return_inverse=True)
    sea = np.isnan(place.height)
    for day in range(1, DAYS + 1):
        season = np.cos(2 * np.pi * (day - 20 - late) / DAYS)
        weather = 0.72 * weather + rng.normal(0, 1.9, len(weather))
        passing = np.tensordot(weather, place.waves, 1) * (0.8 + 0.35 * season) + shift * season
        middle = mean - amplitude * season + passing + rng.normal(0, 0.15, mean.shape)
        half = 5.6 - 0.9 * season + 0.35 * place.waves[0] + abs(rng.normal(0, 0.8))
        light = (daymet_of_step(steps, day) * 3600.0).astype(np.float32)[step].reshape(sea.shape)
        light[sea] = np.nan
        low, high = (middle - half).round(2), (middle + half).round(2)
        yield low.astype(np.float32), high.astype(np.float32), light


def write_sample(
    directory: str | Path, years: Iterable[int], size: int, step: float = 0.0, chunk: int = CHUNK, region: str = "na"
) -> list[Path]:
    """Write the files of some years, all of the same country whatever the region's name.

    Parameters
    ----------
    directory, years, region
        Where, which, and the region the file names tell.
    size, step
        Cells along a side, and theirs [m]; 0: 1200 km in all.
    chunk
        Cells along a side of a native chunk.

    Returns
    -------
    list of Path
    """
    import h5py

    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    place = land(size, step or SIDE / size)
    paths: list[Path] = []
    for year in years:
        files = {v: directory / f"daymet_v4_daily_{region}_{v}_{year}.nc" for v in NAMES}
        for variable, path in files.items():
            _layout(path, variable, year, place, min(chunk, size)).close()
        with contextlib.ExitStack() as stack:
            arrays = [stack.enter_context(h5py.File(path, "r+"))[variable] for variable, path in files.items()]
            _write_days(arrays, days(place, year))
        paths += files.values()
    return paths


def _write_days(arrays: list[h5py.Dataset], fields: Iterator[tuple[Array, ...]]) -> None:
    """Write each day's field of each variable: chunks are compressed in threads, HDF5 only puts them down."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        waiting: deque[tuple[h5py.Dataset, tuple[int, int, int], Future[bytes]]] = deque()

        def put() -> None:
            array, corner, compressed = waiting.popleft()
            array.id.write_direct_chunk(corner, compressed.result())

        for index, day in enumerate(fields):
            for array, field in zip(arrays, day, strict=True):
                _, rows, columns = array.chunks
                for y, x in product(range(0, len(field), rows), range(0, len(field), columns)):
                    part = field[y : y + rows, x : x + columns]
                    waiting.append((array, (index, y, x), pool.submit(_compressed, part, (rows, columns))))
            while len(waiting) > 4 * len(arrays) or (waiting and waiting[0][2].done()):
                put()
        while waiting:
            put()


def _compressed(field: Array, shape: tuple[int, int]) -> bytes:
    """A chunk as HDF5's filters shuffle and deflate make it."""
    full = np.full(shape, FILL)
    full[: len(field), : field.shape[1]] = np.where(np.isnan(field), FILL, field)
    shuffled = np.ascontiguousarray(full.view(np.uint8).reshape(-1, full.itemsize).T)
    try:
        import deflate
    except ImportError:
        return zlib.compress(shuffled.tobytes(), 4)
    return bytes(deflate.zlib_compress(shuffled.tobytes(), 4))


def _layout(path: Path, variable: str, year: int, place: Land, chunk: int) -> h5netcdf.File:
    """An open file with everything but the days."""
    import h5netcdf

    size = len(place.x)
    handle = h5netcdf.File(path, "w")
    handle.dimensions = {"time": DAYS, "y": size, "x": size, "nv": 2}
    long_name, units, methods = NAMES[variable]
    _put(handle, "x", ("x",), place.x, {"units": "m", "standard_name": "projection_x_coordinate"})
    _put(handle, "y", ("y",), place.y, {"units": "m", "standard_name": "projection_y_coordinate"})
    for name, values in (("lat", place.lat), ("lon", place.lon)):
        full = {"lat": "latitude", "lon": "longitude"}[name]
        towards = {"lat": "north", "lon": "east"}[name]
        attrs = {"units": f"degrees_{towards}", "long_name": f"{full} coordinate", "standard_name": full}
        _put(handle, name, ("y", "x"), values.astype(np.float32), attrs)
    start = float((np.datetime64(f"{year}-01-01") - np.datetime64("1950-01-01")).astype(int))
    noon = (start + np.arange(DAYS) + 0.5).astype(np.float32)
    time = {"units": "days since 1950-01-01", "calendar": "standard", "bounds": "time_bnds", "standard_name": "time"}
    _put(handle, "time", ("time",), noon, time)
    _put(handle, "time_bnds", ("time", "nv"), np.stack([noon - 0.5, noon + 0.5], 1), {})
    _put(handle, "yearday", ("time",), np.arange(1, DAYS + 1, dtype=np.int16), {"long_name": "day of year"})
    _put(handle, "lambert_conformal_conic", (), np.int16(0), PROJECTION)
    data = handle.create_variable(
        variable, ("time", "y", "x"), np.float32, fillvalue=FILL, chunks=(1, chunk, chunk),
        compression="gzip", compression_opts=4, shuffle=True,
    )  # fmt: skip
    attrs = {"long_name": long_name, "units": units, "cell_methods": methods, "coordinates": "lat lon"}
    data.attrs.update(attrs | {"grid_mapping": "lambert_conformal_conic", "missing_value": FILL})
    handle.attrs.update({
        "start_year": np.int16(year), "Conventions": "CF-1.6",
        "source": "SYNTHETIC sample in the layout of Daymet v4, made by springline: not observations",
    })  # fmt: skip
    return handle


def _put(handle: h5netcdf.File, name: str, dims: tuple[str, ...], values: npt.ArrayLike, attrs: dict[str, Any]) -> None:
    array = np.asarray(values)
    handle.create_variable(name, dims, array.dtype, data=array).attrs.update(attrs)


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--years", default="2000:2001", show_default=True, help="2000, 2000:2001 or 2000,2003.")
@click.option("--size", default=150, show_default=True, help="Cells along each side.")
@click.option("--step", default=0.0, help="Cell size in km; default: 1200 km in all.")
@click.option("--chunk", default=CHUNK, show_default=True, help="Cells along each side of a native chunk.")
@click.option("--region", default="na", show_default=True, help="The region that the files' names tell: na, hi or pr.")
def main(directory: Path, years: str, size: int, step: float, chunk: int, region: str) -> None:
    """Write a SYNTHETIC sample in the layout of Daymet v4 into DIRECTORY."""
    from jobs.spring_index.options import years_of

    written = write_sample(directory, sorted(years_of(years) or []), size, step * 1000.0, chunk, region)
    click.echo(f"{len(written)} synthetic files in {directory} ({sum(p.stat().st_size for p in written):,} bytes)")


if __name__ == "__main__":
    main()
