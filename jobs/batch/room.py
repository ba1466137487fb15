"""A full disk: everything is held back, and one item at a time finds out whether there is room again. Pure."""

from __future__ import annotations

FIRST_HOLD, LONGEST_HOLD, PATIENCE = 5.0, 60.0, 1800.0
"""Seconds to wait for room: at first, at most, and until the run gives up."""


class Room:
    """What is known of the room on the disk; all moments are on one clock."""

    def __init__(self) -> None:
        self._hold = self._until = self._since = 0.0
        self._found = 0.0

    def __bool__(self) -> bool:
        """Whether there is some, as far as is known."""
        return not self._hold

    def may_try(self, now: float) -> bool:
        """Whether it is time to find out."""
        return now >= self._until

    def is_given_up(self, now: float) -> bool:
        """Whether there was none for too long."""
        return bool(self._hold) and now - self._since > PATIENCE

    def lack(self, now: float) -> bool:
        """An item found none; returns whether that is news."""
        is_news = not self._hold
        if is_news:
            self._since = now
        if is_news or now >= self._until:
            self._hold = min(LONGEST_HOLD, max(FIRST_HOLD, 2 * self._hold))
            self._until = now + self._hold
        return is_news

    def find(self, sent: float) -> None:
        """An item that was sent then is done. If that was before there was no room, it proves nothing."""
        self._found = max(self._found, sent)
        if sent > self._since:
            self._hold = self._until = 0.0

    def found_after(self, moment: float) -> bool:
        """Whether an item that was sent after that moment is done."""
        return self._found > moment
