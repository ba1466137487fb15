"""What is said of a session while a person waits for it or works in it: each change in words."""

from __future__ import annotations

import time
from collections.abc import Callable

from launcher.cluster import Cluster
from launcher.console.console import Console
from launcher.model import Known, SessionPhase, SessionStatus, Unknown
from launcher.sessions.ends import pending_reason
from launcher.sessions.report import sentence, start_estimate, time_left
from launcher.units import format_duration


class Narrator:
    """Called at each change of a session; `waiting` and `holding` are what a live line shows in between."""

    def __init__(self, cluster: Cluster, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._console = console
        self._clock = clock
        self._current: SessionStatus | None = None
        self._lost: float | None = None  # since when nobody could say
        self._warning: str | None = None
        self._was_ready = False

    def __call__(self, current: SessionStatus) -> None:
        """Say what is new."""
        self._current = current
        if current.phase is SessionPhase.UNKNOWN:
            self._silence(current)
            return
        if self._lost is not None:
            self._console.say(f"  answered again after {format_duration(self._clock() - self._lost)}")
            self._lost = None
        self._change(current)
        self._warn(current)

    def waiting(self, seconds: float) -> str:
        """The live line of a session that is not ready yet."""
        return f"  {format_duration(seconds)}  {self._words()}" if self._current else ""

    def holding(self, seconds: float) -> str:
        """The live line of a ready session."""
        if self._current is None:
            return ""
        if self._lost is not None:
            silent = format_duration(self._clock() - self._lost)
            return f"  no answer for {silent}; trying again, the page comes back by itself"
        left = time_left(self._current.node.ends if self._current.node else None)
        return f"  ready{f', {left} left' if left else ''}" if self._was_ready else f"  {self._words()}"

    def _words(self) -> str:
        current = self._current
        assert current is not None
        if current.phase is not SessionPhase.PENDING:
            return sentence(current)
        start = start_estimate(current.job) if isinstance(current.job, Known) else ""
        expected = f", to start about {start}" if start else ""
        return f"waiting{expected}: {pending_reason(self._cluster, current)}"

    def _waits(self) -> str:
        """Why it waits; when it may start changes all the time, and is on the live line."""
        return f"waiting: {pending_reason(self._cluster, self._current)}" if self._current else ""

    def _silence(self, current: SessionStatus) -> None:
        if self._lost is None:
            self._lost = self._clock()
            why = current.job.error if isinstance(current.job, Unknown) else sentence(current)
            self._console.say(f"  {why}; trying again, nothing is given up")

    def _change(self, current: SessionStatus) -> None:
        if current.phase is SessionPhase.PENDING:
            again = "the job was put back into the queue; " if self._was_ready else ""
            self._console.say(f"  {again}{self._waits()}")
        elif current.phase is SessionPhase.STARTING and isinstance(current.job, Known):
            self._console.say(f"  {sentence(current)}" + (f" on {current.job.node}" if current.job.node else ""))
        elif current.phase is SessionPhase.ENDING:
            self._console.say("  the session is ending")
        self._was_ready = current.phase is SessionPhase.READY

    def _warn(self, current: SessionStatus) -> None:
        """Say once that the time is almost up, when the session says so; how much is left is seen here and now."""
        node = current.node
        if node is None or node.warning == self._warning or current.phase is not SessionPhase.READY:
            return
        self._warning = node.warning
        if node.warning:
            left = f"{time_left(node.ends)} left" if node.ends else node.warning
            self._console.warn(f"session {current.session.name}: {left}: save your work")
