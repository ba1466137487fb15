"""Springline's own files on this computer, which only the user can read."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from launcher.errors import ConfigurationError


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
        os.replace(scratch, file)  # noqa: PTH105 - one rename
    except OSError as error:
        if scratch is not None:
            Path(scratch).unlink(missing_ok=True)
        raise _cannot_write(file, error) from error


def _cannot_write(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"cannot write {path}: {error.strerror}", "free some space there, or set XDG_STATE_HOME to another directory"
    )
