"""Where an asset's bytes come from: one request for a file, from any position on, and what tells its versions apart."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jobs import causes, doors, storage
from jobs.errors import InputError

CHUNK = 4 << 20
"""Bytes that are read and written at a time."""
PAGES = ("text/html", "application/xhtml")
SILENCE = 120.0
"""Seconds without a byte after which a connection is given up."""
S3_OPTIONS: storage.Options = {
    "s3": {
        "config_kwargs": {
            "response_checksum_validation": "when_required", "request_checksum_calculation": "when_required",
        }
    }
}  # fmt: skip
"""Python's CRC-32 would cost more than the copy, and not every server knows it; MD5 is checked here."""


@dataclass(frozen=True)
class Facts:
    """What a server says of a file."""

    size: int | None = None
    tag: str = ""
    """Another one for another content; empty where the server does not tell."""
    md5: str = ""
    """Of the content, where the server tells."""
    page: str = ""
    """The host that answered, where what it sent is a web page."""


@dataclass(frozen=True)
class Origin:
    """A file that is being read."""

    facts: Facts
    """As it was opened."""
    start: int
    """Where the bytes begin: 0 where the server knows no ranges or has another version now."""
    chunks: Iterator[bytes]
    again: Callable[[], Facts] | None = None
    """Asks for the facts once more; None where the server sends one version whatever happens."""


@contextmanager
def opened(url: str, start: int = 0, tag: str = "") -> Iterator[Origin]:
    """Open a file for reading, once, from beginning to end.

    Parameters
    ----------
    start, tag
        Where to begin if the file is still the version of that tag; else it begins at 0.

    Raises
    ------
    OSError
        Or whatever the client raises.
    """
    if storage.is_plain(url):
        with _local(url, start, tag) as origin:
            yield origin
        return
    fs, path = storage.filesystem(url, S3_OPTIONS)
    kind = doors.protocol_of(url)
    if kind in doors.WEB:
        how = _of_aiohttp(fs, fs.encode_url(url), url, fs.kwargs, (start, tag))
    elif kind == "dcache":
        how = _of_aiohttp(fs, dcache_href(fs, path), url, fs.request_kwargs, (start, tag))
    elif kind in doors.WEBDAV:
        how = _of_httpx(fs.client, path, url, (start, tag))
    elif kind in doors.S3:
        how = _of_s3(fs, path, (start, tag))
    else:
        how = _other(fs, path, start, tag)
    with how as origin:
        yield origin


def dcache_href(fs: Any, path: str) -> str:  # noqa: ANN401 - dcachefs is untyped
    """Where dCache's WebDAV door has a file."""
    return f"{str(fs.webdav_url).rstrip('/')}/{quote(path.lstrip('/'))}"


@contextmanager
def _local(path: str, start: int, tag: str) -> Iterator[Origin]:
    if Path(path).is_dir():
        raise InputError(f"{path} is a directory; only files are staged.", "Name its files in the catalog.")
    with Path(path).open("rb") as stream:

        def facts() -> Facts:
            found = os.fstat(stream.fileno())
            return Facts(found.st_size, f"{found.st_ino}-{found.st_mtime_ns}")

        first = facts()
        start = stream.seek(start if tag == first.tag else 0)
        yield Origin(first, start, iter(lambda: stream.read(CHUNK), b""), facts)


@contextmanager
def _other(fs: Any, path: str, start: int, tag: str) -> Iterator[Origin]:  # noqa: ANN401 - any fsspec file system
    def facts() -> Facts:
        fs.invalidate_cache()
        found = fs.info(path)
        tags = (found.get(name) for name in ("etag", "ETag", "mtime", "modified", "created", "LastModified"))
        return Facts(found.get("size"), next((str(one) for one in tags if one), ""))

    first = facts()
    with fs.open(path, "rb", block_size=CHUNK) as stream:
        start = stream.seek(start) if start and tag == first.tag else 0
        yield Origin(first, start, iter(lambda: stream.read(CHUNK), b""), facts)


def _asked(start: int, tag: str) -> dict[str, str]:
    """Headers of a request for a file, or for the rest of it: no compression on the way, bytes are counted."""
    rest = {"Range": f"bytes={start}-", "If-Range": tag} if start and tag else {}
    return {"Accept-Encoding": "identity", **rest}


def _told(headers: Mapping[str, str], status: int = 200, host: str | None = "") -> tuple[Facts, int]:
    """What the headers of an answer say of the whole file, and where the bytes begin that follow."""
    page = (host or "HOST") if headers.get("Content-Type", "").lower().startswith(PAGES) else ""
    if headers.get("Content-Encoding", "identity") != "identity":
        return Facts(page=page), 0
    etag = headers.get("ETag", "")
    tag = headers.get("Last-Modified", "") if not etag or etag.startswith("W/") else etag
    length: str | None = headers.get("Content-Length")
    start = 0
    if status == 206:
        span, _, length = headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        start = int(span.partition("-")[0])
    return Facts(int(length) if length and length.isdecimal() else None, tag, page=page), start


@contextmanager
def _of_aiohttp(fs: Any, href: Any, url: str, options: Mapping[str, Any], where: tuple[int, str]) -> Iterator[Origin]:  # noqa: ANN401 - fsspec is untyped
    """HTTP, and dCache's door: both file systems have a session of aiohttp."""
    import aiohttp
    from fsspec.asyn import sync

    known = {**options, "timeout": aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=SILENCE)}

    async def ask(method: str, start: int, tag: str) -> aiohttp.ClientResponse:
        session = await fs.set_session()
        headers = {**(known.get("headers") or {}), **_asked(start, tag)}
        response: aiohttp.ClientResponse = await session.request(method, href, **{**known, "headers": headers})
        if response.status == 404:
            raise FileNotFoundError(url)
        if response.status != 416:
            response.raise_for_status()
        return response

    def again() -> Facts:
        response = sync(fs.loop, ask, "HEAD", 0, "")
        fs.loop.call_soon_threadsafe(response.close)
        return _told(response.headers)[0]

    response = sync(fs.loop, ask, "GET", *where)
    try:
        facts, start = _told(response.headers, response.status, response.url.host)
        if response.status == 416 or (response.status == 206 and (facts.tag, start) != (where[1], where[0])):
            fs.loop.call_soon_threadsafe(response.close)
            response = sync(fs.loop, ask, "GET", 0, "")
            facts, start = _told(response.headers, host=response.url.host)
        yield Origin(facts, start, _chunks(fs, response.content), again)
    finally:
        fs.loop.call_soon_threadsafe(response.close)


@contextmanager
def _of_httpx(client: Any, path: str, url: str, where: tuple[int, str]) -> Iterator[Origin]:  # noqa: ANN401 - webdav4's client
    """WebDAV: its file is had by plain HTTP."""
    href = client.join_url(path)

    def ask(method: str, start: int, tag: str) -> Any:  # noqa: ANN401 - httpx.Response
        request = client.http.build_request(method, href, headers=_asked(start, tag))
        response = client.http.send(request, stream=True, follow_redirects=True)
        if response.is_error and response.status_code != 416:
            response.close()
            if response.status_code == 404:
                raise FileNotFoundError(url)
            response.raise_for_status()
        return response

    def again() -> Facts:
        with closing(ask("HEAD", 0, "")) as response:
            return _told(response.headers)[0]

    response = ask("GET", *where)
    try:
        facts, start = _told(response.headers, response.status_code, response.url.host)
        partial = response.status_code == 206
        if response.status_code == 416 or (partial and (facts.tag, start) != (where[1], where[0])):
            response.close()
            response = ask("GET", 0, "")
            facts, start = _told(response.headers, host=response.url.host)
        yield Origin(facts, start, response.iter_raw(CHUNK), again)
    finally:
        response.close()


@contextmanager
def _of_s3(fs: Any, path: str, where: tuple[int, str]) -> Iterator[Origin]:  # noqa: ANN401 - s3fs is untyped
    """S3 sends one version from beginning to end, and has the MD5 of what was put at once."""

    bucket, key, version = fs.split_path(path)
    named = {"Bucket": bucket, "Key": key, **({"VersionId": version} if version else {})}
    start, tag = where
    answer = None
    if start and tag:
        try:
            answer = fs.call_s3("get_object", **named, Range=f"bytes={start}-", IfMatch=tag)
        except OSError as error:
            if causes.status(error.__cause__ or error) not in (412, 416):
                raise
    if answer is None:
        start, answer = 0, fs.call_s3("get_object", **named)
    body = answer["Body"]
    try:
        etag = str(answer.get("ETag", ""))
        whole = etag.strip('"')
        is_md5 = len(whole) == 32 and "aws:kms" not in str(answer.get("ServerSideEncryption", ""))
        facts = Facts(start + int(answer["ContentLength"]), etag, whole if is_md5 else "")
        yield Origin(facts, start, _chunks(fs, body))
    finally:
        fs.loop.call_soon_threadsafe(body.close)


def _chunks(fs: Any, stream: Any) -> Iterator[bytes]:  # noqa: ANN401 - of fsspec; of aiohttp or aiobotocore
    """The chunks of an answer; the next one comes in while the last one is compared and written."""
    coming = asyncio.run_coroutine_threadsafe(_gather(stream), fs.loop)
    try:
        while chunk := coming.result():
            coming = asyncio.run_coroutine_threadsafe(_gather(stream), fs.loop)
            yield chunk
    finally:
        coming.cancel()


async def _gather(stream: Any) -> bytes:  # noqa: ANN401 - of aiohttp or aiobotocore
    """A chunk, from the small pieces that arrive."""
    parts, left = [], CHUNK
    while left and (part := await stream.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
