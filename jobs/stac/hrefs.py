"""Which href becomes what: where a copy goes, and how a catalog names it. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from jobs import storage
from jobs.errors import OutputError

UNSAFE = re.compile(r"[^A-Za-z0-9._@+=,-]+")
"""What means something else in a path or URL, or may not stand in one; pystac opens only URLs in ASCII. Names that were
changed have a tilde, others none."""
LONGEST = 160
"""Characters of a name: scratch names are longer, and file systems take 255 bytes."""
ENDING = re.compile(r"(\.[A-Za-z0-9]{1,8})+$")
CATALOG = "catalog.json"
OTHER = "Choose another place, without it."
CATALOGS = ("catalog", "collection")
"""How the files of catalogs are called, which lie beside those of items and copies."""
SIGNATURES = {"sig", "se", "sp", "sv", "sr", "st", "skoid", "sktid", "skt", "ske", "sks", "skv", "spr",
              "signature", "expires", "key-pair-id", "policy", "token", "awsaccesskeyid"}  # fmt: skip
"""Parameters of a URL that let somebody in for a while: Azure's, Amazon's older ones, CloudFront's."""
SIGNING = ("x-amz-", "x-goog-")


def segment(text: str) -> str:
    """An id as a name on any disk and in any URL: the id itself where that is safe, another one for another id."""
    if not isinstance(text, str):
        raise TypeError(f"the id {text!r} is no text")
    name = UNSAFE.sub("-", text).lstrip(".")[:LONGEST]
    stem = name.lower().removesuffix(".json")
    return name if name and name == text and stem not in CATALOGS else _hashed(name, text)


def _hashed(name: str, text: str) -> str:
    """A name with a hash of what it stands for, before its ending."""
    found = ENDING.search(name)
    ending = found.group() if found else ""
    return f"{name.removesuffix(ending)}~{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:8]}{ending}"


def unsigned(href: str) -> str:
    """A URL without the signature that lets somebody in for a while: what it names is the same."""
    before, mark, query = href.partition("?")
    if not mark or storage.is_plain(href):
        return href
    pairs = parse_qsl(query, keep_blank_values=True)
    kept = [pair for pair in pairs if pair[0].lower() not in SIGNATURES and not pair[0].lower().startswith(SIGNING)]
    if len(kept) == len(pairs):
        return href
    return f"{before}?{urlencode(kept)}" if kept else before


def told_at(root: str, href: str) -> str:
    """An absolute href as a catalog at `root` writes it: a path of this machine is no path on a server."""
    is_path_elsewhere = storage.is_plain(href) and not storage.is_plain(root)
    return PurePosixPath(href).as_uri() if is_path_elsewhere and href.startswith("/") else href


def refuse_odd(output: str) -> None:
    """Refuse a place for a catalog below which neither pystac nor a server would find anything.

    Raises
    ------
    OutputError
        Naming what stands in it.
    """
    odd = sorted(set(output) & set("#?"))
    if odd:
        raise OutputError(f"{output} has {' and '.join(odd)} in it: no link in a catalog leads there.", OTHER)


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
    """Where the copy of an asset goes: beside its item, whose file has its own name."""
    name = file_name(href, asset)
    name = _hashed(name, name) if name.lower() == f"{segment(item)}.json".lower() else name
    return f"{folder(root, parents, item)}/{name}"


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
