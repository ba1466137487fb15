"""Footprints as text and as a test of where cells lie, at the antimeridian and at the pole too."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.l1b import footprint

shapely = pytest.importorskip("shapely")

PLAIN = [(-4.2, 7.5), (-1.9, 8.0), (-1.6, 6.5), (-3.9, 6.0)]
ACROSS = [(179.0, 10.0), (-178.0, 10.5), (-177.5, 9.0), (179.5, 8.5)]
AROUND = [(0.0, 80.0), (90.0, 80.0), (180.0, 80.0), (-90.0, 80.0)]


def test_plain_ring_is_one_polygon() -> None:
    """A ring away from the antimeridian keeps its corners."""
    found = shapely.from_wkt(footprint.wkt(PLAIN))
    assert found.geom_type == "Polygon"
    assert set(found.exterior.coords) == set(PLAIN)
    assert footprint.bounds(PLAIN) == footprint.Bounds(-4.2, 6.0, -1.6, 8.0)


@pytest.mark.parametrize("turn", range(4))
def test_ring_across_the_antimeridian_is_cut(turn: int) -> None:
    """Two valid parts touch the antimeridian from both sides, whichever corner comes first; nothing spans the world."""
    ring = ACROSS[turn:] + ACROSS[:turn]
    found = shapely.from_wkt(footprint.wkt(ring))
    assert found.geom_type == "MultiPolygon"
    assert found.is_valid
    west, east = sorted(found.geoms, key=lambda part: -part.bounds[0])
    assert west.bounds == pytest.approx((179.0, 8.5, 180.0, 10.0 + 0.5 / 3))
    assert east.bounds == pytest.approx((-180.0, 8.5 + 0.5 / 6, -177.5, 10.5))
    moved = [(lon % 360 - 180, lat) for lon, lat in ring]
    assert found.area == pytest.approx(footprint.polygon(moved).area)
    assert footprint.bounds(ring) == footprint.Bounds(179.0, 8.5, -177.5, 10.5)


def test_ring_around_the_pole_holds_the_pole() -> None:
    """A ring that goes once around the pole is the cap, not the band below it."""
    found = footprint.polygon(AROUND)
    assert found.area == pytest.approx(360 * 10)
    assert footprint.bounds(AROUND) == footprint.Bounds(-180.0, 80.0, 180.0, 90.0)
    south = [(lon, -lat) for lon, lat in AROUND]
    assert footprint.bounds(south) == footprint.Bounds(-180.0, -90.0, 180.0, -80.0)


@pytest.mark.parametrize("shift", [0.0, 183.0, -90.0])
def test_places_outside_are_measured(shift: float) -> None:
    """Inside is 0 km; one degree of latitude beyond the edge is about 111 km; another half of the world is infinite."""
    ring = [((lon + shift + 180) % 360 - 180, lat) for lon, lat in [(-1, -1), (1, -1), (1, 1), (-1, 1)]]
    longitude = np.array([shift - 0.5, shift + 0.5])
    inside = footprint.distance_outside(ring, longitude, np.array([0.5, -0.5]))
    beyond = footprint.distance_outside(ring, longitude, np.array([0.5, 2.0]))
    assert inside == 0.0
    assert beyond == pytest.approx(111.2, rel=0.01)
    assert footprint.distance_outside(ring, longitude + 180, np.zeros(2)) == np.inf
    assert footprint.distance_outside(ring, longitude * np.nan, np.zeros(2)) == np.inf


def test_ring_at_the_pole_itself() -> None:
    """The plane's directions are fine where east is nowhere."""
    assert footprint.distance_outside(AROUND, np.array([10.0, -170.0]), np.array([85.0, 88.0])) == 0.0
    assert footprint.distance_outside(AROUND, np.array([45.0]), np.array([78.0])) > 100
