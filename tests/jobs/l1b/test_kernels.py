"""The kernels of the direct engine on arrays that can be checked by hand or by another formula."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pyproj import Geod

from jobs.l1b.geolocation import interpolate, locate
from jobs.l1b.heading import heading
from jobs.l1b.model import AzimuthNoise, Cells, Grid, Vector
from jobs.l1b.power import cell_sums, power_sums, valid_counts
from jobs.l1b.tables import mean_over, noise_over, table

WGS84 = Geod(ellps="WGS84")


@given(hnp.arrays(np.uint16, hnp.array_shapes(min_dims=2, max_dims=2, max_side=30)))
def test_power_is_exact(dn: np.ndarray) -> None:
    """Sums of DN² are those of Python's integers, up to the largest DN; DN = 0 is counted as no data."""
    assert power_sums(dn).tolist() == [sum(int(v) ** 2 for v in column) for column in dn.T]
    assert valid_counts(dn).tolist() == [sum(v > 0 for v in column) for column in dn.T]


def test_power_of_the_largest_numbers() -> None:
    """A strip of nothing but 65535 does not overflow."""
    assert power_sums(np.full((100, 2), 65535, np.uint16)).tolist() == [100 * 65535**2] * 2


def test_cells_leave_out_the_rest() -> None:
    """Samples after the last whole cell are in no cell, and centres lie in the middle of theirs."""
    assert cell_sums(np.arange(8.0), 3, 2).tolist() == [3.0, 12.0]
    cells = Cells((10, 3), (5, 2))
    assert cells.centres(0).tolist() == [4.5, 14.5, 24.5, 34.5, 44.5]
    assert cells.centres(1).tolist() == [1.0, 4.0]


def slow_noise(vectors: list[Vector], blocks: list[AzimuthNoise], lines: np.ndarray, samples: int) -> np.ndarray:
    """Noise at every pixel, one at a time."""
    field = np.empty((len(lines), samples))
    for row, sample in np.ndindex(field.shape):
        line = lines[row]
        along = [np.interp(sample, v.pixel, v.value) for v in vectors]
        field[row, sample] = np.interp(line, [v.line for v in vectors], along)
        for b in blocks:
            if b.lines[0] <= line <= b.lines[1] and b.samples[0] <= sample <= b.samples[1]:
                field[row, sample] *= np.interp(line, b.line, b.value)
    return field


@given(st.integers(0, 90), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_noise_is_the_mean_of_all_pixels(first: int, count: int, seed: int) -> None:
    """Noise of a row of cells is the mean over its pixels, whatever the vectors' pixel grids and the blocks' edges."""
    rng = np.random.default_rng(seed)
    vectors = [
        Vector(line, np.sort(rng.choice(40, size, replace=False)).astype(float), rng.uniform(1, 9, size))
        for line, size in ((-7, 4), (20, 6), (55, 3), (90, 5))
    ]
    blocks = [
        AzimuthNoise((0, 33), (0, 17), np.array([0.0, 10, 20]), np.array([1.3, 0.9, 1.1])),
        AzimuthNoise((34, 80), (0, 15), np.array([34.0, 60]), np.array([2.0, 1.0])),
        AzimuthNoise((12, 70), (18, 31), np.array([12.0, 40, 70]), np.array([0.5, 1.5, 0.7])),
    ]
    lines = np.arange(first, first + count, dtype=float)
    expected = slow_noise(vectors, blocks, lines, 40).mean(axis=0)
    np.testing.assert_allclose(noise_over(table(vectors, 40), blocks, lines), expected, rtol=1e-12)


def test_one_vector_is_for_all_lines() -> None:
    """A table of a single vector is constant along the image."""
    of = table([Vector(5, np.array([0.0, 10]), np.array([1.0, 3]))], 11)
    assert mean_over(of, np.array([0.0, 900])).tolist() == np.linspace(1, 3, 11).tolist()


def grid_from(longitude: float, latitude: float, azimuth: float) -> Grid:
    """A grid of 5 × 4 points, 20 km apart along an azimuth and 30 km across."""
    line, pixel = np.arange(5) * 2000.0, np.arange(4) * 3000.0
    lon, lat = np.empty((5, 4)), np.empty((5, 4))
    for i, j in np.ndindex(5, 4):
        a, b, back = WGS84.fwd(longitude, latitude, azimuth, line[i] * 10)
        lon[i, j], lat[i, j], _ = WGS84.fwd(a, b, back + 180 + 90, pixel[j] * 10)
    return Grid(line, pixel, lon, lat, *(np.add.outer(line, pixel * scale) for scale in (0.0, 1e-3, 2e-3)))


@pytest.mark.parametrize("place", [(10.0, 45.0), (179.8, -16.0), (-60.0, 89.9), (-179.9, 71.0)])
def test_places_are_right_everywhere(place: tuple[float, float]) -> None:
    """Between grid points places lie on the geodesic, within a metre: at the antimeridian and by the pole too."""
    grid = grid_from(*place, -12.0)
    lon, lat = locate(grid, grid.line, grid.pixel)
    assert WGS84.inv(lon.ravel(), lat.ravel(), grid.longitude.ravel(), grid.latitude.ravel())[2].max() < 1e-6
    lon, lat = locate(grid, np.array([1000.0]), grid.pixel)
    a, b = (grid.longitude[0], grid.latitude[0]), (grid.longitude[1], grid.latitude[1])
    azimuth, _, distance = WGS84.inv(*a, *b)
    there = WGS84.fwd(*a, azimuth, distance / 2)
    assert WGS84.inv(lon[0], lat[0], there[0], there[1])[2].max() < 1.0
    assert (np.abs(lon) <= 180).all()


@pytest.mark.parametrize("place", [(10.0, 45.0), (179.8, -16.0), (-60.0, 89.0), (0.0, 0.0)])
@pytest.mark.parametrize("azimuth", [-12.0, 193.0, 90.0])
def test_heading_is_the_geodesic(place: tuple[float, float], azimuth: float) -> None:
    """The heading is the way from the line before to the line after, as pyproj has it."""
    grid = grid_from(*place, azimuth)
    lon, lat = locate(grid, np.arange(0, 8001, 100.0), grid.pixel)
    ahead = np.array(WGS84.inv(lon[1:-1], lat[1:-1], lon[2:], lat[2:])[0])
    behind = np.array(WGS84.inv(lon[1:-1], lat[1:-1], lon[:-2], lat[:-2])[0]) + 180
    middle = ahead + ((behind - ahead + 180) % 360 - 180) / 2
    found = heading(lon, lat)
    assert np.abs((found[1:-1] - middle + 180) % 360 - 180).max() < 0.01
    assert (found >= -180).all() and (found < 180).all()


def test_fields_are_bilinear() -> None:
    """Angles of the grid are linear between its points and straight on after the last."""
    grid = grid_from(0, 0, 0)
    line, pixel = np.array([0.0, 123.4, 8000.0, 8001.0]), np.array([0.0, 5000.0, 9000.0])
    expected = np.add.outer(line, pixel * 1e-3)
    np.testing.assert_allclose(interpolate(grid, grid.incidence, line, pixel), expected, rtol=1e-12)
