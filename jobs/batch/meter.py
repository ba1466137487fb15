"""What an item used: bytes read and the largest memory of this process, where the system tells (Linux)."""

from __future__ import annotations

import contextlib
import os
import sys

LINE = 40
"""Bytes read of /proc/self/io for its first line; the kernel counts them too."""


class Meter:
    """Two readings for each item, a few microseconds each: the files in /proc stay open."""

    def __init__(self) -> None:
        self._io = _opened("/proc/self/io", os.O_RDONLY)
        self._reset = _opened("/proc/self/clear_refs", os.O_WRONLY)
        self._status = _opened("/proc/self/status", os.O_RDONLY)
        self._before = 0
        self._modules: set[str] = set()

    def start(self) -> None:
        """An item begins: its memory and its reading count from here."""
        if self._reset is not None:
            os.pwrite(self._reset, b"5", 0)  # the largest memory so far is that of now
        if len(sys.modules) != len(self._modules):
            self._modules = set(sys.modules)
        self._before = self._read()

    def bytes_in(self) -> int:
        """Bytes read through system calls since `start`, from the page cache too, but for the modules imported."""
        return max(0, self._read() - self._before - LINE - self._imported())

    def _imported(self) -> int:
        """Bytes of the code that was read since `start`, which may be more than the item itself is."""
        if len(sys.modules) == len(self._modules):
            return 0
        size = 0
        for name in set(sys.modules) - self._modules:
            path = getattr(sys.modules[name], "__cached__", None)
            with contextlib.suppress(OSError, TypeError, ValueError):
                size += os.stat(path).st_size if path else 0
        return size

    def peak(self) -> int:
        """Largest memory since `start` [bytes]; getrusage would count that of the process this one was made by."""
        if self._status is None:
            return 0
        text = os.pread(self._status, 2000, 0)
        return 1024 * int(text[text.index(b"VmHWM:") + 6 :].split(None, 1)[0])

    def _read(self) -> int:
        if self._io is None:
            return 0
        return int(os.pread(self._io, LINE, 0).split(b"\n", 1)[0].split()[1])


def _opened(path: str, mode: int) -> int | None:
    try:
        return os.open(path, mode)
    except OSError:
        return None
