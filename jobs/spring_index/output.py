"""The result store: Zarr v3, a group per year that appears only when all its blocks are written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import warnings
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Any

from jobs import storage
from jobs.errors import OutputError
from jobs.spring_index.reading.blocks import Block, Plan
from jobs.spring_index.reading.source import Array

MARKER = "zarr.json"
"""A Zarr v3 group is there once this file is: it is written last, and is the year's commit."""
DONE = ".done"
"""Directory in a year that is not complete: what is known of the blocks that are."""
PLAN = ".plan-"
"""Begins the name of a file that tells workers what there is to do."""
REGIONS = "springline_regions"
COUNTS = ("cells", "valid_cells", "gap_cells")
"""Attributes in which a finished year says how many cells it has, how many with data and how many with gaps."""
THREADS = 8
GO_ON = "The same command goes on from here."


def prepare(output: str, signature: str, overwrite: bool) -> None:
    """Make sure a store or region is what this run may write into, or replace with `overwrite`; changes nothing yet.

    Raises
    ------
    OutputError
        If there is something else, or a result of other options, and `overwrite` is not set.
    """
    fs, path = storage.filesystem(output)
    if not fs.exists(path) or (fs.isdir(path) and not fs.ls(path)):
        return
    if not storage.is_zarr(output):
        raise OutputError(f"{output} exists and is not a Zarr store.", "Choose another --output.")
    attrs = (_document(f"{output}/{MARKER}") or {}).get("attributes", {})
    if "springline_signature" not in attrs:
        raise OutputError(f"{output} is a Zarr store that springline did not make.", "Choose another --output.")
    if not overwrite and attrs["springline_signature"] != signature:
        raise OutputError(
            f"{output} exists and was made with other options or inputs.",
            "Add --overwrite to replace it, or choose another --output.",
        )


def is_of_regions(output: str) -> bool:
    """Whether a store holds regions that hold years, instead of years."""
    return REGIONS in (_document(f"{output}/{MARKER}") or {}).get("attributes", {})


def start_group(url: str, attrs: Mapping[str, Any]) -> None:
    """Write a group that holds others."""
    storage.write_json(f"{url}/{MARKER}", {"zarr_format": 3, "node_type": "group", "attributes": dict(attrs)})


def consolidate(output: str) -> None:
    """Gather the metadata of all complete years at the root, where xarray looks for it first."""
    import zarr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that version 3 of Zarr does not specify it yet; readers may ignore it
        try:
            zarr.consolidate_metadata(_store(output), zarr_format=3)
        except OSError as error:
            raise OutputError(f"{output} cannot be written: {error}", GO_ON) from error


@dataclass(frozen=True)
class Place:
    """Where a year goes, and where it waits until all its blocks are there.

    The notes of its blocks lie beside its marker in a directory that is named by what they are made from: one that
    was left by a run with other options or inputs is not even looked into.
    """

    group: str
    """URL of its group."""
    signature: str
    """Of all that decides what its blocks hold, and of their size."""

    @property
    def notes(self) -> str:
        """URL of the directory of the notes."""
        return f"{self.group}/{DONE}/{self.signature}"

    @property
    def waiting(self) -> str:
        """URL of the marker that becomes that of the group; it is there from when the arrays are laid out."""
        return f"{self.notes}/{MARKER}"


@dataclass(frozen=True)
class Known:
    """What of a year is there."""

    attrs: Mapping[str, Any] | None
    """Those of a year that is complete, else None."""
    begun: bool = False
    blocks: frozenset[str] = frozenset()
    """Names of those that are done."""
    is_stale: bool = False
    """Whether blocks were done from other inputs or with other options."""


NOTHING = Known(None)


def look(place: Place) -> Known:
    """Look at a year."""
    document = _document(f"{place.group}/{MARKER}")
    if document is not None:
        return Known(dict(document.get("attributes", {})))
    begun = _names(f"{place.group}/{DONE}")
    if place.signature not in begun:
        return Known(None, is_stale=bool(begun))
    waiting = _document(place.waiting)
    return Known(None, True, frozenset(notes(place))) if waiting and "attributes" in waiting else NOTHING


def noted(place: Place) -> frozenset[str]:
    """Names of the blocks that are done."""
    return _blocks(_names(place.notes))


def _names(folder: str) -> set[str]:
    fs, path = storage.filesystem(folder)
    fs.invalidate_cache(path)  # workers write there
    try:
        return {storage.basename(name) for name in fs.ls(path, detail=False)}
    except FileNotFoundError:
        return set()
    except Exception as error:  # the clients' errors have no class in common
        raise OutputError(f"{folder} cannot be listed: {error}", GO_ON) from error


def _blocks(names: set[str]) -> frozenset[str]:
    notes = (name.removesuffix(".json") for name in names if name != MARKER and name.endswith(".json"))
    return frozenset(name.replace(".", ",") for name in notes if not name.startswith("."))


def write_note(place: Place, block: str, facts: Mapping[str, Any]) -> None:
    """Note that a block is done: all its chunks are written."""
    storage.write_json(f"{place.notes}/{block.replace(',', '.')}.json", facts)


def notes(place: Place) -> dict[str, dict[str, Any]]:
    """Block → its facts; a note that is not whole, as a crash of the machine leaves it, is none."""
    names = sorted(noted(place))
    urls = [f"{place.notes}/{name.replace(',', '.')}.json" for name in names]
    with ThreadPoolExecutor(THREADS) as pool:
        found = dict(zip(names, pool.map(_document, urls), strict=True))
    return {name: facts for name, facts in found.items() if facts and _is_whole(facts)}


def _is_whole(facts: Mapping[str, Any]) -> bool:
    """Whether a note says all that is asked of it."""
    numbers = all(isinstance(facts.get(key), (int, float)) for key in (*COUNTS, "seconds"))
    sums = facts.get("sums")
    pairs = sums.values() if isinstance(sums, dict) else [None]
    return numbers and isinstance(facts.get("day_length"), str) and all(map(_is_pair, pairs))


def _is_pair(values: object) -> bool:
    return isinstance(values, list) and len(values) == 2 and all(isinstance(one, (int, float)) for one in values)


def _document(url: str) -> dict[str, Any] | None:
    """A small JSON file: None if there is none, empty if it is damaged.

    Raises
    ------
    OutputError
        If it cannot be told: what is there must not be taken for missing, and made anew.
    """
    fs, path = storage.filesystem(url)
    try:
        found = json.loads(fs.cat_file(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        return {}
    except Exception as error:  # the clients' errors have no class in common
        raise OutputError(f"{url} cannot be read: {error}", GO_ON) from error
    return found if isinstance(found, dict) else {}


def start_year(place: Place, files: Mapping[str, bytes], attrs: Mapping[str, Any]) -> None:
    """Lay out a year's arrays, empty, in place of whatever was begun there; its marker waits."""
    storage.remove(place.group)
    arrays = [(f"{place.group}/{name}", content) for name, content in files.items() if name != MARKER]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda file: storage.write_bytes(*file), arrays))
    document = json.loads(files[MARKER])
    document["attributes"] |= dict(attrs)
    storage.write_json(place.waiting, document)


def refuse_unwanted(waiting: str) -> None:
    """Refuse to write to a year that another run has begun anew meanwhile."""
    fs, path = storage.filesystem(waiting)
    if not fs.exists(path):
        raise OutputError("Another run has begun this year anew.", "Let only one run write to a store.")


def write_block(plan: Plan, block: Block, arrays: Mapping[str, Array]) -> int:
    """Put the arrays of a block in their place; blocks and chunks coincide, so no two tasks touch one chunk.

    Returns the bytes that this took.
    """
    import zarr

    if block.waiting:
        refuse_unwanted(block.waiting)
    group, written = f"{plan.output.rstrip('/')}/{block.year}", 0
    for name, values in arrays.items():
        lead = (slice(None),) * (values.ndim - len(block.cells))
        array = zarr.open_array(_store(f"{group}/{name}"), mode="r+")
        array[(*lead, *block.cells)] = values
        at = [cut.start // size for cut, size in zip(block.cells, array.chunks[len(lead) :], strict=True)]
        layers = product(
            *(range(-(-n // size)) for n, size in zip(array.shape, array.chunks[: len(lead)], strict=False))
        )
        for layer in layers:
            written += _reach_disk("/".join([group, name, "c", *map(str, (*layer, *at))]))
    return written


def _reach_disk(chunk: str) -> int:
    """Let a crash of the machine find whole chunks where it finds the note that tells of them; returns the size.

    A chunk that has only missing values is not there.
    """
    with contextlib.suppress(FileNotFoundError):
        if not storage.is_plain(chunk):
            fs, path = storage.filesystem(chunk)
            return int(fs.size(path))
        handle = os.open(chunk, os.O_RDONLY)
        try:
            os.fsync(handle)
            return os.fstat(handle).st_size
        finally:
            os.close(handle)
    return 0


def _store(url: str) -> Any:  # noqa: ANN401 - whatever Zarr takes
    """A place as Zarr takes it, reached as everything else is."""
    from zarr.storage import FsspecStore

    if storage.is_plain(url):
        return url
    return FsspecStore.from_url(url, storage_options=dict(storage.filesystem(url)[0].storage_options))


def clear_plans(output: str) -> None:
    """Remove the files that told workers what there is to do, also those of runs that were killed."""
    for name in _names(output):
        if name.startswith(PLAN):
            storage.remove(f"{output}/{name}")


def finish_year(place: Place, facts: Collection[Mapping[str, Any]]) -> None:
    """Make a year appear, with the sums of what was found in its blocks. Twice is the same as once."""
    document = _document(place.waiting)
    if not document:
        raise OutputError(f"{place.waiting} is gone, or damaged.", "Run the same command again.")
    attrs = document["attributes"]
    attrs |= {f"springline_{key}": sum(int(one[key]) for one in facts) for key in COUNTS}
    if formulas := {one["day_length"] for one in facts} - {attrs["springline_day_length"]}:
        attrs["springline_day_length"] += f"; where it agrees by the formula of {', '.join(sorted(formulas))}"
    storage.write_json(f"{place.group}/{MARKER}", document)


def clear(place: Place) -> None:
    """Remove the notes of a year that has appeared."""
    storage.remove(f"{place.group}/{DONE}")


def signature(values: object) -> str:
    """A short name for what must not change between runs into one store."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]
