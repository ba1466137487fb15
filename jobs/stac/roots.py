"""Where the files of a catalog are, what is a catalog at all, and their JSON: from any fsspec file system."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jobs import doors, storage
from jobs.errors import InputError

NAMES = ("catalog.json", "collection.json")
"""How the file of a catalog is called."""
AT_ONCE = 16
"""Requests to a server at one time."""
HEAD = 1 << 20
"""Bytes of a JSON file in which its version of STAC is looked for."""
ENDING = re.compile(r"\.[A-Za-z]\w*")
"""What the name of a file, or of a store, ends in; v1.0 is a directory."""
MAGIC = "*["
FILE = "file://"


def plain(href: str) -> str:
    """A path of this machine without its protocol; what a URL has to write as %20 is a blank."""
    if not href.startswith(FILE):
        return href
    path = href.removeprefix(FILE).removeprefix("localhost")
    return path if "%" not in path or os.path.lexists(path) else unquote(path)


def leads_to(href: str, beside: str) -> str:
    """Where an href in a file leads: a URL, or a path of this machine, in whose names # and ? are letters."""
    if storage.is_plain(href) and storage.is_plain(beside):
        path = os.path.normpath(os.path.join(os.path.dirname(beside), href))  # noqa: PTH118, PTH120 - links in it stay
        return plain(f"{FILE}{path}")
    from pystac.utils import make_absolute_href

    return plain(make_absolute_href(href, beside))


def is_catalog(text: str) -> bool:
    """Whether an input is a STAC catalog, collection, item or API; a look at a name is enough for most others."""
    text = plain(text)
    if storage.is_plain(text) and not text.lower().endswith(".json"):
        folder = os.path.expanduser(text)  # noqa: PTH111 - a plain path is looked at as cheaply as can be
        first, second = (os.path.join(folder, name) for name in NAMES)  # noqa: PTH118
        return os.path.isfile(first) or (os.path.isfile(second) and _says_stac(second))  # noqa: PTH113
    return storage.basename(text) in NAMES or any(map(_says_stac, _candidates(text)))


def catalogs_among(inputs: Iterable[str]) -> set[str]:
    """Those of many inputs that are catalogs; servers are asked side by side."""
    texts = list(dict.fromkeys(inputs))
    near, far = ([text for text in texts if storage.is_plain(text) is there] for there in (True, False))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {text for text in near if is_catalog(text)} | {
            text for text, is_one in zip(far, pool.map(is_catalog, far), strict=True) if is_one
        }


def root_href(url: str) -> str:
    """The file of a catalog that may be named by its directory."""
    url = plain(url)
    if storage.is_plain(url):
        path = Path(url).expanduser().absolute()
        return str(next((path / name for name in NAMES if (path / name).is_file()), path))
    candidates = _candidates(url) or [url]
    return next(filter(_says_stac, candidates), candidates[0]) if len(candidates) > 1 else candidates[0]


def _candidates(url: str) -> list[str]:
    """Which files may be the root of a catalog, of which a URL or the path of a JSON file is known."""
    if storage.is_plain(url):
        return [str(Path(url).expanduser())]
    address, mark, query = url.partition("?")
    name = address.rstrip("/").rpartition("/")[2]
    if name.lower().endswith(".json"):
        return [url]
    if ENDING.fullmatch(os.path.splitext(name)[1]) or any(one in url for one in MAGIC):  # noqa: PTH122 - no path
        return []
    inside = [f"{address.rstrip('/')}/{one}{mark}{query}" for one in NAMES]
    return [url, *inside] if doors.protocol_of(url) in doors.WEB else inside


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


def why_none(text: str) -> str:
    """Why an input is no catalog, as far as a small look at it tells."""
    try:
        read_json(root_href(text))
    except InputError as error:
        return error.message
    return "it names no stac_version"


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
    except IsADirectoryError as error:
        raise InputError(f"{href} is a directory without a catalog.json.", "Name the file of a catalog.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{href} is no text.", "Is it a STAC catalog?") from error
    except InputError:
        raise
    except Exception as error:  # the clients' errors have no class in common
        raise InputError(*told(f"{href} cannot be read", error, href)) from error


def told(what: str, error: BaseException, url: str) -> tuple[str, str]:
    """What went wrong at a place, and what to do about it."""
    known = doors.trouble(error, url)
    if known:
        return f"{what}: {known[0]}", known[1]
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"{what}: {words}", "Check the URL and the network, or try again later."
