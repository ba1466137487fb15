"""Processes on record: a pid with the time it started, so that a reused pid is never mistaken for ours."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class TestbedError(Exception):
    """The cluster could not be brought up or controlled; the message says where and what its log says."""

    __test__ = False  # not a test class, whatever its name says to pytest


def start_time(pid: int) -> int | None:
    """Clock ticks from boot to the start of a process; None if there is none or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])


def parent(pid: int) -> int | None:
    """The parent of a process; None if the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


@dataclass(frozen=True)
class Record:
    """One process, for good: `pid` and `started` (clock ticks after boot)."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Record:
        """The record of a process that is running now."""
        started = start_time(pid)
        if started is None:
            raise TestbedError(f"process {pid} ended before it could be put on record")
        return cls(pid, started)

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return start_time(self.pid) == self.started

    def kill(self, timeout: float = 20) -> None:
        """SIGKILL this very process, never another one, and wait (seconds) until it is gone."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if not self.alive():
                return
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            if not select.select([handle], [], [], timeout)[0]:
                raise TestbedError(f"process {self.pid} survived SIGKILL for {timeout:g} s")
        finally:
            os.close(handle)


def wait_until(
    probe: Callable[[], T], *, what: str, timeout: float, every: float = 0.03, log: Callable[[], str] = str
) -> T:
    """Call `probe` until it says something true; after `timeout` seconds raise, with the end of `log`."""
    deadline = time.monotonic() + timeout
    while not (answer := probe()):
        if time.monotonic() > deadline:
            raise TestbedError(f"{what} did not happen within {timeout:g} s\n{log()}".rstrip())
        time.sleep(every)
    return answer
