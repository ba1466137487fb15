"""Reading from a real S3 server, through a real HTTP proxy that breaks connections as networks do."""

from __future__ import annotations

import errno
import http.client
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from jobs import causes
from jobs import s3 as keys
from jobs.errors import InputError
from jobs.sdo import remote
from jobs.storage import Options
from tests.jobs.conftest import ROOT
from tests.jobs.s3server import S3

CONTENT = bytes(range(256)) * 4000
BUSY = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class Proxy(ThreadingHTTPServer):
    """Hands requests on to a server; what is in `faults` is done to one request each."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind, self.faults, self.seen = urlsplit(behind).netloc, list[str](), list[str]()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def options(self) -> Options:
        """How S3 is read through it."""
        return {"s3": {"endpoint_url": self.url, "key": "key", "secret": "secret"}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def do_GET(self) -> None:
        """Hand on, or break."""
        self.server.seen.append(f"{self.command} {self.path}")
        fault = self.server.faults.pop(0) if self.server.faults else ""
        if fault == "reset":
            return self._reset()
        if fault.isdigit():
            return self._answer(int(fault), {"Content-Length": str(len(BUSY))}, BUSY)
        behind = http.client.HTTPConnection(self.server.behind, timeout=10)
        behind.request(self.command, self.path, headers=dict(self.headers))
        answer = behind.getresponse()
        body, headers = answer.read(), dict(answer.headers)
        for name in ("Connection", "Date", "Server", *(["Content-Length"] if fault == "chunked" else [])):
            headers.pop(name, None)
        half = body[: len(body) // 2]
        if fault == "chunked":
            self._answer(answer.status, headers | {"Transfer-Encoding": "chunked"}, b"%x\r\n%s\r\n" % (len(half), half))
        else:
            self._answer(answer.status, headers, half if fault else body)
        self.close_connection = bool(fault)
        return self._reset() if fault == "reset in the middle" else None

    do_HEAD = do_GET

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture
def proxy(s3: S3) -> Iterator[Proxy]:
    """A proxy of one test, with a client of its own, before the bucket `remote`."""
    s3.put("remote")
    server = Proxy(s3.url)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    remote.ahead([])
    server.shutdown()
    server.server_close()


def test_every_protocol_gives_the_file_and_its_beginning(s3: S3, proxy: Proxy, tmp_path: Path) -> None:
    """Plain paths, file://, memory://, http:// and s3:// with keys or without give the same bytes."""
    import fsspec

    (tmp_path / "file").write_bytes(CONTENT)
    fsspec.filesystem("memory").pipe_file("/remote/file", CONTENT)
    stored = s3.put("remote/file", CONTENT, public=True)
    empty = s3.put("remote/empty")
    local = [f"{tmp_path}/file", f"file://{tmp_path}/file", "memory://remote/file", f"{proxy.url}/remote/file"]
    anonymous = remote.storage_options({"endpoint_url": s3.url, "anonymous": True})
    for url, options in [*((url, {}) for url in local), (stored, s3.options), (stored, anonymous)]:
        assert remote.fetch(url, options) == CONTENT, url
        assert remote.fetch(url, options, first=1000) == CONTENT[:1000], url
    assert remote.fetch(empty, s3.options, first=1000) == b""


def test_one_client_and_one_request_for_each_file(s3: S3, proxy: Proxy) -> None:
    """A file costs one GET: neither its size nor its folder is asked for, and its client is the one before."""
    url = s3.put("remote/one", CONTENT)
    remote.fetch(url, proxy.options)
    remote.fetch(url, proxy.options, first=10)
    assert proxy.seen == ["GET /remote/one"] * 2
    first, second = (remote.file_system(url, dict(proxy.options))[0] for _ in range(2))
    assert first is second


@pytest.mark.parametrize("fault", ["503", "500", "reset", "reset in the middle", "cut", "chunked"])
@pytest.mark.parametrize("first", [None, 65536])
def test_a_hiccup_of_s3_is_passed_over(s3: S3, proxy: Proxy, fault: str, first: int | None) -> None:
    """S3 that is busy, a connection that breaks, and an answer that is cut short are asked once more."""
    url = s3.put("remote/hiccup", CONTENT)
    proxy.faults = [fault]
    assert remote.fetch(url, proxy.options, first=first) == CONTENT[:first]
    assert len(proxy.seen) == 2


@pytest.mark.parametrize("of_s3", [True, False])
def test_a_broken_line_may_pass(s3: S3, proxy: Proxy, of_s3: bool) -> None:
    """What stays cut short is an error that the engine tries again, never a short file."""
    s3.put("remote/cut", CONTENT, public=True)
    proxy.faults = ["cut"] * 99
    with pytest.raises(OSError, match="remote/cut") as raised:
        remote.fetch("s3://remote/cut" if of_s3 else f"{proxy.url}/remote/cut", proxy.options)
    assert causes.cause(raised.value) == causes.TRANSIENT


def test_what_is_not_there_or_not_ours_is_said_with_its_url(s3: S3, proxy: Proxy, tmp_path: Path) -> None:
    """Missing keys, buckets and files, and refusals, are the errors Python has for them, and final."""
    private = s3.put("remote/private", CONTENT)
    anonymous = remote.storage_options({"endpoint_url": s3.url, "anonymous": True})
    proxy.faults = ["404"]
    missing = [f"{proxy.url}/none", "s3://remote/none", "s3://no-bucket/x", f"{tmp_path}/none", "memory://none"]
    denied = [private, f"{proxy.url}/remote/private"]
    asked = [(FileNotFoundError, s3.options, url) for url in missing]
    for kind, options, url in asked + [(PermissionError, anonymous, url) for url in denied]:
        with pytest.raises(kind) as raised:
            remote.fetch(url, options)
        assert url in str(raised.value) and causes.cause(raised.value) == causes.PERMANENT
    with pytest.raises(InputError, match="cannot be opened"):
        remote.fetch("nonsense://x")
    with pytest.raises(IsADirectoryError):
        remote.fetch(str(tmp_path))


def test_without_keys_s3_is_anonymous_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No keys anywhere means anonymous; a broken profile is said; keys in the environment are used."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        monkeypatch.setattr(keys, "METADATA", nobody.getsockname())
        began = time.monotonic()
        assert _fresh("s3://bucket/key").anon and not _fresh("s3://bucket/key", {"s3": {"anon": False}}).anon
        assert time.monotonic() - began < 2
        monkeypatch.setenv("AWS_PROFILE", "none")
        with pytest.raises(InputError, match="none"):
            _fresh("s3://bucket/key")
        monkeypatch.delenv("AWS_PROFILE")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        assert not _fresh("s3://bucket/key").anon
    keys.has_keys.cache_clear()


def _fresh(url: str, options: Options | None = None) -> Any:  # noqa: ANN401 - s3fs is untyped
    keys.has_keys.cache_clear()
    return remote.file_system(url, options)[0]


def _until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_few_files_are_read_ahead(s3: S3, proxy: Proxy) -> None:
    """Four are begun, one more for each that is taken; nothing is read twice, and what is passed over is dropped."""
    urls = [s3.put(f"remote/ahead{number}", b"%d" % number) for number in range(12)]
    remote.ahead(urls[:10], proxy.options)
    _until(lambda: len(proxy.seen) >= 4)
    time.sleep(0.1)
    assert sorted(proxy.seen) == [f"GET /remote/ahead{number}" for number in range(4)]
    assert remote.fetch(urls[0], proxy.options) == b"0"
    assert remote.fetch(urls[3], proxy.options) == b"3"
    _until(lambda: len(proxy.seen) >= 8)
    assert remote.fetch(urls[11], proxy.options) == b"11"  # never announced
    remote.ahead(urls[6:], proxy.options)
    assert [remote.fetch(url, proxy.options) for url in urls[6:]] == [b"%d" % number for number in range(6, 12)]
    read = [path.rpartition("ahead")[2] for path in proxy.seen]
    assert sorted(read, key=int) == [*"0123456789", "10", "11", "11"]


def test_memory_for_what_is_read_ahead_is_bounded(s3: S3, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where files are large, fewer of them are read ahead."""
    monkeypatch.setattr(remote, "AHEAD_BYTES", len(CONTENT))
    monkeypatch.setattr(remote, "_ahead", remote._Ahead())
    urls = [s3.put(f"remote/large{number}", CONTENT) for number in range(8)]
    remote.ahead(urls, proxy.options)
    assert all(remote.fetch(url, proxy.options) == CONTENT for url in urls[:4])
    time.sleep(0.2)
    assert len(proxy.seen) <= 5


def test_an_error_of_a_file_read_ahead_is_its_own(s3: S3, proxy: Proxy) -> None:
    """It is raised where the file is asked for, with its type; asking again reads it again."""
    urls = [s3.put("remote/good", b"good"), "s3://remote/bad", "s3://remote/good"]
    remote.ahead(urls, proxy.options)
    assert remote.fetch(urls[0], proxy.options) == b"good"
    with pytest.raises(FileNotFoundError, match="remote/bad") as raised:
        remote.fetch(urls[1], proxy.options)
    assert raised.value.errno == errno.ENOENT
    s3.put("remote/bad", b"better")
    assert remote.fetch(urls[1], proxy.options) == b"better"


def test_a_forked_process_reads_on(s3: S3) -> None:
    """Neither the threads nor the client of the parent are waited for."""
    for number in range(6):
        s3.put("remote")
        s3.put(f"remote/fork{number}", CONTENT)
    script = f"""if True:
        import os, signal
        from jobs.sdo import remote
        urls = [f"s3://remote/fork{{number}}" for number in range(6)]
        remote.ahead(urls)
        assert len(remote.fetch(urls[0])) == {len(CONTENT)}
        child = os.fork()
        signal.alarm(20)
        assert len(remote.fetch(urls[1])) == {len(CONTENT)}
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    """
    done = subprocess.run([sys.executable, "-c", script], env=s3.env, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
