"""One chunk or shard of `data` as bytes: what a worker writes, and what it reads before it adds to it."""

from __future__ import annotations

import errno
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from jobs import storage
from jobs.errors import OutputError
from jobs.sdo import remote
from jobs.sdo.combine import npz
from jobs.sdo.combine.steps import Bools

if TYPE_CHECKING:
    import zarr

Block = npt.NDArray[np.float32]
KEY = "c/0/0/0/0"
MISSING = "missing"
THIS_FILE = (errno.EACCES, errno.EPERM, errno.ELOOP, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG)
"""What a file system says of one file alone; others may pass, or mean that nothing can be read."""


class Codec:
    """Encodes and decodes the chunks of one store, as its metadata say."""

    def __init__(self, store: str) -> None:
        found = storage.read_json(f"{store}/data/zarr.json") or {}
        group = storage.read_json(f"{store}/zarr.json") or {}
        try:
            self.store: str = group["attributes"]["springline_store"]
            """Tells the store from others that were at the same place."""
            steps = found["chunk_grid"]["configuration"]["chunk_shape"][0]
            found["shape"] = [steps, *found["shape"][1:]]
        except KeyError as error:
            raise OutputError(f"{store} has no metadata that can be read.", "Run the same command again.") from error
        self._document = json.dumps(found).encode()
        self.shape: tuple[int, ...] = tuple(found["shape"])

    def empty(self) -> Block:
        """A chunk in which nothing is valid."""
        return np.full(self.shape, np.nan, np.float32)

    def encode(self, block: Block) -> bytes:
        """The bytes of a chunk."""
        array, content = self._array()
        array[:] = block
        encoded: bytes = content[KEY].to_bytes()
        return encoded

    def decode(self, encoded: bytes, name: str) -> Block:
        """The values of a chunk.

        Raises
        ------
        OutputError
            If it is damaged, by its name.
        """
        from zarr.core.buffer.cpu import Buffer

        array, content = self._array()
        content[KEY] = Buffer.from_bytes(encoded)
        try:
            return np.asarray(array[:], np.float32)
        except Exception as error:  # bytes that are in memory: whatever the codecs raise, they are damaged
            raise OutputError(f"{name} is damaged: {error}.", "Remove it: the same command makes it anew.") from error

    def _array(self) -> tuple[zarr.Array[Any], dict[str, Any]]:
        """An array in memory that is one chunk long, and what it is stored in."""
        import zarr
        from zarr.core.buffer.cpu import Buffer
        from zarr.storage import MemoryStore

        _one_thread()
        content: dict[str, Any] = {"zarr.json": Buffer.from_bytes(self._document)}
        with zarr.config.set({"array.write_empty_chunks": True}):  # what lacks all channels has to be written too
            return zarr.open_array(MemoryStore(content), mode="r+", zarr_format=3), content


def held(block: Block) -> Bools:
    """(step, channel): what a chunk holds. No image is all NaN."""
    return np.asarray(~np.isnan(block).all(axis=(2, 3)))


@cache
def _one_thread() -> None:
    """A process has one core: threads of Zarr and of the codec would only take turns."""
    import numcodecs.blosc  # type: ignore[import-untyped, unused-ignore]
    import zarr

    numcodecs.blosc.set_nthreads(1)
    zarr.config.set({"threading.max_workers": 1})


def read_bytes(url: str) -> bytes:
    """The bytes of a file.

    Raises
    ------
    OSError
        FileNotFoundError, or what was wrong.
    """
    return Path(url).read_bytes() if storage.is_plain(url) else remote.fetch(url)


def read_image(url: str, size: tuple[int, int] | None = None) -> tuple[npt.NDArray[np.float32], int]:
    """The image in an NPZ file and the file's bytes; a line that broke, or a server that denies, is raised as it is.

    Raises
    ------
    npz.DamagedError
        If there is something wrong with this file alone.
    """
    try:
        content = read_bytes(url)
    except FileNotFoundError as error:
        raise npz.DamagedError(MISSING) from error
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        if not storage.is_plain(url) or (isinstance(error, OSError) and error.errno not in THIS_FILE):
            raise
        raise npz.DamagedError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return npz.image(content, size), len(content)


def write_bytes(url: str, content: bytes) -> None:
    """Write a file or object with one call; errors are left to the caller, who knows which may pass."""
    if storage.is_plain(url):
        Path(url).write_bytes(content)
    else:
        fs, path = remote.file_system(url)
        fs.pipe_file(path, content)
