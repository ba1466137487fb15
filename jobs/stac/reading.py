"""Catalogs are read with pystac through any fsspec file system: what is broken in one costs no more than itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from jobs import storage
from jobs.errors import InputError
from jobs.stac.roots import AT_ONCE, NAMES, read_json, root_href, told

if TYPE_CHECKING:
    import pystac

__all__ = ["NAMES", "Node", "Note", "parse", "read", "read_json", "root_href", "stem", "told", "walk"]

Note = Callable[[str], None]
DEEPEST = 32
"""Catalogs below each other; more are a server's invention."""
TOGETHER = 256
"""Items of a remote catalog that are held."""
AGAIN = "Let pystac validate it, or build it again."
DOWN = ("child", "item")
"""Relations of the links to what a catalog holds."""


@dataclass(frozen=True)
class Node:
    """A catalog, a collection or an item, or why there is none."""

    href: str
    id: str
    """As the name of the file has it, where the file cannot be read."""
    parents: tuple[str, ...] = ()
    """Ids from below the root down to the catalog that it is in."""
    collection: str = ""
    """The collection it belongs to or is."""
    item: pystac.Item | None = None
    catalog: pystac.Catalog | None = None
    problem: str = ""
    is_leaf: bool = False
    """Whether it is, or should be, an item."""
    is_root: bool = False
    content: int = 0
    """A hash of all that a catalog says: one of the same below it is the same under another name."""
    lost: tuple[str, ...] = ()
    """Its links that lead nowhere, in words."""


@dataclass
class _Walk:
    note: Note
    seen: set[int] = field(default_factory=set)
    """Hashes of the places of items and catalogs: what several catalogs link is met once."""

    def is_new(self, kind: str, href: str) -> bool:
        """Whether nothing there was met as such a thing; from now on it was."""
        key = hash((kind, href))
        is_new = key not in self.seen
        self.seen.add(key)
        return is_new


def read(href: str) -> pystac.STACObject:
    """A catalog, collection or item; its relative links mean what lies beside the file that was read.

    Raises
    ------
    InputError
        If it is not there, no STAC, or an item without a time.
    """
    return parse(read_json(href), href)


def parse(found: dict[str, Any], href: str) -> pystac.STACObject:
    """What a JSON object says, read from `href`; links that lead nowhere are left out, see `lost_links`."""
    import pystac

    wrong = _wrong(found)
    if wrong:
        raise InputError(f"{href} is no STAC: {wrong}.", AGAIN)
    if found.get("type") == "Feature" and not _has_time(found):
        raise InputError(
            f"The item {found.get('id')} ({href}) has no datetime.",
            "Give it one, or a start_datetime and an end_datetime.",
        )
    said = {**found, "links": [link for link in _links(found) if not _loss(link)]}
    try:
        made = pystac.StacIO.default().stac_object_from_dict(said, href=href, preserve_dict=False)
        if isinstance(made, pystac.Item):
            _ = made.common_metadata.start_datetime, made.common_metadata.end_datetime  # which are read only now
    except Exception as error:  # pystac leaves what it stumbles over to Python
        raise InputError(f"{href} is no STAC: {type(error).__name__}: {error}", AGAIN) from error
    return made


def _wrong(found: dict[str, Any]) -> str:
    """What pystac takes and nobody can use; empty if there is nothing of it."""
    name, collection, assets = found.get("id"), found.get("collection"), found.get("assets")
    if not isinstance(name, str) or not name:
        return f"its id is {json.dumps(name)}, which is no text"
    if found.get("type") != "Feature":
        return ""
    if not isinstance(collection, str | None):
        return f"its collection is {json.dumps(collection)}, which is no text"
    box = found.get("bbox")
    if box is not None and not (_is_numbers(box) and len(box) in (4, 6)):
        return f"its bbox is {json.dumps(box)[:80]}"
    for key, asset in assets.items() if isinstance(assets, dict) else ():
        if not (isinstance(asset, dict) and isinstance(asset.get("href"), str)):
            return f"its asset {key} has no href"
    return ""


def _is_numbers(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, int | float) for one in value)


def _links(found: dict[str, Any]) -> list[Any]:
    links = found.get("links")
    return links if isinstance(links, list) else []


def lost_links(found: dict[str, Any]) -> tuple[str, ...]:
    """The links of a catalog's JSON that lead to nothing that it may hold, in words."""
    losses = ((number, _loss(link), link) for number, link in enumerate(_links(found), 1))
    return tuple(
        f"link {number} has {loss}" for number, loss, link in losses
        if loss and not (isinstance(link, dict) and isinstance(link.get("rel"), str) and link["rel"] not in DOWN)
    )  # fmt: skip


def _loss(link: object) -> str:
    """Why a link leads nowhere; empty if it does not."""
    if not isinstance(link, dict) or not isinstance(link.get("rel"), str):
        return "no rel"
    return "" if isinstance(link.get("href"), str) and link["href"] else f"no href ({link['rel']})"


def _has_time(found: dict[str, Any]) -> bool:
    known = found.get("properties")
    has = known if isinstance(known, dict) else {}
    return bool(has.get("datetime") or (has.get("start_datetime") and has.get("end_datetime")))


def walk(url: str, note: Note) -> Iterator[Node]:
    """All of a static catalog, catalogs before what they hold; `note` is told of links back, which lose nothing.

    Raises
    ------
    InputError
        If the root cannot be read.
    """
    import pystac

    href = root_href(url)
    found = read_json(href)
    content = hash(json.dumps(found))
    root = parse(found, href)
    if isinstance(root, pystac.Item):
        yield Node(href, root.id, collection=root.collection_id or "", item=root, is_leaf=True)
    elif isinstance(root, pystac.Catalog):
        collection, lost = _collection(root), lost_links(found)
        node = Node(href, root.id, (), collection, catalog=root, is_root=True, content=content, lost=lost)
        yield from _below(_Walk(note), node, (node,))


def _collection(catalog: pystac.Catalog) -> str:
    import pystac

    return catalog.id if isinstance(catalog, pystac.Collection) else ""


def _below(walk: _Walk, node: Node, above: tuple[Node, ...]) -> Iterator[Node]:
    """A catalog, then its items, then the catalogs below it; `above` ends with the catalog."""
    yield node
    catalog = node.catalog
    assert catalog is not None
    inside = () if node.is_root else (*node.parents, node.id)
    for number, loss in enumerate(node.lost, 1):
        problem = f"broken link in {node.href}: {loss}"
        yield Node(f"{node.href}#lost-{number}", f"lost-{number}", inside, node.collection, problem=problem)
    yield from _items(walk, catalog, inside, node.collection)
    for link in catalog.get_child_links():
        href = link.get_absolute_href() or str(link.get_href())
        if any(href == one.href for one in above):
            walk.note(f"{node.href} links back to {href}: a loop, not followed")
        elif walk.is_new("child", href):
            yield from _child(walk, href, inside, node, above)


def _child(walk: _Walk, href: str, inside: tuple[str, ...], node: Node, above: tuple[Node, ...]) -> Iterator[Node]:
    import pystac

    try:
        found = read_json(href)
        content = hash(json.dumps(found))
        if any(content == one.content for one in above):
            walk.note(f"{node.href} links to {href}, which is a catalog above it once more: a loop, not followed")
            return
        child = parse(found, href)
        if len(above) > DEEPEST:
            raise InputError(
                f"{href} lies below {DEEPEST} other catalogs: links in a loop.", "Mend the catalog's links."
            )
        if not isinstance(child, pystac.Catalog):
            raise InputError(f"{href} is linked as a catalog and is an item.", "Mend the link: its rel is item.")
    except InputError as error:
        problem = f"broken link in {node.href}: {error.message}"
        yield Node(href, stem(href), inside, node.collection, problem=problem)
        return
    known, lost = _collection(child) or node.collection, lost_links(found)
    own = Node(href, child.id, inside, known, catalog=child, content=content, lost=lost)
    yield from _below(walk, own, (*above, own))


def _items(walk: _Walk, catalog: pystac.Catalog, parents: tuple[str, ...], collection: str) -> Iterator[Node]:
    """The items of a catalog in their order; one that was met in another catalog is not met again."""
    owner = catalog.get_self_href() or ""
    links = (link.get_absolute_href() or str(link.get_href()) for link in catalog.get_item_links())
    for href, found in _read_all((href for href in links if walk.is_new("item", href)), owner):
        if isinstance(found, str):
            yield Node(href, stem(href), parents, collection, problem=found, is_leaf=True)
        else:
            known = found.collection_id or collection
            yield Node(href, found.id, parents, known, item=found, is_leaf=True)


def _read_all(hrefs: Iterator[str], owner: str) -> Iterator[tuple[str, pystac.Item | str]]:
    """Items or what is wrong with them; many at once where each has to travel."""
    read_one = partial(_item, owner)
    while some := list(islice(hrefs, TOGETHER)):
        if len(some) == 1 or storage.is_plain(some[0]):
            yield from zip(some, map(read_one, some), strict=True)
            continue
        with ThreadPoolExecutor(AT_ONCE) as pool:
            yield from zip(some, pool.map(read_one, some), strict=True)


def _item(owner: str, href: str) -> pystac.Item | str:
    """An item, or what is wrong with it or with the link to it."""
    import pystac

    try:
        found = read_json(href)
    except InputError as error:
        return f"broken link in {owner}: {error.message}"
    try:
        item = parse(found, href)
    except InputError as error:
        return error.message
    kind = type(item).__name__
    return item if isinstance(item, pystac.Item) else f"broken link in {owner}: {href} is no item but a {kind}"


def stem(href: str) -> str:
    """What a file is called, without its ending."""
    return storage.basename(href).partition("?")[0].removesuffix(".json")
