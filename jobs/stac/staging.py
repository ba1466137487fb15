"""What there is to stage, what of it is there, and the catalog at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs import doors, storage
from jobs.errors import InputError, OutputError, UsageError
from jobs.model import Asked, Finished, Row
from jobs.stac import api, hrefs, places, rewriting, select
from jobs.stac.reading import Node, read, root_href
from jobs.stac.rewriting import Copy
from jobs.stac.staged import Staged, is_named

if TYPE_CHECKING:
    import pystac


def plan(asked: Asked) -> Iterator[Row]:
    """A row for each asset that is wanted. Writes nothing."""
    url = _refuse(asked)
    known, standing, taken = noted(asked), Standing(asked.output), dict[str, tuple[str, str]]()
    looking = _Looking(asked, Staged(asked.output, standing.size, asked.overwrite), known, standing)
    for one in select.chosen(url, _filters(asked), asked.note):
        source = hrefs.unsigned(one.href)
        if one.problem or one.node is None:
            yield Row(source, problem=one.problem)
        elif not is_named(one.node):
            yield Row(
                source, problem=f"the item {one.item!r} ({one.node.href}) or a catalog above it has no id in words"
            )
        else:
            target = hrefs.copy_of(asked.output, one.parents, one.item, one.href, one.asset)
            asset, href = taken.setdefault(target, (one.asset, source))
            if href != source:
                yield Row(source, problem=_clash(one, asset))
            elif asset == one.asset:
                yield looking.row(one, one.node, target)


@dataclass
class _Looking:
    """What is there of an asset's copy."""

    asked: Asked
    staged: Staged
    known: dict[str, Copy]
    standing: Standing

    def __post_init__(self) -> None:
        """Learn what the last run left unsaid."""
        self._is_unsaid, self._refused = _unsaid(self.asked)

    def row(self, one: select.Chosen, node: Node, target: str) -> Row:
        """The row of an asset; with a problem where something else is in the place of its copy or item."""
        assert node.item is not None
        asset, updates = node.item.assets[one.asset], bool(self.asked.options.get("update"))
        if one.href == target:
            return self._staged_before(one, asset)
        old, problem = self.staged.look(node)
        if problem and not updates:
            return Row(hrefs.unsigned(one.href), problem=problem)
        spelled = hrefs.named_from(target, hrefs.item_file(self.asked.output, one.parents, one.item), self.asked.output)
        copy = self.known.get(target) or rewriting.named_in(old, one.asset, target, spelled, self.standing.size)
        there, is_of = self.standing.size(target), copy is not None and copy.is_of(asset)
        foreign = updates and not is_of if copy else target in self._refused or not self._is_unsaid
        if there is not None and not self.asked.overwrite and foreign:
            what = f"a copy of {copy.source}" if copy else "no copy that this run knows of"
            problem = f"{target} is there and is {what}: move it away, or --overwrite replaces it"
            return Row(hrefs.unsigned(one.href), target, problem=problem)
        whole = copy is not None and is_of and one.size in (None, copy.size) and there == copy.size
        return _row(one.href, one, target, whole)

    def _staged_before(self, one: select.Chosen, asset: pystac.Asset) -> Row:
        """The row of an asset whose href is that of its copy already."""
        size, copy, origin = self.standing.size(one.href), self.known.get(one.href), rewriting.origin_of(asset)
        source = copy.source if copy else "" if origin == one.href else origin
        wanted = copy.size if copy else one.size
        whole = size is not None and wanted in (None, size)
        if source:
            return _row(source, one, one.href, done=whole)
        if whole and not self.asked.overwrite:
            return _row(f"{one.item} {one.asset}", one, one.href, done=True)
        there = "is gone" if size is None else "is there" if whole else f"has {size:,} bytes instead of {wanted:,}"
        return Row(one.href, problem=f"the copy {one.href} {there}, and nothing says where it came from")


def _row(source: str, one: select.Chosen, target: str, done: bool) -> Row:
    name = target.rpartition("/")[2]
    columns: dict[str, Any] = {"item": one.item, "asset": one.asset, "name": name, "media": one.media_type}
    columns |= {} if one.size is None else {"filesize": one.size}
    columns |= {"checksum": one.checksum} if one.checksum else {}
    unsigned = hrefs.unsigned(source)
    columns |= {} if unsigned == source else {"signed": source}
    return Row(unsigned, target, columns, done=done)


def _unsaid(asked: Asked) -> tuple[bool, set[str]]:
    """Whether the last run was cut off, so that copies may be there of which nothing is noted; and what was refused."""
    is_open, refused = False, set[str]()
    for record in asked.records():
        if record.get("event") in ("start", "end"):
            is_open = record["event"] == "start" or record.get("why") != "finished"
        elif record.get("state") == "failed" and not record.get("attempt"):
            refused.add(record.get("target", ""))
        elif record.get("state") == "done":
            refused.discard(record.get("target", ""))
    return is_open, refused


def _clash(one: select.Chosen, other: str) -> str:
    name = hrefs.file_name(one.href, one.asset)
    return (
        f"the assets {other} and {one.asset} of the item {one.item} are both called {name}: one would "
        f"overwrite the other; stage one of them, with --assets, to another place"
    )


class Standing:
    """How long the copies are that are there; one walk over a remote place, one look for each file of a disk."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._sizes: dict[str, int] | None = None

    def size(self, target: str) -> int | None:
        """Bytes of a copy; None if it is not there."""
        if storage.is_plain(target):
            path = Path(target)
            return path.stat().st_size if path.is_file() else None
        if not target.startswith(self._root):
            return None
        if self._sizes is None:
            self._sizes = _listed(self._root)
        return self._sizes.get(storage.filesystem(target)[1].strip("/"))


def _listed(root: str) -> dict[str, int]:
    fs, path = storage.filesystem(root)
    fs.invalidate_cache()
    try:
        found = storage.patiently(lambda: fs.find(path, detail=True))
    except FileNotFoundError:
        return {}
    except Exception as error:  # the clients' errors have no class in common
        said, hint = doors.trouble(error, root) or (
            f"{type(error).__name__}: {error}",
            "Check the URL and the network.",
        )
        raise OutputError(f"{root} cannot be listed: {said}.", hint) from error
    return {str(name).strip("/"): int(info.get("size") or 0) for name, info in found.items()}


def noted(asked: Asked) -> dict[str, Copy]:
    """The copies that were made so far, by their places."""
    found = {}
    for record in asked.records():
        result = record.get("result")
        if record.get("state") == "done" and isinstance(result, dict):
            size, checksum = result.get("size", -1), result.get("checksum", "")
            found[record["target"]] = Copy(record["target"], hrefs.unsigned(record["item"]), size, checksum)
    return found


def begin(asked: Asked) -> None:
    """Write the catalog with what is there so far; remove what an earlier run left half-written on S3."""
    if doors.protocol_of(asked.output) in doors.S3 and any(asked.records()):
        places.abort_uploads(asked.output)
    if not asked.options.get("update"):
        _rewrite(asked)


def finish(asked: Asked) -> Finished:
    """Let the catalog name whatever was staged so far."""
    named, nodes, lost = _rewrite(asked)
    is_update = bool(asked.options.get("update"))
    catalog = root_href(asked.inputs[0]) if is_update else f"{asked.output}/{hrefs.CATALOG}"
    items = [node.item for node in nodes if node.item is not None]
    there, size = sum(len(item.assets) for item in items), sum(copy.size for copy in named)
    values = {
        "catalog": catalog, "items": len(items), "assets": there, "staged": len(named), "staged_bytes": size,
    }  # fmt: skip
    what = f"{len(named):,} of {there:,} assets of {len(items):,} items are copies ({size:,} bytes)"
    lines = [f"catalog     {catalog}: {what}"]
    lines += [f"            the copy {target} is whole and is not named there" for target in lost]
    return Finished(values, tuple(lines), failed=len(lost))


def _rewrite(asked: Asked) -> tuple[list[Copy], list[Node], list[str]]:
    """Let the catalog name the copies that are whole; those, what is wanted of the source, and what stays unnamed."""
    url, standing = asked.inputs[0], Standing(asked.output)
    copies = {target: copy for target, copy in noted(asked).items() if standing.size(target) == copy.size}
    nodes = list(select.nodes(url, _filters(asked), lambda text: None))
    if asked.options.get("update"):
        named = rewriting.update(url, asked.output, nodes, copies, standing.size)
    else:
        named = Staged(asked.output, standing.size, asked.overwrite).extend(nodes, copies)
    return named, nodes, sorted(_copies_of(nodes, copies, asked.output) - {copy.target for copy in named})


def _copies_of(nodes: list[Node], copies: Mapping[str, Copy], root: str) -> set[str]:
    """Which copies are those of the assets of these items."""
    found = set()
    for node in nodes:
        for key, asset in node.item.assets.items() if node.item is not None and is_named(node) else ():
            target = hrefs.copy_of(root, node.parents, node.id, rewriting.href_of(asset), key)
            if target in copies and copies[target].is_of(asset):
                found.add(target)
    return found


def _filters(asked: Asked) -> select.Filters:
    return select.filters(asked.options, asked.items)


def _refuse(asked: Asked) -> str:
    """Refuse what cannot be, before anything is read; the catalog's URL."""
    if len(asked.inputs) != 1:
        raise UsageError("One STAC catalog is needed.", "Name its catalog.json, its directory, its URL or an API.")
    url = asked.inputs[0]
    if not select.is_catalog(url):
        read(root_href(url))  # which says why
        raise InputError(f"{url} is no STAC catalog that can be read.", "Name its catalog.json, or the root of an API.")
    if asked.options.get("update"):
        if doors.protocol_of(url) in doors.WEB or api.is_api(url):
            raise OutputError(
                f"{url} can only be read, so --update cannot rewrite its hrefs.",
                f"Leave --update out: then {asked.output}/catalog.json names the copies, and all else where it is.",
            )
        if storage.is_plain(url):
            storage.refuse_unwritable(str(Path(root_href(url)).parent))
    else:
        hrefs.refuse_odd(asked.output)
        _refuse_itself(url, asked.output)
        Staged(asked.output, lambda text: None).refuse()
    return url


def _refuse_itself(url: str, output: str) -> None:
    """Refuse to write the copies' catalog over the one that is read, or over the one that it is part of."""
    if api.is_api(url):
        return
    file = root_href(url)
    link = read(file).get_root_link()
    top = str(link.get_absolute_href() or "") if link else ""
    for one in (file, top):
        if one and _place(one.rpartition("/")[0]) == _place(output):
            raise OutputError(
                f"{output} is the catalog itself.", "Add --update to rewrite its hrefs, or choose another --to."
            )


def _place(url: str) -> str:
    """One spelling for each directory."""
    url = url.removeprefix("file://")
    return os.path.realpath(url) if storage.is_plain(url) else url.rstrip("/")
