"""Positions, angles and headings of cells from the geolocation grid.

Positions are interpolated as unit vectors normal to the ellipsoid, not as longitude and latitude: the same at a pole or
the antimeridian as anywhere, and the way between two points of the grid is a great circle. Checked against grid points
that were left out this is better than interpolating degrees, most of all at high latitude.
"""

from __future__ import annotations

import numpy as np

from jobs.l1b.model import Floats, Grid

ECCENTRICITY_SQUARED = 0.00669437999014132
"""WGS84."""


def hats(nodes: Floats, at: Floats) -> Floats:
    """Weights of linear interpolation, (position, node); beyond the ends the last piece goes straight on."""
    right = np.clip(np.searchsorted(nodes, at, side="right"), 1, len(nodes) - 1)
    share = (at - nodes[right - 1]) / (nodes[right] - nodes[right - 1])
    found = np.zeros((len(at), len(nodes)))
    rows = np.arange(len(at))
    found[rows, right - 1], found[rows, right] = 1.0 - share, share
    return found


def slopes(nodes: Floats, at: Floats) -> Floats:
    """Weights of the derivative of linear interpolation, (position, node) [1/position]."""
    right = np.clip(np.searchsorted(nodes, at, side="right"), 1, len(nodes) - 1)
    step = nodes[right] - nodes[right - 1]
    found = np.zeros((len(at), len(nodes)))
    rows = np.arange(len(at))
    found[rows, right - 1], found[rows, right] = -1.0 / step, 1.0 / step
    return found


def interpolate(grid: Grid, field: Floats, line: Floats, pixel: Floats) -> Floats:
    """A field of the grid at lines × pixels, bilinear; exact at the grid's points."""
    return hats(grid.line, line) @ field @ hats(grid.pixel, pixel).T


def locate(grid: Grid, line: Floats, pixel: Floats) -> tuple[Floats, Floats, Floats]:
    """Longitude, latitude and the ground heading of the line direction [degrees], (line, pixel).

    Longitude is in [-180, 180). The heading is clockwise from north, in [-180, 180): where the image goes with its
    lines, which is the way of the satellite over ground.
    """
    across = hats(grid.pixel, pixel).T
    along, change = hats(grid.line, line), slopes(grid.line, line)
    normals = unit_vectors(grid.longitude, grid.latitude)
    x, y, z = (along @ part @ across for part in normals)
    moves = [change @ part @ across for part in normals]
    longitude, latitude = np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))
    return _turn(np.degrees(longitude)), np.degrees(latitude), _heading(longitude, latitude, moves)


def unit_vectors(longitude: Floats, latitude: Floats) -> tuple[Floats, Floats, Floats]:
    """Normals of the ellipsoid at these places [degrees], as x, y, z."""
    lon, lat = np.radians(longitude), np.radians(latitude)
    return np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)


def _heading(longitude: Floats, latitude: Floats, moves: list[Floats]) -> Floats:
    """Direction of a move of the normal; the ellipsoid bends more along the meridian than across it."""
    dx, dy, dz = moves
    east = -np.sin(longitude) * dx + np.cos(longitude) * dy
    out = np.cos(longitude) * dx + np.sin(longitude) * dy
    north = np.cos(latitude) * dz - np.sin(latitude) * out
    ratio = (1.0 - ECCENTRICITY_SQUARED) / (1.0 - ECCENTRICITY_SQUARED * np.sin(latitude) ** 2)
    return _turn(np.degrees(np.arctan2(east, north * ratio)))


def _turn(degrees: Floats) -> Floats:
    """The same direction in [-180, 180)."""
    return np.where(degrees >= 180.0, degrees - 360.0, degrees)
