"""Choosing assets from a catalog or an API: the interface for everything that takes one as its input."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from jobs.errors import InputError
from jobs.model import Row
from jobs.stac import api
from jobs.stac.filters import Filters, filters, is_pattern, named, overlaps, touches
from jobs.stac.reading import Node, Note, walk
from jobs.stac.roots import is_catalog, leads_to

if TYPE_CHECKING:
    import pystac

__all__ = ["Chosen", "Filters", "chosen", "filters", "is_catalog", "items", "nodes", "rows"]

REMEMBERED = 10_000
"""Ids and keys that are kept for a suggestion."""
LOOKED_AT = 250
"""Items of an API that are looked at for one."""
SHOWN = 8
"""Names in a message."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """One asset of one item, or with `problem` why there is none."""

    item: str
    asset: str
    href: str
    """Absolute URL, or path of this machine."""
    parents: tuple[str, ...] = ()
    """Ids from below the root down to the item's own catalog."""
    collection: str = ""
    datetime: str = ""
    """The item's time, or when it begins."""
    size: int | None = None
    """What the catalog says [bytes]."""
    checksum: str = ""
    """What the catalog says: a multihash in hexadecimal digits."""
    media_type: str = ""
    properties: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    node: Node | None = field(default=None, compare=False, repr=False)
    """The item that it is of."""


@dataclass
class _Met:
    """What a walk has met, for what is said at its end."""

    items: dict[str, bool] = field(default_factory=dict)
    """Ids as long as they are few; whether the item passed all filters."""
    assets: dict[str, None] = field(default_factory=dict)
    collections: dict[str, None] = field(default_factory=dict)
    wanted: dict[str, bool] = field(default_factory=dict)
    """Ids that were asked for and met; whether one passed all filters."""
    twice: set[int] = field(default_factory=set)
    passed: int = 0
    given: int = 0
    broken: int = 0


def chosen(url: str, filters: Filters, note: Note) -> Iterator[Chosen]:
    """Each wanted asset of each wanted item, as the catalog is read; what is broken in it has a `problem`.

    Raises
    ------
    InputError
        If the catalog cannot be read at all, or nothing in it is what the filters want.
    """
    met = _Met()
    for node in _wanted(url, filters, note, met):
        if node.catalog is None:
            yield from _assets(node, filters, met)
    if not met.given and not met.broken:
        raise _nothing(url, filters, met)
    for node in _unknown(url, filters, met):
        yield from _assets(node, filters, met)


def nodes(url: str, filters: Filters, note: Note) -> Iterator[Node]:
    """Each wanted item, with the catalogs on the way, and what is broken or unknown instead of one.

    Raises
    ------
    InputError
        If the catalog cannot be read at all, or nothing in it is what the filters want.
    """
    met = _Met()
    yield from _wanted(url, filters, note, met)
    if filters and not met.passed and not met.broken:
        raise _nothing(url, filters, met)
    yield from _unknown(url, filters, met)


def items(url: str, filters: Filters, note: Note) -> Iterator[Node]:
    """Each wanted item, and what is broken or unknown instead of one; as `nodes` does."""
    return (node for node in nodes(url, filters, note) if node.catalog is None)


def rows(url: str, filters: Filters, note: Note) -> Iterator[Row]:
    """Each wanted asset as an item of a batch job."""
    for one in chosen(url, filters, note):
        columns: dict[str, Any] = {"item": one.item, "asset": one.asset, "collection": one.collection}
        columns |= {"datetime": one.datetime} | ({} if one.size is None else {"filesize": one.size})
        yield Row(one.href, columns=columns, problem=one.problem, from_catalog=True)


def _wanted(url: str, filters: Filters, note: Note, met: _Met) -> Iterator[Node]:
    nodes = api.search(url, filters, note) if api.is_api(url) else walk(url, note)
    for node in nodes:
        if node.catalog is not None:
            met.collections.setdefault(node.collection)
            yield node
        elif node.problem:
            if _may_matter(node, filters):
                met.broken += 1
                met.wanted[node.id] = True  # one message is enough
                yield node
            else:
                note(node.problem)
        elif node.item is not None and _passes(node, node.item, filters, note, met):
            yield _once(node, met)


def _may_matter(node: Node, filters: Filters) -> bool:
    """Whether what cannot be read may be what is wanted: a catalog may hold anything, a file of an item has its id."""
    return not node.is_leaf or (named(node.id, filters.items) and named(node.collection, filters.collections))


def _passes(node: Node, item: pystac.Item, filters: Filters, note: Note, met: _Met) -> bool:
    if len(met.items) < REMEMBERED:
        met.items.setdefault(item.id, False)
        met.assets.update(dict.fromkeys(item.assets))
    met.collections.setdefault(node.collection)
    if not named(item.id, filters.items) or not named(node.collection, filters.collections):
        return False
    passes = _is_there(item, filters, note)
    if item.id in filters.items:
        met.wanted[item.id] = met.wanted.get(item.id, False) or passes
    met.passed += passes
    return passes


def _is_there(item: pystac.Item, filters: Filters, note: Note) -> bool:
    """Whether an item is in the wanted box and time."""
    if filters.bbox:
        if not item.bbox:
            note(f"the item {item.id} has no bbox and is left out")
            return False
        if not touches(item.bbox, filters.bbox):
            return False
    if not filters.time:
        return True
    first, last = item.common_metadata.start_datetime, item.common_metadata.end_datetime
    moment = item.datetime
    begin, end = first or moment or last, last or moment or first
    return begin is not None and end is not None and overlaps(begin, end, filters.time)


def _once(node: Node, met: _Met) -> Node:
    """The item, or that another one of its catalog has its id."""
    key = hash((node.parents, node.id))
    if key in met.twice:
        where = "/".join(node.parents) or "the catalog"
        problem = f"a second item is called {node.id} in {where}: {node.href} is left out"
        return Node(node.href, node.id, node.parents, node.collection, problem=problem, is_leaf=True)
    met.twice.add(key)
    return node


def _assets(node: Node, filters: Filters, met: _Met) -> Iterator[Chosen]:
    item = node.item
    if item is None or node.problem:
        yield Chosen(node.id, "", node.href, node.parents, node.collection, problem=node.problem)
        return
    for wanted in filters.assets:
        if not is_pattern(wanted) and wanted not in item.assets:
            there = f"; it has {_some(item.assets)}" if item.assets else ""
            problem = f"the item {item.id} has no asset {wanted!r}{there}.{_near(wanted, item.assets)}"
            yield Chosen(item.id, wanted, f"{node.href}#{wanted}", node.parents, node.collection, problem=problem)
    for key, asset in item.assets.items():
        if named(key, filters.assets):
            met.given += 1
            yield _chosen(node, item, key, asset)


def _chosen(node: Node, item: pystac.Item, key: str, asset: pystac.Asset) -> Chosen:
    size, said = asset.extra_fields.get("file:size"), item.properties
    return Chosen(
        item.id, key, leads_to(asset.href, node.href), node.parents, node.collection,
        str(said.get("datetime") or said.get("start_datetime") or ""), size if isinstance(size, int) else None,
        str(asset.extra_fields.get("file:checksum") or ""), asset.media_type or "", said, node=node,
    )  # fmt: skip


def _unknown(url: str, filters: Filters, met: _Met) -> Iterator[Node]:
    """What was asked for by name and is not there."""
    for name in filters.items:
        if not is_pattern(name) and not met.wanted.get(name):
            yield Node(f"{url}#{name}", name, problem=_missing(url, name, met), is_leaf=True)


def _missing(url: str, name: str, met: _Met) -> str:
    if name in met.wanted:
        return f"the item {name} of {url} is not in the box and time that are asked for."
    return f"there is no item {name!r} in {url}.{_near(name, met.items)}"


def _nothing(url: str, filters: Filters, met: _Met) -> InputError:
    """Why there is nothing to do, with what there is."""
    if api.is_api(url):
        _look_around(url, met)
    for name in filters.items:
        if not is_pattern(name) and name not in met.wanted and met.items:
            return InputError(_missing(url, name, met), f"There are: {_some(met.items)}.")
    if met.passed and filters.assets:
        near = _near(filters.assets[0], met.assets)
        return InputError(f"No item of {url} has an asset {','.join(filters.assets)}.{near}",
                          f"There are: {_some(met.assets)}.")  # fmt: skip
    if not met.items and not filters:
        return InputError(f"{url} has no items.", "Is it the right catalog?")
    collections = [name for name in met.collections if name]
    there = [f"items {_some(met.items)}"] if met.items else []
    there += [f"collections {_some(collections)}"] if collections else []
    return InputError(f"Nothing in {url} is {filters.said() or 'an asset'}.",
                      f"There are: {'; '.join(there)}." if there else "Is it the right catalog?")  # fmt: skip


def _look_around(url: str, met: _Met) -> None:
    """Learn what an API has, of which a search that found nothing tells nothing."""
    for found in islice(api.collections(url), REMEMBERED):
        met.collections.setdefault(found.id)
    for node in islice(api.search(url, Filters(), lambda text: None), LOOKED_AT):
        if node.item is not None:
            met.items.setdefault(node.id, False)
            met.assets.update(dict.fromkeys(node.item.assets))


def _some(names: Mapping[str, object] | list[str]) -> str:
    first = list(names)[:SHOWN]
    more = len(names) - len(first)
    return ", ".join(first) + (f" and {more:,}{'+' if len(names) >= REMEMBERED else ''} more" if more > 0 else "")


def _near(name: str, names: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
