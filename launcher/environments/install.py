"""Installing an environment: look → check → ask → send → make → verify → one rename → record → section."""

from __future__ import annotations

from pathlib import Path

from launcher.console import Console
from launcher.environments.base import Wish
from launcher.environments.record import Record
from launcher.errors import UsageError


def install(
    wish: Wish,
    console: Console,
    *,
    config: Path | None = None,
    dry_run: bool = False,
    section: bool = True,
) -> Record | None:
    """Install what is wished and write it into the platform's section; returns its record, None for a rehearsal.

    `config` is the platforms.ini that gets the keys in place of the user's own.
    """
    raise UsageError("not there yet")
