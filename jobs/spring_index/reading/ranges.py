"""Bytes of a file, many pieces at once: of a local file, or of a remote one by few, large requests."""

from __future__ import annotations

import bisect
import contextlib
import functools
import io
import os
import shutil
import struct
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from jobs import storage
from jobs.errors import InputError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

Piece = tuple[int, int]
"""First byte and number of bytes."""
GAP = 64 * 1024
"""Remote pieces closer than this are one request."""
LARGEST = 16 * 2**20
"""Most bytes of a request that joins several pieces."""
BLOCK = 256 * 1024
"""Bytes read at once where little is asked for: the description of a file."""
BLOCKS_KEPT = 64
WHOLE_FILE = 2 * 2**30
"""Largest file fetched whole where its server gives no pieces of files."""
MARKS = ("size", "ETag", "Last-Modified", "LastModified", "mtime", "modified", "last_modified")
"""What file systems tell of a file that changes with its content."""
SEEKING = threading.Lock()
"""Held while one reads where the system has no `pread`."""


class Source:
    """A file that is open for reading pieces of it."""

    def __init__(self, url: str, stamp: tuple[str, ...]) -> None:
        self.url, self.name, self.stamp = url, storage.basename(url), stamp

    def pieces(self, wanted: Sequence[Piece]) -> list[memoryview]:
        """The bytes of each piece.

        Raises
        ------
        OSError
            If the file ends before one of them does.
        """
        found = self._read(wanted)
        for (start, size), piece in zip(wanted, found, strict=True):
            if len(piece) != size:
                raise OSError(f"it ends before byte {start + size:,}: was it copied or downloaded to its end?")
        return found

    def begin(self) -> bytes:
        """The first four bytes, by which kinds of files are told; fewer of a file that has no more."""
        return bytes(self._read([(0, 4)])[0])

    def file(self) -> Any:  # noqa: ANN401 - what h5py opens
        """The file for libraries that read by themselves."""
        raise NotImplementedError

    def _read(self, wanted: Sequence[Piece]) -> list[memoryview]:
        raise NotImplementedError


class Local(Source):
    """A file of this machine."""

    def __init__(self, url: str, stream: IO[bytes], stamp: tuple[str, ...], path: str = "") -> None:
        super().__init__(url, stamp)
        self.stream, self.path = stream, path

    def file(self) -> str | IO[bytes]:
        """Its path; where it has none, the open file itself."""
        return self.path or self.stream

    def _read(self, wanted: Sequence[Piece]) -> list[memoryview]:
        return [memoryview(_read_at(self.stream.fileno(), size, start)) for start, size in wanted]


class Remote(Source):
    """A file of a server or an object store that gives pieces of it."""

    def __init__(self, url: str, fs: AbstractFileSystem, path: str, stamp: tuple[str, ...], size: int) -> None:
        super().__init__(url, stamp)
        self.fs, self.path, self.size = fs, path, size

    def begin(self) -> bytes:
        """The first four bytes."""
        return super().begin() if self.size else b""

    def file(self) -> RemoteFile:
        """A file object that reads in blocks."""
        return RemoteFile(self)

    def _read(self, wanted: Sequence[Piece]) -> list[memoryview]:
        requests = joined(wanted)
        starts, stops = [a for a, _ in requests], [a + n for a, n in requests]
        answers = self.fs.cat_ranges([self.path] * len(requests), starts, stops, on_error="return")
        for answer in answers:
            if isinstance(answer, BaseException):
                raise OSError(f"the server did not send it: {type(answer).__name__}: {answer}") from answer
        found = []
        for start, size in wanted:
            which = bisect.bisect_right(starts, start) - 1
            found.append(memoryview(answers[which])[start - starts[which] :][:size])
        return found


def joined(wanted: Sequence[Piece]) -> list[Piece]:
    """Requests that cover the pieces: those that lie close together are one."""
    requests: list[Piece] = []
    for start, size in sorted(set(wanted)):
        if requests:
            first, length = requests[-1]
            together = max(length, start + size - first)
            if start - (first + length) <= GAP and together <= LARGEST:
                requests[-1] = (first, together)
                continue
        requests.append((start, size))
    return requests


class RemoteFile(io.RawIOBase):
    """A remote file as HDF5 reads it: blocks are kept, and the chunk index comes many nodes at once.

    The nodes of an index of chunks (version 1 B-tree) lie all over a large file and HDF5 asks for one after the
    other. A node tells where its children are: they are fetched together as soon as it is read.
    """

    def __init__(self, source: Remote) -> None:
        self.source, self.at = source, 0
        self.blocks: dict[int, memoryview] = {}
        self.nodes: dict[int, memoryview] = {}

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self.at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte."""
        self.at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.source.size}[whence]
        return self.at

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - anything that holds bytes
        """Fill a buffer; fewer bytes only at the end of the file."""
        view = memoryview(buffer).cast("B")
        size = max(0, min(len(view), self.source.size - self.at))
        view[:size] = self._bytes(self.at, size)
        self.at += size
        return size

    def _bytes(self, start: int, size: int) -> memoryview:
        node = self.nodes.get(start)
        if node is not None and len(node) >= size:
            data = node[:size]
        elif size >= BLOCK:
            data = self.source.pieces([(start, size)])[0]
        else:
            data = self._from_blocks(start, size)
        children = [p for p in chunk_nodes(data) if p[0] not in self.nodes and sum(p) <= self.source.size]
        if children:
            self.nodes |= {p[0]: v for p, v in zip(children, self.source.pieces(children), strict=True)}
        return data

    def _from_blocks(self, start: int, size: int) -> memoryview:
        first, last = start // BLOCK, (start + size - 1) // BLOCK
        for number in range(first, last + 1):
            if number not in self.blocks:
                whole = min(BLOCK, self.source.size - number * BLOCK)
                self.blocks[number] = self.source.pieces([(number * BLOCK, whole)])[0]
        data = b"".join(self.blocks[number] for number in range(first, last + 1))
        while len(self.blocks) > BLOCKS_KEPT:
            del self.blocks[next(iter(self.blocks))]
        return memoryview(data)[start - first * BLOCK :][:size]


def chunk_nodes(data: memoryview) -> list[Piece]:
    """Children of a node above the leaves of the index of chunks of a (time, y, x) array; none of other bytes."""
    header, entry = 24, 48
    if bytes(data[:5]) != b"TREE\x01" or data[5] == 0:
        return []
    used = struct.unpack_from("<H", data, 6)[0]
    if header + used * entry > len(data):
        return []
    return [(struct.unpack_from("<Q", data, header + i * entry + 40)[0], len(data)) for i in range(used)]


@contextmanager
def opened(url: str) -> Iterator[Source]:
    """A file, open meanwhile; what its server does not give in pieces is fetched whole, once by each process.

    Raises
    ------
    FileNotFoundError
        If there is none.
    InputError
        If it is too large to be fetched whole.
    """
    fs, path = storage.filesystem(url)
    if storage.is_local(url):
        with Path(path).open("rb", buffering=0) as stream:
            yield Local(url, stream, local_stamp(stream), path)
        return
    info = about(fs, path)
    stamp = stamped(info)
    if gives_pieces(url, stamp):
        yield Remote(url, fs, path, stamp, int(info["size"]))
    else:
        yield Local(url, whole(url, stamp), stamp)


def about(fs: AbstractFileSystem, path: str) -> dict[str, Any]:
    """What a file system tells of a file now."""
    with contextlib.suppress(NotImplementedError, TypeError):
        fs.invalidate_cache(path)  # or an object store tells what it told before
    found: dict[str, Any] = fs.info(path)
    return found


def stamped(told: Mapping[str, Any]) -> tuple[str, ...]:
    """What of it changes when the file's content does."""
    return tuple(str(told.get(mark, "")) for mark in MARKS)


def _read_at(descriptor: int, size: int, start: int) -> bytes:
    """Bytes of an open file, whatever another thread reads of it."""
    if hasattr(os, "pread"):
        return os.pread(descriptor, size, start)
    with SEEKING:
        os.lseek(descriptor, start, os.SEEK_SET)
        return os.read(descriptor, size)


def local_stamp(stream: IO[bytes]) -> tuple[str, ...]:
    """What changes when an open file does."""
    about = os.fstat(stream.fileno())
    return tuple(map(str, (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns)))


@functools.lru_cache(maxsize=1024)
def gives_pieces(url: str, stamp: tuple[str, ...]) -> bool:
    """Whether the server of a remote file gives pieces of it; asks for its last byte."""
    fs, path = storage.filesystem(url)
    if "http" not in fs.protocol:
        return True
    with fs.open(path, "rb", block_size=BLOCK, cache_type="none") as stream:
        if not stream.seekable() or not stream.size:
            return False
        try:
            stream.seek(stream.size - 1)
            return len(stream.read(1)) == 1
        except ValueError:  # what fsspec says of a server that sends the file from its start
            return False


@functools.lru_cache(maxsize=8)
def whole(url: str, stamp: tuple[str, ...]) -> IO[bytes]:
    """A copy of a remote file, kept by this process; its disk space is free again when the process ends.

    Raises
    ------
    InputError
        If it is too large for that.
    """
    fs, path = storage.filesystem(url)
    size = int(fs.info(path).get("size") or 0)
    if size > WHOLE_FILE:
        server = "/".join(url.split("/")[:3])
        raise InputError(
            f"{storage.basename(url)}: {server} does not give pieces of files (no HTTP ranges), "
            f"and each process would have to fetch all of its {size / 1e9:.1f} GB.",
            "Copy it to this machine or an object store first (stac-stage does it), and give the copy as --input.",
        )
    copy = tempfile.TemporaryFile("w+b", prefix="springline-")  # noqa: SIM115 - open as long as the cache holds it
    with fs.open(path, "rb", block_size=0) if "http" in fs.protocol else fs.open(path, "rb") as stream:
        shutil.copyfileobj(stream, copy, 2**20)
    if size and copy.tell() != size:
        raise OSError(f"{storage.basename(url)}: {copy.tell():,} of its {size:,} bytes came.")
    copy.flush()
    return copy
