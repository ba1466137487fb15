"""Fixtures on the real cluster: `cluster`, `accounting_cluster`, `springline` and its kin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.laptop import Springline
from tests.slurm.requirements import reason_to_skip
from tests.slurm.story import RUN_FAULTS, RUN_HEAD, RUN_TABLE, Book

HERE = Path(__file__).parent
_running: list[Cluster] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark this directory's tests `slurm`; where the cluster cannot run, skip them by name with the reason."""
    ours = [item for item in items if HERE in item.path.parents]
    reason = reason_to_skip() if ours else None
    for item in ours:
        item.add_marker(pytest.mark.slurm)
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def heal() -> Iterator[None]:
    """Undo, after each test, the faults it left behind."""
    yield
    for cluster in _running:
        cluster.heal()


def _cluster(*, accounting: bool) -> Iterator[Cluster]:
    reason = reason_to_skip(accounting=accounting)
    if reason is not None:
        pytest.skip(reason)
    cluster = Cluster.up(accounting=accounting, sshd_on_nodes=not accounting)
    _running.append(cluster)
    try:
        yield cluster
    finally:
        _running.remove(cluster)
        cluster.down()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster of two nodes with sshd, without accounting, for the whole session."""
    yield from _cluster(accounting=False)


@pytest.fixture(scope="session")
def accounting_cluster() -> Iterator[Cluster]:
    """A cluster of two nodes without sshd, with slurmdbd and mariadb, for the whole session."""
    yield from _cluster(accounting=True)


@pytest.fixture(scope="session")
def book() -> Iterator[Book]:
    """What the reliability tests have seen; written as a table if this run has every row."""
    told = Book()
    yield told
    told.write()


@pytest.fixture(scope="session")
def run_book() -> Iterator[Book]:
    """The same of the tests with runs of analyses."""
    told = Book(faults=RUN_FAULTS, head=RUN_HEAD, path=RUN_TABLE)
    yield told
    told.write()


def _springline(cluster: Cluster) -> Iterator[Springline]:
    command = Springline(cluster)
    try:
        yield command
    finally:
        command.close()


@pytest.fixture
def springline(cluster: Cluster) -> Iterator[Springline]:
    """The command on the laptop of `cluster`, with fresh homes and no jobs, for one test."""
    yield from _springline(cluster)


@pytest.fixture(scope="module")
def shared_springline(cluster: Cluster) -> Iterator[Springline]:
    """The same for a whole module, so that its tests can share a session; never beside `springline`."""
    yield from _springline(cluster)


@pytest.fixture
def accounting_springline(accounting_cluster: Cluster) -> Iterator[Springline]:
    """The command on the laptop of `accounting_cluster`, for one test."""
    yield from _springline(accounting_cluster)


@pytest.fixture(params=["cluster", "accounting_cluster"], ids=["no-accounting", "accounting"])
def either_springline(request: pytest.FixtureRequest) -> Iterator[Springline]:
    """The command on the laptop of each cluster in turn, for what must not depend on accounting."""
    yield from _springline(request.getfixturevalue(request.param))
