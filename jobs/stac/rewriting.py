"""Assets that name their copies, and items of a catalog that is rewritten where it stands."""

from __future__ import annotations

import copy as copying
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs import storage
from jobs.errors import OutputError
from jobs.stac import hrefs, places, reading, writing
from jobs.stac.reading import Node
from jobs.stac.roots import plain

if TYPE_CHECKING:
    import pystac

EXTENSION = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
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

    def is_of(self, asset: pystac.Asset) -> bool:
        """Whether it is the copy of an asset, or the asset is that copy already."""
        return not self.source or self.source in origins(asset) or self.target == href_of(asset)


def href_of(asset: pystac.Asset) -> str:
    """The absolute URL of an asset, or its path on this machine."""
    return plain(asset.get_absolute_href() or asset.href)


def origin_of(asset: pystac.Asset) -> str:
    """Where an asset was first, as far as its item says; else where it is. Without a signature."""
    said = asset.extra_fields.get("alternate")
    origin = said.get("origin") if isinstance(said, dict) else None
    href = origin.get("href") if isinstance(origin, dict) else None
    return hrefs.unsigned(plain(href) if isinstance(href, str) and href else href_of(asset))


def origins(asset: pystac.Asset) -> set[str]:
    """Where an asset is, and where it was first."""
    return {hrefs.unsigned(href_of(asset)), origin_of(asset)}


def named_in(item: pystac.Item | None, key: str, target: str, named: str, size: Size) -> Copy | None:
    """The copy that an item names, as `target` or as `named`, if it is as long as the item says."""
    asset = item.assets.get(key) if item else None
    if asset is None or plain(asset.href) not in (target, named):
        return None
    there = size(target)
    if there is None or asset.extra_fields.get("file:size") != there:
        return None
    origin = origin_of(asset)
    known = "" if origin in (target, href_of(asset)) else origin
    return Copy(target, known, there, str(asset.extra_fields.get("file:checksum") or ""))


def name(asset: pystac.Asset, made: Copy, href: str, extensions: list[str], origin: str, root: str) -> None:
    """Let an asset name its copy below `root`, and say where it came from first."""
    origin = made.source if origin in (made.target, "") else origin
    if origin and origin != made.target:
        told = {"href": hrefs.told_at(root, origin)}
        asset.extra_fields["alternate"] = {**asset.extra_fields.get("alternate", {}), "origin": told}
    asset.href = href
    asset.extra_fields["file:size"] = made.size
    if made.checksum:
        asset.extra_fields["file:checksum"] = made.checksum
    if not any("/file/v" in one for one in extensions):
        extensions.append(EXTENSION)


def update(url: str, root: str, nodes: Iterable[Node], copies: Mapping[str, Copy], size: Size) -> list[Copy]:
    """Let the items of a catalog itself name the copies below `root`; which they name. All else stays as it is."""
    import pystac

    top, files, named = reading.root_href(url).rpartition("/")[0], dict[str, Json](), list[Copy]()
    for node in nodes:
        if node.item is None:
            continue
        found = reading.read_json(node.href)
        before = copying.deepcopy(found)
        for key, asset in node.item.assets.items():
            target = hrefs.copy_of(root, node.parents, node.id, href_of(asset), key)
            href = hrefs.named_from(target, node.href, top)
            made = copies.get(target) or named_in(node.item, key, target, href, size)
            if made and made.is_of(asset):
                one = pystac.Asset.from_dict(found["assets"][key])
                name(one, made, href, found.setdefault("stac_extensions", []), origin_of(asset), root)
                found["assets"][key] = one.to_dict()
                named.append(made)
        if found != before:
            files[node.href] = found
    save_all(files)
    return named


def save_all(files: Mapping[str, Json]) -> None:
    """Write files of a catalog that do not link to each other."""
    if all(map(storage.is_plain, files)):
        for url, values in files.items():
            save(url, values)
        return
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(save, files.keys(), files.values()))


def save(url: str, values: Json) -> None:
    """Write a JSON file, whole or not at all, anywhere; a server that is busy is asked again."""
    content = writing.text_of(values).encode()
    if storage.is_plain(url):
        storage.write_bytes(url, content)
        return
    try:
        storage.patiently(lambda: places.put(url, iter([content]), len(content)))
    except Exception as error:  # the clients' errors have no class in common
        raise OutputError(*reading.told(f"{url} cannot be written", error, url)) from error
