"""How many workers were asked for, are to be and are there: told whenever that changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LOOK_EVERY = 3.0  # s: each change is written to the session's state, which launchers watch

Counts = dict[str, int]


def counts(asked: int | None, most: int | None, planned: int, joined: int) -> Counts:
    """Return the workers asked for, wanted, joined and still coming; `asked` is None where they follow the work."""
    wanted = planned if asked is None else max(planned, asked if most is None else min(asked, most))
    return {
        "asked": planned if asked is None else asked,
        "wanted": wanted,
        "joined": joined,
        "waiting": max(0, planned - joined),
    }


def granted(n: int | None, most: int | None, limit: str) -> dict[str, int | str] | None:
    """Return how many of ``n`` workers may be, and what limits them; None where all may."""
    return None if most is None or (n is not None and n <= most) else {"granted": most, "limit": limit}


async def keep_telling(look: Callable[[], Counts], tell: Callable[[str, Counts], None]) -> None:
    """Tell what changed since the last look, for as long as the cluster's loop runs."""
    before: Counts = {}
    while True:
        now = look()
        if now != before:
            tell("counted", now)
            before = now
        await asyncio.sleep(LOOK_EVERY)
