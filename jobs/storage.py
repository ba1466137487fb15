"""Files and stores behind a URL: listing inputs, opening them, replacing outputs. Any fsspec protocol."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, wraps
from pathlib import Path
from typing import IO, Any, TypeVar

from jobs import causes, doors, s3
from jobs.errors import InputError, OutputError

Options = Mapping[str, Mapping[str, Any]]
"""What fsspec is told, by protocol: {"s3": {"anon": True}}."""

NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)
"""What a file system says that has no locks: Lustre, unless it is mounted with them."""
SCRATCH = ".part-"
"""Names of scratch files begin so: hidden from `*`, and removed after a kill."""
OBJECT_STORES = ("s3", "s3a", "gs", "gcs", "abfs", "az")
READ_ONLY = ("http", "https")
FSSPEC = "Is the protocol's fsspec package installed?"
OTHER = "Choose another --target or --output."
WEB_HINT = "A WebDAV server is written as webdav://HOST/PATH; directories, s3:// and dcache:// are written too."
Answer = TypeVar("Answer")
WAITS = (0.2, 1.0, 3.0)
"""Seconds before a small file is asked for again."""
NOT_THERE = 404
TRY_AGAIN = "Check the place and the network, or try again later."
BRIEFLY = 5.0
"""Seconds for which it is remembered that a place can be written: a notebook's process lives for days."""
ZARR_MARKS = ("zarr.json", ".zgroup", ".zmetadata")


def filesystem(url: str, options: Options | None = None) -> tuple[Any, str]:
    """The fsspec file system of a URL and the path in it; a process has one for each place.

    Raises
    ------
    InputError
        If the protocol is not known, or its package not installed.
    """
    import fsspec

    protocol = doors.protocol_of(str(url))
    known = dict((options or {}).get("s3" if protocol == "s3a" else protocol, {}))
    if protocol in doors.S3:
        known = s3.with_access(known)
    elif protocol in doors.WEB:
        known = {**doors.web_options(), **known}
    try:
        if protocol == "dcache":
            import dcachefs  # type: ignore[import-untyped, unused-ignore]  # noqa: F401 - fsspec learns of it so
        to_fs = doors.webdav if protocol in doors.WEBDAV else fsspec.core.url_to_fs
        fs, path = to_fs(str(url), **known)
    except (ImportError, ValueError, OSError) as error:  # OSError: some connect at once
        package = doors.PACKAGES.get(protocol)
        hint = f"pip install 'springline[stac]' brings {package}." if package else FSSPEC
        raise InputError(f"{url} cannot be opened: {error}", hint) from error
    return fs, path.rstrip("/") or path


def is_plain(path: str) -> bool:
    """Whether it is a path of this machine without any protocol; costs nothing, so it may be asked a million times."""
    return "://" not in path and "::" not in path


def is_local(url: str) -> bool:
    """Whether a URL names a file of this machine."""
    protocol = filesystem(url)[0].protocol
    return "file" in ([protocol] if isinstance(protocol, str) else protocol)


def absolute(url: str) -> str:
    """The same place for a process that runs in another directory."""
    return filesystem(url)[1] if is_local(url) else url


def basename(url: str) -> str:
    """Last part of a URL: what may be said of an input without telling where it lies."""
    return str(url).rstrip("/").rsplit("/", 1)[-1]


def beside(output: str, suffix: str) -> str:
    """The URL of a companion of an output."""
    return str(output).rstrip("/") + suffix


def is_zarr(url: str) -> bool:
    """Whether there is a Zarr group at the URL."""
    fs, path = filesystem(url)
    return any(fs.exists(f"{path}/{mark}") for mark in ZARR_MARKS)


def unread(url: str, error: Exception) -> InputError:
    """What a client's error says of an input: who denies it, or does not answer, and what to do."""
    if known := doors.trouble(error, url):
        return InputError(f"{url} cannot be read: {known[0]}.", known[1])
    if causes.may_pass(error):
        why = list(causes.chain(error))[-1]
        return InputError(f"{url} cannot be read: its server does not answer ({type(why).__name__}: {why}).", TRY_AGAIN)
    return InputError(f"{url} cannot be read: {type(error).__name__}: {error}.", TRY_AGAIN)


def remove(url: str) -> None:
    """Delete a store or file if it is there."""
    fs, path = filesystem(url)
    try:
        if fs.exists(path):
            fs.rm(path, recursive=True)
    except OSError as error:
        raise OutputError(f"{url} cannot be removed: {error}", "Is another program using it?") from error


def refuse_overlap(output: str, inputs: Iterable[str]) -> None:
    """Refuse an output that is, holds or lies in one of the inputs, which writing would destroy.

    Raises
    ------
    OutputError
        Naming the input.
    """
    target = absolute(output).rstrip("/") + "/"
    for item in inputs:
        source = absolute(item).rstrip("/") + "/"
        if source.startswith(target) or (target.startswith(source) and is_zarr(item)):
            raise OutputError(f"The output {output} would overwrite the input {item}.", "Choose another --output.")


@contextlib.contextmanager
def exclusive(output: str, run_dir: str | None = None) -> Iterator[None]:
    """Be the only run of this machine, and of those that share its file locks, that writes to an output.

    The lock lies in `run_dir`, by default beside the output; a directory that holds nothing else goes with it.

    Raises
    ------
    OutputError
        If another run is writing there.
    """
    place = run_dir or beside(output, ".run")
    if not is_local(place):
        yield
        return
    lock = Path(absolute(place), "lock")
    held = _locked(lock, output)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if list(lock.parent.iterdir()) == [lock]:
                lock.unlink()
                lock.parent.rmdir()
        held.close()


def _locked(lock: Path, output: str) -> IO[str]:
    """The open lock file, which nobody else holds."""
    try:
        import fcntl
    except ImportError:  # Windows has no such lock
        fcntl = None  # type: ignore[assignment]
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        held = lock.open("w")
    except OSError as error:
        raise OutputError(f"{output} cannot be written: {error}", "Choose another --output.") from error
    try:
        if fcntl:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            held.close()
            hint = "Wait for it, or choose another --output."
            raise OutputError(f"Another run is writing to {output}.", hint) from error
    return held


def briefly(function: Callable[[str], None]) -> Callable[[str], None]:
    """Let what a function found in order be so for a few seconds: it is asked for each of a million items."""

    @lru_cache(4096)
    def remembered(_: int, text: str) -> None:
        function(text)

    return wraps(function)(lambda text: remembered(int(time.monotonic() / BRIEFLY), text))


@briefly
def refuse_unwritable(folder: str) -> None:
    """Refuse a directory in which nothing can be made, or that cannot be made itself; a bucket that is not there.

    Raises
    ------
    OutputError
        Saying where it ends.
    """
    if not is_plain(folder):
        protocol, _, path = folder.partition("://")
        _refuse_bucket(f"{protocol}://{path.partition('/')[0]}")
        return
    there = Path(folder).absolute()
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise OutputError(f"{folder} cannot be made: {there} is no directory.", OTHER)
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(f"Nothing can be written in {there}.", OTHER)


@briefly
def _refuse_bucket(url: str) -> None:
    protocol = url.partition("://")[0]
    if protocol in READ_ONLY:
        raise OutputError(f"Nothing can be written to {url}: {protocol} is for reading.", WEB_HINT)
    if protocol not in OBJECT_STORES:
        return
    fs, bucket = filesystem(url)
    try:
        there = fs.exists(bucket)
    except Exception as error:  # the clients' errors have no class in common
        said, hint = doors.trouble(error, url) or (str(error), "Check the network and the keys.")
        raise OutputError(f"{url} cannot be reached: {said}", hint) from error
    if not there:
        hint = f"Check its name, or set {doors.KEYS}." if protocol in doors.S3 else OTHER
        raise OutputError(f"There is no bucket {url}, or its keys are missing.", hint)


def write_bytes(url: str, content: bytes) -> None:
    """Write a small file; on a local disk it appears whole or not at all."""
    fs, path = filesystem(url)
    try:
        if url.partition("://")[0] not in OBJECT_STORES:  # where it would make a bucket
            fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        if is_local(url):
            scratch = Path(f"{path}.{os.getpid()}.part")
            scratch.write_bytes(content)
            scratch.replace(path)
        else:
            fs.pipe_file(path, content)
    except OSError as error:
        raise OutputError(f"{url} cannot be written: {error}", "Choose another --output.") from error


def write_json(url: str, values: object) -> None:
    """Write a small JSON file, whole or not at all."""
    write_bytes(url, json.dumps(values, indent=2, ensure_ascii=False).encode() + b"\n")


def read_json(url: str) -> dict[str, Any] | None:
    """A small JSON file; None only where nothing is there.

    Raises
    ------
    InputError
        If it cannot be told whether it is there, or it is no JSON object. What may pass is tried again first.
    """
    content = _read_patiently(url)
    if content is None:
        return None
    try:
        found = json.loads(content)
    except ValueError as error:
        raise InputError(f"{url} is no JSON, or cut off.", "Remove it, or copy or build it again.") from error
    if not isinstance(found, dict):
        raise InputError(f"{url} holds no JSON object.", "Is it the right place?")
    return found


def _read_patiently(url: str) -> bytes | None:
    fs, path = filesystem(url)
    try:
        return bytes(patiently(lambda: fs.cat_file(path)))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Exception as error:  # the clients' errors have no class in common
        if causes.status(error) == NOT_THERE:
            return None
        said, hint = doors.trouble(error, url) or (f"{type(error).__name__}: {error}", TRY_AGAIN)
        raise InputError(f"{url} cannot be read: {said}.", hint) from error


def patiently(action: Callable[[], Answer]) -> Answer:
    """What a request gives; a server that is busy is asked a few times more."""
    for wait in WAITS:
        try:
            return action()
        except Exception as error:  # the clients' errors have no class in common
            if not causes.may_pass(error):
                raise
            time.sleep(wait)
    return action()
