"""Land or sea, from the user's own polygons: none is shipped, and a wrong coast is worse than none."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.errors import UsageError
from jobs.l1b import footprint
from jobs.l1b.model import Safe

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr
    from shapely.geometry.base import BaseGeometry

MARGIN = 0.1
"""How far around the product polygons are read [degrees]."""
HINT = "Any polygons that GDAL reads will do, in longitude and latitude: a shapefile, GeoJSON, GeoPackage."


def require_file(file: str) -> None:
    """Make sure that the file holds polygons in degrees, before anything runs.

    Raises
    ------
    UsageError
        Naming the file.
    """
    import pyogrio
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        about = pyogrio.read_info(file)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise UsageError(f"--land-mask {file} cannot be read: {error}", HINT) from error
    if "Polygon" not in str(about["geometry_type"]) and about["geometry_type"] != "Unknown":
        raise UsageError(f"--land-mask {file} holds {about['geometry_type']}, not polygons.", HINT)
    try:
        geographic = about["crs"] is None or CRS(about["crs"]).is_geographic
    except CRSError:
        geographic = False
    if not geographic:
        raise UsageError(f"--land-mask {file} is in {about['crs']}, not in degrees.", "ogr2ogr -t_srs EPSG:4326")


def add(dataset: xr.Dataset, file: str, safe: Safe) -> xr.Dataset:
    """`land_mask` from the polygons of a file, 1 where the middle of the cell lies in one; names the file."""
    require_file(file)
    values = np.zeros(dataset["longitude"].shape, dtype="i1")
    longitude, latitude = dataset["longitude"].values, dataset["latitude"].values
    for shape in _polygons(file, safe):
        _mark(values, shape, longitude, latitude)
    about = {"source": f"{Path(file).name}, MD5 {_md5(file)}"}
    return dataset.assign(land_mask=(("line", "sample"), values, about))


def _polygons(file: str, safe: Safe) -> list[BaseGeometry]:
    """The land around the product, cut to its surroundings so that a continent costs no more than its coast here."""
    import pyogrio
    import shapely

    around = footprint.polygon(safe.footprint).buffer(MARGIN)
    found = []
    for part in getattr(around, "geoms", [around]):
        _, _, shapes, _ = pyogrio.raw.read(file, columns=[], bbox=part.bounds)
        land = shapely.clip_by_rect(shapely.make_valid(shapely.from_wkb(shapes)), *part.bounds)
        pieces = shapely.get_parts(shapely.get_parts(land))  # a cut may leave polygons in a collection with lines
        found += [piece for piece in pieces if piece.geom_type == "Polygon"]
    return found


def _mark(
    values: npt.NDArray[np.int8], shape: BaseGeometry, longitude: npt.NDArray[Any], latitude: npt.NDArray[Any]
) -> None:
    """Set the cells that lie in one polygon."""
    import shapely

    west, south, east, north = shape.bounds
    near = (longitude >= west) & (longitude <= east) & (latitude >= south) & (latitude <= north)
    shapely.prepare(shape)
    values[near] |= shapely.contains_xy(shape, longitude[near], latitude[near])


def _md5(file: str) -> str:
    return hashlib.md5(Path(file).read_bytes(), usedforsecurity=False).hexdigest()
