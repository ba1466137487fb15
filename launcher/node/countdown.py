"""How much time a session has left, and when to say so."""

from __future__ import annotations

import time
from collections.abc import Callable

MARKS = (600.0, 120.0)  # s before the end at which the user is warned
LOOK_EVERY = 60.0  # s: the clock may be set


class Countdown:
    """Says once at each mark how much time is left until ``ends`` (POSIX seconds); never without an end."""

    def __init__(self, ends: float | None, clock: Callable[[], float] = time.time) -> None:
        self._ends = ends
        self._clock = clock
        self._ahead = list(MARKS)

    def left(self) -> float | None:
        """Return the seconds left."""
        return None if self._ends is None else self._ends - self._clock()

    def words(self) -> str:
        """Return how much time is left, for a user."""
        left = self.left()
        if left is None:
            return "little time left"
        return f"{round(left / 60)} min left" if left >= 60 else f"{max(0, round(left))} s left"

    def warning(self) -> str | None:
        """Return a warning if a mark was passed since the last call."""
        left = self.left()
        if left is None or not self._ahead or left > self._ahead[0]:
            return None
        self._ahead = [mark for mark in self._ahead if mark < left]
        return self.words()

    def wait(self) -> float:
        """Return for how long (s) there is nothing to say."""
        left = self.left()
        if left is None or not self._ahead:
            return LOOK_EVERY
        return min(LOOK_EVERY, max(0.0, left - self._ahead[0]))
