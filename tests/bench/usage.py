"""What a command costs: CPU time and memory of a process and all below it, from /proc."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """What a family of processes has used so far."""

    cpu: float  # s
    peak: float  # MB, each process at its own worst moment


def usage(root: int) -> Usage:
    """Sum over a process and everything below it, children that ended (and were waited for) too."""
    cpu = peak = 0.0
    for pid in family(root):
        with suppress(OSError):  # ended meanwhile: its parent has it
            cpu += sum(map(int, _fields(pid)[11:15])) / _TICKS
            peak += _peak(pid)
    return Usage(cpu, peak)


def family(root: int) -> list[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            children.setdefault(int(_fields(int(entry.name))[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def _fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on: the name before it may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _peak(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
