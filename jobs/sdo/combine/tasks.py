"""Which files go where: a table beside the ledger, of which a worker reads the few rows it is told."""

from __future__ import annotations

import hashlib
import io
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from jobs import storage
from jobs.sdo.combine.steps import Bools, Ints

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

GROUP = 8192
"""Rows that are read at once."""
ABOUT = b"springline"


class Task(NamedTuple):
    """One file to put into a chunk."""

    place: int
    """Of its step on the time axis."""
    code: int
    """Of its channel."""
    file: str
    """Below the root."""


class Tasks(NamedTuple):
    """The rows of one chunk, and what is the same for all."""

    store: str
    root: str
    channels: tuple[str, ...]
    minutes: dict[int, int]
    """Place → minutes since 1970."""
    rows: list[Task]


def table(
    store: str, root: str, channels: tuple[str, ...], columns: tuple[Ints, Ints, npt.NDArray[np.int16], pa.Array]
) -> pa.Table:
    """All rows: places, minutes, codes and files."""
    import pyarrow as pa

    about = json.dumps({"store": store, "root": root, "channels": channels})
    found = pa.table(dict(zip(("place", "minutes", "code", "file"), map(pa.array, columns), strict=True)))
    return found.replace_schema_metadata({ABOUT: about.encode()})


def path_of(rows: pa.Table, run_dir: Path) -> Path:
    """Where a table lies: named by its content, so that whoever still reads another one is not disturbed."""
    content = hashlib.blake2b(rows.schema.metadata[ABOUT], digest_size=6)
    for column in rows.columns:
        for part in (buffer for chunk in column.chunks for buffer in chunk.buffers() if buffer):
            content.update(part)
    return run_dir / f"plan-{content.hexdigest()}.parquet"


def write(rows: pa.Table, path: Path) -> None:
    """Write the table, whole or not at all; older ones go."""
    import pyarrow.parquet as pq

    stream = io.BytesIO()
    pq.write_table(rows, stream, row_group_size=GROUP, compression="zstd")
    for old in path.parent.glob("plan-*.parquet"):
        if old != path:
            old.unlink()
    storage.write_bytes(str(path), stream.getvalue())


def cells(run_dir: Path, shape: tuple[int, ...]) -> Bools:
    """(time, channel): which have a row in the table that was written last."""
    import pyarrow.parquet as pq

    found = np.zeros(shape, bool)
    for path in run_dir.glob("plan-*.parquet"):
        rows = pq.read_table(path, columns=["place", "code"])
        found[rows["place"].to_numpy(), rows["code"].to_numpy()] = True
    return found


def read(path: str, first: int, count: int) -> Tasks:
    """Some rows of the table."""
    about = json.loads(_open(path).schema_arrow.metadata[ABOUT])
    columns: dict[str, list[int]] = {"place": [], "minutes": [], "code": [], "file": []}
    for group in range(first // GROUP, (first + count - 1) // GROUP + 1):
        part = _group(path, group)
        begin = max(0, first - group * GROUP)
        rows = part.slice(begin, first + count - group * GROUP - begin)
        for name, values in columns.items():
            values.extend(rows[name].to_pylist())
    tasks = [Task(p, c, str(f)) for p, c, f in zip(columns["place"], columns["code"], columns["file"], strict=True)]
    minutes = dict(zip(columns["place"], columns["minutes"], strict=True))
    return Tasks(about["store"], about["root"], tuple(about["channels"]), minutes, tasks)


@lru_cache(2)
def _open(path: str) -> pq.ParquetFile:
    import pyarrow.parquet as pq

    return pq.ParquetFile(path)


@lru_cache(4)
def _group(path: str, number: int) -> pa.Table:
    return _open(path).read_row_group(number)
