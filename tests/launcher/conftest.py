"""Fixtures of the launcher's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.launcher.command import Command


@pytest.fixture
def springline(tmp_path: Path) -> Command:
    """The real command in an empty home."""
    home = tmp_path / "home"
    home.mkdir()
    return Command(home)
