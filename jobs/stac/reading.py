"""Catalogs are read with pystac through any fsspec file system: what is broken in one costs no more than itself."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs import doors, storage
from jobs.errors import InputError

if TYPE_CHECKING:
    import pystac

Note = Callable[[str], None]
NAMES = ("catalog.json", "collection.json")
"""How the file of a catalog is called."""
DEEPEST = 32
"""Catalogs below each other; more are a server's invention."""
AT_ONCE, TOGETHER = 16, 256
"""Files of a remote catalog that are read at once, and items that are held."""
HEAD = 1 << 20
"""Bytes of a JSON file in which its version of STAC is looked for."""


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


@dataclass
class _Walk:
    note: Note
    seen: set[int] = field(default_factory=set)
    """Hashes of the places of items and catalogs: what several catalogs link is met once."""


@lru_cache(16384)
def is_catalog(text: str) -> bool:
    """Whether an input is a STAC catalog, collection, item or API; a look at a name is enough for most others."""
    if storage.is_plain(text):
        path = os.path.expanduser(text)  # noqa: PTH111 - a plain path is looked at as cheaply as can be
        if not path.lower().endswith(".json"):
            return os.path.isfile(os.path.join(path, NAMES[0]))  # noqa: PTH113, PTH118
        return _says_stac(path)
    name = text.partition("?")[0].rstrip("/").rpartition("/")[2]
    if name.lower().endswith(".json"):
        return name in NAMES or _says_stac(text)
    is_web = text.startswith(("http://", "https://"))
    return is_web and not os.path.splitext(name)[1].lstrip(".").isalpha() and _says_stac(text)  # noqa: PTH122


def _says_stac(href: str) -> bool:
    """Whether the beginning of a file, or what a server answers, names a version of STAC."""
    try:
        if storage.is_plain(href):
            with Path(href).open("rb") as stream:
                return b'"stac_version"' in stream.read(HEAD)
        fs, path = storage.filesystem(href)
        return b'"stac_version"' in fs.cat_file(path, start=0, end=HEAD)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, nobody said that it is a catalog
        return False


def root_href(url: str) -> str:
    """The file of a catalog that may be named by its directory."""
    if storage.is_plain(url):
        path = Path(url).expanduser().absolute()
        return str(next((path / name for name in NAMES if (path / name).is_file()), path))
    is_file = url.startswith(("http://", "https://")) or url.lower().endswith(".json")
    return url if is_file else f"{url.rstrip('/')}/catalog.json"


def read_json(href: str) -> dict[str, Any]:
    """A JSON object from anywhere.

    Raises
    ------
    InputError
        Saying what is there instead.
    """
    text = _read_text(href)
    try:
        found = json.loads(text)
    except ValueError as error:
        if text.lstrip()[:1] == "<":
            raise InputError(
                f"{href} answers with a web page, not with JSON.", "Is it the address of the API?"
            ) from error
        at = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise InputError(f"{href} is no JSON, or cut off ({at}).", "Copy or build it again.") from error
    if not isinstance(found, dict):
        raise InputError(f"{href} holds no JSON object.", "Is it a STAC catalog?")
    return found


def _read_text(href: str) -> str:
    try:
        if storage.is_plain(href):
            return Path(href).read_text(encoding="utf-8")
        fs, path = storage.filesystem(href)
        return bytes(fs.cat_file(path)).decode("utf-8")
    except FileNotFoundError as error:
        raise InputError(f"{href} is not there.", "Check the path or URL.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{href} is no text.", "Is it a STAC catalog?") from error
    except InputError:
        raise
    except Exception as error:  # the clients' errors have no class in common
        raise InputError(*told(f"{href} cannot be read", error, href)) from error


def told(what: str, error: Exception, url: str) -> tuple[str, str]:
    """What went wrong at a place, and what to do about it."""
    known = doors.trouble(error, url)
    if known:
        return f"{what}: {known[0]}", known[1]
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"{what}: {words}", "Check the URL and the network, or try again later."


def why_none(text: str) -> str:
    """Why an input is no catalog, as far as a small look at it tells."""
    if storage.is_plain(text) and not text.lower().endswith(".json"):
        return "it is no JSON file, and no directory with a catalog.json"
    try:
        read_json(root_href(text))
    except InputError as error:
        return error.message
    return "it names no stac_version"


def read(href: str) -> pystac.STACObject:
    """A catalog, collection or item; its relative links mean what lies beside the file that was read.

    Raises
    ------
    InputError
        If it is not there, no STAC, or an item without a time.
    """
    return parse(read_json(href), href)


def parse(found: dict[str, Any], href: str) -> pystac.STACObject:
    """What a JSON object says, read from `href`."""
    import pystac

    if found.get("type") == "Feature" and not _has_time(found):
        raise InputError(
            f"The item {found.get('id')} ({href}) has no datetime.",
            "Give it one, or a start_datetime and an end_datetime.",
        )
    try:
        return pystac.StacIO.default().stac_object_from_dict(found, href=href, preserve_dict=False)
    except Exception as error:  # pystac leaves what it stumbles over to Python
        raise InputError(
            f"{href} is no STAC: {type(error).__name__}: {error}", "Let pystac validate it, or build it again."
        ) from error


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
        node = Node(href, root.id, (), _collection(root), catalog=root, is_root=True, content=content)
        yield from _below(_Walk(note, {hash(href)}), node, (node,))


def _collection(catalog: pystac.Catalog) -> str:
    import pystac

    return catalog.id if isinstance(catalog, pystac.Collection) else ""


def _below(walk: _Walk, node: Node, above: tuple[Node, ...]) -> Iterator[Node]:
    """A catalog, then its items, then the catalogs below it; `above` ends with the catalog."""
    yield node
    catalog = node.catalog
    assert catalog is not None
    inside = () if node.is_root else (*node.parents, node.id)
    yield from _items(walk, catalog, inside, node.collection)
    for link in catalog.get_child_links():
        href = link.get_absolute_href() or str(link.get_href())
        if any(href == one.href for one in above):
            walk.note(f"{node.href} links back to {href}: a loop, not followed")
        elif hash(href) not in walk.seen:
            walk.seen.add(hash(href))
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
            raise InputError(f"{href} lies below {DEEPEST} other catalogs: links in a loop.")
        if not isinstance(child, pystac.Catalog):
            raise InputError(f"{href} is linked as a catalog and is an item.")
    except InputError as error:
        problem = f"broken link in {node.href}: {error.message}"
        yield Node(href, stem(href), inside, node.collection, problem=problem)
        return
    own = Node(href, child.id, inside, _collection(child) or node.collection, catalog=child, content=content)
    yield from _below(walk, own, (*above, own))


def _items(walk: _Walk, catalog: pystac.Catalog, parents: tuple[str, ...], collection: str) -> Iterator[Node]:
    """The items of a catalog in their order; one that was met in another catalog is not met again."""
    owner = catalog.get_self_href() or ""
    links = (link.get_absolute_href() or str(link.get_href()) for link in catalog.get_item_links())
    for href, found in _read_all(_unseen(walk, links)):
        if isinstance(found, str):
            yield Node(href, stem(href), parents, collection, problem=f"broken link in {owner}: {found}", is_leaf=True)
        else:
            known = found.collection_id or collection
            yield Node(href, found.id, parents, known, item=found, is_leaf=True)


def _unseen(walk: _Walk, links: Iterable[str]) -> Iterator[str]:
    for href in links:
        if hash(href) not in walk.seen:
            walk.seen.add(hash(href))
            yield href


def _read_all(hrefs: Iterator[str]) -> Iterator[tuple[str, pystac.Item | str]]:
    """Items or what is wrong with them; many at once where each has to travel."""
    while some := list(islice(hrefs, TOGETHER)):
        if len(some) == 1 or storage.is_plain(some[0]):
            yield from zip(some, map(_item, some), strict=True)
            continue
        with ThreadPoolExecutor(AT_ONCE) as pool:
            yield from zip(some, pool.map(_item, some), strict=True)


def _item(href: str) -> pystac.Item | str:
    import pystac

    try:
        found = read(href)
    except InputError as error:
        return error.message
    return found if isinstance(found, pystac.Item) else f"{href} is linked as an item and is a {type(found).__name__}"


def stem(href: str) -> str:
    """What a file is called, without its ending."""
    return storage.basename(href).partition("?")[0].removesuffix(".json")
