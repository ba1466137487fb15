"""The job of ``springline platform check``: says what a session would find on this node, and holds doors open."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from .addresses import LOOPBACK, host_keys, login_name, node_address
from .scratch import DEFAULT, LONGEST_TMP, quoted
from .state import iso, write_private
from .workers.workerjobs import address_on

PYPI = "https://pypi.org/simple/pip/"
PYPI_SECONDS = 8
ALONE_SECONDS = 40  # without a knock: then there is no launcher any more to say `done`
IMPORT_SECONDS = 60


def main(arguments: Sequence[str] | None = None) -> None:
    """Open the doors, say so in state.json and the rest in facts.json; end when there is a file ``done``.

    Where nobody comes any more, the directory is removed, too.
    """
    os.umask(0o077)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory, started = Path((sys.argv[1:] if arguments is None else arguments)[-1]), time.time()
    asked = json.loads((directory / "asked.json").read_text("utf-8"))
    base = tempfile.gettempdir()
    with tempfile.TemporaryDirectory(prefix="springline-", dir=base if len(base) <= LONGEST_TMP else "/tmp") as private:
        knocked = threading.Event()
        doors = _doors(Path(private), (directory / "greeting").read_text("utf-8"), knocked)
        write_private(directory / "state.json", json.dumps({**_state(started), "doors": doors}) + "\n")
        write_private(directory / "facts.json", json.dumps(_facts(asked)))
        if not _told_to_end(directory / "done", knocked):
            shutil.rmtree(directory, ignore_errors=True)


def _told_to_end(done: Path, knocked: threading.Event) -> bool:
    """Wait for it; no longer than somebody still knocks."""
    alone = time.monotonic()
    while time.monotonic() < alone + ALONE_SECONDS:
        if done.exists():
            return True
        if knocked.wait(0.1):
            knocked.clear()
            alone = time.monotonic()
    return False


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


def _doors(private: Path, greeting: str, knocked: threading.Event) -> dict[str, str | int]:
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
        threading.Thread(target=_greet, args=(listener, greeting, knocked), daemon=True).start()
    return doors


def _greet(listener: socket.socket, greeting: str, knocked: threading.Event) -> None:
    """Tell whoever connects the greeting, which proves that it is us, and the time here."""
    while True:
        connection, _ = listener.accept()
        knocked.set()
        with connection, suppress(OSError):
            connection.sendall(f"{greeting} {time.time()}\n".encode())


def _facts(asked: Mapping[str, Any]) -> dict[str, Any]:
    jupyter = subprocess.Popen(
        [sys.executable, "-c", "import jupyterlab.labapp"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    packages = {}
    for name in asked["packages"]:
        with suppress(metadata.PackageNotFoundError):
            packages[name] = metadata.version(name)
    return {
        "software": {"path": sys.executable, "version": sys.version.split()[0], "packages": packages},
        "internet": _internet(),
        "workers": {
            "local_directory": _local_directory(asked["local_directory"]),
            "interface": _interface(asked["interface"]),
        },
        "broken": _complaint(jupyter),
    }


def _complaint(importing: subprocess.Popen[str]) -> str:
    """Why Python could not import it; empty if it could, or takes very long for it."""
    try:
        said = importing.communicate(timeout=IMPORT_SECONDS)[1]
    except subprocess.TimeoutExpired:
        importing.kill()
        return ""
    return (said.strip().splitlines() or ["it ended without a word"])[-1] if importing.returncode else ""


def _local_directory(base: str | None) -> dict[str, str]:
    """Make a directory where workers would, and remove it."""
    parent = quoted(base) if base else DEFAULT
    look = (
        f'mkdir -p -- {parent} && new=$(mktemp -d -- {parent}/springline-XXXXXXXX) && rmdir -- "$new" && echo {parent}'
    )
    try:
        done = subprocess.run(["bash", "-c", look], capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return {"seen": "", "error": "no answer in time"}
    said = (done.stderr.strip().splitlines() or [f"code {done.returncode}"])[-1] if done.returncode else ""
    return {"seen": done.stdout.strip(), "error": said}


def _interface(name: str | None) -> dict[str, str]:
    """Return the node's address on a network, as workers would ask for it."""
    if name is None:
        return {"seen": "", "error": ""}
    try:
        return {"seen": address_on(name), "error": ""}
    except (ValueError, ImportError) as error:
        return {"seen": "", "error": str(error)}


def _internet() -> str:
    """Empty if PyPI answers, through the environment's proxies where there are any; else why not."""
    try:
        urllib.request.urlopen(PYPI, timeout=PYPI_SECONDS).close()
    except OSError as error:
        return str(error)
    return ""
