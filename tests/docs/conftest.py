"""Fixtures of the stories: the real test cluster, with a laptop as a reader of the pages has it."""

from __future__ import annotations

import pytest

from tests.docs.site import Site, built
from tests.jobs.l1b.conftest import metadata, products, shared
from tests.slurm.conftest import cluster, heal, springline

__all__ = ["cluster", "heal", "metadata", "products", "shared", "springline"]


@pytest.fixture(scope="session")
def site() -> Site:
    """The built pages."""
    return built()
