"""Headings over ground on the WGS84 ellipsoid, from places alone: right at the poles and the antimeridian."""

from __future__ import annotations

import numpy as np

from jobs.l1b.model import Floats

ECCENTRICITY_SQUARED = 0.00669437999014132
"""WGS84."""


def heading(longitude: Floats, latitude: Floats) -> Floats:
    """Ground heading of the line direction [degrees] from places [degrees], (line, sample) with two lines at least.

    Clockwise from north, in [-180, 180): from the line before to the line after, which is the way of the satellite.
    """
    dx, dy, dz = (np.gradient(part, axis=0) for part in unit_vectors(longitude, latitude))
    lon, lat = np.radians(longitude), np.radians(latitude)
    east = -np.sin(lon) * dx + np.cos(lon) * dy
    north = np.cos(lat) * dz - np.sin(lat) * (np.cos(lon) * dx + np.sin(lon) * dy)
    # The ellipsoid bends more along a meridian than across it: the same turn of the normal is a shorter way there.
    ratio = (1.0 - ECCENTRICITY_SQUARED) / (1.0 - ECCENTRICITY_SQUARED * np.sin(lat) ** 2)
    return half_open(np.degrees(np.arctan2(east, north * ratio)))


def unit_vectors(longitude: Floats, latitude: Floats) -> tuple[Floats, Floats, Floats]:
    """Normals of the ellipsoid at these places [degrees], as x, y, z."""
    lon, lat = np.radians(longitude), np.radians(latitude)
    return np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)


def half_open(degrees: Floats) -> Floats:
    """The same angle with -180 for 180."""
    return np.where(degrees >= 180.0, degrees - 360.0, degrees)
