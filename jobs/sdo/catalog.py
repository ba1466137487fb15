"""The cloud registry of HelioCloud: a catalog's datasets, and which files of one are in a window of time.

Times are UTC. A window is half-open: a file belongs to it if it starts at or after `start`, and before `stop`.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.errors import InputError, UsageError
from jobs.model import Report, Row
from jobs.sdo import index_files, remote
from jobs.sdo.times import moment, moment_or_none, said
from jobs.storage import Options

if TYPE_CHECKING:
    import pandas

TICK = timedelta(microseconds=1)
REFUSED = 1400
"""The status code by which a catalog says that it cannot be used."""
EXAMPLE = "For example: s3://gov-nasa-hdrl-data1/#aia_0094/2020-02/2020-03"
AT_ONCE = 10_000
"""Rows whose times are written out together."""
Note = Callable[[str], None]


@dataclass(frozen=True)
class Dataset:
    """What a catalog says of a dataset: which files there are is in `index`, one file for each year."""

    id: str
    index: str
    title: str = ""
    start: datetime | None = None
    stop: datetime | None = None
    index_type: str = "csv"
    file_type: str = ""


@dataclass(frozen=True)
class Catalog:
    """A catalog.json."""

    name: str
    url: str
    datasets: tuple[Dataset, ...]

    def dataset(self, name: str) -> Dataset:
        """The dataset of that id.

        Raises
        ------
        InputError
            With the ids near it.
        """
        found = {dataset.id: dataset for dataset in self.datasets}
        if name in found:
            return found[name]
        near = difflib.get_close_matches(name, found, n=3)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(found) or 'none'}."
        raise InputError(f"{self.url} has no dataset {name}.", hint)


@dataclass(frozen=True)
class Reference:
    """CATALOG#DATASET/START/STOP."""

    catalog: str
    dataset: str
    start: str | None = None
    stop: str | None = None


def parse_reference(text: str) -> Reference:
    """The parts of CATALOG#DATASET/START/STOP; START and STOP may be left out."""
    catalog, _, rest = text.rpartition("#")
    parts = [*rest.split("/"), "", ""]
    if not catalog or not parts[0] or any(parts[3:]):
        raise UsageError(f"{text} is not CATALOG#DATASET/START/STOP.", EXAMPLE)
    return Reference(catalog, parts[0], parts[1] or None, parts[2] or None)


def read_catalog(url: str, options: Options | None = None) -> Catalog:
    """The catalog at a URL: that of a catalog.json, or of the bucket or folder that holds it.

    Raises
    ------
    InputError
        If it is not there, cannot be read, is none, or says that it cannot be used.
    """
    url, found = _load(url, options)
    if "catalog" not in found:
        known = ", ".join(str(one["endpoint"]) for one in _entries(found, "registry", ("endpoint",), url))
        raise InputError(f"{url} lists catalogs and is none itself.", f"Choose one of them: {known}")
    folder = url.rpartition("/")[0]
    datasets = tuple(_dataset(one, folder) for one in _entries(found, "catalog", ("id", "index"), url))
    return Catalog(str(found.get("name", "")), url, datasets)


def listing(url: str, options: Options | None = None) -> Report:
    """What there is at a URL: the datasets of a catalog, or the catalogs of a HelioDataRegistry.json."""
    where, found = _load(url, options)
    if "catalog" not in found:
        entries = _entries(found, "registry", ("endpoint",), where)
        catalogs = [{name: str(one.get(name, "")) for name in ("endpoint", "name", "region")} for one in entries]
        values: dict[str, Any] = {"schema_version": 1, "registry": where, "catalogs": catalogs}
        return Report(values, _aligned([tuple(one.values()) for one in catalogs]))
    catalog = read_catalog(url, options)
    lines = [(one.id, said(one.start), said(one.stop), one.file_type, one.title) for one in catalog.datasets]
    names = ("id", "start", "stop", "filetype", "title")
    datasets = [dict(zip(names, line, strict=True)) for line in lines]
    values = {"schema_version": 1, "catalog": where, "name": catalog.name, "datasets": datasets}
    return Report(values, _aligned([names, *lines]))


def _aligned(table: list[tuple[str, ...]]) -> tuple[str, ...]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return tuple("  ".join(map(str.ljust, line, widths)).rstrip() for line in table)


def _load(url: str, options: Options | None) -> tuple[str, dict[str, Any]]:
    """Where a catalog or registry is, and what stands in it."""
    if not url.endswith(".json"):
        url = f"{url.rstrip('/')}/catalog.json"
    url = _anchored(url, str(Path.cwd()))
    try:
        found = json.loads(_fetch(url, options))
    except FileNotFoundError as error:
        hint = "Give a catalog.json, or the bucket or folder that holds it."
        raise InputError(f"There is no catalog {url}: {error.strerror}.", hint) from error
    except ValueError as error:
        raise InputError(f"{url} is no catalog: it is no JSON: {error}", "Name the catalog.json itself.") from error
    status = found.get("status") if isinstance(found, dict) else None
    if isinstance(status, dict) and status.get("code") == REFUSED:
        raise InputError(
            f"{url} says that it cannot be used: {status.get('message', REFUSED)}", "Take another, or ask who keeps it."
        )
    if not isinstance(found, dict) or not {"catalog", "registry"} & found.keys():
        raise InputError(f"{url} is no catalog: it has no list called catalog.", "Name a HelioCloud catalog.json.")
    return url, found


def _entries(found: Mapping[str, Any], name: str, needed: tuple[str, ...], url: str) -> list[dict[str, Any]]:
    entries = found[name]
    if not isinstance(entries, list):
        raise InputError(f"{url} is no catalog: {name} is no list.", "Ask who keeps it to mend it.")
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in needed):
            raise InputError(f"{url}: entry {number} of {name} has no {' and '.join(needed)}.", "Ask who keeps it.")
    return entries


def _dataset(entry: Mapping[str, Any], folder: str) -> Dataset:
    def text(name: str) -> str:
        return str(entry.get(name) or "")

    index, kind = _anchored(text("index"), folder).rstrip("/") + "/", text("indextype").lower() or "csv"
    times = (moment_or_none(text("start")), moment_or_none(text("stop")))
    return Dataset(text("id"), index, text("title"), *times, kind, text("filetype"))


def _anchored(path: str, folder: str) -> str:
    """A path, taken from where the catalog lies: one spelling for each local file, URLs as they are."""
    path = path.removeprefix("file://")
    if "://" in path:
        return path
    scheme, mark, place = (path if path.startswith("/") else f"{folder}/{path}").rpartition("://")
    return f"{scheme}{mark}{os.path.normpath(place)}"


def _fetch(url: str, options: Options | None) -> bytes:
    try:
        return remote.fetch(url, options)
    except FileNotFoundError:
        raise
    except PermissionError as error:
        hint = "Are there keys for it in the environment or in ~/.aws? What is public can be read --anonymous."
        raise InputError(f"{url} may not be read: {error.strerror}.", hint) from error
    except OSError as error:
        raise InputError(f"{url} cannot be read: {error}", "Check the network and --endpoint-url.") from error


def _nothing(text: str) -> None:
    """Say nothing."""


def files(
    catalog: Catalog, name: str, start: str | None = None, stop: str | None = None,
    options: Options | None = None, note: Note = _nothing,
) -> pandas.DataFrame:  # fmt: skip
    """The files of a dataset in [start, stop), sorted by `start`, each `key` once; `size` may be NA.

    A key is a URL or an absolute path. Index files that are not there are noted. Without START or STOP all is meant
    before or after.

    Raises
    ------
    InputError
        If there is no such dataset, no data in that window, or an index file that cannot be read.
    """
    import pandas

    dataset = catalog.dataset(name)
    begin, end = (moment(text) if text else None for text in (start, stop))
    tables = _tables(dataset, _years(dataset, begin, end, note), options, note)
    found = pandas.concat([_between(table, begin, end) for table in tables], ignore_index=True)
    if found.empty:
        raise InputError(
            f"{name} has no file from {said(begin) or 'its start'} to {said(end) or 'its end'}.", "Widen the window."
        )
    folder = catalog.url.rpartition("/")[0]
    found["key"] = [_anchored(key, folder) for key in found["key"]]
    return found.drop_duplicates("key", keep="last").sort_values("start", kind="stable", ignore_index=True)


def _between(table: pandas.DataFrame, begin: datetime | None, end: datetime | None) -> pandas.DataFrame:
    if begin:
        table = table[table["start"] >= begin]
    return table[table["start"] < end] if end else table


def _years(dataset: Dataset, begin: datetime | None, end: datetime | None, note: Note) -> range:
    """The years whose index files may have files of a window."""
    if begin and end and begin >= end:
        raise UsageError(f"The window from {said(begin)} to {said(end)} holds nothing.", "STOP must be after START.")
    first, last = begin or dataset.start, end - min(TICK, end - datetime.min) if end else dataset.stop
    if first is None or last is None:
        raise InputError(f"{dataset.id}: its catalog does not say when its data begin and end.", "Give START and STOP.")
    has = f"{dataset.id} has data from {said(dataset.start)} to {said(dataset.stop)}"
    within = range(max(first, dataset.start or first).year, min(last, dataset.stop or last).year + 1)
    if last < (dataset.start or last) or first > (dataset.stop or first):
        raise InputError(f"{has}: none from {said(first)} to {said(end or last)}.", "Give another window.")
    if within != range(first.year, last.year + 1):
        note(f"{has} only.")
    return within


def _tables(dataset: Dataset, years: range, options: Options | None, note: Note) -> list[pandas.DataFrame]:
    """The index files of these years, as they are."""
    ending = index_files.ENDINGS.get(dataset.index_type)
    if ending is None:
        known = ", ".join(index_files.ENDINGS)
        raise InputError(f"{dataset.id} has index files of type {dataset.index_type}.", f"Known: {known}.")
    urls = {year: f"{dataset.index}{dataset.id}_{year}{ending}" for year in years}
    tables, missing = [], list[tuple[int, str]]()
    remote.ahead(urls.values(), options)
    for year, url in urls.items():
        try:
            tables.append(index_files.read_index(_fetch(url, options), dataset.index_type, url))
        except FileNotFoundError as error:
            missing.append((year, f"{url}: {error.strerror}"))
    if not tables:
        raise InputError(
            f"{dataset.id} has no index file of its years: {missing[0][1]}.", "Is the catalog out of date?"
        )
    if missing:
        note(f"{dataset.id} has no index file of {', '.join(str(year) for year, _ in missing)}: no files of then.")
    return tables


def rows(reference: str, options: Options | None = None, note: Note = _nothing) -> Iterator[Row]:
    """The files that CATALOG#DATASET/START/STOP means, as items: columns `start` and, where known, `filesize`."""
    import numpy as np

    asked = parse_reference(reference)
    catalog = read_catalog(asked.catalog, options)
    found = files(catalog, asked.dataset, asked.start, asked.stop, options, note)
    times: Any = found["start"].to_numpy("datetime64[ms]")
    unit: Any = "s" if (times == times.astype("datetime64[s]")).all() else "ms"
    for at in range(0, len(found), AT_ONCE):
        part = slice(at, at + AT_ONCE)
        starts = np.datetime_as_string(times[part], unit=unit).tolist()
        keys, sizes = (found[name][part].tolist() for name in ("key", "size"))
        for key, start, size in zip(keys, starts, sizes, strict=True):
            yield Row(key, columns={"start": f"{start}Z"} | ({"filesize": size} if isinstance(size, int) else {}))
