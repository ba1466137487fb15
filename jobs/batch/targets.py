"""Targets appear whole or not at all: by one rename on a file system, by a marker written last on an object store."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import Any

from jobs import storage
from jobs.batch.items import contains, normal, parent
from jobs.causes import NO_ROOM
from jobs.errors import OutputError

MARKER = ".complete"
"""Ends the name of the small object that says its neighbour is whole."""
LONGEST_NAME = 250
"""Bytes; file systems take 255."""
ROOM = 4_000_000
LISTINGS = 64
"""Directories of an object store whose contents are remembered while items are looked up."""


def scratch_name(target: str, owner: str) -> str:
    """A name beside the target for what is not whole yet, with the target's ending; on an object store the target.

    `owner` names the run and the process that writes: no two of them ever write to one place.
    """
    if not storage.is_plain(target):
        return target
    folder, name = os.path.split(target)
    prefix = f"{storage.SCRATCH}{owner}-"
    while len(os.fsencode(prefix + name)) > LONGEST_NAME:
        name = name[1:]
    return os.path.join(folder, prefix + name)


def is_done(target: str) -> bool:
    """Whether a target is there and whole, asked anew."""
    if storage.is_plain(target):
        return os.path.lexists(target)
    fs, path = storage.filesystem(target)
    fs.invalidate_cache(parent(path))
    return bool(fs.exists(path + MARKER))


class Looking:
    """Looks up many targets; on an object store each directory is listed once instead of asking for each of them."""

    def __init__(self) -> None:
        self._listings: dict[str, set[str]] = {}

    def is_done(self, target: str) -> bool:
        """Whether a target is there and whole, as far as a recent look tells."""
        if storage.is_plain(target):
            return os.path.lexists(target)
        folder, _, name = target.rpartition("/")
        if folder not in self._listings:
            if len(self._listings) >= LISTINGS:
                self._listings.clear()
            self._listings[folder] = _names(folder)
        return name + MARKER in self._listings[folder]


def _names(folder: str) -> set[str]:
    fs, path = storage.filesystem(folder)
    try:
        return {str(name).rstrip("/").rpartition("/")[2] for name in fs.ls(path, detail=False)}
    except FileNotFoundError:
        return set()


def prepare(target: str, scratch: str, one_object: bool = False) -> None:
    """Make room for what will be written: the directory above, and no remains of an earlier attempt."""
    if storage.is_plain(target):
        _make_folder(os.path.dirname(target))
        return
    if one_object:
        return
    storage.remove(target + MARKER)
    storage.remove(scratch)


@lru_cache(4096)
def _make_folder(folder: str) -> None:
    os.makedirs(folder, exist_ok=True)


def size(path: str) -> int:
    """Bytes of a file or of everything below a directory.

    Raises
    ------
    FileNotFoundError
        If there is nothing.
    """
    if not storage.is_plain(path):
        fs, where = storage.filesystem(path)
        fs.invalidate_cache()
        return int(fs.du(where))
    if not os.path.isdir(path):
        return os.lstat(path).st_size
    return sum(os.lstat(os.path.join(folder, name)).st_size for folder, _, names in os.walk(path) for name in names)


def appear(scratch: str, target: str, replace: bool, one_object: bool = False) -> None:
    """Make one target appear.

    Parameters
    ----------
    replace
        Whether what stands in its place goes away; else it is another worker's result and stays.
    one_object
        Whether it was written by one request, so that on an object store it is there already.
    """
    if not storage.is_plain(target):
        if one_object:
            return
        storage.write_bytes(target + MARKER, b"complete\n")
        return
    try:
        os.replace(scratch, target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EISDIR, errno.ENOTDIR):
            raise
        if not replace:
            if os.path.isdir(scratch) != os.path.isdir(target):
                raise
            discard(scratch)
            return
        old = f"{scratch}.old"
        os.rename(target, old)
        os.rename(scratch, target)
        discard(old)


def sync(scratches: list[str]) -> dict[str, OSError]:
    """Let a crash of the machine find whole files; returns what went wrong with which.

    Many small ones go together: one call where each would wait.
    """
    errors: dict[str, OSError] = {}
    plain = [scratch for scratch in scratches if storage.is_plain(scratch)]
    if len(plain) > 1 and len({os.lstat(path).st_dev for path in plain}) == 1 and _sync_file_system(plain[0]):
        return errors
    for scratch in plain:
        try:
            _sync_one(scratch)
        except OSError as error:
            errors[scratch] = error
    return errors


def _sync_one(scratch: str) -> None:
    for path in _files(scratch):
        if stat.S_ISREG(os.lstat(path).st_mode):
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def is_full(target: str, owner: str) -> bool:
    """Whether there is no room for a few megabytes beside a target, found out by writing them."""
    if not storage.is_plain(target):
        return False
    probe = scratch_name(target, f"{owner}-room")
    try:
        with open(probe, "wb") as stream:
            stream.write(bytes(ROOM))
    except OSError as error:
        return error.errno in NO_ROOM
    finally:
        discard(probe)
    return False


def _files(path: str) -> Iterator[str]:
    if not os.path.isdir(path):
        yield path
        return
    for folder, _, names in os.walk(path):
        yield from (os.path.join(folder, name) for name in names)


def _sync_file_system(path: str) -> bool:
    """Write everything of the path's file system to the disk; False where there is no such call."""
    call = _syncfs()
    if call is None:
        return False
    try:
        handle = os.open(os.path.dirname(path), os.O_RDONLY)
    except OSError:
        return False
    try:
        return int(call(handle)) == 0
    finally:
        os.close(handle)


@cache
def _syncfs() -> Any:  # noqa: ANN401 - a function of the C library
    return getattr(ctypes.CDLL(None), "syncfs", None)


def discard(path: str) -> None:
    """Remove a scratch, whatever it is, if it is there."""
    if not storage.is_plain(path):
        storage.remove(path)
    elif os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def sweep(targets: Iterable[str], owners: Iterable[str]) -> int:
    """Remove what killed owners of scratches left beside their targets; returns how many.

    An owner is a run, for all its processes, or one process: names that begin with it. An item without a target has
    left nothing.
    """
    removed, before = 0, ""
    prefixes = tuple(f"{storage.SCRATCH}{owner}-" for owner in owners)
    for target in targets:
        folder = parent(target)
        if not target or folder == before or not storage.is_plain(target):
            continue
        before = folder
        try:
            names = [entry.name for entry in os.scandir(folder) if entry.name.startswith(prefixes)]
        except OSError:
            continue
        for name in names:
            path = os.path.join(folder, name)
            with contextlib.suppress(OSError):  # first out of reach of whoever may still write there
                os.rename(path, f"{path}.swept")
            discard(f"{path}.swept")
        removed += len(names)
    return removed


def refuse(source: str, target: str) -> None:
    """Refuse a target that is, holds or lies in its own source.

    Raises
    ------
    OutputError
        Naming both.
    """
    real_source, real_target = _real(normal(source)), _real(normal(target))
    if source and (contains(real_target, real_source) or contains(real_source, real_target)):
        raise OutputError(
            f"The target {target} would overwrite or change its source {source}.",
            "Choose another --target or --output.",
        )


def _real(path: str) -> str:
    """The path with links in its directory followed; what it is itself may be a link, which a rename replaces."""
    folder, name = os.path.split(path)
    return os.path.join(_real_folder(folder), name) if storage.is_plain(path) else path


@lru_cache(4096)
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)
