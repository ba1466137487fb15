"""What a browser would do, on the laptop's network: wait for a first answer, download, ask small questions.

A program of its own, so that its CPU time is nobody else's; `rig.py` starts it. One JSON object in, one out.
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

EVERY = 0.02  # s between two tries for a first answer
PATIENCE = 0.25  # s for one try: a tunnel that is not through yet may hold or refuse it
PIECE = 1 << 20
_UNCHECKED = ssl._create_unverified_context()


class Connection:
    """One connection to the local port, HTTP/1.1; with `tls` the tunnel leads to a port that speaks it."""

    def __init__(self, port: int, token: str, timeout: float, *, tls: bool = False) -> None:
        self._token = token
        self._socket: socket.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self._socket = _UNCHECKED.wrap_socket(self._socket)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def get(self, path: str) -> tuple[int, int, bytes]:
        """Ask for a path; returns the status, the length of the whole body, and what of it is there already."""
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: token {self._token}\r\n\r\n"
        self._socket.sendall(head.encode())
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        headers, _, body = data.partition(b"\r\n\r\n")
        lines = headers.decode("latin-1").split("\r\n")
        sizes = [int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:")]
        return int(lines[0].split()[1]), sizes[0] if sizes else 0, body

    def small(self, path: str) -> int:
        """Ask for a path and read its whole body; returns the status."""
        status, size, body = self.get(path)
        while len(body) < size:
            body += self._more()
        return status

    def bulk(self, path: str, seconds: float) -> int:
        """Read a large body, for so long at most; returns how many bytes came."""
        status, size, body = self.get(path)
        if status != 200:
            raise ConnectionError(f"{path}: status {status}")
        got, deadline = len(body), time.monotonic() + seconds
        while got < size and time.monotonic() < deadline:
            got += len(self._more())
        return got

    def _more(self) -> bytes:
        data = self._socket.recv(PIECE)
        if not data:
            raise ConnectionError("closed")
        return data


def first(port: int, token: str, seconds: float, *, tls: bool = False) -> dict[str, Any]:
    """The moment (s, monotonic clock) of the first good answer of /api/status; `token` is a pattern of files."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        began = time.monotonic()
        try:
            with Connection(port, read_token(token), PATIENCE, tls=tls) as connection:
                if connection.small("/api/status") == 200:
                    return {"moment": time.monotonic()}
        except (OSError, ValueError):  # no token yet, nobody listens yet, or half an answer
            pass
        time.sleep(max(0.0, began + EVERY - time.monotonic()))
    return {"moment": None}


def read_token(pattern: str) -> str:
    """The token in the file of that pattern: as it is, or in what Jupyter notes of a running server."""
    root, _, below = pattern.partition("//")
    found = [*Path(root).glob(below)]
    text = found[0].read_text().strip() if found else ""
    if not text:
        raise ValueError("there is no token yet")
    return str(json.loads(text)["token"]) if text.startswith("{") else text


def download(port: int, token: str, path: str, seconds: float, *, tls: bool = False) -> dict[str, Any]:
    """How many bytes of a large file came in how many seconds."""
    began = time.monotonic()
    with Connection(port, token, 30, tls=tls) as connection:
        got = connection.bulk(path, seconds)
    return {"bytes": got, "seconds": time.monotonic() - began}


def load(port: int, token: str, path: str, seconds: float, *, tls: bool = False) -> dict[str, Any]:
    """Download again and again."""
    deadline, got = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        got += download(port, token, path, deadline - time.monotonic(), tls=tls)["bytes"]
    return {"bytes": got}


def ask(port: int, token: str, count: int, seconds: float, *, kept: bool, tls: bool = False) -> dict[str, Any]:
    """The milliseconds of each of `count` small requests, on one kept connection or on a new one each."""
    times: list[float] = []
    deadline = time.monotonic() + seconds
    common = Connection(port, token, 30, tls=tls)
    with common:
        common.small("/api")
        while len(times) < count and time.monotonic() < deadline:
            began = time.monotonic()
            if kept:
                common.small("/api")
            else:
                with Connection(port, token, 30, tls=tls) as connection:
                    connection.small("/api")
            times.append((time.monotonic() - began) * 1000)
    return {"times": times}


def do() -> None:
    """Do the work the command line asks for; no `main`, for this is no bench."""
    wanted = json.loads(sys.argv[1])
    works: dict[str, Callable[..., dict[str, Any]]] = {"first": first, "download": download, "load": load, "ask": ask}
    work = works[wanted.pop("work")]
    print("ready", flush=True)
    print(json.dumps(work(**wanted)), flush=True)


if __name__ == "__main__":
    do()
