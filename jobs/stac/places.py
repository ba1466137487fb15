"""Where an asset's bytes go: a file appears at its place when all of it is there and is right, or not at all.

The chunks raise at their end if they were not what was expected; then nothing appears.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from functools import lru_cache
from typing import Any

from jobs import doors, storage
from jobs.stac.origins import CHUNK, S3_OPTIONS, SILENCE, dcache_href

PART, MOST_PARTS = 16 << 20, 9000
"""Bytes of a part of an S3 upload, unless the file is so large that it would have too many."""
REMEMBERED = 60.0
"""Seconds for which a directory that was made is believed to be there."""
FULL = 507
"""The HTTP status of a server without room."""


def put(url: str, chunks: Iterator[bytes], size: int | None) -> None:
    """Write one file at a URL.

    Parameters
    ----------
    size
        How many bytes there will be, where it is known.
    """
    fs, path = storage.filesystem(url, S3_OPTIONS)
    kind = doors.protocol_of(url)
    if kind in doors.S3:
        _to_s3(fs, path, chunks, size)
    elif kind in doors.WEBDAV:
        _to_webdav(fs, path, chunks, size)
    elif kind == "dcache":
        _to_dcache(fs, path, chunks, size)
    else:
        _to_other(fs, path, chunks)


def _to_s3(fs: Any, path: str, chunks: Iterator[bytes], size: int | None) -> None:  # noqa: ANN401 - s3fs is untyped
    """One object at once, or in parts that become an object at the end; the server's MD5 of each is compared."""
    bucket, key, _ = fs.split_path(path)
    named = {"Bucket": bucket, "Key": key}
    parts = _regrouped(chunks, max(PART, (size or 0) // MOST_PARTS))
    first, second = next(parts, b""), next(parts, None)
    if second is None:
        _same(fs.call_s3("put_object", **named, Body=first), first, path)
        return
    upload = {**named, "UploadId": fs.call_s3("create_multipart_upload", **named)["UploadId"]}
    try:
        done = []
        for number, part in enumerate(_chained(first, second, parts), 1):
            answer = fs.call_s3("upload_part", **upload, PartNumber=number, Body=part)
            _same(answer, part, path)
            done.append({"PartNumber": number, "ETag": answer["ETag"]})
        fs.call_s3("complete_multipart_upload", **upload, MultipartUpload={"Parts": done})
    except BaseException:
        with contextlib.suppress(Exception):  # the server may be what is wrong
            fs.call_s3("abort_multipart_upload", **upload)
        raise


def _same(answer: Any, content: bytes, path: str) -> None:  # noqa: ANN401 - what S3 answers
    """Refuse what S3 stored if its MD5 is another; objects under keys of KMS have no MD5."""
    etag = str(answer.get("ETag", "")).strip('"')
    is_md5 = len(etag) == 32 and "aws:kms" not in str(answer.get("ServerSideEncryption", ""))
    if is_md5 and etag != hashlib.md5(content, usedforsecurity=False).hexdigest():
        raise ConnectionError(f"s3://{path} did not arrive as it was sent")


def _chained(first: bytes, second: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield second
    yield from rest


def _regrouped(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of one size, but for the last."""
    held: list[bytes] = []
    count = 0
    for chunk in chunks:
        held.append(chunk)
        count += len(chunk)
        if count >= size:
            yield b"".join(held)
            held, count = [], 0
    if held:
        yield b"".join(held)


def _to_webdav(fs: Any, path: str, chunks: Iterator[bytes], size: int | None) -> None:  # noqa: ANN401 - webdav4 is untyped
    """A whole file under another name, whose size is asked for, then renamed."""
    scratch, counted = _scratch(path), _Counted(chunks)
    _make_folder(fs, path.rpartition("/")[0], int(time.monotonic() / REMEMBERED))
    client = fs.client
    try:
        length = {} if size is None else {"Content-Length": str(size)}
        response = client.http.put(client.join_url(scratch), content=counted, headers=length)
        response.raise_for_status()
        response = client.http.head(client.join_url(scratch))
        response.raise_for_status()
        _arrived(path, counted, response.headers)
        client.move(scratch, path, overwrite=True)
    except BaseException:
        with contextlib.suppress(Exception):  # the server may be what is wrong
            client.remove(scratch)
        raise


@lru_cache(4096)
def _make_folder(fs: Any, folder: str, _: int) -> None:  # noqa: ANN401 - a file system
    if folder.strip("/"):
        fs.makedirs(folder, exist_ok=True)


def _to_dcache(fs: Any, path: str, chunks: Iterator[bytes], size: int | None) -> None:  # noqa: ANN401 - dcachefs is untyped
    """The same for dCache, which makes directories by itself and tells an Adler-32."""
    import aiohttp
    from fsspec.asyn import sync

    scratch, counted = _scratch(path), _Counted(chunks)
    href = fs.encode_url(dcache_href(fs, scratch))
    known = {**fs.request_kwargs, "timeout": aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=SILENCE)}
    length = {} if size is None else {"Content-Length": str(size)}

    async def send() -> Any:  # noqa: ANN401 - headers
        session, said = await fs.set_session(), known.get("headers") or {}
        async with session.put(href, **{**known, "data": _in_threads(counted), "headers": said | length}) as response:
            response.raise_for_status()
        async with session.head(href, **{**known, "headers": said | {"Want-Digest": "adler32"}}) as response:
            response.raise_for_status()
            return response.headers

    try:
        _arrived(path, counted, sync(fs.loop, send))
        if fs.exists(path):  # its rename replaces nothing
            fs.rm(path)
        fs.mv(scratch, path)
    except BaseException:
        with contextlib.suppress(Exception):  # the server may be what is wrong
            fs.rm(scratch)
        raise


async def _in_threads(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Chunks for the event loop of fsspec, which their reading may need meanwhile."""
    while chunk := await asyncio.to_thread(next, chunks, b""):
        yield chunk


def _to_other(fs: Any, path: str, chunks: Iterator[bytes]) -> None:  # noqa: ANN401 - any file system of fsspec
    """Any other file system: under another name first."""
    scratch = _scratch(path)
    fs.makedirs(path.rpartition("/")[0], exist_ok=True)
    try:
        with fs.open(scratch, "wb", block_size=CHUNK) as stream:
            for chunk in chunks:
                stream.write(chunk)
        fs.mv(scratch, path)
    except BaseException:
        with contextlib.suppress(Exception):  # it may be what is wrong
            fs.rm(scratch)
        raise


def _scratch(path: str) -> str:
    """A name beside a path that nobody else uses."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/{storage.SCRATCH}{secrets.token_hex(4)}-{name}"


class _Counted:
    """Chunks, with how many bytes there were and their Adler-32."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self.size, self.adler = 0, 1

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        chunk = next(self._chunks)
        self.size, self.adler = self.size + len(chunk), zlib.adler32(chunk, self.adler)
        return chunk


def _arrived(path: str, sent: _Counted, headers: Any) -> None:  # noqa: ANN401 - of aiohttp or httpx
    """Refuse what a server has stored if it is not what was sent."""
    size = headers.get("Content-Length")
    if size is not None and int(size) != sent.size:
        raise ConnectionError(f"{path} has {int(size):,} bytes on the server, and {sent.size:,} were sent")
    digest = str(headers.get("Digest", "")).lower()
    for part in digest.split(","):
        name, _, value = part.strip().partition("=")
        if name == "adler32" and int(value, 16) != sent.adler:
            raise ConnectionError(f"{path} has Adler-32 {value} on the server, and {sent.adler:08x} was sent")


def abort_uploads(url: str) -> None:
    """Abort what was begun below an S3 prefix and never became an object."""
    fs, path = storage.filesystem(url, S3_OPTIONS)
    bucket, key, _ = fs.split_path(path)
    found = fs.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=f"{key}/" if key else "")
    for upload in found.get("Uploads", []):
        fs.call_s3("abort_multipart_upload", Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
