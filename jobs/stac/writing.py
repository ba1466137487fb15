"""A new catalog appears whole or not at all, and replaces nothing but one of springline's own."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs import storage
from jobs.errors import OutputError
from jobs.stac import hrefs
from jobs.stac.roots import AT_ONCE, plain, told

if TYPE_CHECKING:
    import pystac

MADE_BY = "springline:version"
"""The field of a root catalog that says that springline wrote it."""
ROOT = "catalog.json"
BUILDING = "building.json"
"""Stands in a directory of an object store or server until all of a catalog is there."""
OTHER = "Choose another --output."


@dataclass(frozen=True)
class Place:
    """Where a catalog goes."""

    output: str
    """Absolute path or URL of its directory."""
    links: str
    published: str
    """Where it says it stands: the same, or where it will be put."""


def place(output: str, links: str, published: str | None) -> Place:
    """Where a catalog goes and says it stands."""
    output = plain(output)
    where = str(Path(output).expanduser().absolute()) if storage.is_plain(output) else output.rstrip("/")
    return Place(where, links, (published or where).rstrip("/"))


def refuse(where: Place, overwrite: bool) -> None:
    """Refuse an output that is there, unless it is to be replaced and is nothing but a catalog of springline's.

    Raises
    ------
    OutputError
        Naming what is there.
    """
    hrefs.refuse_odd(where.output)
    files = _files(where.output)
    storage.refuse_unwritable(where.output.rpartition("/")[0] or "/")
    if not files:
        return
    unfinished = BUILDING in files and not storage.is_plain(where.output)
    root = storage.read_json(f"{where.output}/{BUILDING if unfinished else ROOT}")
    if root is None or MADE_BY not in root:
        raise OutputError(f"{where.output} is there and is no catalog of springline's.", OTHER)
    if not overwrite and not unfinished:
        raise OutputError(f"{where.output} holds a catalog.", "Choose another --output, or --overwrite.")
    others = sorted(name for name in files if not name.endswith(".json"))
    if others:
        raise OutputError(f"{where.output} holds more than a catalog, such as {others[0]}: it is not replaced.", OTHER)


def _files(output: str) -> set[str]:
    """Names below a directory, relative to it; all of them, for they may be removed."""
    if storage.is_plain(output):
        if os.path.lexists(output) and not Path(output).is_dir():
            raise OutputError(f"{output} is no directory.", OTHER)
        return {
            Path(folder, name).relative_to(output).as_posix() for folder, _, names in os.walk(output) for name in names
        }
    fs, path = storage.filesystem(output)
    fs.invalidate_cache()
    try:
        here = path.strip("/")  # clients differ in whether a path begins with a slash
        return {str(name).lstrip("/").removeprefix(here).lstrip("/") for name in fs.find(path)}
    except FileNotFoundError:
        return set()
    except Exception as error:  # the clients' errors have no class in common
        raise OutputError(*told(f"{output} cannot be listed", error, output)) from error


def write(catalog: pystac.Catalog, where: Place) -> None:
    """Write all files of a new catalog; on an object store its root comes last."""
    from importlib.metadata import version

    catalog.extra_fields[MADE_BY] = version("springline")
    texts = _texts(catalog, where)
    if storage.is_plain(where.output):
        _write_local(texts, Path(where.output))
    else:
        _write_remote({BUILDING: json.dumps(catalog.extra_fields), **texts}, where.output)


def _texts(catalog: pystac.Catalog, where: Place) -> Mapping[str, str]:
    """The text of each file by its name below the output."""
    import pystac

    kinds = {
        "self-contained": pystac.CatalogType.SELF_CONTAINED,
        "relative-published": pystac.CatalogType.RELATIVE_PUBLISHED,
        "absolute-published": pystac.CatalogType.ABSOLUTE_PUBLISHED,
    }
    catalog.normalize_hrefs(f"{where.published}/", layout())  # without / pystac takes v1.5 for a file
    if kinds[where.links] != pystac.CatalogType.ABSOLUTE_PUBLISHED and storage.is_plain(where.published):
        for item in catalog.get_items(recursive=True):
            for asset in item.assets.values():
                if storage.is_plain(asset.href):
                    asset.href = os.path.relpath(asset.href, Path(item.get_self_href() or "").parent)
    found = saved(catalog, kinds[where.links])
    return {name: text_of(values) for name, values in found.items()}


def layout() -> pystac.layout.HrefLayoutStrategy:
    """Where pystac puts the files of a catalog: under names that are safe, whatever the ids are."""
    from pystac.layout import CustomLayoutStrategy

    def above(found: pystac.STACObject, parent: str, is_root: bool) -> str:
        name = "collection.json" if found.STAC_OBJECT_TYPE == "Collection" else ROOT
        return f"{hrefs.folder(parent, () if is_root else (found.id,))}/{name}"

    return CustomLayoutStrategy(above, above, lambda item, parent: hrefs.item_file(parent, (), item.id))


def saved(catalog: pystac.Catalog, kind: pystac.CatalogType) -> dict[str, dict[str, Any]]:
    """What pystac saves of a catalog, by names below its root: items first, then what links to them, the root last."""
    import pystac

    class Collected(pystac.stac_io.DefaultStacIO):
        def save_json(self, dest: Any, json_dict: dict[str, Any], *_: Any, **__: Any) -> None:  # noqa: ANN401 - pystac's
            found[str(dest).removeprefix(root)] = json_dict

    root = (catalog.get_self_href() or "").rpartition("/")[0] + "/"
    found: dict[str, dict[str, Any]] = {}
    catalog.save(catalog_type=kind, stac_io=Collected())
    return found


def text_of(values: dict[str, Any]) -> str:
    """A file of a catalog."""
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def _write_local(texts: Mapping[str, str], output: Path) -> None:
    scratch = output.with_name(f"{storage.SCRATCH}{secrets.token_hex(4)}-{output.name}")
    old = output.with_name(f"{storage.SCRATCH}{secrets.token_hex(4)}-{output.name}")
    try:
        _sweep(output)
        for name, text in texts.items():
            path = scratch / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        if output.exists():
            output.rename(old)
        scratch.rename(output)
    except OSError as error:
        raise OutputError(f"{output} cannot be written: {error}", OTHER) from error
    finally:
        if old.exists() and not output.exists():
            old.rename(output)
        for path in (scratch, old):
            shutil.rmtree(path, ignore_errors=True)


def _sweep(output: Path) -> None:
    """Remove what a killed run left; the lock is held, so nobody is at it."""
    if output.parent.is_dir():
        for path in output.parent.iterdir():
            if path.name.startswith(storage.SCRATCH) and path.name[len(storage.SCRATCH) + 8 :] == f"-{output.name}":
                shutil.rmtree(path)


def _write_remote(texts: Mapping[str, str], output: str) -> None:
    """Write all but the root at once, then the root; what an older catalog had besides goes last."""
    _put(f"{output}/{BUILDING}", texts[BUILDING])
    before = _files(output)
    if ROOT in before:
        storage.remove(f"{output}/{ROOT}")
    names = [name for name in texts if name not in (ROOT, BUILDING)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(lambda name: _put(f"{output}/{name}", texts[name]), names):
            pass
    _put(f"{output}/{ROOT}", texts[ROOT])
    for name in sorted(before - texts.keys()):
        with contextlib.suppress(OutputError):
            storage.remove(f"{output}/{name}")
    storage.remove(f"{output}/{BUILDING}")


def _put(url: str, text: str) -> Any:  # noqa: ANN401 - nothing
    try:
        storage.write_bytes(url, text.encode())
    except OutputError:
        raise
    except Exception as error:  # the clients' errors have no class in common
        raise OutputError(*told(f"{url} cannot be written", error, url)) from error
