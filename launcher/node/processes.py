"""The processes below one of ours, so that none outlives a session."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def table() -> dict[int, tuple[int, str]]:
    """Return the parent and the start time of every process one may see, by process id."""
    if Path("/proc/self/stat").exists():
        return _from_proc()
    listing = subprocess.run(["ps", "-axo", "pid=,ppid=,lstart="], capture_output=True, text=True, check=False)
    rows = (line.split(None, 2) for line in listing.stdout.splitlines())
    return {int(row[0]): (int(row[1]), row[2]) for row in rows if len(row) == 3}


def _from_proc() -> dict[int, tuple[int, str]]:
    found = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 (names, not paths)
        if entry.isdigit():
            with suppress(OSError, IndexError):  # it may end meanwhile
                # The name in parentheses may hold anything, so count from its end: state, parent, … start time.
                rest = Path("/proc", entry, "stat").read_text(errors="replace").rpartition(")")[2].split()
                found[int(entry)] = (int(rest[1]), rest[19])
    return found


def age() -> float:
    """Return for how long (s) this process has been, from before it became this program; 0 where nobody tells."""
    try:
        started = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
        uptime = Path("/proc/uptime").read_text(encoding="utf-8").split()[0]
        return max(0.0, float(uptime) - int(started) / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError):
        return 0.0


def below(pid: int) -> list[tuple[int, str]]:
    """Return every descendant of a process with its start time, which tells it from a later one of the same id."""
    known = table()
    found: list[tuple[int, str]] = []
    parents = {pid}
    while parents:
        children = {child for child, (parent, _) in known.items() if parent in parents}
        found.extend((child, known[child][1]) for child in children)
        parents = children
    return found


def kill(victims: Iterable[tuple[int, str]]) -> None:
    """Kill those processes that are still the ones that were seen."""
    known = table()
    for pid, started in victims:
        if pid in known and known[pid][1] == started:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
