"""Bytes behind a URL: the whole file or its beginning, and a few files ahead of being asked for.

A process keeps one file system for each place, so that making a client is paid once.
"""

from __future__ import annotations

import errno
import functools
import os
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

from jobs import causes, storage
from jobs.storage import Options

READING: Mapping[str, Any] = {
    "max_concurrency": 1,  # more would ask for the size of each file first
    "config_kwargs": {"response_checksum_validation": "when_required"},  # TLS has its own, and FITS files theirs
}
"""How S3 is read with least work: CRC-32 in Python would cost as much as decoding an image."""
AHEAD, AHEAD_BYTES = 4, 256_000_000
"""Files that are read ahead; fewer, but one, where as many as the largest so far would be more bytes than this."""
DENIED, NO_SUCH_RANGE = (401, 403), 416
"""HTTP statuses; the latter is what the beginning of an empty file is answered with."""


def storage_options(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What a job's options `endpoint_url` and `anonymous` mean to fsspec; all else is from the environment."""
    s3: dict[str, Any] = {"endpoint_url": options["endpoint_url"]} if options.get("endpoint_url") else {}
    if options.get("anonymous"):
        s3["anon"] = True
    return {"s3": s3} if s3 else {}


def file_system(url: str, options: Options | None = None) -> tuple[Any, str]:
    """The file system that a URL is read from, and the path in it; see `storage.filesystem`."""
    known = {**(options or {})}
    known["s3"] = {**READING, **known.get("s3", {})}
    return storage.filesystem(url, known)


def fetch(url: str, options: Options | None = None, *, first: int | None = None) -> bytes:
    """All bytes of a file, or the first so many; at once if they were read ahead.

    S3 clients try again by themselves where a connection broke or S3 is busy: for 2 to 45 s.

    Raises
    ------
    OSError
        FileNotFoundError, PermissionError or another; what the client said is its cause.
    """
    content = _ahead.take(url, (options, first))
    return _read(url, options, first) if content is None else content


def ahead(urls: Iterable[str], options: Options | None = None, *, first: int | None = None) -> None:
    """Begin to read what will be fetched next, in this order; what was begun before and is not among it is dropped."""
    _ahead.begin(urls, (options, first))


def _read(url: str, options: Options | None, first: int | None) -> bytes:
    fs, path = file_system(url, options)
    try:
        content: bytes = fs.cat_file(path) if first is None else fs.cat_file(path, start=0, end=first)
    except Exception as error:
        if first and _status(error) == NO_SUCH_RANGE:
            return b""
        raise _translated(error, url) from error
    return content[:first]  # a server need not know ranges


def _translated(error: Exception, url: str) -> OSError:
    """A client's error as the OSError it amounts to, with the URL in it."""
    if isinstance(error, FileNotFoundError):
        code: int | None = errno.ENOENT
    elif isinstance(error, PermissionError) or _status(error) in DENIED:
        code = errno.EACCES
    else:
        code = getattr(error, "errno", None)
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    if code is None:
        return OSError(f"{url}: {said}")
    only_path = said.endswith(url.rpartition("://")[2])
    return OSError(code, os.strerror(code) if only_path else said, url)


def _status(error: Exception) -> int | None:
    """The HTTP status in an error of the HTTP client or, in its cause, of the S3 client."""
    return next(filter(None, map(causes.status, (error.__cause__ or error, error))), None)


How = tuple[Options | None, int | None]


class _Ahead:
    """Files that are being read before they are asked for, by one thread."""

    def __init__(self) -> None:
        self._how: How = (None, None)
        self._order: deque[str] = deque()
        self._begun: dict[str, Future[bytes]] = {}
        self._largest = 1

    def begin(self, urls: Iterable[str], how: How) -> None:
        """Begin with these, and forget all others."""
        kept = self._begun if how == self._how else {}
        self._how, self._order = how, deque(dict.fromkeys(urls))
        self._begun = {url: kept[url] for url in self._order if url in kept}
        self._fill()

    def take(self, url: str, how: How) -> bytes | None:
        """The content of one of them as soon as it is there; those before it will not be asked for any more."""
        if how != self._how or url not in self._order:
            return None
        while (passed := self._order.popleft()) != url:
            self._begun.pop(passed, None)
        reading = self._begun.pop(url, None)
        self._fill()
        content = reading.result() if reading else _read(url, *how)
        self._largest = max(self._largest, len(content))
        return content

    def _fill(self) -> None:
        for url in islice(self._order, max(1, min(AHEAD, AHEAD_BYTES // self._largest))):
            if url not in self._begun:
                self._begun[url] = _threads().submit(_read, url, *self._how)


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(AHEAD, "springline-ahead")


_ahead = _Ahead()


def _forget() -> None:
    """In a forked process there are no threads, and what they read will never come."""
    _threads.cache_clear()
    _ahead.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
