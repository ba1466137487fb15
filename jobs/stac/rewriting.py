"""Catalogs that name copies: each file is written whole, what is below before what links to it."""

from __future__ import annotations

import copy as copying
import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jobs import doors, storage
from jobs.errors import InputError, OutputError
from jobs.stac import hrefs, places, reading
from jobs.stac.reading import Node

if TYPE_CHECKING:
    import pystac

EXTENSION = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
TREE = ("root", "parent", "self", "child", "item", "collection")
"""Links that follow from where a file lies."""
AT_ONCE = 8
"""Files of a remote catalog that are written at once."""
Size = Callable[[str], int | None]
Json = dict[str, Any]


@dataclass(frozen=True)
class Copy:
    """A copy that was made."""

    target: str
    source: str
    """Where it came from; empty if nobody knows any more."""
    size: int
    checksum: str
    """A multihash, or nothing."""

    def is_of(self, href: str) -> bool:
        """Whether it is the copy of an asset that is there, or is called so already."""
        return self.source in ("", href) or self.target == href


def copy_in(root: str, parents: tuple[str, ...], item: str, asset: str, target: str, size: Size) -> Copy | None:
    """The copy of an asset that the catalog beside the copies names, if it is as long as it says."""
    there = size(target)
    if there is None:
        return None
    file = hrefs.item_file(root, parents, item)
    known = (storage.read_json(file) or {}).get("assets", {}).get(asset, {})
    if known.get("href") != hrefs.named_from(target, file, root) or known.get("file:size") != there:
        return None
    origin = known.get("alternate", {}).get("origin", {}).get("href", "")
    return Copy(target, origin, there, str(known.get("file:checksum") or ""))


def write(root: str, nodes: list[Node], copies: Mapping[str, Copy], size: Size) -> list[Copy]:
    """Write or extend the catalog beside the copies, named relative to it, all else where it is; which it names."""
    tree = _Tree(root)
    for node in nodes:
        tree.add(node)

    def one(node: Node) -> list[Copy]:
        file = hrefs.item_file(root, node.parents, node.id)
        old = storage.read_json(file)
        new, named = _item(root, node, tree, copies, (old or {}, size))
        if new != old:
            _save(file, new)
        return named

    named = _side_by_side(root, one, nodes)
    for path in sorted(tree.catalogs, key=len, reverse=True):
        tree.save(path)
    return named


def update(url: str, root: str, nodes: list[Node], copies: Mapping[str, Copy]) -> list[Copy]:
    """Let the items of a catalog itself name the copies; which they name."""
    top = reading.root_href(url).rpartition("/")[0]

    def one(node: Node) -> list[Copy]:
        named, found = list[Copy](), reading.read_json(node.href)
        before = copying.deepcopy(found)
        for key, asset, target in assets(root, node):
            made = copies.get(target)
            if made and made.is_of(asset["href"]):
                _name(found, key, made, hrefs.named_from(target, node.href, top))
                named.append(made)
        if found != before:
            _save(node.href, found)
        return named

    return _side_by_side(url, one, nodes)


def assets(root: str, node: Node) -> Iterable[tuple[str, Json, str]]:
    """Keys of an item's assets, what they say, and where their copies go."""
    assert node.item is not None
    for key, asset in node.item.assets.items():
        href = origin_of(asset)
        yield key, {**asset.to_dict(), "href": href}, hrefs.copy_of(root, node.parents, node.id, href, key)


def origin_of(asset: pystac.Asset) -> str:
    """The absolute URL of an asset, or its path on this machine."""
    return (asset.get_absolute_href() or asset.href).removeprefix("file://")


def _item(
    root: str, node: Node, tree: _Tree, copies: Mapping[str, Copy], before: tuple[Json, Size]
) -> tuple[Json, list[Copy]]:
    assert node.item is not None
    file, (old, size) = hrefs.item_file(root, node.parents, node.id), before
    found: Json = node.item.to_dict(include_self_link=False, transform_hrefs=False)
    found["links"] = [*_others(node.item), *tree.links(node.parents, 1), *tree.collection_link(node)]
    found["assets"], named = {}, list[Copy]()
    for key, asset, target in assets(root, node):
        found["assets"][key] = asset
        made = copies.get(target)
        if not (made and made.is_of(asset["href"])):
            made = copy_in(root, node.parents, node.id, key, target, size) if key in old.get("assets", {}) else None
        if made and made.is_of(asset["href"]):
            _name(found, key, made, hrefs.named_from(target, file, root))
            named.append(made)
    return found, named


def _name(item: Json, key: str, made: Copy, href: str) -> None:
    """Let an item name a copy, and say where it came from."""
    asset = item["assets"][key]
    if made.source and made.source != made.target:
        asset["alternate"] = {**asset.get("alternate", {}), "origin": {"href": made.source}}
    asset |= {"href": href, "file:size": made.size} | ({"file:checksum": made.checksum} if made.checksum else {})
    known = item.setdefault("stac_extensions", [])
    if not any("/file/v" in one for one in known):
        known.append(EXTENSION)


def _others(found: pystac.STACObject) -> list[Json]:
    """Links to the world outside, and to where it was."""
    links = [
        {**link.to_dict(transform_href=False), "href": link.get_absolute_href() or link.get_href()}
        for link in found.links if link.rel not in TREE
    ]  # fmt: skip
    where = found.get_self_href()
    if where and not any(link["rel"] == "canonical" for link in links):
        links.append({"rel": "canonical", "href": where, "type": "application/json"})
    return links


@dataclass
class _Tree:
    """The catalogs above the items, by the ids that lead to them."""

    root: str
    catalogs: dict[tuple[str, ...], Json] = field(default_factory=dict)
    _before: dict[tuple[str, ...], Json | None] = field(default_factory=dict)

    def add(self, node: Node) -> None:
        """An item, and the catalogs above it that are not there yet."""
        for length in range(len(node.parents), -1, -1):
            self._make(node.parents[:length], node)
        for length in range(len(node.parents)):
            below = node.parents[: length + 1]
            name = self.file(below)[len(hrefs.folder(self.root, below[:-1])) + 1 :]
            _link(self.catalogs[below[:-1]], "child", f"./{name}")
        name = hrefs.segment(node.id)
        _link(self.catalogs[node.parents], "item", f"./{name}/{name}.json")

    def _make(self, path: tuple[str, ...], node: Node) -> None:
        if path in self.catalogs:
            return
        for name in reading.NAMES if path else (hrefs.CATALOG,):
            old = storage.read_json(f"{hrefs.folder(self.root, path)}/{name}")
            if old is not None:
                self._before[path] = copying.deepcopy(old)
                self.catalogs[path] = old
                return
        self._before[path] = None
        self.catalogs[path] = _catalog(path, node)
        self.catalogs[path]["links"] += self.links(path[:-1], 1) if path else [_to("root", f"./{hrefs.CATALOG}")]

    def file(self, path: tuple[str, ...]) -> str:
        """The file of a catalog."""
        name = "collection.json" if path and self.catalogs[path].get("type") == "Collection" else hrefs.CATALOG
        return f"{hrefs.folder(self.root, path)}/{name}"

    def links(self, parents: tuple[str, ...], below: int) -> list[Json]:
        """The links up, of what lies so many directories below a catalog."""
        name = self.file(parents).rpartition("/")[2] if parents in self.catalogs else hrefs.CATALOG
        up = "../" * below
        return [_to("root", f"{up}{'../' * len(parents)}{hrefs.CATALOG}"), _to("parent", f"{up}{name}")]

    def collection_link(self, node: Node) -> list[Json]:
        """The link to an item's collection: in this catalog, or where it is."""
        assert node.item is not None
        if not node.item.collection_id:
            return []
        for length in range(len(node.parents), 0, -1):
            found = self.catalogs[node.parents[:length]]
            if found.get("type") == "Collection" and found.get("id") == node.item.collection_id:
                return [_to("collection", "../" * (len(node.parents) - length + 1) + "collection.json")]
        link = node.item.get_single_link("collection")
        return [_to("collection", link.get_absolute_href() or str(link.get_href()))] if link else []

    def save(self, path: tuple[str, ...]) -> None:
        """Write one catalog, if it is another than before."""
        if self.catalogs[path] != self._before[path]:
            _save(self.file(path), self.catalogs[path])


def _catalog(path: tuple[str, ...], node: Node) -> Json:
    """A catalog as its original has it, without links in the tree."""
    import pystac

    above = _above(node)
    found = above.get(path)
    plain = not path and isinstance(found, pystac.Collection)  # the root of the copies is a catalog in any case
    if found is None or plain:
        name = found.id if found else path[-1] if path else "staged"
        text = found.description if found else "Copies of assets, and where the others are."
        return pystac.Catalog(name, text).to_dict() | {"links": []}
    result = found.to_dict(include_self_link=False, transform_hrefs=False)
    result["links"] = _others(found)
    if isinstance(found, pystac.Collection):
        for key, asset in found.assets.items():
            result["assets"][key]["href"] = origin_of(asset)
    return result


def _above(node: Node) -> dict[tuple[str, ...], pystac.Catalog]:
    """The catalogs above an item, as its links lead up."""
    found: dict[tuple[str, ...], pystac.Catalog] = {}
    one: pystac.STACObject | None = node.item
    for length in range(len(node.parents), -1, -1):
        link = one and (one.get_single_link("parent") or one.get_single_link("collection"))
        href = link.get_absolute_href() if link else None
        one = _read(href) if href else None
        if one is None or (length and one.id != node.parents[length - 1]):
            break
        found[node.parents[:length]] = one
    return found


@lru_cache(1024)
def _read(href: str) -> pystac.Catalog | None:
    import pystac

    try:
        found = reading.read(href)
    except InputError:
        return None
    return found if isinstance(found, pystac.Catalog) else None


def _to(rel: str, href: str) -> Json:
    return {"rel": rel, "href": href, "type": "application/geo+json" if rel == "item" else "application/json"}


def _link(catalog: Json, rel: str, href: str) -> None:
    if not any(link["rel"] == rel and link["href"] == href for link in catalog["links"]):
        catalog["links"].append(_to(rel, href))


def _save(url: str, values: Json) -> None:
    """Write a JSON file, whole or not at all, anywhere."""
    if storage.is_plain(url):
        storage.write_json(url, values)
        return
    content = json.dumps(values, indent=2, ensure_ascii=False).encode() + b"\n"
    try:
        places.put(url, iter([content]), len(content))
    except Exception as error:  # the clients' errors have no class in common
        said, hint = doors.trouble(error, url) or (f"{type(error).__name__}: {error}", "Run the same command again.")
        raise OutputError(f"{url} cannot be written: {said}", hint) from error


def _side_by_side(url: str, one: Callable[[Node], list[Copy]], nodes: list[Node]) -> list[Copy]:
    if storage.is_plain(url):
        return [made for node in nodes for made in one(node)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [made for some in pool.map(one, nodes) for made in some]
