"""What there is to stage, what of it is there, and the catalog at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobs import doors, storage
from jobs.errors import InputError, OutputError, UsageError
from jobs.model import Asked, Finished, Row
from jobs.stac import api, hrefs, places, rewriting, select
from jobs.stac.reading import read, root_href
from jobs.stac.rewriting import Copy


def plan(asked: Asked) -> Iterator[Row]:
    """A row for each asset that is wanted. Writes nothing."""
    url = _refuse(asked)
    known, standing, taken = noted(asked), Standing(asked.output), dict[str, select.Chosen]()
    for one in select.chosen(url, _filters(asked), asked.note):
        if one.problem:
            yield Row(one.href, problem=one.problem)
            continue
        target = hrefs.copy_of(asked.output, one.parents, one.item, one.href, one.asset)
        other = taken.setdefault(target, one)
        if other is not one:
            if other.href != one.href:
                yield Row(one.href, problem=_clash(one, other))
        elif one.href == target:
            yield _staged_before(one, known.get(target), standing, asked.overwrite)
        else:
            named = (one.parents, one.item, one.asset)
            copy = known.get(target) or rewriting.copy_in(asked.output, *named, target, standing.size)
            yield _row(one.href, one, target, copy is not None and _stands(copy, one, standing))


def _row(source: str, one: select.Chosen, target: str, done: bool) -> Row:
    columns: dict[str, Any] = {"item": one.item, "asset": one.asset, "name": hrefs.file_name(one.href, one.asset)}
    columns |= {} if one.size is None else {"filesize": one.size}
    columns |= {"checksum": one.checksum} if one.checksum else {}
    return Row(source, target, columns, done=done)


def _stands(copy: Copy, one: select.Chosen, standing: Standing) -> bool:
    """Whether a copy is of this asset, and as long as it was when it was made."""
    return copy.is_of(one.href) and one.size in (None, copy.size) and standing.size(copy.target) == copy.size


def _staged_before(one: select.Chosen, copy: Copy | None, standing: Standing, overwrite: bool) -> Row:
    """The row of an asset whose href is that of its copy already."""
    size = standing.size(one.href)
    whole = size is not None and size == (copy.size if copy else one.size if one.size is not None else size)
    if copy:
        return _row(copy.source, one, one.href, done=whole)
    if whole and not overwrite:
        return _row(f"{one.item} {one.asset}", one, one.href, done=True)
    there = "is gone" if size is None else "is there" if whole else f"has {size:,} bytes instead of {one.size:,}"
    problem = f"the copy {one.href} {there}, and this run directory does not know where it came from"
    return Row(one.href, problem=problem)


def _clash(one: select.Chosen, other: select.Chosen) -> str:
    name = hrefs.file_name(one.href, one.asset)
    return (
        f"the assets {other.asset} and {one.asset} of the item {one.item} are both called {name}: one would "
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
        found = fs.find(path, detail=True)
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
            found[record["target"]] = Copy(record["target"], record["item"], size, checksum)
    return found


def begin(asked: Asked) -> None:
    """Remove what an earlier run left half-written on S3, where it is stored and paid for."""
    if doors.protocol_of(asked.output) in doors.S3 and any(asked.records()):
        places.abort_uploads(asked.output)


def finish(asked: Asked) -> Finished:
    """Write the catalog, of whatever was staged so far."""
    url, standing = asked.inputs[0], Standing(asked.output)
    copies = {target: copy for target, copy in noted(asked).items() if standing.size(target) == copy.size}
    nodes = [node for node in select.items(url, _filters(asked), lambda text: None) if node.item is not None]
    if asked.options.get("update"):
        named = rewriting.update(url, asked.output, nodes, copies)
        catalog = root_href(url)
    else:
        named = rewriting.write(asked.output, nodes, copies, standing.size)
        catalog = f"{asked.output}/{hrefs.CATALOG}"
    there, size = sum(len(node.item.assets) for node in nodes if node.item), sum(copy.size for copy in named)
    values = {
        "catalog": catalog, "items": len(nodes), "assets": there, "staged": len(named), "staged_bytes": size,
    }  # fmt: skip
    what = f"{len(named):,} of {there:,} assets of {len(nodes):,} items are copies ({size:,} bytes)"
    return Finished(values, (f"catalog     {catalog}: {what}",))


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
    elif hrefs.folder(storage.absolute(url).removesuffix(f"/{hrefs.CATALOG}"), ()) == asked.output:
        raise OutputError(
            f"{asked.output} is the catalog itself.", "Add --update to rewrite its hrefs, or choose another --to."
        )
    return url
