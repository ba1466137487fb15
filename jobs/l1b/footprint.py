"""Where a product lies: its corners as WKT, right at the antimeridian and around a pole, and what is inside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

Array = npt.NDArray[np.floating[Any]]
Ring = Sequence[tuple[float, float]]
"""Corners in order, (longitude, latitude) in degrees; the last need not repeat the first."""
EARTH = 6371.0088
"""Mean radius [km]."""


@dataclass(frozen=True)
class Bounds:
    """Outermost coordinates [degrees]; `west` > `east` where the antimeridian is crossed, as ACDD has it."""

    west: float
    south: float
    east: float
    north: float


def unwrap(ring: Ring) -> Array:
    """The ring, closed, with longitudes that go on beyond ±180 degrees instead of jumping; shape (corners + 1, 2)."""
    corners = np.asarray([*ring, ring[0]] if tuple(ring[0]) != tuple(ring[-1]) else list(ring), dtype=float)
    corners[1:, 0] -= 360 * np.cumsum(np.round(np.diff(corners[:, 0]) / 360))
    return corners


def polygon(ring: Ring) -> BaseGeometry:
    """The ring as a Polygon, or a MultiPolygon cut at the antimeridian, with longitudes in [-180, 180]."""
    from shapely import Polygon, affinity, box, union_all

    corners = unwrap(ring)
    turn = corners[-1, 0] - corners[0, 0]
    if abs(turn) > 180:  # it goes once around a pole: along its meridian to the pole and back
        pole = float(np.copysign(90, corners[:, 1].mean()))
        corners = np.vstack([corners, (corners[-1, 0], pole), (corners[0, 0], pole)])
    whole = Polygon(corners)
    first, last = (int(np.floor((end + 180) / 360)) for end in (corners[:, 0].min(), corners[:, 0].max()))
    parts = [
        affinity.translate(whole.intersection(box(-180 + 360 * n, -90, 180 + 360 * n, 90)), -360 * n)
        for n in range(first, last + 1)
    ]
    areas = [part for part in parts if part.area > 0]
    return areas[0] if len(areas) == 1 else union_all(areas)


def wkt(ring: Ring) -> str:
    """The footprint as well-known text, longitude first."""
    from shapely import to_wkt

    return str(to_wkt(polygon(ring), rounding_precision=6))


def bounds(ring: Ring) -> Bounds:
    """The box around the ring."""
    corners = unwrap(ring)
    west, east = float(corners[:, 0].min()), float(corners[:, 0].max())
    south, north = float(corners[:, 1].min()), float(corners[:, 1].max())
    if abs(corners[-1, 0] - corners[0, 0]) > 180:
        return Bounds(-180.0, *((south, 180.0, 90.0) if north > 0 else (-90.0, 180.0, north)))
    return Bounds(_half_turn(west), south, _half_turn(east), north)


def _half_turn(longitude: float) -> float:
    """The same meridian in [-180, 180]."""
    return longitude if abs(longitude) <= 180 else (longitude + 180) % 360 - 180


def distance_outside(ring: Ring, longitude: Array, latitude: Array) -> float:
    """How far the outermost of some places lies outside the ring [km]; 0.0 if all are in it.

    Measured in the plane that touches the Earth in the ring's middle, where great circles are straight lines: neither
    the antimeridian nor a pole is in the way. Places in the other half of the world are infinitely far.
    """
    from shapely import Polygon, contains_xy, distance, points, prepare

    corners = _unit(*np.asarray(ring, dtype=float).T)
    middle = corners.mean(axis=0) / np.linalg.norm(corners.mean(axis=0))
    places = _unit(np.ravel(longitude), np.ravel(latitude))
    if not np.isfinite(places).all() or np.any(places @ middle < 0.1):
        return float("inf")
    flat, area = _tangent(places, middle), Polygon(_tangent(corners, middle))
    prepare(area)
    outside = distance(area, points(flat[~contains_xy(area, *flat.T)]))
    return float(outside.max(initial=0.0)) * EARTH


def _unit(longitude: Array, latitude: Array) -> Array:
    """Directions from the Earth's centre, shape (places, 3)."""
    lon, lat = np.radians(longitude), np.radians(latitude)
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def _tangent(places: Array, middle: Array) -> Array:
    """Gnomonic projection on the plane that touches the unit sphere at `middle`, shape (places, 2)."""
    east = np.cross([0.0, 0.0, 1.0], middle)
    if np.linalg.norm(east) < 1e-9:  # at a pole every direction is as good
        east = np.array([1.0, 0.0, 0.0])
    east = east / np.linalg.norm(east)
    north = np.cross(middle, east)
    onto = places / (places @ middle)[:, None]
    return np.column_stack([onto @ east, onto @ north])
