"""The job of ``springline platform check``: says what a session would find on this node, and holds doors open."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from .addresses import LOOPBACK, host_keys, login_name, node_address
from .scratch import LONGEST_TMP
from .state import iso, write_private

PYPI = "https://pypi.org/simple/pip/"
PYPI_SECONDS = 8
HOLD_SECONDS = 120  # for the launcher to try the doors


def main(arguments: Sequence[str] | None = None) -> None:
    """Open the doors, say so in state.json and the rest in facts.json; end when there is a file ``done``."""
    os.umask(0o077)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory, started = Path((sys.argv[1:] if arguments is None else arguments)[-1]), time.time()
    base = tempfile.gettempdir()
    with tempfile.TemporaryDirectory(prefix="springline-", dir=base if len(base) <= LONGEST_TMP else "/tmp") as private:
        state = {**_state(started), "doors": _doors(Path(private), (directory / "greeting").read_text("utf-8"))}
        write_private(directory / "facts.json", json.dumps(_facts((directory / "packages").read_text("utf-8").split())))
        write_private(directory / "state.json", json.dumps(state) + "\n")
        while not (directory / "done").exists() and time.time() < started + HOLD_SECONDS:
            time.sleep(0.1)


def _state(started: float) -> dict[str, Any]:
    host = socket.gethostname()
    address = node_address(os.environ, host)
    return {
        "phase": "ready",
        "host": host,
        "address": address,
        "user": login_name(),
        "host_keys": host_keys(),
        "started": iso(started),
    }


def _doors(private: Path, greeting: str) -> dict[str, str | int]:
    """Listen as a session would: at the node's address, its loopback, and a private socket."""
    address = node_address(os.environ, socket.gethostname())
    outside = socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
    loopback = socket.create_server((LOOPBACK, 0))
    doors: dict[str, str | int] = {"tcp": outside.getsockname()[1], "loopback": loopback.getsockname()[1]}
    inside = socket.socket(socket.AF_UNIX)
    with suppress(OSError):  # this file system may know no sockets: then there is one door less
        inside.bind(str(private / "door"))
        inside.listen()
        doors["socket"] = str(private / "door")
    for listener in (outside, loopback, *([inside] if "socket" in doors else [])):
        threading.Thread(target=_greet, args=(listener, greeting), daemon=True).start()
    return doors


def _greet(listener: socket.socket, greeting: str) -> None:
    """Tell whoever connects the greeting, which proves that it is us, and the time here."""
    while True:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(f"{greeting} {time.time()}\n".encode())


def _facts(names: Sequence[str]) -> dict[str, Any]:
    packages = {}
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            packages[name] = metadata.version(name)
    return {
        "software": {"path": sys.executable, "version": sys.version.split()[0], "packages": packages},
        "internet": _internet(),
    }


def _internet() -> str:
    """Empty if PyPI answers, through the environment's proxies where there are any; else why not."""
    try:
        urllib.request.urlopen(PYPI, timeout=PYPI_SECONDS).close()
    except OSError as error:
        return str(error)
    return ""
