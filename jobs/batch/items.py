"""What there is to do: items from globs, lists and tables, and where the result of each goes."""

from __future__ import annotations

import csv
import difflib
import glob
import json
import os
import string
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from jobs import doors, storage
from jobs.errors import InputError, UsageError
from jobs.model import Row
from jobs.stac.hrefs import segment
from jobs.stac.roots import catalogs_among, plain

FIELDS = ("dir", "name", "stem", "ext", "output")
"""What a target template may name, besides the columns of a table and the job's options."""
MAGIC = "*?["
FAILED_COLUMNS = {"attempts", "error", "message", "when"}
"""By these a failed.csv is known."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to do; small, because a million of them are written down and sent around."""

    source: str
    target: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the job's options for this item alone: the columns of a table."""
    done: bool = False
    """Whether its source says so."""
    problem: str = ""
    """Why it cannot be done, where its source knows."""

    @property
    def key(self) -> str:
        """What tells it from all others: its target, or where items have none its source."""
        return self.target or self.source


@dataclass(frozen=True)
class Catalogs:
    """How STAC catalogs among the inputs are read."""

    filters: Mapping[str, Any] = field(default_factory=dict)
    """The options that filter."""
    make: Callable[[Iterator[Row]], Iterator[Row]] = lambda rows: rows
    """Makes items of a catalog's assets."""

    def rows(self, url: str, items: str | None, note: Callable[[str], None]) -> Iterator[Row]:
        """The items of one of them."""
        from jobs.stac import select

        return self.make(select.rows(url, select.filters(self.filters, items), note))


def rows(
    inputs: Iterable[str], table: str | None, note: Callable[[str], None], options: storage.Options | None = None,
    catalogs: Catalogs | None = None,
) -> Iterator[Row]:  # fmt: skip
    """All items that paths, globs, catalogs and one list, table or registry mean, in their order.

    Parameters
    ----------
    table
        A list, table or registry; where a catalog is among the inputs, the ids that are wanted of it.
    note
        Is told what is odd.
    catalogs
        None: no input is taken for a catalog.

    Raises
    ------
    InputError
        If a pattern matches nothing, or the table or a catalog cannot be read.
    """
    inputs = list(inputs)
    found = catalogs_among(inputs) if catalogs else set()
    for text in inputs:
        if catalogs and text in found:
            yield from catalogs.rows(text, table, note)
        else:
            yield from (Row(source) for source in _matches(text, options))
    if table and not found:
        is_file = "#" not in table or (storage.is_plain(table) and os.path.lexists(table))
        reader = READERS.get(os.path.splitext(table)[1].lower()) if is_file else partial(_registry, note, options)
        if reader is None:
            raise UsageError(
                f"--items {table} is no kind of list that is known.",
                f"There are: {', '.join(filter(None, READERS))}, - (stdin) and CATALOG#DATASET/START/STOP.",
            )
        for number, row in enumerate(reader(table), 1):
            if not row.source:
                raise InputError(f"{table}: item {number} has no source.", "Give it one, or leave it out.")
            yield Row(anchored(row.source), row.target, row.columns)


def _matches(text: str, options: storage.Options | None) -> list[str]:
    """The paths a pattern means; a path without one is taken as it is: what is wrong with it is that item's error."""
    if not any(mark in text for mark in MAGIC) or (storage.is_plain(text) and os.path.lexists(text)):
        return [anchored(text)]
    if storage.is_plain(text):
        found = sorted(glob.glob(os.path.expanduser(text), recursive=True))
        matches = [anchored(path) for path in found]
    else:
        fs, path = storage.filesystem(text, options)
        try:
            matches = sorted(fs.unstrip_protocol(match) for match in fs.glob(path))
        except Exception as error:  # the clients' errors have no class in common
            said, hint = doors.trouble(error, text) or (str(error), "Check the URL and the network.")
            raise InputError(f"{text} cannot be listed: {said}", hint) from error
    if not matches:
        raise InputError(f"Nothing matches {text}.", "Check the pattern; quote it, so that the shell leaves it alone.")
    return matches


def anchored(path: str) -> str:
    """The same place for a process that runs in another directory."""
    path = plain(path)
    return os.path.abspath(os.path.expanduser(path)) if storage.is_plain(path) else path


def _lines(path: str) -> Iterator[Row]:
    """One source a line; empty lines and those that begin with # are left out."""
    with _opened(path) as stream:
        for line in stream:
            text = line.strip()
            if text and not text.startswith("#"):
                yield Row(text)


def _csv(path: str) -> Iterator[Row]:
    csv.field_size_limit(10**9)
    with _opened(path) as stream:
        reader = csv.DictReader(stream)
        if reader.fieldnames is None or "source" not in reader.fieldnames:
            raise InputError(f"{path} has no column called source.", "Its first line must name the columns.")
        for number, line in enumerate(reader, 2):
            if not line["source"] or None in line or None in line.values():
                raise InputError(
                    f"{path}, line {number}: not as many values as columns, or no source.", "Mend that line."
                )
            yield _row({name: value for name, value in line.items() if value != ""})


def _parquet(path: str) -> Iterator[Row]:
    try:
        import pyarrow.parquet as parquet  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError as error:
        raise InputError(f"{path} cannot be read: {error}", "pip install pyarrow, or give the table as CSV.") from error
    fs, where = storage.filesystem(path)
    try:
        with fs.open(where) as stream:
            file = parquet.ParquetFile(stream)
            if "source" not in file.schema_arrow.names:
                raise InputError(f"{path} has no column called source.", "Rename the one that names the inputs.")
            for batch in file.iter_batches():
                yield from (_row({k: v for k, v in line.items() if v is not None}) for line in batch.to_pylist())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}", "Is it a whole Parquet file?") from error


def _registry(note: Callable[[str], None], options: storage.Options | None, reference: str) -> Iterator[Row]:
    from jobs.sdo import catalog

    return catalog.rows(reference, options, note)


def _row(line: dict[str, Any]) -> Row:
    source, target = str(line.pop("source", "")), str(line.pop("target", ""))
    if line.keys() >= FAILED_COLUMNS:  # failed.csv as it is: what its items had of their own, not how they failed
        return Row(source, target, json.loads(line.get("options") or "{}"))
    return Row(source, target, line)


def _opened(path: str) -> Any:  # noqa: ANN401 - whatever fsspec opens
    if path == "-":
        return sys.stdin
    how: dict[str, Any] = {"encoding": "utf-8-sig", "errors": "surrogateescape", "newline": ""}
    try:
        if storage.is_plain(path):
            return open(os.path.expanduser(path), **how)
        fs, where = storage.filesystem(path)
        return fs.open(where, "rt", **how)
    except OSError as error:
        raise InputError(
            f"--items {path} cannot be read: {error}", "Check its name, and that it is yours to read."
        ) from error


READERS: dict[str, Callable[[str], Iterator[Row]]] = {
    ".txt": _lines, ".lst": _lines, ".csv": _csv, ".parquet": _parquet, "": _lines,
}  # fmt: skip
"""By ending. A new source of items is one more reader here."""


@dataclass(frozen=True)
class Template:
    """Where results go, as a pattern over the source: "{output}/{stem}.zarr"."""

    text: str
    output: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a template that would send everything to one place, or that cannot be read."""
        if not self._names():
            raise UsageError(f"--target {self.text} is the same for every item.", "Name {stem} in it, for example.")

    def _names(self) -> list[str]:
        try:
            return [name for _, name, _, _ in string.Formatter().parse(self.text) if name is not None]
        except ValueError as error:
            raise UsageError(f"--target {self.text} cannot be read: {error}.", "{{ and }} stand for braces.") from error

    def fill(self, row: Row) -> str:
        """The target of one item.

        Raises
        ------
        UsageError
            If the template names something that is not known of it.
        """
        folder, _, name = row.source.rstrip("/").rpartition("/")
        columns = row.columns
        if row.from_catalog:  # an id may say ../../.ssh
            name, columns = segment(name), {key: _as_name(value) for key, value in columns.items()}
        stem, ext = os.path.splitext(name)
        known = {**self.options, **columns, "dir": folder or ".", "name": name, "stem": stem, "ext": ext}
        known["output"] = self.output
        try:
            return anchored(self.text.format_map(known))
        except (KeyError, IndexError, AttributeError, ValueError, TypeError) as error:
            wrong = str(error).strip("'\"")
            near = difflib.get_close_matches(wrong, known, n=1)
            hint = f"Did you mean {{{near[0]}}}?" if near else _what_there_is(row)
            raise UsageError(f"--target {self.text}: {{{wrong}}} is not known of {row.source}.", hint) from error

    def root(self) -> str:
        """The directory that holds all targets, as far as the template says; empty if it says nothing."""
        fixed = self.text.replace("{output}", self.output).partition("{")[0]
        folder = fixed.rpartition("/")[0]
        return anchored(folder) if folder else ""


def _what_there_is(row: Row) -> str:
    more = "a table's columns" if not row.columns else f"its own {', '.join(row.columns)}"
    return f"There are: {', '.join(FIELDS)}, the options, and {more}."


def _as_name(value: object) -> object:
    return segment(value) if isinstance(value, str) else value


def normal(path: str) -> str:
    """One spelling for each place."""
    return os.path.normpath(path) if storage.is_plain(path) else path.rstrip("/")


def contains(outer: str, inner: str) -> bool:
    """Whether one path is the other or holds it."""
    return inner == outer or inner.startswith(outer.rstrip("/") + "/")


def ancestors(path: str) -> Iterator[str]:
    """A directory and all above it."""
    while path not in ("", "/", parent(path)) and not path.endswith(":/"):
        yield path
        path = parent(path)


def parent(path: str) -> str:
    """The directory of a path or URL."""
    return path.rstrip("/").rpartition("/")[0] or "/"
