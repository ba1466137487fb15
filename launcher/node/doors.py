"""The doors of a session: the ways in to JupyterLab, which of them were asked for, and which is the least safe."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from .request import DOORS, Request, SessionDir

LOOK_OFTEN = 0.2  # s between two looks while a launcher may be waiting for a door
LOOK_SELDOM = 3.0  # s, later: a launcher on another laptop may need another door
OFTEN_FOR = 120.0  # s

ON_TCP_ELSEWHERE = ("node-tls", "node-http")  # those that other nodes can reach


def least_safe(names: Collection[str]) -> str:
    """Return the least safe of some doors; nothing if there is none."""
    return next((name for name in reversed(DOORS) if name in names), "")


def reach(request: Request) -> bool:
    """Tell whether anything of the session is to be reached from other nodes."""
    return request.scheduler != "local" or any(name in ON_TCP_ELSEWHERE for name in request.doors)


def allowed(request: Request, name: str) -> bool:
    """Tell whether a door may be opened; one without any encryption only if it was there from the start."""
    return name in DOORS and (name != "node-http" or name in request.doors)


def asked(path: Path) -> list[str]:
    """Return the names in a session's list of doors, in order; opening the file anew makes NFS look again."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return []


def follow(directory: SessionDir, open_already: Iterable[str], ask: Callable[[str], None]) -> threading.Thread:
    """Ask for each door that a launcher adds to the list from now on (a thread of its own)."""
    seen = set(open_already)

    def look() -> None:
        began = time.monotonic()
        while True:
            for name in asked(directory.doors):
                if name not in seen:
                    seen.add(name)
                    ask(name)
            time.sleep(LOOK_OFTEN if time.monotonic() - began < OFTEN_FOR else LOOK_SELDOM)

    thread = threading.Thread(target=look, name="doors", daemon=True)
    thread.start()
    return thread
