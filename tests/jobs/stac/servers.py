"""Real servers on this machine: HTTP that breaks as networks do, WebDAV, and what dcachefs needs of a dCache."""

from __future__ import annotations

import base64
import json
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

NAME, PASSWORD, TOKEN = "anna", "secret", "macaroon"


class Web(ThreadingHTTPServer):
    """A folder over HTTP with ranges and ETags; what is in `faults` is done to one GET of that path each."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.seen = folder, list[str]()
        self.faults: dict[str, list[str | Callable[[], object]]] = {}
        self.ranges, self.etags, self.login, self.pause = True, True, False, 0.0
        """`pause`: seconds between two pieces of 64 KiB."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def gets(self, name: str) -> list[str]:
        """The GETs of a file, with their ranges."""
        return [line for line in self.seen if line.startswith(f"GET /{name} ")]

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each small answer takes 40 ms
    server: Web

    def do_GET(self) -> None:
        """Send a file, or the rest of it, or break."""
        path = unquote(urlsplit(self.path).path)
        self.server.seen.append(f"{self.command} {path} {self.headers.get('Range', '')}")
        waiting = self.server.faults.get(path, [])
        fault = waiting.pop(0) if waiting and self.command == "GET" else ""
        file = self.server.folder / path.lstrip("/")
        allowed = f"Basic {base64.b64encode(f'{NAME}:{PASSWORD}'.encode()).decode()}"
        if self.server.login and self.headers.get("Authorization") != allowed:
            return self._refuse(401)
        if isinstance(fault, str) and fault.startswith("http"):
            self.send_response(302)
            self.send_header("Location", fault)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        if isinstance(fault, str) and fault.isdigit():
            return self._refuse(int(fault))
        if not file.is_file():
            return self._refuse(404)
        return self._send(file, fault)

    do_HEAD = do_GET

    def _refuse(self, status: int) -> None:
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", "Basic")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, file: Path, fault: str | Callable[[], object]) -> None:
        state = file.stat()
        etag, size, start = f'"{state.st_mtime_ns:x}-{state.st_size:x}"', state.st_size, 0
        asked, condition = self.headers.get("Range"), self.headers.get("If-Range", etag)
        if asked and self.server.ranges and condition == etag:
            start = int(asked.removeprefix("bytes=").partition("-")[0])
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        if self.server.etags:
            self.send_header("ETag", etag)
        self.send_header("Content-Length", str(size - start + (1000 if fault == "lie" else 0)))
        kinds = {".json": "application/json", ".html": "text/html; charset=utf-8"}
        self.send_header("Content-Type", kinds.get(file.suffix, "application/octet-stream"))
        self.end_headers()
        if self.command == "GET":
            self._body(file, start, fault)

    def _body(self, file: Path, start: int, fault: str | Callable[[], object]) -> None:
        with file.open("rb") as stream:
            middle = (start + file.stat().st_size) // 2
            stream.seek(start)
            while piece := stream.read(65536):
                self.wfile.write(piece)
                time.sleep(self.server.pause)
                if stream.tell() > middle and fault == "cut":
                    break
                if stream.tell() > middle and callable(fault):
                    fault()
                    fault = ""
        if fault in ("cut", "lie"):
            self.close_connection = True

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@contextmanager
def serve_web(folder: Path) -> Iterator[Web]:
    """A folder over HTTP."""
    server = Web(folder)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Dav:
    """A folder over WebDAV."""

    folder: Path
    server: str
    """Host and port."""
    seen: list[str] = field(default_factory=list)
    """Requests."""
    full: bool = False
    """Answers every PUT with 507."""
    faults: dict[str, list[str]] = field(default_factory=dict)
    """Answers to one request for that path each, after the method where it is named: "PUT /a.json"."""

    @property
    def base(self) -> str:
        """Its address for a browser."""
        return f"http://{self.server}"

    @property
    def url(self) -> str:
        """Its address for springline."""
        return f"webdav://{self.server}"


@contextmanager
def serve_dav(folder: Path, *, login: bool = False, dcache: bool = False) -> Iterator[Dav]:
    """Wsgidav under cheroot.

    Parameters
    ----------
    login
        Whether it wants NAME and PASSWORD.
    dcache
        Whether it also does what dcachefs asks of a dCache (its namespace over REST, and a PUT that makes directories),
        and wants TOKEN instead. This is not dCache: only what its client sees of it.
    """
    from cheroot.wsgi import Server
    from wsgidav.wsgidav_app import WsgiDAVApp

    users = {"*": {NAME: {"password": PASSWORD}} if login else True}
    inner = WsgiDAVApp(
        {
            "provider_mapping": {"/": str(folder)}, "simple_dc": {"user_mapping": users}, "verbose": 0,
            "logging": {"enable": False}, "lock_storage": True, "property_manager": None,
            "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
        }
    )  # fmt: skip
    dav = Dav(folder, "")
    server = Server(("127.0.0.1", 0), _Front(dav, inner, dcache), numthreads=8)
    server.prepare()
    dav.server = f"127.0.0.1:{server.bind_addr[1]}"
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield dav
    finally:
        server.stop()
        thread.join(10)


class _Front:
    """What stands before wsgidav: a list of requests, a full disk, and dCache's own ways."""

    def __init__(self, dav: Dav, inner: Any, dcache: bool) -> None:  # noqa: ANN401 - a WSGI application
        self._dav, self._inner, self._dcache = dav, inner, dcache

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:  # noqa: ANN401 - as WSGI has it
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self._dav.seen.append(f"{method} {path}")
        if self._dcache and environ.get("HTTP_AUTHORIZATION") != f"Bearer {TOKEN}":
            return _answer(start, "401 Unauthorized")
        if self._dav.full and method == "PUT":
            environ["wsgi.input"].read()
            return _answer(start, "507 Insufficient Storage")
        if waiting := self._dav.faults.get(f"{method} {path}") or self._dav.faults.get(path):
            environ["wsgi.input"].read()
            return _answer(start, waiting.pop(0))
        if not self._dcache:
            return self._inner(environ, start)
        if path.startswith("/api/v1/namespace"):
            name = unquote(path.removeprefix("/api/v1/namespace/"))
            return self._namespace(environ, name, environ["QUERY_STRING"], start)
        file = self._dav.folder / path.lstrip("/")
        if method == "PUT":
            file.parent.mkdir(parents=True, exist_ok=True)
        if method == "HEAD" and environ.get("HTTP_WANT_DIGEST") == "adler32" and file.is_file():
            content = file.read_bytes()
            headers = [("Content-Length", str(len(content))), ("Digest", f"adler32={zlib.adler32(content):08x}")]
            start("200 OK", headers)
            return [b""]
        return self._inner(environ, start)

    def _namespace(self, environ: dict[str, Any], path: str, query: str, start: Callable[..., Any]) -> list[bytes]:
        file = self._dav.folder / path.lstrip("/")
        if not file.exists():
            return _answer(start, "404 Not Found")
        if environ["REQUEST_METHOD"] == "DELETE":
            file.rmdir() if file.is_dir() else file.unlink()
            return _answer(start, "200 OK", b"{}")
        if environ["REQUEST_METHOD"] == "POST":
            asked = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            target = self._dav.folder / asked["destination"].lstrip("/")
            if target.exists():
                return _answer(start, "409 Conflict")
            file.rename(target)
            return _answer(start, "200 OK", b"{}")
        found = _entry(file)
        if "children=true" in query.lower() and file.is_dir():
            found["children"] = [{**_entry(child), "fileName": child.name} for child in sorted(file.iterdir())]
        return _answer(start, "200 OK", json.dumps(found).encode())


def _entry(file: Path) -> dict[str, Any]:
    state = file.stat()
    kind = "DIR" if file.is_dir() else "REGULAR"
    return {
        "fileType": kind,
        "size": state.st_size,
        "creationTime": state.st_ctime * 1e3,
        "mtime": state.st_mtime * 1e3,
    }


def _answer(start: Callable[..., Any], status: str, body: bytes = b"") -> list[bytes]:
    start(status, [("Content-Length", str(len(body))), ("Content-Type", "application/json")])
    return [body]
