"""One asset from where it is to where it shall be: verified, whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import urlsplit

from jobs import causes, doors, storage
from jobs.errors import InputError
from jobs.stac import hashes, origins, places
from jobs.stac.origins import CHUNK, Facts, Origin

HALF = ".half-"
"""Begins the name of a file that another run may go on with."""
NOTE = ".json"


@dataclass
class Expected:
    """What the catalog says of a file, and what is known of it at the end."""

    url: str
    size: int | None
    checksum: str
    """A multihash in hexadecimal digits, or nothing."""
    read: int = 0
    """Bytes that came over the line."""
    whole: int = 0
    """Bytes of the file."""
    found: str = ""
    """The multihash of what came."""
    media: str = ""
    """A media type, as the catalog says."""
    signed: str = ""
    """The URL with what lets somebody in for a while."""
    opened: bool = False
    failure: Exception | None = None
    """What went wrong with the file itself; clients of the place it goes to have other words for it."""


def stage(
    source: str, target: str, *, name: str = "", filesize: int | None = None, checksum: str = "",
    media: str = "", signed: str = "", **_: object,
) -> dict[str, Any]:  # fmt: skip
    """Copy one file.

    Parameters
    ----------
    name
        What the file will be called; `target` may be a scratch beside it.
    filesize, checksum
        What the catalog says: bytes, and a multihash.
    media
        The media type of the file, as the catalog says.
    signed
        The source with what lets somebody in for a while.

    Raises
    ------
    InputError
        If the file is not what the catalog or its server say, or changes meanwhile, or may not be read or written.
    """
    expected, resumed = Expected(source, filesize, checksum, media=media, signed=signed or source), 0
    try:
        if storage.is_plain(target):
            resumed = _to_file(expected, Path(target), Path(target).with_name(HALF + (name or Path(target).name)))
        else:
            with origins.opened(expected.signed) as origin:
                _refuse_page(expected, origin.facts)
                places.put(target, _held_back(_checked(origin, expected)), origin.facts.size)
    except Exception as error:
        raise _told(expected.failure or error, expected, target) from error
    return {
        "bytes_in": expected.read, "bytes_out": expected.whole, "size": expected.whole, "checksum": expected.found,
        **({"resumed": resumed} if resumed else {}),
    }  # fmt: skip


def _told(error: Exception, expected: Expected, target: str) -> Exception:
    """The error with the place it is about, and with what to do where that is known."""
    url = expected.url if expected.failure or not expected.opened else target
    if known := doors.trouble(error, url):
        return InputError(f"{url}: {known[0]}.", known[1])
    if isinstance(error, FileNotFoundError) and url == expected.url:
        return InputError(f"{url} is not there.", "Was it moved? Fetch the catalog anew, or build it again.")
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or any(causes.status(one) == places.FULL for one in causes.chain(error)):
        return OSError(errno.ENOSPC, f"no room for {expected.url}", target.rpartition("/")[0])
    return error


def _checked(origin: Origin, expected: Expected, before: Iterable[bytes] = ()) -> Iterator[bytes]:
    """The chunks of a file, whose own error is kept: what reads them may have other words for it."""
    expected.opened = True
    try:
        yield from _compared(origin, expected, before)
    except Exception as error:
        expected.failure = error
        raise


def _held_back(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same chunks, the last of them only when all was compared: no server ever gets the whole of a wrong file."""
    first = next(chunks, None)

    def rest(held: bytes) -> Iterator[bytes]:
        for chunk in chunks:
            yield held
            held = chunk
        yield held

    return iter(()) if first is None else rest(first)


def _compared(origin: Origin, expected: Expected, before: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks of a file; at their end an error if they are not what was expected.

    Parameters
    ----------
    before
        Bytes that were copied in an earlier attempt.
    """
    first = origin.facts
    _refuse_size(expected, first.size)
    algorithm = hashes.algorithm_of(expected.checksum) or hashes.DEFAULT
    found = hashes.Hashes(algorithm, *(["md5"] if first.md5 else []))
    for chunk in before:
        found.update(chunk)
        expected.whole += len(chunk)
    for chunk in origin.chunks:
        found.update(chunk)
        expected.whole, expected.read = expected.whole + len(chunk), expected.read + len(chunk)
        yield chunk
    expected.found = hashes.multihash(algorithm, found.digest(algorithm))
    if first.size is not None and expected.whole != first.size:
        raise _changed(expected, first.size, expected.whole)
    _refuse_size(expected, expected.whole)
    if hashes.algorithm_of(expected.checksum) and expected.found != expected.checksum.lower():
        raise InputError(
            f"{expected.url} is not what the catalog says: its {algorithm} is another.",
            "It was replaced, or damaged on the way: fetch the catalog anew, or run the same command again.",
        )
    if first.md5 and found.digest("md5").hex() != first.md5:
        raise ConnectionError(f"{expected.url} did not arrive as it was sent: its MD5 is another")
    if origin.again and expected.read > CHUNK and not hashes.algorithm_of(expected.checksum):
        _refuse_change(expected, first, origin.again)


def _refuse_size(expected: Expected, size: int | None) -> None:
    if None not in (expected.size, size) and expected.size != size:
        raise InputError(
            f"{expected.url} has {size:,} bytes, and the catalog says {expected.size:,}.",
            "It was replaced, or is cut off: fetch or build the catalog anew.",
        )


def _refuse_page(expected: Expected, facts: Facts) -> None:
    """Refuse a web page in the place of data: a login, or the listing of a directory."""
    if not facts.page:
        return
    ending = PurePosixPath(urlsplit(expected.url).path).suffix.lower()
    if "html" in expected.media or (not expected.media and ending in ("", ".html", ".htm", ".xhtml")):
        return
    raise InputError(
        f"{facts.page} sends a web page instead of {expected.url}: a login, or the listing of a directory.",
        f"{doors.login_of(facts.page)} If it is a directory: only files are staged.",
    )


def _refuse_change(expected: Expected, first: Facts, again: Callable[[], Facts]) -> None:
    """Refuse a file that has become another one while it was read; a server that does not answer is believed."""
    try:
        last: Facts = again()
    except Exception:  # noqa: BLE001 - the clients' errors have no class in common
        return
    if last.size is not None and last.size != expected.whole:
        raise _changed(expected, expected.whole, last.size)
    if last.tag != first.tag:
        raise InputError(f"{expected.url} was changed while it was copied.", AGAIN)


AGAIN = "Run the same command again when it stays as it is."


def _changed(expected: Expected, before: int, after: int) -> InputError:
    return InputError(f"{expected.url} changed while it was copied, from {before:,} bytes to {after:,}.", AGAIN)


def _to_file(expected: Expected, scratch: Path, half: Path) -> int:
    """Write a file of this machine; returns how many bytes of it were there from an earlier attempt."""
    start, tag = _left(half, expected.url)
    with origins.opened(expected.signed, start, tag) as origin:
        facts = origin.facts
        _refuse_page(expected, facts)
        _refuse_size(expected, facts.size)
        _refuse_full(half.parent, (facts.size or 0) - origin.start)
        if not facts.tag or (facts.size or 0) <= CHUNK:
            with scratch.open("wb") as stream:
                _write(stream, origin, expected)
            return 0
        with open(os.open(half, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as stream:  # noqa: PTH123 - not truncated yet
            if not _mine(stream):  # what a run that was killed left running still writes there
                raise BlockingIOError(errno.EAGAIN, "another process writes to it", str(half))
            if not origin.start:
                _note(half).write_text(json.dumps({"source": expected.url, "tag": facts.tag}))
            try:
                _write(stream, origin, expected)
            except (InputError, OSError) as error:
                if isinstance(error, InputError) or error.errno in (errno.ENOSPC, errno.EDQUOT):
                    forget(half)
                raise
            half.replace(scratch)
            _note(half).unlink(missing_ok=True)
        return origin.start


def _write(stream: IO[bytes], origin: Origin, expected: Expected) -> None:
    before = iter(lambda: stream.read(min(CHUNK, origin.start - stream.tell())), b"")
    checked = _checked(origin, expected, before if origin.start else ())
    for chunk in checked:
        stream.write(chunk)
    stream.truncate()


def _left(half: Path, source: str) -> tuple[int, str]:
    """How much of a file an earlier attempt left, and of which version; nothing if it was another file."""
    try:
        size = half.stat().st_size
        note = json.loads(_note(half).read_text())
        return (
            (size - 1, str(note["tag"])) if size > 1 and note["source"] == source else (0, "")
        )  # never beyond its end
    except (OSError, ValueError, KeyError, TypeError):
        return 0, ""


def _note(half: Path) -> Path:
    return half.with_name(half.name + NOTE)


def forget(half: Path) -> None:
    """Remove what is half there."""
    for path in (half, _note(half)):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _mine(stream: IO[bytes]) -> bool:
    """Whether no other process writes to a file, as far as its file system tells."""
    try:
        import fcntl

        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return True
    return True


def _refuse_full(folder: Path, wanted: int) -> None:
    """Refuse at once what will not fit."""
    free = shutil.disk_usage(folder).free
    if wanted > free:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} ({wanted:,} bytes wanted, {free:,} free)")
