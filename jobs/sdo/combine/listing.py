"""Paths of NPZ files: from an inventory of any kind, or from a look into the directories."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from jobs import storage
from jobs.errors import InputError, JobError
from jobs.sdo import remote
from jobs.sdo.combine import roots
from jobs.sdo.combine.chunk import read_bytes
from jobs.sdo.combine.unpickle import read_frame

if TYPE_CHECKING:
    import pyarrow as pa

NAME = r"(?:^|[/\\])[A-Za-z]+(?P<day>\d{8})_(?P<minute>\d{4})_(?P<channel>[A-Za-z0-9]+)\.npz$"
"""The file's name says all; trees differ in their directories."""
KINDS = {
    ".pkl": "pickle", ".pklz": "pickle", ".pickle": "pickle", ".gz": "pickle", ".parquet": "Parquet", ".csv": "CSV",
}  # fmt: skip


def scan(folder: str) -> pa.ChunkedArray:
    """Paths below a directory."""
    import pyarrow as pa

    folder = folder.rstrip("/") or folder
    path = remote.file_system(folder)[1]
    if not roots.ask(folder, "isdir"):
        hint = f"Name a directory, or an inventory: {', '.join(KINDS)}."
        raise InputError(f"{folder} is not there, or neither a directory nor an inventory.", hint)
    found = (
        _walk(path) if storage.is_local(folder) else (str(name)[len(path) + 1 :] for name in roots.ask(folder, "find"))
    )
    return pa.chunked_array([pa.array(found, pa.large_string())])


def _walk(folder: str) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise InputError(
            f"{error.filename} cannot be searched: {error.strerror}.", "Name another directory."
        ) from error

    for here, folders, names in os.walk(folder, onerror=refuse):
        folders.sort()
        below = here[len(folder) + 1 :]
        yield from (f"{below}/{name}" if below else name for name in names if name.endswith(".npz"))


def listed(source: str, kind: str) -> pa.ChunkedArray:
    """The paths an inventory lists: its column `file`, or every column that holds names of NPZ files."""
    try:
        content = read_bytes(source)
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error}.", "Check --input.") from error
    try:
        return _paths(_table(content, source, kind), source)
    except JobError:
        raise
    except Exception as error:  # the bytes are in memory: whatever is raised, they are wrong
        raise InputError(
            f"{source} is no {kind} that can be read: {error}.", "Copy it again, or name the directory."
        ) from error


def _paths(table: pa.Table, source: str) -> pa.ChunkedArray:
    """The paths in a table, with the separators of this world."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = [name for name in table.column_names if _is_text(table[name].type)]
    chosen = ["file"] if "file" in texts else [name for name in texts if _names_files(table[name])]
    if not chosen:
        hint = "It needs a column file with names as HMI20100501_0012_bx.npz."
        raise InputError(f"{source} lists no NPZ files; its columns: {', '.join(table.column_names)}.", hint)
    chunks = [chunk for name in chosen for chunk in table[name].cast(pa.large_string()).chunks]
    return pc.replace_substring(pa.chunked_array(chunks, pa.large_string()), "\\", "/")


def _table(content: bytes, source: str, kind: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    if kind == "pickle":
        frame = read_frame(content, storage.basename(source))
        texts = [name for name in frame.columns if frame[name].dtype.kind not in "iufbM"]
        return pa.table({str(name): pa.array(frame[name].astype(str), pa.large_string()) for name in texts})
    reader = pyarrow.parquet.read_table if kind == "Parquet" else pyarrow.csv.read_csv
    return reader(io.BytesIO(content))


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    names = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view", "dictionary")
    return any(getattr(pa.types, f"is_{name}")(kind) for name in names)


def _names_files(column: pa.ChunkedArray) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return bool(pc.any(pc.match_substring_regex(column.cast(pa.large_string()), NAME)).as_py())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # bytes, or numbers that are categories
        return False
