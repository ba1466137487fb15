"""A table of items as a catalog: each line is an item, or an asset of one."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jobs import storage
from jobs.errors import InputError
from jobs.stac.daymet import whole
from jobs.stac.filters import aware

if TYPE_CHECKING:
    import pystac

EDGES = ("west", "south", "east", "north")
TIMES = ("datetime", "start_datetime", "end_datetime")
KNOWN = {"id", *TIMES, *EDGES, "bbox", "geometry", "asset", "href", "collection", "subcatalog"}
ASSET = "asset:"
"""Begins the name of a column that holds hrefs of the asset named after it."""
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
TYPES = {
    ".nc": "application/x-netcdf", ".nc4": "application/x-netcdf", ".h5": "application/x-hdf5",
    ".zarr": "application/vnd+zarr", ".tif": "image/tiff; application=geotiff",
    ".tiff": "image/tiff; application=geotiff", ".jp2": "image/jp2", ".png": "image/png", ".jpg": "image/jpeg",
    ".csv": "text/csv", ".json": "application/json", ".geojson": "application/geo+json", ".xml": "application/xml",
    ".parquet": "application/vnd.apache.parquet", ".fits": "application/fits",
}  # fmt: skip
COLUMNS = "Columns: id, datetime (or start_datetime, end_datetime), asset:KEY or asset and href, and perhaps others."
Line = Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """What the lines of a table mean."""

    path: str
    root: str
    """What relative hrefs are relative to."""

    def wrong(self, number: int, what: str) -> InputError:
        """An error that names the line."""
        return InputError(f"{self.path}, line {number}: {what}.", COLUMNS)


def catalog(path: str, root: str | None) -> pystac.Catalog:
    """The catalog of the items that a table lists.

    Raises
    ------
    InputError
        Naming the line that cannot be understood.
    """
    import pystac

    if storage.is_plain(path):
        path = os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111 - links in it stay
    table = Table(path, root or path.rpartition("/")[0])
    found = pystac.Catalog(storage.basename(path).rpartition(".")[0], f"The items of {storage.basename(path)}")
    items: dict[tuple[str, str, str], pystac.Item] = {}
    for number, line in _lines(path):
        key = (line.get("collection", ""), line.get("subcatalog", ""), line.get("id", ""))
        if key not in items:
            items[key] = _item(table, number, line)
            _place(found, *key[:2]).add_item(items[key])
        elif "href" not in line:
            raise table.wrong(number, f"a second item is called {key[2]}")
        _add_assets(table, number, line, items[key])
    if not items:
        raise InputError(f"{path} lists no items.", COLUMNS)
    for place, _, _ in found.walk():
        if isinstance(place, pystac.Collection):
            _set_extent(place)
    return found


def _lines(path: str) -> Iterator[tuple[int, Line]]:
    """The values of each line that are not empty, with its number."""
    try:
        fs, where = storage.filesystem(path)
        text = bytes(fs.cat_file(where)).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}", "Name daymet, or a table (.csv).") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    names = [str(name).strip() for name in reader.fieldnames or ()]
    has_assets = "href" in names or any(name.startswith(ASSET) for name in names)
    if "id" not in names or not has_assets:
        raise InputError(f"{path} has no column {'id' if 'id' not in names else 'asset:KEY or href'}.", COLUMNS)
    reader.fieldnames = names
    for line in reader:
        if None in line:
            raise InputError(f"{path}, line {reader.line_num}: more values than columns.", COLUMNS)
        yield reader.line_num, {name: value.strip() for name, value in line.items() if value and value.strip()}


def _item(table: Table, number: int, line: Line) -> pystac.Item:
    import pystac

    if not line.get("id"):
        raise table.wrong(number, "no id")
    moment, first, last = (_time(table, number, line.get(name)) for name in TIMES)
    if moment is None and (first is None or last is None):
        raise table.wrong(number, f"the item {line['id']} has no datetime")
    if first and last and first > last:
        raise table.wrong(number, f"the item {line['id']} ends before it begins")
    geometry, bbox = _geometry(table, number, line)
    own = {name: _value(value) for name, value in line.items() if name not in KNOWN and not name.startswith(ASSET)}
    return pystac.Item(line["id"], geometry, bbox, moment, own, start_datetime=first, end_datetime=last)


def _time(table: Table, number: int, text: str | None) -> datetime | None:
    try:
        return aware(datetime.fromisoformat(text)).astimezone(UTC) if text else None
    except ValueError:
        raise table.wrong(number, f"{text} is no date or time") from None


def _geometry(table: Table, number: int, line: Line) -> tuple[dict[str, Any] | None, list[float] | None]:
    """The area of an item and its box, whichever is given; neither is allowed too."""
    edges = line.get("bbox") or ",".join(line[name] for name in EDGES if name in line)
    try:
        bbox = [float(part) for part in edges.strip("[]").split(",")] if edges else None
        geometry: dict[str, Any] | None = json.loads(line["geometry"]) if "geometry" in line else None
        if geometry is not None and bbox is None:
            bbox = _bounds(geometry["coordinates"])
    except (ValueError, KeyError, TypeError, IndexError):
        raise table.wrong(number, "bbox or geometry cannot be read") from None
    if bbox is None:
        return None, None
    if len(bbox) != 4 or bbox[1] > bbox[3] or max(map(abs, bbox[1::2])) > 90 or max(map(abs, bbox[::2])) > 180:
        raise table.wrong(number, f"{edges} is no box: west,south,east,north")
    west, south, east, north = bbox
    if west > east and geometry is None:
        raise table.wrong(number, f"{edges} lies across the 180th meridian, which needs a geometry of its own")
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return geometry or {"type": "Polygon", "coordinates": [ring]}, bbox


def _bounds(coordinates: Any) -> list[float]:  # noqa: ANN401 - lists in lists, as deep as the kind of geometry has them
    """The box of a geometry that does not cross the 180th meridian."""
    points, rest = [], [coordinates]
    while rest:
        part = rest.pop()
        if isinstance(part[0], list):
            rest.extend(part)
        else:
            points.append((float(part[0]), float(part[1])))
    longitudes, latitudes = zip(*points, strict=True)
    return [min(longitudes), min(latitudes), max(longitudes), max(latitudes)]


def _value(text: str) -> str | int | float:
    """A number if it is written as one; 007 is a name."""
    if not NUMBER.fullmatch(text):
        return text
    return int(text) if text.lstrip("-").isdecimal() else float(text)


def _add_assets(table: Table, number: int, line: Line, item: pystac.Item) -> None:
    import pystac

    given = {name.removeprefix(ASSET): href for name, href in line.items() if name.startswith(ASSET)}
    if "href" in line:
        given[line.get("asset", "data")] = line["href"]
    for key, href in given.items():
        if key in item.assets:
            raise table.wrong(number, f"the item {item.id} has two assets {key}")
        kind = TYPES.get(os.path.splitext(href.partition("?")[0])[1].lower())  # noqa: PTH122 - it may be a URL
        is_absolute = "://" in href or href.startswith("/")
        where = href if is_absolute else f"{table.root.rstrip('/')}/{href.removeprefix('./')}"
        item.add_asset(key, pystac.Asset(where, media_type=kind, roles=["data"]))


def _place(root: pystac.Catalog, collection: str, subcatalog: str) -> pystac.Catalog:
    """The catalog or collection an item goes to, made if need be."""
    import pystac

    place = root
    for name in filter(None, subcatalog.split("/")):
        child = place.get_child(name)
        if child is None:
            child = pystac.Catalog(name, f"{name} of {root.id}")
            place.add_child(child)
        place = child
    if not collection:
        return place
    child = place.get_child(collection)
    if child is None:
        child = pystac.Collection(collection, f"{collection} of {root.id}", whole(), license="other")
        place.add_child(child)
    return child


def _set_extent(collection: pystac.Collection) -> None:
    """The box and time of its items; without any boxes the whole Earth stays."""
    import pystac

    items = list(collection.get_items(recursive=True))
    found = pystac.Extent.from_items(items)
    collection.extent.temporal = found.temporal
    if any(item.bbox for item in items):
        collection.extent.spatial = found.spatial
