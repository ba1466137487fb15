"""Search on a STAC API with pystac-client, page by page."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from jobs import doors
from jobs.errors import InputError
from jobs.stac.filters import Filters, is_pattern, named
from jobs.stac.reading import Node, Note, parse, walk
from jobs.stac.roots import read_json, root_href, told

if TYPE_CHECKING:
    import pystac_client

PAGE = 250
"""Items asked for at once."""
SECONDS, RETRIES = 60.0, 3
"""Patience with one answer, and attempts at it."""


def is_api(url: str) -> bool:
    """Whether the root of a catalog says that it can be searched."""
    if not url.startswith(("http://", "https://")):
        return False
    root = read_json(root_href(url))
    links = root.get("links")
    rels = {link.get("rel") for link in links if isinstance(link, dict)} if isinstance(links, list) else set()
    return "conformsTo" in root or "search" in rels


def search(url: str, filters: Filters, note: Note) -> Iterator[Node]:
    """The items that an API finds, as they come.

    Raises
    ------
    InputError
        If it does not answer as an API does.
    """
    client = _client(url)
    if not client.conforms_to("ITEM_SEARCH"):
        note(f"{url} offers no search: all of it is read")
        yield from walk(url, note)
        return
    wanted = _collections(client, url, filters)
    if filters.collections and not wanted:
        return
    try:
        found = client.search(
            limit=PAGE, ids=_ids(filters), collections=wanted, bbox=filters.bbox,
            datetime=list(filters.time) if filters.time else None,
        )  # fmt: skip
        for feature in found.items_as_dicts():
            yield _node(url, feature)
    except InputError:
        raise
    except Exception as error:  # requests, pystac and the server's own words have no class in common
        raise wrong(url, error) from error


def _node(url: str, feature: dict[str, Any]) -> Node:
    """An item as an API gives it, or what is wrong with it."""
    import pystac

    links = feature.get("links")
    own = [link for link in links if isinstance(link, dict)] if isinstance(links, list) else []
    href = next((str(link["href"]) for link in own if link.get("rel") == "self" and link.get("href")), "")
    href = href or f"{url}#{feature.get('id')}"
    try:
        item = parse(feature, href)
    except InputError as error:
        return Node(href, str(feature.get("id")), problem=error.message, is_leaf=True)
    if not isinstance(item, pystac.Item):
        return Node(href, item.id, problem=f"{href} is no item but a {type(item).__name__}", is_leaf=True)
    collection = item.collection_id or ""
    return Node(href, item.id, (collection,) if collection else (), collection, item=item, is_leaf=True)


def collections(url: str) -> Iterator[Any]:
    """The collections of an API."""
    client = _client(url)
    try:
        yield from client.get_collections()
    except Exception as error:  # as above
        raise wrong(url, error) from error


def wrong(url: str, error: Exception) -> InputError:
    """What an API said instead of an answer."""
    status = getattr(error, "status_code", None)
    if status:
        words = " ".join(str(error).split())[:200]
        advice = doors.trouble(error, url) or ("", "Try again later.")
        return InputError(f"{url} answers with status {status}: {words}", advice[1])
    return InputError(*told(f"{url} cannot be searched", error, url))


def _client(url: str) -> pystac_client.Client:
    import pystac_client
    from pystac_client.stac_api_io import StacApiIO
    from pystac_client.warnings import PystacClientWarning

    warnings.filterwarnings("ignore", category=PystacClientWarning)  # what lacks is told in our own words
    try:
        return pystac_client.Client.open(url, stac_io=StacApiIO(max_retries=RETRIES, timeout=SECONDS))
    except Exception as error:  # as above
        raise wrong(url, error) from error


def _ids(filters: Filters) -> list[str] | None:
    """The ids, if they are all; patterns are looked at here."""
    return None if any(map(is_pattern, filters.items)) else list(filters.items) or None


def _collections(client: pystac_client.Client, url: str, filters: Filters) -> list[str] | None:
    """The ids of the collections that are wanted: those there are where patterns are among them."""
    if not any(map(is_pattern, filters.collections)):
        return list(filters.collections) or None
    try:
        return [found.id for found in client.get_collections() if named(found.id, filters.collections)]
    except Exception as error:  # as above
        raise wrong(url, error) from error
