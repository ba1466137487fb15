"""The keys of sessions on this computer: where a `springline client` has them, and the end of those it left."""

from __future__ import annotations

import shutil
from pathlib import Path

from launcher.laptop.alive import lives
from launcher.laptop.private import state_home


def keys_home() -> Path:
    """A directory for each `springline client`, for as long as it runs: `SESSION.PID`."""
    return state_home() / "clients"


def forget_left_keys() -> None:
    """Remove the keys of commands that were killed."""
    for left in keys_home().glob("*.*"):
        if not (left.suffix[1:].isdecimal() and lives(int(left.suffix[1:]))):
            shutil.rmtree(left, ignore_errors=True)
