"""Annotation, calibration and noise XML of one polarisation as values, checked for what the kernels rely on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jobs.errors import InputError
from jobs.l1b.model import Annotation, AzimuthNoise, Floats, Grid, Noise, Safe, Vector
from jobs.l1b.xml import FETCH_AGAIN, Reader, load, parse

if TYPE_CHECKING:
    from lxml.etree import _Element

IMAGE = "imageAnnotation/imageInformation"
POINT = "geolocationGrid/geolocationGridPointList/geolocationGridPoint"
GRID = ("longitude", "latitude", "height", "incidenceAngle", "elevationAngle")


def open_xml(safe: Safe, role: str, polarisation: str) -> Reader:
    """The XML file of this role and polarisation."""
    found = safe.find(role, polarisation)
    what = "annotation" if role == "product" else role
    if found is None:
        raise InputError(f"{safe.name}: the manifest lists no {what} of {polarisation}", FETCH_AGAIN)
    name = Path(found.href).name
    text = load(Path(safe.path) / found.href, safe.name, what)
    return Reader(parse(text, safe.name, what, name), safe.name, what, name)


def annotation(xml: Reader) -> Annotation:
    """The size, spacing, times and geolocation grid of an image."""
    lines, samples = (xml.integer(f"{IMAGE}/{name}") for name in ("numberOfLines", "numberOfSamples"))
    if lines < 2 or samples < 2:
        raise xml.wrong(f"has an image of {lines} × {samples} pixels")
    first, last = (xml.text(f"{IMAGE}/product{name}LineUtcTime") for name in ("First", "Last"))
    try:
        times = np.datetime64(first, "ns"), np.datetime64(last, "ns")
    except ValueError as error:
        raise xml.wrong(f"has times that cannot be read: {first}, {last}") from error
    spacings = [xml.number(f"{IMAGE}/{name}PixelSpacing") for name in ("azimuth", "range")]
    if min(spacings) <= 0:
        raise xml.wrong(f"has a pixel spacing of {min(spacings)} m")
    return Annotation(xml.text("adsHeader/polarisation"), lines, samples, spacings[0], spacings[1], *times, _grid(xml))


def _grid(xml: Reader) -> Grid:
    points = xml.root.findall(POINT)
    names = ("line", "pixel", *GRID)
    table = np.array([[xml.number(name, point) for name in names] for point in points]).reshape(-1, len(names))
    line, pixel = np.unique(table[:, 0]), np.unique(table[:, 1])
    if len(line) < 2 or len(pixel) < 2 or len(table) != len(line) * len(pixel) or not np.isfinite(table).all():
        raise xml.wrong(f"has a geolocation grid of {len(table)} points that is not a regular grid")
    cube = table[np.lexsort((table[:, 1], table[:, 0]))].reshape(len(line), len(pixel), -1)
    if (cube[..., 0] != line[:, None]).any() or (cube[..., 1] != pixel).any():
        raise xml.wrong("has a geolocation grid that is not a regular grid")
    return Grid(line, pixel, *np.moveaxis(cube[..., 2:], -1, 0))


def calibration(xml: Reader) -> tuple[Vector, ...]:
    """The sigma nought look-up table: amplitude factors by range vector."""
    vectors = _vectors(xml, "calibrationVectorList/calibrationVector", "sigmaNought")
    if not vectors:
        raise xml.wrong("has no calibration vectors")
    if min(float(v.value.min()) for v in vectors) <= 0:
        raise xml.wrong("has a sigma nought factor that is not positive")
    return vectors


def amplitude(xml: Reader) -> float:
    """The factor of the digital numbers themselves: the same all over an image."""
    return float(_numbers(xml, xml.root, "calibrationVectorList/calibrationVector/dn")[0])


def noise(xml: Reader) -> Noise:
    """The noise of one polarisation, in the format of IPF 2.90 and later or the one before."""
    vectors = _vectors(xml, "noiseRangeVectorList/noiseRangeVector", "noiseRangeLut")
    vectors = vectors or _vectors(xml, "noiseVectorList/noiseVector", "noiseLut")
    if not vectors:
        raise xml.wrong("has no noise vectors")
    if min(float(v.value.min()) for v in vectors) < 0:
        raise xml.wrong("has noise below zero")
    blocks = xml.root.findall("noiseAzimuthVectorList/noiseAzimuthVector")
    return Noise(vectors, tuple(_azimuth(xml, block) for block in blocks))


def _azimuth(xml: Reader, block: _Element) -> AzimuthNoise:
    """A block; in products of a single swath (Stripmap) it may have no bounds: it is for the whole image."""
    line, value = _pair(xml, block, "line", "noiseAzimuthLut")
    if block.find("firstAzimuthLine") is None:
        return AzimuthNoise((-(2**31), 2**31), (0, 2**31), line, value)
    bounds = [xml.integer(f"{end}{of}", block) for of in ("AzimuthLine", "RangeSample") for end in ("first", "last")]
    return AzimuthNoise((bounds[0], bounds[1]), (max(bounds[2], 0), bounds[3]), line, value)


def _vectors(xml: Reader, path: str, name: str) -> tuple[Vector, ...]:
    found = [Vector(xml.integer("line", v), *_pair(xml, v, "pixel", name)) for v in xml.root.findall(path)]
    return tuple(sorted(found, key=lambda v: v.line))


def _pair(xml: Reader, of: _Element, at: str, name: str) -> tuple[Floats, Floats]:
    """Positions and values of a list, as many of each, positions increasing."""
    where, value = (_numbers(xml, of, element) for element in (at, name))
    if len(where) != len(value):
        raise xml.wrong(f"has {len(where)} numbers in {at} and {len(value)} in {name} of one vector")
    if (np.diff(where) <= 0).any():
        raise xml.wrong(f"has positions in {at} that do not increase")
    return where, value


def _numbers(xml: Reader, of: _Element, name: str) -> Floats:
    try:
        found = np.array(xml.text(name, of).split(), dtype=np.float64)
    except ValueError as error:
        raise xml.wrong(f"has something else than numbers in {name}") from error
    if not np.isfinite(found).all():
        raise xml.wrong(f"has numbers that are not finite in {name}")
    return found
