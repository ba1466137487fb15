"""Springline's own files on this computer, which only the user can read."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import time
from pathlib import Path

from launcher.errors import ConfigurationError

PATIENCE_SECONDS = 1.0


def config_home() -> Path:
    """The directory for what the user writes."""
    return _directory("XDG_CONFIG_HOME", ".config", "APPDATA")


def state_home() -> Path:
    """The directory for springline's own files on this computer, private to the user."""
    home = _directory("XDG_STATE_HOME", ".local/state", "LOCALAPPDATA")
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(home, error) from error
    return home


def _directory(variable: str, below_home: str, on_windows: str) -> Path:
    """Where XDG says; else below the home directory, or on Windows where a program's files are looked for there."""
    if os.environ.get(variable):
        return Path(os.environ[variable]) / "springline"
    usual, profile = Path.home() / below_home / "springline", os.environ.get(on_windows)
    if sys.platform == "win32" and profile and not usual.exists():  # earlier versions made it
        return Path(profile) / "springline"
    return usual


def write_private(file: Path, text: str) -> None:
    """Write a file only the user can read, whole or not at all, its line ends as they are."""
    scratch = None
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(dir=file.parent)  # mkstemp makes it 0600
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
        _replace(scratch, file)
    except OSError as error:
        if scratch is not None:
            Path(scratch).unlink(missing_ok=True)
        raise _cannot_write(file, error) from error


def _replace(scratch: str, file: Path) -> None:
    """One rename. On Windows it has to wait for who has the file open, as another springline has for a moment."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return os.replace(scratch, file)  # noqa: PTH105 - a Path's own replace says no more
        except PermissionError:
            if sys.platform != "win32" or time.monotonic() > give_up:
                raise
        time.sleep(0.02)


def _cannot_write(path: Path, error: OSError) -> ConfigurationError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    what = "free some space there" if full else "let yourself write there"
    return ConfigurationError(
        f"cannot write {path}: {error.strerror}", f"{what}, or set XDG_STATE_HOME to another directory"
    )
