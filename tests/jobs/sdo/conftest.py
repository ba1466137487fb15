"""The folder of real Sun data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.jobs.conftest import ROOT


@pytest.fixture(scope="session")
def sun() -> Path:
    """The folder of real Sun data; tests that need it are skipped without it."""
    folder = Path(os.environ.get("SPRINGLINE_TEST_DATA", ROOT / "../shared/data")) / "sdo"
    if not folder.is_dir():
        pytest.skip("no real data: set SPRINGLINE_TEST_DATA")
    return folder.resolve()
