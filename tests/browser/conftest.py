"""Fixtures with a real browser: `browser` and `lab`, on one session for each module.

A module that wants its session otherwise has a fixture `up` of its own (see `tests/browser/lab.py`: `start`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser import chromium
from tests.browser.lab import Lab, handed, start
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import cluster, heal, shared_springline
from tests.slurm.laptop import Springline
from tests.slurm.requirements import reason_to_skip
from tests.slurm.upping import Up

__all__ = ["cluster", "heal", "shared_springline"]  # the fixtures that are used here, too
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark this directory's tests `slurm`; skip them by name with the reason where cluster or browser cannot run."""
    ours = [item for item in items if HERE in item.path.parents]
    reason = (reason_to_skip() or chromium.reason_to_skip()) if ours else None
    for item in ours:
        item.add_marker(pytest.mark.slurm)
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="module")
def browser(cluster: Cluster, shared_springline: Springline) -> Iterator[Browser]:
    """Debian's chromium as the laptop's user; after `shared_springline`, which ends all that user's processes."""
    with chromium.chromium(cluster) as running:
        yield running


@pytest.fixture(scope="module")
def up(shared_springline: Springline) -> Up:
    """One session for the tests of a module; it ends with the module."""
    return start(shared_springline, "--name", "window")


@pytest.fixture(scope="module")
def shared_lab(browser: Browser, up: Up) -> Iterator[Lab]:
    """JupyterLab as `springline up` opens it, in one window for the tests of a module."""
    with Lab.open(browser, handed(up.springline)) as opened:
        yield opened


@pytest.fixture
def lab(shared_lab: Lab, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The same for one test: it fails if the console had an error meanwhile; NAME-end.png is how it ended."""
    yield shared_lab
    shared_lab.window.picture(f"{request.node.name}-end")
    shared_lab.window.no_errors()
