"""The work on one chunk or shard of `data`: read the files, keep what is there, encode, write. One task owns it all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any

from jobs.sdo.combine import legacy, npz, tasks
from jobs.sdo.combine.chunk import Block, Codec, held, read_bytes, read_image, write_bytes
from jobs.sdo.combine.steps import Bools
from jobs.sdo.combine.store import chunk_of
from jobs.sdo.combine.tasks import Task

READERS = 4
"""Files that are read side by side: while one waits, another is unpacked."""


def combine(source: str, target: str, *, plan: str, first: int, count: int, legacy_pkl: str = "") -> dict[str, Any]:
    """Fill one chunk with the files that a few rows of the plan name; what it holds already stays.

    Returns
    -------
    What the chunk holds now, for each step a text of ones and zeros by channel, and what could not be read, with why.
    """
    todo = tasks.read(plan, first, count)
    codec = _codec(todo.store)
    steps = codec.shape[0]
    index = todo.rows[0].place // steps
    old = _there(chunk_of(todo.store, index))
    block = codec.empty() if old is None else codec.decode(old, chunk_of(todo.store, index))
    valid = held(block)
    rows = [task for task in todo.rows if not valid[task.place % steps, task.code]]
    marked, bytes_in = _fill(block, valid, todo.root, rows)
    encoded = codec.encode(block) if old is None or len(marked) < len(rows) else old
    if legacy_pkl:
        for place, minutes in todo.minutes.items():
            legacy.write(legacy_pkl, minutes, todo.channels, block[place % steps], valid[place % steps])
    write_bytes(target, encoded)
    told = ["".join("01"[int(here)] for here in step) for step in valid]
    written = {"legacy_pkl": legacy_pkl, "written": list(todo.minutes)} if legacy_pkl else {}
    first = index * steps
    return {"store": codec.store, "first": first, "valid": told, "marked": marked, "bytes_in": bytes_in} | written


@lru_cache(2)
def _codec(store: str) -> Codec:
    return Codec(store)


def _there(chunk: str) -> bytes | None:
    """What stands in the store already."""
    try:
        return read_bytes(chunk)
    except FileNotFoundError:
        return None


def _fill(block: Block, valid: Bools, root: str, rows: list[Task]) -> tuple[list[list[Any]], int]:
    """Put the images of files into a chunk; returns what could not be read and the bytes that were."""
    marked: list[list[Any]] = []
    bytes_in = 0
    with ThreadPoolExecutor(READERS) as pool:
        for task, (size, reason) in zip(rows, pool.map(partial(_put, block, root), rows), strict=True):
            bytes_in += size
            valid[task.place % len(block), task.code] = not reason
            if reason:
                marked.append([task.place, task.code, task.file, reason])
    return marked, bytes_in


def _put(block: Block, root: str, task: Task) -> tuple[int, str]:
    """Put the image of one file into its place; returns the file's bytes and why it could not be done, if so.

    A line that broke is no reason: it is raised, and the engine tries the whole chunk again.
    """
    try:
        image, size = read_image(f"{root.rstrip('/')}/{task.file}", block.shape[2:])
    except npz.DamagedError as error:
        return 0, str(error)
    block[task.place % len(block), task.code] = image
    return size, ""
