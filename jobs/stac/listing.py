"""The packaged job `stac-list`: what is in a catalog or an API, and what is broken there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobs.errors import UsageError
from jobs.model import Job, Option, Report, Request
from jobs.stac import filters
from jobs.stac.roots import leads_to
from jobs.words import count, file_size

if TYPE_CHECKING:
    import pystac

    from jobs.stac.reading import Node

SHOWN, BROKEN = 100, 5
"""Items that are listed unless more are asked for, and broken links named in the last line."""
OPTIONS = (
    Option("items", "Only these items: ids or patterns, with commas.", metavar="IDS"),
    *filters.OPTIONS,
    Option("limit", f"List so many items at most; all are counted, but of an API. Default: {SHOWN}.", int, metavar="N"),
)


@dataclass
class _Listed:
    lines: list[str] = field(default_factory=list)
    catalogs: list[dict[str, Any]] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    """The line of each of them, which says at the end how many items it has."""
    latest: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    """By their ids from the root down: two may have the same, but the items of one come before the other."""
    items: list[dict[str, Any]] = field(default_factory=list)
    problems: list[dict[str, str]] = field(default_factory=list)
    counted: int = 0
    is_cut: bool = False
    """Whether there may be items that were not even counted."""


def run(request: Request) -> Report:
    """List a catalog."""
    from jobs.stac import api, select

    (url,) = request.inputs if len(request.inputs) == 1 else (None,)
    limit = request.options.get("limit")
    limit = SHOWN if limit is None else limit
    if url is None or limit < 1:
        raise UsageError("stac-list lists one catalog, and one item or more.", "Name its catalog.json, or an API.")
    wanted = filters.filters(request.options, request.options.get("items"))
    is_api = api.is_api(url)
    listed = _Listed()
    if is_api:
        for collection in api.collections(url):
            if filters.named(collection.id, wanted.collections):
                _add_catalog(listed, collection, collection.id, ())
    for node in select.nodes(url, wanted, request.progress.note):
        if is_api and listed.counted == limit:
            listed.is_cut = True
            break
        _add(listed, node, limit, wanted)
    return _report(url, "api" if is_api else "catalog", listed)


def _add(listed: _Listed, node: Node, limit: int, wanted: filters.Filters) -> None:
    if node.problem:
        listed.problems.append({"href": node.href, "problem": node.problem})
        listed.lines.append(f"{_indent(node)}! {node.problem}")
    elif node.catalog is not None:
        _add_catalog(listed, node.catalog, node.id, node.parents, root=node.is_root)
    elif node.item is not None:
        listed.counted += 1
        if node.parents in listed.latest:
            listed.latest[node.parents]["items"] += 1
        if listed.counted <= limit:
            _add_item(listed, node, node.item, wanted)


def _indent(node: Node) -> str:
    return "  " * (len(node.parents) + 1)


def _add_catalog(
    listed: _Listed, catalog: pystac.Catalog, name: str, parents: tuple[str, ...], *, root: bool = False
) -> None:
    import pystac

    extent = catalog.extent if isinstance(catalog, pystac.Collection) else None
    interval = _interval(extent)
    found: dict[str, Any] = {
        "id": name, "title": catalog.title, "type": type(catalog).__name__, "parents": list(parents), "items": 0,
        "bbox": list(extent.spatial.bboxes[0]) if extent and extent.spatial.bboxes else None,
        "interval": interval,
    }  # fmt: skip
    if not root:
        listed.catalogs.append(found)
        listed.latest[*parents, name] = found
        listed.at.append(len(listed.lines))
    when = "/".join(end or ".." for end in interval or ())
    words = [found["title"] or "", when, _box(found["bbox"])]
    listed.lines.append("  ".join(filter(None, [f"{'  ' * (len(parents) + (not root))}{name}", *words])))


def _interval(extent: pystac.Extent | None) -> list[str | None] | None:
    if extent is None or not extent.temporal.intervals:
        return None
    return [end.isoformat().replace("+00:00", "Z") if end else None for end in extent.temporal.intervals[0]]


def _add_item(listed: _Listed, node: Node, item: pystac.Item, wanted: filters.Filters) -> None:
    said = item.properties
    begin, end = said.get("start_datetime"), said.get("end_datetime")
    assets = [_asset(node, key, asset) for key, asset in item.assets.items() if filters.named(key, wanted.assets)]
    listed.items.append({
        "id": item.id, "collection": node.collection or None, "parents": list(node.parents), "href": node.href,
        "datetime": said.get("datetime"), "start_datetime": begin, "end_datetime": end,
        "bbox": list(item.bbox) if item.bbox else None, "assets": assets,
    })  # fmt: skip
    when = f"{begin}/{end}" if begin and end else str(said.get("datetime"))
    indent = _indent(node)
    listed.lines.append("  ".join(filter(None, [f"{indent}{item.id}", when, _box(item.bbox)])))
    for one in assets:
        listed.lines.append(
            f"{indent}  {one['key']:<12} {file_size(one['size']):>9}  {one['type'] or '-':<24} {_short(one['href'])}"
        )


def _asset(node: Node, key: str, asset: pystac.Asset) -> dict[str, Any]:
    size = asset.extra_fields.get("file:size")
    return {
        "key": key, "href": leads_to(asset.href, node.href), "type": asset.media_type,
        "size": size if isinstance(size, int) else None, "checksum": asset.extra_fields.get("file:checksum"),
    }  # fmt: skip


def _box(bbox: Any) -> str:  # noqa: ANN401 - a list of numbers, or none
    return ",".join(f"{edge:.2f}" for edge in bbox) if bbox else ""


def _short(href: str, longest: int = 90) -> str:
    """An href without its middle; its end tells most."""
    return href if len(href) <= longest else f"{href[:30]}…{href[31 - longest :]}"


def _report(url: str, kind: str, listed: _Listed) -> Report:
    more = listed.counted - len(listed.items)
    assets = [asset for item in listed.items for asset in item["assets"]]
    known = sum(asset["size"] for asset in assets if isinstance(asset["size"], int))
    values = {
        "schema_version": 1, "job": "stac-list", "catalog": url, "type": kind, "collections": listed.catalogs,
        "items": listed.items, "item_count": listed.counted, "complete": not listed.is_cut,
        "problems": listed.problems,
    }  # fmt: skip
    for at, catalog in zip(listed.at, listed.catalogs, strict=True):
        listed.lines[at] += f"  {count(catalog['items'], 'item')}" if catalog["items"] else ""
    lines = [*listed.lines, *([f"  … and {more:,} items more"] if more else [])]
    size = f", {file_size(known)} as far as the catalog says" if known else ""
    at_least = "the first " if listed.is_cut else ""
    lines.append(f"{at_least}{count(listed.counted, 'item')}; {count(len(assets), 'asset')} listed{size}")
    return Report(values, tuple(lines), dict(_failed(listed.problems)))


def _failed(problems: list[dict[str, str]]) -> Iterator[tuple[str, str]]:
    yield from ((one["href"], one["problem"]) for one in problems[:BROKEN])
    if len(problems) > BROKEN:
        yield "others", f"{len(problems) - BROKEN:,} more"


JOB = Job(
    name="stac-list",
    summary="What is in a STAC catalog or API: collections, items, assets and their sizes, and what is broken.",
    about=(
        "Reads catalogs on disk, behind HTTP, in S3 or WebDAV, and APIs. Filters are those of every batch "
        "job: what is listed is what a job with the same filters would take."
    ),
    run=run,
    input_help="A catalog (its file, directory or URL) or an API.",
    options=OPTIONS,
    has_output=False,
    needs_output=False,
    examples=(
        "catalog/catalog.json",
        "catalog/ --items 'hi-198*' --assets tmin,tmax --json",
        "https://earth-search.aws.element84.com/v1 --collections sentinel-2-l2a --bbox 4.7,52.2,5.1,52.5 "
        "--time 2023-04 --limit 20",
    ),
)
