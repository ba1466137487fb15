"""The catalog beside the copies: read and extended with pystac; what is below is written before what links to it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from jobs import storage
from jobs.errors import InputError, OutputError
from jobs.stac import hrefs, reading, rewriting, writing
from jobs.stac.reading import Node
from jobs.stac.rewriting import Copy, Json, Size

if TYPE_CHECKING:
    import pystac

TREE = ("root", "parent", "self", "child", "item", "collection")
"""Links that follow from where a file lies."""
STAGED = "springline:staged"
"""By this in its root such a catalog is known; one that was only built is left as it is."""
IN_MEMORY = "https://catalog.invalid"
"""Where the catalog stands for pystac, which knows not all kinds of places and no odd names of directories."""
OTHER = "Choose another --to, or move it away."


@dataclass
class Staged:
    """A catalog beside copies, as it is and as it will be."""

    root: str
    size: Size
    """How long a file below the root is; None if it is not there."""
    overwrite: bool = False
    """Whether items of other origins are replaced."""
    _catalogs: dict[tuple[str, ...], pystac.Catalog] = field(default_factory=dict)
    _links: dict[tuple[str, ...], dict[str, pystac.Link]] = field(default_factory=dict)
    """Those down from a catalog, by where they lead."""
    _before: dict[str, Json] = field(default_factory=dict)
    """What is there, by names below the root."""
    _outside: dict[str, list[Json]] = field(default_factory=dict)
    """Links to the world outside, by the same names; pystac would look for each of them in the whole tree."""
    _last: tuple[Node | None, tuple[pystac.Item | None, str]] = (None, (None, ""))

    def refuse(self) -> None:
        """Refuse a place that holds a catalog that is not of this kind.

        Raises
        ------
        OutputError
            Naming what is there.
        """
        for name in reading.NAMES:
            found = storage.read_json(f"{self.root}/{name}")
            if found is not None and (name != hrefs.CATALOG or STAGED not in found):
                raise OutputError(f"{self.root}/{name} is there and is no catalog of copies.", OTHER)

    def look(self, node: Node) -> tuple[pystac.Item | None, str]:
        """An item as it is there, and why it cannot be replaced. The last one is remembered."""
        if self._last[0] is not node:
            self._last = (node, self._look(node))
        return self._last[1]

    def _look(self, node: Node) -> tuple[pystac.Item | None, str]:
        import pystac

        file = hrefs.item_file(self.root, node.parents, node.id)
        if self.size(file) is None:
            return None, ""
        if storage.is_plain(file) and os.path.realpath(file) == os.path.realpath(node.href):
            return None, f"{node.href} is the item itself: add --update to rewrite it, or choose another --to"
        found = storage.read_json(file) or {}
        try:
            old = reading.parse(found, file)
        except InputError:
            old = None
        if not isinstance(old, pystac.Item) or old.id != node.id:
            return None, "" if self.overwrite else f"{file} is there and is not the item {node.id}: --overwrite does it"
        self._before[self._below(file)] = found
        if self.overwrite or _same(old, node):
            return old, ""
        return None, f"{file} is an item {node.id} of another catalog: choose another --to, or --overwrite replaces it"

    def extend(self, nodes: list[Node], copies: Mapping[str, Copy]) -> list[Copy]:
        """Let it have these items, and name the copies of their assets; which they name. All is read before a write."""
        import pystac

        sources = {() if node.is_root else (*node.parents, node.id): node.catalog for node in nodes if node.catalog}
        wanted = [node for node in nodes if node.item is not None and is_named(node) and not self.look(node)[1]]
        for node in wanted:
            for length in range(len(node.parents) + 1):
                self._make(node.parents[:length], node, sources)
        named = [made for node in wanted for made in self._add(node, copies)]
        if wanted:
            found = writing.saved(self._catalogs[()], pystac.CatalogType.SELF_CONTAINED)
            self._write(found)
        return named

    def _write(self, found: Mapping[str, Json]) -> None:
        """Items, then what links to them; what is as it was stays untouched."""
        items, above = dict[str, Json](), dict[str, Json]()
        for name, values in found.items():
            values["links"] += self._outside.get(name, [])
            if not _equal(values, self._before.get(name)):
                (items if values["type"] == "Feature" else above)[f"{self.root}/{name}"] = values
        rewriting.save_all(items)
        for url, values in above.items():
            rewriting.save(url, values)

    def _below(self, url: str) -> str:
        return url[len(self.root) + 1 :]

    def _add(self, node: Node, copies: Mapping[str, Copy]) -> list[Copy]:
        """An item with its copies."""
        assert node.item is not None
        old, _ = self.look(node)
        file, item, named = hrefs.item_file(self.root, node.parents, node.id), node.item.clone(), list[Copy]()
        self._outside[self._below(file)] = self._others(node.item)
        item.links = []
        self._attach(node.parents, item, self._below(file), "item")
        self._collect(node, item)
        for key, asset in node.item.assets.items():
            href, ours = rewriting.href_of(asset), item.assets[key]
            target = hrefs.copy_of(self.root, node.parents, node.id, href, key)
            spelled = hrefs.named_from(target, file, self.root)
            ours.href = hrefs.told_at(self.root, hrefs.unsigned(href))
            made = copies.get(target)
            if not (made and made.is_of(asset)):
                made = rewriting.named_in(old, key, target, spelled, self.size)
            if made and made.is_of(asset):
                rewriting.name(ours, made, spelled, item.stac_extensions, rewriting.origin_of(asset), self.root)
                named.append(made)
        return named

    def _collect(self, node: Node, item: pystac.Item) -> None:
        """Link an item to its collection: in this catalog, or where it is."""
        import pystac

        assert node.item is not None
        wanted = node.item.collection_id
        for length in range(len(node.parents), 0, -1):
            found = self._catalogs[node.parents[:length]]
            if wanted and isinstance(found, pystac.Collection) and found.id == wanted:
                item.set_collection(found)
                return
        link = node.item.get_single_link("collection")
        href = (link.get_absolute_href() or str(link.get_href())) if link and wanted else ""
        if href and self._may_name(href):
            item.add_link(pystac.Link("collection", href, "application/json"))
        else:  # an item without such a link may not name one
            item.collection_id = None

    def _may_name(self, href: str) -> bool:
        """Whether a link makes sense for a reader of this catalog: no path of this machine on a server."""
        return bool(href) and (storage.is_plain(self.root) or not storage.is_plain(href.removeprefix("file://")))

    def _others(self, found: pystac.STACObject) -> list[Json]:
        """Links to the world outside, and to the URL where it was."""
        links = [
            {**link.to_dict(transform_href=False), "href": hrefs.unsigned(link.get_absolute_href() or str(link.target))}
            for link in found.links if link.rel not in TREE
        ]  # fmt: skip
        where = hrefs.unsigned(found.get_self_href() or "")
        links = [link for link in links if link["rel"] != "canonical" or not storage.is_plain(link["href"])]
        if not storage.is_plain(where) and not any(link["rel"] == "canonical" for link in links):
            links.append({"rel": "canonical", "href": where, "type": "application/json"})
        return [link for link in links if self._may_name(link["href"])]

    def _make(self, path: tuple[str, ...], node: Node, sources: Mapping[tuple[str, ...], pystac.Catalog]) -> None:
        """A catalog above an item: as it is there, or new."""
        import pystac

        if path in self._catalogs:
            return
        folder = self._below(hrefs.folder(self.root, path) + "/")
        found = self._read(path, folder)
        if found is None:
            found = self._new(path, node, sources)
            is_collection = path and isinstance(found, pystac.Collection)
            file = folder + ("collection.json" if is_collection else hrefs.CATALOG)
            self._outside[file], found.links = self._others(sources.get(path, found)), []
        else:
            file = self._below(str(found.get_self_href()).replace(IN_MEMORY, self.root, 1))
            found.links = [link for link in found.links if link.rel in TREE]
        self._catalogs[path] = found
        down = [link for link in found.links if link.rel in ("child", "item")]
        self._links[path] = {str(link.get_absolute_href()): link for link in down}
        if path:
            self._attach(path[:-1], found, file, "child")
        else:
            found.set_self_href(f"{IN_MEMORY}/{file}")
            found.set_root(found)

    def _read(self, path: tuple[str, ...], folder: str) -> pystac.Catalog | None:
        import pystac

        for name in reading.NAMES if path else (hrefs.CATALOG,):
            file = folder + name
            found = storage.read_json(f"{self.root}/{file}")
            if found is None:
                continue
            try:
                old = reading.parse(found, f"{IN_MEMORY}/{file}")
            except InputError:
                old = None
            if not isinstance(old, pystac.Catalog) or (path and old.id != path[-1]):
                raise OutputError(f"{self.root}/{file} is there and is not the catalog {path[-1:]}.", OTHER)
            self._before[file] = found
            self._outside[file] = [link for link in found["links"] if link["rel"] not in TREE]
            return old
        return None

    @staticmethod
    def _new(path: tuple[str, ...], node: Node, sources: Mapping[tuple[str, ...], pystac.Catalog]) -> pystac.Catalog:
        """A catalog as its original says; the root is a catalog in any case."""
        import pystac

        source = sources.get(path) or (_above(node) if path == node.parents else None)
        if source is None or not path:
            text = source.description if source else "Copies of assets, and where the others are."
            name, title = (source.id, source.title) if source else (path[-1] if path else "staged", None)
            made = {} if path else {STAGED: version("springline")}
            return pystac.Catalog(name, text, title=title, extra_fields=made)
        found = source.clone()
        if isinstance(source, pystac.Collection) and isinstance(found, pystac.Collection):
            for key, asset in source.assets.items():
                found.assets[key].href = hrefs.unsigned(rewriting.href_of(asset))
        return found

    def _attach(self, path: tuple[str, ...], found: Any, file: str, rel: str) -> None:  # noqa: ANN401 - catalog or item
        """Link a catalog to one of its catalogs or items."""
        import pystac

        above, href = self._catalogs[path], f"{IN_MEMORY}/{file}"
        found.set_self_href(href)
        found.set_root(self._catalogs[()])
        found.set_parent(above)
        link = self._links[path].get(href)
        if link is not None:
            link.target = found
            return
        new = pystac.Link.item(found) if rel == "item" else pystac.Link.child(found)
        above.add_link(new)
        self._links[path][href] = new


def is_named(node: Node) -> bool:
    """Whether an item and the catalogs above it have ids."""
    return all(isinstance(one, str) and one for one in (*node.parents, node.id))


def _same(old: pystac.Item, node: Node) -> bool:
    """Whether an item that is there is this one: from the same URL, or with an asset from the same place."""
    assert node.item is not None
    here = hrefs.unsigned(node.item.get_self_href() or "")
    if here and any(link.rel == "canonical" and str(link.target) == here for link in old.links):
        return True
    pairs = ((asset, node.item.assets.get(key)) for key, asset in old.assets.items())
    return not old.assets or any(new and rewriting.origins(asset) & rewriting.origins(new) for asset, new in pairs)


def _above(node: Node) -> pystac.Catalog | None:
    """The catalog or collection of an item that came alone, as its links lead up."""
    import pystac

    assert node.item is not None
    link = node.item.get_single_link("collection") or node.item.get_single_link("parent")
    href = link.get_absolute_href() if link else None
    try:
        found = reading.read(href) if href else None
    except InputError:
        return None
    wanted = node.parents[-1:] or (found.id if found else "",)
    return found if isinstance(found, pystac.Catalog) and (found.id,) == tuple(wanted) else None


def _equal(new: Json, old: Json | None) -> bool:
    """Whether two files say the same, in whatever order they link."""
    if old is None or not isinstance(old.get("links"), list):
        return False
    by_href = [sorted(one["links"], key=lambda link: (link["rel"], str(link["href"]))) for one in (new, old)]
    return by_href[0] == by_href[1] and {**new, "links": []} == {**old, "links": []}
