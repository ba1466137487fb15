"""The packaged job `stac-build`: a catalog of Daymet, or of what a table lists."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs import causes, storage
from jobs.errors import UsageError
from jobs.model import Job, Option, Report, Request
from jobs.stac.roots import AT_ONCE, plain, told
from jobs.words import count, file_size

if TYPE_CHECKING:
    import pystac

DAYMET = "daymet"
LINKS = ("self-contained", "relative-published", "absolute-published")
OF_DAYMET = (
    Option("regions", "With daymet: na, hi, pr, with commas. Default: all.", metavar="LIST"),
    Option("years", "With daymet: 1980, 1980:1999 (both included) or a list. Default: 1980:2022.", metavar="YEARS"),
    Option("variables", "With daymet: of tmin, tmax, dayl, prcp, srad, swe, vp. Default: tmin,tmax,dayl.",
           metavar="LIST"),
)  # fmt: skip
OPTIONS = (
    *OF_DAYMET,
    Option(
        "root", "Where the data lie; default with daymet ORNL DAAC's file server, with a table its own directory.",
        metavar="DIR|URL",
    ),
    Option("links", "The kind of catalog, by its links.", default=LINKS[0], choices=LINKS),
    Option("published", "With a published kind: where the catalog will stand. Default: --output.", metavar="URL"),
    Option("sizes", "Ask each asset for its size, written as file:size; one that is not there is named.", bool, False),
)  # fmt: skip
GONE = (404, 410)
SHOWN = 5
"""Assets that are named one by one."""


def run(request: Request) -> Report:
    """Build the catalog and write it, whole or not at all."""
    from jobs.stac import writing

    options = request.options
    (source,) = request.inputs if len(request.inputs) == 1 else (None,)
    if source is None:
        raise UsageError("stac-build makes one catalog.", "Name daymet, or one table.")
    if options.get("published") and options.get("links", LINKS[0]) == LINKS[0]:
        raise UsageError("--published says where a published catalog stands.", f"Add --links {LINKS[1]}.")
    where = writing.place(request.output, str(options.get("links") or LINKS[0]), options.get("published"))
    with storage.exclusive(where.output):
        writing.refuse(where, request.overwrite)
        catalog = _asked_for(source, options)
        counts = _counts(catalog)
        sizes = _sizes(catalog, request) if options.get("sizes") else {}
        writing.write(catalog, where)
    return _report(where.output, catalog, counts, sizes)


def _asked_for(source: str, options: Mapping[str, Any]) -> pystac.Catalog:
    from jobs.stac import daymet, table

    root = options.get("root")
    options = dict(options) | ({"root": _absolute(root)} if root else {})
    if source == DAYMET and not Path(source).is_file():
        return daymet.catalog(options, years(options.get("years") or daymet.YEARS))
    for option in OF_DAYMET:
        if options.get(option.name):
            raise UsageError(f"--{option.name} goes with daymet.", f"Leave it out: {source} lists the items.")
    return table.catalog(source, options.get("root"))


def _absolute(root: str) -> str:
    root = plain(root)
    return str(Path(root).expanduser().absolute()) if storage.is_plain(root) else root


def years(text: str) -> frozenset[int]:
    """1980:1982,1990 → the set of years."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition(":")
        last = last or first
        if not (first.isdecimal() and last.isdecimal() and len(first) == len(last) == 4 and first <= last):
            raise UsageError(f"--years {text} is not understood.", "Write 1980, 1980:1999 or 1980,1985,1990.")
        found.update(range(int(first), int(last) + 1))
    return frozenset(found)


def _counts(catalog: pystac.Catalog) -> dict[str, int]:
    items = list(catalog.get_items(recursive=True))
    assets = sum(len(item.assets) for item in items)
    below = sum(1 for _ in catalog.walk()) - 1
    return {"catalogs": below, "items": len(items), "assets": assets}


def _sizes(catalog: pystac.Catalog, request: Request) -> dict[str, int | str]:
    """Note each asset's size [bytes]; returns sizes and what went wrong, by href."""
    from pystac.extensions.file import SCHEMA_URI

    assets = [(item, asset) for item in catalog.get_items(recursive=True) for asset in item.assets.values()]
    found: dict[str, int | str] = {}
    request.progress.start(len(assets), "assets", "sizes")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for (item, asset), size in zip(assets, pool.map(lambda pair: _size(pair[1].href), assets), strict=True):
            found[asset.href] = size
            request.progress.advance(1)
            if isinstance(size, int):
                asset.extra_fields["file:size"] = size
                if SCHEMA_URI not in item.stac_extensions:
                    item.stac_extensions.append(SCHEMA_URI)
    request.progress.close()
    return found


def _size(href: str) -> int | str:
    href = plain(href)
    try:
        if storage.is_plain(href):
            path = Path(href)
            return path.stat().st_size if path.is_file() else _du(href)
        fs, path_in = storage.filesystem(href)
        about = fs.info(path_in)
        if about.get("mimetype") == "text/html" and not href.lower().endswith((".html", ".htm")):
            return "a web page is there instead: does the server want a login?"
        size = fs.du(path_in) if about.get("type") == "directory" else about.get("size")
        return int(size) if size is not None else "the server does not say its size"
    except Exception as error:  # noqa: BLE001 - the clients' errors have no class in common; it is named
        said = error.__cause__ if isinstance(error, FileNotFoundError) else error  # fsspec says so of any trouble
        if said is None or causes.status(said) in GONE:
            return "not there"
        return told("it cannot be asked", said, href)[0]


def _du(folder: str) -> int:
    """Bytes below a directory, such as a Zarr store."""
    if not Path(folder).exists():
        raise FileNotFoundError(folder)
    return sum(os.lstat(Path(path, name)).st_size for path, _, names in os.walk(folder) for name in names)


def _report(output: str, catalog: pystac.Catalog, counts: Mapping[str, int], sizes: Mapping[str, int | str]) -> Report:
    missing = {href: why for href, why in sizes.items() if isinstance(why, str)}
    known = sum(size for size in sizes.values() if isinstance(size, int))
    values = {
        "schema_version": 1, "job": "stac-build", "output": output, "catalog": f"{output}/catalog.json",
        "id": catalog.id, **counts, "bytes": known if sizes else None, "missing": missing,
    }  # fmt: skip
    below = f" in {count(counts['catalogs'], 'collection')}" if counts["catalogs"] else ""
    sized = f"{count(len(sizes) - len(missing), 'asset')} of {len(sizes):,} there, {file_size(known)}"
    lines = [
        f"stac-build: {catalog.id}: {count(counts['items'], 'item')} with {count(counts['assets'], 'asset')}{below}",
        *([f"sizes  {sized}"] if sizes else []),
        f"output {output}/catalog.json",
    ]
    failed = dict(list(missing.items())[:SHOWN])
    if len(missing) > SHOWN:
        failed["others"] = f"{len(missing) - SHOWN:,} more"
    return Report(values, tuple(lines), failed)


JOB = Job(
    name="stac-build",
    summary="A STAC catalog of Daymet v4, or of the items that a table lists.",
    about=(
        "Items hold a year of a region with an asset for each variable. Nothing is downloaded: names follow "
        "from region, year and variable; --sizes asks each asset for its size."
    ),
    run=run,
    input_help="What the catalog is of: daymet, or a table (.csv).",
    options=OPTIONS,
    examples=(
        "daymet --regions na,hi,pr --years 1980:2022 --variables tmin,tmax,dayl --output catalog/",
        "daymet --regions hi --years 1980:1982 --root /data/daymet --sizes --output /data/catalog",
        "items.csv --root s3://bucket/data --output s3://bucket/catalog",
    ),
)
