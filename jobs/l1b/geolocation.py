"""Positions and angles of cells from the geolocation grid.

Positions are interpolated as unit vectors normal to the ellipsoid, not as longitude and latitude: the same at a pole or
the antimeridian as anywhere, and the way between two points of the grid is a great circle. Checked against grid points
that were left out this is better than interpolating degrees, most of all at high latitude.
"""

from __future__ import annotations

import numpy as np

from jobs.l1b.heading import half_open, unit_vectors
from jobs.l1b.model import Floats, Grid


def hats(nodes: Floats, at: Floats) -> Floats:
    """Weights of linear interpolation, (position, node); beyond the ends the last piece goes straight on."""
    right = np.clip(np.searchsorted(nodes, at, side="right"), 1, len(nodes) - 1)
    share = (at - nodes[right - 1]) / (nodes[right] - nodes[right - 1])
    found = np.zeros((len(at), len(nodes)))
    rows = np.arange(len(at))
    found[rows, right - 1], found[rows, right] = 1.0 - share, share
    return found


def interpolate(grid: Grid, field: Floats, line: Floats, pixel: Floats) -> Floats:
    """A field of the grid at lines × pixels, bilinear; exact at the grid's points."""
    return hats(grid.line, line) @ field @ hats(grid.pixel, pixel).T


def locate(grid: Grid, line: Floats, pixel: Floats) -> tuple[Floats, Floats]:
    """Longitude, in [-180, 180), and latitude [degrees] at lines × pixels."""
    x, y, z = (interpolate(grid, part, line, pixel) for part in unit_vectors(grid.longitude, grid.latitude))
    return half_open(np.degrees(np.arctan2(y, x))), np.degrees(np.arctan2(z, np.hypot(x, y)))
