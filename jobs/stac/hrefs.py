"""Which href becomes what: where a copy goes, and how a catalog names it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from jobs import storage

UNSAFE = re.compile(r"[/\\\x00-\x1f]+")
CATALOG = "catalog.json"


def segment(text: str) -> str:
    """An id as the name of a directory."""
    name = UNSAFE.sub("-", text)
    return f"-{name}" if name.startswith(".") or not name else name  # hidden, the directory itself or the one above


def file_name(href: str, asset: str) -> str:
    """What a copy is called: as its origin, without a server's query; as the asset if that has no name."""
    path = href if storage.is_plain(href) else unquote(urlsplit(href).path)
    name = path.rstrip("/").rpartition("/")[2]
    return segment(name) if name else segment(asset)


def folder(root: str, parents: Sequence[str], item: str = "") -> str:
    """The directory of a catalog, or of an item in it."""
    return "/".join([root.rstrip("/"), *map(segment, parents), *([segment(item)] if item else [])])


def item_file(root: str, parents: Sequence[str], item: str) -> str:
    """The file of an item."""
    return f"{folder(root, parents, item)}/{segment(item)}.json"


def copy_of(root: str, parents: Sequence[str], item: str, href: str, asset: str) -> str:
    """Where the copy of an asset goes: beside its item."""
    return f"{folder(root, parents, item)}/{file_name(href, asset)}"


def named_from(target: str, file: str, root: str) -> str:
    """How a copy is named in the file of an item: relative to it if both lie below the root of the catalog."""
    inside = f"{root.rstrip('/')}/"
    if not (target.startswith(inside) and file.startswith(inside)):
        return target
    wanted, there = target[len(inside) :].split("/"), file[len(inside) :].split("/")[:-1]
    common = 0
    while common < min(len(wanted) - 1, len(there)) and wanted[common] == there[common]:
        common += 1
    return "/".join([*([".."] * (len(there) - common) or ["."]), *wanted[common:]])
