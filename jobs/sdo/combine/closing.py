"""What a store holds: told by its workers in the ledger, written down by the coordinator when all is done."""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs import storage
from jobs.errors import OutputError
from jobs.model import Asked, Finished
from jobs.sdo import remote
from jobs.sdo.combine import legacy, tasks
from jobs.sdo.combine import store as stores
from jobs.sdo.combine.chunk import Codec, held, read_bytes
from jobs.sdo.combine.inventory import ALL, parts_of
from jobs.sdo.combine.steps import Bools, text_of
from jobs.sdo.combine.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

OURS = {b"springline_job": b"sdo-combine"}
"""Tells an inventory that may be replaced."""
NAME = "ledger.id"
Marks = dict[tuple[int, int], tuple[str, str]]
"""(place of the step, code of the channel) → file and why it could not be read."""


@dataclass(frozen=True)
class Known:
    """What is known of a store without a look at its data."""

    valid: Bools
    """(time, channel)."""
    there: Bools
    """(time,): whether its chunk is there."""
    marks: Marks = field(default_factory=dict)


def known(store: Store, asked: Asked) -> Known:
    """What the store says of itself, and what workers have told this ledger since, of chunks that are there."""
    valid = stores.read_valid(store)
    there = np.isin(np.arange(len(valid)) // store.layout.shard_steps, stores.chunks(store))
    found = Known(valid, there)
    name, _, lines = store.story.partition(":")
    if name == _name(asked):  # else a run with another ledger was the last
        for result in _results(store, islice(asked.records(), int(lines), None)):
            _learn(found, result)
    found.valid[~there] = False
    return found


def begin(asked: Asked, store: Store, have: Bools) -> None:
    """Let the store say what is known of it now, and that from here on this ledger tells, if another one did."""
    if _name(asked) and store.story.startswith(f"{_name(asked)}:"):
        return
    storage.write_bytes(str(asked.run_dir / NAME), (_name(asked) or secrets.token_hex(4)).encode())
    valid = np.zeros((len(store.axis.minutes), len(store.layout.channels)), bool)
    valid[: len(have)] = have
    stores.write_valid(store, valid, f"{_name(asked)}:{sum(1 for _ in asked.records())}")


def _name(asked: Asked) -> str:
    """What tells this ledger from those in other run directories; empty if no run was begun here."""
    path = asked.run_dir / NAME
    return path.read_text() if path.exists() else ""


def _results(store: Store, records: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """What workers have told of this store."""
    for record in records:
        result = record.get("result")
        if record.get("state") == "done" and isinstance(result, dict) and result.get("store") == store.id:
            yield result


def written(store: Store, records: Iterable[Mapping[str, Any]], folder: str) -> Bools:
    """(time, channel): what the files for old readers hold that were written to a folder."""
    found = np.zeros((len(store.axis.minutes), len(store.layout.channels)), bool)
    for result in _results(store, records):
        if result.get("legacy_pkl") == folder:
            for place in result["written"]:
                found[place] = [text == "1" for text in result["valid"][place - result["first"]]]
    return found


def _learn(found: Known, result: Mapping[str, Any]) -> None:
    """What one chunk holds, all of it: it may have been made anew. What was wrong with its files may be cured."""
    first, texts = int(result["first"]), result["valid"]
    room = len(found.valid) - first
    told = np.frombuffer("".join(texts).encode(), np.uint8).reshape(len(texts), -1) == ord("1")
    found.valid[first : first + len(texts)] = told[:room]
    for place, code, file, reason in result["marked"]:
        found.marks[place, code] = (file, reason)


def finish(asked: Asked) -> Finished:
    """Write down what the store holds, and the inventory of it."""
    store = stores.find(asked.output)
    if store is None:
        raise OutputError(f"{asked.output} is gone.", "The same command makes it anew.")
    found = known(store, asked)
    _look(store, found, asked.note)
    stores.write_valid(store, found.valid, store.story)
    inventory = inventory_of(asked.output)
    listed = _write_inventory(store, found.valid, inventory, asked.options.get("legacy_pkl"))
    tried = tasks.cells(asked.run_dir, found.valid.shape) & ~found.valid
    marks = {cell: why for cell, why in found.marks.items() if tried[cell]}
    marked = _write_marked(store, marks, asked.run_dir / "marked.csv")
    return _told(store, Known(found.valid, found.there, marks), listed, inventory, marked)


def inventory_of(output: str) -> str:
    """Where the inventory of a store goes."""
    return output.rstrip("/").removesuffix(".zarr") + ".inventory.parquet"


def refuse_inventory(asked: Asked) -> None:
    """Refuse to write the inventory of the store over the one that is read, or over what somebody else has written.

    Raises
    ------
    OutputError
        Naming the file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    url = inventory_of(asked.output)
    storage.refuse_overlap(url, asked.inputs)
    fs, path = remote.file_system(url)
    try:
        with fs.open(path, "rb") as file:
            ours = OURS.items() <= (pq.read_schema(file).metadata or {}).items()
    except FileNotFoundError:
        return
    except (pa.ArrowInvalid, OSError):
        ours = False
    if not ours:
        raise OutputError(f"{url}, where the inventory of the store goes, is another's.", "Choose another --output.")


def _look(store: Store, found: Known, note: Callable[[str], None]) -> None:
    """Look into chunks that may hold more than is told: their ledger may be lost, or be that of another run."""
    doubtful = stores.read_valid(store)
    marked = np.zeros(doubtful.shape, bool)
    for cell in found.marks:
        marked[cell] = True
    for first, names in stores.sources(store):
        part = slice(first, first + len(names))
        doubtful[part] |= (names != "") & ~marked[part]
    steps = store.layout.shard_steps
    doubtful &= found.there[:, None] & ~found.valid
    chunks = np.unique(np.flatnonzero(doubtful.any(axis=1)) // steps)
    if chunks.size:
        note(f"looking into {chunks.size:,} chunks of which it is not known what they hold")
    codec = Codec(store.url)
    for index in chunks.tolist():
        part = slice(index * steps, (index + 1) * steps)
        try:
            block = codec.decode(read_bytes(store.chunk(index)), store.chunk(index))
            found.valid[part] = held(block)[: len(found.valid[part])]
        except (OutputError, OSError) as error:
            found.valid[part] = False
            note(str(error))


def _write_inventory(store: Store, valid: Bools, url: str, legacy_pkl: str | None) -> Bools:
    """Write a row for every file and one for every step that is there; returns (time, channel): which had a file."""
    import pyarrow.parquet as pq

    listed = np.zeros(valid.shape, bool)
    stream = io.BytesIO()
    writer = None
    for first, names in stores.sources(store):
        part = slice(first, first + len(names))
        listed[part] = names != ""
        table = _inventory_rows(store, first, names, valid[part], legacy_pkl)
        writer = writer or pq.ParquetWriter(stream, table.schema, compression="zstd")
        writer.write_table(table)
    if writer:
        writer.close()
    storage.write_bytes(url, stream.getvalue())
    return listed


def _inventory_rows(store: Store, first: int, names: Any, valid: Bools, legacy_pkl: str | None) -> pa.Table:  # noqa: ANN401
    """The rows of some thousand steps, in the columns of the original, and whether the store holds them."""
    import pyarrow as pa

    channels = np.array([*store.layout.channels, ALL], object)
    minutes = store.axis.minutes[first : first + len(names)]
    there = valid.any(axis=1)
    old = np.zeros(len(minutes), bool)
    if legacy_pkl:
        old[there] = ~legacy.absent(legacy_pkl, minutes[there])
    combined = [
        legacy.name_of(moment) if old[at] else f"{storage.basename(store.url)}#{first + at}"
        for at, moment in enumerate(minutes)
    ]
    every = np.column_stack([names, np.array(combined, object)])
    step, code = np.nonzero(np.column_stack([names != "", there]))
    year, month, day, hour, minute = parts_of(minutes[step])
    index = (((year * 12 + month) * 31 + day) * 24 + hour) * 60 + minute
    small = {"month": month, "day": day, "hour": hour, "min": minute}
    return pa.table(
        {"index": pa.array(index), "year": pa.array(year, pa.uint16())}
        | {name: pa.array(values, pa.uint8()) for name, values in small.items()}
        | {"channel": pa.array(channels[code], pa.string()), "file": pa.array(every[step, code], pa.string())}
        | {"valid": pa.array(np.column_stack([valid, there])[step, code])},
        metadata=OURS,
    )


def _write_marked(store: Store, marks: Marks, path: Path) -> Path | None:
    """Write what could not be read; an older list goes."""
    if not marks:
        path.unlink(missing_ok=True)
        return None
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("time", "channel", "file", "reason"))
    writer.writerows(_marked_rows(store, marks))
    storage.write_bytes(str(path), stream.getvalue().encode())
    return path


def _marked_rows(store: Store, marks: Marks) -> Iterator[tuple[str, str, str, str]]:
    for (place, code), (file, reason) in sorted(marks.items()):
        yield text_of(store.axis.minutes[place]), store.layout.channels[code], file, reason


def _told(store: Store, found: Known, listed: Bools, inventory: str, marked: Path | None) -> Finished:
    """The counts, for programs and people."""
    steps: Bools = np.any(listed | found.valid, axis=1)
    whole = int(found.valid.all(axis=1).sum())
    lack = (steps[:, None] & ~found.valid).sum(axis=0)
    missing = {name: int(n) for name, n in zip(store.layout.channels, lack, strict=True) if n}
    values = {
        "steps": int(steps.sum()), "complete": whole, "partial": int(found.valid.any(axis=1).sum()) - whole,
        "missing": missing, "marked": len(found.marks), "marked_list": str(marked) if marked else None,
        "inventory": inventory,
    }  # fmt: skip
    lines = [f"{store.url}: {values['steps']:,} steps, {whole:,} with all channels, {values['partial']:,} with some"]
    if missing:
        lines.append(f"  steps without: {', '.join(f'{name} {n:,}' for name, n in missing.items())}")
    lines.append(f"inventory   {inventory}")
    if marked:
        moment, channel, file, reason = next(_marked_rows(store, found.marks))
        lines.append(f"{len(found.marks):,} files could not be read, such as {file} ({channel} of {moment}): {reason}")
        lines.append(f"their list  {marked}; the same command tries them again")
    return Finished(values, tuple(lines), len(found.marks))
